"""The receptive field is checked by changing pixels: outside the box nothing happens, its sides all matter."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.perturbation import disagreements
from torch import nn

from convsight.network.classifier import Classifier
from convsight.network.intervals import Intervals


class Body(nn.Module):
    """Some layers that map pictures to maps, then class scores."""

    def __init__(self, forward, channels=3, out=4, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.body, self.head = forward, nn.Linear(out, 2)

    def forward(self, x):
        return self.head(self.body(self, x).mean((2, 3)))


def classifier(body, size=(17, 20), channels=3):
    torch.manual_seed(0)
    return Classifier(body.double(), input_size=size, channels=channels)


def conv(*args, **kwargs):
    return nn.Conv2d(*args, **kwargs)


def chain(*layers):
    return Body(lambda self, x: self.all(x), all=nn.Sequential(*layers))


def basic(**kwargs):
    return conv(3, 4, 3, **kwargs)


def shuffled(self, x):
    x = self.one(x)
    a, b = x.chunk(2, 1)
    x = torch.cat([a, F.softplus(self.two(b))], 1)
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def convnext(self, x):
    x = self.one(x)
    y = self.deep(x).permute(0, 2, 3, 1)
    y = self.wide(F.gelu(self.narrow(self.norm(y)))).permute(0, 3, 1, 2)
    return self.last(x + self.scale * y)


def option_a(self, x):
    x = self.one(x)
    return self.two(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 3))


def written(self, x):
    x = self.one(x)
    out = torch.zeros(len(x), 4, *x.shape[2:], dtype=x.dtype)
    out[:, 1:3] = x[:, 1:3]
    return self.two(out)


SKIP = {"one": basic(padding=1), "two": conv(4, 4, 3, padding=1)}
TIGHT = {
    "chain": lambda: chain(basic(), nn.Softplus(), conv(4, 4, 3), nn.Softplus()),
    "strides": lambda: chain(basic(stride=2), nn.Softplus(), conv(4, 4, (2, 3), stride=(1, 2), padding=1)),
    "stride beyond the kernel": lambda: chain(conv(3, 4, 2, stride=3), nn.Softplus(), conv(4, 4, 2)),
    "dilation": lambda: chain(basic(dilation=2), nn.Tanh(), conv(4, 4, 3, dilation=(1, 3), padding=2)),
    "same padding, even kernel": lambda: chain(conv(3, 4, (4, 2), padding="same"), conv(4, 4, 3)),
    "depthwise": lambda: chain(conv(3, 6, 3, groups=3), conv(6, 4, 1)),
    "max pool in ceil mode": lambda: chain(basic(), nn.MaxPool2d(2, ceil_mode=True), conv(4, 4, 2)),
    "overlapping max pool": lambda: chain(basic(), nn.MaxPool2d(3, 2, 1), nn.BatchNorm2d(4)),
    "dilated max pool": lambda: chain(basic(), nn.MaxPool2d(2, 1, dilation=2)),
    "average pool in ceil mode": lambda: chain(basic(), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
    "reflect": lambda: chain(basic(padding=2, padding_mode="reflect"), conv(4, 4, 3)),
    "circular": lambda: chain(basic(padding=1, padding_mode="circular"), conv(4, 4, 3)),
    "replicate": lambda: chain(basic(padding=1, padding_mode="replicate"), nn.ReflectionPad2d(2)),
    "asymmetric pad": lambda: Body(
        lambda s, x: s.two(F.pad(s.one(F.pad(x, (0, 1, 0, 1))), (0, 2, 1, 0))),
        one=basic(stride=2), two=conv(4, 4, 3, stride=2),
    ),
    "cropping pad": lambda: Body(lambda s, x: s.one(F.pad(x, (-2, 0, -1, -3))), one=basic()),
    "option A": lambda: Body(option_a, one=basic(padding=1), two=conv(4, 8, 3, 2, 1), out=8),
    "ellipsis": lambda: Body(lambda s, x: s.one(x[..., 1::3, :-2]), one=basic()),
    "narrow": lambda: Body(lambda s, x: s.one(x).narrow(2, 1, 5).narrow(-1, 3, 4), one=basic()),
    "skip": lambda: Body(lambda s, x: F.softplus(s.one(x)) + s.two(s.one(x)), **SKIP),
    "in-place skip": lambda: Body(lambda s, x: s.one(x).add_(s.two(s.one(x))).sigmoid_(), **SKIP),
    "dense": lambda: Body(lambda s, x: torch.cat([x, s.one(x)], 1), one=basic(padding=1), out=7),
    "adaptive average": lambda: chain(basic(), nn.AdaptiveAvgPool2d((3, 5)), conv(4, 4, 2)),
    "adaptive max": lambda: chain(basic(), nn.AdaptiveMaxPool2d((4, 7)), conv(4, 4, 2)),
    "squeeze and excite": lambda: Body(
        lambda s, x: s.one(x) * torch.sigmoid(s.two(F.adaptive_avg_pool2d(s.one(x), 1))),
        one=basic(), two=conv(4, 4, 1),
    ),
    "mean over rows": lambda: Body(lambda s, x: s.one(x) + s.one(x).mean(2, keepdim=True), one=basic()),
    "channel mean": lambda: Body(lambda s, x: s.one(x) * s.one(x).mean(1, keepdim=True), one=basic()),
    "soft channels": lambda: Body(lambda s, x: s.one(x).softmax(1), one=basic()),
    "shuffled channels": lambda: Body(shuffled, one=basic(padding=1), two=conv(2, 2, 3, padding=1)),
    "ConvNeXt block": lambda: Body(
        convnext, one=conv(3, 4, 2, 2), deep=conv(4, 4, 3, padding=1, groups=4), norm=nn.LayerNorm(4),
        narrow=nn.Linear(4, 6), wide=nn.Linear(6, 4), last=conv(4, 4, 2), scale=nn.Parameter(torch.ones(4, 1, 1)),
    ),
    "written into zeros": lambda: Body(written, one=basic(), two=conv(4, 4, 3)),
    "bilinear upsampling": lambda: Body(
        lambda s, x: s.two(F.interpolate(s.one(x), scale_factor=2, mode="bilinear")),
        one=basic(stride=3), two=conv(4, 4, 3),
    ),
    "aligned corners": lambda: Body(
        lambda s, x: F.interpolate(s.one(x), size=(9, 5), mode="bilinear", align_corners=True), one=basic(stride=2)
    ),
    "antialiased shrinking": lambda: Body(
        lambda s, x: F.interpolate(s.one(x), size=(4, 5), mode="bilinear", antialias=True), one=basic()
    ),
    "nearest upsampling": lambda: Body(lambda s, x: F.interpolate(s.one(x), size=(11, 13)), one=basic(stride=2)),
}  # fmt: skip
SAFE = {  # operations that mix places: what is seen may be less than the box, never more
    "group norm": lambda: chain(basic(), nn.GroupNorm(2, 4)),
    "soft places": lambda: Body(lambda s, x: s.one(x).softmax(2), one=basic()),
    "joined places": lambda: Body(lambda s, x: s.two(torch.cat([s.one(x), s.one(x)], 2)), one=basic(), two=conv(4, 4, 3)),
    "unequal split": lambda: Body(lambda s, x: s.two(s.one(x).split([4, 11], 2)[1]), one=basic(), two=conv(4, 4, 3)),
    "flip": lambda: Body(lambda s, x: s.one(x).flip(3), one=basic()),
    "transposed convolution": lambda: chain(basic(stride=2), nn.ConvTranspose2d(4, 4, 3, 2)),
    "windows": lambda: Body(
        lambda s, x: s.one(x).reshape(len(x), 4, 3, 5, 3, 6).permute(0, 1, 3, 5, 2, 4).reshape(len(x), 4, 15, 18),
        one=basic(),
    ),
    "square transpose": lambda: Body(lambda s, x: s.two(s.one(x[..., :17]).transpose(2, 3)), one=basic(), two=conv(4, 4, 3)),
}  # fmt: skip


def cells(layer):
    rows, columns = layer.output_shape[1:]
    return {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2), (rows - 1, columns // 3)}


def all_disagreements(net, tight=True):
    maps = [layer for layer in net.layers.values() if layer.is_map]
    return [p for layer in maps for y, x in cells(layer) for p in disagreements(net, layer.name, y, x, tight)]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
@pytest.mark.parametrize("name", TIGHT)
def test_only_pixels_in_the_box_matter_and_each_side_of_it_does(name):
    net = classifier(TIGHT[name]())
    assert "head" in net.layers  # nothing on the way was lost from sight
    assert all_disagreements(net) == []


@pytest.mark.parametrize("name", SAFE)
def test_an_operation_that_mixes_places_never_gets_too_small_a_box(name):
    net = classifier(SAFE[name]())
    assert "head" in net.layers
    assert all_disagreements(net, tight=False) == []


def test_the_boxes_of_a_real_residual_network_are_exact(shared_models):
    net = _shared_net(shared_models, "cifar_resnet", "cifar10_resnet20.safetensors", 32)
    for name, y, x in (("layer1.2.conv2", 16, 31), ("layer2.0.add", 0, 3), ("layer2.2.bn2", 15, 8)):
        assert disagreements(net, name, y, x, trials=4) == []


def test_the_boxes_under_tensorflow_padding_are_exact(shared_models):
    net = _shared_net(shared_models, "mobilenet_v2", "mobilenet_v2_imagenet.safetensors", 64)
    names = [layer.name for layer in net.layers.convolutions()]
    for name, y, x in ((names[0], 31, 0), (names[4], 0, 15), (names[7], 15, 9)):
        assert disagreements(net, name, y, x, trials=4) == []


def _shared_net(folder, module, weights, size):
    import importlib.util

    spec = importlib.util.spec_from_file_location(module, folder / f"{module}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return Classifier(loaded.load(folder / weights).double(), input_size=size)


def test_vgg_fields_grow_as_the_closed_form_says():
    # Araujo, Norris & Sim 2019: r = 1 + sum over layers of (k - 1) times the product of earlier strides
    layers, expected, size, jump = [nn.Conv2d(3, 2, 3, padding=1)], [3], 3, 1
    for step in (nn.Conv2d(2, 2, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(2, 2, 5, 2), nn.MaxPool2d(3, 2)):
        kernel, stride = (v if isinstance(v, int) else v[0] for v in (step.kernel_size, step.stride))
        size, jump = size + (kernel - 1) * jump, jump * stride
        layers.append(step)
        expected.append(size)
    net = classifier(Body(lambda s, x: s.all(x), all=nn.Sequential(*layers), out=2), (64, 64))
    sizes = [layer.receptive_field for layer in net.layers.values() if layer.is_map]
    assert sizes == [(e, e) for e in expected]


def test_a_unit_that_sees_only_padding_has_no_box():
    net = classifier(chain(conv(3, 4, 1, padding=2)))
    assert net.layers.receptive_box("all", 0, 0) is None
    assert net.layers.receptive_box("all", 2, 2) is not None


def test_maps_with_channels_last_are_no_maps_c_h_w():
    layers = classifier(TIGHT["ConvNeXt block"]()).layers
    assert not layers["narrow"].is_map
    assert not layers["norm"].is_map
    assert layers["last"].is_map


@st.composite
def steps(draw):
    kind = draw(st.sampled_from(["conv", "pool", "pad", "skip", "crop", "up"]))
    k, s, d = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    p = draw(st.integers(0, k // 2))
    margins = tuple(draw(st.lists(st.integers(0, 2), min_size=4, max_size=4)))
    return kind, k, s, p, d, margins, draw(st.booleans())


class RandomGraph(nn.Module):
    """The drawn steps, one after the other, as long as the maps are large enough for them."""

    def __init__(self, drawn):
        super().__init__()
        self.drawn, self.convs = drawn, nn.ModuleList()
        for kind, k, s, p, d, _, _ in drawn:
            stride = 1 if kind == "skip" else s
            padding = "same" if kind == "skip" else p
            self.convs.append(nn.Conv2d(2, 2, k, stride, padding, dilation=d))
        self.first, self.head = nn.Conv2d(1, 2, 2), nn.Linear(2, 2)

    def forward(self, x):
        x = self.first(x)
        for layer, step in zip(self.convs, self.drawn, strict=True):
            x = self.step(layer, x, *step) if min(x.shape[2:]) > 5 else x
        return self.head(x.mean((2, 3)))

    def step(self, layer, x, kind, k, s, p, d, margins, flag):
        if kind == "conv":
            return F.softplus(layer(x))
        if kind == "skip":
            return x + F.softplus(layer(x))
        if kind == "pool" and flag:
            return F.max_pool2d(x, k, s, p, d, ceil_mode=True)
        if kind == "pool":
            return F.avg_pool2d(x, k, s, p, ceil_mode=flag)
        if kind == "pad":
            return F.pad(x, margins, mode="reflect" if flag else "constant")
        if kind == "crop":
            return x[:, :, margins[0] :: s, : -margins[1] or None]
        return F.interpolate(x, scale_factor=2, mode="bilinear" if flag else "nearest")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(steps(), min_size=1, max_size=4))
def test_any_small_graph_has_exact_boxes(drawn):
    net = classifier(RandomGraph(drawn), (13, 15), channels=1)
    last = [layer for layer in net.layers.values() if layer.is_map][-1]
    assert [p for y, x in cells(last) for p in disagreements(net, last.name, y, x)] == []


def test_a_hull_sees_what_any_position_sees():
    axis = Intervals.of_picture(10).select(torch.tensor([3, -1, 5]))
    assert axis.hull(2).first.tolist() == [3, 3]
    assert axis.hull(2).last.tolist() == [5, 5]
