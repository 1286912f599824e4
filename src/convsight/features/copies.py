"""Which pictures are copies of one another, also mirrored, cropped, resized or compressed again?

Three steps, each for fewer pairs. Nearest neighbours of blurred thumbnails, also of mirrored ones, give candidates.
Each candidate is laid over the other through windows of several sizes and places, at 16 pixels a side. The best window
is then moved in small steps at 32 pixels, and three numbers judge what is left: how well the pictures agree (correlation
of their grey levels), how well their fine structure does, which two pictures of like things do not share, and how far
apart their colours are beyond brightness and contrast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convsight.features.exact import nearest
from convsight.images import Images
from convsight.imaging.fitting import fit_pixels
from convsight.progress import report_count

SIDE_PX, COARSE_PX, DESCRIPTOR_PX = 32, 16, 8
CANDIDATES = 10  # nearest thumbnails that are compared with each picture
NEAR, ALWAYS = 0.9, 0.1  # near: below NEAR × the distance of the last candidate, or below ALWAYS
SHARES = (1.0, 0.95, 0.9, 0.85)  # of a side that a crop may have left
STEPS = (0.025, 0.025, 0.0125, 0.00625)  # by which a window is moved, as shares of a side
COARSE_LEAST = 0.80  # agreement at 16 pixels below which a pair is given up
ALIKE, FINE = 0.95, 0.75  # least correlation of grey levels, and of their fine structure, of a copy
RIVALS = 3  # so many last candidates of each picture count as its ordinary neighbours
RIVAL = 0.15  # a copy disagrees by at most this share of the disagreement with an ordinary neighbour
# Resizing and cropping blur: the whole may agree this much less where fine structure agrees this much more
BLURRED_ALIKE, BLURRED_FINE = 0.10, 0.15
# Plain pictures such as skies: compression changes most of the little structure they have
PLAIN_ALIKE, PLAIN_FINE, PLAIN_RIVAL = 0.99, 0.10, 0.35
# Root mean square over the channels of 4 × 4 parts that one change of brightness and contrast for all channels leaves: of
# 1,206 copies of photos, also compressed and resized, at most 0.0154 in 99 of 100; of 120 that are 15% brighter or darker
# 0.014, of those 30% brighter, which cuts whites off, 0.022 in 9 of 10; of 100 pairs of drawings of one thing in two
# colours 0.024 and more
COLOURS_APART, COLOUR_PARTS = 0.025, 4
CONTRASTS = 0.5, 2.0  # by which contrast may change from one copy to the other
PLAIN = 1 / 255  # pictures with a smaller standard deviation show nothing to compare
AT_ONCE = 1024  # pairs


@dataclass(frozen=True)
class Copy:
    """Two pictures that are one: their numbers (first < second), how alike (0 to 1), and how they differ.

    mirrored: left and right are exchanged. kept: the share of the larger picture's area that the smaller one shows.
    """

    first: int
    second: int
    alike: float
    mirrored: bool
    kept: float

    @property
    def how(self) -> str:
        """In words: "the same", "mirrored", "cropped to 81%", "mirrored and cropped to 81%"."""
        cropped = f"cropped to {self.kept:.0%}" if self.kept < 0.97 else ""
        return (
            " and ".join(word for word in ("mirrored" if self.mirrored else "", cropped) if word)
            or "the same"
        )


def thumbnails(batches: Iterable[Images], total: int) -> Float[Tensor, "n c s s"]:
    """All pictures at 32 × 32 pixels, stretched, in grey or three channels: what copies are looked for in."""
    parts, done = [], 0
    for images in batches:
        pixels = images.pixels if images.channels in (1, 3) else images.pixels.mean(1, keepdim=True)
        parts.append(fit_pixels(pixels, (SIDE_PX, SIDE_PX), pixels.shape[1], "stretch"))
        done += len(images)
        report_count(done, total, "pictures", "looking")
    return torch.cat(parts)


def copies(small: Float[Tensor, "n c s s"], alike: float = ALIKE, fine: float = FINE) -> list[Copy]:
    """Every pair of near-duplicates among pictures of 32 × 32 pixels, the surest first.

    alike, fine: least correlation of the grey levels and of their fine structure once one picture is laid over the
    other. Pictures of one plain colour are left out; so are pairs whose colours differ by more than brightness and
    contrast, and pairs that agree little better than each with an ordinary picture among its nearest.

    >>> picture = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> smooth = F.interpolate(F.avg_pool2d(picture, 4), scale_factor=4, mode="bilinear")
    >>> [copy.how for copy in copies(torch.cat([smooth, smooth.flip(3), 1 - smooth]))]
    ['mirrored']
    """
    if len(small) < 2:
        return []
    grey = small.mean(1)
    pairs, mirrored = _candidates(small, grey)
    parts = []
    for start in range(0, len(pairs), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        parts.append(_compared(small, pairs[part], mirrored[part]))
        report_count(start, len(pairs), "pairs", "comparing")
    agree, structure, colours, kept = (torch.cat(each) for each in zip(*parts, strict=True))
    one = _are_copies(pairs, agree, structure, len(small), alike, fine)
    chosen = (one & (colours <= COLOURS_APART)).nonzero()[:, 0]
    best: dict[tuple[int, int], Copy] = {}
    for i in chosen[agree[chosen].argsort(descending=True, stable=True)].tolist():
        first, second = pairs[i].tolist()
        copy = Copy(first, second, round(float(agree[i]), 4), bool(mirrored[i]), float(kept[i]))
        best.setdefault((first, second), copy)
    return list(best.values())


def _candidates(
    small: Float[Tensor, "n c s s"], grey: Float[Tensor, "n s s"]
) -> tuple[Int64[Tensor, "m 2"], Bool[Tensor, " m"]]:
    """Pairs of near descriptors, each once for a picture as it is and once for its mirror image.

    Beside those that stand out as near, each picture is compared with the last of its candidates, as ordinary ones.
    """
    full = (grey.flatten(1).std(1) > PLAIN).nonzero()[:, 0]
    own, mirror = _descriptors(small[full]), _descriptors(small[full].flip(3))
    pairs = []
    for base, is_mirror in ((own, False), (mirror, True)):
        distances, rows = nearest(own, base, CANDIDATES + 2)
        near = (distances < (NEAR * distances[:, -1:]).clamp(min=ALWAYS)) | (len(full) <= 2 * CANDIDATES)
        near |= torch.arange(rows.shape[1]) >= rows.shape[1] - RIVALS  # ordinary neighbours, to compare with
        first = torch.arange(len(full))[:, None].expand_as(rows)
        both = torch.stack([first[near], rows[near]], 1).sort(1).values
        both = both[both[:, 0] != both[:, 1]].unique(dim=0)
        pairs.append(torch.cat([both, torch.full((len(both), 1), int(is_mirror))], 1))
    joined = torch.cat(pairs)
    return full[joined[:, :2]], joined[:, 2].bool()


def _descriptors(small: Float[Tensor, "n c s s"]) -> Float[Tensor, "n d"]:
    """8 × 8 averages of all channels, at the same brightness and contrast for every picture."""
    flat = F.adaptive_avg_pool2d(small, DESCRIPTOR_PX).flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1)


def _compared(
    small: Tensor, pairs: Int64[Tensor, "m 2"], mirrored: Bool[Tensor, " m"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each pair: agreement, that of its fine structure, how far apart colours are, and which share both show.

    That is the share of the larger picture, the one of which the other is the better window. Fine structure and colours
    are compared, and windows are moved, only where the rest agrees.
    """
    a, b = small[pairs[:, 0]], small[pairs[:, 1]]
    b = torch.where(mirrored[:, None, None, None], b.flip(3), b)
    windows, agree = _coarse(a.mean(1), b.mean(1))
    other_windows, other = _coarse(b.mean(1), a.mean(1))
    swap = other > agree
    whole, part = torch.where(swap[:, None, None, None], b, a), torch.where(swap[:, None, None, None], a, b)
    windows, agree = torch.where(swap[:, None], other_windows, windows), torch.maximum(agree, other)
    structure, colours = torch.zeros_like(agree), torch.ones_like(agree)
    likely = (agree > COARSE_LEAST).nonzero()[:, 0]
    if len(likely):
        whole, part = whole[likely], part[likely]
        windows[likely], agree[likely] = _refined(whole.mean(1), part.mean(1), windows[likely])
        shown = _seen(whole, windows[likely])
        structure[likely] = _correlation(_fine(shown.mean(1)), _fine(part.mean(1)))
        colours[likely] = _colours_apart(shown, part)
    return agree, structure, colours, windows[:, 2] * windows[:, 3]


