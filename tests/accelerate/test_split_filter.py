"""Convolutions on the matrix unit, each number as two halves, against float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.accelerate import rows
from convsight.accelerate.rows import Cells
from convsight.accelerate.split_filter import SplitFilter, present, scale_of, usable
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.rules.geometry import Axis
from convsight.occluding.rules.own import places, quicker
from convsight.occluding.sweep import sweep
from convsight.occluding.trace import program_of

needs_matrix_unit = pytest.mark.skipif(
    not present(), reason="no Numba, or no AMX for float16, on this machine"
)


def convolved(maps, weight, bias, stride, after, scale=None):
    """Maps n h w c by the kernel under test: n h' w' k."""
    axes = Axis(weight.shape[2], stride[0], 0), Axis(weight.shape[3], stride[1], 0)
    extent = tuple((size - a.kernel) // a.stride + 1 for size, a in zip(maps.shape[1:3], axes, strict=True))
    starts, taps = places(extent, tuple(maps.shape[1:3]), axes, stride, len(maps))
    filters, scale = SplitFilter.of(weight, bias), scale or scale_of(maps)
    return filters.run(Cells(maps), starts, taps, after, scale).view(len(maps), *extent, len(weight))


@needs_matrix_unit
def test_where_there_is_a_matrix_unit_it_is_used():
    assert usable()


@needs_matrix_unit
@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "stride"),
    [(32, 32, (3, 3), (1, 1)), (40, 17, (1, 3), (2, 1)), (300, 48, (1, 1), (1, 1)), (16, 530, (3, 2), (1, 2)), (96, 24, (5, 5), (1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("after", [None, ("relu", ()), ("hardtanh", (-0.3, 0.5))])
def test_split_products_are_as_near_to_float64_as_floats_are(channels, outputs, kernel, stride, after):
    torch.manual_seed(0)
    maps, weight = torch.randn(3, 9, 11, channels) * 20, torch.randn(outputs, channels, *kernel) / 50
    bias = torch.randn(outputs)
    got = convolved(maps, weight, bias, list(stride), after)
    right = F.conv2d(maps.permute(0, 3, 1, 2).double(), weight.double(), bias.double(), stride)
    if after is not None:
        right = right.relu() if after[0] == "relu" else right.clamp(*after[1])
    right = right.permute(0, 2, 3, 1)
    assert float((got - right).abs().max()) < 3e-6 * float(right.abs().max() + 20 / 50 * channels**0.5)


@needs_matrix_unit
@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e12])
def test_inputs_and_weights_of_any_size_keep_their_digits(size):
    torch.manual_seed(0)
    maps, weight = torch.randn(1, 6, 6, 32) * size, torch.randn(32, 32, 3, 3) / size
    got = convolved(maps, weight, None, [1, 1], None)
    right = F.conv2d(maps.permute(0, 3, 1, 2).double(), weight.double()).permute(0, 2, 3, 1)
    torch.testing.assert_close(got.double(), right, rtol=0, atol=1e-6 * float(right.abs().max()))


@needs_matrix_unit
def test_what_is_not_a_number_stays_so_and_larger_pictures_have_room():
    maps, weight = torch.ones(1, 4, 4, 32), torch.ones(32, 32, 1, 1)
    maps[0, 1, 2, 3] = torch.nan
    got = convolved(maps, weight, None, [1, 1], ("relu", ()), scale=1.0)
    assert bool(got[0, 1, 2].isnan().all()) and int(got.isnan().sum()) == 32
    later = torch.full((1, 2, 2, 32), 1000.0)  # the scale is of pictures whose largest cell is 1
    torch.testing.assert_close(
        convolved(later, weight, None, [1, 1], None, scale_of(torch.ones(1))), later * 32
    )


@needs_matrix_unit
def test_several_threads_share_the_cells(monkeypatch):
    torch.manual_seed(0)
    maps, weight = torch.randn(2, 30, 30, 48), torch.randn(40, 48, 3, 3)
    alone = convolved(maps, weight, None, [1, 1], None)
    monkeypatch.setattr(rows, "LEAST", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    torch.testing.assert_close(convolved(maps, weight, None, [1, 1], None), alone, rtol=0, atol=0)


@needs_matrix_unit
def test_torchs_own_half_length_products_work_in_between():
    maps, weight = torch.randn(1, 8, 8, 64), torch.randn(64, 64, 3, 3)
    short = maps.permute(0, 3, 1, 2).bfloat16(), weight.bfloat16()
    before = F.conv2d(*short)
    first = convolved(maps, weight, None, [1, 1], None)
    torch.testing.assert_close(F.conv2d(*short), before, rtol=0, atol=0)
    torch.testing.assert_close(convolved(maps, weight, None, [1, 1], None), first, rtol=0, atol=0)


def test_few_channels_are_left_to_torch():
    assert quicker(torch.zeros(64, 64, 3, 3)) and quicker(torch.zeros(192, 32, 1, 1))
    assert not quicker(torch.zeros(64, 3, 7, 7)) and not quicker(torch.zeros(8, 16, 1, 1))


class Wide(nn.Module):
    """Enough channels for the matrix unit: padding, strides, a residual, and maps that change as a whole."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.body, self.down = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 64, 3, 2, 1)
        self.skip, self.late = nn.Conv2d(32, 64, 1, 2), nn.Conv2d(64, 64, 3, padding=2, dilation=2)
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.body(x))
        x = torch.relu(self.down(x)) + self.skip(x)
        return self.head(torch.relu(self.late(x)).mean((2, 3)))


@pytest.mark.parametrize("matrix_unit", [pytest.param(True, marks=needs_matrix_unit), False])
def test_fast_sweeps_answer_alike_with_and_without_it(monkeypatch, matrix_unit):
    if not matrix_unit:
        monkeypatch.setattr("convsight.accelerate.split_filter.usable", lambda: False)
    used = []
    run = SplitFilter.run
    monkeypatch.setattr(SplitFilter, "run", lambda *given: used.append(1) or run(*given))
    torch.manual_seed(0)
    net = cs.Classifier(Wide().eval(), input_size=(21, 18))
    program, occluders = program_of(net), Occluders.sliding((21, 18), (4, 3), (3, 3))
    assert program is not None
    pixels, fill = torch.rand(2, 3, 21, 18), torch.rand(2, 3, 21, 18)
    engine = Engine(net, program, occluders, (), 2, fast=True)
    with torch.no_grad():
        engine.load(pixels, fill, (), 0)
        places = np.arange(len(occluders))
        got = torch.cat([engine.run(part)[0] for part in np.array_split(places, 3)], 1)
        wanted = torch.stack(
            [net.forward(occluders.hide(p, f, places)) for p, f in zip(pixels, fill, strict=True)]
        )
    assert bool(used) == matrix_unit
    torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)


@needs_matrix_unit
def test_numbers_that_float16_cannot_hold_are_noticed():
    torch.manual_seed(0)
    net = cs.Classifier(Wide().eval(), input_size=(21, 18))
    with torch.no_grad():
        for p in net.module.parameters():
            p.abs_()
        net.module.stem.bias.zero_()
    pixels, fill = torch.full((1, 3, 21, 18), 1e-5), torch.ones(1, 3, 21, 18)
    asked = net, pixels, fill, Occluders.sliding((21, 18), (4, 3), (2, 2))
    got, wanted = sweep(*asked, mode="fast"), sweep(*asked, mode="dense")
    assert "cannot hold): every position was run whole" in got.notes[0]
    torch.testing.assert_close(got.logits, wanted.logits)
