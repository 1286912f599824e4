"""Do pictures come in from the clipboard and from a webcam as they do from a file?"""

import re

import pytest
from playwright.sync_api import expect

from tests.studio.page_fixture import StudioPage

COPY = """async () => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 40, height: 40});
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#c33'; pen.fillRect(0, 0, 40, 40); pen.clearRect(10, 10, 9, 9);
  const blob = await new Promise((done) => canvas.toBlob(done));
  await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
}"""


def test_a_picture_is_pasted_from_the_clipboard(studio_page: StudioPage) -> None:
    page = studio_page.open("image")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=studio_page.url)
    page.evaluate(COPY)
    page.keyboard.press("Control+V")
    expect(page).to_have_url(re.compile("picture=up:"))
    expect(page.locator(".strip .about")).to_contain_text("your picture")


def test_a_still_of_the_webcam_becomes_the_picture(studio_page: StudioPage) -> None:
    page = studio_page.open("image")
    page.get_by_role("button", name="Choose a picture…").click()
    page.get_by_role("button", name="Webcam").first.click()
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()
    expect(page).to_have_url(re.compile("picture=up:"))
    expect(page.locator("video")).to_have_count(0)
    name = re.search(r"up:[0-9a-f]{16}", page.url)
    assert name
    scores = studio_page.api(f"/api/pictures/{name[0]}/scores")["scores"]
    assert len(scores) == 10 and sum(each["probability"] for each in scores) == pytest.approx(1)