def _colours_apart(a: Float[Tensor, "m c s s"], b: Float[Tensor, "m c s s"]) -> Float[Tensor, " m"]:
    """What is left of the difference of colours, once brightness and contrast of b are fitted to a."""
    y, x = (F.adaptive_avg_pool2d(each, COLOUR_PARTS).flatten(1) for each in (a, b))
    y, x = y - y.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    contrast = (x * y).sum(1, keepdim=True) / x.square().sum(1, keepdim=True).clamp(min=1e-9)
    return (y - contrast.clamp(*CONTRASTS) * x).square().mean(1).sqrt()


def _are_copies(
    pairs: Int64[Tensor, "m 2"],
    agree: Float[Tensor, " m"],
    structure: Float[Tensor, " m"],
    n: int,
    alike: float,
    fine: float,
) -> Bool[Tensor, " m"]:
    """Which pairs show one picture: in one of three ways, each beyond what ordinary neighbours have in common.

    Both numbers are high; or fine structure agrees so well that the rest may agree less, as after resizing and cropping;
    or the whole agrees so well that fine structure may agree less, as in plain pictures after compression.
    """
    rival, fine_rival = _rivals(pairs, agree, n)[pairs].amax(1), _rivals(pairs, structure, n)[pairs].amax(1)
    apart = (1 - agree) / (1 - rival).clamp(min=1e-9)
    fine_apart = (1 - structure) / (1 - fine_rival).clamp(min=1e-9)
    both = (agree >= alike) & (structure >= fine) & (apart <= RIVAL) & (fine_apart <= RIVAL)
    blurred = (agree >= alike - BLURRED_ALIKE) & (structure >= fine + BLURRED_FINE)
    by_structure = blurred & (apart <= RIVAL) & (fine_apart <= RIVAL)
    plain = (agree >= PLAIN_ALIKE) & (structure >= fine - PLAIN_FINE)
    return both | by_structure | (plain & (apart <= RIVAL) & (fine_apart <= PLAIN_RIVAL))


