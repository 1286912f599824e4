"""How many seconds do the three trust lights beside a map take?

    python benchmarks/trust.py [--quick] [--json FILE] [--threads N]

A ResNet-18 of torchvision's (random weights: they do not change the time) is asked about drawn pictures of
224 × 224 pixels. Timed are the lights of a finished map, after the network's untrained copies have been made: for
a picture that was asked about before with another technique, and for a further picture, whose random blobs have still
to be tried. Wall seconds and processor seconds, the median of the repeats.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.methods import find_method
from convsight.trust_checks import lights

TECHNIQUES = ("saliency", "gradient_x_input", "gradcam", "guided_backprop", "deconvnet", "guided_gradcam")
Seconds = tuple[float, float]  # wall, processor


def timed(run: Callable[[], Any]) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def cloudy(n: int, px: int, seed: int) -> cs.Images:
    """Smooth random pictures of `px` pixels."""
    coarse = torch.rand(n, 3, 14, 14, generator=torch.Generator().manual_seed(seed))
    return cs.Images.open(F.interpolate(coarse, (px, px), mode="bicubic").clamp(0, 1))


def measure(repeats: int, techniques: tuple[str, ...], px: int = 224) -> dict[str, list[Seconds]]:
    """By what was asked, the seconds of each repeat."""
    module = import_torchvision().models.resnet18(weights=None)
    net = cs.Classifier(module, None, px, 3, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    data, found = cloudy(12, px, 0), {}

    def ask(words: str, name: str, picture: cs.Images) -> None:
        made = find_method(name)()(net, picture, target=3)
        found.setdefault(words, []).append(timed(lambda: lights(net, picture, made, data=data)))

    ask("the first picture, with the untrained copies", "saliency", cloudy(1, px, 1))
    for repeat in range(repeats):
        picture = cloudy(1, px, 2 + repeat)
        ask("a further picture", "saliency", picture)
        for name in techniques:
            made = find_method(name)()(net, picture, target=3)
            lights(net, picture, made, data=data)  # its own area and grain are tried
            ask(f"another map of it: {name}", name, picture)
    return found


def rows(found: dict[str, list[Seconds]], command: str) -> list[dict]:
    device = f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    told = []
    for words, seconds in found.items():
        for unit, values in zip(("s", "CPU-s"), zip(*seconds, strict=True), strict=True):
            value, limit = statistics.median(values), unit == "s" and "first" not in words
            told.append({
                "claim": f"trust lights, {words}", "value": round(value, 3), "unit": unit,
                "target": "<= 1" if limit else None, "ok": value <= 1 if limit else None, "n": len(values),
                "spread": [round(min(values), 3), round(max(values), 3)], "device": device, "command": command,
            })  # fmt: skip
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one technique, once")
    parser.add_argument("--json", metavar="FILE", help="also write the table here")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    command = f"python benchmarks/trust.py{' --quick' if given.quick else ''} --threads {given.threads}"
    found = measure(1 if given.quick else 5, TECHNIQUES[:1] if given.quick else TECHNIQUES)
    for row in (told := rows(found, command)):
        spread = "{:.2f} to {:.2f}".format(*row["spread"])
        mark = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        print(f"{row['claim']:62} {row['value']:6.2f} {row['unit']:6} {spread:14} n={row['n']} {mark}")
    if given.json:
        Path(given.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
