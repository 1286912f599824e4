"""How are the numbers gathered about a layer's channels reported, in sentences, a table and curves?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from convsight.datasets import Split
from convsight.results.draw import number
from convsight.results.kinds import Curve, Series, Table
from convsight.units.names import short
from convsight.units.stream import Responses

MOST_CLASSES = 20  # bars in a class histogram
SILENT, ALIKE, NOISE = 0.95, 0.95, 0.1  # share of pictures, Pearson's r, Moran's I


def told_apart(found: Responses, chance: Responses | None) -> str:
    """How much of the mean response the classes explain, beside the same network untrained."""
    assert found.eta2 is not None
    assert found.class_counts is not None
    k, n = int((found.class_counts > 0).sum()), found.images
    text = f"The {k} classes explain η² = {number(float(found.eta2.median()))} of the mean response (median channel)"
    if chance is not None and chance.eta2 is not None:
        above = int((found.eta2 > chance.eta2.median()).sum())
        text += (
            f"; {number(float(chance.eta2.median()))} with the same network untrained, which {above} of "
            f"{len(found.eta2)} channels exceed"
        )
    meaningless = (k - 1) / max(n - 1, 1)
    warning = " Too few pictures a class for that to mean much." if meaningless > 0.1 else ""
    return f"{text}. Meaningless classes would give {number(meaningless)}.{warning}"


def faults(found: Responses) -> str:
    """Which channels are dead, nearly the same as another, or noise."""
    return " ".join(sentence for sentence in (_dead(found), _alike(found), _noise(found)) if sentence)


def _dead(found: Responses) -> str:
    dead = (found.silent > SILENT).nonzero().flatten().tolist()
    return f"Dead (silent on more than {SILENT:.0%} of pictures): {_list(dead)}."


def _alike(found: Responses) -> str:
    assert found.correlations is not None
    above = found.correlations.triu(1) > ALIKE
    pairs = [f"{a} ≈ {b} ({found.correlations[a, b]:.2f})" for a, b in above.nonzero().tolist()]
    return f"Near-duplicates (correlation above {ALIKE}): {_list(pairs)}."


def _noise(found: Responses) -> str:
    if not bool(found.smoothness.isfinite().any()):
        return ""
    noisy = (found.smoothness < NOISE).nonzero().flatten().tolist()
    return f"Noise (Moran's I below {NOISE}): {_list(noisy)}."


def _list(found: list[Any], most: int = 10) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(map(str, found[:most])) or "none") + more


def channel_table(found: Responses, shown: Sequence[int], classes: bool) -> Table:
    """Each channel's numbers, with η² if there are `classes`."""
    columns = ["channel", "mean", "largest", "silent on %", "Moran's I", "nearest channel", "correlation"]
    alike = found.correlations
    assert alike is not None
    others = alike - 2 * torch.eye(len(alike))
    rows = []
    for c in shown:
        nearest = int(others[c].argmax()) if len(alike) > 1 else None
        rows.append([
            str(c), _float(found.means[c]), _float(found.top_values[c, 0]), _float(100 * found.silent[c]),
            _float(found.smoothness[c]), "" if nearest is None else str(nearest),
            "" if nearest is None else _float(alike[c, nearest]),
        ])  # fmt: skip
    if found.eta2 is not None and classes:
        columns.append("η² of classes")
        rows = [[*row, _float(found.eta2[c])] for row, c in zip(rows, shown, strict=True)]
    return Table(
        title=f"Each channel of {found.layer}", columns=tuple(columns), rows=tuple(tuple(row) for row in rows),
        caption=f"Over {found.images:,} picture{'s' * (found.images > 1)}; the mean is over all cells.",
    )  # fmt: skip


def _float(value: Tensor) -> float | str:
    return float(value) if math.isfinite(float(value)) else ""


def class_curve(found: Responses, chance: Responses | None) -> tuple[Curve, ...]:
    """η² of every channel, sorted, beside the same network untrained; none without classes."""
    if found.eta2 is None:
        return ()
    named = [("trained", found.eta2)]
    if chance is not None and chance.eta2 is not None:
        named.append(("same network untrained", chance.eta2))
    x = tuple(range(1, len(found.eta2) + 1))
    series = tuple(Series(name, x, tuple(eta2.sort(descending=True).values.tolist())) for name, eta2 in named)
    return (
        Curve(
            title="Do the maps tell classes apart?", series=series, x_label="channels, the most telling first",
            y_label="η²: share of variance explained by class",
        ),
    )  # fmt: skip


def class_shares(found: Responses, channel: int, pictures: Split, strongest: int) -> tuple[Curve, ...]:
    """The classes of the pictures that excite a channel most, against those of all; none without classes."""
    if pictures.labels.ndim != 1 or not len(pictures.labels):
        return ()
    above = found.top_values[channel, :strongest] > found.lowest[channel]
    top = pictures.labels[found.top_images[channel, :strongest][above]]
    k = int(pictures.labels.max()) + 1
    counts, everyone = torch.bincount(top, minlength=k), torch.bincount(pictures.labels, minlength=k)
    shown = counts.argsort(descending=True, stable=True)[:MOST_CLASSES].sort().values.tolist()
    names = tuple(short(pictures.classes[i]) if i < len(pictures.classes) else str(i) for i in shown)
    kinds = ((f"the {len(top)} strongest", counts), (f"all {len(pictures):,}", everyone))
    series = tuple(
        Series(name, names, tuple((100 * c[shown] / c.sum().clamp(min=1)).tolist())) for name, c in kinds
    )
    return (
        Curve(
            title="Which classes excite it", series=series, y_label="share of the pictures, %", style="bar"
        ),
    )


def maxima_curve(found: Responses, channel: int) -> Curve:
    """How large the channel's maximum is on how many of the pictures."""
    counts, edges = found.histogram.counts[channel], found.histogram.edges(channel)
    used = counts.nonzero().flatten()
    span = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    width = float(edges[1] - edges[0])
    x, y = (edges[span] + width / 2).tolist(), (100 * counts[span] / found.images).tolist()
    return Curve(
        title="How strongly it answers", series=(Series("pictures", tuple(x), tuple(y)),), style="step",
        x_label="largest activation in the picture", y_label="share of the pictures, %",
    )  # fmt: skip
