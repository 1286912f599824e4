"""Does the kernel for small networks answer every position as if each masked picture were run whole?"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.occluding.networks import smooth
from torch import nn

import convsight as cs
from convsight.accelerate import chain, direct_filter
from convsight.architectures.lesson import LessonNet, LessonOne, LessonTwo
from convsight.occluding.answers import Reading
from convsight.occluding.engine import Engine
from convsight.occluding.lending import engine_for
from convsight.occluding.occluders import Occluders
from convsight.occluding.small import SmallEngine
from convsight.occluding.sweep import sweep
from convsight.occluding.trace import program_of

needs_kernel = pytest.mark.skipif(not chain.usable(), reason="no Numba, or no wide registers")


def sliding(net, patch=4, stride=2):
    return Occluders.sliding(net.input_size, (patch, patch), (stride, stride))


def engine(net, occluders, read=(), pictures=1):
    return engine_for(program_of(net), net, occluders, read, pictures, True)


def dense(net, pixels, fill, occluders):
    hidden = torch.cat([occluders.hide(p, f, slice(None)) for p, f in zip(pixels, fill, strict=True)])
    with torch.no_grad():
        return net.forward(hidden).view(len(pixels), len(occluders), -1)


@needs_kernel
@pytest.mark.parametrize("module", [LessonNet(10), LessonOne(10), LessonTwo(10)])
def test_every_position_of_the_lessons_networks_is_right(module):
    net = cs.Classifier(module.eval(), input_size=28, channels=1, mean=0.3, std=0.4)
    occluders, pixels, fill = sliding(net), smooth(3, 1, (28, 28)), torch.rand(3, 1, 28, 28)
    small = engine(net, occluders, pictures=3)
    assert isinstance(small, SmallEngine)
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        scores, _ = small.run(np.arange(len(occluders)))
    right = dense(net, pixels, fill, occluders)
    torch.testing.assert_close(scores, right, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(small.clean()[0], net.forward(pixels).detach(), atol=1e-5, rtol=1e-5)


class Drawn(nn.Module):
    """Convolutions of any stride, padding and dilation, activations and pools, as `choose` says."""

    def __init__(self, choose, channels, size):
        super().__init__()
        steps, c, shape = [], channels, size
        for _ in range(choose(1, 3)):
            k, kernel, stride = choose(1, 40), choose(1, 4), choose(1, 2)
            padding, dilation = choose(0, 2), choose(1, 2)
            after = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in shape]
            if min(after) < 4:
                break
            steps.append(nn.Conv2d(c, k, kernel, stride, padding, dilation, bias=bool(choose(0, 1))))
            c, shape = k, after
            if choose(0, 1):
                steps.append(nn.BatchNorm2d(c))
            steps += [[], [nn.ReLU()], [nn.ReLU6()], [nn.Hardtanh(-0.5, 0.7)]][choose(0, 3)]
            if choose(0, 1) and min(shape) >= 6:
                kernel, stride = choose(2, 3), choose(1, 2)
                steps.append(nn.MaxPool2d(kernel, stride))
                shape = [(n - kernel) // stride + 1 for n in shape]
        self.maps = nn.Sequential(*steps)
        self.fc = nn.Linear(c * math.prod(shape), 3)

    def forward(self, x):
        return self.fc(self.maps(x).flatten(1))


@needs_kernel
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6), st.sampled_from([1, 3]), st.integers(9, 17), st.integers(9, 17), st.integers(1, 6)
)
def test_random_small_networks_answer_as_if_every_picture_were_run_whole(seed, channels, high, wide, patch):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    module = Drawn(lambda low, top: int(random.integers(low, top + 1)), channels, [high, wide]).eval()
    net = cs.Classifier(module, input_size=(high, wide), channels=channels)
    occluders = Occluders.sliding((high, wide), (patch, patch), (2, 3))
    pixels, fill = smooth(2, channels, (high, wide), seed), torch.rand(2, channels, high, wide)
    small = engine(net, occluders, pictures=2)
    assert isinstance(small, SmallEngine) == bool(len(module.maps))
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        places = torch.from_numpy(random.permutation(len(occluders)))
        got = torch.cat([scores for _, scores, _ in small.answers(places.numpy())], 1)
    torch.testing.assert_close(got, dense(net, pixels, fill, occluders)[:, places], atol=1e-5, rtol=1e-4)


@needs_kernel
@pytest.mark.parametrize("outputs", [3, 10, 20, 30, 40])
@pytest.mark.parametrize("wide", range(1, 6))
def test_cells_that_reach_the_places_of_a_row_together_reach_each_of_them(wide, outputs):
    """The second convolution sees 1 to 5 changed columns, at both edges and between, and up to 64 outputs."""
    torch.manual_seed(wide)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, outputs, 3, (2, 1), (1, 0)), nn.Hardtanh(-0.3, 0.4),
        nn.Conv2d(outputs, 4, 3, padding=(0, 2)), nn.Flatten(), nn.Linear(4 * 3 * 11, 3),
    ).eval()  # fmt: skip
    net = cs.Classifier(module, input_size=(10, 11), channels=1)
    occluders, pixels, fill = (
        Occluders.sliding((10, 11), (2, wide), (1, 1)),
        smooth(1, 1, (10, 11)),
        torch.rand(1, 1, 10, 11),
    )
    small = engine(net, occluders)
    assert isinstance(small, SmallEngine)
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        scores, _ = small.run(np.arange(len(occluders)))
    torch.testing.assert_close(scores, dense(net, pixels, fill, occluders), atol=1e-6, rtol=1e-5)


@needs_kernel
@pytest.mark.parametrize("layer", ["conv1", "relu#1", "pool#2", "fc1", "relu#3"])
def test_what_is_read_is_read_before_later_steps_overwrite_it(layer):
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(5).eval(), input_size=28, channels=1)
    occluders, pixels, fill = sliding(net, 6, 5), smooth(2, 1, (28, 28)), torch.zeros(2, 1, 28, 28)
    name = layer if layer in net.layers else next(n for n in net.layers if n.startswith(layer.split("#")[0]))
    readings = [Reading(name, torch.tensor([1, 3]), how) for how in ("sum", "max")]
    got = sweep(net, pixels, fill, occluders, readings, "fast")
    wanted = sweep(net, pixels, fill, occluders, readings, "dense")
    for one, other in zip(
        got.readings + got.clean_readings, wanted.readings + wanted.clean_readings, strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got.clean_logits, wanted.clean_logits, atol=1e-5, rtol=1e-4)


@needs_kernel
def test_the_vector_that_maps_are_laid_out_as_is_read_by_itself():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(5).eval(), input_size=28, channels=1)
    occluders, pixels, fill = sliding(net, 6, 5), smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28)
    flat = next(n for n in net.layers if n.startswith("flatten"))
    readings = [Reading(flat, torch.tensor([77]))]
    small = engine(net, occluders, (net.layers[flat].index,))
    assert isinstance(small, SmallEngine) and small._tail is not None
    got, wanted = (sweep(net, pixels, fill, occluders, readings, mode) for mode in ("fast", "dense"))
    torch.testing.assert_close(got.readings, wanted.readings, atol=1e-5, rtol=1e-4)


@needs_kernel
def test_linear_layers_belong_to_the_chain_unless_their_weights_are_many(monkeypatch):
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(5).eval(), input_size=28, channels=1)
    pixels, fill = smooth(2, 1, (28, 28)), torch.zeros(2, 1, 28, 28)
    whole = engine(net, sliding(net), pictures=2)
    monkeypatch.setattr("convsight.accelerate.chain_links.WEIGHTS", 20_000)
    parts = engine(net, sliding(net), pictures=2)
    assert isinstance(whole, SmallEngine) and isinstance(parts, SmallEngine)
    assert whole._tail is None and parts._tail is not None
    right = dense(net, pixels, fill, sliding(net))
    for small in (whole, parts):
        with torch.no_grad():
            small.load(pixels, fill, (), 0)
            scores, _ = small.run(np.arange(169))
        torch.testing.assert_close(scores, right, atol=1e-5, rtol=1e-4)


@needs_kernel
def test_where_the_clean_picture_overflows_nothing_is_added_to_it():
    """Hidden, its scores are finite: a sum that starts from infinity would stay there."""
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(3).eval(), input_size=28, channels=1)
    pixels, fill = smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28)
    pixels[0, 0, 13, 13] = torch.inf
    small = engine(net, sliding(net, 6, 5))
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        got, _ = small.run(np.arange(len(sliding(net, 6, 5))))
    finite = got.isfinite().all(2)
    assert finite.any() and not finite.all()
    right = dense(net, pixels, fill, sliding(net, 6, 5))
    torch.testing.assert_close(got[finite], right[finite], atol=1e-5, rtol=1e-4)


@needs_kernel
def test_positions_may_lie_apart_and_be_short_numbers():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4).eval(), input_size=28, channels=1)
    pixels, fill, places = (
        smooth(1, 1, (28, 28)),
        torch.zeros(1, 1, 28, 28),
        np.arange(168, -1, -1, dtype=np.int32)[::5],
    )
    small = engine(net, sliding(net))
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        got, _ = small.run(places)
    right = dense(net, pixels, fill, sliding(net))[:, places.tolist()]
    torch.testing.assert_close(got, right, atol=1e-5, rtol=1e-4)


@needs_kernel
def test_positions_that_wait_are_answered_in_parts(monkeypatch):
    torch.manual_seed(0)
    net = cs.Classifier(LessonOne(4).eval(), input_size=28, channels=1)
    occluders, pixels, fill = sliding(net), smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28)
    monkeypatch.setattr("convsight.occluding.small.WAITING", 4 * 40)
    small = engine(net, occluders)
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        parts = list(small.answers(np.arange(len(occluders))))
    assert len(parts) == 5
    got = torch.cat([scores for _, scores, _ in parts], 1)
    torch.testing.assert_close(got, dense(net, pixels, fill, occluders), atol=1e-5, rtol=1e-4)


@needs_kernel
@pytest.mark.parametrize(("waiting", "groups"), [(10**7, [7]), (2 * 170 * 4, [3, 3, 1])])
def test_as_many_pictures_as_may_wait_are_answered_at_once(monkeypatch, waiting, groups):
    """Three is what the dense loop's memory allows."""
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4).eval(), input_size=28, channels=1)
    pixels, fill = smooth(7, 1, (28, 28)), torch.zeros(7, 1, 28, 28)
    monkeypatch.setattr("convsight.occluding.small.WAITING", waiting)
    loaded, load = [], SmallEngine.load
    monkeypatch.setattr(SmallEngine, "load", lambda self, *a: loaded.append(len(a[0])) or load(self, *a))
    got = sweep(net, pixels, fill, sliding(net), (), "fast")
    assert loaded == groups
    torch.testing.assert_close(got.logits, dense(net, pixels, fill, sliding(net)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got.clean_logits, net.forward(pixels).detach(), atol=1e-5, rtol=1e-4)


@needs_kernel
def test_what_is_not_a_number_stays_so():
    """Through activations and pools, at every position but those that hide it: one cell, the last of a pool's four."""
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(784, 3))
    net = cs.Classifier(one.eval(), input_size=28, channels=1)
    occluders, pixels, fill = sliding(net, 6, 5), smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28)
    pixels[0, 0, 13, 13] = torch.nan
    small = engine(net, occluders)
    with torch.no_grad():
        small.load(pixels, fill, (), 0)
        got, _ = small.run(np.arange(len(occluders)))
    assert 0 < int(got.isfinite().all(2).sum()) < 5
    torch.testing.assert_close(got, dense(net, pixels, fill, occluders), equal_nan=True, atol=1e-5, rtol=1e-4)


