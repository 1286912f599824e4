"""Mode "auto": compiled kernels where they pay, the same answers with and without them, and no need of their room."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.occluding.networks import smooth
from torch import nn

import convsight as cs
from convsight.accelerate.processor import wide_registers
from convsight.architectures.lesson import LessonTwo
from convsight.occluding import compiled, cost
from convsight.occluding.dragged import Occluding
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.sweep import sweep
from convsight.occluding.trace import program_of

needs_kernels = pytest.mark.skipif(not wide_registers(), reason="the processor has neither AVX-512 nor AVX2")


class Residual(nn.Module):
    """Blocks at a border that pads, strides, maps that change as a whole, and channels convolved by themselves."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 48, 7, 2, 3), nn.BatchNorm2d(48)
        self.one, self.two = nn.Conv2d(48, 48, 3, 1, 1), nn.Conv2d(48, 48, 3, 1, 1)
        self.skip, self.down = nn.Conv2d(48, 64, 1, 2), nn.Conv2d(48, 64, 3, 2, 1)
        self.apart, self.pad = nn.Conv2d(64, 64, 3, 1, 0, groups=64), nn.ZeroPad2d((2, 0, 1, 1))
        self.odd, self.last, self.head = nn.Conv2d(64, 24, 1), nn.Conv2d(24, 32, 3, 1, 1), nn.Linear(32, 5)
        for layer in self.modules():  # so that a patch is seen in the scores
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        nn.init.uniform_(self.norm.running_var, 0.3, 2)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = (x + self.two(self.one(x).relu())).relu()
        x = (self.skip(x) + self.down(x)).relu()
        x = F.relu6(self.apart(self.pad(x)))
        return self.head(self.last(self.odd(x).relu()).mean((2, 3)))


SIZE = 46, 40


@pytest.fixture
def net():
    torch.manual_seed(0)
    return cs.Classifier(Residual().eval(), input_size=SIZE, channels=3)


def asked(net, pictures=2):
    pixels = smooth(pictures, net.channels, net.input_size)
    return net, pixels, torch.full_like(pixels, 0.5), Occluders.sliding(net.input_size, (6, 5), (5, 5))


def worst(got, wanted):
    effect = (wanted.logits - wanted.clean_logits[:, None]).abs().max()
    return float((got.logits - wanted.logits).abs().max() / effect)


@needs_kernels
@pytest.mark.parametrize("on_kernels", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_chunks_are_answered_as_hidden_pictures_run_whole(net, on_kernels, kept):
    _, pixels, fill, occluders = asked(net)
    engine = Engine(net, program_of(net), occluders, (), 2, on_kernels, keep_clean=kept)
    everywhere = np.arange(len(occluders))
    with torch.no_grad():
        engine.load(pixels, fill, (), 0)
        got = torch.cat([engine.run(part)[0] for part in np.array_split(everywhere, 5)], 1)
        hidden = [occluders.hide(p, f, everywhere) for p, f in zip(pixels, fill, strict=True)]
        wanted = torch.stack([net.forward(h) for h in hidden])
    effect = float((wanted - wanted.mean(1, keepdim=True)).abs().max())
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * effect)


@needs_kernels
@pytest.mark.parametrize("mode", ["auto", "fast"])
def test_large_calls_take_compiled_kernels_and_exact_never_does(net, monkeypatch, mode):
    monkeypatch.setattr(cost, "LARGE", 1e6)
    wanted = sweep(*asked(net), mode="dense")
    got = sweep(*asked(net), mode=mode)
    assert "Compiled kernels computed the convolutions" in got.notes[0] and worst(got, wanted) < 1e-4
    assert not any("ompiled" in note for note in sweep(*asked(net), mode="exact").notes)


def test_small_calls_load_no_compiler(net):
    """A map of the lesson's net takes milliseconds; loading Numba takes a second."""
    run_alone(
        "import sys",
        "cs.occlusion(small, torch.rand(1, 1, 28, 28), patch=4, stride=2)",
        "assert 'numba' not in sys.modules",
    )


