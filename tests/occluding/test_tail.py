"""Do vectors behind the last maps answer alike, alone or for many chunks at a time?"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.occluding.networks import smooth
from torch import nn

import convsight as cs
from convsight.accelerate import split_filter
from convsight.occluding import tail
from convsight.occluding.answers import Reading
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.sweep import sweep
from convsight.occluding.tail import Tail, product
from convsight.occluding.trace import program_of

needs_unit = pytest.mark.skipif(not split_filter.usable(), reason="no matrix unit for float16, or no Numba")


class Deep(nn.Module):
    """Two linear layers with an activation that overwrites the first's value."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(1, 8, 5), nn.Linear(8 * 8 * 8, 1000), nn.Linear(1000, 5)

    def forward(self, x):
        maps = F.max_pool2d(torch.relu(self.conv(x)), 3)
        return self.fc2(torch.relu_(self.fc1(maps.flatten(1))))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return cs.Classifier(Deep().eval(), input_size=28, channels=1)


def test_the_tail_is_what_lies_behind_the_last_maps(net):
    program = program_of(net)
    found = Tail.of(program.live((program.output,)), program.output)
    assert [step.kind for step in found.steps] == ["flatten", "linear", "relu", "linear"]
    assert program.steps[found.source].kind == "max_pool2d"


def test_a_mean_of_maps_belongs_to_the_maps():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).mean((2, 3)))

    program = program_of(cs.Classifier(Mean().eval(), input_size=8, channels=1))
    found = Tail.of(program.live((program.output,)), program.output)
    assert [step.kind for step in found.steps] == ["linear"]


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("waiting", [0, 10**9])
def test_chunks_that_wait_for_each_other_answer_alike(net, monkeypatch, mode, waiting):
    """Scores, a reading of the maps and one of a vector that later steps overwrite; two pictures, four chunks."""
    monkeypatch.setattr(tail, "HEAVY", 1)
    monkeypatch.setattr("convsight.accelerate.chain.usable", lambda: False)
    monkeypatch.setattr("convsight.occluding.engine.WAITING", waiting)
    monkeypatch.setattr(Engine, "_chunk_size", lambda self: 25)
    readings = [Reading("conv", torch.tensor([3, 5])), Reading("fc1", torch.tensor([1, 700]), "max")]
    occluders = Occluders.sliding((28, 28), (5, 5), (3, 3))
    pixels, fill = smooth(2, 1, (28, 28)), torch.zeros(2, 1, 28, 28)
    got = sweep(net, pixels, fill, occluders, readings, mode)
    assert "Self-check" in got.notes[1]
    wanted = sweep(net, pixels, fill, occluders, readings, "dense")
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=1e-4)
    for one, other in zip(got.readings, wanted.readings, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@needs_unit
@pytest.mark.parametrize(("n", "c", "k"), [(64, 100, 33), (700, 333, 70), (1, 16, 1)])
def test_products_on_the_matrix_unit_are_as_near_to_float64_as_floats_are(n, c, k):
    generator = torch.Generator().manual_seed(n)
    value, weight, bias = (torch.randn(shape, generator=generator) for shape in ((n, c), (k, c), (k,)))
    weight = weight / 50
    right = F.linear(value.double(), weight.double(), bias.double())
    found = product(value, weight, bias, split_filter.scale_of(weight))
    assert found.shape == (n, k)
    assert float((found - right).abs().max()) < 2e-6 * float(right.abs().max())
    bare = product(value, weight, None, split_filter.scale_of(weight))
    torch.testing.assert_close(bare, found - bias, atol=1e-5, rtol=1e-4)


@needs_unit
def test_only_large_products_go_there(monkeypatch):
    weight = torch.zeros(1000, 1000)
    assert tail.suits(torch.zeros(64, 1000), weight)
    assert not tail.suits(torch.zeros(63, 1000), weight)
    assert not tail.suits(torch.zeros(64, 1000).double(), weight.double())
    assert not tail.suits(torch.zeros(64, 100), torch.zeros(10, 100))
    monkeypatch.setattr(split_filter, "usable", lambda: False)
    assert not tail.suits(torch.zeros(64, 1000), weight)


@needs_unit
def test_the_tail_uses_it_in_the_fast_mode_alone(net, monkeypatch):
    monkeypatch.setattr(tail, "HEAVY", 1)
    monkeypatch.setattr("convsight.accelerate.chain.usable", lambda: False)
    calls = []
    monkeypatch.setattr(tail, "product", lambda *args: calls.append(args[0].shape) or product(*args))
    occluders = Occluders.sliding((28, 28), (5, 5), (3, 3))
    pixels, fill = smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28)
    sweep(net, pixels, fill, occluders, (), "exact")
    assert not calls
    sweep(net, pixels, fill, occluders, (), "fast")
    assert calls == [(81, 512)]


def test_clean_maps_are_computed_once_for_all_chunks(net, monkeypatch):
    """Later chunks ask for maps that the first did not: they are still there when all are planned."""
    from convsight.occluding.trace import Program

    monkeypatch.setattr(Engine, "_chunk_size", lambda self: 9)
    runs, run = [], Program.run
    monkeypatch.setattr(Program, "run", lambda self, *a, **k: runs.append(a[1]) or run(self, *a, **k))
    program = program_of(net)
    runs.clear()
    occluders = Occluders.sliding((28, 28), (5, 5), (3, 3))
    engine = Engine(net, program, occluders, (), 1)
    with torch.no_grad():
        engine.load(smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28), (), 0)
        answered = [len(part) for part, _, _ in engine.answers(np.arange(len(occluders)))]
    assert len(answered) > 1 and sum(answered) == len(occluders)
    assert len(runs) == 1
