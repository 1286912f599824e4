"""How much quicker than captum and than the best dense loop are exact occlusion maps?

16×16 patch, stride 8 on 224×224 pictures (729 positions); 4×4, stride 2 on the lesson's 28×28 (169). One
thread, CPU time, everything in one run and in turn: captum as it comes (one position at a time), captum at
its best batch, our dense loop, the dense loop with batch norm folded, channels last and compiled, and occlusion as
it comes (mode "auto"), with Numba and without (then "auto" is mode "exact"). Ratios are taken within a round. Dense ways do the same work at every
position, so they are timed on some positions and scaled; the incremental engine is timed on the whole map.
The error is the largest over every position and class, as a share of the largest effect. On a GPU, if there is one,
ratios are of wall time, and batches are larger.

    python benchmarks/occlusion.py --quick
    python benchmarks/occlusion.py --nets resnet18 mobilenet --rounds 3 --json out.json
    python benchmarks/occlusion.py --device cuda
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import importlib.util
import itertools
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from peak_memory import peak_kib
from torch import nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.occluding.answers import Answers
from convsight.occluding.occluders import Occluders
from convsight.occluding.sweep import sweep

TARGETS = {  # × captum default, × best dense loop
    "vgg16": (15, 13), "resnet18": (7, 4.5), "resnet50": (4, 3), "mobilenet": (6, 4), "lesson": (9, 4),
}  # fmt: skip
SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def smooth(n: int, channels: int, size: tuple[int, int], seed: int) -> torch.Tensor:
    coarse = torch.rand(n, channels, 9, 9, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)


def with_statistics(module: nn.Module) -> nn.Module:
    """Random weights, and batch norms that fit the data as in a trained network."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            module(smooth(4, 3, (224, 224), 9) * 4 - 2)
    return module.eval()


def load(name: str) -> cs.Classifier:
    torch.manual_seed(0)
    if name == "lesson":
        from convsight.architectures.lesson import LessonTwo

        return cs.Classifier(LessonTwo(10).eval(), input_size=28, channels=1)
    if name == "mobilenet" and (SHARED / "models").is_dir():
        spec = importlib.util.spec_from_file_location("mobilenet_v2", SHARED / "models/mobilenet_v2.py")
        assert spec is not None and spec.loader is not None
        room = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(room)
        module = room.load(SHARED / "models/mobilenet_v2_imagenet.safetensors")
        return cs.Classifier(module, input_size=224, mean=0.5, std=0.5)
    name = {"mobilenet": "mobilenet_v2"}.get(name, name)
    module = with_statistics(getattr(import_torchvision().models, name)(weights=None).eval())
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return cs.Classifier(module, input_size=224, mean=mean, std=std)


MODES = {"auto": "default", "exact": "without Numba"}


class Enough(Exception):
    """captum has walked over as many positions as are timed."""


