"""The gradient that comes out of an ONNX file is autograd's, for every operation and whichever scores are asked for."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from tests.oracles.small_nets import Functional, InPlace, Modules, Reused, modules_net, pictures
from torch import Tensor, nn

import convsight as cs
from convsight.architectures import build
from convsight.exporting import Exported, to_onnx
from convsight.exporting.backward import GRADIENT, GUIDED, TOWARD

Inner = Callable[[Tensor], Tensor]


class Around(nn.Module):
    """A convolution, what is tested on its six maps of 12×12, a ReLU, and a linear layer over their means."""

    def __init__(self, inner: Inner):
        super().__init__()
        torch.manual_seed(0)
        self.inner = inner
        self.first, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.last = nn.Linear(6, 3)
        self.norm.running_mean, self.norm.running_var = torch.randn(6), torch.rand(6) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.inner(self.norm(self.first(x))))
        x = x[:, :6] if x.shape[1] > 6 else x
        return self.last(x.flatten(2).square().mean(2) if x.ndim == 4 else x)


def ran(made: Exported, pixels: Tensor, toward: Tensor) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(made.content)
    given = {"pixels": pixels.numpy(), TOWARD: toward.numpy()}
    return {name: np.asarray(session.run([name], given)[0]) for name in made.gradients}


def agree(net: cs.Classifier, made: Exported, n: int = 2) -> None:
    """Both gradients of a class's score are those of the techniques, within 1e-4 of the largest number."""
    pixels, toward = pictures(n), torch.zeros(n, 3)
    toward[:, 1] = 1
    methods = {GRADIENT: cs.saliency, GUIDED: cs.guided_backprop}
    for name, mine in ran(made, pixels, toward).items():
        wanted = methods[name](net, pixels, target=1).per_channel
        assert wanted is not None and float(wanted.abs().max()) > 0
        assert float((torch.from_numpy(mine) - wanted).abs().max() / wanted.abs().max()) < 1e-4


@pytest.mark.parametrize("style", [Modules, Functional, Reused, InPlace])
def test_both_gradients_are_pytorchs_however_the_network_is_written(style: type[Modules]) -> None:
    net = cs.Classifier(modules_net(style), list("abc"), 12, channels=1, mean=0.3, std=0.2)
    made = to_onnx(net, gradients=True)
    assert made.gradients == (GRADIENT, GUIDED) and made.lacks == ()
    agree(net, made)


def shuffled(x: Tensor) -> Tensor:
    return x.view(-1, 2, 3, 12, 12).transpose(1, 2).reshape(-1, 6, 12, 12)


def shortcut(x: Tensor) -> Tensor:
    return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))[:, 1:7]


