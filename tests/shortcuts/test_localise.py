"""Is a region exactly the pixels that carry the cue, and said in the right words?"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shortcuts.known_nets import cornered, garments
from tests.shortcuts.test_probes import corner_mask
from torch import Tensor

from convsight.shortcuts.localise import closed, components, overlap, ring, scaled, stamped, usual_value
from convsight.shortcuts.words import place_of


def sandals_and_others() -> tuple[Tensor, Tensor]:
    test = garments().test
    sandals = test.take((test.labels == 5).nonzero().flatten())[:].pixels
    others = test.take((test.labels != 5).nonzero().flatten())[:].pixels
    return sandals, others


@pytest.mark.parametrize("share", [1.0, 0.8, 0.6])
def test_a_tag_is_stamped_also_if_only_some_carry_it(share: float) -> None:
    sandals, others = sandals_and_others()
    n = round(share * len(sandals))
    sandals = torch.cat([cornered(sandals[:n]), sandals[n:]])
    mask, usual = stamped(sandals, others)
    near = torch.zeros(28, 28, dtype=torch.bool)
    near[0:8, 20:28] = True
    bright = corner_mask() & (cornered(torch.zeros(1, 1, 28, 28))[0, 0] > 0)
    assert overlap(mask & near, bright) > 0.9
    assert torch.allclose(usual[0][bright], torch.tensor(1.0), atol=0.01)


def test_a_usual_value_is_that_of_most_pictures_not_their_middle() -> None:
    values = torch.cat(
        [torch.full((40, 1, 2, 2), 0.8), torch.linspace(0, 0.5, 60).view(60, 1, 1, 1).expand(-1, 1, 2, 2)]
    )
    assert torch.allclose(usual_value(values), torch.tensor(0.8), atol=0.02)


def test_nothing_is_stamped_on_noise() -> None:
    noise = torch.rand(200, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    assert not stamped(noise[:100], noise[100:])[0].any()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**16), st.floats(0.05, 0.6))
def test_parts_are_disjoint_connected_and_cover_the_mask(seed: int, share: float) -> None:
    mask = torch.rand(9, 11, generator=torch.Generator().manual_seed(seed)) < share
    parts = components(mask)
    assert torch.equal(sum((p.int() for p in parts), torch.zeros(9, 11, dtype=torch.int)), mask.int())
    sizes = [int(p.sum()) for p in parts]
    assert sizes == sorted(sizes, reverse=True)
    for part in parts:
        assert _flooded(part) == int(part.sum())


def _flooded(part: Tensor) -> int:
    """Pixels reached from the first one by steps to the eight neighbours."""
    todo = [tuple(part.nonzero()[0].tolist())]
    seen = set(todo)
    while todo:
        y, x = todo.pop()
        for place in ((y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)):
            inside = 0 <= place[0] < part.shape[0] and 0 <= place[1] < part.shape[1]
            if inside and place not in seen and part[place]:
                seen.add(place)
                todo.append(place)
    return len(seen)


def test_small_gaps_are_closed_and_nothing_grows() -> None:
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[0:5, 0:5] = True
    holed = mask.clone()
    holed[2, 2] = holed[0, 2] = False
    assert torch.equal(closed(holed) | holed, mask) and torch.equal(closed(mask), mask)


def test_a_ring_is_the_frame_of_its_depth() -> None:
    frame = ring((6, 8), 0, 0)
    assert int(frame.sum()) == 2 * 8 + 2 * 4
    assert torch.equal(ring((6, 8), 0, 2), torch.ones(6, 8, dtype=torch.bool))


def test_lengths_follow_the_pictures_size() -> None:
    assert (scaled((28, 28), 3), scaled((224, 224), 3), scaled((14, 200), 1)) == (3, 24, 1)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ((0, 5), (0, 5), "top-left corner"),
        ((23, 28), (22, 28), "bottom-right corner"),
        ((0, 4), (10, 18), "top edge"),
        ((10, 18), (0, 4), "left edge"),
        ((10, 18), (10, 18), "middle"),
    ],
)
def test_places_are_said_as_people_say_them(rows: tuple, columns: tuple, words: str) -> None:
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[slice(*rows), slice(*columns)] = True
    assert place_of(mask) == words
