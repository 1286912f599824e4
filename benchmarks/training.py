"""What does a minute of training buy, against the lesson's own loop, measured in the same run?

    CONVSIGHT_DATA=... python benchmarks/training.py [--quick] [--json FILE] [--seeds 5] [--threads 2]

Trains the recipes on Fashion-MNIST and times, beside them, the loop that the lesson writes: one picture at a
time through a Dataset and a DataLoader, batches of 20, SGD with momentum. Accuracies are of the 10,000 test
pictures, which no recipe saw or was chosen by. `--quick` leaves out what takes long (recipe `best`, 30 epochs
of the lesson) and trains one seed. Recipes compute in their default precision, which the device column names.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

import convsight
from convsight.architectures import LessonTwo
from convsight.datasets import Dataset, dataset
from convsight.run import Run
from convsight.training import train

LESSON_EPOCHS = 30


@dataclass
class Claim:
    """One line of the table; `ok` is None where there is nothing to reach."""

    claim: str
    value: float | None
    unit: str
    target: str
    ok: bool | None
    n: int
    spread: float | None
    device: str
    command: str


class OneByOne(torch.utils.data.Dataset):
    """Pictures as the lesson loads them: an array becomes a PIL image becomes a tensor, one at a time."""

    def __init__(self, data: Dataset):
        self.pixels, self.labels = data.train.pixels[:, 0].numpy(), data.train.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.pixels[index])
        flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        return flat.view(1, 28, 28).to(torch.float32).div(255), self.labels[index]


def lesson_loop(data: Dataset, epochs: int, share: float) -> float:
    """Processor seconds an epoch of the plain loop, from `epochs` epochs over a share of the pictures."""
    torch.manual_seed(0)
    pictures = OneByOne(data)
    some = torch.utils.data.Subset(pictures, range(int(len(pictures) * share)))
    loader = DataLoader(some, batch_size=20, shuffle=True)
    net, criterion = LessonTwo(10), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    began = time.process_time()
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            loss.item()
    return (time.process_time() - began) / epochs / share


def runs_of(recipe: str, data: Dataset, seeds: Iterable[int], folder: Path) -> list[Run]:
    runs = []
    for seed in seeds:
        run = train(data, recipe, seed=seed, out=folder / f"{recipe}-{seed}", device="cpu")
        tested, used = run.metrics["test"], run.metrics["training"]
        print(
            f"  {recipe} seed {seed}: {tested['accuracy']:.2%}, mirror-averaged {tested['flip']['accuracy']:.2%},"
            f" {used['seconds']:.1f} s, {used['cpu_seconds']:.1f} CPU-s",
            flush=True,
        )
        runs.append(run)
    return runs


class Table:
    """Claims in the order they were measured."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.device = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, CPU"
        self.command = shlex.join(["python", *sys.argv])

    def add(
        self,
        claim: str,
        values: list[float],
        unit: str,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        value = statistics.fmean(values)
        spread = statistics.stdev(values) if len(values) > 1 else None
        known = least is not None or most is not None
        ok = (least is None or value >= least) and (most is None or value <= most) if known else None
        bounds = [f">= {least:g}" if least is not None else "", f"<= {most:g}" if most is not None else ""]
        target = " and ".join(filter(None, bounds))
        self.claims.append(
            Claim(claim, value, unit, target, ok, len(values), spread, self.device, self.command)
        )

    def show(self) -> None:
        print(f"\n{'claim':<58} {'value':>9} {'sd':>7} {'n':>3}  {'unit':<8} {'target':<22} ok")
        for c in self.claims:
            spread = f"{c.spread:7.2f}" if c.spread is not None else "      -"
            ok = {True: "yes", False: "NO", None: ""}[c.ok]
            print(f"{c.claim:<58} {c.value:>9.2f} {spread} {c.n:>3}  {c.unit:<8} {c.target:<22} {ok}")


def percent(runs: list[Run], *, mirrored: bool = False) -> list[float]:
    tested = [run.metrics["test"]["flip"] if mirrored else run.metrics["test"] for run in runs]
    return [100 * each["accuracy"] for each in tested]


def used(runs: list[Run], what: str) -> list[float]:
    return [run.metrics["training"][what] for run in runs]


def measure(table: Table, data: Dataset, seeds: range, folder: Path, *, quick: bool) -> None:
    fast = runs_of("fast", data, seeds, folder)
    table.device += f", {fast[0].config['precision']['used']}"
    table.add("fast: accuracy, mirror images averaged", percent(fast, mirrored=True), "%", least=93.0)
    table.add("fast: accuracy", percent(fast), "%")
    table.add("fast: training time", used(fast, "seconds"), "s", most=60)
    table.add("fast: processor time", used(fast, "cpu_seconds"), "CPU-s")
    plain = LESSON_EPOCHS * lesson_loop(data, epochs=1 if quick else 2, share=0.1 if quick else 1.0)
    table.add(f"the lesson's loop: processor time of {LESSON_EPOCHS} epochs, extrapolated", [plain], "CPU-s")
    table.add(
        "fast / the lesson's loop: processor time",
        [c / plain for c in used(fast, "cpu_seconds")],
        "",
        most=0.2,
    )
    short = runs_of("quick", data, seeds, folder)
    table.add("quick: accuracy, mirror images averaged", percent(short, mirrored=True), "%", least=90.5)
    table.add("quick: training time", used(short, "seconds"), "s", most=15)
    if quick:
        return
    one, two = (runs_of(name, data, [0], folder) for name in ("lesson-1", "lesson-2"))
    table.add("lesson-1: accuracy", percent(one), "%")
    table.add("lesson-2: accuracy", percent(two), "%", least=87.2, most=88.4)
    table.add("lesson-2 by recipe: processor time", used(two, "cpu_seconds"), "CPU-s")
    gain = statistics.fmean(percent(fast, mirrored=True)) - percent(two)[0]
    table.add("fast - lesson-2: accuracy", [gain], "points", least=5)
    best = runs_of("best", data, [0], folder)
    table.add("best: accuracy, mirror images averaged", percent(best, mirrored=True), "%", least=94.0)
    table.add("best: training time", used(best, "seconds"), "s", most=900)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the claims there")
    parser.add_argument(
        "--seeds", type=int, default=None, help="how many seeds of fast and quick (5; quick: 1)"
    )
    parser.add_argument("--threads", type=int, default=2, help="processor threads (2)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = Table()
    print(f"convsight {convsight.__version__}, torch {torch.__version__}, {table.device}")
    data = dataset("fashion-mnist", validation=2000)
    seeds = range(arguments.seeds or (1 if arguments.quick else 5))
    with tempfile.TemporaryDirectory() as folder:
        measure(table, data, seeds, Path(folder), quick=arguments.quick)
    table.show()
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(claim) for claim in table.claims], indent=2) + "\n")


if __name__ == "__main__":
    main()
