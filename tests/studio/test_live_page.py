"""A page that computes answers as PyTorch does, offline, from one file, and can be played with."""

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from torch import nn

import convsight as cs
from convsight.architectures import build
from convsight.cli import main
from convsight.errors import InputError, ModelError
from convsight.exporting.half_weights import rounded
from convsight.occluding.occluders import fill_pictures
from convsight.results.draw import limit_of
from convsight.results.kinds import Verdict
from convsight.shortcuts.probes import Probe, Region, Sharpness
from convsight.shortcuts.saved import described, save_verdicts
from convsight.studio import live_page as writing
from convsight.studio.app import create_app
from convsight.studio.cells import cell
from convsight.studio.layer_sheets import layer_filters
from convsight.studio.live_weights import halves_change_nothing
from convsight.studio.steps import step_of
from convsight.training import train
from tests.studio.conftest import HERE, open_studio
from tests.studio.page_fixture import AXE
from tests.training.test_pretrained import bar_data

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
SUMMED = """
import torch

INPUT_SIZE = 32

class Summed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.conv(x).relu().cumsum(2).mean((2, 3)))

def build():
    return Summed()
"""
ANSWERS = """async ([ids, layers]) => {
  const { answers, network } = globalThis.convsight, found = [];
  for (const id of ids) {
    const pixels = await answers.album.pixels(id);
    const values = await network.run(pixels, 1, ['scores', ...layers]);
    const some = ({ data }) => Array.from(data).filter((_, i) => i % Math.ceil(data.length / 2000) === 0);
    found.push([Array.from(pixels), ...Object.values(values).map(some)]);
  }
  return found;
}"""


@contextmanager
def opened(browser: Browser, file: Path, place: str = "", **look: Any) -> Iterator[Page]:
    """The file in a browser without a network; fails if anything is asked for or complained about."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **look})
    requests, errors = [], []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or requests.append(r.url))
    page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(file.as_uri() + place)
    page.locator("html[data-ready]").wait_for(state="attached")
    yield page
    page.close()
    assert requests == [] and errors == []


@pytest.fixture(scope="module")
def static(built_page: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "STATIC", built_page)
        yield built_page


@pytest.fixture(scope="module")
def audited(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with an audit that found the upper half of one class's pictures, and a blur."""
    folder = tmp_path_factory.mktemp("audited") / "tiny"
    shutil.copytree(run_folder, folder)
    names = cs.Run.open(folder).classifier.classes
    half = Region(torch.arange(28)[:, None].expand(28, 28) < 14)
    found = [_verdict(names[0], half, "place"), _verdict(names[1], Sharpness(1.0, -1e9), "blur")]
    save_verdicts(folder, found, {"data": "", "split": "test", "weights": "", "seed": 0})
    return folder


def _verdict(target: str, probe: Probe, kind: str) -> Verdict:
    parameters, tensors = described(probe)
    return Verdict(
        title="", found=True, sentence=f"{kind} of {target}", target=target, kind=kind, carriers=("drawn/test/1", "drawn/test/2"),
        parameters=parameters, tensors=tensors,
    )  # fmt: skip


