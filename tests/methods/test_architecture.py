"""The drawn blocks against published architectures, forward hooks and the rule that no words overlap."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.architectures import build
from convsight.errors import InputError
from convsight.methods.architecture import Architecture, draw_blocks
from convsight.network.blocks import Block, blocks
from convsight.network.classifier import Classifier
from convsight.results.kinds import Table


def told(found: list[Block]) -> list[tuple]:
    return [(block.kind, block.title.replace("\n", " "), block.shape, block.count) for block in found]


def real(folder: Path, file: str, weights: str, **how) -> Classifier:
    spec = importlib.util.spec_from_file_location(file, folder / f"{file}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Classifier(module.load(folder / f"{weights}.safetensors"), **how)


@pytest.fixture(scope="module")
def vgg16() -> Classifier:
    with torch.device("meta"):
        module = build("vgg16", 1000, 3, (224, 224))
    module = module.to_empty(device="cpu")
    for weight in module.parameters():
        weight.data.zero_()
    return Classifier(module, input_size=224)


def assert_words_apart(found: list[Block]) -> None:
    made = draw_blocks(found)
    made.canvas.draw()
    renderer = made.canvas.get_renderer()  # type: ignore[attr-defined]
    (axes,) = made.axes
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in axes.texts]
    page = made.bbox
    for i, (a, first) in enumerate(boxes):
        assert first.x0 >= page.x0 and first.x1 <= page.x1 and first.y0 >= page.y0 and first.y1 <= page.y1, a
        for b, second in boxes[i + 1 :]:
            assert not first.overlaps(second), (a, b)


def test_vgg16_is_the_published_one(vgg16):
    conv, full = "3×3 conv", "fully connected"
    assert told(blocks(vgg16)) == [
        ("input", "input", (3, 224, 224), 1),
        ("convolution", conv, (64, 224, 224), 2),
        ("pool", "max 2×2", (64, 112, 112), 1),
        ("convolution", conv, (128, 112, 112), 2),
        ("pool", "max 2×2", (128, 56, 56), 1),
        ("convolution", conv, (256, 56, 56), 3),
        ("pool", "max 2×2", (256, 28, 28), 1),
        ("convolution", conv, (512, 28, 28), 3),
        ("pool", "max 2×2", (512, 14, 14), 1),
        ("convolution", conv, (512, 14, 14), 3),
        ("pool", "max 2×2", (512, 7, 7), 1),
        ("linear", full, (4096,), 2),
        ("linear", full, (1000,), 1),
        ("softmax", "softmax", (1000,), 1),
    ]
    result = Architecture()(vgg16)
    (table,) = result.parts
    assert isinstance(table, Table)
    # 138,357,544 weights (torchvision's own figure); 15,346,630,656 + 123,633,664 multiply-adds by hand
    assert table.rows[-1][3:5] == (138_357_544, 15_470_264_320)
    assert "16 layers with weights" in result.caption
    assert_words_apart(blocks(vgg16))


def test_the_lessons_net_is_convolution_pool_and_one_linear_layer():
    net = Classifier(build("lesson", 10), input_size=28, channels=1)
    assert told(blocks(net)) == [
        ("input", "input", (1, 28, 28), 1),
        ("convolution", "5×5 conv", (32, 24, 24), 1),
        ("pool", "max 2×2", (32, 12, 12), 1),
        ("linear", "fully connected", (10,), 1),
        ("softmax", "softmax", (10,), 1),
    ]
    assert blocks(net)[1].activation == "ReLU"
    assert_words_apart(blocks(net))


def test_resnet_20_is_three_stages_of_three_blocks(shared_models):
    net = real(shared_models, "cifar_resnet", "cifar10_resnet20", input_size=32)
    found = blocks(net)
    assert [b[1:] for b in told(found)[2:5]] == [
        ("Block", (16, 32, 32), 3),
        ("Block", (32, 16, 16), 3),
        ("Block", (64, 8, 8), 3),
    ]
    assert all(block.skip and block.weighted == 6 for block in found[2:5])
    assert told(found)[5] == ("pool", "global average", (64,), 1)
    assert_words_apart(found)


def test_mobilenet_v2_is_table_2_of_its_paper(shared_models):
    net = real(shared_models, "mobilenet_v2", "mobilenet_v2_imagenet", input_size=224)
    found = blocks(net)
    stages = [(b.shape[0], b.size[0], b.count) for b in found if b.kind == "unit"]
    paper = [(16, 112, 1), (24, 56, 2), (32, 28, 3), (64, 14, 4), (96, 14, 3), (160, 7, 3), (320, 7, 1)]
    assert stages == paper  # Sandler et al. 2018: output channels, size, repetitions
    assert sum(b.weighted for b in found) == 53
    assert_words_apart(found)
    by_size = blocks(net, group="stages")
    assert [b.size[0] for b in by_size if b.kind == "unit"] == [112, 56, 28, 14, 7]
    assert_words_apart(by_size)
    every = blocks(net, group="layers")
    assert sum(b.count for b in every if b.kind == "convolution") == 52
    assert_words_apart(every)


class Mixed(nn.Module):
    """Functional and in-place ReLUs, a shared pool, two concatenated global pools."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.pool, self.fc = nn.BatchNorm2d(8), nn.MaxPool2d(3, 2), nn.Linear(16, 4)

    def forward(self, x):
        x = self.pool(F.relu(self.norm(self.a(x))))
        x = self.pool(F.relu(self.b(x), inplace=True))
        return self.fc(torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1))


