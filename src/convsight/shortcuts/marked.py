"""Did the user say that what was found is the object itself?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from convsight.network.classifier import Classifier
from convsight.shortcuts.localise import covered
from convsight.shortcuts.search import Tried


def is_own(net: Classifier, t: Tried, own: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the user marked this as the object itself: a mark for the same class that covers half of the
    smaller region, or is of the same kind where there is no region.
    """
    probe, name = t.candidate.probe, net.classes[t.target].split(", ")[0]
    region = probe.mask(t.half.size)
    for mark in own:
        if mark["target"] != name:
            continue
        if mark["region"] is None or region is None:
            if mark["kind"] == probe.kind_name:
                return True
        else:
            marked = torch.zeros_like(region)
            marked[tuple(torch.tensor(mark["region"], dtype=torch.long).view(-1, 2).T)] = True
            if covered(marked, region) >= 0.5:
                return True
    return False
