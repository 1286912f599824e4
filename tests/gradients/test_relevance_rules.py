"""Each rule of layer-wise relevance propagation against the formula, written out with one matrix and one loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import relevance_numpy as by_hand
from torch import nn

from convsight.errors import InputError
from convsight.gradients.relevance.composites import COMPOSITES, composite
from convsight.gradients.relevance.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Weighted,
    WSquare,
    ZBox,
    stabilised,
)
from convsight.gradients.relevance.weighted import folded, normalised

RULES = {
    "epsilon": (Epsilon(), by_hand.epsilon),
    "a large epsilon": (Epsilon(0.3), lambda m, x, r: by_hand.epsilon(m, x, r, 0.3)),
    "z-plus": (AlphaBeta(1.0), by_hand.alpha_beta),
    "alpha-beta": (AlphaBeta(2.5), lambda m, x, r: by_hand.alpha_beta(m, x, r, 2.5)),
    "gamma": (Gamma(0.25), by_hand.gamma),
    "flat": (Flat(), by_hand.flat),
    "w-square": (WSquare(), by_hand.w_square),
}
LAYERS = {
    "dense": (nn.Linear(12, 5), (12,)),
    "convolution": (nn.Conv2d(2, 3, 3, padding=1, stride=2), (2, 5, 6)),
    "grouped": (nn.Conv2d(4, 4, (2, 3), groups=2, bias=False), (4, 4, 5)),
    "dilated": (nn.Conv2d(1, 3, 2, dilation=2), (1, 5, 5)),
    "transposed": (nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 3, 3)),
}


def layer_of(module: nn.Module) -> Weighted:
    def run(x, weight, bias):
        given = {"weight": weight} | ({} if bias is None else {"bias": bias})
        if bias is None and module.bias is not None:
            given["bias"] = torch.zeros_like(module.bias)
        return torch.func.functional_call(module, given, x)

    return Weighted(run, module.weight.detach(), None if module.bias is None else module.bias.detach(), True)


@pytest.mark.parametrize("positive", [True, False], ids=["inputs above 0", "inputs of both signs"])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_formula(rule, name, positive):
    draws = torch.Generator().manual_seed(4)
    module, shape = LAYERS[name][0].double(), LAYERS[name][1]
    x = torch.randn(shape, dtype=torch.float64, generator=draws)
    x = x.abs() if positive else x
    relevance = torch.randn(module(x[None]).shape, dtype=torch.float64, generator=draws)
    ours, formula = RULES[rule]
    found = ours(layer_of(module), x[None], relevance)
    m = by_hand.matrix(module, *shape)
    truth = formula(m, x.flatten().numpy(), relevance.flatten().numpy())
    np.testing.assert_allclose(found.flatten().numpy(), truth, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_the_box_rule_is_its_formula(name):
    draws = torch.Generator().manual_seed(4)
    module, shape = LAYERS[name][0].double(), LAYERS[name][1]
    x = torch.rand(shape, dtype=torch.float64, generator=draws)
    relevance = torch.randn(module(x[None]).shape, dtype=torch.float64, generator=draws)
    low, high = torch.full_like(x, -0.5), torch.full_like(x, 1.5)
    layer = layer_of(module)
    layer = Weighted(layer.run, layer.weight, layer.bias, True, (low[None], high[None]))
    found = ZBox()(layer, x[None], relevance)
    given_x, m = x.flatten().numpy(), by_hand.matrix(module, *shape)
    truth = by_hand.z_box(
        m, given_x, relevance.flatten().numpy(), np.full(len(given_x), -0.5), np.full(len(given_x), 1.5)
    )
    np.testing.assert_allclose(found.flatten().numpy(), truth, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rule=st.sampled_from(sorted(set(RULES) - {"a large epsilon"})))
def test_without_a_bias_every_rule_keeps_the_sum(seed, rule):
    """A large ε is meant to lose relevance; z⁺ and αβ need a part of either sign for each output."""
    draws = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 40, dtype=torch.float64, generator=draws)
    x = torch.randn(1, 40, dtype=torch.float64, generator=draws)
    relevance = torch.randn(1, 4, dtype=torch.float64, generator=draws)
    layer = Weighted(F.linear, weight, None, False)
    found = RULES[rule][0](layer, x, relevance).sum()
    worst = float((relevance / F.linear(x, weight)).abs().max())  # what 1e-6 takes from the smallest output
    assert abs(found - relevance.sum()) <= 4e-6 * (worst + float(relevance.abs().max()))


def test_nothing_is_divided_by_zero():
    z = torch.tensor([-2.0, 0.0, 2.0])
    assert torch.equal(stabilised(z, 0.5), torch.tensor([-2.5, 0.5, 2.5]))
    assert torch.equal(1 / stabilised(z, 0), torch.tensor([-0.5, 0.0, 0.5]))


def test_gamma_is_z_plus_where_gamma_is_large_and_epsilon_where_it_is_zero():
    draws = torch.Generator().manual_seed(0)
    x, weight = torch.rand(2, 9, generator=draws).double(), torch.randn(4, 9, generator=draws).double()
    relevance, layer = torch.rand(2, 4, generator=draws).double(), Weighted(F.linear, weight, None, False)
    relevance *= F.linear(x, weight) > 0  # below 0 the two do not agree
    torch.testing.assert_close(
        Gamma(1e9)(layer, x, relevance), AlphaBeta(1)(layer, x, relevance), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(Gamma(0)(layer, x, relevance), Epsilon()(layer, x, relevance))


@pytest.mark.parametrize(
    "module, norm, axis, shape",
    [
        (nn.Linear(6, 4), nn.BatchNorm1d(4), 0, (6,)),
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6), 0, (4, 5, 5)),
        (nn.ConvTranspose2d(4, 6, 2), nn.BatchNorm2d(6), 1, (4, 3, 3)),
        (nn.ConvTranspose2d(4, 6, 2, groups=2), nn.BatchNorm2d(6, affine=False), 1, (4, 3, 3)),
    ],
    ids=["dense", "grouped", "transposed", "transposed in groups"],
)
def test_a_batch_normalisation_is_folded_into_the_layer_before_it(module, norm, axis, shape):
    module, norm = module.double().eval(), norm.double().eval()
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, *shape, dtype=torch.float64)
    args = (x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.1, norm.eps)
    applied = normalised("batch_norm", F.batch_norm, args, {})
    assert applied is not None
    one = folded(layer_of(module), axis, *applied)
    bias = torch.nn.Parameter(one.bias)
    twin = module
    if module.bias is None:
        twin = nn.Conv2d(4, 6, 3, groups=2).double()
    value = torch.func.functional_call(twin, {"weight": one.weight, "bias": bias}, x)
    torch.testing.assert_close(value, norm(module(x)))


def test_statistics_of_the_batch_cannot_be_folded():
    args = (torch.zeros(2, 4), None, None, None, None, True, 0.1, 1e-5)
    assert normalised("batch_norm", F.batch_norm, args, {}) is None


def test_a_wrong_rule_is_answered_with_those_there_are():
    with pytest.raises(InputError, match="no rule 'epsilon-pluss'; did you mean epsilon-plus"):
        composite("epsilon-pluss")
    with pytest.raises(InputError, match="no rule 'boxes' for the first layer"):
        composite("epsilon", first="boxes")
    assert composite("epsilon-plus-flat", first="same").first is None
    assert isinstance(composite("epsilon-gamma-box").first, ZBox) and len(COMPOSITES) == 10