@needs_kernel
def test_a_wrong_cell_is_found_by_the_self_check(monkeypatch):
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4).eval(), input_size=28, channels=1)
    right = chain.Chain.rectangles

    def smaller(self, changed):
        found = right(self, changed)
        found[:, 1, 1] -= 1
        return found

    monkeypatch.setattr(chain.Chain, "rectangles", smaller)
    pixels = smooth(1, 1, (28, 28))
    got = sweep(net, pixels, torch.zeros_like(pixels), sliding(net), (), "fast")
    assert "self-check was off" in got.notes[0]
    wanted = sweep(net, pixels, torch.zeros_like(pixels), sliding(net), (), "dense")
    torch.testing.assert_close(got.logits, wanted.logits)


class Other(nn.Module):
    """A network that is no chain for the reason `why`."""

    def __init__(self, why):
        super().__init__()
        self.why, width = why, 80 if why == "wide" else 8
        self.conv, self.again = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.fc = nn.Linear(width * 6 * 6, 2)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        if self.why == "sum":
            x = x + self.again(x)
        if self.why == "sigmoid":
            x = torch.sigmoid(x)
        ceil, padding = self.why == "overhang", int(self.why == "padded pool")
        x = F.max_pool2d(x, 2, padding=padding, ceil_mode=ceil)
        return self.fc(F.pad(x, (0, 6 - x.shape[3], 0, 6 - x.shape[2])).flatten(1) if ceil else x.flatten(1))


