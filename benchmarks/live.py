"""How long does a person wait in a page that runs its network itself, how large is it, and is it right?

Pages of `cs.live_page` opened from disk in Chromium without a network connection, one thread: the default network and
lesson-2 (Udacity's second solution) on drawn garments, and, where CONVSIGHT_SHARED has them, a CIFAR ResNet-20 and
MobileNetV2 at 224×224. Scores and every layer's values of `--pictures` random pictures are compared with PyTorch
(10,000 numbers of each value at most). Ready counts from the navigation. A drag frame is from the key press to the
scores and the maps on the screen drawn anew, layout and paint included; the browser does not wait for a screen's rhythm.
Seconds of the clock grow with what else the machine does (`load`); CPU milliseconds of the page's thread hardly do.

    python benchmarks/live.py --quick
    python benchmarks/live.py --pictures 100 --json live.json
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

import convsight as cs
from convsight.architectures import build
from convsight.exporting.half_weights import rounded

SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
GOALS = {  # MB, ready s, scores ms, a drag frame ms, whole occlusion map s
    "fast": (5.8, 1.0, 1, 16, 0.15),
    "mobilenet_v2": (10.5, 1.5, 30, 45, 6.0),
}
FLAGS = ["--no-sandbox", "--disable-frame-rate-limit", "--disable-gpu-vsync"]
RUN = """async ([pixels, layers]) => {
  const numbers = new Float32Array(Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0)).buffer);
  const values = await convsight.network.run(numbers, 1, ['scores', ...layers]);
  const some = Object.values(values).map(({ data }) => data.filter((_, i) => i % Math.ceil(data.length / 10000) === 0));
  const url = await new Promise((resume) => {
    const reader = new FileReader(); // a string of base64 crosses to Python a hundred times quicker than a list of numbers
    reader.onload = () => resume(reader.result);
    reader.readAsDataURL(new Blob(some));
  });
  return url.slice(url.indexOf(',') + 1);
}"""
SCORES = """async (n) => {
  const { answers, network } = convsight, pixels = await answers.album.pixels(answers.samples[0]), taken = [];
  for (let i = 0; i < n; i++) {
    const started = performance.now();
    await network.run(pixels, 1, ['scores']);
    taken.push(performance.now() - started);
  }
  return taken;
}"""
DRAG = """async (n) => {
  const stage = document.querySelector('[role=application]'), { watch } = convsight, taken = [];
  const { port1, port2 } = new MessageChannel();
  const rest = () => new Promise((resume) => ((port1.onmessage = resume), port2.postMessage(null)));
  for (let i = 0; i < n; i++) {
    const [before, started] = [watch.edited, performance.now()];
    stage.dispatchEvent(new KeyboardEvent('keydown', { key: ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp'][i % 4], bubbles: true }));
    while (watch.edited === before) await rest();
    await new Promise((resume) => requestAnimationFrame(resume));
    await rest(); // what the frame's callbacks left is laid out and painted before this message
    taken.push(performance.now() - started);
  }
  return taken;
}"""
OCCLUDE = """async (knobs) => {
  const { answers } = convsight, started = performance.now();
  let first = null;
  const wanted = { method: 'occlusion', pictures: [answers.samples[1]], knobs };
  await answers.result(wanted, () => (first ??= performance.now() - started)).done;
  return [first ?? performance.now() - started, performance.now() - started];
}"""


def networks(quick: bool) -> Iterator[tuple[str, cs.Classifier, dict[str, int]]]:
    """(name, network, knobs of the occlusion map)."""
    torch.manual_seed(0)
    small = {"patch": 4, "stride": 2}
    for name in ("fast", "lesson-2"):
        yield (
            name,
            cs.Classifier(build(name, 10), [*"abcdefghij"], 28, channels=1, mean=0.29, std=0.35),
            small,
        )
    if not (SHARED / "models").is_dir() or quick:
        return
    models = SHARED / "models"
    yield "resnet20", cs.load(f"{models}/cifar_resnet.py:load", weights=models / "cifar10_resnet20.safetensors"), small  # fmt: skip
    yield (
        "mobilenet_v2",
        cs.load(f"{models}/mobilenet_v2.py:load", weights=models / "mobilenet_v2_imagenet.safetensors"),
        {"patch": 16, "stride": 16},
    )


def shown(net: cs.Classifier) -> cs.Images:
    """The pictures to begin with: photos for a network of photos, else drawn garments."""
    if net.input_size[0] > 100:
        return net.fit(sorted((SHARED / "data" / "photos").glob("*.jpg"))[:12])
    return net.fit(cs.dataset("drawn-garments").test[:24])


def largest_gap(page: Page, net: cs.Classifier, pictures: int) -> float:
    layers = page.evaluate("convsight.about.layers")
    if "float16" in page.evaluate("convsight.about.notes")[0]:
        net = net.around(rounded(net.module), net.name)
    gap = 0.0
    for i in range(pictures):
        pixels = torch.rand(1, net.channels, *net.input_size, generator=torch.Generator().manual_seed(i))
        sent = base64.b64encode(pixels.numpy().tobytes()).decode()
        mine = np.frombuffer(base64.b64decode(page.evaluate(RUN, [sent, layers])), np.float32)
        with torch.no_grad(), net.record(*layers) as seen:
            scores = net.logits(pixels)
        wanted = [
            value.flatten()[:: -(-value.numel() // 10_000)]
            for value in (scores, *(seen[name] for name in layers))
        ]
        gap = max(gap, float((torch.from_numpy(mine.copy()) - torch.cat(wanted)).abs().max()))
    return gap


class Clock:
    """CPU seconds of the page's only thread, which other programs on the machine lengthen little."""

    def __init__(self, page: Page):
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self) -> float:
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "TaskDuration")

    def each(self, what: Callable[[], Any], n: int = 1) -> tuple[Any, float]:
        """What comes back, and CPU milliseconds for each of `n`."""
        started = self.now()
        return what(), round(1000 * (self.now() - started) / n, 1)


def opened(page: Page, address: str) -> float:
    """Seconds until the page is ready."""
    page.goto(address)
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90_000)
    return float(page.locator("html").get_attribute("data-ready") or "nan") / 1000


