"""Does an audit of large pictures save work only where nothing was to be found?"""

import pytest
import torch
from tests.shortcuts.known_nets import SANDAL, Corner, cornered, glyph, marked, net_with
from tests.shortcuts.test_probes import corner_mask

import convsight as cs
from convsight.shortcuts import search
from convsight.shortcuts.candidates import PARTS, Candidate
from convsight.shortcuts.probes import Region
from convsight.shortcuts.sample import Half, draw_sample

ELSEWHERE = torch.zeros(28, 28, dtype=torch.bool)
ELSEWHERE[:2, :2] = True


@pytest.fixture(scope="module")
def net() -> cs.Classifier:
    return net_with(Corner(glyph()))


@pytest.fixture(scope="module")
def half(net: cs.Classifier) -> Half:
    return draw_sample(net, marked(cornered).test, per_class=80).explore


@pytest.mark.parametrize(
    ("candidate", "whole"),
    [
        (Candidate(Region(corner_mask()), PARTS), True),
        (Candidate(Region(ELSEWHERE), PARTS), False),
        (Candidate(Region(ELSEWHERE)), True),
    ],
    ids=["a part that turns pictures", "a part that turns none", "an artefact that turns none"],
)
def test_only_a_part_that_does_nothing_on_a_third_is_not_tried_on_the_rest(
    net: cs.Classifier, half: Half, candidate: Candidate, whole: bool
) -> None:
    onto = half.recipients(SANDAL, 30, torch.Generator().manual_seed(0))
    tried = [
        search._try(net, candidate, SANDAL, half, half, onto, torch.Generator().manual_seed(1), race)
        for race in (True, False)
    ]
    assert [len(t.onto) for t in tried] == [30 if whole else 10, 30]
    assert all(len(t.onto) == len(t.of) == len(t.others) == len(t.effect.flipped) for t in tried)
    first = tried[1].effect.flipped[: len(tried[0].onto)]
    assert torch.equal(tried[0].effect.flipped, first), "the same pictures, whether or not it is a race"


def test_small_pictures_are_not_raced_and_large_ones_are(
    net: cs.Classifier, half: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    raced = []
    monkeypatch.setattr(search, "_try", lambda *a: raced.append(a[-1]))
    monkeypatch.setattr(search, "candidates", lambda *a: [Candidate(Region(ELSEWHERE), PARTS)])
    search.explored(net, half, SANDAL, [], 0)
    monkeypatch.setattr(search, "affordable", lambda n, size: n // 2)
    search.explored(net, half, SANDAL, [], 0)
    assert raced == [False, True]
