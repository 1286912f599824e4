"""How much quicker are compiled stages than torch's own layers, forwards and backwards?

    python benchmarks/stages.py [--quick] [--json FILE]

Our networks learn from batches of 64 drawn pictures on one thread: with their stages compiled (`convsight.architectures.stages`),
as torch's layers, and compiled as a whole by `torch.compile`. All ways take turns in one run; processor time, ratios within a
round, their median and quartiles.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from convsight.architectures import build, prepare
from convsight.architectures.stages import first, stage, where
from convsight.training.memory import freed_memory_kept

NETWORKS = {"fast, 28×28 grey": ("fast", 1, 28), "fast, 64×64 colour": ("fast", 3, 64), "fast-wide, 28×28 grey": ("fast-wide", 1, 28)}  # fmt: skip
BATCH, STEPS = 64, 4


def steps(network: nn.Module, channels: int, side: int) -> Callable[[], None]:
    """Some forward and backward passes on the same batch."""
    pixels = torch.rand(BATCH, channels, side, side, generator=torch.Generator().manual_seed(0))
    pixels, classes = pixels.contiguous(memory_format=torch.channels_last), torch.arange(BATCH) % 10

    def run() -> None:
        for _ in range(STEPS):
            network.zero_grad()
            nn.functional.cross_entropy(network(pixels), classes).backward()

    return run


def rounds(name: str, channels: int, side: int, count: int, compiler: bool) -> dict[str, list[float]]:
    """Processor milliseconds a step of each way, round by round."""
    network = build(name, 10, channels, (side, side)).to(memory_format=torch.channels_last)
    prepare(network)
    run, found, may = steps(network, channels, side), {"stages": [], "layers": []}, where.compiles
    whole = steps(torch.compile(network), channels, side) if compiler else None  # type: ignore[arg-type]

    def clock(way: str, work: Callable[[], None]) -> None:
        allowed = may if way == "stages" else lambda *_: False
        stage.compiles = first.compiles = allowed
        work()
        began = time.process_time()
        work()
        found.setdefault(way, []).append((time.process_time() - began) / STEPS * 1000)

    for _ in range(count):
        clock("stages", run)
        clock("layers", run)
        if whole is not None:
            clock("torch.compile", whole)
    stage.compiles = first.compiles = may
    return found


def rows(found: dict[str, list[float]], network: str, command: str) -> list[dict]:
    told = []
    for way in [way for way in found if way != "stages"]:
        ratios = [its / mine for its, mine in zip(found[way], found["stages"], strict=True)]
        quarter, value, three = statistics.quantiles(ratios, n=4)
        words = f"{network}: {way} ÷ compiled stages, a step on one thread"
        told.append({
            "claim": words, "value": round(value, 2), "unit": "×", "target": ">= 1", "ok": value >= 1,
            "n": len(ratios), "spread": [round(quarter, 2), round(three, 2)],
            "device": f"cpu, {platform.machine()}, 1 thread, torch {torch.__version__}", "command": command,
        })  # fmt: skip
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one network, few rounds, without torch.compile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not where.usable():
        raise SystemExit("stages are compiled where Numba is and the processor has AVX-512; not here")
    command, told = f"python benchmarks/stages.py{' --quick' if given.quick else ''}", []
    with freed_memory_kept():
        for words, network in list(NETWORKS.items())[: 1 if given.quick else None]:
            found = rounds(*network, count=6 if given.quick else 10, compiler=not given.quick)
            for row in rows(found, words, command):
                told.append(row)
                print("{claim:72} {value:5.2f} ({spread[0]:.2f} to {spread[1]:.2f}) n={n}".format(**row))
            print(f"  a step with compiled stages: {statistics.median(found['stages']):.1f} ms")
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
