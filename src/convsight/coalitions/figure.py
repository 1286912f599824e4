"""How do the values of regions, with their intervals, become a map and a table?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from convsight.coalitions.certainty import certain_words
from convsight.coalitions.solving import Solving
from convsight.images import Images
from convsight.results import draw
from convsight.results.kinds import Map, Table

ROWS = 12  # regions that the table names, over all pictures


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known about one picture and target: target t of a game that is being solved."""

    solving: Solving
    target: int
    label: str

    @property
    def values(self) -> Float[Tensor, " r"]:
        assert self.solving.estimate is not None
        return self.solving.estimate.values[:, self.target]

    @property
    def half(self) -> Float[Tensor, " r"]:
        assert self.solving.estimate is not None
        return self.solving.estimate.half[:, self.target]

    @property
    def score(self) -> float:
        return float(self.solving.game.ends()[1][self.target])

    def certain(self) -> str:
        assert self.solving.estimate is not None
        return certain_words(self.solving.estimate, self.target, self.solving.game.passes)

    def sum_words(self) -> str:
        """The check that the values add up to what all regions add together."""
        none, every = (float(end[self.target]) for end in self.solving.game.ends())
        total, rise = float(self.values.sum()), every - none
        number = draw.number
        return (
            f"Sum: the values add up to {number(total)}; the score with all regions {number(every)} less that with "
            f"none {number(none)} is {number(rise)} (gap {abs(total - rise):.0e})."
        )


def map_of(
    answers: Sequence[Answer], images: Images, regions: Int[Tensor, "n h w"], words: str, notes: Sequence[str]
) -> Map:
    """The regions' Shapley values as a map, with a table of the first ranks."""
    found = on_regions(
        [a.values for a in answers], [a.half for a in answers], images, regions, [a.label for a in answers],
        [a.score for a in answers],
    )  # fmt: skip
    caption = (
        f"Red: showing this region raises the score, on average over all orders; blue: it lowers it. {words}"
    )
    return replace(
        found, caption=caption, unit="score that the region adds", notes=(*_said(answers), *notes),
        parts=(table_of(answers, regions),),
    )  # fmt: skip


def on_regions(
    values: Sequence[Float[Tensor, " r"]],
    half: Sequence[Float[Tensor, " r"]],
    images: Images,
    regions: Int[Tensor, "n h w"],
    labels: Sequence[str],
    scores: Sequence[float],
) -> Map:
    """A signed map of regions with half the length of their intervals, whose colours fade where one holds zero."""
    # Rows get the same length: pictures with fewer regions end in NaN.
    each, wide = (pad_sequence(list(rows), True, torch.nan) for rows in (values, half))
    place = regions.flatten(1)
    on_pixels = [v.nan_to_num(0.0).gather(1, place).view(regions.shape).float() for v in (each, wide)]
    return Map(
        values=on_pixels[0], half_width=on_pixels[1], signed=True, pictures=images.pixels,
        labels_of=tuple(f"{label} {draw.number(score)}" for label, score in zip(labels, scores, strict=True)),
        clean_score=torch.tensor(scores), regions=regions, region_values=each.float(),
        region_intervals=torch.stack([each - wide, each + wide], 2).float(),
    )  # fmt: skip


def table_of(answers: Sequence[Answer], regions: Int[Tensor, "n h w"]) -> Table:
    """The regions of each picture that add most, with their intervals; of several pictures the number comes first."""
    most, several = max(3, ROWS // len(answers)), len(answers) > 1
    rows = [
        ((i,) * several) + (rank, int(region), _centre(regions[i] == region), *_interval(a, int(region)))
        for i, a in enumerate(answers)
        for rank, region in enumerate(a.values.argsort(descending=True)[:most], 1)
    ]
    columns = ("rank", "region", "around row, column", "adds", "95% from", "to")
    return Table(
        title="The regions that add most", columns=(("picture",) * several) + columns,
        rows=tuple(rows), name="ranking",
        caption="Regions are numbered from 0, row by row; all of them are in .region_values and .region_intervals.",
    )  # fmt: skip


def _centre(region: Bool[Tensor, "h w"]) -> str:
    """The pixel in the middle of a region."""
    row, column = (round(float(at)) for at in region.nonzero().double().mean(0))
    return f"{row}, {column}"


def _interval(answer: Answer, region: int) -> tuple[float, float, float]:
    value, half = answer.values[region], answer.half[region]
    return _short(value), _short(value - half), _short(value + half)


def _short(value: Tensor) -> float:
    return float(f"{float(value):.3g}")


def _said(answers: Sequence[Answer]) -> list[str]:
    """For each picture how far its values can be trusted; for one of several, its number comes first."""
    notes = []
    for i, answer in enumerate(answers):
        which = f"Picture {i + 1}: " if len(answers) > 1 else ""
        ended = answer.solving.ended or f"{answer.solving.game.passes} passes so far"
        notes += [
            f"{which}{answer.certain()} {ended[0].upper()}{ended[1:]}{_widths(answer)}.",
            f"{which}{answer.sum_words()}",
        ]
    return notes


def _widths(answer: Answer) -> str:
    """How wide the widest interval is, and how many exclude zero; nothing for exact values."""
    values, half = answer.values, answer.half
    if not bool(half.any()):
        return ""
    share = float(half.max()) / max(float(values.abs().max()), 1e-30)
    up, down = int((values > half).sum()), int((-values > half).sum())
    return (
        f", the widest 95% interval is ±{draw.number(float(half.max()))}, {share:.0%} of the largest value; of "
        f"{len(values)} intervals {up} are above zero and {down} below"
    )