OPERATIONS: dict[str, Inner] = {
    "stride over an odd rest": nn.Conv2d(6, 6, 3, stride=3, padding=1),
    "stride larger than the kernel": nn.Conv2d(6, 6, 1, stride=2),
    "groups": nn.Conv2d(6, 12, 3, padding=1, groups=3),
    "depthwise": nn.Conv2d(6, 6, (3, 5), padding=(1, 2), groups=6),
    "depthwise with a stride": nn.Conv2d(6, 12, 3, stride=2, groups=6),
    "dilation": nn.Conv2d(6, 6, 3, padding=1, dilation=2),
    "padding wider than the kernel": nn.Conv2d(6, 6, 2, padding=3),
    "one pixel": nn.Conv2d(6, 8, 1),
    "overlapping windows with equal numbers": lambda x: F.max_pool2d(F.relu(x), 3, 2, 1),
    "windows over the edge": lambda x: F.max_pool2d(x, 5, 3, ceil_mode=True),
    "means of windows": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "largest of a map": lambda x: F.relu(x - 0.5).amax((2, 3), keepdim=True) * x,
    "mean of a map": lambda x: x * x.mean((2, 3), keepdim=True),
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "joined": lambda x: torch.cat([x[:, :2], x.tanh(), x[:, 4:]], 1)[:, 1:7],
    "every second cell, and padding": shortcut,
    "shuffled channels": shuffled,
    "difference and quotient": lambda x: (1 - x) / 3 - x.mean((2, 3), keepdim=True),
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "relu6": lambda x: F.relu6(4 * x),
    "elu": F.elu,
    "silu": F.silu,
    "hardswish": lambda x: F.hardswish(3 * x),
    "hardsigmoid": lambda x: F.hardsigmoid(3 * x),
    "softplus": F.softplus,
    "gelu": F.gelu,
    "attention of cells": lambda x: (x.flatten(2) @ x.flatten(2).transpose(1, 2) @ x.flatten(2)).view(-1, 6, 12, 12) / 99,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_hands_back_what_autograd_says(name: str) -> None:
    net = cs.Classifier(Around(OPERATIONS[name]), list("abc"), 12, channels=1, mean=0.3, std=0.2)
    made = to_onnx(net, gradients=True)
    assert GRADIENT in made.gradients, made.lacks
    agree(net, made)


def by_hand(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros(()))


@pytest.mark.parametrize("rectifier", [F.gelu, F.softplus, by_hand])
def test_a_rectifier_that_cannot_be_seen_leaves_guided_backpropagation_out(rectifier: Inner) -> None:
    net = cs.Classifier(Around(rectifier), list("abc"), 12, channels=1)
    made = to_onnx(net, gradients=True)
    assert made.gradients == (GRADIENT,)
    agree(net, made)
    assert made.lacks == ("No guided backpropagation: not every ReLU of the network can be seen in it.",)


def test_a_network_without_a_relu_has_no_guided_backpropagation() -> None:
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), list("abc"), 12, channels=1)
    made = to_onnx(net, gradients=True)
    assert made.gradients == (GRADIENT,) and "has no ReLU" in made.lacks[0]


def test_an_operation_without_a_derivative_is_named_and_the_scores_still_come_out() -> None:
    net = cs.Classifier(Around(lambda x: x.cumsum(2)), list("abc"), 12, channels=1)
    made = to_onnx(net, gradients=True)
    assert made.gradients == () and "'CumSum'" in made.lacks[0]
    outputs = onnxruntime.InferenceSession(made.content).get_outputs()
    assert [each.name for each in outputs] == ["scores"]


def test_any_mixture_of_scores_can_be_asked_for() -> None:
    net = cs.Classifier(modules_net(), list("abc"), 12, channels=1)
    made, pixels = to_onnx(net, gradients=True), pictures(2)
    toward = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.5, 2.0]])
    leaf = pixels.clone().requires_grad_()
    (net.logits(leaf) * toward).sum().backward()
    assert leaf.grad is not None
    assert np.allclose(ran(made, pixels, toward)[GRADIENT], leaf.grad.numpy(), atol=1e-6)


def test_the_gradient_reads_the_weights_that_the_file_has_already() -> None:
    torch.manual_seed(0)
    net = cs.Classifier(build("lesson-2", 10, 1, (28, 28)), [*"abcdefghij"], 28, channels=1)
    whole, more = to_onnx(net, layers=["conv1"]), to_onnx(net, layers=["conv1"], gradients=True)
    assert len(more.content) < 1.1 * len(whole.content)
    onnx.checker.check_model(onnx.load_from_string(more.content))


def test_the_same_network_gives_the_same_file_in_every_process() -> None:
    code = (
        "import hashlib, torch, convsight as cs; from convsight.architectures import build; torch.manual_seed(0); "
        "net = cs.Classifier(build('lesson-2', 10, 1, (28, 28)), [*'abcdefghij'], 28, channels=1); "
        "from convsight.exporting import to_onnx; print(hashlib.sha256(to_onnx(net, gradients=True).content).hexdigest())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(made) == 1
