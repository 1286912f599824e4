"""Every compiled convolution, on windows of every kind, against torch's.

The kernels need AVX-512, or AVX2 with FMA. Where the processor has these flags, everything here must run.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from convsight.accelerate import convolution, product_convolution, why_not
from convsight.accelerate.direct_convolution import Depthwise, FewChannels
from convsight.accelerate.processor import wide_registers
from convsight.accelerate.product_convolution import Products
from convsight.accelerate.winograd_convolution import Winograd

pytestmark = pytest.mark.skipif(not wide_registers(), reason="the processor has neither AVX-512 nor AVX2")
IN_ORDER = None, None, 1 << 40
LIMITS = [(-math.inf, math.inf), (0.0, math.inf), (-0.3, 0.5)]


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def weights(k, c, kernel, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(k, c, *kernel, generator=generator) / (c * math.prod(kernel)) ** 0.5
    return weight, torch.randn(k, generator=generator)


def on_windows(kernel, maps, stride=(1, 1), size=(3, 3), dilation=(1, 1), limits=LIMITS[0]):
    """What a kernel makes of windows n h w c that include their padding."""
    block = maps.shape[1], maps.shape[2]
    reach = [d * (s - 1) for d, s in zip(dilation, size, strict=True)]
    extent = tuple((b - r - 1) // s + 1 for b, r, s in zip(block, reach, stride, strict=True))
    cells = (maps.reshape(-1, maps.shape[3]), *IN_ORDER)
    return kernel.run(cells, len(maps), block, extent, limits).permute(0, 3, 1, 2)


def test_a_processor_with_wide_registers_runs_the_kernels():
    assert why_not() == ""


@pytest.mark.parametrize("channels", [16, 64, 144])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 1, 2)])
@pytest.mark.parametrize("limits", LIMITS)
def test_each_channel_is_convolved_by_itself(channels, size, stride, dilation, limits):
    (weight, bias), maps = weights(channels, 1, (size, size)), torch.randn(2, 12, 11, channels)
    pair = (stride, stride), (dilation, dilation)
    kernel = convolution(weight, bias, None, *pair, groups=channels).for_windows((12, 12))
    assert isinstance(kernel, Depthwise)
    got = on_windows(kernel, maps, pair[0], (size, size), pair[1], limits)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride, 0, dilation, channels)
    torch.testing.assert_close(got, right.clamp(*limits), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("channels", "outputs"), [(1, 10), (10, 20), (3, 32), (5, 16), (15, 1)])
@pytest.mark.parametrize(("size", "stride"), [((3, 3), (1, 1)), ((5, 2), (2, 2))])
@pytest.mark.parametrize("limits", LIMITS)
def test_few_channels_are_convolved_together(channels, outputs, size, stride, limits):
    (weight, bias), maps = weights(outputs, channels, size), torch.randn(3, 9, 8, channels)
    kernel = convolution(weight, bias, stride=stride).for_windows((9, 9))
    assert isinstance(kernel, FewChannels)
    got = on_windows(kernel, maps, stride, size, limits=limits)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride)
    torch.testing.assert_close(got, right.clamp(*limits), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("lines", [1, 2, 4])  # sixteen outputs at a time as with AVX2, or more
@pytest.mark.parametrize(
    ("channels", "outputs", "size", "stride"),
    [(3, 64, (7, 7), (2, 2)), (40, 16, (1, 1), (1, 1)), (24, 112, (3, 2), (1, 2)), (130, 176, (1, 1), (2, 2)), (16, 32, (9, 11), (1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("limits", LIMITS)
def test_many_channels_are_multiplied(monkeypatch, lines, channels, outputs, size, stride, limits):
    monkeypatch.setattr(product_convolution, "most_lines", lambda: lines)
    (weight, bias), maps = weights(outputs, channels, size), torch.randn(3, 9, 11, channels)
    kernel = convolution(weight, bias, stride=stride).for_windows((9, 9))
    assert isinstance(kernel, Products)
    got = on_windows(kernel, maps, stride, size, limits=limits)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, stride)
    torch.testing.assert_close(got, right.clamp(*limits), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 96, 97, 101, 3000])
@pytest.mark.usefixtures("threads")
def test_any_number_of_places_is_answered(count):
    (weight, bias), maps = weights(32, 16, (1, 1)), torch.rand(1, 1, count, 16)
    kernel = convolution(weight, bias).for_windows((1, count))
    assert isinstance(kernel, Products)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias)
    torch.testing.assert_close(on_windows(kernel, maps, size=(1, 1)), right)


@pytest.mark.parametrize("m", [(2, 6), (3, 3), (4, 5), (5, 2), (6, 4)])
@pytest.mark.parametrize(("channels", "outputs"), [(16, 16), (48, 80), (272, 32)])
@pytest.mark.parametrize("limits", LIMITS)
def test_tiles_are_convolved_whatever_their_size(m, channels, outputs, limits):
    (weight, bias), maps = weights(outputs, channels, (3, 3)), torch.randn(5, 11, 10, channels)
    got = on_windows(Winograd.of(weight, bias, None, m), maps, limits=limits)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias)
    torch.testing.assert_close(got, right.clamp(*limits), rtol=0, atol=1e-4)


@pytest.mark.parametrize("high", range(1, 14))
@pytest.mark.parametrize("m", [(2, 5), (4, 4), (6, 3)])
@pytest.mark.usefixtures("threads")
def test_windows_of_any_size_end_in_smaller_tiles(m, high):
    """Every remainder down and across, in batches of tiles that begin and end among tiles of one size."""
    weight, bias = weights(16, 16, (3, 3), high)
    kernel = Winograd.of(weight, bias, None, m)
    for wide in range(1, 10):
        maps = torch.randn(101, high + 2, wide + 2, 16)
        right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias)
        torch.testing.assert_close(on_windows(kernel, maps), right, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "outputs", "groups"), [(1, 32, 32), (4, 20, 1), (16, 32, 1), (64, 64, 1)]
)
@pytest.mark.usefixtures("threads")
def test_cells_come_from_two_tables_by_an_index(channels, outputs, groups):
    weight, _ = weights(outputs, channels, (3, 3))
    both = torch.randn(300, channels * groups)
    where = torch.randint(0, 300, (200, 6, 6), dtype=torch.int32)
    cells = both[:120].contiguous(), where, both[120:].contiguous(), 120
    kernel = convolution(weight, groups=groups).for_windows((4, 4))
    assert kernel is not None
    got = kernel.run(cells, 200, (6, 6), (4, 4), LIMITS[0])
    right = F.conv2d(both[where.long()].permute(0, 3, 1, 2), weight, groups=groups)
    torch.testing.assert_close(got.permute(0, 3, 1, 2), right, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "outputs", "groups"), [(1, 32, 32), (4, 20, 1), (32, 48, 1), (64, 64, 1)]
)
def test_gains_multiply_the_weights_of_each_output(channels, outputs, groups):
    (weight, bias), gain = weights(outputs, channels, (3, 3)), torch.rand(outputs) + 0.5
    maps = torch.randn(2, 14, 14, channels * groups)
    kernel = convolution(weight, bias, gain, groups=groups).for_windows((12, 12))
    scaled = weight * gain[:, None, None, None]
    right = F.conv2d(maps.permute(0, 3, 1, 2), scaled, bias, groups=groups)
    torch.testing.assert_close(on_windows(kernel, maps), right, rtol=0, atol=1e-4)


@pytest.mark.parametrize("outputs", [16, 24])
def test_what_is_not_a_number_stays_so(outputs):
    maps = torch.ones(1, 6, 6, 8 if outputs == 24 else 16)
    maps[0, 2, 2, 3] = torch.nan
    kernel = convolution(torch.ones(outputs, maps.shape[3], 3, 3)).for_windows((4, 4))
    assert bool(on_windows(kernel, maps, limits=(0.0, math.inf))[0, :, :3, :3].isnan().all())


def test_large_windows_go_on_tiles_and_weights_are_laid_out_once():
    layer = convolution(torch.rand(64, 64, 3, 3))
    large = layer.for_windows((24, 24))
    assert isinstance(large, Winograd) and min(large.m) >= 4
    assert layer.for_windows((24, 24)) is large
    assert isinstance(convolution(torch.rand(16, 16, 3, 3)).for_windows((1, 1)), Products)
    assert isinstance(convolution(torch.rand(64, 64, 3, 3), stride=(2, 2)).for_windows((24, 24)), Products)


@pytest.mark.parametrize(("shape", "groups"), [((24, 64, 3, 3), 1), ((64, 2, 3, 3), 32), ((24, 1, 3, 3), 24)])
def test_weights_without_a_kernel_have_none(shape, groups):
    assert convolution(torch.rand(shape), groups=groups).for_windows((8, 8)) is None
