"""Integrated gradients against completeness, captum, linear nets and each baseline's definition."""

import pytest
import torch
from tests.oracles.small_nets import Functional, modules_net, pictures
from torch import nn

from convsight.errors import InputError
from convsight.methods.integrated_gradients import IntegratedGradients, blank, nodes
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


BASELINES = ("black", "white", "grey", "mean", "blur")


@pytest.mark.parametrize("quadrature", ["gauss-legendre", "midpoint"])
@pytest.mark.parametrize("baseline", BASELINES)
def test_the_map_sums_to_the_rise_of_the_score(baseline, quadrature):
    smooth = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(400, 3))
    net, pixels = Classifier(smooth, input_size=12, mean=0.4, std=0.3), pictures(3, 3)
    result = IntegratedGradients(baseline=baseline, quadrature=quadrature, steps=60)(
        net, pixels, target=[0, 1, 2]
    )
    chosen = torch.tensor([[0], [1], [2]])
    rise = (net.scores(pixels) - net.scores(blank(pixels, baseline))).gather(1, chosen)[:, 0]
    assert torch.allclose(result.values.sum((1, 2)), rise, atol=2e-5)
    assert torch.allclose(result.clean_score, net.scores(pixels).gather(1, chosen)[:, 0], atol=1e-6)


def test_a_linear_net_shares_out_its_weights_times_the_distance():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 4))
    net, pixels = Classifier(linear, input_size=4, std=0.5), pictures(2, 3, 4)
    result = IntegratedGradients(steps=1, baseline="grey")(net, pixels, target=3)
    expected = linear[1].weight[3].detach().reshape(3, 4, 4) / 0.5 * (pixels - 0.5)
    assert torch.allclose(result.per_channel, expected, atol=1e-6)
    assert torch.allclose(result.values, expected.sum(1), atol=1e-6) and result.signed


@pytest.mark.parametrize(
    "ours, theirs", [("gauss-legendre", "gausslegendre"), ("midpoint", "riemann_middle")]
)
def test_it_is_captums(ours, theirs):
    from captum.attr import IntegratedGradients as Peer

    module, pixels = modules_net(Functional), pictures(3)
    net = Classifier(module, input_size=12, channels=1)
    peer = Peer(module).attribute(pixels, target=1, n_steps=20, method=theirs).float()
    result = IntegratedGradients(steps=20, quadrature=ours)(net, pixels, target=1)
    assert torch.allclose(result.per_channel, peer, atol=1e-6)


def test_the_completeness_gap_is_reported_and_too_few_steps_are_pointed_out():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(4)
    fine = IntegratedGradients(steps=200)(net, pixels, target=0)
    coarse = IntegratedGradients(steps=1)(net, pixels, target=0)
    assert "Completeness: the map sums to" in fine.notes[-1] and "more steps" not in fine.notes[-1]
    assert coarse.notes[-1].endswith("Take more steps before trusting details.")
    assert "the largest of all pictures" in fine.notes[-1]


def test_the_baselines_are_what_their_names_say():
    pixels = pictures(2, 3)
    for name, level in (("black", 0.0), ("grey", 0.5), ("white", 1.0)):
        assert (blank(pixels, name) == level).all()
    mean = blank(pixels, "mean")
    assert torch.allclose(mean[1, 2], pixels[1, 2].mean().expand(12, 12), atol=1e-6)
    assert torch.allclose(blank(torch.full((1, 1, 8, 8), 0.3), "blur"), torch.tensor(0.3), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 5, 50])
def test_the_weights_of_the_steps_sum_to_one(steps):
    for quadrature in ("gauss-legendre", "midpoint"):
        at, weights = nodes(steps, quadrature)
        assert len(at) == steps and at.min() > 0 and at.max() < 1
        assert weights.sum().item() == pytest.approx(1, abs=1e-6)
        assert (weights * at).sum().item() == pytest.approx(0.5, abs=1e-6)


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="There are: black, white, grey, mean, blur"):
        IntegratedGradients(baseline="noise")
