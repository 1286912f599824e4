"""A number of a layer is the sum of what it is said to be made of."""

import math

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import InputError
from convsight.studio.cells import MOST_PARTS, taken_apart
from convsight.studio.steps import step_of

LAYERS = {
    "convolution": nn.Conv2d(12, 4, 3, padding=1),
    "strided": nn.Conv2d(12, 4, (3, 2), stride=(2, 1), padding=(2, 0), dilation=2),
    "groups": nn.Conv2d(12, 6, 3, groups=3, bias=False),
    "own": nn.Conv2d(12, 12, 3, groups=12),
    "largest": nn.MaxPool2d(3, 2, padding=1),
    "mean": nn.AvgPool2d(2),
    "all": nn.AdaptiveAvgPool2d(1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_parts_add_up_to_the_layers_own_number(name: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 12, 3), nn.Tanh(), LAYERS[name], nn.Flatten(), nn.LazyLinear(3))
    net = cs.Classifier(module, list("abc"), 10, channels=1, mean=0.5, std=2.0)
    pixels = torch.rand(1, 1, 10, 10)
    with torch.no_grad(), net.record(*net.layers) as seen:
        net.forward(pixels)
    step = step_of(net, "2")
    assert step is not None and step.source == "1"
    value = seen["2"][0]
    for channel, y, x in {(0, 0, 0), (value.shape[0] - 1, value.shape[1] - 1, value.shape[2] - 1)}:
        told = taken_apart(step, seen["1"][0], float(value[channel, y, x]), channel, y, x)
        total = sum(part.sum or 0 for part in told.parts) + (told.rest or 0) + (told.bias or 0)
        assert math.isclose(total, float(value[channel, y, x]), abs_tol=1e-5)
        assert len(told.parts) + told.others == (1 if step.weight is None else step.weight.shape[1])
        for part in told.parts:
            if part.kernel is not None:
                products = torch.tensor(part.window) * torch.tensor(part.kernel)
                assert math.isclose(float(products.sum()), part.sum or 0, abs_tol=1e-5)


def test_the_first_layer_reads_the_prepared_picture_and_the_last_a_vector() -> None:
    torch.manual_seed(0)
    net = cs.Classifier(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(128, 3)), list("abc"), 10, 1, mean=0.5, std=2.0)  # fmt: skip
    pixels = torch.rand(1, 1, 10, 10)
    with torch.no_grad(), net.record(*net.layers) as seen:
        net.forward(pixels)
    first, last = step_of(net, "0"), step_of(net, "2")
    assert first is not None and first.source is None and last is not None and last.source == "1"
    told = taken_apart(first, ((pixels - 0.5) / 2)[0], 0.0, 1, 4, 4)
    assert math.isclose(
        (told.parts[0].sum or 0) + (told.bias or 0), float(seen["0"][0, 1, 4, 4]), abs_tol=1e-5
    )
    told = taken_apart(last, seen["1"][0], 0.0, 2, 0, 0)
    assert len(told.parts) == MOST_PARTS and told.others == 128 - MOST_PARTS
    total = sum(part.sum or 0 for part in told.parts) + (told.rest or 0) + (told.bias or 0)
    assert math.isclose(total, float(seen["2"][0, 2]), abs_tol=1e-5)


def test_other_layers_are_not_told() -> None:
    net = cs.Classifier(nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(200, 3)), list("abc"), 10, 1)  # fmt: skip
    assert step_of(net, "1") is None and step_of(net, "0") is None
    with pytest.raises(InputError):
        step_of(net, "nowhere")
