"""Does the cut find a drawn object, start from the right pixels, and say when it failed?"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

from convsight.errors import InputError, MissingExtra
from convsight.images import Images
from convsight.imaging.segmentation_cut import largest_component
from convsight.methods.segmentation import Segmentation, saliency
from convsight.network.classifier import Classifier

cv2 = pytest.importorskip("cv2")
SIDE = 48


def disc(cy: float, cx: float, radius: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return (y - cy) ** 2 + (x - cx) ** 2 <= radius**2


def scene(mask: torch.Tensor, channels: int, seed: int = 0) -> torch.Tensor:
    """A bright noisy object on a dark noisy ground."""
    generator = torch.Generator().manual_seed(seed)
    inside = torch.tensor([0.8, 0.5, 0.2])[:channels, None, None]
    outside = torch.tensor([0.2, 0.35, 0.5])[:channels, None, None]
    noise = 0.04 * torch.randn(channels, SIDE, SIDE, generator=generator)
    return (torch.where(mask, inside, outside) + noise).clamp(0, 1)


def bump_net(cy: float, cx: float, channels: int) -> Classifier:
    """A linear blob detector: its weight, and so its saliency, is a bump around (cy, cx)."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    bump = torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 8**2))
    fc = nn.Linear(channels * SIDE * SIDE, 2)
    with torch.no_grad():
        fc.weight.copy_(torch.stack([bump.repeat(channels, 1, 1), -bump.repeat(channels, 1, 1)]).flatten(1))
    return Classifier(nn.Sequential(nn.Flatten(), fc), input_size=SIDE, channels=channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("cy", "cx", "radius"), [(24, 24, 12), (16, 30, 9)])
def test_a_drawn_disc_is_found_from_a_linear_blob_detector(channels: int, cy: int, cx: int, radius: int):
    truth = disc(cy, cx, radius)
    found = Segmentation()(bump_net(cy, cx, channels), scene(truth, channels), 0).values[0].bool()
    assert float((found & truth).sum() / (found | truth).sum()) > 0.95


def test_of_two_objects_of_one_colour_the_larger_is_the_answer():
    large, small = disc(24, 16, 10), disc(10, 40, 4)
    found = Segmentation()(bump_net(24, 16, 3), scene(large | small, 3), 0).values[0].bool()
    assert not bool((found & small).any())
    assert float((found & large).sum() / large.sum()) > 0.95


def test_values_are_a_mask_and_the_parts_draw_it():
    truth = disc(24, 24, 12)
    result = Segmentation()(bump_net(24, 24, 3), scene(truth, 3), 0)
    assert set(result.values.unique().tolist()) == {0.0, 1.0}
    outlined, seeds, cut = result.parts[0].images
    mask = result.values[0].bool()
    assert torch.equal(cut[:, mask], result.pictures[0][:, mask])
    assert bool((cut[:, ~mask] == 1).all())
    orange = (seeds - torch.tensor([0.84, 0.37, 0.0])[:, None, None]).abs().amax(0) < 1e-6
    assert float(orange.float().mean()) == pytest.approx(0.05, abs=0.01)
    assert bool((orange & truth).sum() == orange.sum())
    assert (outlined - result.pictures[0]).abs().amax(0).gt(0.1).sum() > 40


def test_the_saliency_is_the_largest_weight_over_channels():
    torch.manual_seed(0)
    fc = nn.Linear(3 * 4 * 5, 2)
    net = Classifier(nn.Sequential(nn.Flatten(), fc), input_size=(4, 5), mean=0.5, std=0.25)
    pixels = torch.rand(2, 3, 4, 5)
    found = saliency(net, pixels, net.target([0, 1], Images(pixels)))
    assert torch.allclose(found, fc.weight.detach().abs().view(2, 3, 4, 5).amax(1) / 0.25, atol=1e-6)


def test_the_largest_component_equals_a_slow_flood_fill():
    mask = np.random.default_rng(0).random((30, 30)) < 0.35
    best: set[tuple[int, int]] = set()
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    while left:
        part, border = set(), [left.pop()]
        while border:
            y, x = border.pop()
            part.add((y, x))
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            border += near
        best = max(best, part, key=len)
    assert {(int(y), int(x)) for y, x in np.argwhere(largest_component(mask))} == best
    assert not largest_component(np.zeros((3, 3), bool)).any()


def test_a_flat_saliency_finds_nothing_and_says_so():
    net = bump_net(24, 24, 1)
    with torch.no_grad():
        net.module[1].weight.fill_(0.5)
    result = Segmentation()(net, scene(disc(24, 24, 9), 1), 0)
    assert result.values.sum() == 0
    assert "Picture 1: nothing was found" in " ".join(result.notes)


def test_a_mask_that_leaves_the_salient_pixels_out_is_doubted():
    """The bump points at a small disc; the same colour covers a larger one elsewhere."""
    small, large = disc(10, 10, 6), disc(30, 32, 14)
    result = Segmentation()(bump_net(10, 10, 3), scene(small | large, 3), 0)
    assert float((result.values[0].bool() & large).sum() / large.sum()) > 0.9
    assert "Picture 1: most of the most salient pixels lie outside the mask" in " ".join(result.notes)


def test_a_batch_is_cut_as_one_by_one_and_by_its_seed():
    net = bump_net(24, 24, 3)
    pictures = torch.stack([scene(disc(24, 24, r), 3, seed=r) for r in (8, 11, 14)])
    together = Segmentation()(net, pictures, 0).values
    assert torch.equal(
        together, torch.cat([Segmentation()(net, pictures[i : i + 1], 0).values for i in range(3)])
    )
    assert torch.equal(together, Segmentation()(net, pictures, 0).values)


def test_opencvs_own_random_numbers_go_on_as_if_nothing_had_happened():
    cv2.setRNGSeed(7)
    alone = [cv2.randu(np.zeros(4, np.float32), 0.0, 1.0).tolist() for _ in range(2)]
    cv2.setRNGSeed(7)
    first = cv2.randu(np.zeros(4, np.float32), 0.0, 1.0).tolist()
    Segmentation()(bump_net(24, 24, 1), scene(disc(24, 24, 9), 1), 0)
    assert [first, cv2.randu(np.zeros(4, np.float32), 0.0, 1.0).tolist()] == alone


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'convsight\[segmentation\]'"):
        Segmentation()(bump_net(24, 24, 1), scene(disc(24, 24, 9), 1), 0)


def test_knobs_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"foreground=0\.2 is outside its range"):
        Segmentation(foreground=0.2)