@needs_kernels
def test_wrong_kernels_are_found_and_left_out(net, monkeypatch):
    monkeypatch.setattr(cost, "LARGE", 0)
    right = compiled.layer_of

    def wrong(step, *given):
        layer = right(step, *given)
        layer.bias = torch.ones(len(layer.weight))
        return layer

    monkeypatch.setattr(compiled, "layer_of", wrong)
    monkeypatch.setattr("convsight.occluding.rules.compiled.layer_of", wrong)
    got, wanted = sweep(*asked(net)), sweep(*asked(net), mode="dense")
    assert "with compiled kernels: they were left out" in " ".join(got.notes)
    assert "Only changed regions" in got.notes[0] and worst(got, wanted) < 1e-4
    assert Occluding(net, smooth(1, 3, SIZE)).incremental


@needs_kernels
def test_scores_that_are_no_numbers_are_those_of_the_network(net, monkeypatch):
    monkeypatch.setattr(cost, "LARGE", 0)
    with torch.no_grad():
        net.module.head.bias[1] = torch.inf
    got, wanted = sweep(*asked(net)), sweep(*asked(net), mode="dense")
    torch.testing.assert_close(got.logits, wanted.logits, rtol=1e-4, atol=1e-4)


@needs_kernels
def test_dragged_occluders_run_on_kernels_and_any_box_is_right(net, monkeypatch):
    monkeypatch.setattr(cost, "LARGE", 0)
    picture = smooth(1, 3, SIZE)
    dragged = Occluding(net, picture)
    assert dragged.incremental
    for box in [(0, 0, 5, 5), (20, 17, 9, 3), (38, 30, 20, 20), (11, 3, 30, 30)]:
        wanted = net.scores(dragged.hidden(box)[None])[0]
        effect = (wanted - dragged.clean).abs().max()
        assert (dragged.scores(box) - wanted).abs().max() < 1e-4 * effect


class Squeeze(nn.Module):
    """Every place is scaled by the mean over all places: any patch changes everything."""

    def __init__(self):
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 64, 3), nn.Linear(64, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = self.body(x * x.mean((2, 3), keepdim=True))
        return self.head(x.mean((2, 3)))


@needs_kernels
def test_kernels_pay_even_for_whole_maps(monkeypatch):
    monkeypatch.setattr(cost, "LARGE", 0)
    torch.manual_seed(0)
    given = asked(cs.Classifier(Squeeze(), input_size=24, channels=1), 1)
    got, wanted = sweep(*given), sweep(*given, mode="dense")
    assert "2 of 3 weighted layers change as a whole" in got.notes[0]
    torch.testing.assert_close(got.logits, wanted.logits, rtol=0, atol=1e-4)


def test_the_lessons_net_is_answered_alike_by_every_mode(monkeypatch):
    torch.manual_seed(0)
    given = asked(cs.Classifier(LessonTwo(10), input_size=28, channels=1), 3)
    wanted = sweep(*given, mode="dense")
    for large in (0, cost.LARGE):
        monkeypatch.setattr(cost, "LARGE", large)
        assert worst(sweep(*given), wanted) < 1e-4


@pytest.mark.parametrize(
    ("hidden", "words"), [("convsight.accelerate", "convsight.accelerate is not installed"), ("numba", "Numba is not installed")]
)  # fmt: skip
def test_occlusion_works_without_the_room_of_compiled_kernels(hidden, words):
    run_alone(
        "from convsight.occluding import cost",
        "cost.LARGE = 0",
        "picture = torch.rand(1, 1, 28, 28)",
        "got, wanted = (cs.occlusion(small, picture, 1, patch=4, stride=2, mode=m) for m in ('auto', 'dense'))",
        "torch.testing.assert_close(got.scores, wanted.scores, rtol=0, atol=1e-5)",
        f"assert 'Only changed regions' in str(got.notes) and {words!r} in str(got.notes), got.notes",
        hidden=hidden,
    )


def run_alone(*lines, hidden="no such module"):
    """Run lines in a new process that cannot import the module `hidden` nor anything below it."""
    start = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == {hidden!r} or name.startswith({hidden + "."!r}):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import torch
import convsight as cs
from torch import nn
maps = nn.Conv2d(1, 10, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 3), nn.MaxPool2d(2), nn.ReLU()
small = cs.Classifier(nn.Sequential(*maps, nn.Flatten(), nn.Linear(500, 4)), input_size=28, channels=1)
"""
    done = subprocess.run([sys.executable, "-c", start + "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
