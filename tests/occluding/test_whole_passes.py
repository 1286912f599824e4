"""Whole pictures on convolutions that were laid out once score as the network itself does."""

import pytest
import torch
import torch.nn.functional as F
from tests.occluding.networks import smooth
from tests.occluding.test_compiled import SIZE, Residual, run_alone
from torch import nn

import convsight as cs
from convsight.accelerate.direct_convolution import Depthwise
from convsight.accelerate.processor import wide_registers
from convsight.accelerate.winograd_convolution import Winograd
from convsight.occluding import cost
from convsight.occluding.programs import known_program
from convsight.occluding.simplify import simplified
from convsight.occluding.whole import WholePasses
from convsight.occluding.whole_convolutions import laid_out


class Padded(nn.Module):
    """Uneven padding before depthwise and plain convolutions, padding in words, dilation and groups."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = (
            nn.Conv2d(3, 32, 3, padding="same", dilation=2, bias=False),
            nn.BatchNorm2d(32),
        )
        self.apart, self.groups = nn.Conv2d(32, 32, 3, 2, groups=32), nn.Conv2d(32, 16, 3, 1, 1, groups=4)
        self.uneven, self.head = nn.Conv2d(16, 20, (3, 5), (2, 1)), nn.Linear(20, 4)
        self.norm.running_var = torch.rand(32) + 0.3
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, x):
        x = F.relu6(self.norm(self.first(x)))
        x = self.apart(F.pad(x, (0, 1, 0, 1))).relu()
        return self.head(self.uneven(F.pad(self.groups(x), (1, 2, 0, 1))).relu().mean((2, 3)))


needs_kernels = pytest.mark.skipif(not wide_registers(), reason="the processor has neither AVX-512 nor AVX2")


def classifier(module: type[nn.Module]) -> cs.Classifier:
    torch.manual_seed(0)
    return cs.Classifier(module().eval(), input_size=SIZE, channels=3)


@pytest.mark.parametrize("module", [Residual, Padded])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_kernels)])
def test_laid_out_convolutions_score_as_the_network(module: type[nn.Module], compiled: bool) -> None:
    net = classifier(module)
    program = known_program(net)
    assert program is not None
    folded = simplified(program, (), True)
    quicker = laid_out(folded, compiled)
    for count in (3, 1, 2):
        pixels = smooth(count, 3, SIZE)
        inside = net.normalise(pixels).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            found, right = quicker.run(inside, (quicker.output,))[quicker.output], net.forward(pixels)
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5 * float(right.abs().max()))
    assert laid_out(folded, compiled) is quicker


@needs_kernels
def test_many_passes_run_on_tiles_and_read_padding_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    for kind in (Winograd, Depthwise):
        own = kind.run
        monkeypatch.setattr(
            kind, "run", lambda self, *given, own=own: used.append(type(self)) or own(self, *given)
        )
    monkeypatch.setattr(cost, "LARGE", 1e6)
    for module in (Residual, Padded):
        net, pixels = classifier(module), smooth(2, 3, SIZE)
        right = net.forward(pixels).detach()
        torch.testing.assert_close(WholePasses(net, 500)(pixels), right, rtol=1e-4, atol=1e-5)
    assert set(used) == {Winograd, Depthwise}


@needs_kernels
def test_a_wrong_kernel_is_found_on_the_first_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "LARGE", 1e6)
    own = Winograd.run
    monkeypatch.setattr(Winograd, "run", lambda self, *given: own(self, *given) + 1)
    net = classifier(Residual)
    pixels = smooth(3, 3, SIZE)
    assert torch.equal(WholePasses(net, 500)(pixels), net.forward(pixels).detach())


def test_few_passes_of_a_small_network_load_no_compiler() -> None:
    run_alone(
        "import sys",
        "from convsight.occluding.whole import WholePasses",
        "WholePasses(small, 200)(torch.rand(3, 1, 28, 28))",
        "assert 'numba' not in sys.modules",
    )