@pytest.fixture(scope="module")
def live(static: Path, audited: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the tiny run."""
    return cs.live_page(cs.Run.open(audited), path=tmp_path_factory.mktemp("live") / "tiny.html")


@pytest.fixture
def page(browser: Browser, live: Path) -> Iterator[Page]:
    with opened(browser, live) as page:
        yield page


def largest_gap(page: Page, net: cs.Classifier, n: int = 2) -> float:
    """Between what the page and PyTorch answer to its first pictures: scores and every layer that it shows.

    Of each value at most 2000 numbers are compared, evenly chosen: sending all of them takes minutes.
    """
    layers = page.evaluate("convsight.about.layers")
    ids = page.evaluate("n => convsight.answers.samples.slice(0, n)", n)
    gap = 0.0
    for pixels, *answers in page.evaluate(ANSWERS, [ids, layers]):
        picture = torch.tensor(pixels).view(1, net.channels, *net.input_size)
        with torch.no_grad(), net.record(*layers) as seen:
            scores = net.logits(picture)
        for mine, value in zip(answers, [scores, *(seen[name] for name in layers)], strict=True):
            some = value.flatten()[:: -(-value.numel() // 2000)]
            gap = max(gap, float((torch.tensor(mine) - some).abs().max()))
    return gap


def halved(net: cs.Classifier) -> cs.Classifier:
    """The network with the weights that a page of float16 has."""
    return net.around(rounded(net.module), net.name)


def test_scores_and_every_map_are_pytorchs(page: Page, run_folder: Path) -> None:
    notes = page.evaluate("convsight.about.notes")
    net = cs.Run.open(run_folder).classifier
    assert largest_gap(page, halved(net) if "float16" in notes[0] else net, 3) < 1e-4


def test_a_hundred_pictures_of_noise_and_garments_get_pytorchs_scores(page: Page, run_folder: Path) -> None:
    run = cs.Run.open(run_folder)
    net = halved(run.classifier) if "float16" in page.evaluate("convsight.about.notes[0]") else run.classifier
    assert type(net.module).__name__ == "FastNet"
    noise = torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    pictures = torch.cat([noise, run.dataset.test[:50].pixels])
    mine = page.evaluate(
        """async (flat) => {
          const all = Float32Array.from(atob(flat), (letter) => letter.charCodeAt(0) / 255), found = [];
          for (let i = 0; i < 100; i++)
            found.push(Array.from((await convsight.network.run(all.subarray(784 * i, 784 * (i + 1)), 1, ['scores'])).scores.data));
          return found;
        }""",
        base64.b64encode((255 * pictures).round().byte().numpy().tobytes()).decode(),
    )
    with torch.no_grad():
        wanted = net.logits((255 * pictures).round() / 255)
    assert float((torch.tensor(mine) - wanted).abs().max()) < 1e-4


def test_a_finger_drags_the_occluder_on_a_phone(browser: Browser, live: Path) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, live, **phone) as page:
        stage = page.get_by_role("application").first
        stage.scroll_into_view_if_needed()
        small = "[...document.querySelectorAll('main button')].filter(b => b.offsetParent && b.offsetHeight < 24 && !b.closest('.presses, .samples')).map(b => b.innerText)"
        assert page.evaluate(small) == []
        area = stage.bounding_box()
        assert area is not None
        finger = page.context.new_cdp_session(page)
        path = [(0.25, 0.25), (0.4, 0.5), (0.75, 0.75)]
        for kind, (x, y) in zip(("touchStart", "touchMove", "touchMove"), path, strict=True):
            at = {"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"]}
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.locator("[data-milliseconds]").wait_for()
        page.wait_for_function(  # the patch's middle is where the finger left it, of 28 pixels
            """() => {
                const [y, x, h, w] = document.querySelector('[data-box]').dataset.box.split(',').map(Number);
                return Math.abs(y + h / 2 - 21) <= 1 && Math.abs(x + w / 2 - 21) <= 1;
            }"""
        )
        page.locator(".presses button").first.tap()
        expect(page.get_by_role("region", name="One channel")).to_contain_text("Channel")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0


def test_an_occluder_moves_the_scores_and_every_layers_maps(page: Page, run_folder: Path) -> None:
    stage = page.get_by_role("application").first
    canvas = page.locator("canvas[data-layer]")
    look = "all => all.map(each => each.toDataURL())"
    canvas.first.wait_for()
    last, before = canvas.last.evaluate("each => each.toDataURL()"), canvas.evaluate_all(look)
    stage.focus()
    page.keyboard.press("Shift+ArrowDown")
    page.locator("[data-milliseconds]").wait_for()
    seen = page.evaluate("convsight.watch.inView.length")
    assert len(before) > 3 and seen > 3
    page.wait_for_function(
        "before => { const now = [...document.querySelectorAll('canvas[data-layer]')];"
        " return before.every((was, i) => now[i].toDataURL() != was); }",
        arg=before[:seen],
    )
    canvas.last.scroll_into_view_if_needed()  # a layer below the screen is drawn when it comes into view
    page.wait_for_function(
        "name => convsight.watch.inView.includes(name)", arg=canvas.last.get_attribute("data-layer")
    )
    page.wait_for_function(
        "last => [...document.querySelectorAll('canvas[data-layer]')].at(-1).toDataURL() != last", arg=last
    )
    y, x, h, w = map(int, page.locator("[data-box]").get_attribute("data-box").split(","))
    run = cs.Run.open(run_folder)
    picture = run.dataset.test[int(page.evaluate("convsight.answers.samples[0]").split(":")[1])].pixels
    hidden = fill_pictures("mean", picture, data_mean=run.classifier.mean)
    picture[:, :, y : y + h, x : x + w] = hidden[:, :, y : y + h, x : x + w]
    chances = run.classifier.probabilities(picture)[0]
    for index, chance in enumerate(chances.tolist()):
        shown = page.locator(f".value[data-index='{index}']").inner_text()
        assert abs(float(shown.rstrip("%")) - 100 * chance) < 0.2


def test_the_pages_occlusion_map_is_pythons(page: Page, run_folder: Path) -> None:
    told = page.evaluate(
        """async () => {
          const { answers } = globalThis.convsight, steps = [];
          const wanted = { method: 'occlusion', pictures: [answers.samples[0]], knobs: { patch: 8, stride: 6 } };
          const found = await answers.result(wanted, (step) => steps.push(step.fraction)).done;
          return { steps, label: found.payload.labels[0], values: Array.from(answers.floats(found.payload.values)) };
        }"""
    )
    run = cs.Run.open(run_folder)
    one = run.dataset.test[int(page.evaluate("convsight.answers.samples[0]").split(":")[1])]
    wanted = cs.occlusion(run.classifier, one, told["label"], patch=8, stride=6).values[0]
    assert np.abs(np.array(told["values"]) - wanted.flatten().numpy()).max() < 0.02 * float(
        wanted.abs().max()
    )
    assert told["steps"] == sorted(told["steps"]) and 0 < told["steps"][0] < 0.5


MAPS = """async ([methods, target]) => {
  const { answers } = convsight, found = {};
  for (const method of methods) {
    const made = await answers.result({ method, target, pictures: [answers.samples[0]] }, () => {}).done;
    found[method] = [Array.from(answers.floats(made.payload.values)), made.payload.limit[0]];
  }
  return [found, Array.from(await answers.album.pixels(answers.samples[0]))];
}"""
BY_GRADIENT = {
    "saliency": cs.saliency,
    "gradient_x_input": cs.gradient_x_input,
    "guided_backprop": cs.guided_backprop,
}


def gradient_gaps(page: Page, net: cs.Classifier, target: int = 1) -> dict[str, float]:
    """Largest difference between the page's maps by gradient and Python's, as a share of the largest value."""
    found, pixels = page.evaluate(MAPS, [list(BY_GRADIENT), target])
    picture, gaps = torch.tensor(pixels).view(1, net.channels, *net.input_size), {}
    for name, (values, limit) in found.items():
        wanted = BY_GRADIENT[name](net, picture, target=target).values[0]
        gaps[name] = float((torch.tensor(values).view_as(wanted) - wanted).abs().max() / wanted.abs().max())
        assert limit == pytest.approx(limit_of(wanted, 0.99), rel=max(1e-3, gaps[name]))
    return gaps


def test_the_pages_gradients_are_pythons(page: Page, run_folder: Path) -> None:
    net = cs.Run.open(run_folder).classifier
    net = halved(net) if "float16" in page.evaluate("convsight.about.notes[0]") else net
    for target in (0, 7):
        assert max(gradient_gaps(page, net, target).values()) < 1e-4


def test_the_maps_by_gradient_follow_the_occluder_and_the_class(page: Page) -> None:
    look = "all => all.map(each => each.toDataURL())"
    maps = page.locator("figure[data-map] canvas")
    page.get_by_role("region", name="Which pixels would change").scroll_into_view_if_needed()
    expect(maps).to_have_count(3)
    before = maps.evaluate_all(look)
    page.get_by_role("application").first.focus()
    page.keyboard.press("Shift+ArrowDown")
    changed = """before => [...document.querySelectorAll('figure[data-map] canvas')].every((each, i) => each.toDataURL() !== before[i])"""
    page.wait_for_function(changed, arg=before)
    page.get_by_role("button", name="Clear").click()
    same = changed.replace("!==", "===")
    page.wait_for_function(same, arg=before)
    page.get_by_role("list", name="Scores").get_by_role("button").last.click()
    page.wait_for_function(changed, arg=before)


def test_a_network_without_a_gradient_shows_none_and_says_so(
    browser: Browser, static: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(SUMMED)
    arrays = {}
    for split in ("train", "test"):
        images = bar_data(20, 20).splits[split][:]
        arrays[f"x_{split}"] = (255 * images.pixels).byte().permute(0, 2, 3, 1).numpy()
        arrays[f"y_{split}"] = np.asarray(images.labels)
    np.savez(tmp_path / "data.npz", **arrays)
    train(tmp_path / "data.npz", "probe", network=f"{tmp_path / 'mine.py'}:build", out=tmp_path / "bars")
    assert main(["report", str(tmp_path / "bars"), "--live"]) == 0
    said = capsys.readouterr().out
    assert "left out: No saliency and no guided backpropagation: the derivative of ONNX's operation 'CumSum'" in said  # fmt: skip
    with opened(browser, tmp_path / "bars" / "live.html", "#/image") as page:
        expect(page.get_by_role("combobox", name="technique").locator("option")).to_have_text(["Occlusion"])
        page.evaluate("location.hash = '#/play'")
        expect(page.get_by_role("region", name="Every layer's maps")).to_be_visible()
        expect(page.locator("figure[data-map]")).to_have_count(0)
        page.evaluate("location.hash = '#/network'")
        expect(page.get_by_label("What was picked or guessed")).to_contain_text("'CumSum'")


def test_a_picture_is_brought_and_its_cells_see_what_python_says(page: Page, run_folder: Path) -> None:
    red = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
    page.evaluate(
        """async (text) => {
          const file = new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], 'red.png', { type: 'image/png' });
          const moved = new DataTransfer();
          moved.items.add(file);
          dispatchEvent(new DragEvent('drop', { dataTransfer: moved, bubbles: true, cancelable: true }));
        }""",
        red,
    )
    expect(page.locator(".about b")).to_have_text("your picture")
    net = cs.Run.open(run_folder).classifier
    layer = net.layers.convolutions()[-1].name
    seen = page.evaluate("layer => convsight.answers.get(`/api/layers/${layer}/receptive?y=1&x=2`)", layer)
    box = net.layers.receptive_box(layer, 1, 2)
    assert seen == {"y0": box.top, "x0": box.left, "y1": box.bottom, "x1": box.right}


def test_every_number_is_made_of_the_parts_that_python_says(page: Page, run_folder: Path) -> None:
    """Of each layer that tells it, two cells; and the page's own filters are the studio's."""
    studio = open_studio(run_folder)
    if "float16" in page.evaluate("convsight.about.notes[0]"):
        studio.net = halved(studio.net)
    net, first = studio.net, page.evaluate("convsight.answers.samples[0]")
    told = [name for name in net.layers if step_of(net, name) is not None]
    assert {"conv2d", "linear"} <= {net.layers[name].kind for name in told}
    for name in told:
        rows, columns = (*net.layers[name].output_shape[1:], 1, 1)[:2]
        for channel, y, x in ((0, 0, 0), (net.layers[name].channels - 1, rows - 1, columns // 2)):
            url = f"/api/layers/{name}/cell?picture={first}&channel={channel}&y={y}&x={x}"
            mine = page.evaluate("url => convsight.answers.get(url)", url)
            wanted = cell(studio, name, first, channel, y, x).model_dump()
            total = sum(part["sum"] for part in mine["parts"]) + mine["rest"] + (mine["bias"] or 0)
            assert abs(mine["value"] - wanted["value"]) < 1e-3 and abs(total - mine["value"]) < 1e-3
            assert (mine["source"], mine["others"]) == (wanted["source"], wanted["others"])
            sums = ([abs(part["sum"]) for part in each["parts"]] for each in (mine, wanted))
            assert np.allclose(*sums, atol=1e-3)
    for layer in net.layers.convolutions():
        mine = page.evaluate("name => convsight.answers.get(`/api/layers/${name}/filters`)", layer.name)
        wanted = layer_filters(studio, layer.name)
        assert mine["shape"] == wanted.shape and mine["sheet"].startswith("data:image/png")
        assert np.allclose([each["mean"] for each in mine["channels"]], [each.mean for each in wanted.channels], atol=1e-3)  # fmt: skip


def test_a_cell_of_a_map_shows_its_sum(page: Page, run_folder: Path) -> None:
    layer = cs.Run.open(run_folder).classifier.layers.convolutions()[-1].name
    page.evaluate("layer => (location.hash = `#/network?layer=${layer}&channel=1&y=1&x=1`)", layer)
    made = page.get_by_role("region", name="How this number is made")
    value = page.evaluate("layer => convsight.answers.get(`/api/layers/${layer}/cell?picture=${convsight.answers.samples[0]}&channel=1&y=1&x=1`).then((found) => found.value)", layer)  # fmt: skip
    expect(made.get_by_role("img", name="kernel:").first).to_be_visible()
    shown = made.locator("[data-value]").inner_text().split("=")[-1].replace("−", "-")
    assert abs(float(shown) - value) < 0.01 * max(1.0, abs(value))


def test_a_window_moves_over_a_map_and_its_sum_follows(page: Page, run_folder: Path) -> None:
    layer = cs.Run.open(run_folder).classifier.layers.convolutions()[-1]
    page.evaluate("layer => (location.hash = `#/network?layer=${layer}&channel=1&y=0&x=0`)", layer.name)
    made = page.get_by_role("region", name="How this number is made")
    expect(made.locator("[data-value]")).to_be_visible()
    large = page.get_by_role("button", name="The map: press a cell")
    large.scroll_into_view_if_needed()
    area = large.bounding_box()
    assert area is not None
    rows, columns = layer.output_shape[1:]
    page.mouse.move(area["x"] + area["width"] * 0.5 / columns, area["y"] + area["height"] * 0.5 / rows)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * (columns - 0.5) / columns, area["y"] + area["height"] * 1.5 / rows, steps=4)  # fmt: skip
    page.mouse.up()
    expect(page.get_by_text(f"cell 1, {columns - 1} of the map")).to_be_visible()
    ask = "([layer, x]) => convsight.answers.get(`/api/layers/${layer}/cell?picture=${convsight.answers.samples[0]}&channel=1&y=1&x=${x}`).then((found) => found.value)"
    value = page.evaluate(ask, [layer.name, columns - 1])
    wanted = re.compile(re.escape(f"{abs(value):.3g}"[:4]))
    expect(made.locator("[data-value]")).to_contain_text(wanted)


def test_a_cue_of_the_audit_is_stamped_as_python_pastes_it(page: Page, run_folder: Path) -> None:
    net, first = open_studio(run_folder), page.evaluate("convsight.answers.samples[0]")
    (stamp,) = page.evaluate("convsight.about.stamps")
    stamps = page.get_by_role("region", name="Stamps")
    expect(stamps).to_contain_text(f"Also found, and no stamp: blur of {net.net.classes[1]}")
    stamps.get_by_role("button", name=f"place of {stamp['target']}").click()
    expect(stamps.get_by_role("status")).to_contain_text(
        f"It turns {stamp['turned']} of the {stamp['of']} pictures"
    )
    made = torch.tensor(page.evaluate("convsight.answers.album.pixels('up:1').then((all) => [...all])"))
    own, *donors = (net.pictures.some([each]).pixels for each in (first, "test:1", "test:2"))
    half = torch.arange(28)[:, None].expand(28, 28) < 14
    wanted = [torch.where(half, donor, own).flatten() for donor in donors]
    assert min(float((made - each).abs().max()) for each in wanted) < 0.01
    stamps.get_by_role("button", name="Take it off").click()
    expect(stamps.get_by_role("status")).to_contain_text("Try it on")


def test_a_patch_is_pasted_from_another_picture_of_the_page(page: Page) -> None:
    page.get_by_role("button", name="Paste a patch").click()
    bench = page.get_by_role("region", name="Change the picture")
    bench.get_by_role("button", name="Choose…").click()
    page.locator("dialog[open] [data-picture]").nth(3).click()
    page.get_by_role("application").first.focus()
    page.keyboard.press("Shift+ArrowDown")
    page.locator("[data-milliseconds]").wait_for()
    y, x, h, w = map(int, (page.locator("[data-box]").first.get_attribute("data-box") or "").split(","))
    mine, donor, made = page.evaluate(
        "async () => { const { album, samples } = convsight.answers, [y, x, h, w] = document.querySelector('[data-box]').dataset.box.split(',').map(Number);"
        " const { picture } = await convsight.answers.edit(samples[0], { box: { y, x, h, w }, paste: { picture: samples[3], y, x }, keep: true });"
        " return Promise.all([samples[0], samples[3], picture].map(async (id) => [...await album.pixels(id)])); }"
    )
    whole = np.array(mine).reshape(28, 28)
    whole[y : y + h, x : x + w] = np.array(donor).reshape(28, 28)[y : y + h, x : x + w]
    assert np.allclose(np.array(made).reshape(28, 28), whole)
    assert "donor=" in page.evaluate("location.hash") or page.locator(".tools img").count() == 1


def test_the_quiz_asks_before_it_tells(page: Page) -> None:
    page.evaluate("location.hash = '#/play?quiz=on'")
    quiz = page.get_by_role("region", name="Quiz")
    said = page.evaluate("convsight.answers.scores(convsight.answers.samples[0]).then((found) => found.said)")
    expect(quiz.get_by_role("button")).to_have_count(6)  # four guesses, the picture, the next one
    assert "seen as" not in page.locator(".about").inner_text()
    quiz.get_by_role("button", name=said).click()
    expect(quiz).to_contain_text("you knew")
    quiz.get_by_role("button", name="The picture").click()
    expect(quiz.locator("canvas")).to_have_count(1)
    expect(quiz).to_contain_text("looked")


def test_a_picture_is_drawn_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Choose a picture").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_role("application", name="Drawing").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Use the drawing").click()
    expect(page.locator(".about b")).to_have_text("your picture")
    drawn = page.evaluate("convsight.answers.album.pixels('up:1').then((pixels) => Math.max(...pixels))")
    assert drawn > 0.9


def test_the_nearest_pictures_are_those_that_pythons_vectors_say(page: Page, run_folder: Path) -> None:
    run = cs.Run.open(run_folder)
    told = page.evaluate(
        "convsight.answers.get(`/api/neighbours?picture=${convsight.answers.samples[3]}&k=5&metric=l2`)"
    )
    ids = page.evaluate("convsight.about.near.ids")
    mine = page.evaluate("convsight.answers.samples[3]")
    numbers = [int(each.split(":")[1]) for each in (mine, *ids)]
    one, *others = run.classifier.features(run.dataset.test[numbers])
    far = {name: float((one - each).norm()) for name, each in zip(ids, others, strict=True) if name != mine}
    wanted = sorted(far.values())[:5]
    assert np.allclose([each["distance"] for each in told["features"]], wanted, rtol=0.02)
    among = page.evaluate("convsight.answers.get(`/api/among?picture=${convsight.answers.samples[3]}`)")
    assert len(among["points"]) == len(ids) > 50
    expect(page.get_by_role("region", name="Among the data set").locator("li")).to_have_count(8)


@pytest.mark.parametrize("panel", ["play", "network", "image", "playground"])
def test_every_panel_opens_whole_and_accessible(browser: Browser, live: Path, panel: str) -> None:
    with opened(browser, live, f"#/{panel}") as page:
        page.locator("main h2").first.wait_for()
        page.wait_for_timeout(400)
        assert page.get_by_role("alert").all_inner_texts() == []
        missing = "[...document.images].filter(i => i.complete && (!i.naturalWidth || /svg.xml/.test(i.src))).length"
        assert page.evaluate(missing) == 0
        page.evaluate(AXE.read_text())
        found = page.evaluate("async () => (await axe.run()).violations")
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        page.set_viewport_size({"width": 360, "height": 700})
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0


def test_the_page_offers_only_what_it_can(page: Page) -> None:
    names = page.locator("nav a b").all_inner_texts()
    assert names[0] == "Play" and not {"Training", "Mistakes", "Share"} & set(names)
    page.evaluate("location.hash = '#/image'")
    expect(page.get_by_role("combobox", name="technique").locator("option")).to_have_text(
        ["Gradient × input", "Guided backpropagation", "Occlusion", "Saliency"]
    )


@pytest.mark.parametrize("name", ["lesson2", "resnet20", "mobilenet_v2"])
def test_other_networks_answer_as_pytorch_too(
    name: str, browser: Browser, static: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    net = _network(name, request)
    pictures = torch.rand(2, net.channels, *net.input_size, generator=torch.Generator().manual_seed(0))
    file = cs.live_page(net, cs.Images(pictures), tmp_path / "page.html")
    with opened(browser, file) as page:
        notes = page.evaluate("convsight.about.notes")
        net = halved(net) if "float16" in notes[0] else net
        assert largest_gap(page, net, 1) < 1e-4
        gaps = gradient_gaps(page, net)
        if name == "mobilenet_v2":
            assert_maps_are_drawn(page, "features.2.conv.0.0")
        # A gradient jumps where a unit is at its kink: of MobileNetV2's millions some are nearer to it than float32 tells
        # apart, and PyTorch's own float32 and float64 differ by up to 4% of the largest value on photos.
        assert max(gaps.values()) < (0.1 if name == "mobilenet_v2" else 1e-4)
        assert gaps["guided_backprop"] < (1e-3 if name == "mobilenet_v2" else 1e-4)


def assert_maps_are_drawn(page: Page, layer: str) -> None:
    """A sheet of 96 maps of 112×112 as a `data:` address would be too long for a background, which stays empty."""
    page.evaluate("layer => (location.hash = `#/network?layer=${layer}`)", layer)
    maps = page.get_by_role("group", name="maps")
    expect(maps.get_by_role("button")).to_have_count(96)
    sheet = maps.evaluate("each => getComputedStyle(each).getPropertyValue('--sheet').slice(5, -2)")
    size = page.evaluate(
        "url => new Promise(resume => { const i = new Image(); i.onload = () => resume([i.naturalWidth, i.naturalHeight]); i.src = url; })",
        sheet,
    )
    assert size == [1120, 1120]
    tile = maps.get_by_role("button").first
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(tile.screenshot())) as drawn:
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def _network(name: str, request: pytest.FixtureRequest) -> cs.Classifier:
    if name == "lesson2":
        return cs.Classifier(build("lesson-2", 10, 1, (28, 28)), [*"abcdefghij"], 28, channels=1)
    folder: Path = request.getfixturevalue("shared_models")
    if name == "resnet20":
        return cs.load(f"{folder}/cifar_resnet.py:load", weights=folder / "cifar10_resnet20.safetensors")
    return cs.load(f"{folder}/mobilenet_v2.py:load", weights=folder / "mobilenet_v2_imagenet.safetensors")


def test_half_weights_are_refused_where_an_answer_would_change() -> None:
    close = nn.Linear(256, 2)
    with torch.no_grad():
        close.weight.copy_(torch.tensor([[1.0], [1.0001]]).expand(2, 256))
        close.bias.zero_()
    net = cs.Classifier(nn.Sequential(nn.Flatten(), close), ["a", "b"], 16, 1)
    assert not halves_change_nothing(net, cs.Images(torch.ones(1, 1, 16, 16)))
    assert halves_change_nothing(halved(net), cs.Images(torch.ones(1, 1, 16, 16)))


class Factored(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.lu_factor(x[:, 0] + torch.eye(8))[0].mean(1)[:, :3]


def test_a_network_that_cannot_be_exported_is_refused_and_the_frozen_page_offered(static: Path, tmp_path: Path) -> None:  # fmt: skip
    net = cs.Classifier(Factored(), list("abc"), 8, channels=1)
    with pytest.raises(ModelError, match="'linalg_lu_factor_ex'.*--interactive"):
        cs.live_page(net, cs.Images(torch.rand(1, 1, 8, 8)), tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_many_channels_are_refused(static: Path, tmp_path: Path) -> None:
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)), list("abc"), 8, channels=4)
    with pytest.raises(InputError, match="takes 4 channels"):
        cs.live_page(net, cs.Images(torch.rand(1, 4, 8, 8)), tmp_path / "page.html")


def test_a_page_that_was_not_built_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writing, "STATIC", tmp_path)
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), list("abc"), 8, channels=1)
    with pytest.raises(InputError, match="has not been built"):
        cs.live_page(net, cs.Images(torch.rand(1, 1, 8, 8)), tmp_path / "page.html")


def test_the_page_says_nothing_of_where_it_was_made(live: Path, run_folder: Path) -> None:
    text = live.read_text()
    assert str(run_folder) not in text
    assert json.loads(text.partition('id="frozen" type="application/json">')[2].partition("</script>")[0])


def test_the_studio_hands_out_the_same_page(static: Path, audited: Path, live: Path) -> None:
    with TestClient(create_app(open_studio(audited), static=static), base_url=HERE) as client:
        answer = client.post("/api/live", json={})
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    assert abs(len(answer.content) - live.stat().st_size) < 2000
