"""Winograd's transforms against a convolution, and which tiles the cost model takes."""

import pytest
import torch

from convsight.accelerate.winograd import SIZES, best_tile, cost, matrices


@pytest.mark.parametrize("m", [1, *SIZES])
def test_tiles_convolve_in_one_dimension(m):
    a, g, b = matrices(m)
    x, w = torch.rand(m + 2).double(), torch.rand(3).double()
    torch.testing.assert_close(a @ ((g @ w) * (b @ x)), x.unfold(0, 3, 1) @ w)
    assert torch.equal(g, matrices(6)[1][: m + 2])  # a smaller tile has the first of a larger one's places


def test_larger_windows_take_larger_tiles_and_few_channels_gain_nothing():
    assert best_tile((2, 2), 256, 256) == (2, 2)
    assert min(best_tile((24, 24), 256, 256)) >= 4
    assert cost((4, 4), (12, 12), 64, 64) < 0.6 * 144 * 9 * 64 * 64
    assert cost((2, 2), (2, 2), 16, 16) > 0.9 * 4 * 9 * 16 * 16


def test_smaller_last_tiles_save_the_cells_that_they_do_not_have():
    assert cost((4, 4), (7, 7), 512, 512) < 0.86 * cost((4, 4), (8, 8), 512, 512)
    assert best_tile((7, 7), 512, 512) == (4, 4)
