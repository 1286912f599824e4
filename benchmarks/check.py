"""How many planted label errors and copies does `convsight check` find, beside cleanlab on the same probabilities?

    python benchmarks/check.py [--quick] [--json FILE] [--sets fashion cifar natural copies] [--seeds N]
                               [--keep FOLDER]

Label errors: 5% of the labels are changed, at random or to the class that is most often confused with the true one.
Measured are the average precision of the order in which labels are doubted, and the share of the errors in the first
tenth. cleanlab ranks by its default score (self-confidence), once with the very probabilities that check ranks by, and
once with those of a plain round out of fold on the network's last vector. Fashion-MNIST: patch features of test pictures.
CIFAR folder and the natural set (composed, correlation 0.25, 4 classes): features of a MobileNetV2 trained on ImageNet, from
../shared, and those of its earlier layers where check asks them.
Copies: of 500 pictures the mirror image, a crop of 90% of each side, JPEG of quality 50, and a size of 60%.
cleanlab is a test dependency; without it its columns are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import platform
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import convsight as cs
from convsight.checking.mislabelled import judge_by
from convsight.checking.subject import CheckedPictures
from convsight.datasets import Dataset
from convsight.features.copies import copies
from convsight.features.selection import Selection
from convsight.imaging.fitting import fit_pixels
from convsight.training.cross_validation import out_of_fold
from convsight.training.linear_head import fit_head

SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
ERRORS = 0.05


def average_precision(score: Tensor, wrong: Tensor) -> float:
    found = wrong[score.argsort(descending=True)].double()
    return float((found.cumsum(0) / torch.arange(1, len(found) + 1) * found).sum() / found.sum())


def in_a_tenth(score: Tensor, wrong: Tensor) -> float:
    first = score.argsort(descending=True)[: len(score) // 10]
    return float(wrong[first].sum() / wrong.sum())


def with_errors(true: Tensor, similar: list[int], kind: str, seed: int) -> tuple[Tensor, Tensor]:
    """Labels of which 5% are wrong, and which ones."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.zeros(len(true), dtype=torch.bool)
    wrong[torch.randperm(len(true), generator=generator)[: round(ERRORS * len(true))]] = True
    k = len(similar)
    others = (true + 1 + torch.randint(k - 1, true.shape, generator=generator)) % k
    return torch.where(wrong, others if kind == "random" else torch.tensor(similar)[true], true), wrong


def most_confused(features: Tensor, true: Tensor, k: int) -> list[int]:
    """For each class the one that a probe most often takes it for."""
    said = out_of_fold(features, true, 3, 0, n_outputs=k, strengths=[0.1]).argmax(1)
    confusion = torch.zeros(k, k).index_put_((true, said), torch.ones(len(true)), accumulate=True)
    return confusion.fill_diagonal_(-1).argmax(1).tolist()


def cleanlab_scores(labels: Tensor, chances: Tensor) -> Tensor | None:
    if importlib.util.find_spec("cleanlab") is None:
        return None
    from cleanlab.rank import get_label_quality_scores

    return -torch.from_numpy(get_label_quality_scores(labels.numpy(), chances.double().numpy()))


def label_errors(name: str, subject: CheckedPictures, seeds: int) -> Iterator[dict[str, Any]]:
    true, features, k = subject.labels, subject.features, len(subject.classes)
    assert true is not None
    kinds = [("features", lambda: subject.features)]
    if subject.has_levels:
        kinds.append(("levels", lambda: subject.levels))
    similar = most_confused(features, true, k)
    for kind in ("random", "similar"):
        found: dict[str, list[float]] = {}
        for seed in range(seeds):
            labels, wrong = with_errors(true, similar, kind, seed)
            ours = judge_by(kinds, labels, k)
            strength = fit_head(features, labels, n_outputs=k).strength
            plain = out_of_fold(features, labels, n_outputs=k, strengths=[strength])
            scores = {
                "check": ours.suspicion,
                "cleanlab, same probabilities": cleanlab_scores(labels, ours.chances),
                "cleanlab, plain out of fold": cleanlab_scores(labels, plain),
            }
            for who, score in scores.items():
                if score is not None:
                    found.setdefault(f"average precision, {who}", []).append(average_precision(score, wrong))
                    found.setdefault(f"errors found in a tenth, {who}", []).append(in_a_tenth(score, wrong))
        theirs = statistics.mean(found.get("average precision, cleanlab, same probabilities", [0.0]))
        for claim, values in found.items():
            target = {"average precision, check": theirs, "errors found in a tenth, check": 0.8}.get(claim)
            yield row(f"{name}, 5% {kind}: {claim}", values, target, len(true))


def row(
    claim: str, values: list[float], target: float | None, n: int, at_most: bool = False
) -> dict[str, Any]:
    value = statistics.mean(values)
    good = None if target is None else value <= target if at_most else value >= target
    return {
        "claim": claim, "value": round(value, 4), "unit": "share",
        "target": None if target is None else f"{'<=' if at_most else '>='} {target:.4g}", "ok": good, "n": n,
        "spread": [round(min(values), 4), round(max(values), 4)],
        "device": f"cpu, {platform.machine()}, torch {torch.__version__}", "command": " ".join(sys.argv),
    }  # fmt: skip


