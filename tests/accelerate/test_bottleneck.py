"""Bottlenecks as one convolution on our own kernels, against torch's three."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.accelerate import bottleneck_filter, product_filter, rows, split_filter
from convsight.accelerate.bottleneck_filter import BottleneckFilter
from convsight.accelerate.direct_filter import DirectFilter
from convsight.accelerate.product_filter import ProductFilter
from convsight.accelerate.rows import Cells, Reads
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.rules.geometry import Axis
from convsight.occluding.rules.own import places
from convsight.occluding.simplify import simplified
from convsight.occluding.trace import program_of

pytest.importorskip("numba")
needs_wide_registers = pytest.mark.skipif(
    not product_filter.usable(), reason="no Numba, or no AVX2 on this machine"
)
AFTER = ("relu", ()), ("hardtanh", (0.0, 1.5)), None


def right(maps, weights, biases, stride, first):
    """By torch: what comes out of maps n h w c whose border is not computed."""
    value = maps.permute(0, 3, 1, 2)
    if first:
        value = F.conv2d(value, weights[0], biases[0]).relu()
    value = F.conv2d(value, weights[1], biases[1], stride, groups=len(weights[1])).clamp(0, 1.5)
    return F.conv2d(value, weights[2], biases[2]).permute(0, 2, 3, 1)


@needs_wide_registers
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1)])
@pytest.mark.parametrize(("channels", "many", "outputs"), [(24, 80, 16), (16, 208, 48)])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("windows", [1, 2, 13])
@pytest.mark.parametrize("room", [1, 200_000])
def test_a_bottleneck_is_what_its_three_convolutions_are(
    monkeypatch, kernel, stride, channels, many, outputs, first, windows, room
):
    monkeypatch.setattr(bottleneck_filter, "ROOM", room)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(rows, "LEAST", 40)
    torch.manual_seed(0)
    extent = 7, 8
    shapes = (many, channels, 1, 1), (many, 1, kernel, kernel), (outputs, many, 1, 1)
    weights = [torch.randn(shape) / (shape[1] * shape[2]) ** 0.5 for shape in shapes]
    biases = [torch.randn(shape[0]) for shape in shapes]
    maps = torch.randn(windows, *extent, channels if first else many)
    axes = Axis(kernel, stride, 0), Axis(kernel, stride, 0)
    small = tuple((n - kernel) // stride + 1 for n in extent)
    every = np.arange(windows * extent[0] * extent[1])
    where = torch.arange(1, len(every) + 1, dtype=torch.int32)
    nothing = torch.empty(0) if first else maps
    source = Reads(Cells(maps.view(len(every), -1)), every, np.zeros(1, np.int64)) if first else None
    middle = Reads(
        Cells(torch.zeros(1, many), where, nothing, 1), *places(small, extent, axes, [stride] * 2, windows)
    )
    wide = ProductFilter.of(weights[0], biases[0]) if first else None
    apart = DirectFilter.of(weights[1], biases[1])
    filters = BottleneckFilter(wide, apart, ProductFilter.of(weights[2], biases[2]))
    got = filters.run(windows, source, middle, AFTER).view(windows, *small, outputs)
    torch.testing.assert_close(got, right(maps, weights, biases, stride, first), rtol=1e-4, atol=1e-4)


class Narrow(nn.Module):
    """Blocks of a MobileNet at a border that pads, with and without a sum, and with a stride that pads on one side."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        self.blocks = nn.ModuleList([self.block(16, 16, 1), self.block(16, 32, 2), self.block(32, 32, 1)])
        self.head = nn.Linear(32, 5)
        for layer in self.modules():  # so that a patch is seen in the scores, and norms are not idle
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.running_var, 0.3, 2)

    @staticmethod
    def block(c, k, stride):
        many = 4 * c
        return nn.Sequential(
            nn.Conv2d(c, many, 1, bias=False), nn.BatchNorm2d(many), nn.ReLU6(),
            *([] if stride == 1 else [nn.ZeroPad2d((1, 0, 1, 0))]),
            nn.Conv2d(many, many, 3, stride, stride % 2, groups=many, bias=False), nn.BatchNorm2d(many), nn.ReLU6(),
            nn.Conv2d(many, k, 1, bias=False), nn.BatchNorm2d(k),
        )  # fmt: skip

    def forward(self, x):
        x = self.stem(x)
        x = x + self.blocks[0](x)
        x = self.blocks[1](x)
        x = x + self.blocks[2](x)
        return self.head(x.mean((2, 3)))


@pytest.fixture
def program():
    torch.manual_seed(0)
    net = cs.Classifier(Narrow().eval(), input_size=(31, 28), channels=3)
    found = program_of(net)
    assert found is not None
    return net, found


def enclosed(program, keep=()):
    return [s for s in simplified(program, keep, True).steps if s.inside is not None and s.kind == "conv2d"]


@needs_wide_registers
def test_what_is_read_or_has_a_better_unit_is_not_enclosed(program, monkeypatch):
    monkeypatch.setattr(split_filter, "usable", lambda: False)
    steps = program[1].steps
    assert any(step.kind == "pad" for step in steps)  # which goes with the convolution behind it
    first = [s.index for s in steps if s.kind == "conv2d"][1:4]
    assert len(enclosed(program[1])) == 6 and {s.inside for s in enclosed(program[1])[:2]} == {first[2]}
    assert len(enclosed(program[1], (first[0],))) == 5  # the first is read: the other two go together
    assert len(enclosed(program[1], (first[1],))) == 4
    monkeypatch.setattr(split_filter, "usable", lambda: True)
    assert not enclosed(program[1], (steps[0].index,))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kept", [False, True])
def test_fast_sweeps_answer_alike_with_and_without_them(monkeypatch, program, own, kept):
    able = own and product_filter.usable()
    for kernel in (bottleneck_filter, split_filter):
        monkeypatch.setattr(kernel, "usable", lambda able=able and kernel is bottleneck_filter: able)
    used, run = [], BottleneckFilter.run
    monkeypatch.setattr(BottleneckFilter, "run", lambda *given: used.append(1) or run(*given))
    (net, found), size = program, (31, 28)
    occluders = Occluders.sliding(size, (5, 4), (4, 4))
    pixels, fill = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    engine = Engine(net, found, occluders, (), 2, fast=True, keep_clean=kept)
    with torch.no_grad():
        engine.load(pixels, fill, (), 0)
        everywhere = np.arange(len(occluders))
        parts = list(np.array_split(everywhere, 5))
        got = torch.cat([engine.run(part)[0] for part in parts], 1)
        hidden = [occluders.hide(p, f, everywhere) for p, f in zip(pixels, fill, strict=True)]
        wanted = torch.stack([net.forward(h) for h in hidden])
    assert bool(used) == able
    effect = float((wanted - wanted.mean(1, keepdim=True)).abs().max())
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * effect)
