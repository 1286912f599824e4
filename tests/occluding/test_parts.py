"""Regions, clean maps and traced programs, each against a slower way to the same answer."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.occluding.clean_maps import CleanMaps
from convsight.occluding.occluders import Occluders
from convsight.occluding.regions import Span, Window, changed_by, sides_of
from convsight.occluding.simplify import simplified
from convsight.occluding.trace import BATCH, program_of


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, (1, 5), padding=(0, 2)),
        nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2),
    ],
)  # fmt: skip
def test_changed_intervals_are_exactly_the_cells_that_change(layer):
    for p in layer.parameters():
        nn.init.constant_(p, 1.0)  # no effect cancels out
    module = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(2))
    net = cs.Classifier(module, input_size=(13, 11), channels=1)
    program = program_of(net)
    assert program is not None
    occluders = Occluders.sliding((13, 11), (3, 2), (1, 1))
    changed = changed_by(sides_of(occluders), program.steps[0].field)
    increasing = torch.zeros(1, 1, 13, 11)
    for p in range(len(occluders)):
        with torch.no_grad():
            after = layer(occluders.hide(increasing[0], torch.ones(1, 13, 11), np.array([p])))
            before = layer(increasing)
        cells = (after != before)[0, 0].nonzero()
        for axis in (0, 1):
            low, high = changed.low[axis][p], changed.high[axis][p]
            if len(cells):
                assert (low, high) == (cells[:, axis].min(), cells[:, axis].max() + 1)


def test_windows_hold_the_changed_cells_and_stay_inside_the_maps():
    net = cs.Classifier(
        nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Flatten(), nn.LazyLinear(2)), input_size=20, channels=1
    )
    program = program_of(net)
    assert program is not None
    occluders = Occluders.sliding((20, 20), (5, 5), (3, 3))
    changed = changed_by(sides_of(occluders), program.steps[0].field)
    for places in (slice(None), np.array([0, 7]), slice(30, 36)):
        window = changed.window(places)
        for span, low, high in zip((window.rows, window.columns), changed.low, changed.high, strict=True):
            assert (span.at >= 0).all() and (span.at + span.size <= span.length).all()
            assert (span.at <= low[places]).all() and (span.at + span.size >= high[places]).all()


def test_clean_maps_paste_windows_and_pads_like_slices_do():
    clean = torch.rand(2, 6, 7, 3)
    clean_maps = CleanMaps((2, 6, 7, 3), clean)
    clean_maps.load(clean)
    window = Window(Span(np.array([0, 2, 3]), 3, 6), Span(np.array([4, 1, 0]), 2, 7))
    windows, picture = torch.rand(3, 3, 2, 3), np.array([0, 1, 1])
    clean_maps.place(windows)
    rows, columns = np.arange(-1, 7)[None].repeat(3, 0), np.arange(-2, 8)[None].repeat(3, 0)
    got = clean_maps.gather(clean_maps.index(picture, rows, columns, window, pad=-4.0))
    for i in range(3):
        whole = clean[picture[i]].clone()
        y, x = window.rows.at[i], window.columns.at[i]
        whole[y : y + 3, x : x + 2] = windows[i]
        torch.testing.assert_close(got[i], F.pad(whole, (0, 0, 2, 1, 1, 1), value=-4.0))


def test_a_program_gives_the_scores_of_any_number_of_pictures():
    class Viewed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(3 * 36, 2)

        def forward(self, x):
            x = self.conv(x)
            x.relu_()
            return {"logits": self.head(x.view(x.shape[0], -1))}

    net = cs.Classifier(Viewed(), input_size=8, channels=1)
    program = program_of(net)
    assert program is not None
    assert any(BATCH in step.args for step in program.steps)
    pixels = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        got = program.run(pixels, [program.output, 0])
        torch.testing.assert_close(got[program.output], net.forward(pixels))
    torch.testing.assert_close(got[0], net.module.conv(pixels))  # the value before the in-place ReLU


def test_a_network_whose_pictures_depend_on_each_other_has_no_program():
    class Together(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(16, 2)

        def forward(self, x):
            flat = x.flatten(1)
            return self.head(flat - flat.mean(0))

    assert program_of(cs.Classifier(Together(), input_size=4, channels=1)) is None


def test_folded_and_overwriting_steps_give_the_same_scores():
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2, affine=False),
        nn.ReLU6(), nn.Flatten(), nn.Linear(2 * 16, 3),
    )  # fmt: skip
    for norm in (module[1], module[4]):
        norm.running_mean.normal_()  # type: ignore[union-attr,operator]
        norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr,operator]
    net = cs.Classifier(module, input_size=8, channels=1)
    program = program_of(net)
    assert program is not None
    pixels = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        wanted = net.forward(pixels)
        for fold in (False, True):
            simple = simplified(program, (), fold)
            kinds = [s.kind for s in simple.steps]
            assert kinds.count("same") == (4 if fold else 0)  # two norms and two activations
            assert sum(s.in_place for s in simple.steps) == (0 if fold else 2)
            got = simple.run(pixels, [program.output])[program.output]
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
        kept = simplified(program, (0,), True)
        torch.testing.assert_close(kept.run(pixels, [0])[0], module[0](pixels))
