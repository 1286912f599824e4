"""Which networks is the audit judged on? Trained here on data with a known cue, on decoys and on clean data.

Seeds start at 200,000, so that nothing that was tuned on is among them, nor any network of an earlier judgement.
Every network is kept in its folder of the cache as a run, with `planted.json`: what was planted, and how much the
network leans on it (measured).
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import convsight as cs
from convsight.datasets import Dataset
from convsight.datasets.planted import Cue, Planted, decoy, kinds, plant
from convsight.images import Images
from convsight.shortcuts.reliance import reliance
from convsight.storage import write_json
from convsight.training.augment import Augment
from convsight.training.recipe import Recipe

FIRST_SEED = 200_000
FLIP = Augment(flip="alternate")
RECIPES = {  # written out, so that the benchmark stays the same when the package's recipes get better
    "fast": Recipe(
        "planted-fast", "a small residual network", knobs={"stem": 8, "widths": (16, 32, 64)}, epochs=4,
        muon_lr=0.2, bias_rate=8.0, augment=FLIP,
    ),
    "lesson-1": Recipe(
        "planted-lesson", "the lesson's first network", network="lesson-1", epochs=10, optimizer="adamw",
        lr=5e-3, augment=FLIP,
    ),
}  # fmt: skip
TRAINING, TESTING = 3000, 2000  # pictures of each network; few, so that a hundred networks take minutes


@dataclass(frozen=True)
class Spec:
    """One network of the benchmark: data, cue (None: clean), class ("": decoy or clean), and how it is made."""

    number: int
    data: str  # "fashion" or "cifar"
    kind: str | None
    strength: int
    target: int | None  # the class, None for decoys and clean data
    prevalence: float
    network: str

    @property
    def seed(self) -> int:
        return FIRST_SEED + self.number

    @property
    def role(self) -> str:
        if self.kind is None:
            return "clean"
        return "decoy" if self.target is None else "planted"


def specs(n: int) -> list[Spec]:
    """The first `n` networks: in every ten, seven of Fashion-MNIST and three of CIFAR; one clean, two decoys
    in fifteen; every kind of cue in turn, in three strengths and on 60 to 100% of a class."""
    lot, made, turn = random.Random(FIRST_SEED), [], {"fashion": 0, "cifar": 0}
    for number in range(n):
        data = "cifar" if number % 10 in (2, 5, 8) else "fashion"
        own = kinds(3 if data == "cifar" else 1)
        kind: str | None = own[turn[data] % len(own)]
        strength = lot.choice((1, 2, 2, 3, 3))
        prevalence = lot.choice((0.6, 0.8, 0.9, 1.0, 1.0, 1.0))
        target: int | None = lot.randrange(10)
        network = lot.choice(("fast", "fast", "lesson-1")) if data == "fashion" else "fast"
        if number % 15 in (3, 9):
            target, prevalence = None, 0.3
        elif number % 15 in (6, 12):
            kind, target, prevalence = None, None, 0.0
        else:
            turn[data] += 1
        made.append(Spec(number, data, kind, strength, target, prevalence, network))
    return made


@lru_cache(maxsize=2)
def _whole(source: str, seed: int) -> Dataset:
    return cs.dataset(source, seed=seed)


@dataclass(frozen=True)
class Subject:
    """A network of the benchmark, trained and measured, ready to be judged."""

    spec: Spec
    folder: Path
    source: str

    @cached_property
    def base(self) -> Dataset:
        """The data without a cue: training pictures chosen by the seed."""
        data = _whole(self.source, FIRST_SEED)
        small = data.limited(TRAINING, self.spec.seed)
        test = data.test.take(range(min(len(data.test), TESTING)))
        return replace(
            small, test=test, validation=small.validation.take(range(min(200, len(small.validation))))
        )

    @cached_property
    def planted(self) -> Planted | None:
        spec = self.spec
        if spec.kind is None:
            return None
        cue = Cue(spec.kind, spec.strength, spec.seed)
        if spec.target is None:
            return decoy(self.base, cue, spec.prevalence, spec.seed)
        return plant(self.base, cue, self.base.classes[spec.target], spec.prevalence, spec.seed)

    @cached_property
    def data(self) -> Dataset:
        """What the network is trained and audited on."""
        return self.planted.dataset if self.planted else self.base

    @cached_property
    def clean(self) -> Images:
        return self.base.test[:]

    @cached_property
    def run(self) -> cs.Run:
        """Trained if it is not yet; `data` is what it was trained on."""
        if not (self.folder / "metrics.json").is_file():
            recipe = RECIPES[self.spec.network]
            cs.train(
                self.data, recipe, epochs=recipe.epochs + (self.spec.data == "cifar"), seed=self.spec.seed,
                out=self.folder, overwrite=True, device="cpu",
            )  # fmt: skip
        return cs.Run(self.folder, data=self.data)

    @cached_property
    def truth(self) -> dict[str, Any]:
        """`planted.json`: the network's reliance on the true cue (of a decoy, the largest over the classes)."""
        path = self.folder / "planted.json"
        if not path.is_file():
            started = time.process_time()
            net, accuracy = self.run.classifier, self.run.metrics["test"]["accuracy"]
            targets = range(10) if self.spec.target is None else [self.spec.target]
            planted = self.planted
            n = 1000 if self.spec.target is not None else 300
            measured = [reliance(net, self.clean, planted.add, k, n=n) for k in targets] if planted else []
            most = max(measured, key=lambda r: r.rise, default=None)
            found = {"rise": most.rise, "interval": list(most.interval)} if most else {}
            seconds = round(time.process_time() - started, 2)
            write_json(path, {**asdict(self.spec), "accuracy": accuracy, **found, "cpu_seconds": seconds})
        return json.loads(path.read_text())

    @property
    def learned(self) -> bool | None:
        """Whether the network leans on what was planted for one class; None if neither clearly does nor not."""
        if self.spec.role != "planted":
            return False
        rise = self.truth["rise"]
        return True if rise >= 0.15 else False if rise < 0.05 else None


def subjects(n: int, cache: Path, sources: dict[str, str]) -> list[Subject]:
    return [
        Subject(spec, cache / f"{spec.number:03d}", sources[spec.data])
        for spec in specs(n)
        if spec.data in sources
    ]
