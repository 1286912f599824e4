"""The Gaussian blur against SciPy's, which cuts it off where it is told to."""

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from convsight.imaging.blur import blurred


def by_scipy(pixels: Tensor, sigma: float) -> Tensor:
    smooth = gaussian_filter(pixels.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=3)
    return torch.from_numpy(smooth).float()


@pytest.mark.parametrize("size", [(9, 12), (28, 28), (97, 100)])
@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.4, 8.8, 40.0])
def test_the_blur_is_that_of_scipy_for_small_and_large_pictures(size: tuple[int, int], sigma: float) -> None:
    pixels = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blurred(pixels, sigma), by_scipy(pixels, sigma), atol=3e-6, rtol=0)


def test_a_dot_becomes_a_gaussian_of_the_width_that_was_asked_for() -> None:
    dot = torch.zeros(1, 1, 41, 41)
    dot[0, 0, 20, 20] = 1
    cloud = blurred(dot, 3.0)[0, 0]
    offsets = torch.arange(41) - 20.0
    assert cloud.sum() == pytest.approx(1, abs=1e-5)
    assert (cloud.sum(0) * offsets**2).sum().sqrt() == pytest.approx(3.0, abs=0.08)
    assert torch.allclose(cloud, cloud.T, atol=1e-7)


def test_no_width_changes_nothing_and_a_flat_picture_stays_flat() -> None:
    pixels = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert blurred(pixels, 0) is pixels
    assert torch.allclose(blurred(torch.full((1, 3, 5, 5), 0.3), 2.0), torch.tensor(0.3), atol=1e-6)
