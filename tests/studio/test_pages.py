"""Do playground, map, mistakes, training, audit and share show what the server and Python know?"""

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import convsight as cs
from convsight.imaging.hand_filters import kernels
from convsight.methods.convolve import feature_map
from tests.studio.page_fixture import StudioPage

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


def sample(studio_page: StudioPage) -> str:
    return studio_page.api("/api/session")["samples"][0]


def map_drawn(page: Page) -> None:
    page.locator("canvas[data-painted]").wait_for(timeout=60_000)


# ---- playground ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stride", "padding"),
    [("-1 0 1; -2 0 2; -1 0 1", 1, 0), ("0.1 0.2; 0.3 0.4", 2, 3)],
)
def test_the_live_map_has_the_numbers_of_python(
    studio_page: StudioPage, run_folder: Path, text: str, stride: int, padding: int
) -> None:
    picture = sample(studio_page)
    page = studio_page.open(f"playground?kernel={text}&stride={stride}&padding={padding}")
    shown = page.locator("[data-highest]")
    shown.wait_for()
    pixels = cs.Run.open(run_folder).dataset.test[int(picture.partition(":")[2])].pixels
    values = feature_map(pixels, kernels(text)[0], stride, padding)[0]
    assert float(shown.get_attribute("data-highest") or 0) == pytest.approx(float(values.max()), abs=1e-4)
    assert float(shown.get_attribute("data-lowest") or 0) == pytest.approx(float(values.min()), abs=1e-4)
    assert shown.get_attribute("data-shape") == "x".join(map(str, values.shape))


def test_a_kernel_is_typed_cell_by_cell_or_painted(studio_page: StudioPage) -> None:
    page = studio_page.open("playground?kernel=0 0; 0 0")
    cell = page.get_by_label("row 1, column 2")
    cell.fill("2.5")
    cell.press("Enter")
    text = page.get_by_label("as text", exact=False)
    expect(text).to_have_value("0 2.5; 0 0")
    page.get_by_role("button", name="Paint -1").click()
    page.get_by_label("row 2, column 1").click()
    expect(text).to_have_value("0 2.5; -1 0")
    page.get_by_role("button", name="Turn").click()
    expect(text).to_have_value("-1 0; 0 2.5")
    expect(page).to_have_url(re.compile(r"kernel=-1%200%3B%200%202\.5"))


def test_a_kernel_that_is_none_is_said_in_words_and_the_last_one_stays(studio_page: StudioPage) -> None:
    page = studio_page.open("playground?kernel=1 0; 0 -1")
    page.get_by_label("as text", exact=False).fill("1 0; 0 x")
    expect(page.get_by_role("alert")).to_contain_text("“x”".replace("“", '"').replace("”", '"'))
    expect(page.get_by_label("row 2, column 2")).to_have_value("-1")


def test_demonstrations_follow_their_knobs(studio_page: StudioPage) -> None:
    page = studio_page.open("playground?try=softmax")
    figure = page.get_by_role("region", name="What it does")
    expect(figure.locator("img").first).to_be_visible(timeout=30_000)
    before = figure.locator("img").first.get_attribute("src")
    page.get_by_label("logits").fill("3 3")
    page.get_by_label("logits").press("Enter")
    expect(figure.locator("img").first).not_to_have_attribute("src", before or "", timeout=30_000)
    assert page.get_by_role("alert").count() == 0


# ---- map -----------------------------------------------------------------------------------------------------


def points(studio_page: StudioPage) -> dict:
    started = studio_page.api("/api/results", {"method": "pca"})
    return studio_page.api(f"/api/results/{started['key']}")["payload"]


def test_the_map_shows_every_test_picture_and_its_classes(studio_page: StudioPage) -> None:
    page = studio_page.open("map")
    map_drawn(page)
    payload = points(studio_page)
    assert page.locator("canvas").get_attribute("data-painted") == str(payload["n"])
    legend = page.get_by_role("list", name="Colours").get_by_role("button").all_inner_texts()
    counts = np.bincount(payload["labels"], minlength=len(payload["classes"]))
    wanted = [f"{name} {n}" for name, n in zip(payload["classes"], counts, strict=True)]
    assert [re.sub(r"\s+", " ", each) for each in legend] == wanted


def test_a_lasso_around_everything_counts_everything(studio_page: StudioPage) -> None:
    page = studio_page.open("map?by=error")
    map_drawn(page)
    payload = points(studio_page)
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".touch").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 60)
    page.mouse.down()
    for x, y in ((1, 0), (1, 1), (0, 1)):
        page.mouse.move(
            box["x"] + 3 + x * (box["width"] - 6), box["y"] + 60 + y * (box["height"] - 63), steps=4
        )
    page.mouse.up()
    chosen = page.get_by_role("region", name="Chosen pictures")
    expect(chosen.get_by_role("heading")).to_contain_text(f"{payload['n']} pictures")
    right = sum(payload["right"])
    shown = {line.split("\n")[0]: line for line in chosen.locator(".bars li").all_inner_texts()}
    assert str(right) in shown["right"].split() if right else "right" not in shown
    assert str(payload["n"] - right) in shown["wrong"].split()


