"""Does every technique take pictures of 2, 4 and 12 channels, or refuse in words, and show them as asked?"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

import convsight as cs
from convsight.datasets import Dataset, dataset
from convsight.errors import InputError
from convsight.results import draw
from tests.every_method.conftest import METHODS, method
from tests.every_method.networks import CLASSES, SIDE, InPlace

REFUSES = {"style_transfer": "grey or RGB"}


@functools.cache
def data(channels: int) -> Dataset:
    pixels = torch.rand(40, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(channels))
    return dataset((pixels, torch.arange(40) % 3), classes=CLASSES, channels=channels)


@functools.cache
def net(channels: int) -> cs.Classifier:
    torch.manual_seed(0)
    return cs.Classifier(InPlace(channels).eval(), CLASSES, input_size=SIDE, channels=channels)


def given(name: str, channels: int) -> dict[str, Any]:
    have = {
        "net": net(channels), "images": data(channels).test[:2], "query": data(channels).test[:2],
        "style": data(channels).test[0], "data": data(channels), "target": "b",
    }  # fmt: skip
    if name == "neuron_card":
        have["target"] = ("features.2", 1)
    needs = cs.catalogue()[name].needs
    return {
        key: have[key] for key, must in needs.items() if key in have and (must or key in ("net", "images"))
    }


@pytest.mark.parametrize("channels", [2, 4, 12])
@pytest.mark.parametrize("name", METHODS)
def test_it_takes_any_number_of_channels_and_draws_them(name: str, channels: int) -> None:
    arguments = given(name, channels)
    if name in REFUSES:
        with pytest.raises(InputError, match=REFUSES[name]):
            method(name)(**arguments)
        return
    result = method(name)(**arguments)
    assert result.draw().shape[2] == 3
    shown = [getattr(result, field, None) for field in ("pictures", "images")]
    if any(isinstance(each, torch.Tensor) and each.shape[-3] == channels for each in shown):
        assert any(f"{channels} channels: shown is their mean" in note for note in result.notes)


def test_bands_are_what_is_seen() -> None:
    pixels = data(12).test[0].pixels[0]
    for bands, expected in (((3, 2, 1), pixels[[3, 2, 1]]), ((7,), pixels[[7]].expand(3, -1, -1))):
        with draw.showing(bands):
            assert np.array_equal(draw.rgb(pixels), (expected * 255).round().byte().permute(1, 2, 0).numpy())
    mean = (pixels.mean(0) * 255).round().byte().numpy()
    assert np.array_equal(draw.rgb(pixels)[..., 0], mean)
    with draw.showing("pages"):
        pages = draw.rgb(pixels)[..., 0]
    assert np.array_equal(pages[SIDE + 1 : 2 * SIDE + 1, :SIDE], (pixels[4] * 255).round().byte().numpy())


def test_bands_come_from_the_call_the_pictures_or_the_network() -> None:
    images = cs.Images(data(12).test[:1].pixels, bands=(5, 4, 3))
    assert cs.saliency(net(12), images, bands=(3, 2, 1)).bands == (3, 2, 1)
    assert cs.saliency(net(12), images).bands == (5, 4, 3)
    own = cs.Classifier(net(12).module, CLASSES, input_size=SIDE, channels=12, bands="pages")
    assert cs.saliency(own, data(12).test[:1]).bands == "pages"
    with pytest.raises(InputError, match="there are 12, numbered 0 to 11"):
        cs.saliency(net(12), images, bands=(12, 1, 0))


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("fill", ["mean", "blur", "grey"])
def test_occlusion_is_the_slow_loop(channels: int, fill: str) -> None:
    images = data(channels).test[:1]
    found = cs.occlusion(net(channels), images, target="b", patch=7, stride=7, fill=fill)
    shown = {"mean": images.pixels.mean((2, 3), keepdim=True), "grey": torch.full((1, 1, 1, 1), 0.5)}
    if fill not in shown:
        assert found.scores is not None and found.scores.isfinite().all()
        return
    clean, scores = net(channels).scores(images)[0, 1], torch.zeros(4, 4)
    for y in range(4):
        for x in range(4):
            hidden = images.pixels.clone()
            hidden[:, :, 7 * y : 7 * y + 7, 7 * x : 7 * x + 7] = shown[fill]
            scores[y, x] = net(channels).scores(hidden)[0, 1]
    assert torch.allclose(found.scores[0], scores, atol=1e-5)
    assert torch.allclose(found.values[0, ::7, ::7], clean - scores, atol=1e-5)
