"""Convolutions as products of rows and on Winograd tiles, in our own kernels, against torch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.accelerate import direct_filter, product_filter, rows, winograd_filter
from convsight.accelerate.product_filter import ProductFilter
from convsight.accelerate.rows import Cells
from convsight.accelerate.winograd_filter import WinogradFilter
from convsight.occluding import winograd
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.rules.geometry import Axis
from convsight.occluding.rules.own import places
from convsight.occluding.trace import program_of

pytest.importorskip("numba")
needs_wide_registers = pytest.mark.skipif(
    not direct_filter.usable(), reason="no Numba, or no AVX2 on this machine"
)

THREE = Axis(3, 1, 0), Axis(3, 1, 0)


def limited(maps, after):
    if after is None:
        return maps
    return maps.relu() if after[0] == "relu" else maps.clamp(*after[1])


@needs_wide_registers
def test_where_registers_are_wide_the_kernels_are_used():
    assert product_filter.usable() and winograd_filter.usable()


@needs_wide_registers
@pytest.mark.parametrize("lines", [1, 2, 4])
@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "stride"),
    [(3, 64, (7, 7), (2, 2)), (40, 16, (1, 1), (1, 1)), (24, 112, (3, 2), (1, 2)), (130, 176, (1, 1), (2, 2)), (16, 32, (9, 11), (1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("after", [None, ("relu", ()), ("hardtanh", (-0.3, 0.5))])
def test_rows_are_multiplied(monkeypatch, lines, channels, outputs, kernel, stride, after):
    monkeypatch.setattr(product_filter, "lines_at_a_time", lambda: lines)
    torch.manual_seed(0)
    maps, weight = torch.randn(3, 9, 11, channels), torch.randn(outputs, channels, *kernel) / 8
    bias, axes = torch.randn(outputs), (Axis(kernel[0], stride[0], 0), Axis(kernel[1], stride[1], 0))
    extent = tuple((n - a.kernel) // a.stride + 1 for n, a in zip((9, 11), axes, strict=True))
    starts, taps = places(extent, (9, 11), axes, list(stride), 3)
    got = ProductFilter.of(weight, bias).run(Cells(maps), starts, taps, after).view(3, *extent, outputs)
    right = limited(F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride), after)
    torch.testing.assert_close(got.permute(0, 3, 1, 2), right, rtol=1e-5, atol=2e-5)


@needs_wide_registers
@pytest.mark.parametrize("count", [1, 5, 6, 7, 96, 97, 101])
def test_any_number_of_rows_is_answered_once(count):
    maps, weight = torch.rand(count, 16), torch.rand(16, 16, 1, 1)
    got = ProductFilter.of(weight, None).run(Cells(maps), np.arange(count), np.array([0]), None)
    torch.testing.assert_close(got, maps @ weight[..., 0, 0].T)


@needs_wide_registers
@pytest.mark.parametrize("m", [(2, 6), (3, 3), (4, 5), (5, 2), (6, 4)])
@pytest.mark.parametrize(("channels", "outputs"), [(16, 16), (48, 80), (272, 32)])
@pytest.mark.parametrize("after", [None, ("relu", ()), ("hardtanh", (-0.3, 0.5))])
def test_tiles_are_convolved_also_where_the_last_are_not_whole(m, channels, outputs, after):
    torch.manual_seed(0)
    maps, weight = torch.randn(5, 11, 10, channels), torch.randn(outputs, channels, 3, 3) / channels**0.5
    bias = torch.randn(outputs)
    got = WinogradFilter.of(weight, bias, m).run(Cells(maps), (11, 10), (9, 8), 5, after)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias)
    torch.testing.assert_close(got.permute(0, 3, 1, 2), limited(right, after), rtol=0, atol=3e-4)


@needs_wide_registers
@pytest.mark.parametrize("high", range(1, 14))
@pytest.mark.parametrize("m", [(2, 5), (4, 4), (6, 3)])
def test_windows_of_any_size_end_in_smaller_tiles_whatever_is_done_at_a_time(monkeypatch, m, high):
    """Every remainder down and across, in batches that begin and end among tiles of one kind, and on two threads."""
    torch.manual_seed(high)
    monkeypatch.setattr(winograd_filter, "LEAST", 1)
    monkeypatch.setattr(winograd_filter, "ROOM", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(rows, "LEAST", 7)
    weight, bias = torch.randn(16, 16, 3, 3) / 4, torch.randn(16)
    filters = WinogradFilter.of(weight, bias, m)
    for wide in range(1, 10):
        block, extent = (high + 3, wide + 2), (high, wide)  # a row more than is read
        maps = torch.randn(7, *block, 16)
        got = filters.run(Cells(maps), block, extent, 7, None).permute(0, 3, 1, 2)
        right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias)[:, :, :high]
        torch.testing.assert_close(got, right, rtol=0, atol=2e-4)


def test_smaller_last_tiles_save_what_they_do_not_have():
    assert winograd_filter.cost((4, 4), (7, 7), 512, 512) < 0.86 * winograd_filter.cost(
        (4, 4), (8, 8), 512, 512
    )
    assert winograd.best(7, 7, 512, 512, winograd_filter.cost) == (4, 4)


@needs_wide_registers
@pytest.mark.parametrize("kernel", ["product", "winograd"])
def test_cells_come_from_two_tables_by_an_index_and_threads_share_them(monkeypatch, kernel):
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(rows, "LEAST", 7)
    both, weight = torch.randn(300, 16), torch.randn(32, 16, 3, 3)
    where = torch.randint(0, 300, (20, 6, 6), dtype=torch.int32)
    cells = Cells(both[:120].contiguous(), where, both[120:].contiguous(), 120)
    if kernel == "winograd":
        got = WinogradFilter.of(weight, None, (2, 2)).run(cells, (6, 6), (4, 4), 20, None)
    else:
        starts, taps = places((4, 4), (6, 6), THREE, [1, 1], 20)
        got = ProductFilter.of(weight, None).run(cells, starts, taps, None).view(20, 4, 4, 32)
    right = F.conv2d(both[where.long()].permute(0, 3, 1, 2), weight)
    torch.testing.assert_close(got.permute(0, 3, 1, 2), right, rtol=0, atol=1e-4)


@needs_wide_registers
@pytest.mark.parametrize("kernel", ["product", "winograd"])
def test_what_is_not_a_number_stays_so(kernel):
    maps = torch.ones(1, 6, 6, 16)
    maps[0, 2, 2, 3] = torch.nan
    weight = torch.ones(16, 16, 3, 3)
    if kernel == "winograd":
        got = WinogradFilter.of(weight, None, (2, 2)).run(Cells(maps), (6, 6), (4, 4), 1, ("relu", ()))
    else:
        starts, taps = places((4, 4), (6, 6), THREE, [1, 1], 1)
        got = ProductFilter.of(weight, None).run(Cells(maps), starts, taps, ("relu", ())).view(1, 4, 4, 16)
    assert bool(got[0, :3, :3].isnan().all())


def test_the_cost_knows_that_larger_maps_take_larger_tiles_and_few_channels_none():
    assert winograd.best(2, 2, 256, 256, winograd_filter.cost) == (2, 2)
    assert min(winograd.best(24, 24, 256, 256, winograd_filter.cost)) >= 4
    assert winograd_filter.cost((4, 4), (12, 12), 64, 64) < 0.6 * 144 * 9 * 64 * 64
    assert winograd_filter.cost((2, 2), (2, 2), 16, 16) > 0.9 * 4 * 9 * 16 * 16


class Residual(nn.Module):
    """A block of a residual network at a border that pads, a stride, and maps that change as a whole."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 48, 7, 2, 3), nn.BatchNorm2d(48)
        self.one, self.two = nn.Conv2d(48, 48, 3, 1, 1), nn.Conv2d(48, 48, 3, 1, 1)
        self.skip, self.down = nn.Conv2d(48, 64, 1, 2), nn.Conv2d(48, 64, 3, 2, 1)
        self.last, self.head = nn.Conv2d(64, 64, 3, 1, 1), nn.Linear(64, 5)
        for layer in self.modules():  # so that a patch is seen in the scores
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = (x + self.two(self.one(x).relu())).relu()
        x = (self.skip(x) + self.down(x)).relu()
        for _ in range(4):
            x = self.last(x).relu()
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("own", [True, False])
def test_fast_sweeps_answer_alike_with_and_without_them(monkeypatch, own):
    able = own and direct_filter.usable()  # without wide registers it must do without, and answer alike
    for room in (product_filter, winograd_filter):
        monkeypatch.setattr(room, "usable", lambda: able)
    used = set()
    for kind in (ProductFilter, WinogradFilter):
        run = kind.run
        monkeypatch.setattr(kind, "run", lambda *given, kind=kind, run=run: used.add(kind) or run(*given))
    torch.manual_seed(0)
    net = cs.Classifier(Residual().eval(), input_size=(46, 40), channels=3)
    program, occluders = program_of(net), Occluders.sliding((46, 40), (6, 5), (7, 7))
    assert program is not None
    pixels, fill = torch.rand(2, 3, 46, 40), torch.rand(2, 3, 46, 40)
    engine = Engine(net, program, occluders, (), 2, fast=True)
    with torch.no_grad():
        engine.load(pixels, fill, (), 0)
        everywhere = np.arange(len(occluders))
        got = torch.cat([engine.run(part)[0] for part in np.array_split(everywhere, 3)], 1)
        hidden = [occluders.hide(p, f, everywhere) for p, f in zip(pixels, fill, strict=True)]
        wanted = torch.stack([net.forward(h) for h in hidden])
    assert used == ({ProductFilter, WinogradFilter} if able else set())
    effect = float((wanted - wanted.mean(1, keepdim=True)).abs().max())
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * effect)