def _rivals(pairs: Int64[Tensor, "m 2"], agree: Float[Tensor, " m"], n: int) -> Float[Tensor, " n"]:
    """How well each picture agrees with an ordinary one of those nearest to it: the median over what it was compared with.

    In a set of like things, such as garments on black, strangers agree too: a copy has to agree much better.
    """
    numbers, both = pairs.T.flatten(), agree.repeat(2)
    order = both.argsort(stable=True)
    order = order[numbers[order].argsort(stable=True)]  # by picture, then by agreement
    counts = torch.bincount(numbers, minlength=n)
    middle = counts.cumsum(0) - counts + (counts - 1).clamp(min=0) // 2
    return torch.where(counts > 0, both[order][middle.clamp(max=len(order) - 1)], 0.0)


def _coarse(whole: Float[Tensor, "m s s"], part: Float[Tensor, "m s s"]) -> tuple[Tensor, Tensor]:
    """Of all windows of `whole`, the one that agrees best with `part`, and how well, at 16 pixels."""
    windows = _windows()
    small = F.adaptive_avg_pool2d(part[:, None], COARSE_PX)[:, 0]
    agree = []
    for window in windows:
        rows, columns = _sampling(window[0], window[2]), _sampling(window[1], window[3])
        agree.append(_correlation(rows @ whole @ columns.T, small))
    best = torch.stack(agree).max(0)
    return windows[best.indices], best.values


