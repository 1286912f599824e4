"""Does the audit panel find a planted shortcut and show it, and say why some pictures cannot be audited?"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from convsight.studio.session import Studio
from tests.shortcuts.known_nets import Corner, cornered, glyph, marked, net_with
from tests.studio.page_fixture import StudioPage, serving

SOON = 60_000  # ms: an audit of ten classes on a busy machine


def opened(browser: Browser, studio: Studio, static: Path) -> Iterator[StudioPage]:
    with serving(studio, static) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        found = StudioPage(page, url)
        yield found
        page.close()
        assert found.errors == []


@pytest.fixture
def leaning(browser: Browser, built_page: Path) -> Iterator[StudioPage]:
    """A network that takes whatever has a glyph in its corner for a sandal, as nine tenths of sandals have."""
    yield from opened(browser, Studio(net_with(Corner(glyph())), marked(cornered)), built_page)


@pytest.fixture
def few(browser: Browser, built_page: Path) -> Iterator[StudioPage]:
    data = marked(cornered)
    small = data.test.take(range(15))
    empty = small.take([])
    yield from opened(
        browser, Studio(net_with(None), type(data)("album", data.classes, empty, empty, small)), built_page
    )


def test_an_audit_finds_the_planted_corner_and_shows_it(leaning: StudioPage) -> None:
    page = leaning.open("audit")
    page.get_by_role("button", name="Run the audit").click()
    expect(page.get_by_role("progressbar").first).to_be_visible()
    expect(page.get_by_role("heading", name="One shortcut found")).to_be_visible(timeout=SOON)
    first = page.get_by_role("list", name="Verdicts").get_by_role("button").first
    expect(first).to_contain_text("Found: Sandal")
    told = leaning.api("/api/audit")["verdicts"][0]["payload"]
    assert told["found"] and told["target"] == "Sandal" and told["flip_rate"] > 0.5
    expect(page.get_by_text("Sandal leans on the top-right corner.").first).to_be_visible()
    expect(page.get_by_text(f"{100 * told['flip_rate']:.1f}%").first).to_be_visible()
    region, before = (
        page.get_by_alt_text("Where the cue is"),
        page.get_by_alt_text("Pictures before and after"),
    )
    for picture in (region, before):
        expect(picture).to_be_visible()
        page.wait_for_function("i => i.naturalWidth > 1", arg=picture.element_handle())
    assert leaning.serious() == []


def test_too_few_pictures_are_said_with_what_would_work(few: StudioPage) -> None:
    page = few.open("audit")
    main = page.get_by_role("main")
    expect(main).to_contain_text("album has 15 pictures")
    expect(main).to_contain_text("at least 12 pictures each")
    expect(page.get_by_role("button", name="Run the audit")).to_have_count(0)