class Bench:
    """One network, and every way to answer its positions; each way returns how many it answered."""

    def __init__(self, name: str, some: int, device: str = "cpu"):
        self.net = load(name)
        self.net.module.to(device)
        self.size = self.net.input_size
        self.patch, self.stride = (4, 2) if self.size[0] == 28 else (16, 8)
        self.occluders = Occluders.sliding(self.size, (self.patch,) * 2, (self.stride,) * 2)
        self.picture = smooth(1, self.net.channels, self.size, 1)
        self.fill = torch.full_like(self.picture, 0.5)
        self.inside, self.grey = self.net.normalise(self.picture), self.net.normalise(self.fill)
        self.some = min(some, len(self.occluders))
        self.answers: dict[str, Answers] = {}

    def dense(self, module: nn.Module, batch: int, layout: torch.memory_format) -> Callable[[], int]:
        def run() -> int:
            with torch.no_grad():
                for at in range(0, self.some - batch + 1, batch):
                    hidden = self.occluders.hide(self.inside[0], self.grey[0], slice(at, at + batch))
                    module(hidden.contiguous(memory_format=layout))
            return self.some // batch * batch

        return run

    def captum(self, batch: int) -> Callable[[], int]:
        """captum's walk over the same windows, stopped after `some` of them."""
        from captum.attr import Occlusion

        window, step = ((self.net.channels, n, n) for n in (self.patch, self.stride))
        target = int(self.net.module(self.inside).argmax())

        def run() -> int:
            done = 0

            def forward(x: torch.Tensor) -> torch.Tensor:
                nonlocal done
                if done > self.some:
                    raise Enough
                done += len(x)
                return self.net.module(x)

            with torch.no_grad(), contextlib.suppress(Enough):
                Occlusion(forward).attribute(
                    self.inside, window, step, self.grey, target, perturbations_per_eval=batch
                )
            return done - 1  # the first is the clean picture

        return run

    def incremental(self, mode: str) -> Callable[[], int]:
        """All scores at every position, clean pass and self-check included; they are kept for `errors`."""

        def run() -> int:
            self.answers[mode] = sweep(self.net, self.picture, self.fill, self.occluders, mode=mode)
            return len(self.occluders)

        return run

    def several(self, mode: str) -> Callable[[], int]:
        """All scores at every position of sixteen pictures: what is done once a call counts for all of them."""
        pixels = smooth(16, self.net.channels, self.size, 2)

        def run() -> int:
            sweep(self.net, pixels, torch.full_like(pixels, 0.5), self.occluders, mode=mode)
            return len(pixels) * len(self.occluders)

        return run

    def map_of(self, mode: str) -> Callable[[], int]:
        """The whole call, with labels, probabilities, activity and provenance: what a user waits for."""
        method = cs.Occlusion(patch=self.patch, stride=self.stride, mode=mode)

        def run() -> int:
            method(self.net, self.picture)
            return len(self.occluders)

        return run

    def warm_up(self) -> None:
        """Tracing, first calls of kernels, and weights in the layout that they take."""
        for mode in MODES:
            self.incremental(mode)()

    def folded(self) -> nn.Module:
        """The network with its batch norms in its convolutions, channels last."""
        module = copy.deepcopy(self.net.module).eval()
        try:
            from torch.fx.experimental.optimization import fuse

            module = fuse(module)
        except Exception:  # not traceable by torch.fx: fold what follows a convolution in a Sequential
            for parent in list(module.modules()):
                children = list(parent.named_children()) if isinstance(parent, nn.Sequential) else []
                for (_, one), (name, two) in itertools.pairwise(children):
                    if isinstance(one, nn.Conv2d) and isinstance(two, nn.BatchNorm2d):
                        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(one, two)
                        one.weight, one.bias = fused.weight, fused.bias
                        setattr(parent, name, nn.Identity())
        return module.to(memory_format=torch.channels_last)

    def ways(self, batches: Sequence[int]) -> dict[str, Callable[[], int]]:
        """Every way by name, the batched ones at the quickest of `batches`."""
        last, rows = torch.channels_last, torch.contiguous_format
        folded = self.folded()
        compiled = torch.compile(folded, dynamic=False)
        self.fast_dense = {
            "folded": (folded, last),
            "compiled": (compiled, last),
            "plain": (self.net.module, rows),
        }
        ways = {"captum default": self.captum(1)}
        ways["captum best batch"] = self.captum(quickest(self.captum, batches))
        for name, (module, layout) in self.fast_dense.items():
            make = functools.partial(self.dense, module, layout=layout)
            sizes = batches if name == "plain" or self.size[0] == 28 else batches[:2]
            ways[f"dense {name}"] = make(quickest(make, sizes))
        ways |= {mode: self.incremental(mode) for mode in MODES}
        if self.size[0] == 28:  # here the figures around the sweep take their time, elsewhere they do not
            ways |= {f"{mode} map": self.map_of(mode) for mode in MODES}
            ways |= {f"{mode} of 16 pictures": self.several(mode) for mode in MODES}
        return ways

    def errors(self, every: int) -> dict[str, float]:
        """Largest error of each mode over all classes and every position (or every so many-th of them)."""
        places = np.arange(0, len(self.occluders), every)
        part = self.occluders.take(places)
        whole = sweep(self.net, self.picture, self.fill, part, mode="dense")
        effect = float((whole.logits - whole.clean_logits[:, None]).abs().max())
        found = {}
        for mode in MODES:
            got = self.answers[mode]
            found[mode] = float((got.logits[:, places] - whole.logits).abs().max()) / effect
        self.note = self.answers["auto"].notes[0]
        return found


def quickest(make: Callable[[int], Callable[[], int]], batches: Sequence[int]) -> int:
    """The batch size with the least CPU time a position, each tried once after a warm-up."""
    best = {}
    for batch in batches:
        run = make(batch)
        run()
        best[batch] = clock(run)[0]
    return min(best, key=best.__getitem__)


def clock(run: Callable[[], int]) -> tuple[float, float]:
    """CPU and wall seconds a position."""
    finish_what_was_asked()
    cpu, wall = time.process_time(), time.perf_counter()
    count = run()
    finish_what_was_asked()
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


