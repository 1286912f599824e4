"""Does the network panel show what the server knows: layers, maps, a cell's pixels, a channel's card?"""

import re
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.studio.page_fixture import StudioPage

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


def session(studio_page: StudioPage) -> dict:
    return studio_page.api("/api/session")


def second_convolution(studio_page: StudioPage) -> dict:
    return [layer for layer in session(studio_page)["layers"] if layer["convolution"]][1]


def maps_of(studio_page: StudioPage, layer: dict) -> dict:
    picture = session(studio_page)["samples"][0]
    return studio_page.api(f"/api/layers/{quote(layer['name'])}/maps?picture={picture}")


def shown_channels(page: Page, what: str) -> list[int]:
    names = page.get_by_role("group", name=f"{what}s").get_by_role("button").all()
    return [int(re.search(rf"{what} (\d+)", each.text_content() or "")[1]) for each in names]  # type: ignore[index]


def test_every_layer_with_weights_is_drawn_with_its_shape(studio_page: StudioPage):
    page = studio_page.open("network")
    drawn = page.get_by_role("radiogroup").get_by_role("radio")
    expect(drawn.first).to_be_visible()
    names = [each.get_attribute("aria-label") or "" for each in drawn.all()]
    for layer in session(studio_page)["layers"]:
        if layer["convolution"]:
            assert any(
                name.startswith(f"{layer['name']}, ") and " × ".join(map(str, layer["shape"])) in name
                for name in names
            )
    page.get_by_role("button", name="Every operation").click()
    expect(drawn).to_have_count(len(session(studio_page)["layers"]))


def test_pressing_a_layer_shows_its_maps_in_the_servers_order(studio_page: StudioPage):
    layer = second_convolution(studio_page)
    page = studio_page.open("network")
    page.get_by_role("radio", name=f"{layer['name']}, ").click()
    expect(page).to_have_url(re.compile(f"layer={layer['name']}"))
    expect(page.get_by_role("heading", name=layer["name"], exact=False).first).to_be_visible()
    maps = maps_of(studio_page, layer)
    expect(page.get_by_role("group", name="maps").get_by_role("button")).to_have_count(layer["shape"][0])
    assert shown_channels(page, "map") == maps["order"]
    dead = sum(channel["dead"] for channel in maps["channels"])
    assert page.locator(".map.dead").count() == dead
    page.get_by_role("button", name="by number").click()
    assert shown_channels(page, "map") == list(range(layer["shape"][0]))


def test_maps_show_the_pixels_of_the_sheet(studio_page: StudioPage):
    layer = second_convolution(studio_page)
    page = studio_page.open(f"network?layer={layer['name']}&channel=1")
    large = page.get_by_role("button", name="The map: press a cell").locator("canvas")
    size = "() => { const c = document.querySelector('button.map canvas'); return c && `${c.height},${c.width}`; }"
    page.wait_for_function(f"wanted => ({size})() === wanted", arg=f"{layer['shape'][1]},{layer['shape'][2]}")
    colours = large.evaluate(
        "c => new Set(Array.from(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer))).size"
    )
    assert colours > 5


def test_filters_are_shown_for_convolutions_only(studio_page: StudioPage):
    layer = session(studio_page)["layers"][0]
    page = studio_page.open(f"network?layer={layer['name']}")
    page.get_by_role("button", name="Filters").click()
    filters = page.get_by_role("group", name="filters").get_by_role("button")
    expect(filters).to_have_count(layer["shape"][0])
    other = next(each for each in session(studio_page)["layers"] if each["maps"] and not each["convolution"])
    studio_page.open(f"network?layer={other['name']}&ops=all")
    expect(page.get_by_role("button", name="Filters")).to_be_disabled()


def test_pressing_a_cell_marks_what_it_sees_and_what_drives_it(studio_page: StudioPage):
    layer = second_convolution(studio_page)
    page = studio_page.open(f"network?layer={layer['name']}")
    page.get_by_role("group", name="maps").get_by_role("button").first.click()
    large = page.get_by_role("button", name="The map: press a cell")
    box = large.bounding_box()
    assert box
    _, h, w = layer["shape"]
    y, x = h // 3, w // 2
    large.click(position={"x": (x + 0.5) / w * box["width"], "y": (y + 0.5) / h * box["height"]})
    expect(page).to_have_url(re.compile(rf"&x={x}&y={y}$"))
    sees = studio_page.api(f"/api/layers/{quote(layer['name'])}/receptive?y={y}&x={x}")
    expect(page.locator("[data-box]")).to_have_attribute(
        "data-box", f"{sees['y0']},{sees['x0']},{sees['y1']},{sees['x1']}"
    )
    expect(page.get_by_role("region", name="Guided backpropagation")).to_be_visible(timeout=20_000)
    large.press("ArrowRight")
    expect(page).to_have_url(re.compile(rf"&x={x + 1}&y={y}$"))


def test_a_channels_card_arrives_with_its_pictures(studio_page: StudioPage):
    layer = second_convolution(studio_page)
    page = studio_page.open(f"network?layer={layer['name']}&channel=2")
    page.get_by_role("button", name="Make this channel's card").click()
    card = page.get_by_role("region", name="One channel").locator("section.result").first
    expect(card).to_be_visible(timeout=60_000)
    assert card.locator("img").count() > 1
    expect(page.get_by_role("link", name="PNG").first).to_have_attribute("href", re.compile("^/api/results/"))
    card.locator("img").first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('section.result img').naturalWidth > 0")


def test_arrow_keys_go_from_layer_to_layer_and_the_back_button_returns(studio_page: StudioPage):
    convolution = second_convolution(studio_page)["name"]
    page = studio_page.open(f"network?layer={convolution}")
    page.get_by_role("radio", name=f"{convolution}, ").focus()
    page.keyboard.press("ArrowLeft")
    before = page.locator("[role=radio][aria-checked=true]").get_attribute("aria-label")
    assert before and not before.startswith(f"{convolution}, ")
    page.go_back()
    expect(page.get_by_role("radio", name=f"{convolution}, ")).to_have_attribute("aria-checked", "true")


def test_another_picture_changes_the_maps(studio_page: StudioPage):
    samples = session(studio_page)["samples"]
    page = studio_page.open("network")
    sheet = "() => getComputedStyle(document.querySelector('.maps')).getPropertyValue('--sheet')"
    page.get_by_role("group", name="maps").wait_for()
    before = page.evaluate(sheet)
    page.get_by_role("button", name=f"Picture {samples[1]}", exact=True).click()
    expect(page).to_have_url(re.compile(re.escape(f"picture={samples[1]}")))
    page.wait_for_function(f"before => ({sheet})() !== before", arg=before)
    assert samples[1] in page.evaluate(sheet)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    studio_page: StudioPage, width: int, theme: Literal["light", "dark"]
):
    studio_page.page.set_viewport_size({"width": width, "height": 800})
    studio_page.page.emulate_media(color_scheme=theme)
    page = studio_page.open("network?channel=1&y=2&x=2")
    expect(page.get_by_role("region", name="Guided backpropagation")).to_be_visible(timeout=20_000)
    assert studio_page.serious() == []
    assert studio_page.too_wide() <= 0
