"""Does the score fall more when the map's strongest area is hidden than when any other area is?"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from convsight.datasets import Dataset
from convsight.images import Images
from convsight.results.draw import outline, rgb
from convsight.trust_checks.donors import Donors, donors_for
from convsight.trust_checks.light import HIDING, Answer, Light, answered
from convsight.trust_checks.likeness import edge_drawing, smooth
from convsight.trust_checks.measured import Memo, fingerprint
from convsight.trust_checks.removal import hidden_scores, interval, standing, top
from convsight.trust_checks.subject import JudgedMap, clean_scores, one_picture, tiled

# share of the picture that is hidden, and the number of random areas to compare it with
AREA, BLOBS = 0.10, 20
MOSTLY = 0.5  # a map that overlaps the edges by this share of its area may be no more than an edge drawing
# sizes of the grains of random areas, from speckles to lumps, as shares of the short side
GRAINS = (1 / 28, 1 / 14, 1 / 7)
# share of the random blobs that a map must beat for "yes", and below which it is "no"
SURE, CHANCE = 0.95, 0.5


@dataclass(frozen=True, eq=False)
class Baseline:
    """How much hiding costs without regard to the map: hiding the edges, and hiding random blobs."""

    drawn: Bool[Tensor, "n h w"]
    clean: Float[Tensor, " n"]
    edges: Float[Tensor, "n d"]
    blobs: Float[Tensor, "n b"]


def does_hiding_matter(subject: JudgedMap, data: Dataset | Images | None, seed: int) -> list[Light]:
    """The first light of each picture.

    The map (a signed map's positive part) and an edge drawing are smoothed by the same Gaussian; the
    strongest tenth of each is replaced by other pictures' pixels. Blobs are smooth random fields with the
    map's own grain.
    """
    pixels, shown = subject.images.pixels, subject.map.values.clamp(min=0).float()
    brush = min(pixels.shape[2:]) / 28
    smoothed = smooth(shown, brush)
    count = (smoothed > 0).flatten(1).sum(1).clamp(max=round(AREA * smoothed[0].numel()))
    mask = top(smoothed, count)
    donors = donors_for(subject, data, seed)
    base = baseline(subject, donors.pixels, count, grain_of(mask, count), seed)
    drops = base.clean[:, None] - hidden_scores(
        subject.net, subject.aim, pixels, mask[:, None], donors.pixels
    )
    return [_light(subject, i, int(count[i]), drops[i], base, donors, mask[i]) for i in range(len(pixels))]


def _light(
    subject: JudgedMap, i: int, count: int, drops: Tensor, base: Baseline, donors: Donors, mask: Tensor
) -> Light:
    share = 100 * count / mask.numel()
    if count == 0:
        return answered(
            HIDING, "can't tell", "The map marks nothing for this score, so nothing can be hidden."
        )
    blobs, paired = base.blobs[i], drops[torch.arange(len(base.blobs[i])) % len(drops)]
    beaten = float(((paired > blobs).double() + 0.5 * (paired == blobs)).mean())
    low, high = interval(drops)
    beyond_edges = interval(drops - base.edges[i])
    numbers = {
        "score": float(base.clean[i]),
        "area_percent": share,
        "drop": float(drops.mean()),
        "drop_low": low,
        "drop_high": high,
        "blobs_drop": float(blobs.mean()),
        "blobs_beaten": beaten,
        "edges_drop": float(base.edges[i].mean()),
        "overlap": float((mask & base.drawn[i]).sum() / count),
        "beyond_edges_low": beyond_edges[0],
        "beyond_edges_high": beyond_edges[1],
        "donors": float(len(drops)),
        "blobs": float(len(blobs)),
    }
    answer, words = _answer(numbers)
    fell = "lowers" if numbers["drop"] >= 0 else "raises"
    sentence = (
        f"Hiding its strongest {share:.0f}% under {donors.words} {fell} the score by {_short(abs(numbers['drop']))} "
        f"(95% over {len(drops)} fillings: {_short(low)} to {_short(high)}): more than {beaten:.0%} of {len(blobs)} random "
        f"blobs of that size do (mean {_short(numbers['blobs_drop'])}). What an edge drawing marks ({numbers['overlap']:.0%} "
        f"of it the same): {_short(numbers['edges_drop'])}. {words}"
    )
    filled = torch.where(mask, donors.pixels[i, 0], subject.images.pixels[i])
    outlined = tiled(outline(rgb(filled), mask))
    return answered(
        HIDING, answer, sentence, numbers, one_picture(outlined, f"score {_short(-numbers['drop'])}")
    )


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−") if abs(value) < 10 else f"{value:.0f}"


def _answer(found: dict[str, float]) -> tuple[Answer, str]:
    """The verdict on measured numbers, and what it says about the map."""
    if found["blobs_beaten"] < CHANCE or found["drop_high"] <= 0:
        return "no", "Areas chosen blindly matter as much as what the map marks."
    if found["blobs_beaten"] < SURE or found["drop_low"] <= 0:
        return "can't tell", "That may be chance."
    if found["beyond_edges_low"] > 0:
        return "yes", "The score rests on what the map marks, more than on the picture's strongest edges."
    if found["overlap"] >= MOSTLY:
        return (
            "can't tell",
            "Most of it is the picture's strongest edges, which matter no less, drawn without the network.",
        )
    return (
        "yes",
        "The score rests on it; the picture's strongest edges, mostly elsewhere, matter too.",
    )


@functools.lru_cache(maxsize=4)
def blobs(size: tuple[int, int], how_many: int, seed: int) -> Float[Tensor, "g b h w"]:
    """Smooth random fields of each of the `GRAINS`."""
    draws = torch.Generator().manual_seed(seed)
    noise = torch.rand(how_many, *size, generator=draws)
    return torch.stack([smooth(noise, min(size) * grain) for grain in GRAINS])


@functools.lru_cache(maxsize=4)
def blob_standings(size: tuple[int, int], how_many: int, seed: int) -> Int[Tensor, "g b h w"]:
    """The `standing` of the fields' pixels, from which blobs of any area are cut."""
    return torch.stack([standing(field) for field in blobs(size, how_many, seed)])


@functools.lru_cache(maxsize=64)
def blob_outlines(size: tuple[int, int], area: int) -> Float[Tensor, " g"]:
    """The mean length of the outlines of blobs of `area` pixels, for each of the `GRAINS`."""
    fields = blob_standings(size, BLOBS, 0)
    return torch.stack([_outline(field[:8] < area).mean() for field in fields])


def grain_of(masks: Bool[Tensor, "n h w"], count: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """For each mask the grain whose blobs of the same area have the most similar length of outline.

    Hiding speckles changes every part of a picture a little, while a lump hits a part or misses it; so only
    areas of a like grain can be compared.
    """
    found = torch.zeros(len(masks), dtype=torch.long)
    for area in count.unique().tolist():
        lengths, some = blob_outlines((masks.shape[1], masks.shape[2]), area), count == area
        found[some] = (_outline(masks[some])[:, None].log1p() - lengths.log1p()).abs().argmin(1)
    return found


def _outline(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    across, down = masks[:, :, 1:] != masks[:, :, :-1], masks[:, 1:] != masks[:, :-1]
    return across.flatten(1).sum(1).float() + down.flatten(1).sum(1).float()


def baseline(
    subject: JudgedMap,
    donors: Float[Tensor, "n d c h w"],
    count: Int[Tensor, " n"],
    grain: Int[Tensor, " n"],
    seed: int,
) -> Baseline:
    """The baseline of these pictures. Its parts are cached: scores for all maps of these pictures, edges for
    all maps of one area, blobs for all maps of one area and grain.
    """
    net, aim, pixels, size = subject.net, subject.aim, subject.images.pixels, subject.images.size
    clean = _clean(subject.asked, lambda: _clean_scores(subject))
    key = f"{subject.asked}{fingerprint(donors, count)}"

    def at_edges() -> tuple[Tensor, Tensor]:
        drawn = top(smooth(edge_drawing(pixels), min(size) / 28), count)
        return drawn, hidden_scores(net, aim, pixels, drawn[:, None], donors)

    def scattered() -> Tensor:
        masks = blob_standings(size, BLOBS, seed)[grain] < count[:, None, None, None]
        return hidden_scores(net, aim, pixels, masks, donors)

    drawn, edges = _edges(key, at_edges)
    random = _scattered(f"{key}{grain.tolist()}{seed}", scattered)
    return Baseline(drawn, clean, clean[:, None] - edges, clean[:, None] - random)


_clean, _edges, _scattered = Memo[Tensor](8), Memo[tuple[Tensor, Tensor]](8), Memo[Tensor](8)


def _clean_scores(subject: JudgedMap) -> Float[Tensor, " n"]:
    if subject.aim.outputs is not None:
        return subject.aim.of_logits(subject.scores)
    return clean_scores(subject.net, subject.aim, subject.images.pixels)
