"""Which pictures show a verdict best? Before and after, with the same of another class beside them."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from convsight.audit.search import Tried
from convsight.classifier import Classifier
from convsight.kinds import Pictures

ROWS = 4


def gallery(net: Classifier, t: Tried, seed: int = 0) -> tuple[Pictures, Bool[Tensor, "n h w"]]:
    """Rows of a picture, the one its cue is from, the two together, and the same with another class's cue.

    Of the recipients that turned, the first of different classes by lot; if fewer turned, others follow. Also
    the marks: where in each picture the cue is.
    """
    rows = _rows(t, seed)
    p, probe = t.half.pixels, t.candidate.probe
    onto, of, others = (p[index[rows]] for index in (t.onto, t.of, t.others))
    after, control = probe.paste(onto, of), probe.paste(onto, others)
    tiles = torch.stack([onto, of, after, control], 1).flatten(0, 1)
    marks = torch.stack(
        [torch.zeros_like(probe.marks(of)), probe.marks(of), _moved(probe.marks(after), onto, after),
         _moved(probe.marks(control), onto, control)], 1,
    ).flatten(0, 1)  # fmt: skip
    said = net.predict(tiles)
    names = [name.split(", ")[0] for name in net.classes]
    truth = torch.stack([t.half.labels[index[rows]] for index in (t.onto, t.of, t.onto, t.onto)], 1).flatten()
    pictures = Pictures(
        images=tiles,
        captions=tuple(f"says {names[k]}" for k in said.tolist()),
        columns=4,
        headings=(
            "a picture",
            f"gets this of {names[t.target]}",
            "and becomes",
            "with another class's instead",
        ),
        row_labels=tuple(names[k] for k in t.half.labels[t.onto[rows]].tolist()),
        right=tuple((said == truth).tolist()),
    )
    return pictures, marks


def _moved(marks: Tensor, onto: Tensor, after: Tensor) -> Tensor:
    """The marks, where anything changed at all there."""
    changed = (after - onto).abs().amax(1) > 0.004
    return marks & (changed & marks).flatten(1).any(1)[:, None, None] if marks.any() else marks


def _rows(t: Tried, seed: int) -> Tensor:
    """Indices into the recipients: those that turned first, one a class while there are classes."""
    order = torch.randperm(len(t.onto), generator=Generator().manual_seed(seed))
    turned = (t.effect.flipped & ~t.effect.control)[order]
    order = order[torch.argsort(turned.int(), descending=True, stable=True)]
    picked: list[int] = []
    seen: set[int] = set()
    for i in order.tolist():
        k = int(t.half.labels[t.onto[i]])
        if k not in seen:
            picked.append(i)
            seen.add(k)
        if len(picked) == ROWS:
            break
    picked += [i for i in order.tolist() if i not in picked][: ROWS - len(picked)]
    return torch.tensor(picked)
