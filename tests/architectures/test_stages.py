"""The compiled pieces of training against the layers they stand for, in float64."""

import copy

import pytest
import torch
from torch import nn

from convsight.architectures import prepare
from convsight.architectures.fast import FastNet, Stage
from convsight.architectures.stages import first, stage, where
from convsight.progress import listening

compiled = pytest.mark.skipif(not where.usable(), reason="no Numba, or no AVX-512 on this machine")


@pytest.fixture(autouse=True)
def _one_thread():
    """A machine with many cores leaves the work to torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(3)
    return lambda *shape: torch.randn(shape, generator=generator)


def gradients(module, pixels, gradient):
    """Output, and the gradients of pixels and weights."""
    pixels = pixels.clone().requires_grad_()
    out = module(pixels)
    return [out.detach(), *torch.autograd.grad(out, [pixels, *module.parameters()], gradient.to(out))]


def same(found, right, tolerance=2e-5):
    for mine, its in zip(found, right, strict=True):
        assert mine.shape == its.shape
        assert float((mine - its).abs().max()) <= tolerance * float(its.abs().max())


@compiled
@pytest.mark.parametrize(
    ("narrow", "wide", "size", "pictures"),
    [
        (8, 16, (27, 27), 3),
        (16, 32, (13, 13), 5),
        (32, 64, (6, 7), 7),
        (64, 128, (9, 8), 2),
        (48, 48, (6, 6), 1),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_stage_is_its_layers(drawn, monkeypatch, narrow, wide, size, pictures, last):
    layers = Stage(narrow, wide)
    for norm in (layers.norm1, layers.norm2):
        norm.weight.data, norm.bias.data = drawn(wide), drawn(wide)
    plain, maps = copy.deepcopy(layers).double(), drawn(pictures, narrow, *size)
    if last:
        layers, maps = (x.to(memory_format=torch.channels_last) for x in (layers, maps))
    calls = counted(monkeypatch, stage, "stage")
    gradient = drawn(pictures, wide, size[0] // 2, size[1] // 2)
    right = gradients(plain, maps.double(), gradient)
    same(gradients(layers, maps, gradient), right)
    assert calls == ["stage"]
    for mine, its in zip(layers.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), its.double(), rtol=1e-5, atol=1e-6)


@compiled
@pytest.mark.parametrize(("colours", "outputs"), [(1, 8), (3, 8), (1, 16), (3, 48)])
@pytest.mark.parametrize(("reach", "cols"), [((2, 2), 12), ((2, 2), 13), ((3, 5), 9)])
def test_a_first_convolution_is_its_layer(drawn, colours, outputs, reach, cols):
    conv, pixels = nn.Conv2d(colours, outputs, reach), drawn(3, colours, 7, cols)
    assert first.fits(conv, pixels)
    plain = copy.deepcopy(conv).double()
    found, right = first.first(pixels, conv), plain(pixels.double())
    gradient = drawn(*right.shape)
    same(
        [found.detach(), *torch.autograd.grad(found, list(conv.parameters()), gradient)],
        [right.detach(), *torch.autograd.grad(right, list(plain.parameters()), gradient.double())],
    )


@compiled
def test_of_equal_cells_the_first_wins_as_in_torch(drawn, monkeypatch):
    layers, maps = Stage(8, 16), torch.ones(2, 8, 8, 8)
    gradient = drawn(2, 16, 4, 4)
    mine = gradients(layers, maps, gradient)
    monkeypatch.setattr(stage, "fits", lambda *_: False)
    same(mine, gradients(layers, maps, gradient), 1e-4)


@compiled
def test_what_is_not_a_number_stays_so(drawn):
    layers, maps = Stage(8, 16), drawn(2, 8, 8, 8)
    maps[1, 3, 2, 2] = torch.nan
    assert layers(maps).isnan().all()  # through the means


@compiled
def test_a_network_learns_the_same(drawn, monkeypatch):
    torch.manual_seed(0)
    networks, pixels, classes = [FastNet(10), None], drawn(16, 1, 28, 28), torch.arange(16) % 10
    networks[1], losses = copy.deepcopy(networks[0]), ([], [])
    for network, its_losses, fits in zip(networks, losses, (None, lambda *_: False), strict=True):
        if fits:
            monkeypatch.setattr(where, "usable", lambda: False)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
        for _ in range(4):
            loss = nn.functional.cross_entropy(network(pixels), classes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            its_losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0] != losses[1]  # rounded otherwise: it was another way
    assert losses[0][-1] < losses[0][0]


@compiled
@pytest.mark.parametrize("why", ["eval", "no_grad", "hook", "float64", "threads", "unusual"])
def test_elsewhere_the_layers_run(drawn, monkeypatch, why):
    calls = counted(monkeypatch, stage, "stage")
    layers, maps = Stage(8, 16), drawn(2, 8, 8, 8)
    heard = []
    if why == "eval":
        layers.eval()
    if why == "hook":
        layers.pool.register_forward_hook(lambda *_: heard.append("pool"))
    if why == "float64":
        layers, maps = layers.double(), maps.double()
    if why == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    if why == "unusual":
        layers, maps = Stage(8, 20), maps
    with torch.set_grad_enabled(why != "no_grad"):
        layers(maps)
    assert not calls
    assert heard == (["pool"] if why == "hook" else [])


def test_without_the_processor_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(where, "can", lambda *_: False)
    where.usable.cache_clear()
    prepare(FastNet(10))
    assert not where.usable()
    where.usable.cache_clear()


@pytest.mark.parametrize(("threads", "network"), [(8, FastNet(10)), (1, nn.Conv2d(1, 8, 2))])
def test_what_will_not_run_is_not_compiled(monkeypatch, threads, network):
    monkeypatch.setattr("convsight.architectures.usable", lambda: pytest.fail("compiled"))
    said = []
    with listening(said.append):
        prepare(network, threads)
    assert not said


@compiled
def test_what_computes_otherwise_than_torch_is_not_used(monkeypatch):
    real = stage.stage
    monkeypatch.setattr(stage, "stage", lambda *given: real(*given) * 1.1)
    where.usable.cache_clear()
    assert not where.usable()
    where.usable.cache_clear()


def counted(monkeypatch, module, name):
    """The calls of a function from here on."""
    calls, real = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: [calls.append(name), real(*given)][1])
    return calls
