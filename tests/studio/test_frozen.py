"""Does the frozen page open from disk, offline, and show what the server would have shown?"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import convsight as cs
from convsight.cli import main as cli
from convsight.errors import InputError
from convsight.imaging.hand_filters import KERNELS, kernels
from convsight.studio import freeze as freezing
from convsight.studio.freeze import freeze
from convsight.studio.presets import kernel_text, presets
from tests.studio.conftest import open_studio
from tests.studio.page_fixture import AXE, WEB

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PANELS = ("network", "image", "playground", "map", "mistakes", "training", "check", "audit", "share")


@pytest.fixture(scope="module")
def frozen(run_folder: Path, built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the tiny run, frozen as `convsight report RUN --interactive` does."""
    path = tmp_path_factory.mktemp("frozen") / "tiny.html"
    assert cli(["report", str(run_folder), "--interactive", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def inside(frozen: Path) -> dict:
    """The answers that the page carries."""
    found = re.search(r'<script id="frozen" type="application/json">(.*?)</script>', frozen.read_text(), re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def page(browser: Browser, frozen: Path) -> Iterator[Page]:
    """The file in a browser without a network; fails if anything is asked for or complained about."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, offline=True)
    requests, errors = [], []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or requests.append(r.url))
    page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(frozen.as_uri())
    yield page
    page.close()
    assert requests == [] and errors == []


def go(page: Page, place: str) -> None:
    page.evaluate("place => (location.hash = place)", f"#/{place}")
    expect(page.locator("nav a[aria-current]")).to_contain_text(place.split("?")[0], ignore_case=True)
    page.locator("main h2, main p").first.wait_for()
    page.wait_for_timeout(150)


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_opens_with_nothing_missing(page: Page, panel: str) -> None:
    go(page, panel)
    assert page.get_by_role("alert").all_inner_texts() == []
    missing = (
        "[...document.images].filter(i => i.complete && (!i.naturalWidth || /svg.xml/.test(i.src))).length"
    )
    assert page.evaluate(missing) == 0


def test_a_frozen_map_holds_the_numbers_that_python_computes(inside: dict, run_folder: Path) -> None:
    state = json.loads(inside["state"])
    made = {tuple(json.loads(r).get("pictures", [])): key for r, key, _ in state["made"] if '"saliency"' in r}
    (picture,), key = next(iter(made.items()))
    answer = json.loads(inside["responses"][f"/api/results/{key}"]["body"])
    kept = np.frombuffer(
        base64.b64decode(inside["responses"][answer["payload"]["values"]]["base64"]), dtype="<f4"
    )
    run = cs.Run.open(run_folder)
    one = run.dataset.test[int(picture.partition(":")[2])]
    assert np.allclose(kept, cs.saliency(run.classifier, one).values.numpy().ravel(), atol=1e-6)


def test_the_matrix_and_the_reasons_for_the_worst_mistake_are_inside(page: Page, inside: dict) -> None:
    told = json.loads(inside["responses"]["/api/confusion?split=test"]["body"])
    go(page, "mistakes")
    worst = page.locator("ol.worst button").first
    label, predicted = worst.locator("b").all_inner_texts()
    count = told["counts"][told["classes"].index(label)][told["classes"].index(predicted)]
    expect(worst).to_contain_text(f"{count}×")
    worst.click()
    page.get_by_role("region", name="Pictures of one cell").locator(".grid button").first.click()
    why = page.get_by_role("region", name="Why", exact=True)
    expect(why.get_by_role("heading", name=f"what speaks for {label}")).to_be_visible()
    expect(why.locator("canvas")).to_have_count(2)
    assert page.get_by_role("alert").count() == 0


def test_a_point_of_the_map_shows_its_neighbours_if_they_were_kept(page: Page, inside: dict) -> None:
    sample = json.loads(inside["responses"]["/api/session"]["body"])["samples"][0]
    go(page, f"map?point={sample}")
    near = page.get_by_role("region", name="Nearest pictures")
    expect(near.locator("li")).to_have_count(20)
    url = f"/api/neighbours?picture={quote(sample, safe='')}&k=10&metric=l2"
    first = json.loads(inside["responses"][url]["body"])["features"][0]
    expect(near.locator("li button").first).to_have_attribute("title", first["picture"])


def test_what_needs_a_server_says_so_and_how_to_get_one(page: Page) -> None:
    go(page, "share")
    expect(page.get_by_role("main")).to_contain_text("needs no server")
    expect(page.get_by_role("main")).to_contain_text("convsight studio")
    go(page, "training")
    expect(page.get_by_role("main")).to_contain_text("saved copy")
    assert page.get_by_role("button", name="Start").count() == 0
    go(page, "image?picture=test:299")
    expect(page.get_by_role("alert").first).to_contain_text("saved copy")


def test_the_playground_still_convolves_without_a_server(page: Page) -> None:
    go(page, "playground?kernel=-1 0 1; -2 0 2; -1 0 1")
    told = page.locator("[data-highest]")
    before = told.get_attribute("data-highest")
    page.get_by_role("button", name="Negate").click()
    expect(told).not_to_have_attribute("data-highest", before or "")


@pytest.mark.parametrize("panel", ["map", "share"])
def test_a_frozen_page_is_as_accessible_as_the_live_one(page: Page, panel: str) -> None:
    go(page, panel)
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


def test_it_stays_within_the_size_it_was_given(run_folder: Path, built_page: Path, tmp_path: Path) -> None:
    studio = open_studio(run_folder)
    try:
        small = freeze(studio, tmp_path / "small.html", pictures=1, largest=200_000)
    finally:
        studio.jobs.close()
    empty = (built_page / "frozen.html").stat().st_size
    assert small.stat().st_size - empty < 600_000  # base64 and the last answer that was still taken
    assert "/api/session" in small.read_text()


def test_a_page_that_was_not_built_is_refused_before_anything_is_computed(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_studio(run_folder)
    monkeypatch.setattr(freezing, "STATIC", tmp_path)
    with pytest.raises(InputError, match="has not been built"):
        freeze(studio, tmp_path / "page.html")
    studio.jobs.close()
    assert not (tmp_path / "page.html").exists()


def test_the_pages_kernels_are_those_of_python() -> None:
    assert json.loads((WEB / "src" / "gen" / "kernels.json").read_text()) == presets()
    for name, kernel in KERNELS.items():
        assert np.allclose(kernels(kernel_text(kernel))[0].weights, kernel.weights), name
