"""Does the image panel's every number come from the network: scores, hidden patches, overlays, trust?"""

import base64
import json
import re
from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.studio.page_fixture import StudioPage

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
SOON = 20_000


def sample(studio_page: StudioPage, i: int = 0) -> str:
    return studio_page.api("/api/session")["samples"][i]


def shares(scores: list[dict]) -> dict[str, str]:
    return {each["name"]: f"{100 * each['probability']:.1f}%" for each in scores}


def shown(page: Page) -> dict[str, str]:
    rows = page.locator("ul[aria-label=Scores] li").all()
    return {
        (row.locator(".name").text_content() or "").strip(): row.locator(".value").text_content() or ""
        for row in rows
    }


def stage(page: Page) -> Locator:
    return page.get_by_role("application").first


def drag(page: Page, *places: tuple[float, float]) -> None:
    """Press at the first place of the picture (in shares of its sides), move over the others, let go."""
    box = stage(page).bounding_box()
    assert box
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for y, x in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def at_box(*box: int) -> str:
    """How an address says where the patch lies; it is written when a drag rests, so wait for it."""
    return "box=" + "(,|%2C)".join(map(str, box))


def settled(page: Page, wanted: dict[str, str]) -> None:
    for name, value in wanted.items():
        row = page.locator("ul[aria-label=Scores] li").filter(has=page.get_by_text(name, exact=True))
        expect(row.locator(".value")).to_have_text(value)


def test_the_bars_are_the_networks_scores(studio_page: StudioPage):
    page = studio_page.open("image")
    scores = studio_page.api(f"/api/pictures/{sample(studio_page)}/scores")["scores"]
    expect(page.locator("ul[aria-label=Scores] .value").first).to_have_text(re.compile("%"))
    assert shown(page) == shares(scores)


def test_dragging_a_patch_moves_the_scores_with_one_request_at_a_time(studio_page: StudioPage):
    page, flying, most = studio_page.open("image?size=9"), [0], [0]

    def sent(request):
        if request.url.endswith("/edit"):
            flying[0] += 1
            most[0] = max(most[0], flying[0])

    def answered(request):
        flying[0] -= request.url.endswith("/edit")

    page.on("request", sent)
    page.on("requestfinished", answered)
    drag(page, (0.2, 0.2), (0.5, 0.5), (0.8, 0.4), (0.55, 0.5))
    y, x, h, w = map(int, (page.locator("[data-box]").get_attribute("data-box") or "").split(","))
    assert (h, w) == (9, 9) and abs(y + 4.5 - 0.55 * 28) <= 1 and abs(x + 4.5 - 0.5 * 28) <= 1
    body = {"box": {"y": y, "x": x, "h": h, "w": w}, "fill": "mean"}
    edited = studio_page.api(f"/api/pictures/{sample(studio_page)}/edit", body)
    settled(page, shares(edited["scores"]))
    assert most[0] == 1
    expect(page).to_have_url(re.compile(at_box(y, x, 9, 9)))
    first = edited["clean"][0]
    after = next(each for each in edited["scores"] if each["index"] == first["index"])
    change = 100 * (after["probability"] - first["probability"])
    told = page.locator("ul[aria-label=Scores] li").first.locator(".delta").text_content() or ""
    assert told == ("" if abs(change) < 0.05 else f"{'+' if change > 0 else '−'}{abs(change):.1f}")


def test_the_patch_moves_by_keyboard_and_a_link_brings_it_back(studio_page: StudioPage):
    page = studio_page.open("image?box=4,4,7,7")
    stage(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[data-box]")).to_have_attribute("data-box", "5,12,7,7")
    expect(page).to_have_url(re.compile(at_box(5, 12, 7, 7)))
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("[data-box]")).to_have_attribute("data-box", "5,12,7,7")
    page.get_by_role("button", name="Clear").click()
    clean = studio_page.api(f"/api/pictures/{sample(studio_page)}/scores")["scores"]
    settled(page, shares(clean))