def measured(page: Page, file: Path, net: cs.Classifier, knobs: dict[str, int], n: int, pictures: int) -> dict[str, Any]:  # fmt: skip
    clock = Clock(page)
    ready, ready_cpu = clock.each(lambda: opened(page, file.as_uri() + "#/play?ops=all"))
    page.locator("canvas[data-layer]").first.wait_for()
    page.evaluate(DRAG, 8)
    scores, scores_cpu = clock.each(lambda: page.evaluate(SCORES, n), n)
    frames, frame_cpu = clock.each(lambda: page.evaluate(DRAG, n), n)
    page.goto(file.as_uri() + "#/playground")  # the Image panel would compute a map of its own beside it
    page.reload()
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90_000)
    page.wait_for_timeout(1000)
    maps, map_cpu = clock.each(lambda: [page.evaluate(OCCLUDE, knobs) for _ in range(2)], 2)
    return {
        "MB": round(file.stat().st_size / 1e6, 2),
        "weights": page.evaluate("convsight.about.notes")[0],
        "outputs": len(page.evaluate("convsight.about.layers")) + 1,
        "ready_s": round(ready, 2),
        "scores_ms": quantiles(scores),
        "frame_ms": quantiles(frames),
        "occlusion_s": [round(statistics.median(each) / 1000, 2) for each in zip(*maps, strict=True)],
        "cpu_ms": {"ready": ready_cpu, "scores": scores_cpu, "frame": frame_cpu, "occlusion": map_cpu},
        "largest_gap": largest_gap(page, net, pictures) if pictures else None,
        "load": os.getloadavg()[0],
        "n": n,
    }


def quantiles(taken: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return round(statistics.median(taken), 1), round(sorted(taken)[int(0.95 * (len(taken) - 1))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two small networks, 20 repetitions, 2 pictures")
    parser.add_argument("--pictures", type=int, help="compared with PyTorch (default: 100; quick: 2)")
    parser.add_argument("--only", nargs="+", help="names of networks: fast, lesson-2, resnet20, mobilenet_v2")
    parser.add_argument("--repeat", type=int, help="drags and passes (default: 100; quick: 20)")
    parser.add_argument("--keep", type=Path, help="a folder in which pages are kept and found again")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    pictures = given.pictures if given.pictures is not None else 2 if given.quick else 100
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = given.keep or Path(made)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, net, knobs in networks(given.quick):
            if given.only and name not in given.only:
                continue
            file = folder / f"{name}.html"
            if not file.is_file():
                cs.live_page(net, shown(net), file)
            page = browser.new_page(viewport={"width": 1280, "height": 900}, offline=True)
            found[name] = measured(
                page, file, net, knobs, given.repeat or (20 if given.quick else 100), pictures
            )
            page.close()
            print(name, json.dumps(found[name]), "goal:", GOALS.get(name), flush=True)
        browser.close()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
