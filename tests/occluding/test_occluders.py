"""Where occluders are."""

import numpy as np
import pytest
import torch

from convsight.occluding.occluders import Occluders

BOXES = Occluders.sliding((13, 11), (4, 3), (3, 2))
MASKS = Occluders.of_masks(torch.stack([torch.eye(13)[:, :11] > 0, torch.ones(13, 11) > 0]))


@pytest.mark.parametrize("occluders", [BOXES, MASKS])
def test_the_pixels_that_are_hidden_among_some_are_those_of_the_whole_cover(occluders):
    places = np.arange(len(occluders))[::-1]
    rows = np.arange(len(places))[:, None] % 8 + np.arange(5)
    columns = np.arange(len(places))[:, None] % 5 + np.arange(6)
    wanted = occluders.cover(places)[
        np.arange(len(places))[:, None, None], rows[:, :, None], columns[:, None]
    ]
    assert wanted.any() and torch.equal(occluders.cover_at(places, rows, columns), wanted)
