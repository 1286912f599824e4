"""Which cues that an audit found can be stamped on any picture, and how many decisions do they turn here?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.results.kinds import Verdict
from convsight.shortcuts.probes import Probe
from convsight.studio.identity import picture_ids
from convsight.studio.judging import verdicts_of
from convsight.studio.session import Studio

DONORS = 6  # pictures that carry a cue, of which the one is taken whose cue turns most decisions
CLOSE = 0.02  # of the brightness from black to white: a stamp that differs more is none


@dataclass(frozen=True)
class Stamp:
    """What a cue does to each pixel by itself: `keep` times the pixel plus `add`.

    number: the verdict's place in the audit. turned of `of`: how many of the page's pictures that were not called
    `target` are called so under the stamp.
    """

    number: int
    target: str
    cue: str
    keep: Float[Tensor, "c h w"]
    add: Float[Tensor, "c h w"]
    turned: int = 0
    of: int = 0

    def press(self, onto: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (self.keep * onto + self.add).clamp(0, 1)


def stamps_of(studio: Studio, onto: Float[Tensor, "n c h w"]) -> tuple[list[Stamp], list[str]]:
    """The stamps of the audit's found cues, and those cues in words that no stamp can show.

    A surrounding, a blur or a background is another one in every picture: such a cue is no stamp.
    """
    stamps, others = [], []
    for number, verdict in enumerate(verdicts_of(studio) or ()):
        if not verdict.found or not verdict.target:
            continue
        made = _best(studio, number, verdict, onto)
        if made is None:
            others.append(f"{verdict.kind} of {verdict.target}")
        else:
            stamps.append(made)
    return stamps, others


def _best(studio: Studio, number: int, verdict: Verdict, onto: Tensor) -> Stamp | None:
    from convsight.shortcuts.saved import probe_of

    probe = probe_of(verdict)
    if probe is None:
        return None
    carriers = [name for name in picture_ids(studio.data, verdict.carriers, "all") if name][:DONORS]
    if not carriers:  # an audit of pictures that this data set does not have
        return None
    donors = studio.pictures.some(carriers).pixels
    known = list(studio.net.classes).index(verdict.target)
    made = [
        counted(Stamp(number, verdict.target, verdict.kind, *parts), studio.net, known, onto)
        for parts in (stamped(probe, donor[None], onto) for donor in donors)
        if parts is not None
    ]
    return max(made, key=lambda stamp: stamp.turned, default=None)


def stamped(
    probe: Probe, donor: Float[Tensor, "1 c h w"], onto: Sequence[Tensor] | Tensor
) -> tuple[Tensor, Tensor] | None:
    """What the donor's cue keeps of a pixel, and adds; None where it depends on more of the picture than the pixel."""
    if not bool(probe.able(donor).all()):
        return None
    black = probe.paste(torch.zeros_like(donor), donor)[0]
    keep = probe.paste(torch.ones_like(donor), donor)[0] - black
    if torch.equal(keep, torch.ones_like(keep)):  # the donor's cue changes nothing
        return None
    for each in onto:
        wanted = probe.paste(each[None], donor)[0]
        if not torch.allclose((keep * each + black).clamp(0, 1), wanted, rtol=0, atol=CLOSE):
            return None
    return keep.clamp(0, 1), black.clamp(0, 1)


def counted(stamp: Stamp, net: Classifier, known: int, onto: Tensor) -> Stamp:
    """The stamp with how many of `onto` it turns into the class number `known`."""
    said = [net.reader.predicted(net.probabilities(each)) for each in (onto, stamp.press(onto))]
    before = said[0] != known
    turned = before & (said[1] == known)
    return replace(stamp, turned=int(turned.sum()), of=int(before.sum()))
