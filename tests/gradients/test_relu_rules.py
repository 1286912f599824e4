"""Every spelling of a ReLU, and everything that stands in for one, obeys the rule written for it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.gradients.backprop import backpropagate
from convsight.gradients.relu_rules import Rectifiers, rectified
from convsight.network.classifier import Classifier

ZERO = torch.zeros(())
RELUS = {
    "F.relu": F.relu,
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": lambda x: nn.ReLU(inplace=True)(x * 1),
    "torch.relu": torch.relu,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: (x * 1).relu_(),
    "torch.relu_": lambda x: torch.relu_(x * 1),
    "F.relu in place": lambda x: F.relu(x * 1, inplace=True),
    "keyword": lambda x: F.relu(input=x),
    "clamp": lambda x: torch.clamp(x, min=0),
    "clamp positional": lambda x: x.clamp(0),
    "clamp_": lambda x: (x * 1).clamp_(min=0.0),
    "clamp tensor": lambda x: torch.clamp(x, min=ZERO),
    "clip": lambda x: torch.clip(x, 0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp_min_": lambda x: (x * 1).clamp_min_(0),
    "threshold": lambda x: F.threshold(x, 0, 0),
    "threshold in place": lambda x: F.threshold(x * 1, 0, 0, inplace=True),
    "nn.Threshold": nn.Threshold(0, 0),
    "maximum": lambda x: torch.maximum(x, ZERO),
    "maximum reversed": lambda x: torch.maximum(ZERO, x),
    "max of two": lambda x: torch.max(x, ZERO),
    "mask": lambda x: x * (x > 0),
    "mask in front": lambda x: (x > 0).float() * x,
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where tensor": lambda x: torch.where(x >= 0, x, torch.zeros_like(x)),
    "where decomposed": lambda x: torch.where(x <= 0, 0.0, x),
    "aten.relu": torch.ops.aten.relu.default,
    "aten.clamp": lambda x: torch.ops.aten.clamp.default(x, 0),
    "aten.relu_": lambda x: torch.ops.aten.relu_.default(x * 1),
}
STAND_INS = {
    "F.relu6": F.relu6,
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": lambda x: nn.ReLU6(inplace=True)(x * 1),
    "hardtanh": lambda x: F.hardtanh(x, 0, 2),
    "clamp both": lambda x: x.clamp(0, 1.5),
    "aten.hardtanh": lambda x: torch.ops.aten.hardtanh.default(x, 0.0, 6.0),
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "leaky in place": lambda x: F.leaky_relu_(x * 1, 0.2),
    "prelu": lambda x: F.prelu(x, torch.tensor([-0.3]).to(x)),
    "rrelu": F.rrelu,
    "elu": F.elu,
    "elu_": lambda x: F.elu_(x * 1),
    "selu": F.selu,
    "celu": F.celu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "softplus": F.softplus,
}
OTHERS = {
    "hardtanh −1 … 1": F.hardtanh,
    "clamp from below 0": lambda x: x.clamp(-1),
    "clamp from above": lambda x: x.clamp(max=0),
    "threshold 1": lambda x: F.threshold(x, 1, 0),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "times itself": lambda x: x * x,
    "times another mask": lambda x: x * (x > 0.5),
    "where otherwise": lambda x: torch.where(x > 0, x, 2 * x),
    "max over an axis": lambda x: torch.max(x, 0).values[None].expand_as(x),
    "maximum with 1": lambda x: torch.maximum(x, ZERO + 1),
}


class Sandwich(nn.Module):
    """Σ R · f(x): what arrives at f on the way back is R."""

    def __init__(self, f, signal):
        super().__init__()
        self.f, self.weight = f, nn.Parameter(signal.flatten(1))

    def forward(self, x):
        return F.linear(self.f(x * 1).flatten(1), self.weight)


X = (
    torch.cat([torch.linspace(-7, 7, 30), torch.tensor([-0.5, 0.0, 0.0, 0.5, 2.5, 6.5])])
    .double()
    .reshape(1, 1, 6, 6)
)
R = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def arrived(f, rule):
    net = Classifier(Sandwich(f, R), input_size=6, channels=1)
    return backpropagate(net, net.target(1, X), X, rule).pixels


def slope(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(f(x * 1).sum(), x)[0]


@pytest.mark.parametrize("f", RELUS.values(), ids=RELUS)
def test_every_spelling_of_relu_obeys_the_papers(f):
    signal = R[1:]
    assert torch.equal(arrived(f, "guided"), signal * (X > 0) * (signal > 0))
    assert torch.equal(arrived(f, "deconvnet"), signal * (signal > 0))


@pytest.mark.parametrize("f", STAND_INS.values(), ids=STAND_INS)
def test_a_stand_in_keeps_its_slope_where_its_input_and_the_signal_are_positive(f):
    signal = R[1:]
    expected = signal * slope(f) * (X > 0) * (signal > 0)
    assert torch.allclose(arrived(f, "guided"), expected, rtol=1e-12, atol=0)
    assert torch.equal(arrived(f, "deconvnet"), signal * (signal > 0))


@pytest.mark.parametrize("f", OTHERS.values(), ids=OTHERS)
def test_what_is_no_rectifier_keeps_its_derivative(f):
    behind = lambda x: F.relu(f(x) + 100) - 100  # noqa: E731  (a ReLU that is always open, so that the rule has one)
    expected = torch.autograd.grad((behind(x := X.clone().requires_grad_()) * R[1:].clamp(min=0)).sum(), x)[0]
    assert torch.allclose(arrived(behind, "guided"), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", [*RELUS.values(), *STAND_INS.values()], ids=[*RELUS, *STAND_INS])
def test_the_forward_values_do_not_change(f):
    net = Classifier(Sandwich(f, R), input_size=6, channels=1)
    plain = net.forward(X)
    for rule in ("guided", "deconvnet"):
        with net.replace_ops(Rectifiers(rule)):
            assert torch.equal(net.forward(X), plain)


def test_a_value_that_is_zero_by_chance_is_no_rectifier():
    trained = torch.zeros(3, requires_grad=True)
    assert rectified("maximum", (torch.ones(3), trained), {}) is None
    assert rectified("max", (torch.ones(3), 0), {}) is None
    assert rectified("relu", (), {}) is None
    assert rectified("where", (torch.ones(3, dtype=torch.bool), 0.0, 0.0), {}) is None