def test_the_keyboard_walks_from_picture_to_picture(studio_page: StudioPage) -> None:
    page = studio_page.open("map")
    map_drawn(page)
    payload = points(studio_page)
    page.locator(".touch").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    second = payload["ids"][1]
    expect(page).to_have_url(re.compile(f"picture={second}.*point={second}"))
    near = page.get_by_role("region", name="Nearest pictures")
    expect(near.locator("li")).to_have_count(20, timeout=30_000)
    told = studio_page.api(f"/api/neighbours?picture={second}&k=10&metric=l2")
    titles = [each.get_attribute("title") for each in near.locator("li button").all()]
    assert titles == [item["picture"] for item in [*told["features"], *told["pixels"]]]


def test_a_class_is_found_by_part_of_its_name(studio_page: StudioPage) -> None:
    page = studio_page.open("map")
    map_drawn(page)
    payload = points(studio_page)
    page.get_by_label("find an id or a class").fill("boot")
    page.get_by_role("button", name="Find", exact=True).click()
    boots = payload["labels"].count(payload["classes"].index("Ankle boot"))
    heading = page.get_by_role("region", name="Chosen pictures").get_by_role("heading")
    expect(heading).to_contain_text(f"{boots} pictures")
    page.get_by_label("find an id or a class").fill("teapot")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("Nothing is called “teapot”")


def test_the_layer_slider_asks_for_the_map_of_that_layer(studio_page: StudioPage) -> None:
    page = studio_page.open("map")
    map_drawn(page)
    slider = page.get_by_role("slider", name=re.compile("layer"))
    slider.focus()
    with page.expect_request("**/api/results") as asked:
        slider.press("Home")
    first = next(x for x in studio_page.api("/api/session")["layers"] if x["maps"])["name"]
    assert json.loads(asked.value.post_data or "{}") == {"method": "pca", "knobs": {"layer": first}}
    expect(page).to_have_url(re.compile(f"vector={re.escape(first)}"))
    expect(page.get_by_role("main")).to_contain_text(f"features of '{first}'", timeout=60_000)


# ---- mistakes ------------------------------------------------------------------------------------------------


def worst_cell(studio_page: StudioPage, page: Page) -> tuple[dict, int, int]:
    expect(page.get_by_role("table")).to_be_visible(timeout=30_000)
    told = studio_page.api("/api/confusion?split=test")
    counts = np.array(told["counts"])
    np.fill_diagonal(counts, 0)
    label, predicted = np.unravel_index(counts.argmax(), counts.shape)
    return told, int(label), int(predicted)


def test_the_matrix_is_the_servers(studio_page: StudioPage) -> None:
    page = studio_page.open("mistakes")
    told, _, _ = worst_cell(studio_page, page)
    cells = [int(text or 0) for text in page.locator("tbody button").all_inner_texts()]
    assert cells == [n for row in told["counts"] for n in row]
    expect(page.get_by_role("main")).to_contain_text(f"{100 * told['accuracy']:.2f}% right")


def test_a_cell_opens_its_pictures_and_a_picture_its_reasons(studio_page: StudioPage) -> None:
    page = studio_page.open("mistakes")
    told, label, predicted = worst_cell(studio_page, page)
    is_, as_ = told["classes"][label], told["classes"][predicted]
    page.locator("tbody tr").nth(label).locator("button").nth(predicted).click()
    gallery = page.get_by_role("region", name="Pictures of one cell")
    n = told["counts"][label][predicted]
    expect(gallery.locator(".grid button")).to_have_count(min(n, 24))
    first = gallery.locator(".grid button").first
    name = first.get_attribute("title")
    item = studio_page.api(f"/api/pictures/{name}")
    assert (item["label"], item["predicted"]) == (is_, as_)
    page_of = studio_page.api("/api/pictures?limit=500&" + urlencode({"label": is_, "predicted": as_}))
    assert item["loss"] == max(each["loss"] for each in page_of["items"])
    first.click()
    why = page.get_by_role("region", name="Why", exact=True)
    for target in (is_, as_):
        expect(why.get_by_role("heading", name=f"what speaks for {target}")).to_be_visible()
    expect(why.locator("canvas")).to_have_count(2, timeout=30_000)
    expect(page).to_have_url(re.compile(f"wrong={name}"))
    page.reload()
    expect(why.locator("canvas")).to_have_count(2, timeout=30_000)


def test_arrow_keys_walk_the_matrix(studio_page: StudioPage) -> None:
    page = studio_page.open("mistakes")
    told, _, _ = worst_cell(studio_page, page)
    diagonal = next(k for k, row in enumerate(told["counts"]) if row[k])
    cell = page.locator("tbody tr").nth(diagonal).locator("button").nth(diagonal)
    cell.focus()
    cell.press("Enter")
    expect(
        page.get_by_role("heading", name=f"{told['classes'][diagonal]} seen as what it is")
    ).to_be_visible()