@pytest.mark.parametrize("why", ["wide", "sum", "sigmoid", "padded pool", "overhang"])
def test_other_networks_are_left_to_plans(why):
    torch.manual_seed(0)
    size = {"padded pool": 10, "overhang": 11}.get(why, 12)
    net = cs.Classifier(Other(why).eval(), input_size=size, channels=1)
    assert type(engine(net, sliding(net))) is Engine
    pixels = smooth(1, 1, (size, size))
    got = sweep(net, pixels, torch.zeros_like(pixels), sliding(net), (), "fast")
    wanted = sweep(net, pixels, torch.zeros_like(pixels), sliding(net), (), "dense")
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lacks", ["kernel", "boxes", "float32"])
def test_without_the_kernel_boxes_or_float32_plans_answer(monkeypatch, lacks):
    torch.manual_seed(0)
    module = LessonTwo(4).eval()
    net = cs.Classifier(module.double() if lacks == "float32" else module, input_size=28, channels=1)
    occluders = sliding(net)
    if lacks == "boxes":
        occluders = Occluders.of_masks(occluders.cover(slice(None)))
    if lacks == "kernel":
        monkeypatch.setattr(chain, "usable", lambda: False)
    assert type(engine(net, occluders)) is Engine


def test_a_kernel_that_cannot_run_or_answers_otherwise_is_not_used(monkeypatch):
    asked = chain.usable.__wrapped__
    monkeypatch.setattr(chain, "_answers_as_torch", lambda: 1 / 0)
    assert not asked()
    monkeypatch.setattr(direct_filter, "usable", lambda: False)
    assert not asked()
