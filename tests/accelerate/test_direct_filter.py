"""Convolutions of each channel by itself on our own kernel, against torch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.accelerate import direct_filter, rows
from convsight.accelerate.direct_filter import DirectFilter, FewFilter
from convsight.accelerate.rows import Cells
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.rules.geometry import Axis
from convsight.occluding.rules.own import places
from convsight.occluding.trace import program_of

pytest.importorskip("numba")


@pytest.mark.parametrize("channels", [16, 64, 144])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 1, 2)])
@pytest.mark.parametrize("after", [None, ("relu", ()), ("hardtanh", (0.0, 0.4))])
def test_each_channel_is_convolved_by_itself(channels, kernel, stride, dilation, after):
    torch.manual_seed(0)
    maps, weight = torch.randn(2, 12, 11, channels), torch.randn(channels, 1, kernel, kernel)
    bias, reach = torch.randn(channels), dilation * (kernel - 1)
    extent = tuple((size - reach - 1) // stride + 1 for size in (12, 11))
    axes = Axis(kernel, stride, 0, dilation), Axis(kernel, stride, 0, dilation)
    starts, taps = places(extent, (12, 11), axes, [stride, stride], 2)
    got = DirectFilter.of(weight, bias).run(Cells(maps), starts, taps, after).view(2, *extent, channels)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride, 0, dilation, channels)
    if after is not None:
        right = right.relu() if after[0] == "relu" else right.clamp(*after[1])
    torch.testing.assert_close(got.permute(0, 3, 1, 2), right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("channels", "outputs"), [(1, 10), (10, 20), (3, 32), (5, 16), (15, 1)])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), 1), ((5, 2), 2)])
@pytest.mark.parametrize("after", [None, ("relu", ())])
def test_few_channels_are_convolved_together(channels, outputs, kernel, stride, after):
    torch.manual_seed(0)
    maps, weight = torch.randn(3, 9, 8, channels), torch.randn(outputs, channels, *kernel)
    bias, extent = (
        torch.randn(outputs),
        tuple((n - k) // stride + 1 for n, k in zip((9, 8), kernel, strict=True)),
    )
    axes = Axis(kernel[0], stride, 0), Axis(kernel[1], stride, 0)
    starts, taps = places(extent, (9, 8), axes, [stride, stride], 3)
    got = FewFilter.of(weight, bias).run(Cells(maps), starts, taps, after).view(3, *extent, outputs)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride)
    right = right if after is None else right.relu()
    torch.testing.assert_close(got.permute(0, 3, 1, 2), right, rtol=1e-5, atol=2e-5)


def test_cells_come_from_two_tables_by_an_index():
    table, fresh = torch.rand(5, 16), torch.rand(3, 16)
    where = torch.tensor([7, 0, 5, 4, 6, 2], dtype=torch.int32)
    both = torch.cat([table, fresh])
    weight = torch.ones(16, 1, 1, 2)
    cells = Cells(table, where, fresh, 5)
    got = DirectFilter.of(weight, None).run(cells, np.arange(5), np.array([0, 1]), None)
    torch.testing.assert_close(got, both[where[:-1].long()] + both[where[1:].long()])


def test_several_threads_share_the_rows(monkeypatch):
    maps, filters = torch.rand(3000, 32), DirectFilter.of(torch.rand(32, 1, 1, 1), None)
    alone = filters.run(Cells(maps), np.arange(3000), np.array([0]), None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(rows, "LEAST", 100)
    torch.testing.assert_close(filters.run(Cells(maps), np.arange(3000), np.array([0]), None), alone)


class Apart(nn.Module):
    """A block of MobileNet, with and without stride, at a border that pads."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 16, 1), nn.BatchNorm2d(16)
        self.one, self.two = nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.Conv2d(16, 16, 3, 2, 1, groups=16)
        self.whole, self.head = nn.Conv2d(16, 16, 9, 1, 4, groups=16), nn.Linear(16, 3)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = self.two(x + F.relu6(self.one(x)))
        return self.head(self.whole(self.whole(x).relu()).mean((2, 3)))


@pytest.mark.parametrize("own", [True, False])
def test_fast_sweeps_answer_alike_with_and_without_it(monkeypatch, own):
    able = own and direct_filter.usable()  # without wide registers it must do without, and answer alike
    monkeypatch.setattr(direct_filter, "usable", lambda: able)
    used, run = [], DirectFilter.run
    monkeypatch.setattr(DirectFilter, "run", lambda *given: used.append(1) or run(*given))
    torch.manual_seed(0)
    net = cs.Classifier(Apart().eval(), input_size=(19, 16), channels=1)
    program, occluders = program_of(net), Occluders.sliding((19, 16), (4, 3), (3, 3))
    assert program is not None
    pixels, fill = torch.rand(2, 1, 19, 16), torch.rand(2, 1, 19, 16)
    engine = Engine(net, program, occluders, (), 2, fast=True)
    with torch.no_grad():
        engine.load(pixels, fill, (), 0)
        everywhere = np.arange(len(occluders))
        got = torch.cat([engine.run(part)[0] for part in np.array_split(everywhere, 3)], 1)
        hidden = [occluders.hide(p, f, everywhere) for p, f in zip(pixels, fill, strict=True)]
        wanted = torch.stack([net.forward(h) for h in hidden])
    assert bool(used) == able
    torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)
