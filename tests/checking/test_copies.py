"""Copies are found however they were made, and like pictures that are no copies are not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convsight as cs
from convsight.checking.copied import groups_of
from convsight.datasets import dataset
from convsight.features.copies import Copy, copies
from convsight.imaging.fitting import fit_pixels

N = 40


def blots(n: int = N, px: int = 64, seed: int = 0) -> Tensor:
    """Smooth coloured pictures, each of its own: random waves of many sizes."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(n, 3, px, px)
    for side in (3, 6, 12, 24):
        noise = torch.rand(n, 3, side, side, generator=generator) / side**0.5
        total += torch.nn.functional.interpolate(noise, (px, px), mode="bicubic")
    low, high = total.amin((1, 2, 3), keepdim=True), total.amax((1, 2, 3), keepdim=True)
    return (total - low) / (high - low)


def jpeg(picture: Tensor) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray((picture.permute(1, 2, 0) * 255).byte().numpy()).save(buffer, "JPEG", quality=50)
    return torch.from_numpy(np.asarray(Image.open(buffer)).copy()).permute(2, 0, 1) / 255


def small(pixels: Tensor) -> Tensor:
    return fit_pixels(pixels, (32, 32), 3, "stretch")


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (lambda p: p.flip(3), "mirrored"),
        (lambda p: p[:, :, 3:61, 2:60], "cropped"),
        (lambda p: p[:, :, 3:61, 2:60].flip(3), "mirrored and cropped"),
        (lambda p: torch.stack([jpeg(each) for each in p]), "the same"),
        (lambda p: fit_pixels(p, (40, 40), 3, "stretch"), "the same"),
    ],
)
def test_every_copy_is_found_with_its_kind_and_nothing_else(make, how: str) -> None:
    pixels = blots()
    found = copies(torch.cat([small(pixels), small(make(pixels))]))
    assert {(c.first, c.second) for c in found} == {(i, i + N) for i in range(N)}
    assert all(copy.how.startswith(how) for copy in found)


def test_garments_that_are_only_alike_are_no_copies() -> None:
    pixels = dataset("drawn-garments-colour", n_train=150, n_validation=10, n_test=10).train[:150].pixels
    assert len(copies(small(pixels))) <= 1


def stars() -> Tensor:
    """One plain shape on 27 grounds of different colours, here and there and in several sizes."""
    lot = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    made, levels = [], (0.6, 0.8, 1.0)
    for ground in torch.cartesian_prod(*[torch.tensor(levels)] * 3):
        middle, radius = 32 + 8 * (torch.rand(2, generator=lot) - 0.5), 12 + 8 * torch.rand(1, generator=lot)
        away = ((y - middle[0]) ** 2 + (x - middle[1]) ** 2).sqrt()
        edge = radius * (1 + 0.35 * torch.cos(5 * torch.atan2(y - middle[0], x - middle[1])))
        star = 0.5 * torch.rand(3, generator=lot)
        made.append(torch.where(away < edge, star[:, None, None], ground[:, None, None]))
    return torch.stack(made)


def test_one_shape_in_other_colours_is_no_copy_and_in_its_own_it_is() -> None:
    pixels = stars()
    assert copies(small(pixels)) == []
    found = copies(torch.cat([small(pixels), small(torch.stack([jpeg(each) for each in pixels[:5]]))]))
    assert {(c.first, c.second) for c in found} == {(i, i + 27) for i in range(5)}


@pytest.mark.parametrize("gain", [0.7, 0.85, 1.1])
def test_a_darker_or_brighter_picture_is_a_copy(gain: float) -> None:
    pixels = 0.1 + 0.8 * blots(12)
    found = copies(small(torch.cat([pixels, (pixels * gain).clamp(max=1)])))
    assert {(c.first, c.second) for c in found} == {(i, i + 12) for i in range(12)}


def test_copies_of_copies_are_one_group() -> None:
    pairs = [Copy(0, 3, 1.0, False, 1.0), Copy(3, 5, 1.0, False, 1.0), Copy(1, 2, 1.0, True, 1.0)]
    assert groups_of(pairs, 6).tolist() == [0, 1, 1, 0, 2, 0]


def test_a_training_copy_of_a_test_picture_is_a_leak() -> None:
    pixels = blots(30)
    train = (torch.cat([pixels[:20], pixels[20:21].flip(3)]), torch.arange(21) % 2)
    data = dataset(
        {"train": train, "test": (pixels[20:], torch.zeros(10, dtype=torch.int64))}, classes=["a", "b"]
    )
    found = [row for row in cs.check(data).rows if row[1] in ("leak", "duplicate")]
    assert [row[1] for row in found] == ["leak"] and found[0][5] in (
        "train",
        "validation",
    )  # which were split by lot
    assert "mirrored" in found[0][7] and "of test" in found[0][7]
