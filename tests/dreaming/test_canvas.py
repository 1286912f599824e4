"""Are the waves, the colours and the moves what they claim, by slow sums and known geometry?"""

from __future__ import annotations

import math

import pytest
import torch

from convsight.dreaming.colour import COVARIANCE_ROOT, MIXING, correlated
from convsight.dreaming.fourier import Canvas, frequencies, from_spectrum
from convsight.dreaming.transforms import Wobble, moved


def slow_inverse(spectrum: torch.Tensor, h: int, w: int) -> torch.Tensor:
    """Inverse real DFT by its definition, orthonormal: the missing half is the mirrored conjugate."""
    full = torch.zeros(h, w, dtype=torch.complex128)
    for v in range(h):
        for u in range(w):
            half = u < w // 2 + 1
            full[v, u] = spectrum[v, u] if half else spectrum[-v % h, -u % w].conj()
    out = torch.zeros(h, w, dtype=torch.float64)
    for y in range(h):
        for x in range(w):
            for v in range(h):
                for u in range(w):
                    phase = 2 * math.pi * (v * y / h + u * x / w)
                    out[y, x] += (full[v, u] * complex(math.cos(phase), math.sin(phase))).real
    return out / math.sqrt(h * w)


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_the_picture_is_the_scaled_waves_summed_by_definition(size: tuple[int, int]):
    h, w = size
    wave = torch.zeros(1, 1, h, w // 2 + 1, 2, dtype=torch.float64)
    wave[0, 0, 1, 2] = torch.tensor([0.7, -0.4])
    wave[0, 0, 0, 0, 0] = 0.3
    scale = frequencies(h, w).double().clamp(min=1 / max(h, w)) ** -1
    expected = slow_inverse(torch.view_as_complex(wave[0, 0]) * scale, h, w)
    assert torch.allclose(from_spectrum(wave, size)[0, 0], expected, atol=1e-7)


def test_frequencies_are_cycles_a_pixel():
    found = frequencies(8, 8)
    assert found.shape == (8, 5)
    assert found[0, 0] == 0
    assert found[0, 1] == pytest.approx(1 / 8)
    assert found[4, 4] == pytest.approx(math.sqrt(0.5))


def test_without_decay_white_coefficients_give_pixels_of_one_variance():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, 1, 32, 17, 2, generator=generator)
    variance = from_spectrum(noise, (32, 32), 0.0).var((0, 1))
    assert variance.mean() == pytest.approx(2.0, rel=0.06)  # real and imaginary part, each 1
    assert variance.std() < 0.6


def test_independent_colours_become_as_correlated_as_the_stated_covariance():
    white = torch.randn(4, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    measured = torch.cov(correlated(white).transpose(0, 1).flatten(1))
    stated = COVARIANCE_ROOT @ COVARIANCE_ROOT.T / COVARIANCE_ROOT.norm(dim=0).max() ** 2
    assert torch.allclose(measured, stated, atol=0.01)
    assert MIXING.norm(dim=0).max() == pytest.approx(1)


def test_grey_pictures_have_no_colours_to_mix():
    grey = torch.rand(2, 1, 5, 5)
    assert correlated(grey) is grey


def test_a_canvas_starts_as_almost_even_grey_by_its_seed():
    first, again = (
        Canvas.noise(2, 3, (16, 20), 1.0, torch.Generator().manual_seed(s)).pixels() for s in (4, 4)
    )
    other = Canvas.noise(2, 3, (16, 20), 1.0, torch.Generator().manual_seed(5)).pixels()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (2, 3, 16, 20)
    assert (first - 0.5).abs().max() < 0.05


@pytest.mark.parametrize(("channels", "size"), [(1, (9, 12)), (3, (16, 15))])
def test_a_canvas_of_a_picture_gives_it_back(channels: int, size: tuple[int, int]):
    picture = torch.rand(2, channels, *size) * 0.98 + 0.01
    assert torch.allclose(Canvas.of(picture, 1.0).pixels(), picture, atol=1e-4)
    extremes = torch.tensor([0.0, 1.0]).repeat(1, 1, 4, 4)
    assert torch.allclose(Canvas.of(extremes, 1.0).pixels(), extremes, atol=0.003)


def test_a_shift_moves_the_content_down_and_right():
    picture = torch.rand(2, 3, 9, 12)
    shifted = moved(picture, (2, 3), 0.0, 1.0)
    assert torch.allclose(shifted[:, :, 2:, 3:], picture[:, :, :-2, :-3], atol=1e-5)
    assert torch.allclose(shifted[:, :, 1, 3:], picture[:, :, 0, :-3], atol=1e-5)  # mirrored border


def test_a_quarter_turn_is_anticlockwise():
    picture = torch.rand(1, 1, 8, 8)
    assert torch.allclose(moved(picture, (0, 0), 90.0, 1.0), torch.rot90(picture, 1, (2, 3)), atol=1e-5)


def test_a_turn_keeps_shapes_in_oblong_pictures():
    picture = torch.zeros(1, 1, 31, 61)
    picture[0, 0, 15, 40] = 1.0  # 10 pixels right of the centre
    turned = moved(picture, (0, 0), 90.0, 1.0)
    assert turned[0, 0, 5, 30] == pytest.approx(1, abs=1e-4)  # 10 pixels above it


def test_a_zoom_of_two_enlarges_about_the_centre():
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 6] = 1.0
    assert moved(picture, (0, 0), 0.0, 2.0)[0, 0, 4, 8] == pytest.approx(1, abs=1e-5)


def test_a_wobble_of_nothing_returns_the_picture_and_others_stay_in_their_range():
    picture = torch.rand(1, 1, 20, 20)
    generator = torch.Generator().manual_seed(0)
    assert Wobble(0, 0.0, 0.0)(picture, generator) is picture
    drawn = [Wobble(3, 10.0, 0.1)._draw(generator) for _ in range(500)]
    turns, zooms, down, right = zip(*drawn, strict=True)
    assert set(down) == set(right) == {-3, -2, -1, 0, 1, 2, 3}
    assert 9 < max(turns) <= 10
    assert -10 <= min(turns) < -9
    assert 0.9 <= min(zooms) < 0.91 < 1.09 < max(zooms) <= 1.1