def test_what_is_painted_over_is_hidden(studio_page: StudioPage):
    page = studio_page.open("image?tool=paint&brush=28&fill=black")
    drag(page, (0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.1, 0.9), (0.5, 0.1), (0.9, 0.1))
    mask = Image.new("L", (28, 28), 255)
    png = BytesIO()
    mask.save(png, "PNG")
    body = {"mask": base64.b64encode(png.getvalue()).decode(), "fill": "black"}
    black = studio_page.api(f"/api/pictures/{sample(studio_page)}/edit", body)["scores"]
    settled(page, shares(black))


def test_a_patch_of_another_picture_is_pasted(studio_page: StudioPage):
    donor = sample(studio_page, 5)
    page = studio_page.open(f"image?tool=paste&donor={donor}&box=0,0,28,28")
    settled(page, shares(studio_page.api(f"/api/pictures/{donor}/scores")["scores"]))
    page.get_by_role("button", name="Keep as a new picture").click()
    expect(page).to_have_url(re.compile("picture=up:[0-9a-f]{16}"))
    kept = re.search("picture=(up:[0-9a-f]+)", page.url)
    assert kept
    settled(page, shares(studio_page.api(f"/api/pictures/{kept[1]}/scores")["scores"]))


def test_an_overlay_is_read_pixel_by_pixel_under_its_legend(studio_page: StudioPage):
    page = studio_page.open("image?method=gradient_x_input")
    overlay = page.locator(".overlay")
    expect(overlay.locator("canvas")).to_be_visible(timeout=SOON)
    asked = {"method": "gradient_x_input", "pictures": [sample(studio_page)], "knobs": {}}
    started = studio_page.api("/api/results", asked)
    result = studio_page.api(f"/api/results/{started['key']}")
    payload = result["payload"]
    values = np.frombuffer(studio_page.api(payload["values"]), "<f4").reshape(payload["h"], payload["w"])
    y, x = np.unravel_index(np.abs(values).argmax(), values.shape)
    box = overlay.bounding_box()
    assert box
    overlay.hover(
        position={"x": (x + 0.5) / 28 * box["width"], "y": (y + 0.5) / 28 * box["height"]}, force=True
    )
    told = page.locator(".told").first
    expect(told).to_contain_text(f"at row {y}, column {x}")
    number = float((told.text_content() or "").split()[0].replace("−", "-"))
    assert number == pytest.approx(float(values[y, x]), rel=0.01)
    legend = page.locator(".legend").first.get_attribute("aria-label") or ""
    low, high = re.findall(r"[−\d.]+", legend)[:2]
    assert float(high) == pytest.approx(payload["limit"][0], rel=0.01)
    assert low == f"−{high}"


def test_the_opacity_slider_thins_the_map(studio_page: StudioPage):
    page = studio_page.open("image?method=saliency")
    canvas = page.locator(".overlay canvas")
    expect(canvas).to_have_css("opacity", "0.75", timeout=SOON)
    page.get_by_role("slider", name="Opacity of the map").fill("0.3")
    expect(canvas).to_have_css("opacity", "0.3")
    expect(page).to_have_url(re.compile("opacity=0.3"))


def test_knobs_come_from_the_catalogue_and_change_the_result(studio_page: StudioPage):
    page = studio_page.open("image?method=smoothgrad")
    expect(page.locator(".overlay canvas")).to_be_visible(timeout=SOON)
    smoothgrad = next(m for m in studio_page.api("/api/session")["methods"] if m["name"] == "smoothgrad")
    page.get_by_text(f"{len(smoothgrad['knobs'])} knobs").click()
    for each in smoothgrad["knobs"]:
        expect(page.get_by_label(each["name"].replace("_", " "), exact=True)).to_be_visible()
    with page.expect_request(lambda r: r.url.endswith("/api/results") and r.method == "POST") as sent:
        page.get_by_label("samples", exact=True).fill("4")
        page.get_by_label("samples", exact=True).press("Tab")
    assert json.loads(sent.value.post_data or "")["knobs"] == {"samples": 4}
    expect(page).to_have_url(re.compile("k.samples=4"))