def finish_what_was_asked() -> None:
    """A GPU answers before it is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def measure(bench: Bench, rounds: int, batches: Sequence[int]) -> dict[str, list[tuple[float, float]]]:
    """(CPU, wall) seconds a position of every way, once a round, in turn."""
    ways = bench.ways(batches)
    bench.warm_up()
    if bench.size[0] == 28:
        for name in ways:
            ways[name]()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            repeat = 5 if bench.size[0] == 28 else 1
            found = [clock(run) for _ in range(repeat)]
            times[name].append((min(f[0] for f in found), min(f[1] for f in found)))
    return times


def ratios(times: dict, over: Sequence[str], mode: str) -> list[float]:
    """Round by round: the quickest of `over` ÷ `mode`, in CPU time (on a GPU, in wall time)."""
    i = int(torch.cuda.is_initialized())
    return [min(times[name][r][i] for name in over) / times[mode][r][i] for r in range(len(times[mode]))]


def peak_mib(name: str, mode: str) -> float:
    """Peak resident memory of a fresh process that answers every position (MiB)."""
    command = [sys.executable, __file__, "--peak", name, mode]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def report_peak(name: str, mode: str) -> None:
    bench = Bench(name, 1)
    few = bench.occluders.take(slice(0, 4 * bench.occluders.grid[1]))  # the dense loop needs no more for all
    sweep(bench.net, bench.picture, bench.fill, few if mode == "dense" else bench.occluders, mode=mode)
    print(peak_kib() / 1024)


def claims(
    name: str, bench: Bench, times: dict, errors: dict[str, float], memory: dict[str, float]
) -> list[dict]:
    """What this network shows, beside its targets."""
    dense = [n for n in times if n.startswith("dense")]
    rows = []

    def add(claim: str, values: list[float], unit: str, target: float | None, below: bool = False) -> None:
        value = float(np.median(values))
        ok = None if target is None else bool(value <= target if below else value >= target)
        spread = [min(values), max(values)]
        rows.append({"claim": f"{name}: {claim}", "value": value, "unit": unit, "target": target, "ok": ok,
                     "n": len(values), "spread": spread, "device": device(), "command": " ".join(sys.argv)})  # fmt: skip

    def whole(mode: str) -> str:
        """captum gives a map, so it is compared with the call that gives one."""
        return f"{mode} map" if f"{mode} map" in times else mode

    for mode, words in MODES.items():
        best = mode == "auto"
        add(
            f"{words} × captum default",
            ratios(times, ["captum default"], whole(mode)),
            "×",
            TARGETS[name][0] if best else None,
        )
        add(f"{words} × captum best batch", ratios(times, ["captum best batch"], whole(mode)), "×", None)
        add(f"{words} × plain dense loop", ratios(times, ["dense plain"], mode), "×", None)
        add(f"{words} × best dense loop", ratios(times, dense, mode), "×", TARGETS[name][1] if best else None)
        if f"{mode} of 16 pictures" in times:
            more = ratios(times, dense, f"{mode} of 16 pictures")
            add(f"{words} × best dense loop, 16 pictures at once", more, "×", None)
        add(f"{words}, largest error ÷ largest effect", [errors[mode]], "", 1e-4, below=True)
        if memory:
            add(f"{words}, peak memory ÷ dense loop", [memory[mode] / memory["dense"]], "×", 1.5, below=True)
    five = ratios(times, ["captum default"], whole("auto"))
    add("default × captum default, a map of five classes", [5 * r for r in five], "×", None)
    return rows


def device() -> str:
    if torch.cuda.is_initialized():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{model}, 1 thread, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nets", nargs="+", choices=list(TARGETS), default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--quick", action="store_true", help="the lesson's net, MobileNetV2 and ResNet-18")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    parser.add_argument(
        "--positions", type=int, help="timed of the dense ways, a round (default 32, on a GPU 256)"
    )
    parser.add_argument("--every", type=int, default=None, help="compare every so many-th position (1: all)")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.peak:
        return report_peak(*options.peak)
    available = torch.cuda.is_available()
    if options.device == "cuda" and not available:
        parser.error("--device cuda needs a GPU, and torch sees none; --device auto takes what is there")
    gpu = available and options.device != "cpu"
    sizes, some = (
        ((32, 128, 256), options.positions or 256) if gpu else ((8, 16, 32), options.positions or 32)
    )
    found: list[dict] = []
    for name in options.nets or (["lesson", "mobilenet", "resnet18"] if options.quick else list(TARGETS)):
        bench = Bench(name, some if name != "lesson" else 169, "cuda" if gpu else "cpu")
        batches = [b for b in ((8, 32, 84, 169) if name == "lesson" else sizes) if b <= bench.some]
        times = measure(bench, options.rounds or (2 if options.quick else 3), batches)
        errors = bench.errors(options.every or (9 if options.quick else 1))
        modes = () if options.no_memory or gpu or name == "lesson" else ("dense", *MODES)
        rows = claims(name, bench, times, errors, {mode: peak_mib(name, mode) for mode in modes})
        show(name, bench, times, rows)
        found += rows
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))
    return None


def show(name: str, bench: Bench, times: dict, rows: list[dict]) -> None:
    print(f"\n{name}: {len(bench.occluders)} positions. {bench.note}")
    for way, seconds in times.items():
        cpu, wall = (float(np.median([s[i] for s in seconds])) * len(bench.occluders) for i in (0, 1))
        print(f"  {way:20} {cpu:9.3f} s CPU a map  {wall:9.3f} s wall")
    for row in rows:
        target = (
            ""
            if row["target"] is None
            else f"  target {row['target']:g} {'reached' if row['ok'] else 'missed'}"
        )
        low, high = row["spread"]
        print(
            f"  {row['claim']:58} {row['value']:9.3g} {row['unit']} ({low:.3g} to {high:.3g}){target}",
            flush=True,
        )


if __name__ == "__main__":
    main()
