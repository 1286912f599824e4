"""Are the vectors behind the last maps right, whether computed for one chunk or for many at a time?"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.occluding.networks import smooth
from torch import nn

import convsight as cs
from convsight.occluding.answers import Collected, Reading
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.sweep import sweep
from convsight.occluding.tail import Tail
from convsight.occluding.trace import program_of


class Deep(nn.Module):
    """Two linear layers, one of four million weights, with an activation that overwrites the first's value."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(1, 8, 5), nn.Linear(8 * 8 * 8, 8000), nn.Linear(8000, 5)

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
    assert [step.kind for step in found.steps] == ["flatten", "linear", "relu", "linear"] and found.heavy
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


@pytest.mark.parametrize("waiting", [0, 10**9])
def test_chunks_that_wait_for_each_other_answer_as_the_network_run_whole(net, monkeypatch, waiting):
    """Scores, a reading of the maps and one of a vector that later steps overwrite; two pictures, seven chunks."""
    monkeypatch.setattr("convsight.occluding.engine.WAITING", waiting)
    readings = [Reading("conv", torch.tensor([3, 5])), Reading("fc1", torch.tensor([1, 700]), "max")]
    occluders = Occluders.sliding((28, 28), (5, 5), (3, 3))
    pixels, fill = smooth(2, 1, (28, 28)), torch.zeros(2, 1, 28, 28)
    got = in_chunks_of(12, net, pixels, fill, occluders, readings)
    wanted = sweep(net, pixels, fill, occluders, readings, "dense")
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=1e-4)
    for one, other in zip(got.read, wanted.readings, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def in_chunks_of(size, net, pixels, fill, occluders, readings):
    """What an engine answers whose chunks have this many positions."""
    found = Collected(len(pixels), len(occluders), len(net.classes), len(readings))
    indices = tuple(net.layers[r.layer].index for r in readings)
    engine = Engine(net, program_of(net), occluders, indices, len(pixels))
    engine.positions.known["size"] = size
    with torch.no_grad():
        engine.load(pixels, fill, readings, 0)
        for part, logits, read in engine.answers(np.arange(len(occluders))):
            found.keep(slice(0, len(pixels)), part, logits, read)
    return found


def test_clean_maps_are_computed_once_for_all_chunks(net, monkeypatch):
    """Later chunks ask for maps that the first did not: they are still there when all are planned."""
    from convsight.occluding.trace import Program

    runs, run = [], Program.run
    monkeypatch.setattr(Program, "run", lambda self, *a, **k: runs.append(a[1]) or run(self, *a, **k))
    program = program_of(net)
    runs.clear()
    occluders = Occluders.sliding((28, 28), (5, 5), (3, 3))
    engine = Engine(net, program, occluders, (), 1)
    engine.positions.known["size"] = 9
    with torch.no_grad():
        engine.load(smooth(1, 1, (28, 28)), torch.zeros(1, 1, 28, 28), (), 0)
        answered = [len(part) for part, _, _ in engine.answers(np.arange(len(occluders)))]
    assert len(answered) > 1 and sum(answered) == len(occluders)
    assert len(runs) == 1
