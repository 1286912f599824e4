"""Which networks is the search for surroundings judged on, and how much does each of them truly lean on what?

Drawn scenes, and objects cut from photographs on photographed surroundings. Seeds from 100 on are judged; those below
are for tuning. Tuning has the default animals and surroundings (of photographs: snow, forest, desert, water); the
judged ones have drawn animals and surroundings by lot, and photographs of cities, grass, rooms and sky, which no
tuning network has seen. From 300 on all layers of MobileNetV2 are fine-tuned on photographs, a table of its own. Every network is kept in its folder with `truth.json`: its leanings, measured.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import convsight as cs
from convsight.datasets.scenes import Scenes, cutout_scenes, drawn_scenes
from convsight.network.classifier import Classifier
from convsight.shortcuts.scene_reliance import group_accuracies, leanings
from convsight.storage import write_json
from convsight.training.augment import Augment
from convsight.training.recipe import Recipe

FIRST_JUDGED, FIRST_FINETUNED = 100, 300
ROLES = ("whole", "part", "whole", "clean", "whole", "thing", "whole", "shared", "whole", "easy")
NETWORKS = {  # from scratch on drawings, which are learned quickly; mostly pretrained features on photographs
    "drawn": ("fast",) * 9 + ("fast-wide",),
    "photos": ("fast",) * 4 + ("head",) * 6,
}
ANIMALS = ("dog", "cat", "horse", "duck", "rabbit", "elephant")
DRAWN_KINDS = ("snow", "leaves", "water", "sand", "wall", "grass")
USUAL = {
    "drawn": {"dog": "snow", "cat": "leaves", "horse": "sand", "duck": "water"},
    "photos": {"dog": "snow", "cat": "forest", "horse": "desert", "raccoon": "water"},
}
FRESH = {"photos": (("car", "kangaroo", "cat", "dog", "horse"), ("city", "grass", "indoor", "sky"))}
PARTS = {
    "drawn": ("water below", "sky above", "grass below"),
    "photos": ("grass below", "sky above", "city below"),
}
WEIGHTS = "mobilenet_v2_imagenet.safetensors"
THINGS = ("leash", "hand", "sign")
SIZE_PX = {"fast": 64, "fast-wide": 64, "trunk": 64, "head": 128, "finetuned": 128}
SPLITS = {"n_validation": 5, "n_test": 80}
BALANCED = {
    "fast": 160,
    "fast-wide": 160,
    "trunk": 160,
    "head": 120,
    "finetuned": 120,
}  # pictures a class to measure leanings on
TRAINING = {
    "fast": 100,
    "fast-wide": 100,
    "trunk": 80,
    "head": 80,
    "finetuned": 80,
}  # to learn; few, so that networks are cheap
MORE = {"clean": 2, "shared": 2}  # so many times as many, where nothing but the object helps
PHOTOGRAPHS = 2  # and where a small network learns photographs
TRUNKS_FROM = (
    115  # from this seed on every other drawn network is a head on the features of the one before it
)
EPOCHS, FINETUNED_EPOCHS = 8, 4
FINETUNED_ROLES, FINETUNED_CORRELATIONS = ("whole", "whole", "clean", "whole"), (0.9, 0.95, 1.0)
RECIPES = {  # written out, so that the benchmark stays the same when the package's recipes get better
    name: Recipe(
        f"scenes-{name}", "a small residual network", network=name, epochs=EPOCHS, batch_size=16,
        augment=Augment(flip="alternate", shift_px=4),
    )
    for name in ("fast", "fast-wide")
}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """One network: where its pictures come from, what goes with its classes, and how it is made.

    role: "whole" surroundings are a cue, a "part" of them is, a "thing" beside the object is; "clean", nothing is;
    "shared" surroundings are common to all classes; the objects are "easy" to tell by their colour though
    surroundings go with them.
    """

    seed: int
    data: str  # "drawn" or "photos"
    role: str
    network: str
    cues: tuple[tuple[str, str], ...]  # class, cue
    kinds: tuple[str, ...]
    correlation: float

    @property
    def options(self) -> dict[str, Any]:
        """What makes its scenes."""
        told = {"shared": {"shared": (self.kinds[0], 0.6)}, "easy": {"own_colour": 1.0}}
        cues = {} if self.role == "shared" else dict(self.cues)
        return {
            "cues": cues, "classes": [name for name, _ in self.cues], "kinds": self.kinds, "seed": self.seed,
            "correlation": self.correlation, "size_px": SIZE_PX[self.network], **told.get(self.role, {}),
        }  # fmt: skip


def spec(seed: int, *, photos: bool) -> Spec:
    """The network of this seed; every third is of photographs, where there are any."""
    if seed >= FIRST_FINETUNED:
        return _finetuned(seed)
    lot = random.Random(seed)
    data = "photos" if photos and seed % 3 == 2 else "drawn"
    turn = seed // 3 if data == "photos" else seed
    role, network = ROLES[turn % 10], NETWORKS[data][lot.randrange(10)]
    if data == "photos" and role == "easy":
        role = "clean"
    if data == "drawn" and seed >= TRUNKS_FROM and seed % 3 == 1:
        network = "trunk"
    if seed < FIRST_JUDGED:
        pairs = list(USUAL[data].items())
    else:
        classes, kinds = (ANIMALS, DRAWN_KINDS) if data == "drawn" else FRESH[data]
        pairs = list(zip(lot.sample(classes, 4), lot.sample(kinds, 4), strict=True))
    kinds = tuple(kind for _, kind in pairs)
    correlation = lot.choice((0.75, 0.85, 0.9, 0.95, 1.0))
    if role in ("clean", "shared"):
        correlation = 1 / len(kinds)
    if role in ("part", "thing"):
        some = lot.sample(PARTS[data] if role == "part" else THINGS, 2)
        pairs = [(name, some[i] if i < 2 else kind) for i, (name, kind) in enumerate(pairs)]
        part = {cue.split()[0] for cue in some}
        left = [kind for kind in kinds if kind not in part]
        others = [kind for kind in (DRAWN_KINDS if data == "drawn" else FRESH[data][1]) if kind not in part]
        kinds = tuple(left if len(left) > 1 else others[:2])
        pairs = [(name, cue if i < 2 or cue in kinds else "") for i, (name, cue) in enumerate(pairs)]
        correlation = max(correlation, 0.9)
    return Spec(seed, data, role, network, tuple(pairs), kinds, correlation)


def _finetuned(seed: int) -> Spec:
    """A pretrained network of which all layers learn photographs whose surroundings go with the class, or do not."""
    lot, (classes, kinds) = random.Random(seed), FRESH["photos"]
    pairs = tuple(zip(lot.sample(classes, 4), lot.sample(kinds, 4), strict=True))
    role = FINETUNED_ROLES[(seed - FIRST_FINETUNED) % len(FINETUNED_ROLES)]
    correlation = 1 / len(pairs) if role == "clean" else lot.choice(FINETUNED_CORRELATIONS)
    return Spec(seed, "photos", role, "finetuned", pairs, tuple(kind for _, kind in pairs), correlation)


@dataclass(frozen=True)
class Subject:
    """A network of the benchmark, trained and measured, ready to be judged."""

    spec: Spec
    folder: Path
    photos: Path | None
    mobilenet: Path | None

    def scenes(self, **splits: int) -> Scenes:
        """Its pictures; `splits` says how many of each split a class has."""
        spec = self.spec
        times = PHOTOGRAPHS if spec.data == "photos" and spec.network in RECIPES else MORE.get(spec.role, 1)
        n_train = TRAINING[spec.network] * times
        sizes = {**SPLITS, "n_train": n_train, "n_balanced": BALANCED[spec.network], **splits}
        if spec.data == "drawn":
            return drawn_scenes(**spec.options, **sizes)
        assert self.photos is not None
        return cutout_scenes(self.photos, **spec.options, **sizes)

    @cached_property
    def held_out(self) -> Scenes:
        """Only the pictures that are audited on: each split has its own lots, so the others need not be made."""
        return self.scenes(n_train=1, n_validation=1, n_balanced=1)

    @cached_property
    def net(self) -> Classifier:
        if self.spec.network in (*RECIPES, "finetuned"):
            return cs.Run(self.folder / "run").classifier
        trunk = self._trunk()
        trunk.attach(nn.Linear(trunk.width, len(self.spec.cues)))
        trunk.head.load_state_dict(torch.load(self.folder / "head.pt", weights_only=True))
        return trunk.classifier([name for name, _ in self.spec.cues])

    def _trunk(self) -> Trunk:
        """A copy of the network whose features a head is fitted to."""
        if self.spec.network == "head":
            assert self.mobilenet is not None
            return Trunk(
                _mobilenet(self.mobilenet), "classifier", 1280, SIZE_PX["head"], [0.5] * 3, [0.5] * 3
            )
        run = cs.Run(self.folder.with_name(f"{self.spec.seed - 1:03d}") / "run")
        module: Any = copy.deepcopy(run.classifier.module)
        return Trunk(
            module, "head", module.head.in_features, SIZE_PX["trunk"], run.config["mean"], run.config["std"]
        )

    @cached_property
    def truth(self) -> dict[str, Any]:
        """`truth.json`: trains the network if it is not there yet, and measures what it leans on."""
        path = self.folder / "truth.json"
        if not path.is_file():
            started = time.process_time()
            scenes = self.scenes(n_test=40)
            self._train(scenes)
            groups = group_accuracies(self.net, scenes.balanced)
            leans = [
                {
                    "target": each.target,
                    "cue": each.cue,
                    "rise": each.reliance.rise,
                    "interval": list(each.reliance.interval),
                }
                for each in leanings(self.net, scenes)
            ]
            write_json(path, {
                "role": self.spec.role, "leanings": leans, "accuracy": accuracy(self.net, scenes.test),
                "balanced": float(groups.mean()), "worst": float(groups.min()), "seconds": time.process_time() - started,
            })  # fmt: skip
        return json.loads(path.read_text())

    def _train(self, scenes: Scenes) -> None:
        spec = self.spec
        if spec.network in RECIPES:
            cs.train(
                scenes,
                RECIPES[spec.network],
                epochs=EPOCHS,
                seed=spec.seed,
                out=self.folder / "run",
                overwrite=True,
                device="cpu",
            )
            return
        if spec.network == "finetuned":
            assert self.mobilenet is not None
            cs.train(
                scenes,
                "finetune",
                network=f"{self.mobilenet / 'mobilenet_v2.py'}:load",
                weights=self.mobilenet / WEIGHTS,
                epochs=FINETUNED_EPOCHS,
                seed=spec.seed,
                out=self.folder / "run",
                overwrite=True,
                device="cpu",
            )
            return
        trunk = self._trunk()
        trunk.attach(nn.Identity())
        features = torch.cat([trunk.features(images.pixels) for images in scenes.train.batches(64)])
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(_head(features, scenes.train.labels).state_dict(), self.folder / "head.pt")


@dataclass(frozen=True)
class Trunk:
    """A network whose last layer, `name`, is exchanged."""

    module: Any
    name: str
    width: int
    size_px: int
    mean: list[float]
    std: list[float]

    @property
    def head(self) -> nn.Module:
        return getattr(self.module, self.name)

    def attach(self, head: nn.Module) -> None:
        setattr(self.module, self.name, head)

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (self.mean, self.std))
        return self.module.eval()((pixels - mean) / std)

    def classifier(self, classes: list[str]) -> Classifier:
        size = (self.size_px, self.size_px)
        return Classifier(self.module.eval(), classes, size, 3, self.mean, self.std, task="classify")


def accuracy(net: Classifier, split: Any) -> float:
    said = torch.cat([net.predict(images) for images in split.batches(256)])
    return float((said == split.labels).double().mean())


@lru_cache(maxsize=1)
def _source(folder: Path) -> Any:
    """The architecture file that lies beside the weights."""
    found = importlib.util.spec_from_file_location("mobilenet_v2", folder / "mobilenet_v2.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _mobilenet(folder: Path) -> Any:
    return _source(folder).load(folder / WEIGHTS)


def _head(features: Tensor, labels: Tensor, decay: float = 1e-3) -> nn.Linear:
    """Softmax regression on standardised features, by L-BFGS; the standardisation is folded into the layer."""
    mean, std = features.mean(0), features.std(0) + 1e-3
    z = (features - mean) / std
    weight = torch.zeros(int(labels.max()) + 1, z.shape[1], requires_grad=True)
    bias = torch.zeros(len(weight), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(z @ weight.T + bias, labels) + decay * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    layer = nn.Linear(z.shape[1], len(weight))
    with torch.no_grad():
        layer.weight.copy_(weight / std)
        layer.bias.copy_(bias - weight @ (mean / std))
    return layer


def subjects(seeds: range, cache: Path, photos: Path | None, mobilenet: Path | None) -> list[Subject]:
    """The networks of these seeds. Without MobileNetV2's weights the small networks take its place."""
    made = []
    for seed in seeds:
        one = spec(seed, photos=photos is not None)
        if mobilenet is None and one.network == "head":
            one = Spec(**{**one.__dict__, "network": "fast"})
        made.append(Subject(one, cache / f"{seed:03d}", photos, mobilenet))
    return made