# ---- training ------------------------------------------------------------------------------------------------


def test_the_log_of_the_run_is_drawn(studio_page: StudioPage, run_folder: Path) -> None:
    page = studio_page.open("training")
    run = cs.Run.open(run_folder)
    expect(page.locator("[data-epochs]")).to_have_attribute("data-epochs", str(len(run.log)))
    expect(page.get_by_role("main")).to_contain_text(f"{100 * run.metrics['test']['accuracy']:.2f}% right")
    assert page.get_by_role("img", name=re.compile("^Loss")).count() == 1


def test_a_training_is_started_watched_and_compared(studio_page: StudioPage) -> None:
    page = studio_page.open("training")
    page.get_by_label("epochs").fill("2")
    page.get_by_label("at most pictures").fill("120")
    page.get_by_label("name", exact=True).fill("second")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("progressbar", name="Training")).to_be_visible()
    expect(page.get_by_label("Compare second")).to_be_enabled(timeout=90_000)
    expect(page.locator("[data-epochs]")).to_have_attribute("data-epochs", "2")
    runs = {run["name"]: run for run in studio_page.api("/api/runs")}
    assert runs["second"]["finished"] and len(runs["second"]["log"]) == 2
    page.get_by_label("Compare second").check()
    page.get_by_label("Compare tiny").check()
    table = page.get_by_role("region", name="Comparison").get_by_role("table")
    expect(table).to_contain_text("second")
    expect(table).to_contain_text("tiny")


def test_a_training_is_stopped_saved_and_resumed(studio_page: StudioPage) -> None:
    page = studio_page.open("training")
    page.get_by_label("epochs").fill("1000")
    page.get_by_label("at most pictures").fill("200")
    page.get_by_label("name", exact=True).fill("long")
    page.get_by_role("button", name="Start").click()
    training = page.get_by_label("The training")
    expect(training).to_contain_text("left", timeout=90_000)  # steps are told: there is something to save
    page.get_by_role("button", name="Stop and save").click()
    resume = page.get_by_role("button", name="Resume long")
    expect(resume).to_be_visible(timeout=60_000)
    before = next(run for run in studio_page.api("/api/runs") if run["name"] == "long")
    assert 0 < len(before["log"]) < 1000 and not before["finished"]
    resume.click()
    expect(training).to_contain_text("left", timeout=90_000)
    page.get_by_role("button", name="Stop and save").click()
    expect(resume).to_be_visible(timeout=90_000)


def test_a_name_that_is_taken_is_refused_in_words(studio_page: StudioPage) -> None:
    page = studio_page.open("training")
    page.get_by_label("name", exact=True).fill("tiny")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("there is a run 'tiny' already")
    studio_page.errors.clear()  # the browser notes the 400 itself


# ---- audit and share -----------------------------------------------------------------------------------------


def test_the_audit_says_that_none_was_made_and_how_to_make_one(studio_page: StudioPage) -> None:
    page = studio_page.open("audit")
    expect(page.get_by_role("heading", name="Not audited yet")).to_be_visible()
    expect(page.get_by_role("button", name="Run the audit")).to_be_enabled()


def test_what_was_seen_is_shared_with_its_files_its_python_and_its_link(
    browser: Browser, studio_url: str, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=studio_url)
    opened = StudioPage(context.new_page(), studio_url)
    page = opened.open("map")
    map_drawn(page)
    page.get_by_role("link", name="Share").click()
    item = page.get_by_role("article").first
    expect(item).to_contain_text("cs.pca(")
    item.get_by_role("button", name="Copy Python").click()
    assert "result = cs.pca(" in page.evaluate("navigator.clipboard.readText()")
    item.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{studio_url}/#/map"
    with page.expect_download() as got:
        item.get_by_role("link", name="NPZ").click()
    arrays = np.load(got.value.path())
    assert arrays["xy"].shape == (points(opened)["n"], 2)
    assert json.loads(str(arrays["provenance"]))["method"] == "pca"
    with page.expect_download() as got:
        page.get_by_role("button", name="Export the report").click()
    saved = tmp_path / "export.html"
    got.value.save_as(saved)
    other = context.new_page()
    context.set_offline(True)
    asked: list[str] = []
    other.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or asked.append(r.url))
    other.goto(f"{saved.as_uri()}#/map")
    map_drawn(other)
    assert other.get_by_role("alert").count() == 0 and asked == [] and opened.errors == []
    context.close()


# ---- every panel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", ["playground", "map", "mistakes", "training", "check", "audit", "share"])
def test_a_panel_is_accessible_and_fits(studio_page: StudioPage, panel: str) -> None:
    page = studio_page.open(panel)
    if panel == "map":
        map_drawn(page)
    page.wait_for_timeout(300)
    assert studio_page.serious() == []
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        for width in (360, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert studio_page.too_wide() <= 0, (theme, width)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(500)  # colours fade over
    assert studio_page.serious() == []
