"""What unlearns surroundings best? Ways that are told nothing, beside two that are told the true groups.

    OMP_NUM_THREADS=1 python benchmarks/surroundings_fix.py --cache DIR [--seeds 102,112,108] [--json FILE]
        [--photos FOLDER] [--mobilenet FOLDER]

The networks are those of `surroundings.py`. A group is a class before one kind of surroundings; accuracy is measured on
the balanced split, in which every object stands before every kind. Told nothing: JTT (Liu et al. 2021, arXiv 2107.09044),
surroundings exchanged among the pictures (what `convsight fix` does), the last layer fitted anew to exchanged pictures, and
to groups that the audit found. Told the groups of all training pictures, as the ceiling: GroupDRO (Sagawa et al. 2020, arXiv
1911.08731) and DFR (Kirichenko et al. 2022, arXiv 2204.02937), which is also given held-out pictures.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from last_layer import features_drawn, refitted, weights_by_surroundings
from surroundings_nets import EPOCHS, RECIPES, Subject, accuracy, subjects
from torch import Tensor, nn

import convsight as cs
from convsight.datasets.scenes import Scenes
from convsight.network.classifier import Classifier
from convsight.shortcuts.fix import fix
from convsight.shortcuts.scene_reliance import group_accuracies
from convsight.shortcuts.surroundings import Surroundings
from convsight.shortcuts.swap import swapped

HELD_OUT = 60  # validation pictures a class, for DFR
EARLY, UP = 3, 6  # JTT: epochs after which mistakes are looked up, and how often they are shown
NOTHING = 1e-9  # of the pictures exchanged: the same training without it
STEP = 0.01  # GroupDRO: how fast the weights of groups move
Row = dict[str, Any]


def ways(subject: Subject, scenes: Scenes, folder: Path) -> dict[str, Callable[[], Classifier]]:
    """Each way by its name, and what makes its network."""
    net, seed = subject.net, subject.spec.seed
    made: dict[str, Classifier] = {}

    def on(share: float, name: str) -> Classifier:
        return fix(
            cs.Run(subject.folder / "run"), probe=Surroundings(), target=scenes.classes[0], data=scenes, share=share,
            audit=False, out=folder / name, seed=seed, device="cpu",
        ).run.classifier  # fmt: skip

    def exchanged() -> Classifier:
        made["exchanged"] = on(1.0, "exchanged")
        return made["exchanged"]

    small = {
        "trained on for as long, nothing exchanged": lambda: on(NOTHING, "longer"),
        "JTT": lambda: jtt(subject, scenes, folder),
        "surroundings exchanged, the whole network trained on": exchanged,
        "that, and then its last layer on exchanged pictures": lambda: last_layer(made["exchanged"], scenes, seed),
        "GroupDRO, told the groups": lambda: group_dro(net, scenes, seed),
        "trained on other pictures, where surroundings say nothing": lambda: unbiased(subject, folder),
    }  # fmt: skip
    return {
        "as it was": lambda: net,
        **(small if subject.spec.network in RECIPES else {}),
        "the last layer on exchanged pictures": lambda: last_layer(net, scenes, seed),
        "the last layer on groups that were found (DFR)": lambda: found_groups(net, scenes),
        "DFR, told the groups": lambda: dfr(net, scenes),
    }  # fmt: skip


def groups_of(split: Any) -> Tensor:
    return split.labels * len(split.truth.kinds) + split.truth.ground


def dfr(net: Classifier, scenes: Scenes) -> Classifier:
    """The last layer on training and held-out pictures, each true group with the same weight."""
    seen = [features_drawn(net, split, 1) for split in (scenes.train, scenes.validation)]
    group = torch.cat([groups_of(scenes.train), groups_of(scenes.validation)])
    weight = (1 / torch.bincount(group).clamp(min=1).float())[group]
    return refitted(net, torch.cat([f for f, _ in seen]), torch.cat([y for _, y in seen]), weights=weight)


def found_groups(net: Classifier, scenes: Scenes) -> Classifier:
    """The last layer on training pictures, each group of class and found surroundings with the same weight."""
    features, labels = features_drawn(net, scenes.train, 1)
    return refitted(net, features, labels, weights=weights_by_surroundings(scenes.train, Surroundings()))


def last_layer(net: Classifier, scenes: Scenes, seed: int) -> Classifier:
    """The last layer on training pictures in exchanged surroundings, several times each."""
    mixed = swapped(scenes, Surroundings(), 0, 1.0, seed).train
    features, labels = features_drawn(net, mixed)
    return refitted(net, features, labels, groups=torch.arange(len(features)) % len(mixed), seed=seed)


def jtt(subject: Subject, scenes: Scenes, folder: Path) -> Classifier:
    """Trained shortly, then from the start with what was still wrong shown more often."""
    recipe, seed = RECIPES[subject.spec.network], subject.spec.seed
    early = cs.train(scenes, recipe, epochs=EARLY, seed=seed, out=folder / "early", device="cpu").classifier
    wrong = (early.predict(scenes.train[:]) != scenes.train.labels).nonzero().flatten()
    shown = torch.cat([torch.arange(len(scenes.train)), wrong.repeat(UP - 1)])
    again = Scenes(**{**scenes.__dict__, "train": scenes.train.take(shown)})
    return cs.train(again, recipe, epochs=EPOCHS, seed=seed, out=folder / "jtt", device="cpu").classifier


def unbiased(subject: Subject, folder: Path) -> Classifier:
    """As many pictures, each class as often before each kind of surroundings, and as many epochs as with a fix."""
    spec = subject.spec
    even = replace(subject, spec=replace(spec, correlation=1 / len(spec.kinds)))
    recipe, out = RECIPES[spec.network], folder / "even"
    return cs.train(
        even.scenes(), recipe, epochs=2 * EPOCHS, seed=spec.seed, out=out, device="cpu"
    ).classifier


def group_dro(net: Classifier, scenes: Scenes, seed: int) -> Classifier:
    """Trained from the start, each group drawn as often, the worse a group the more weight it has."""
    torch.manual_seed(seed)
    module: nn.Module = copy.deepcopy(net.module)
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()  # type: ignore[operator]
    train, group = scenes.train, groups_of(scenes.train)
    steps = 2 * EPOCHS * len(train) // 32
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    often, count = 1 / torch.bincount(group).clamp(min=1).float(), int(group.max()) + 1
    told = torch.ones(count) / count
    module.train()
    for _ in range(steps):
        chosen = torch.multinomial(often[group], 32, True)
        pixels = train[chosen].pixels
        pixels = torch.where(torch.rand(32, 1, 1, 1) < 0.5, pixels.flip(3), pixels)
        loss = F.cross_entropy(module(net.normalise(pixels)), train.labels[chosen], reduction="none")
        here = group[chosen]
        each = torch.zeros(count).scatter_add(0, here, loss) / torch.bincount(here, minlength=count).clamp(min=1)  # fmt: skip
        told = told * (STEP * each.detach()).exp()
        told = told / told.sum()
        optimiser.zero_grad()
        (told * each).sum().backward()
        optimiser.step()
        rate.step()
    return net.around(module.eval(), net.name)


def measured(name: str, made: Callable[[], Classifier], scenes: Scenes) -> Row:
    started = time.process_time()
    net = made()
    seconds = time.process_time() - started
    groups = group_accuracies(net, scenes.balanced)
    return {"way": name, "test": accuracy(net, scenes.test), "balanced": float(groups.mean()),
            "worst": float(groups.min()), "seconds": seconds}  # fmt: skip


def judged(subject: Subject) -> list[Row]:
    """Every way on one network; kept, way by way."""
    folder = subject.folder / "fix"
    path = folder / "fixed.json"
    rows: list[Row] = json.loads(path.read_text()) if path.is_file() else []
    assert subject.truth, "it is trained, if need be, to be measured"
    scenes = subject.scenes(n_validation=HELD_OUT)
    folder.mkdir(exist_ok=True)
    known = {row["way"] for row in rows}
    for name, made in ways(subject, scenes, folder).items():
        if name not in known:
            row = measured(name, made, scenes)
            rows.append({"seed": subject.spec.seed, "correlation": subject.spec.correlation, **row})
            path.write_text(json.dumps(rows, indent=1) + "\n")
            print(f"{subject.spec.seed} {name}: worst {row['worst']:.2f}, balanced {row['balanced']:.2f}, test {row['test']:.2f}, {row['seconds']:.0f} CPU-s", flush=True)  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/surroundings"), help="default: %(default)s")
    parser.add_argument("--seeds", default="102,112,108", help="networks, of drawings; default: %(default)s")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--photos", type=Path, help="as in surroundings.py")
    parser.add_argument("--mobilenet", type=Path, help="as in surroundings.py")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in map(int, options.seeds.split(",")):
        (subject,) = subjects(range(seed, seed + 1), options.cache, options.photos, options.mobilenet)
        rows += judged(subject)
    for way in dict.fromkeys(row["way"] for row in rows):
        some = [row for row in rows if row["way"] == way]
        means = [
            sum(row[key] for row in some) / len(some) for key in ("worst", "balanced", "test", "seconds")
        ]
        print(f"{way:55} worst {means[0]:.2f}  balanced {means[1]:.2f}  test {means[2]:.2f}  {means[3]:4.0f} CPU-s  n={len(some)}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
