"""How much CPU time do Shapley values of 49 regions take against captum and shap, and do the intervals hold?

    python benchmarks/shapley.py [--quick] [--nets resnet18 mobilenet] [--rounds 3] [--passes 1000] [--json FILE]

A 7×7 grid on 224×224 pictures, hidden by grey, one thread. Every way has its own random numbers in each round, and the
ways run in turn, the peers in batches of the size at which they are quickest. Mean square errors fall as 1 ÷ passes, so
CPU seconds × mean square error says what a way costs for the same error; ratios of that are reported, with those of
passes alone. The reference is `shapley` with another seed and `--reference` passes; its own error (from its intervals)
is taken off. Owen values (shap's PartitionExplainer) are another quantity, and only their distance is shown.

`--coverage` asks instead how often 95% intervals hold exact values: 10 regions (all 1,024 coalitions), budgets of 80,
150 and 300 passes, on the networks of `../shared` (ResNet-20 on CIFAR-10, MobileNetV2) and a small trained one. It also
asks how often a group of first regions that is called certain is not the right one.
`--first-three` measures on two threads when the first three of 49 regions of MobileNetV2 are certain.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.coalitions.certainty import certain_groups, certain_words
from convsight.coalitions.exact import every, shapley_values
from convsight.coalitions.game import Game, scores_for
from convsight.coalitions.regions import grid
from convsight.coalitions.regression import Estimate
from convsight.coalitions.solving import Solving

SHARED = Path(os.environ.get("CONVSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SIDE = 7
BATCH = {"mobilenet": 2, "resnet18": 4}  # the peers' quickest of 2, 4, 8 and 16 on one thread
TARGETS = {"captum ShapleyValueSampling": 5.0, "captum KernelShap": 2.0, "shap KernelExplainer": 2.0}


class Way(NamedTuple):
    """One way's answer: values, CPU seconds, passes."""

    values: np.ndarray
    seconds: float
    passes: int


def smooth(n: int, size: int, seed: int) -> Tensor:
    coarse = torch.rand(n, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)


def mobilenet() -> cs.Classifier:
    sys.path.insert(0, str(SHARED / "models"))
    import mobilenet_v2  # type: ignore[import-not-found]

    module = mobilenet_v2.load(SHARED / "models/mobilenet_v2_imagenet.safetensors")
    return cs.Classifier(module, "imagenet", input_size=224, mean=0.5, std=0.5, crop=0.875)


