"""A live page computes the first maps of a changed picture only where they change, and answers the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser
from torch import Tensor, nn

import convsight as cs
from convsight.architectures import build
from convsight.exporting.half_weights import rounded
from convsight.studio import live_cut
from convsight.studio import live_page as writing
from convsight.studio.live_about import shown_layers
from convsight.studio.live_cut import cut_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
BOXES = [(0, 0, 5, 5), (13, 22, 6, 3), (35, 35, 5, 5), (0, 0, 40, 40)]
EDITS = """async (boxes) => {
  const { answers, watch, about } = convsight, id = answers.samples[0], found = [];
  watch.layers = about.layers;
  watch.inView = about.layers;
  for (const [y, x, h, w] of [boxes[0], ...boxes]) {
    await answers.edit(id, { box: { y, x, h, w }, fill: 'white' });
    found.push(Object.fromEntries(Object.entries(watch.edited).map(([name, { data }]) => [name, Array.from(data)])));
  }
  return { pixels: Array.from(await answers.album.pixels(id)), found: found.slice(1), half: about.notes[0].includes('float16') };
}"""


class Wide(nn.Module):
    """TensorFlow's padding, depthwise and residual blocks, and maps that shrink: all that MobileNetV2 has."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2)
        self.norm, self.depthwise = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.down, self.last = nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu6(self.norm(self.stem(nn.functional.pad(x, (0, 1, 0, 1)))))
        x = x + self.depthwise(x).relu()
        x = self.down(x)
        return self.head((x + self.last(x).relu()).mean((2, 3)))


@pytest.fixture(scope="module")
def wide() -> cs.Classifier:
    torch.manual_seed(0)
    module = Wide()
    module.norm.running_mean = torch.randn(8)
    return cs.Classifier(module.eval(), list("abc"), 40, mean=(0.4, 0.5, 0.6), std=0.2)


@pytest.fixture
def quick_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_cut, "FEWEST_MACS", 0)


@pytest.mark.usefixtures("quick_ones_too")
def test_the_cut_is_where_everything_passes_and_windows_move_by_whole_cells(wide: cs.Classifier) -> None:
    cut = cut_of(wide, tuple(shown_layers(wide)))
    assert cut is not None and cut["layer"] == "down" and cut["step"] == 4
    assert cut["strides"] == {"pad": 1, "stem": 2, "norm": 2, "relu6": 2, "depthwise": 2, "relu#1": 2, "add#1": 2, "down": 4}  # fmt: skip


class Gated(nn.Module):
    """What the first maps are on average changes each of their cells, so that no window tells it."""

    def __init__(self):
        super().__init__()
        self.stem, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.last(x * x.mean((2, 3), keepdim=True).sigmoid()).mean((2, 3))


@pytest.mark.usefixtures("quick_ones_too")
def test_there_is_no_cut_behind_a_layer_that_sees_everything() -> None:
    net = cs.Classifier(Gated(), list("abc"), 20, channels=1)
    cut = cut_of(net, tuple(shown_layers(net)))
    assert cut is not None and cut["layer"] == "stem"


def test_a_quick_network_is_not_cut() -> None:
    net = cs.Classifier(build("fast", 10), [*"abcdefghij"], 28, channels=1)
    assert cut_of(net, tuple(shown_layers(net))) is None


@pytest.mark.usefixtures("quick_ones_too")
def test_a_changed_picture_has_pytorchs_scores_and_maps(
    wide: cs.Classifier, browser: Browser, built_page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STATIC", built_page)
    picture = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    file = cs.live_page(wide, cs.Images(picture), tmp_path / "wide.html")
    page = browser.new_page(offline=True)
    page.goto(file.as_uri())
    page.locator("html[data-ready]").wait_for(state="attached")
    told: dict[str, Any] = page.evaluate(EDITS, BOXES)
    halves = page.evaluate("convsight.answers.cutting")
    page.close()
    assert halves is True
    net = wide.around(rounded(wide.module), wide.name) if told["half"] else wide
    for (y, x, h, w), mine in zip(BOXES, told["found"], strict=True):
        pixels = torch.tensor(told["pixels"]).view(1, 3, 40, 40)
        pixels[:, :, y : y + h, x : x + w] = 1
        with torch.no_grad(), net.record(*(set(mine) - {"scores"})) as seen:
            scores = net.logits(pixels)
        for name, value in {**seen, "scores": scores}.items():
            np.testing.assert_allclose(mine[name], value.flatten().numpy(), atol=1e-4, err_msg=name)
