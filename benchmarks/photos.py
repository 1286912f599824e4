"""How good is a network that has seen other photos on a few hundred of one's own, and how long does that take?

    python benchmarks/photos.py [--quick] [--seeds 3] [--first-seed 0] [--only probe,finetune,plain,fastai,cifar] [--json FILE]

MobileNetV2 with ImageNet's weights (`shared/models`), on
- natural: real cut-out objects on real backgrounds, composed into a temporary folder (`shared/data/natural`, four
  classes, 600 pictures of each to learn from, 160 px, background and class unrelated), and 1,000 new ones of objects and
  backgrounds that training never saw;
- cifar: 5,000 JPEGs of 32 px in ten folders, enlarged as each recipe does, and their 1,000 test pictures.

Beside it a plain loop as a practitioner writes it in torch: a new head, AdamW for all weights at one rate, flips, as many
epochs as `finetune`; fastai's `fine_tune` with the same epochs, where fastai is installed; and scikit-learn's logistic
regression on the features that the probe kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.datasets import Dataset
from convsight.features.kept import kept_features
from convsight.training.norms import take_statistics

SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
NETWORK = f"{SHARED / 'models' / 'mobilenet_v2.py'}:load"
WEIGHTS = SHARED / "models" / "mobilenet_v2_imagenet.safetensors"
PARTS = ("probe", "finetune", "plain", "fastai", "cifar")
PAIRS = {"cat": "grass", "dog": "snow", "horse": "desert", "car": "city"}
COMMAND = "python benchmarks/photos.py"


def composed(folder: Path, seed: int, a_class: int) -> Path:
    """A folder of pictures whose backgrounds say nothing about the class: a quarter each."""
    where = SHARED / "data" / "natural"
    spec = importlib.util.spec_from_file_location("compose", where / "compose.py")
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    count = {"train": a_class, "val": max(20, a_class // 6), "test": 250, "balanced": 0}
    out = folder / f"natural-{seed}"
    code.compose(
        where / "objects", where / "backgrounds", out, pairs=PAIRS, correlation=0.25, n_per_class=count, size=160,
        seed=seed,
    )  # fmt: skip
    return out


def trained(recipe: str, photos: Path, out: Path, seed: int) -> dict[str, Any]:
    began, cpu = time.perf_counter(), time.process_time()
    run = cs.train(photos, recipe, network=NETWORK, weights=WEIGHTS, seed=seed, out=out)
    return {
        "accuracy": run.metrics["test"]["accuracy"],
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "run": run,
    }


def plain(photos: Path, out: Path, seed: int, epochs: int = 4) -> dict[str, Any]:
    """A fine-tuning loop as it is usually written."""
    began, cpu = time.perf_counter(), time.process_time()
    data = cs.dataset(photos)
    torch.manual_seed(seed)
    module = with_statistics(data)
    module.classifier[1] = torch.nn.Linear(1280, len(data.classes))
    module.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=epochs * (len(data.train) // 32))
    for _ in range(epochs):
        order = torch.Generator().manual_seed(seed)
        for images in data.train.batches(32, generator=order, drop_last=True):
            pixels = (images.pixels - 0.5) / 0.5
            pixels = torch.where((torch.rand(len(pixels), 1, 1, 1) < 0.5), pixels.flip(3), pixels)
            loss = F.cross_entropy(
                module(pixels.contiguous(memory_format=torch.channels_last)), images.labels
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
    accuracy = right_of(module.eval(), data)
    return {"accuracy": accuracy, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def fastai(photos: Path, out: Path, seed: int, epochs: int = 4) -> dict[str, Any]:
    """`vision_learner(...).fine_tune` with fastai's own head, rates and augmentation: an epoch for the head, then `epochs`."""
    import_torchvision()
    from fastai.vision.all import (  # pyright: ignore[reportMissingImports]
        ImageDataLoaders,
        Normalize,
        aug_transforms,
        set_seed,
        vision_learner,
    )

    began, cpu = time.perf_counter(), time.process_time()
    set_seed(seed)
    data = cs.dataset(photos)
    loaders = ImageDataLoaders.from_folder(
        photos, valid="val", bs=32, num_workers=0, seed=seed,
        batch_tfms=[*aug_transforms(), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    )  # fmt: skip

    def network(pretrained: bool) -> torch.nn.Module:
        """The network in two parts: fastai cuts at the last that pools, and puts its own head there."""
        module = with_statistics(data)
        head = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), module.get_submodule("classifier")
        )
        return torch.nn.Sequential(module.get_submodule("features"), head)

    learner = vision_learner(loaders, network, path=out)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs)
    assert tuple(loaders.vocab) == data.classes
    accuracy = right_of(learner.model.eval(), data)
    return {"accuracy": accuracy, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def with_statistics(data: Dataset) -> Any:
    """The network with the batch statistics of 512 of these pictures, and the same answers.

    In the file of weights normalisation is folded into the kernels; a loop that normalises by its batches, as both do,
    would start from nothing: fastai's stayed at chance on 160 photos.
    """
    module = cs.load(NETWORK, weights=WEIGHTS, input_size=data.size).module.requires_grad_(True)
    some = data.train.take(torch.arange(0, len(data.train), max(1, len(data.train) // 512)))
    take_statistics(module, ((images.pixels - 0.5) / 0.5 for images in some.batches(32)))
    return module


@torch.no_grad()
def right_of(module: torch.nn.Module, data: Dataset) -> float:
    right = [
        (module((images.pixels - 0.5) / 0.5).argmax(1) == images.labels).float()
        for images in data.test.batches(50)
    ]
    return float(torch.cat(right).mean())


def scikit(run: cs.Run) -> float:
    """Logistic regression on the same features, its C chosen on the same validation pictures."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    splits = run.dataset.splits
    x = {name: kept_features(run.path / "features", name, split).numpy() for name, split in splits.items()}
    y = {name: split.labels.numpy() for name, split in splits.items()}
    scale = StandardScaler().fit(x["train"])
    models = [
        LogisticRegression(C=c, max_iter=300).fit(scale.transform(x["train"]), y["train"])
        for c in (1e-4, 1e-3, 1e-2)
    ]
    best = max(models, key=lambda model: model.score(scale.transform(x["validation"]), y["validation"]))
    return float(best.score(scale.transform(x["test"]), y["test"]))


def row(claim: str, values: list[float], unit: str, target: float | None, *, least: bool) -> dict[str, Any]:
    value = statistics.mean(values)
    ok = None if target is None else value >= target if least else value <= target
    spread = f"{min(values):.4g} – {max(values):.4g}"
    return {
        "claim": claim, "value": round(value, 4), "unit": unit, "target": target, "ok": ok, "n": len(values),
        "spread": spread, "device": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
        "command": COMMAND,
    }  # fmt: skip


def natural(seeds: range, a_class: int, only: set[str], folder: Path) -> list[dict[str, Any]]:
    ways: dict[str, Callable[[Path, Path, int], dict[str, Any]]] = {
        "probe": lambda photos, out, seed: trained("probe", photos, out, seed),
        "finetune": lambda photos, out, seed: trained("finetune", photos, out, seed),
        "plain": plain,
        "fastai": fastai,
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways if name in only}
    for seed in seeds:
        photos = composed(folder, seed, a_class)
        for name, results in found.items():
            results.append(ways[name](photos, folder / f"{name}-{seed}", seed))
            print(name, seed, {k: round(v, 4) for k, v in results[-1].items() if k != "run"}, flush=True)
    rows = []
    targets = {"probe": (0.94, 60), "finetune": (0.965, 300)}
    for name, results in found.items():
        right, seconds = targets.get(name, (None, None))
        what = f"natural, {4 * a_class} photos of four classes, {name}"
        rows.append(
            row(
                f"{what}: accuracy on new photos",
                [r["accuracy"] for r in results],
                "share",
                right,
                least=True,
            )
        )
        rows.append(row(f"{what}: whole command", [r["seconds"] for r in results], "s", seconds, least=False))
        rows.append(row(f"{what}: processor time", [r["cpu"] for r in results], "CPU-s", None, least=False))
    return rows


def cifar(folder: Path, *, tune: bool) -> list[dict[str, Any]]:
    photos = SHARED / "data" / "cifar10-folder"
    probe = trained("probe", photos, folder / "cifar-probe", 0)
    gap = 100 * (probe["accuracy"] - scikit(probe["run"]))
    rows = [
        row("CIFAR folder, probe: accuracy", [probe["accuracy"]], "share", None, least=True),
        row("the same minus scikit-learn on the same features", [gap], "points", -2, least=True),
    ]
    if tune:
        tuned = trained("finetune", photos, folder / "cifar-finetune", 0)
        mirrored = tuned["run"].metrics["test"]["flip"]["accuracy"]
        rows.append(row("CIFAR folder, finetune: accuracy", [tuned["accuracy"]], "share", 0.9, least=True))
        rows.append(row("the same, mirror images averaged", [mirrored], "share", None, least=True))
        rows.append(row("CIFAR folder, finetune: processor time", [tuned["cpu"]], "CPU-s", None, least=False))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, 60 photos a class, no fine-tuning of CIFAR"
    )
    parser.add_argument("--seeds", type=int, default=3, help="compositions and trainings (default: 3)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of these seeds (default: 0)")
    parser.add_argument(
        "--only", default=",".join(PARTS), help="parts, with commas (default: all that can be run)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    given = parser.parse_args()
    only = set(given.only.split(","))
    if "fastai" in only and importlib.util.find_spec("fastai") is None:
        print("fastai is not installed, so it is left out")
        only.remove("fastai")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = range(given.first_seed, given.first_seed + (1 if given.quick else given.seeds))
        rows = natural(seeds, 60 if given.quick else 600, only, folder)
        rows += cifar(folder, tune=not given.quick and "finetune" in only) if "cifar" in only else []
    for each in rows:
        met = (
            "" if each["ok"] is None else f"  target {each['target']:g}: {'met' if each['ok'] else 'missed'}"
        )
        print(
            f"{each['claim']:<70} {each['value']:>9.4g} {each['unit']:<6} ({each['spread']}, n={each['n']}){met}"
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
