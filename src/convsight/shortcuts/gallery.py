"""Which pictures show a verdict best? Pictures before and after the cue, with another class's cue beside
them.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures
from convsight.shortcuts.search import Tried

ROWS = 4


def gallery(net: Classifier, t: Tried, seed: int = 0) -> tuple[Pictures, Bool[Tensor, "n h w"]]:
    """Rows of four pictures: a recipient, the donor of the cue, the recipient with that cue, and with another
    class's cue.

    Recipients that turned come first, drawn at random and from different classes; if too few turned, others
    follow. Also returns where in each picture the cue is.
    """
    rows = _rows(t, seed)
    p, probe = t.half.pixels, t.candidate.probe
    onto, of, others = (p[index] for index in (t.onto, t.of, t.others))
    # all recipients are pasted, as when the effect was measured, so that random places come out the same
    after, control = probe.paste(onto, of)[rows], probe.paste(onto, others)[rows]
    onto, of = onto[rows], of[rows]
    tiles = torch.stack([onto, of, after, control], 1).flatten(0, 1)
    there = probe.landed(onto, after)  # the control's cue is put where the class's is
    marks = torch.stack([torch.zeros_like(there), probe.marks(of), there, there], 1).flatten(0, 1)
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
            "with another's instead",
        ),
        row_labels=tuple(names[k] for k in t.half.labels[t.onto[rows]].tolist()),
        right=tuple((said == truth).tolist()),
    )
    return pictures, marks


def _rows(t: Tried, seed: int) -> Tensor:
    """Indices of the recipients to show: those that turned, whose flip is not the work of scissors alone (`steadied`)
    and that were right before come first, and different classes before a second of one class.
    """
    order = torch.randperm(t.effect.n, generator=Generator().manual_seed(seed)).tolist()
    right = (t.half.predicted == t.half.labels)[t.onto]
    turned = t.effect.flipped & ~t.effect.control
    surely = t.effect.flipped if t.steadied is None else t.steadied.flipped
    ranks = {i: (not turned[i], not surely[i], not right[i]) for i in order}
    order.sort(key=ranks.__getitem__)
    labels = t.half.labels[t.onto].tolist()
    picked: list[int] = []
    for rank in sorted(set(ranks.values())):  # within a rank, classes that are not shown yet come first
        alike = [i for i in order if ranks[i] == rank]
        fresh = [
            i for n, i in enumerate(alike) if labels[i] not in [labels[j] for j in (*picked, *alike[:n])]
        ]
        picked += [*fresh, *(i for i in alike if i not in fresh)]
        if len(picked) >= ROWS:
            break
    return torch.tensor(picked[:ROWS])
