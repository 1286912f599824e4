"""What does convsight promise, at a glance? The first picture of the README and of the site.

python docs/hero.py        two minutes; writes docs/hero.png. Needs Chromium and the built page (`make tools`).

Shirts with a planted tag, all drawn by convsight: above the page that computes, in which the tag is hidden; below what
the audit proves, how far a map of that picture can be trusted, and which of its regions are certain.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import convsight as cs
from convsight.datasets.planted import Cue, plant

HERE = Path(__file__).parent
WIDE, GAP = 1800, 24
TAG = "0,21,7,7"  # the top-right corner, where the tag is
CLASS = "Shirt"


def pictures(folder: Path) -> None:
    """verdict.png, page.png, trust.png and shapley.png in `folder`."""
    data = cs.dataset("drawn-garments", limit=4000)
    planted = plant(data, Cue("corner_tag", strength=3, seed=2), CLASS, prevalence=0.9).dataset
    run = cs.train(planted, "quick", out=folder / "run", seed=0, device="cpu")
    net, test = run.classifier, planted.test
    cs.find_shortcuts(net, planted, target=CLASS)[0].save(folder / "verdict.png")
    shirts = test[(test.labels == test.classes.index(CLASS)).nonzero().flatten()]
    shown = flipping(net, shirts)
    cs.trust(net, shown[0], "occlusion", CLASS, data=planted).save(folder / "trust.png")
    cs.shapley(net, shown[0], CLASS, seed=0).save(folder / "shapley.png")
    photograph(cs.live_page(net, shown, folder / "live.html"), folder / "page.png")


def flipping(net: cs.Classifier, shirts: cs.Images) -> cs.Images:
    """The eight shirts whose probability falls most when the tag is hidden."""
    hidden = shirts.pixels.clone()
    hidden[:, :, :7, 21:] = 0
    chances = (net.probabilities(pixels)[:, net.classes.index(CLASS)] for pixels in (shirts.pixels, hidden))
    with_tag, without = chances
    return shirts[(with_tag - without).topk(8).indices]


def photograph(page: Path, to: Path) -> None:
    """The page with the tag hidden, as somebody sees it who drags the patch there."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1800, "height": 760})
        view.goto(f"{page.as_uri()}#/play?box={TAG}&fill=black")
        view.get_by_role("button", name="Dismiss").click()
        view.locator("[data-milliseconds]").wait_for()
        view.mouse.move(0, 0)
        view.wait_for_timeout(500)
        view.screenshot(path=to)
        browser.close()


def composed(folder: Path) -> Image.Image:
    """The page above; below the verdict beside the trust lights and a map that is pale where it is not certain."""
    page, verdict, trust, shapley = (
        Image.open(folder / f"{name}.png").convert("RGB") for name in ("page", "verdict", "trust", "shapley")
    )
    page, left = scaled(page, WIDE), scaled(top(verdict, 895), 860)
    lights = scaled(top(trust, 308, 1046), WIDE - 860 - GAP)
    regions = scaled(top(shapley, 448, 552), 580)
    made = Image.new(
        "RGB", (WIDE, page.height + GAP + max(left.height, lights.height + GAP + regions.height)), "white"
    )
    made.paste(page, (0, 0))
    made.paste(left, (0, page.height + GAP))
    made.paste(lights, (860 + GAP, page.height + GAP))
    made.paste(regions, (860 + GAP, page.height + lights.height + 2 * GAP))
    return made


def top(picture: Image.Image, height: int, width: int | None = None) -> Image.Image:
    """The top left part of a sheet: its pictures, without the tables and the small print below."""
    return picture.crop((0, 0, min(width or picture.width, picture.width), min(height, picture.height)))


def scaled(picture: Image.Image, width: int) -> Image.Image:
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def main(kept: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(kept or folder)
        if not (where / "page.png").is_file():
            pictures(where)
        composed(where).save(HERE / "hero.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