def subject_of(data: Dataset, net: cs.Classifier | None, keep: Path | None = None) -> CheckedPictures:
    return CheckedPictures(data, Selection.of(data, "all"), net, 0, keep=keep)


def fashion(quick: bool, keep: Path | None = None) -> CheckedPictures:
    data = cs.dataset("fashion-mnist", path=SHARED / "data" / "fashion-mnist").test
    some = data.take(
        torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[: 1500 if quick else 10_000]
    )
    return subject_of(Dataset("fashion-mnist", data.classes, some.take([]), some.take([]), some), None, keep)


def mobilenet(px: int) -> cs.Classifier:
    spec = importlib.util.spec_from_file_location("mobilenet_v2", SHARED / "models" / "mobilenet_v2.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.load(str(SHARED / "models" / "mobilenet_v2_imagenet.safetensors"))
    return cs.Classifier(net, classes="imagenet", input_size=px, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3)


def cifar(quick: bool, keep: Path | None = None) -> CheckedPictures:
    net = mobilenet(128)  # as training and `convsight check` show pictures of 32 pixels
    data = cs.dataset(SHARED / "data" / "cifar10-folder", size=128, limit=1000 if quick else None)
    return subject_of(
        Dataset("cifar", data.classes, data.train, data.validation, data.test.take([])), net, keep
    )


def natural(quick: bool, keep: Path | None = None) -> CheckedPictures:
    spec = importlib.util.spec_from_file_location("compose", SHARED / "data" / "natural" / "compose.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    folder, root = Path(tempfile.mkdtemp()), SHARED / "data" / "natural"
    pairs = {"dog": "snow", "cat": "grass", "horse": "forest", "car": "city"}
    sizes = {"train": 200 if quick else 600, "val": 4, "test": 4, "balanced": 4}
    made.compose(str(root / "objects"), str(root / "backgrounds"), str(folder), pairs, 0.25, sizes, 160)
    data = cs.dataset(folder / "train", size=160, test=4, validation=4)
    return subject_of(data, mobilenet(160), keep)


def variants(picture: Image.Image, lot: random.Random) -> list[Image.Image]:
    """A picture and its four copies."""
    w, h = picture.size
    cw, ch = round(w * 0.9), round(h * 0.9)
    x, y = lot.randint(0, w - cw), lot.randint(0, h - ch)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50)
    return [
        picture,
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        picture.crop((x, y, x + cw, y + ch)),
        Image.open(buffer).convert(picture.mode),
        picture.resize((round(w * 0.6), round(h * 0.6)), Image.Resampling.BICUBIC),
    ]


def planted_copies(name: str, files: list[Path]) -> Iterator[dict[str, Any]]:
    """Recall of the planted copies; two crops of one photo (files NAME_0, NAME_1) are not counted as false."""
    lot, photos = random.Random(0), [file.stem.rpartition("_")[0] or file.stem for file in files]
    pictures = [Image.open(file).convert("RGB") for file in files]
    made = [_small(each) for picture in pictures for each in variants(picture, lot)]
    found = {(c.first, c.second) for c in copies(torch.cat(made))}
    true = {(5 * i, 5 * i + j) for i in range(len(pictures)) for j in range(1, 5)}
    false = [(a, b) for a, b in found if photos[a // 5] != photos[b // 5]]
    n = len(pictures)
    yield row(f"copies of {name}: recall of (picture, copy)", [len(found & true) / len(true)], 0.95, n)
    for j, kind in enumerate(("mirrored", "cropped", "JPEG 50", "resized"), 1):
        yield row(
            f"copies of {name}: recall, {kind}",
            [sum((5 * i, 5 * i + j) in found for i in range(n)) / n],
            None,
            n,
        )
    yield row(
        f"copies of {name}: false pairs among those found", [len(false) / max(len(found), 1)], 0.001, n, True
    )


def _small(picture: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    return fit_pixels(pixels, (32, 32), 3, "stretch")


def copies_rows(quick: bool) -> Iterator[dict[str, Any]]:
    data, n = SHARED / "data", 100 if quick else 500
    small = sorted(data.glob("cifar10-lossless/train/*/*.png"))
    large = sorted(data.glob("natural/backgrounds/*/*.jpg"))
    for name, files in (("CIFAR-10 (lossless)", small), ("natural backgrounds", large)):
        random.Random(0).shuffle(files)
        yield from planted_copies(name, files[:n])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--sets", nargs="+", default=["copies", "fashion", "cifar", "natural"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where features stay for a second run")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in given.sets:
        if name == "copies":
            made = copies_rows(given.quick)
        else:
            keep = given.keep / name if given.keep else None
            subject = {"fashion": fashion, "cifar": cifar, "natural": natural}[name](given.quick, keep)
            assert subject.labels is not None
            made = label_errors(name, subject, given.seeds)
        for each in made:
            rows.append(each)
            print(f"{each['value']:8.4f}  {each['target'] or '':12} {each['spread']}  {each['claim']} (n = {each['n']:,})", flush=True)  # fmt: skip
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