def resnet18() -> cs.Classifier:
    """Random weights, with batch norms that fit the data as in a trained network."""
    torch.manual_seed(0)
    module = import_torchvision().models.resnet18(weights=None)
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.momentum = None
    with torch.no_grad():
        module(smooth(4, 224, 9) * 4 - 2)
    return cs.Classifier(module.eval(), input_size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Case:
    """One network and picture, and every way to its values."""

    def __init__(self, name: str, photo: str):
        self.batch = BATCH[name]
        self.net = {"mobilenet": mobilenet, "resnet18": resnet18}[name]()
        files = sorted((SHARED / "data/photos").glob(f"*{photo}*"))
        self.images = self.net.fit(files[0] if files else smooth(1, 224, 1))
        self.picture = self.images.pixels
        self.grey = torch.full_like(self.picture, 0.5)
        self.target = int(self.net.scores(self.images)[0].argmax())
        self.cut = grid((224, 224), SIDE, SIDE)
        self.inside, self.hidden = self.net.normalise(self.picture), self.net.normalise(self.grey)
        self.count = 0

    def forward(self, inside: Tensor) -> Tensor:
        self.count += len(inside)
        with torch.no_grad():
            return self.net.module(inside)

    def timed(self, run: Callable[[], Any]) -> Way:
        self.count, started = 0, time.process_time()
        values = np.asarray(run(), dtype=float)
        return Way(values, time.process_time() - started, self.count)

    def ours(self, passes: int, seed: int) -> Way:
        made = self.timed(lambda: self.method(passes, seed).region_values[0])
        return made._replace(passes=passes)

    def method(self, passes: int, seed: int) -> cs.Map:
        knobs = {"regions": SIDE, "passes": passes, "precision": 0.0, "seed": seed}
        return cs.shapley(self.net, self.picture, self.target, **knobs)

    def captum(self, kind: str, passes: int, seed: int) -> Way:
        from captum.attr import KernelShap, ShapleyValueSampling

        torch.manual_seed(seed)
        np.random.seed(seed)
        way = {"captum ShapleyValueSampling": ShapleyValueSampling, "captum KernelShap": KernelShap}[kind](
            self.forward
        )
        samples = max(1, passes // SIDE**2) if kind.endswith("Sampling") else passes
        with torch.no_grad():
            run = lambda: self.by_region(  # noqa: E731
                way.attribute(
                    self.inside, self.hidden, self.target, feature_mask=self.cut[None, None], n_samples=samples,
                    perturbations_per_eval=self.batch,
                )[0, 0]
            )  # fmt: skip
            return self.timed(run)

    def by_region(self, values: Tensor) -> Tensor:
        firsts = [int((self.cut.flatten() == r).nonzero()[0, 0]) for r in range(SIDE**2)]
        return values.flatten()[firsts]

    def masked(self, shown: np.ndarray) -> np.ndarray:
        """Scores of rows of 0 and 1, in batches, as shap asks for them."""
        rows = torch.from_numpy(np.asarray(shown)) > 0.5
        return np.concatenate(
            [
                self.forward(torch.where(part[:, self.cut][:, None], self.inside, self.hidden))[
                    :, self.target
                ].numpy()
                for part in rows.split(self.batch)
            ]
        )

    def kernel(self, passes: int, seed: int) -> Way:
        import shap

        np.random.seed(seed)

        def run() -> Any:
            explainer = shap.KernelExplainer(self.masked, np.zeros((1, SIDE**2)))
            return explainer.shap_values(np.ones(SIDE**2), nsamples=passes, l1_reg=False, silent=True)

        return self.timed(run)

    def owen(self, passes: int) -> Way:
        """Owen values of the pixels' hierarchy, added up over regions."""
        import shap

        picture = self.picture[0].permute(1, 2, 0).numpy().astype(np.float64)
        masker = shap.maskers.Image(np.full(picture.shape, 0.5), picture.shape)

        def score(pictures: np.ndarray) -> np.ndarray:
            inside = self.net.normalise(torch.from_numpy(np.asarray(pictures)).float().permute(0, 3, 1, 2))
            return self.forward(inside)[:, [self.target]].numpy()

        def run() -> np.ndarray:
            explainer = shap.Explainer(score, masker, output_names=["score"])
            found = explainer(picture[None], max_evals=passes, batch_size=self.batch, silent=True).values[
                0, ..., 0
            ]
            return np.bincount(self.cut.flatten().numpy(), found.sum(-1).ravel())

        return self.timed(run)

    def ways(self, passes: int, seed: int) -> Iterator[tuple[str, Way]]:
        yield "ours", self.ours(passes, seed)
        for kind in ("captum ShapleyValueSampling", "captum KernelShap"):
            yield kind, self.captum(kind, passes, seed)
        yield "shap KernelExplainer", self.kernel(passes, seed)


def compared(name: str, photo: str, rounds: int, passes: int, reference: int) -> Iterator[dict]:
    """Cost of every peer for the same mean square error, in multiples of ours."""
    case = Case(name, photo)
    case.ours(200, 99)  # tracing, first calls
    long = case.method(reference, 1000)
    right = long.region_values[0].numpy()
    own_error = float(((long.region_intervals[0, :, 1] - long.region_values[0]) / 1.96).square().mean())
    found: dict[str, list[Way]] = {}
    for seed in range(rounds):
        for kind, way in case.ways(passes, seed):
            found.setdefault(kind, []).append(way)
            print(f"{name} {kind}: {way.passes} passes, {way.seconds:.0f} s, "
                  f"mean error {np.abs(way.values - right).mean():.4f}", file=sys.stderr)  # fmt: skip
    costs = {}
    for kind, ways in found.items():
        error = max(1e-12, np.mean([((w.values - right) ** 2).mean() for w in ways]) - own_error)
        costs[kind] = error * np.mean([w.seconds for w in ways]), error * np.mean([w.passes for w in ways])
    for kind, target in TARGETS.items():
        each = [((w.values - right) ** 2).mean() * w.seconds / costs["ours"][0] for w in found[kind]]
        yield row(
            f"{name}: CPU time of {kind} ÷ ours, same mean square error", costs[kind][0] / costs["ours"][0], "times",
            target, len(each), float(np.std(each)),
        ) | {"passes_ratio": round(float(costs[kind][1] / costs["ours"][1]), 2)}  # fmt: skip
    owen = case.owen(passes)
    far = float(np.corrcoef(owen.values, right)[0, 1])
    print(f"{name} Owen values: {owen.passes} passes, {owen.seconds:.0f} s, "
          f"mean difference {np.abs(owen.values - right).mean():.4f}", file=sys.stderr)  # fmt: skip
    yield row(
        f"{name}: correlation of Owen values (PartitionExplainer) with the reference", far, "", None, 49, 0.0
    )


def three_certain(photo: str, passes: int) -> dict:
    """Wall seconds until the first three of 49 regions of MobileNetV2 are certain as a group, on two threads."""

    torch.set_num_threads(2)
    case = Case("mobilenet", photo)
    case.ours(200, 99)
    started, cpu = time.perf_counter(), time.process_time()
    scores = scores_for(case.net, case.net.target(case.target, case.images), [0], passes)
    solving = Solving(Game(case.picture[0], case.grey, case.cut, scores), passes, 0.0, 0)
    sure: list[int] = []
    while not solving.done and 3 not in sure:
        solving.step()
        assert solving.estimate is not None
        sure = certain_groups(solving.estimate, 0)
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    torch.set_num_threads(1)
    chance = float(case.net.scores(case.images).softmax(1).max())
    said = "certain" if 3 in sure else "not certain"
    assert solving.estimate is not None
    print(f"{photo} ({chance:.0%}): {said} after {solving.game.passes} passes, {took:.1f} s, {cpu:.1f} CPU-s. "
          f"{certain_words(solving.estimate, 0, solving.game.passes)}", file=sys.stderr)  # fmt: skip
    return row(
        f"mobilenet, {photo} ({chance:.0%}): seconds until the first three are {said}", took, "s", 10.0, 1, 0.0,
        least=False,
    ) | {"passes": solving.game.passes, "cpu_seconds": round(cpu, 2)}  # fmt: skip


# ---- coverage ----------------------------------------------------------------------------------------------


BUDGETS = (80, 150, 300)


def coverage(nets: list[str], pictures: int, seeds: int) -> Iterator[dict]:
    """How often the interval of a region's value holds the exact one, and how often a certain group is wrong."""
    for name in nets:
        net, images = {"fast": fast, "cifar": cifar, "mobilenet": photos}[name](pictures)
        held: dict[int, list[np.ndarray]] = {budget: [] for budget in BUDGETS}
        wrong: list[bool] = []
        for i in range(len(images)):
            aim = net.target(None, images[i])
            scores = scores_for(net, aim, [0], 2000)
            cut, fill = grid(net.input_size, 2, 5), torch.full_like(images.pixels[:1], 0.5)
            game = Game(images.pixels[i], fill, cut, scores)
            table = game.values(every(10), torch.zeros(1024, dtype=torch.long))
            right = shapley_values(table)
            game.values = lambda shown, fills, t=table: t[(shown.long() << torch.arange(10)).sum(1)]  # type: ignore[method-assign]
            for seed in range(seeds):
                for budget in BUDGETS:
                    work = Solving(game, budget, 0.0, seed)
                    while not work.done:
                        work.step()
                        assert work.estimate is not None
                        wrong += groups_wrong(work.estimate, right[:, 0])
                    assert work.estimate is not None
                    held[budget].append(
                        ((work.estimate.values - right).abs() <= work.estimate.half)[:, 0].numpy()
                    )
        for said, shares in (*held.items(), ("all", [s for each in held.values() for s in each])):
            share = np.concatenate(shares)
            claim = f"{name}, {said} passes: exact values inside the 95% interval"
            made = row(claim, float(share.mean()), "share", None, len(share), 0.0)
            yield made | {"ok": abs(made["value"] - 0.95) <= 0.015, "target": 0.95}
        yield row(
            f"{name}: groups of first regions called certain that are wrong", float(np.mean(wrong)), "share",
            0.05, len(wrong), 0.0, least=False,
        )  # fmt: skip


def groups_wrong(found: Estimate, right: Tensor) -> list[bool]:
    """For each group of first regions that is called certain, whether it is another one than the exact values say."""
    mine, true = (values.argsort(descending=True).tolist() for values in (found.values[:, 0], right))
    return [set(mine[:k]) != set(true[:k]) for k in certain_groups(found, 0)]


def fast(pictures: int) -> tuple[cs.Classifier, cs.Images]:
    with tempfile.TemporaryDirectory() as folder:
        run = cs.train("drawn-garments", "quick", out=Path(folder) / "run", epochs=3, limit=2000)
        return run.classifier, run.dataset.test[:pictures]


def cifar(pictures: int) -> tuple[cs.Classifier, cs.Images]:
    sys.path.insert(0, str(SHARED / "models"))
    import cifar_resnet  # type: ignore[import-not-found]

    module = cifar_resnet.load(SHARED / "models/cifar10_resnet20.safetensors")
    mean, std = cifar_resnet.MEAN.flatten().tolist(), cifar_resnet.STD.flatten().tolist()
    net = cs.Classifier(module, cifar_resnet.CLASSES, input_size=32, mean=mean, std=std)
    files = sorted((SHARED / "data/cifar10-folder/test").glob("*/*"))
    return net, net.fit(files[:: max(1, len(files) // pictures)][:pictures])


def photos(pictures: int) -> tuple[cs.Classifier, cs.Images]:
    net, files = mobilenet(), sorted((SHARED / "data/photos").glob("*.jpg"))
    few = max(1, pictures // 6)  # of 224 × 224 pixels
    return net, net.fit(files[:: max(1, len(files) // few)][:few])


def row(
    claim: str, value: float, unit: str, target: float | None, n: int, spread: float, least: bool = True
) -> dict:
    value = float(value)
    ok = None if target is None else (value >= target if least else value <= target)
    device = f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {
        "claim": claim, "value": round(value, 3), "unit": unit, "target": target, "ok": ok, "n": n,
        "spread": round(spread, 3), "device": device, "command": " ".join(["python", *sys.argv]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round with fewer passes, MobileNetV2 alone")
    parser.add_argument("--nets", nargs="+", default=None, choices=("resnet18", "mobilenet", "cifar", "fast"))
    parser.add_argument("--photo", nargs="+", default=["goldfinch"], help="a word of each photo's file name")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=1000, help="of every way; with --first-three at most")
    parser.add_argument("--reference", type=int, default=8000, help="passes of the reference")
    parser.add_argument("--coverage", action="store_true", help="measure the intervals instead")
    parser.add_argument(
        "--first-three", action="store_true", help="measure the time to certain ranks instead"
    )
    parser.add_argument("--pictures", type=int, default=25, help="of --coverage (of 224 px a sixth)")
    parser.add_argument("--seeds", type=int, default=3, help="of --coverage for each picture and budget")
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.quick:
        given.rounds, given.passes, given.reference, given.pictures = 1, 500, 2000, 6
    if given.coverage:
        rows = coverage(
            given.nets or (["fast"] if given.quick else ["fast", "cifar", "mobilenet"]),
            given.pictures,
            given.seeds,
        )
    elif given.first_three:
        rows = (three_certain(photo, given.passes) for photo in given.photo)
    else:
        nets = given.nets or (["mobilenet"] if given.quick else ["mobilenet", "resnet18"])
        rows = (
            r
            for name in nets
            for photo in given.photo
            for r in compared(name, photo, given.rounds, given.passes, given.reference)
        )
    made = []
    for each in rows:
        made.append(each)
        more = f", of passes {each['passes_ratio']}" if "passes_ratio" in each else ""
        print(f"{each['claim']:80} {each['value']:8.3f} {each['unit']} (n {each['n']}{more})", flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
