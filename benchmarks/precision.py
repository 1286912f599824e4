"""How much processor time does a training step take in bfloat16, against float32?

    python benchmarks/precision.py [--quick] [--json FILE]

Networks go forwards and backwards over one batch of random pictures on one thread, in either format in turn. Each
round gives one ratio; the table shows their median and quartiles. Below 1, bfloat16 is quicker.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from convsight.architectures import build
from convsight.training.memory import freed_memory_kept
from convsight.training.parts import InParts
from convsight.training.precision import multiplies_bfloat16

CASES = (  # network, pictures, channels, side in pixels
    ("fast", 64, 1, 28),
    ("fast-wide", 64, 1, 28),
    ("fast", 64, 3, 64),
    ("lesson", 128, 1, 28),
    ("lesson-2", 128, 1, 28),
    ("lesson-2", 20, 1, 28),
)
STEPS = 5  # a round


def ratios(name: str, pictures: int, channels: int, side: int, rounds: int) -> list[float]:
    """Processor time of bfloat16 ÷ float32, round by round."""
    torch.manual_seed(0)
    network = build(name, 10, channels, (side, side)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.rand(pictures, channels, side, side).contiguous(memory_format=torch.channels_last)
    classes = torch.arange(pictures) % 10
    learners = [InParts(network, 1, dtype) for dtype in (torch.bfloat16, torch.float32)]

    def seconds(learner: InParts) -> float:
        began = time.process_time()
        for _ in range(STEPS):
            network.zero_grad()
            F.cross_entropy(learner(pixels), classes).backward()
        return time.process_time() - began

    for learner in learners:
        seconds(learner)
    rows = [[seconds(learner) for learner in learners] for _ in range(rounds)]
    return [short / full for short, full in rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the first network only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    quick, why = multiplies_bfloat16(torch.device("cpu"))
    print(f"{why}; precision 'auto' is {'bfloat16' if quick else 'float32'} here")
    table = []
    with freed_memory_kept():
        for name, pictures, channels, side in CASES[: 1 if given.quick else None]:
            found = ratios(name, pictures, channels, side, rounds=12)
            low, middle, high = statistics.quantiles(found, n=4)
            claim = f"{name}, {side}×{side}, {channels} channel(s), {pictures} pictures: bfloat16 ÷ float32"
            print(f"{claim:<66} {middle:5.2f} ({low:.2f} to {high:.2f}) n={len(found)}", flush=True)
            table.append({
                "claim": claim, "value": middle, "unit": "×", "target": "", "ok": None, "n": len(found),
                "spread": [low, high], "device": f"CPU, {platform.machine()}, 1 thread, torch {torch.__version__}",
                "command": "python benchmarks/precision.py" + (" --quick" if given.quick else ""),
            })  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
