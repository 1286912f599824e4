"""Random small networks: every position's scores equal those of the masked picture run whole."""

import random
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import convsight as cs
from convsight.accelerate.processor import wide_registers
from convsight.occluding import segments
from convsight.occluding.answers import Reading
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.trace import program_of


class RandomNet(nn.Module):
    """A few operations drawn by `choose`, on maps that may branch and meet again; then a linear head."""

    def __init__(self, choose: random.Random, channels: int, size: tuple[int, int]):
        super().__init__()
        self.layers = nn.ModuleList()
        self.plan: list[tuple] = []
        torch.manual_seed(choose.randrange(1 << 30))
        c, shape = channels, size
        for _ in range(choose.randint(2, 6)):
            c, shape = self._draw(choose, c, shape)
        self.global_mean = choose.random() < 0.4
        probe = self.body(torch.zeros(1, channels, *size))
        self.head = nn.Linear(probe.mean((2, 3)).shape[1] if self.global_mean else probe[0].numel(), 3)

    def _draw(self, choose: random.Random, c: int, shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        room = min(shape)
        kinds = ["conv", "conv", "norm", "relu", "relu_", "relu6", "clamp", "skip", "cat", "scale", "softmax"]
        kinds += (
            ["max", "average", "slice", "pad", "reflect", "circular", "up", "branch"] if room >= 6 else []
        )
        kind = choose.choice(kinds)
        if kind == "conv":
            groups = choose.choice([1, 1, c])
            out = groups * choose.randint(1, 4) if groups > 1 else choose.randint(1, 20)
            kernel = choose.choice([1, 2, 3, (1, 3), 5]) if room >= 8 else 1
            mode = choose.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
            padding = choose.choice([0, 1, (0, 2)]) if kernel != 1 else 0
            stride, dilation = choose.choice([1, 1, 2, (2, 1)]), choose.choice([1, 1, 2]) if room >= 12 else 1
            layer: nn.Module = nn.Conv2d(
                c,
                out,
                kernel,
                stride,
                padding,
                dilation,
                groups,
                bias=choose.random() < 0.5,
                padding_mode=mode,
            )
        elif kind == "norm":
            layer = nn.BatchNorm2d(c)
            layer.running_mean.normal_()  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        elif kind == "max":
            layer = nn.MaxPool2d(
                choose.choice([2, 3]), choose.choice([1, 2, None]), choose.choice([0, 1]), 1,
                ceil_mode=choose.random() < 0.5,
            )  # fmt: skip
        elif kind == "average":
            layer = nn.AvgPool2d(
                choose.choice([2, 3]), choose.choice([1, 2, None]), choose.choice([0, 1]),
                ceil_mode=choose.random() < 0.5, count_include_pad=choose.random() < 0.5,
            )  # fmt: skip
        else:
            layer = nn.Identity()
        self.layers.append(layer)
        self.plan.append((kind, choose.randint(1, 2), choose.randrange(max(1, len(self.plan)))))
        with torch.no_grad():
            out = self.body(torch.zeros(1, self.channels_of_input(c), *self.size_of_input(shape)))
        return out.shape[1], tuple(out.shape[2:])  # type: ignore[return-value]

    def channels_of_input(self, c: int) -> int:
        self.c0 = getattr(self, "c0", c)
        return self.c0

    def size_of_input(self, shape: tuple[int, int]) -> tuple[int, int]:
        self.s0 = getattr(self, "s0", shape)
        return self.s0

    def body(self, x: torch.Tensor) -> torch.Tensor:
        seen = [x]
        for layer, (kind, number, back) in zip(self.layers, self.plan, strict=True):
            earlier = seen[min(back, len(seen) - 1)]
            fits = earlier.shape == x.shape
            if kind in ("conv", "norm", "max", "average"):
                x = layer(x)
            elif kind == "relu":
                x = F.relu(x)
            elif kind == "relu_":
                x = x + 0.1
                x.relu_()
            elif kind == "relu6":
                x = F.relu6(x)
            elif kind == "clamp":
                x = x.clamp(min=-0.5)
            elif kind == "skip":
                x = x + earlier if fits else x * 0.5
            elif kind == "branch":
                x = F.max_pool2d(x, 3, 1, 1) - F.avg_pool2d(x, 3, 1, 1)
            elif kind == "cat":
                x = torch.cat([x, earlier] if earlier.shape[2:] == x.shape[2:] else [x, -x], 1)
            elif kind == "scale":
                x = x * torch.sigmoid(x.mean(1, keepdim=True))
            elif kind == "softmax":
                x = x.softmax(1)
            elif kind == "slice":
                x = x[:, :, number:, ::number]
            elif kind == "pad":
                x = F.pad(x, (0, number, number, 0, 0, 1))
            elif kind == "reflect":
                x = F.pad(x, (number, 1, 1, number), mode="reflect")
            elif kind == "circular":
                x = F.pad(x, (number, 0, 1, 1), mode="circular")
            elif kind == "up":
                x = F.interpolate(x, scale_factor=2, mode="nearest")[:, :, : x.shape[2] + 1]
            seen.append(x)
        return x.contiguous()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        return self.head(x.mean((2, 3)) if self.global_mean else x.view(len(x), -1))


def dense(net: cs.Classifier, pixels: torch.Tensor, fill: torch.Tensor, occluders: Occluders) -> torch.Tensor:
    with torch.no_grad():
        return torch.stack(
            [net.forward(occluders.hide(p, f, slice(None))) for p, f in zip(pixels, fill, strict=True)]
        )


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 1 << 30),
    size=st.tuples(st.integers(9, 17), st.integers(9, 17)),
    patch=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    compiled=st.booleans(),
    few=st.booleans(),
)
def test_random_networks_answer_as_if_every_picture_were_run_whole(seed, size, patch, stride, compiled, few):
    choose = random.Random(seed)
    channels = choose.choice([1, 3])
    net = cs.Classifier(RandomNet(choose, channels, size).eval(), input_size=size, channels=channels)
    program = program_of(net)
    assert program is not None
    occluders = Occluders.sliding(size, patch, stride)
    pixels, fill = torch.rand(2, channels, *size), torch.rand(2, channels, *size)
    engine = Engine(net, program, occluders, (), 2, compiled and wide_registers())
    got, wanted = torch.full((2, len(occluders), 3), torch.nan), dense(net, pixels, fill, occluders)
    # a cache for few numbers: each stretch of steps then takes its own few positions at a time
    with torch.no_grad(), mock.patch.object(segments, "CACHED", 1000 if few else segments.CACHED):
        engine.load(pixels, fill, (), 0)
        for part in engine.positions.chunks(np.arange(len(occluders))):
            got[:, part] = engine.run(part)[0]
    scale = float((wanted - wanted.mean()).abs().max()) + 1
    torch.testing.assert_close(got, wanted, rtol=0, atol=(1e-4 if compiled else 1e-5) * scale)


def test_a_chunk_of_scattered_positions_is_answered_too():
    choose = random.Random(3)
    net = cs.Classifier(RandomNet(choose, 3, (16, 15)).eval(), input_size=(16, 15), channels=3)
    program = program_of(net)
    assert program is not None
    occluders = Occluders.sliding((16, 15), (3, 4), (2, 3))
    pixels, fill = torch.rand(1, 3, 16, 15), torch.zeros(1, 3, 16, 15)
    index = net.layers.maps()[0].index
    reading = Reading(net.layers.maps()[0].name, torch.tensor([0]))
    engine = Engine(net, program, occluders, (index,), 1)
    places = np.array([0, 7, 11, len(occluders) - 1, 3])
    with torch.no_grad():
        engine.load(pixels, fill, (reading,), 0)
        scores, (activity,) = engine.run(places)
        hidden = occluders.hide(pixels[0], fill[0], places)
        torch.testing.assert_close(scores[0], net.forward(hidden), rtol=0, atol=1e-5)
        with net.record(reading.layer) as seen:
            net.forward(hidden)
    torch.testing.assert_close(activity[0], seen[reading.layer][:, 0].sum((1, 2)), rtol=1e-5, atol=1e-4)
