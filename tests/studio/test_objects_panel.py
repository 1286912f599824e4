"""Can the object be shown in the audit panel with a mouse, a finger and keys, undone, and used by the next audit?"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from convsight.shortcuts.told_masks import told
from convsight.studio.objects import folder_of
from convsight.studio.session import Studio
from tests.shortcuts.known_scenes import looking, scenes
from tests.studio.page_fixture import StudioPage, serving

SOON = 60_000  # ms: an audit on a busy machine
SHOWN_ONE = "You showed where the object is in 1 picture: ball 1."


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(looking(weight=60.0), scenes(), runs=tmp_path / "runs")


@pytest.fixture(
    params=[(1280, 900, False), (800, 900, False), (360, 740, True)], ids=["wide", "middle", "phone"]
)
def opened(request, browser: Browser, built_page: Path, studio: Studio) -> Iterator[StudioPage]:
    """The audit panel with the place for objects unfolded; the phone is dark and has touch."""
    width, height, phone = request.param
    with serving(studio, built_page) as url:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=phone,
            color_scheme="dark" if phone else "light",
        )
        page = StudioPage(context.new_page(), url)
        page.open("audit")
        page.page.get_by_role("heading", name="Where is the object?").click()
        expect(page.page.get_by_role("application")).to_be_visible(timeout=SOON)
        yield page
        context.close()
        assert page.errors == []


def kept(studio: Studio, page: Page) -> torch.Tensor | None:
    """The mask of the picture that is open, as it is on the disk."""
    pressed = page.get_by_role("group", name="Pictures of ball").locator("[aria-pressed=true]")
    name = (pressed.get_attribute("aria-label") or "").removeprefix("Picture ").partition(",")[0]
    return told(folder_of(studio), name, (32, 32))


def at(page: Page, y: float, x: float) -> tuple[float, float]:
    """Where a share of the picture's height and width is on the screen."""
    stage = page.get_by_role("application")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_a_click_takes_a_piece_in_undo_takes_it_out_and_both_are_kept(
    opened: StudioPage, studio: Studio
) -> None:
    page = opened.page
    assert kept(studio, page) is None
    touch = page.evaluate("navigator.maxTouchPoints") > 0
    (page.touchscreen.tap if touch else page.mouse.click)(*at(page, 0.03, 0.03))
    expect(page.get_by_text(SHOWN_ONE)).to_be_visible()
    mask = kept(studio, page)
    assert mask is not None and bool(mask[0, 0])
    expect(page.get_by_role("button", name="Audit with these")).to_be_enabled()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("You showed nothing yet")).to_be_visible()
    assert kept(studio, page) is None
    assert opened.serious() == []
    assert opened.too_wide() <= 0


def test_keys_and_brushes_draw_and_as_found_takes_it_all_back(opened: StudioPage, studio: Studio) -> None:
    page = opened.page
    page.get_by_role("button", name="Draw").click()
    page.mouse.move(*at(page, 0.1, 0.1))
    page.mouse.down()
    page.mouse.move(*at(page, 0.1, 0.9), steps=8)
    page.mouse.up()
    expect(page.get_by_text(SHOWN_ONE)).to_be_visible()
    mask = kept(studio, page)
    assert mask is not None and bool(mask[3, 4:28].all()) and not bool(mask[31].any())
    page.get_by_role("button", name="Pieces").click()
    stage = page.get_by_role("application")
    stage.focus()
    for key in ("Shift+ArrowDown",) * 3 + ("ArrowDown",) * 3 + ("Space",):
        stage.press(key)
    expect(stage.get_by_role("status")).to_have_text("This is the object")
    page.wait_for_timeout(300)
    mask = kept(studio, page)
    assert mask is not None and bool(mask[30].any())
    page.get_by_role("button", name="As found", exact=True).click()
    expect(page.get_by_text("You showed nothing yet")).to_be_visible()
    assert kept(studio, page) is None
    page.get_by_role("button", name="It is right").click()
    expect(page.get_by_text(SHOWN_ONE)).to_be_visible()


def test_the_next_audit_uses_what_was_shown_and_says_so(opened: StudioPage) -> None:
    page = opened.page
    page.get_by_role("button", name="It is right").click()
    expect(page.get_by_text(SHOWN_ONE)).to_be_visible()
    page.get_by_role("button", name="Next picture").click()
    expect(page.get_by_role("button", name="It is right")).to_be_enabled()
    page.get_by_role("button", name="It is right").click()
    expect(page.get_by_text("in 2 pictures: ball 2.")).to_be_visible()
    expect(page.get_by_role("button", name="Run the audit with the 2 objects you showed")).to_be_visible()
    page.get_by_role("button", name="Audit with these").click()
    expect(page.get_by_text("(2 where you showed it)")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Audit again with these")).to_be_enabled()
