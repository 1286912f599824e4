"""SmoothGrad against a slow loop and a network whose smoothed gradient is known in closed form."""

import pytest
import torch
from tests.oracles.small_nets import Functional, modules_net, pictures
from torch import nn

from convsight.errors import InputError
from convsight.methods.saliency import Saliency
from convsight.methods.smoothgrad import Smoothgrad
from convsight.network.classifier import Classifier


class Cubes(nn.Module):
    """Σ w x³: at x + σε the gradient is 3 w (x + σε)², whose mean is 3 w (x² + σ²)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 16)[None])

    def forward(self, x):
        return nn.functional.linear(x.flatten(1) ** 3, self.weight)


def test_many_samples_reach_the_mean_that_is_known_in_closed_form():
    net, pixels = Classifier(Cubes(), input_size=4, channels=1), pictures(1, size=4)
    result = Smoothgrad(samples=4000, noise=0.2)(net, pixels, target=0)
    sigma = 0.2 * (pixels.max() - pixels.min())
    expected = 3 * net.module.weight.detach().reshape(1, 1, 4, 4) * (pixels**2 + sigma**2)
    assert (result.per_channel - expected).abs().max() < 0.03


def test_it_is_a_slow_loop_over_noisy_copies():
    module, pixels = modules_net(Functional, 3), pictures(2, 3)
    net = Classifier(module, input_size=12, mean=0.5, std=0.25)
    result = Smoothgrad(samples=6, noise=0.3, seed=4)(net, pixels, target=[0, 2])
    noise = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(4))
    for i, output in enumerate([0, 2]):
        total = torch.zeros(3, 12, 12)
        for k in range(6):
            copy = pixels[i] + 0.3 * (pixels[i].max() - pixels[i].min()) * noise[k]
            copy.requires_grad_()
            total += torch.autograd.grad(module((copy[None] - 0.5) / 0.25)[0, output], copy)[0] / 6
        assert torch.allclose(result.per_channel[i], total, atol=1e-6)
    assert torch.equal(result.values, result.per_channel.abs().amax(1))


def test_without_noise_it_is_saliency():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(2)
    smooth = Smoothgrad(samples=3, noise=0.0)(net, pixels).values
    assert torch.allclose(smooth, Saliency()(net, pixels).values, atol=1e-7)


def test_a_picture_gets_the_same_noise_alone_and_in_a_batch():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(5)
    together = Smoothgrad(samples=4)(net, pixels, target=1).values
    alone = torch.cat([Smoothgrad(samples=4)(net, pixels[i : i + 1], target=1).values for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-6)
    assert not torch.allclose(
        together, Smoothgrad(samples=4, seed=1)(net, pixels, target=1).values, atol=1e-4
    )


@pytest.mark.parametrize("knobs", [{"samples": 0}, {"noise": -0.1}, {"noise": 1.5}])
def test_knobs_out_of_range_are_refused(knobs):
    with pytest.raises(InputError, match="outside its range"):
        Smoothgrad(**knobs)
