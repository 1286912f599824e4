"""Steps are carried out together where little passes between them, on as many positions as the cache holds."""

import numpy as np
import pytest
import torch
from torch import nn

import convsight as cs
from convsight.occluding import segments
from convsight.occluding.answers import Reading
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.segments import stretches
from convsight.occluding.trace import program_of


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.wide, self.narrow = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 40, 1), nn.Conv2d(40, 4, 1)
        self.head = nn.Linear(4 * 14 * 14, 3)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.narrow(torch.relu(self.wide(x)))
        return self.head(x.flatten(1))


def residual():
    torch.manual_seed(0)
    return cs.Classifier(Residual(), input_size=16, channels=1)


def test_steps_are_cut_where_one_value_passes(monkeypatch):
    program = program_of(residual())
    assert program is not None
    numbers = {-1: 256, **{s.index: int(np.prod(s.shape)) for s in program.steps}}
    monkeypatch.setattr(segments, "CACHED", 8 * 44 * 196)  # four positions of the widest step
    found = stretches(program.steps, numbers.__getitem__, 1000)
    kinds = [[s.kind for s in stretch.steps] for stretch in found]
    assert [
        "conv2d",
        "relu",
        "conv2d",
        "add",
        "flatten",
    ] in kinds  # nothing is cut between the two inputs of the sum
    inside = found[kinds.index(["conv2d", "relu", "conv2d", "add", "flatten"])]
    assert inside.numbers == 80 * 196 and inside.size == pytest.approx(8 * 44 / 80)


def test_layers_of_many_weights_take_many_positions(monkeypatch):
    program = program_of(residual())
    assert program is not None
    monkeypatch.setattr(segments, "CACHED", 1)
    sizes = {s.steps[-1].kind: s.size for s in stretches(program.steps, lambda _: 1, 50)}
    assert sizes["linear"] == 50  # 2352 weights for two numbers: as many as there are


def test_a_plan_in_parts_answers_like_one_in_a_single_part(monkeypatch):
    net = residual()
    program, occluders = program_of(net), Occluders.sliding((16, 16), (3, 3), (2, 2))
    assert program is not None
    pixels, answers, counts = torch.rand(2, 1, 16, 16), [], []
    for cached in (10**9, 1000):
        monkeypatch.setattr(segments, "CACHED", cached)
        monkeypatch.setattr(segments, "AMORTISED", 0.0)
        engine = Engine(net, program, occluders, (0,), 2)
        with torch.no_grad():
            engine.load(pixels, torch.zeros_like(pixels), (Reading("stem", torch.tensor([1, 3])),), 0)
            plan = engine.plan(np.arange(len(occluders)))
            counts.append(max(len(s.parts) for s in plan.segments))
            answers.append(engine.run(np.arange(len(occluders))))
    assert counts[0] == 1 and counts[1] > 10
    torch.testing.assert_close(answers[0][0], answers[1][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(answers[0][1], answers[1][1], rtol=1e-5, atol=1e-5)
