"""Convolution by hand-made kernels against scipy, a slow loop and kernels whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsight.errors import InputError
from convsight.images import Images
from convsight.imaging.fitting import LUMA
from convsight.imaging.hand_filters import GROUPS, KERNELS, kernels
from convsight.methods.convolve import Convolve, feature_map


def picture(channels: int = 1, height: int = 9, width: int = 11, seed: int = 0) -> Images:
    return Images(torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed)))


def slow_map(pixels: np.ndarray, weights: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """One node at a time: c h w and c kh kw -> h2 w2, by the formula of the docstring."""
    pixels = np.pad(pixels, ((0, 0), (padding, padding), (padding, padding)))
    _, tall, wide = weights.shape
    rows = range(0, pixels.shape[1] - tall + 1, stride)
    columns = range(0, pixels.shape[2] - wide + 1, stride)
    return np.array(
        [[(pixels[:, y : y + tall, x : x + wide] * weights).sum() for x in columns] for y in rows]
    )


@pytest.mark.parametrize("name", KERNELS)
def test_every_named_kernel_gives_scipys_cross_correlation(name):
    kernel = KERNELS[name]
    pixels = picture(len(kernel.weights)).pixels
    expected = sum(
        scipy.signal.correlate(plane, weights, mode="valid", method="direct")
        for plane, weights in zip(pixels[0].double().numpy(), kernel.weights.double().numpy(), strict=True)
    )
    found = feature_map(pixels, kernel)[0].numpy()
    rounding = 2**-23 * float(kernel.weights.abs().sum())  # float32, whose sums are taken in any order
    assert np.abs(found - expected).max() < max(2e-6, rounding)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))
def test_stride_and_padding_agree_with_the_slow_loop(stride, padding, tall, wide, channels):
    draws = torch.Generator().manual_seed(tall * 10 + wide)
    weights = torch.randint(-3, 4, (channels, tall, wide), generator=draws)
    text = " | ".join("; ".join(" ".join(map(str, row)) for row in plane) for plane in weights.tolist())
    images = picture(channels, seed=stride)
    (kernel,) = kernels(text)
    found = feature_map(images.pixels, kernel, stride, padding)[0].numpy()
    expected = slow_map(images.pixels[0].double().numpy(), weights.double().numpy(), stride, padding)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


def test_the_kernel_is_not_flipped():
    spot = torch.zeros(1, 1, 5, 5)
    spot[0, 0, 2, 2] = 1
    values = Convolve(kernels="1 2 3; 4 5 6; 7 8 9")(spot).values[0, 0]
    assert values.tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]


def test_the_lessons_first_filter_finds_dark_to_light_and_its_negative_the_other_way():
    edge = torch.zeros(1, 1, 6, 8)
    edge[..., 4:] = 1
    values = Convolve(kernels="lesson")(edge).values[0]
    assert values.shape == (4, 3, 5)
    assert values[0, 0].tolist() == [0, 4, 8, 4, 0]
    assert torch.equal(values[1], -values[0])
    assert not values[2:].any()
    turned = Convolve(kernels="lesson")(edge.mT).values[0]
    assert torch.equal(turned[2], values[0].T)


def test_a_flat_kernel_sees_a_colour_picture_in_grey_and_a_colour_kernel_sums_its_planes():
    images = picture(3)
    grey = (images.pixels * torch.tensor(LUMA)[:, None, None]).sum(1)
    assert torch.allclose(Convolve(kernels="identity")(images).values[:, 0], grey[:, 1:-1, 1:-1], atol=1e-6)
    each = Convolve(kernels="1 | 10 | 100")(images).values[0, 0]
    assert torch.allclose(each, images.pixels[0, 0] + 10 * images.pixels[0, 1] + 100 * images.pixels[0, 2])


def test_the_picture_keeps_its_resolution_and_batches_equal_one_by_one():
    several = Images(torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(1)))
    both = Convolve(kernels="sobel")(several)
    assert both.values.shape == (3, 2, 18, 28)
    assert len(both.images) == 3
    for i in range(3):
        alone = Convolve(kernels="sobel")(several[i]).values[0]
        assert torch.allclose(alone, both.values[i], atol=1e-6)


def test_maps_of_different_sizes_end_in_nan():
    values = Convolve(kernels="sobel-x, blur")(picture()).values
    assert values.shape == (1, 2, 7, 9)
    assert values[0, 1, :5, :7].isfinite().all() and values[0, 1, 5:].isnan().all()


def test_relu_is_a_column_of_the_picture_that_can_be_left_out():
    images = picture()
    with_relu, without = Convolve(kernels="blur")(images), Convolve(kernels="blur", relu=False)(images)
    assert with_relu.images.shape[3] > without.images.shape[3]
    assert torch.equal(with_relu.values, without.values)


def test_what_is_drawn_is_legible_for_a_picture_that_is_all_black():
    result = Convolve()(torch.zeros(1, 1, 8, 8))
    assert not result.values.any()
    assert result.view().png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sobel-z", "did you mean sobel"),
        ("1 2; 3", "rows of '1 2; 3' have 2, 1"),
        ("1 x; 2 3", "'x' in the kernel"),
        ("1 inf", "not a weight"),
        ("1 | 2", "1 grid (grey) or 3"),
        ("1 | 2 3 | 4", "have one size"),
        ("", "no kernel was given"),
        ("-", "'-' in the kernel"),
        ("1; ; 2", "as many numbers"),
    ],
)
def test_a_wrong_kernel_is_refused_with_what_would_work(text, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)").replace("|", r"\|")):
        kernels(text)


def test_a_kernel_larger_than_the_picture_is_refused():
    with pytest.raises(InputError, match="4×4 and does not fit into a picture of 3×3"):
        Convolve()(torch.zeros(1, 1, 3, 3))


def test_groups_name_kernels_and_underscores_are_hyphens():
    assert all(name in KERNELS for group in GROUPS.values() for name in group)
    assert kernels("high_pass")[0] is KERNELS["high-pass"]
    assert [k.name for k in kernels("lesson")] == list(GROUPS["lesson"])
    assert kernels("−1, 0, 1")[0].weights.tolist() == [[[-1, 0, 1]]]