def test_occlusion_arrives_and_its_target_follows_the_bars(studio_page: StudioPage):
    page = studio_page.open("image?method=occlusion")
    expect(page.locator(".overlay canvas").first).to_be_visible(timeout=SOON)
    second = page.locator("ul[aria-label=Scores] li .name").nth(1)
    name = (second.text_content() or "").strip()
    second.click()
    expect(page.locator("section.result").first).to_contain_text(name, timeout=SOON)


def test_two_techniques_and_two_pictures_stand_side_by_side(studio_page: StudioPage):
    other = sample(studio_page, 3)
    page = studio_page.open("image?method=saliency&method2=gradient_x_input&compare=techniques")
    expect(page.locator(".overlay canvas")).to_have_count(2, timeout=SOON)
    expect(page.locator("section.result")).to_have_count(2)
    page.get_by_role("button", name="Two pictures").click()
    page.get_by_role("button", name="Choose…", exact=True).last.click()
    page.get_by_role("dialog").locator(f"button[data-picture='{other}']").click()
    expect(page).to_have_url(re.compile(f"other={other}"))
    expect(page.locator(".overlay img")).to_have_count(2, timeout=SOON)
    left, right = page.locator(".overlay").all()
    a, b = left.bounding_box(), right.bounding_box()
    assert a and b and a["y"] == pytest.approx(b["y"], abs=160) and a["x"] + a["width"] <= b["x"]


def test_a_file_becomes_the_picture(studio_page: StudioPage):
    page = studio_page.open("image")
    png = BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(png, "PNG")
    page.get_by_role("button", name="Choose a picture…").click()
    page.get_by_label("Picture file").first.set_input_files(
        {"name": "grey.png", "mimeType": "image/png", "buffer": png.getvalue()}
    )
    expect(page).to_have_url(re.compile("picture=up:"))
    expect(page.locator(".strip .about")).to_contain_text("your picture")


def test_a_dropped_file_becomes_the_picture_and_words_do_not(studio_page: StudioPage):
    page = studio_page.open("image")
    drop = """async (type) => {
      const canvas = Object.assign(document.createElement('canvas'), {width: 30, height: 30});
      canvas.getContext('2d').fillRect(3, 3, 20, 20);
      const blob = await new Promise(done => canvas.toBlob(done));
      const data = new DataTransfer();
      data.items.add(new File([blob], 'dropped', {type}));
      document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, "text/plain")
    page.evaluate(drop, "image/png")
    expect(page).to_have_url(re.compile("picture=up:"))


def test_trust_lights_stand_beside_the_map(studio_page: StudioPage):
    page = studio_page.open("image?method=saliency")
    page.get_by_role("button", name="How far can I trust this map?").click(timeout=SOON)
    lights = page.locator(".trust li")
    expect(lights.first).to_be_visible(timeout=60_000)
    answers = [(each.locator(".answer").text_content() or "") for each in lights.all()]
    assert len(answers) >= 3 and set(answers) <= {"yes", "no", "can't tell"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    studio_page: StudioPage, width: int, theme: Literal["light", "dark"]
):
    studio_page.page.set_viewport_size({"width": width, "height": 800})
    studio_page.page.emulate_media(color_scheme=theme)
    page = studio_page.open("image?method=smoothgrad&box=4,4,9,9&compare=techniques")
    expect(page.locator(".overlay canvas").nth(1)).to_be_visible(timeout=SOON)
    page.get_by_text(" knobs").first.click()
    assert studio_page.serious() == []
    assert studio_page.too_wide() <= 0
    page.get_by_role("button", name="Choose", exact=False).first.click()
    page.get_by_role("dialog").locator(".grid button").first.wait_for()
    assert studio_page.serious() == []
