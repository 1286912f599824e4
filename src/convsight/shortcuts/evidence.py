"""What do the surroundings that a class leans on look like, and which of the user's own pictures speak against them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures
from convsight.shortcuts.sample import Sample
from convsight.shortcuts.search import Tried
from convsight.shortcuts.surroundings import Surroundings
from convsight.shortcuts.words import listed

SHOWN = 6  # pictures in each row


@dataclass(frozen=True, eq=False)
class Evidence:
    """Rows of pictures, and sentences about how many there are and what the network says of them."""

    pictures: tuple[Pictures, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Seen:
    """All pictures of a sample whose object can be cut out, and how alike their surroundings are to the class's."""

    pixels: Tensor
    labels: Int64[Tensor, " n"]
    predicted: Int64[Tensor, " n"]
    like: Tensor

    def some(self, which: Bool[Tensor, " n"], most_like: bool) -> Int64[Tensor, " m"]:
        """At most `SHOWN` of the marked pictures, those whose surroundings are most or least alike."""
        index = which.nonzero().flatten()
        return index[self.like[index].argsort(descending=most_like)[:SHOWN]]


def evidence(net: Classifier, sample: Sample, t: Tried) -> Evidence:
    """The class's usual surroundings alone, its pictures in other surroundings, and other classes' pictures in
    such surroundings, each with what the network says.
    """
    probe = t.candidate.probe
    assert isinstance(probe, Surroundings)
    seen, name = _seen(sample, probe), net.classes[t.target].split(", ")[0]
    own, usual = seen.labels == t.target, seen.like > 0
    alone, without, with_it = own & usual, own & ~usual, ~own & usual
    rows = [_row(net, seen, without, False, f"{name} in other surroundings")]
    rows += [_row(net, seen, with_it, True, f"other classes in surroundings like those of {name}")]
    known = (_alone(net, seen, probe, alone, name), *(row for row in rows if row is not None))
    missed = int((seen.predicted[without] != t.target).sum())
    called = int((seen.predicted[with_it] == t.target).sum())
    n, m = int(without.sum()), int(with_it.sum())
    counts = (
        f"In the data looked at, {n} of {int(own.sum())} pictures of {name} are in other surroundings"
        + (f", and {missed} of them are not recognised" if n else "")
        + f"; {m} of {int((~own).sum())} pictures of other classes are in surroundings like those of {name}"
        + (f", and {called} of them are called {name}." if m else ".")
    )
    collect = (
        f"To collect: pictures of {name} in the surroundings of {_names(net, sample, t.target)}, and pictures of"
        f" these in surroundings like those of {name}."
    )
    return Evidence(known, (counts, collect))


def _seen(sample: Sample, probe: Surroundings) -> Seen:
    parts = []
    for half in sample.halves:
        able = probe.able(half.pixels)
        pixels = half.pixels[able]
        parts.append((pixels, half.labels[able], half.predicted[able], probe.strength(pixels)))
    return Seen(*(torch.cat(both) for both in zip(*parts, strict=True)))


def _alone(net: Classifier, seen: Seen, probe: Surroundings, which: Tensor, name: str) -> Pictures:
    """The most telling surroundings with nothing in them."""
    plates = probe.cutouts.plates(seen.pixels[seen.some(which, True)])
    said = net.predict(plates)
    return Pictures(
        name="surroundings",
        title=f"What surrounds {name}, the objects taken out",
        images=plates,
        captions=tuple(f"says {net.classes[k].split(', ')[0]}" for k in said.tolist()),
        columns=SHOWN,
    )


def _row(net: Classifier, seen: Seen, which: Tensor, most_like: bool, title: str) -> Pictures | None:
    index = seen.some(which, most_like)
    if not len(index):
        return None
    said, true = seen.predicted[index], seen.labels[index]
    return Pictures(
        name="counter-examples",
        title=f"Counter-examples in the data: {title}",
        images=seen.pixels[index],
        captions=tuple(f"says {net.classes[k].split(', ')[0]}" for k in said.tolist()),
        columns=SHOWN,
        right=tuple((said == true).tolist()),
    )


def _names(net: Classifier, sample: Sample, target: int, most: int = 4) -> str:
    names: Sequence[str] = [net.classes[k].split(", ")[0] for k in sample.targets if k != target]
    return listed(names) if len(names) <= most else "other classes"
