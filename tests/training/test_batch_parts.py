"""Does a batch that is learned in parts move the weights as the whole would?"""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.architectures import build
from convsight.training.parts import SMALLEST, InParts


def net(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    first = nn.Conv2d(1, 4, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), *layers, nn.Flatten(), nn.Linear(4 * 36, 3))


def batch(n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 1, 6, 6, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def gradients(learner: nn.Module, network: nn.Module, n: int = 16) -> list[torch.Tensor]:
    network.zero_grad()
    pixels, labels = batch(n)
    F.cross_entropy(learner(pixels), labels).backward()
    return [weight.grad.clone() for weight in network.parameters()]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("n", [16, 17, 3, 1])
def test_without_batch_normalisation_the_gradients_are_those_of_the_whole_batch(parts, n, two_threads):
    network = net()
    whole = gradients(network, network, n)
    with InParts(network, parts) as learner:
        for ours, theirs in zip(gradients(learner, network, n), whole, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_gradients_that_are_there_already_are_added_to(two_threads):
    network, (pixels, labels) = net(), batch()
    once = gradients(network, network)
    with InParts(network, 2) as learner:
        F.cross_entropy(learner(pixels), labels).backward()
    for weight, gradient in zip(network.parameters(), once, strict=True):
        torch.testing.assert_close(weight.grad, 2 * gradient, rtol=1e-5, atol=1e-7)


def test_each_part_is_normalised_by_its_own_statistics_and_their_mean_is_kept(two_threads):
    network = net(nn.BatchNorm2d(4))
    pixels, _ = batch()
    halves = F.relu(network[0](pixels)).detach().chunk(2)
    by_hand = [network[3:](F.batch_norm(half, None, None, training=True)) for half in halves]
    with InParts(network, 2) as learner:
        outputs = learner(pixels)
        outputs.sum().backward()
    torch.testing.assert_close(outputs, torch.cat(by_hand))
    mean = sum(half.mean((0, 2, 3)) for half in halves) / 2
    variance = sum(half.var((0, 2, 3)) for half in halves) / 2
    torch.testing.assert_close(network[2].running_mean, 0.1 * mean)
    torch.testing.assert_close(network[2].running_var, 0.9 + 0.1 * variance)
    assert network[2].num_batches_tracked == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_thread_and_two_give_the_same_weights_to_the_last_bit(dtype):
    weights = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        network = build("fast", 3, 1, (12, 12))
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        with InParts(network, 2, dtype) as learner:
            for seed in range(5):
                pixels = torch.rand(32, 1, 12, 12, generator=torch.Generator().manual_seed(seed))
                F.cross_entropy(learner(pixels), torch.arange(32) % 3).backward()
                optimiser.step()
                optimiser.zero_grad()
        torch.set_num_threads(before)
        weights.append(network.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_parts_run_in_threads_of_their_own_unless_dropout_would_make_chance_of_it(two_threads):
    def who(*layers: nn.Module) -> set[str]:
        network, names = net(*layers), set()
        network[1].register_forward_hook(lambda *_: names.add(threading.current_thread().name))
        with InParts(network, 2) as learner:
            learner(batch()[0])
        return names

    assert all(name.startswith("part") for name in who())
    assert who(nn.Dropout(0.5)) == {threading.current_thread().name}


def test_evaluation_in_parts_says_what_the_network_says_and_keeps_no_graph(two_threads):
    network = net(nn.BatchNorm2d(4)).eval()
    with InParts(network, 2).eval() as learner, torch.no_grad():
        network[2].running_mean += 1  # as a checkpoint does that is loaded late
        outputs = learner(batch()[0])
        assert not outputs.requires_grad
        torch.testing.assert_close(outputs, network(batch()[0]))


def test_a_batch_too_small_to_cut_goes_through_whole(two_threads):
    network = net(nn.BatchNorm2d(4))
    with InParts(network, 2) as learner:
        learner(batch(2 * SMALLEST - 1)[0]).sum().backward()
    pixels = batch(2 * SMALLEST - 1)[0]
    mean = F.relu(network[0](pixels)).mean((0, 2, 3)).detach()
    torch.testing.assert_close(network[2].running_mean, 0.1 * mean)


def test_the_number_of_threads_is_given_back_even_after_an_error(two_threads):
    network = net()
    with InParts(network, 2) as learner:
        assert torch.get_num_threads() == 1
        with pytest.raises(RuntimeError, match="to have 1 channels, but got 5 channels"):
            learner(torch.rand(16, 5, 6, 6))
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError), InParts(network, 2):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