def test_the_table_agrees_with_forward_hooks_and_the_blocks_with_the_code():
    module = Mixed()
    net = Classifier(module, input_size=(31, 40))
    seen: dict[str, tuple[int, ...]] = {}
    for name in ("a", "b", "norm", "fc"):
        module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: seen.__setitem__(name, tuple(o.shape[1:]))
        )
    net.scores(torch.rand(1, 3, 31, 40))
    (table,) = Architecture()(net).parts
    assert isinstance(table, Table)
    rows = {row[0]: row for row in table.rows}
    for name, shape in seen.items():
        assert rows[name][2] == "×".join(map(str, (*shape[1:], shape[0])))
        own = sum(p.numel() for p in module.get_submodule(name).parameters())
        assert rows[name][3] == own
    assert rows["a"][4] == 8 * 3 * 9 * 31 * 40
    assert rows["a"][5] == "3×3"
    assert told(blocks(net))[2:6] == [
        ("pool", "max 3×3", (8, 15, 19), 1),
        ("convolution", "3×3 conv", (8, 15, 19), 1),
        ("pool", "max 3×3", (8, 7, 9), 1),
        ("pool", "global max + average", (16,), 1),
    ]


def test_a_network_that_locates_has_no_softmax():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    net = Classifier(module, input_size=8, channels=1, task="locate", outputs=("x", "y"))
    assert [block.kind for block in blocks(net)] == ["input", "convolution", "linear"]
    assert "to 2 positions" in Architecture()(net).caption


def test_very_deep_plain_networks_are_drawn_by_stage():
    wide = [w for i in range(40) for w in (nn.Conv2d(4 + i, 5 + i, 3, padding=1), nn.ReLU())]
    net = Classifier(
        nn.Sequential(nn.Conv2d(3, 4, 1), *wide, nn.Flatten(), nn.Linear(44 * 64, 5)), input_size=8
    )
    assert len(blocks(net, group="layers")) == 44
    assert told(blocks(net))[1] == ("unit", "stage", (44, 8, 8), 1)
    assert blocks(net)[1].weighted == 41
    assert_words_apart(blocks(net, group="layers"))


def test_the_drawing_is_svg_that_parses_with_words_as_text(tmp_path):
    net = Classifier(build("lesson-2", 10), input_size=28, channels=1)
    result = Architecture()(net)
    assert result.svg is not None
    words = [e.text for e in ElementTree.fromstring(result.svg).iter() if e.tag.endswith("text")]
    assert {"26×26", "×10", "softmax"} <= {w.strip() for w in words if w}
    assert result.save(tmp_path / "net.svg").stat().st_size < 200_000
    assert result.images.shape[0] == 1 and 1000 <= result.images.shape[3] <= 1300
    assert "<svg" in result.html() and "Architecture of" in result.html()


def test_an_unknown_grouping_is_refused():
    with pytest.raises(InputError, match="group='stage' is not possible; did you mean stages"):
        Architecture(group="stage")


def test_the_key_calls_a_sigmoid_by_its_name():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    drawn = Architecture()(Classifier(module, input_size=8, channels=1, task="multilabel"))
    assert drawn.svg is not None
    words = [e.text for e in ElementTree.fromstring(drawn.svg).iter() if e.tag.endswith("text")]
    assert "softmax" not in words and words.count("sigmoid") == 2  # the block and the key
