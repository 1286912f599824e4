"""What is looked at: the pictures of all splits, their features and where those come from, thumbnails, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Dataset
from convsight.datasets.sampling import some
from convsight.features.copies import thumbnails
from convsight.features.kept import LEVELS, features_by_shards, levels_by_shards, patches_by_shards
from convsight.features.levels import level_layers, level_vectors
from convsight.features.patches import PatchFeatures
from convsight.features.selection import Selection
from convsight.features.vectors import features_of
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.progress import report_count
from convsight.training.augment import Augment
from convsight.training.harmless import harmless

BATCH = 256
TO_LEARN = 2000  # pictures from which patch features are learnt


@dataclass(frozen=True, eq=False)
class CheckedPictures:
    """The pictures that are checked. net: whose features are used; None learns simple ones from the pictures.

    folder: where the picture files are, if they are files; ids are paths in it. keep: where the features go
    as they are made, so that a check that was stopped goes on; None makes them anew.
    """

    data: Dataset
    chosen: Selection
    net: Classifier | None
    seed: int
    folder: Path | None = None
    keep: Path | None = None

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.chosen.classes

    @property
    def labels(self) -> Int64[Tensor, " n"] | None:
        """One class a picture; None for several labels, numbers, or pictures without labels."""
        return self.chosen.labels if len(self.classes) > 1 else None

    @cached_property
    def small(self) -> Float[Tensor, "n c s s"]:
        """Every picture at 32 × 32 pixels."""
        return thumbnails(self.chosen.batches(BATCH), len(self))

    @cached_property
    def features(self) -> Float[Tensor, "n d"]:
        if self.net is not None and self.keep is not None:
            return features_by_shards(self.net, self.chosen, self.keep)
        if self.net is not None:
            return features_of(self.net, self.chosen).values
        if self.keep is not None:
            return patches_by_shards(self.chosen, self.learn_patches, self.seed, self.keep)
        return self.batch_by_batch(self.learn_patches(), "features")

    @property
    def has_levels(self) -> bool:
        """Whether the network has earlier layers whose maps tell more than its last vector does."""
        return self.net is not None and len(level_layers(self.net)) > 1

    @cached_property
    def levels(self) -> Float[Tensor, "n d"]:
        """What all levels of the network say, averaged over both sides of a picture where these mean the same."""
        assert self.net is not None
        if self.keep is not None:
            return levels_by_shards(self.net, self.chosen, self.keep / LEVELS, mirrored=self.sides_alike)
        make = level_vectors(self.net, mirrored=self.sides_alike)
        return self.batch_by_batch(make, "earlier layers")

    @property
    def sides_alike(self) -> bool:
        """Whether the mirror image of a picture carries the same label (letters, and classes called by a side, do not)."""
        return bool(harmless(Augment(flip="random"), self.data.task, self.classes)[0].flip)

    def learn_patches(self) -> PatchFeatures:
        """Patch features learnt from some of the pictures; their labels are not looked at."""
        sample = [self.chosen[part] for part in some(len(self), TO_LEARN, self.seed).split(BATCH)]
        return PatchFeatures.learn(sample, seed=self.seed)

    @property
    def features_in_words(self) -> str:
        if self.net is None:
            return "patch features learnt from these pictures without labels (Coates, Lee & Ng 2011)"
        shown = "×".join(map(str, self.net.input_size))
        return f"the features of “{self.net.name}”, layer {self.net.feature_layer}, at {shown} pixels"

    @property
    def levels_in_words(self) -> str:
        assert self.net is not None
        earlier = len(level_layers(self.net)) - 1
        sides = ", averaged over both sides of each picture" if self.sides_alike else ""
        return (
            f"{self.features_in_words}, and the maps of {earlier} earlier layer{'s' * (earlier != 1)}{sides}"
        )

    def name(self, index: int) -> str:
        """The class that picture number `index` carries, "" without classes."""
        return "" if self.labels is None else self.classes[int(self.labels[index])]

    def file(self, index: int) -> Path | None:
        """The picture's file; None if it came from an array, or the file is not where its id says."""
        if self.folder is None:
            return None
        path = self.folder / self._own_ids[index]
        return path if path.is_file() else None

    @cached_property
    def _own_ids(self) -> tuple[str, ...]:
        return tuple(name for _, part in self.chosen.parts for name in part.ids)

    def batch_by_batch(
        self, make: Callable[[Images], Tensor], words: str, within: tuple[float, float] = (0.0, 1.0)
    ) -> Float[Tensor, "n d"]:
        """What `make` says of every picture, in order, while `words` tell what is under way."""
        rows, done = [], 0
        for images in self.chosen.batches(BATCH):
            rows.append(make(images))
            done += len(images)
            report_count(done, len(self), "pictures", words, within=within)
        return torch.cat(rows)