def _windows() -> Float[Tensor, "k 4"]:
    """(top, left, height, width) in shares of the side: crops of all sides alike, and of one direction."""
    sizes = [(s, s) for s in SHARES] + [(s, 1.0) for s in SHARES[1:]] + [(1.0, s) for s in SHARES[1:]]
    found = []
    for h, w in sizes:
        tops, lefts = ([0.0] if s == 1 else [0.0, (1 - s) / 2, 1 - s] for s in (h, w))
        found += [(top, left, h, w) for top in tops for left in lefts]
    return torch.tensor(found)


def _sampling(start: Tensor, share: Tensor) -> Float[Tensor, "o s"]:
    """The matrix that averages a stretch of a side of 32 down to 16 numbers (box filter)."""
    edges = (start + share * torch.arange(COARSE_PX + 1) / COARSE_PX) * SIDE_PX
    low, high = edges[:-1, None], edges[1:, None]
    cell = torch.arange(SIDE_PX)
    overlap = (torch.minimum(high, cell + 1) - torch.maximum(low, cell)).clamp(min=0)
    return overlap / overlap.sum(1, keepdim=True)


def _refined(whole: Tensor, part: Tensor, windows: Float[Tensor, "m 4"]) -> tuple[Tensor, Tensor]:
    """The windows moved and scaled in ever smaller steps while that makes the pictures agree better."""
    agree = _correlation(_seen(whole[:, None], windows), part)
    larger = torch.tensor([[-1.0, -1.0, 2.0, 2.0]])  # a move that scales a window about its middle
    moves = torch.cat([torch.eye(4), -torch.eye(4), larger, -larger])
    for step in STEPS:
        for move in moves:
            tried = _inside(windows + step * move)
            then = _correlation(_seen(whole[:, None], tried), part)
            better = then > agree
            windows = torch.where(better[:, None], tried, windows)
            agree = torch.where(better, then, agree)
    return windows, agree


def _inside(windows: Tensor) -> Tensor:
    size = windows[:, 2:].clamp(min(SHARES) - 0.03, 1.0)
    start = torch.minimum(windows[:, :2].clamp(min=0), 1 - size)
    return torch.cat([start, size], 1)


def _seen(whole: Float[Tensor, "m c s s"], windows: Float[Tensor, "m 4"]) -> Float[Tensor, "m c s s"]:
    """What each window shows, at 32 × 32 pixels (bilinear)."""
    places = (torch.arange(SIDE_PX) + 0.5) / SIDE_PX
    y = (windows[:, :1] + windows[:, 2:3] * places) * 2 - 1
    x = (windows[:, 1:2] + windows[:, 3:] * places) * 2 - 1
    grid = torch.stack([x[:, None, :].expand(-1, SIDE_PX, -1), y[:, :, None].expand(-1, -1, SIDE_PX)], 3)
    return F.grid_sample(whole, grid, padding_mode="border", align_corners=False)


def _fine(grey: Float[Tensor, "m s s"]) -> Float[Tensor, "m s s"]:
    """Fine structure: a picture slightly blurred, which JPEG and scaling leave, less itself much blurred."""
    one = F.avg_pool2d(F.pad(grey[:, None], (1, 1, 1, 1), mode="replicate"), 3, 1)
    wide = F.avg_pool2d(F.pad(one, (3, 3, 3, 3), mode="replicate"), 7, 1)
    return (one - wide)[:, 0]


def _correlation(a: Float[Tensor, "m s s"], b: Float[Tensor, "m s s"]) -> Float[Tensor, " m"]:
    a, b = a.flatten(1), b.flatten(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-9)
