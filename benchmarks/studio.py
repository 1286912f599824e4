"""How long does a person wait for the studio: until it is up, for a click, while dragging an occluder?

The real server in a process of its own, asked over HTTP as the page asks: lesson-2 (Udacity's second solution)
and the default network on drawn garments, and MobileNetV2 at 224×224 pixels with photos where CONVSIGHT_SHARED
has them. Every click is another picture, layer or cell, so that no answer comes from a cache. A click on a
technique is the POST, the wait for its job and the GET of its numbers. Wall time on a busy machine says little:
`spread` also has the server's own processor time a click, and `load` how busy the machine was.

    python benchmarks/studio.py --quick
    python benchmarks/studio.py --json studio.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
UP_S, PAGE_S = 6.0, 1.0
SMALL_MS, SMALL_DRAG_MS = 100.0, 50.0
LARGE_MS, LARGE_DRAG_MS = 400.0, 150.0


@dataclass
class Server:
    """A studio that runs, and how long it took to be there."""

    url: str
    up_s: float
    page_s: float
    process: int = 0

    def cpu_ms(self) -> float | None:
        """Milliseconds of processor time that the server has used, where the system tells."""
        try:
            words = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return 1000 * (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=120) as answer:
            return answer.read()

    def json(self, path: str) -> dict:
        return json.loads(self.get(path))

    def post(self, path: str, body: dict) -> dict:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())


@contextlib.contextmanager
def studio(*words: str) -> Iterator[Server]:
    """`convsight studio WORDS`, from the command to Ctrl-C."""
    command = [sys.executable, "-m", "convsight", "studio", *words, "--no-browser", "--port", "0"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = next(m[1] for line in process.stdout if (m := re.search(r"at (http://[^/\s]+)/", line)))
        server = Server(url, 0.0, 0.0, process.pid)
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                begun = time.perf_counter()
                server.get("/")
                break
            time.sleep(0.02)
        server.up_s = time.perf_counter() - started
        server.get("/api/session")
        server.page_s = time.perf_counter() - begun
        yield server
    finally:
        process.send_signal(2)
        process.wait(30)


def clicks(server: Server, n: int) -> dict[str, Callable[[int], object]]:
    """What can be clicked; the i-th click of a kind is about another picture, layer or cell."""
    session = server.json("/api/session")
    maps = [layer for layer in session["layers"] if layer["maps"] and min(layer["shape"][1:]) > 1]
    convolutions = [layer for layer in session["layers"] if layer["convolution"]]
    total = session["dataset"]["splits"]["test"]

    def picture(i: int) -> str:
        return f"test:{i % total}"

    def layer(i: int) -> dict:
        return maps[i % len(maps)]

    def sheet(i: int) -> bytes:
        told = server.json(f"/api/layers/{quote(layer(i)['name'], safe='')}/maps?picture={picture(i)}")
        return server.get(told["sheet"])

    def filters(i: int) -> bytes:
        name = quote(convolutions[i % len(convolutions)]["name"], safe="")
        return server.get(server.json(f"/api/layers/{name}/filters")["sheet"])

    def technique(name: str) -> Callable[[int], object]:
        return lambda i: result(server, {"method": name, "pictures": [picture(i)], "target": i % 10})

    def cell(i: int) -> object:
        c, h, w = layer(i)["shape"]
        unit = f"{layer(i)['name']}:{i % c}:{i % h}:{(3 * i) % w}"
        server.get(f"/api/layers/{quote(layer(i)['name'], safe='')}/receptive?y={i % h}&x={(3 * i) % w}")
        return result(server, {"method": "guided_backprop", "pictures": [picture(i)], "target": unit})

    return {
        "page of pictures": lambda i: server.get(f"/api/pictures?offset={i * 20 % total}&limit=60"),
        "picture": lambda i: server.get(f"/api/pictures/{picture(i)}.png"),
        "class scores": lambda i: server.get(f"/api/pictures/{picture(i)}/scores"),
        "feature maps of a layer": sheet,
        "filters of a layer": filters,
        "a cell: box and guided backprop": cell,
        "saliency": technique("saliency"),
        "guided backprop": technique("guided_backprop"),
        "Grad-CAM": technique("gradcam"),
        "confusion matrix": lambda i: server.get("/api/confusion"),
        "neighbours": lambda i: server.get(f"/api/neighbours?picture={picture(i)}&split=test"),
    }


def result(server: Server, body: dict) -> bytes:
    started = server.post("/api/results", body)
    if not started["ready"]:
        follow(server, started["job"])
    told = server.json(f"/api/results/{started['key']}")
    return server.get(told["payload"]["values"])


def follow(server: Server, job: str) -> None:
    """Read the events of a job to their end, as the page does."""
    with urllib.request.urlopen(f"{server.url}/api/jobs/{job}/events", timeout=120) as events:
        for _ in events:
            pass


def drags(server: Server, size: tuple[int, int]) -> Callable[[int], object]:
    """An occluder of an eighth of the side, moved over a picture that was opened before, as the page does."""
    side = max(4, size[0] // 8)
    follow(server, server.post("/api/pictures/test:0/warm", {})["job"])

    def drag(i: int) -> dict:
        y, x = (5 * i) % (size[0] - side), (3 * i) % (size[1] - side)
        body = {"box": {"y": y, "x": x, "h": side, "w": side}, "fill": "grey"}
        return server.post("/api/pictures/test:0/edit", body)

    return drag


def timed(server: Server, click: Callable[[int], object], n: int) -> tuple[list[float], float | None]:
    """(milliseconds of n clicks, after one that makes graphs and plans; the server's mean processor time)."""
    click(n)
    taken, before = [], server.cpu_ms()
    for i in range(n):
        started = time.perf_counter()
        click(i)
        taken.append(1000 * (time.perf_counter() - started))
    after = server.cpu_ms()
    return sorted(taken), None if before is None or after is None else (after - before) / n


def row(claim: str, values: list[float], cpu_ms: float | None, target: float, unit: str = "ms, p95") -> dict:
    value = values[min(len(values) - 1, int(0.95 * len(values)))]
    spread = f"p50 {statistics.median(values):.1f}" if len(values) > 1 else ""
    spread += f", processor {cpu_ms:.1f}" if cpu_ms is not None else ""
    return {
        "claim": claim, "value": round(value, 2), "unit": unit, "target": target,
        "ok": value <= target, "n": len(values), "spread": spread,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "device": f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores"
        if hasattr(os, "sched_getaffinity") else platform.machine(),
        "command": f"python benchmarks/studio.py {' '.join(sys.argv[1:])}".strip(),
    }  # fmt: skip


def measured(name: str, words: list[str], n: int, click_ms: float, drag_ms: float) -> list[dict]:
    rows = []
    with studio(*words) as server:
        rows.append(row(f"{name}: server up", [server.up_s], None, UP_S, "s"))
        rows.append(row(f"{name}: first page and session", [server.page_s], None, PAGE_S, "s"))
        wait_for_predictions(server)
        for what, click in clicks(server, n).items():
            rows.append(row(f"{name}: {what}", *timed(server, click, n), click_ms))
        size = server.json("/api/session")["model"]["input_size"]
        rows.append(row(f"{name}: drag an occluder", *timed(server, drags(server, size), 2 * n), drag_ms))
    show(rows)
    return rows


def show(rows: list[dict]) -> None:
    for each in rows:
        mark = "ok" if each["ok"] else "NO"
        print(f"{mark} {each['claim']:46} {each['value']:9.1f} {each['unit']:8} {each['spread']:28}", end="")
        print(f"target {each['target']:g}", flush=True)


def wait_for_predictions(server: Server) -> None:
    """The set is gone through once in the background; clicks are timed after it."""
    while server.json("/api/confusion")["job"]:
        time.sleep(0.1)
    while server.json("/api/neighbours?picture=test:0&split=test")["job"]:
        time.sleep(0.1)


def trained(folder: Path, network: str, quick: bool) -> Path:
    import convsight as cs

    limit = 1000 if quick else 4000
    cs.train("drawn-garments", "quick", network=network, epochs=1, limit=limit, out=folder / network)
    return folder / network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 clicks of each kind instead of 100")
    parser.add_argument("--json", metavar="FILE", help="also save the table")
    given = parser.parse_args()
    n, rows = 20 if given.quick else 100, []
    with tempfile.TemporaryDirectory() as folder:
        for network in ("lesson-2", "fast"):
            run = trained(Path(folder), network, given.quick)
            rows += measured(network, [str(run)], n, SMALL_MS, SMALL_DRAG_MS)
    mobilenet, photos = SHARED / "models" / "mobilenet_v2.py", SHARED / "data" / "photos"
    if mobilenet.is_file() and photos.is_dir():
        weights = SHARED / "models" / "mobilenet_v2_imagenet.safetensors"
        words = [
            f"{mobilenet}:load",
            "--weights",
            str(weights),
            "--data",
            str(photos),
            "--classes",
            str(SHARED / "models" / "imagenet_classes.txt"),
        ]
        rows += measured("MobileNetV2", words, n, LARGE_MS, LARGE_DRAG_MS)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
