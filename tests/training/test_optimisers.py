"""Does each optimiser move the weights as its formula says?"""

import pytest
import torch
from torch import nn

from convsight.architectures import FastNet
from convsight.errors import InputError
from convsight.training.optimisers import (
    Knobs,
    Muon,
    _on_gram,
    _on_matrix,
    muon_kernels,
    optimisers,
    orthogonalise,
)


def two_steps(name: str, knobs: Knobs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A weight that starts at (1, -2) after two steps with gradients g1, g2; with the gradients."""
    layer = nn.Linear(2, 1, bias=False)
    start = torch.tensor([[1.0, -2.0]])
    layer.weight.data.copy_(start)
    (optimiser,) = optimisers(name, layer, knobs)
    gradients = torch.tensor([[[0.5, -1.0]], [[0.25, 3.0]]])
    for g in gradients:
        layer.weight.grad = g.clone()
        optimiser.step()
    return layer.weight.detach(), start, gradients


def test_sgd_subtracts_the_gradient():
    after, w, (g1, g2) = two_steps("sgd", Knobs(lr=0.1, momentum=0.9))
    torch.testing.assert_close(after, w - 0.1 * g1 - 0.1 * g2)


def test_weight_decay_pulls_towards_zero():
    after, w, (g1, g2) = two_steps("sgd", Knobs(lr=0.1, weight_decay=0.01))
    one = w - 0.1 * (g1 + 0.01 * w)
    torch.testing.assert_close(after, one - 0.1 * (g2 + 0.01 * one))


def test_momentum_keeps_nine_tenths_of_the_last_step():
    after, w, (g1, g2) = two_steps("momentum", Knobs(lr=0.1))
    torch.testing.assert_close(after, w - 0.1 * g1 - 0.1 * (0.9 * g1 + g2))


def test_nesterov_looks_one_step_ahead():
    after, w, (g1, g2) = two_steps("nesterov", Knobs(lr=0.1))
    b1 = g1
    b2 = 0.9 * b1 + g2
    torch.testing.assert_close(after, w - 0.1 * (g1 + 0.9 * b1) - 0.1 * (g2 + 0.9 * b2))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_divides_by_the_root_of_the_mean_square(name):
    after, w, gradients = two_steps(name, Knobs(lr=0.1, weight_decay=0.02))
    m = v = torch.zeros(1, 2)
    for t, g in enumerate(gradients, start=1):
        if name == "adam":
            g = g + 0.02 * w
        else:
            w = w * (1 - 0.1 * 0.02)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    torch.testing.assert_close(after, w)


@pytest.mark.parametrize("shape", [(16, 72), (64, 32), (8, 8)])
def test_orthogonalising_drives_all_singular_values_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    ours = orthogonalise(matrix, steps=9)
    values = torch.linalg.svdvals(ours)
    assert values.min() > 0.6
    assert values.max() < 1.3
    exact = (u @ vh).flatten()  # the orthogonal matrix nearest to it
    assert torch.cosine_similarity(ours.flatten(), exact, dim=0) > 0.97
    torch.testing.assert_close(
        u.T @ ours @ vh.T, torch.diag(torch.diag(u.T @ ours @ vh.T)), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("shape", [(32, 200), (300, 40), (64, 576)])
def test_a_wide_matrix_is_multiplied_once_and_comes_out_the_same(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    wide = matrix.T if shape[0] > shape[1] else matrix
    slow = _on_matrix(wide / (wide.norm() + 1e-7), 3)
    torch.testing.assert_close(_on_gram(wide / (wide.norm() + 1e-7), 3), slow, rtol=0, atol=2e-6)
    torch.testing.assert_close(
        orthogonalise(matrix), slow.T if shape[0] > shape[1] else slow, rtol=0, atol=2e-6
    )


def test_muons_step_is_the_orthogonalised_momentum():
    kernel = nn.Parameter(torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(1)))
    start = kernel.detach().clone()
    muon = Muon([kernel], lr=0.1, momentum=0.5, weight_decay=0.01, steps=3)
    g1, g2 = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    for g in (g1, g2):
        kernel.grad = g.clone()
        muon.step()
    b2 = 0.5 * g1 + g2
    one = start * (1 - 0.001) - 0.1 * orthogonalise((g1 + 0.5 * g1).view(4, 18), 3).view(4, 2, 3, 3)
    two = one * (1 - 0.001) - 0.1 * orthogonalise((g2 + 0.5 * b2).view(4, 18), 3).view(4, 2, 3, 3)
    torch.testing.assert_close(kernel.detach(), two)


def test_muons_step_does_not_depend_on_the_size_of_the_gradient():
    moved = []
    for scale in (1.0, 1000.0):
        kernel = nn.Parameter(torch.zeros(4, 2, 3, 3))
        kernel.grad = scale * torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(3))
        Muon([kernel], lr=0.1).step()
        moved.append(kernel.detach())
    torch.testing.assert_close(moved[0], moved[1])


def test_muon_takes_all_convolutions_but_the_first_and_leaves_nothing_out():
    net = FastNet(10)
    plain, muon = optimisers("muon", net, Knobs(lr=0.1))
    mine = {id(p) for p in muon.param_groups[0]["params"]}
    rest = {id(p) for group in plain.param_groups for p in group["params"]}
    assert id(net.stem.weight) in rest
    assert mine == {id(k) for k in muon_kernels(net)}
    assert mine | rest == {id(p) for p in net.parameters()}
    assert not mine & rest


def test_biases_of_batch_normalisation_can_learn_faster_without_more_decay():
    net = FastNet(10)
    slow, fast = optimisers("muon", net, Knobs(lr=0.1, weight_decay=0.01, bias_rate=8))[0].param_groups
    assert {id(p) for p in fast["params"]} == {
        id(norm.bias) for stage in net.stages for norm in (stage.norm1, stage.norm2)
    }
    assert fast["lr"] == pytest.approx(8 * slow["lr"])
    assert fast["lr"] * fast["weight_decay"] == pytest.approx(slow["lr"] * slow["weight_decay"])


def test_muon_on_a_network_without_convolutions_is_nesterov():
    (only,) = optimisers("muon", nn.Linear(3, 2), Knobs(lr=0.1))
    assert only.param_groups[0]["nesterov"]


def test_a_wrong_optimiser_is_answered_with_the_right_ones():
    with pytest.raises(InputError, match="no optimiser 'adamx'; did you mean adam"):
        optimisers("adamx", nn.Linear(2, 2), Knobs(lr=0.1))
