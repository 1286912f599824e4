"""What is true of composed pictures: where the object is, what is around it, and what betrays its class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.pixels import Store
from convsight.imaging.choosing import as_indices
from convsight.imaging.fitting import as_size, fit_pixels
from convsight.picture import Size

LAYERS = ("ground", "object", "part", "thing")


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of n composed pictures.

    layers: what each pixel shows, an index into `LAYERS`: the surroundings, the object, a part of the surroundings
        that is of another kind (water below), or a thing beside the object.
    ground: the kind of the surroundings, an index into `kinds`.
    carries: whether each of the cues named by `cues` is in the picture.
    number: which object it is; the balanced split shows every object with every cue.
    """

    layers: UInt8[Tensor, "n h w"]
    ground: Int64[Tensor, " n"]
    carries: Bool[Tensor, "n cues"]
    number: Int64[Tensor, " n"]
    kinds: tuple[str, ...]
    cues: tuple[str, ...]

    @property
    def objects(self) -> Bool[Tensor, "n h w"]:
        """Where the object is seen."""
        return self.layers == LAYERS.index("object")

    @property
    def surroundings(self) -> Bool[Tensor, "n h w"]:
        """Everything else."""
        return ~self.objects

    def take(self, chosen: Tensor) -> Truth:
        layers, ground, number = self.layers[chosen], self.ground[chosen], self.number[chosen]
        return Truth(layers, ground, self.carries[chosen], number, self.kinds, self.cues)

    def fit(self, size: Size, fit: str) -> Truth:
        """For pictures that were brought to another size in the same way."""
        parts = (F.one_hot(some.long(), len(LAYERS)).permute(0, 3, 1, 2) for some in self.layers.split(256))
        fitted = [fit_pixels(part.float(), size, None, fit).argmax(1).to(torch.uint8) for part in parts]
        layers = torch.cat(fitted) if fitted else self.layers.new_zeros(0, *size)
        return Truth(layers, self.ground, self.carries, self.number, self.kinds, self.cues)


class SceneSplit(Split):
    """A split of composed pictures with `truth` about every one of them.

    The truth follows the pictures when some are taken or all are brought to another size.
    """

    def __init__(
        self, store: Store, labels: Tensor, classes: Sequence[str], ids: Sequence[str], truth: Truth
    ):
        super().__init__(store, labels, classes, ids)
        self.truth = truth

    def take(self, index: slice | Sequence[int] | Tensor) -> SceneSplit:
        return self._of(super().take(index), self.truth.take(as_indices(index, len(self))))

    def fit(
        self, size: int | Size | None = None, channels: int | None = None, fit: str = "crop"
    ) -> SceneSplit:
        wanted = as_size(size) or self.size
        truth = self.truth if wanted == self.size else self.truth.fit(wanted, fit)
        return self._of(super().fit(size, channels, fit), truth)

    def _of(self, plain: Split, truth: Truth) -> SceneSplit:
        return SceneSplit(plain.store, plain.labels, plain.classes, plain.ids, truth)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scenes(Dataset):
    """Composed pictures: a data set whose splits know the truth, with a fourth split, `balanced`.

    balanced: objects of the test pictures' sources, each with every cue in turn, so that no cue says anything of
    the class. cues: what betrays each class in the other splits, "" for a class that nothing betrays.
    correlation: the share of a class's pictures that carry its cue.
    """

    train: SceneSplit
    validation: SceneSplit
    test: SceneSplit
    balanced: SceneSplit
    cues: tuple[str, ...]
    correlation: float

    @property
    def splits(self) -> dict[str, Split]:
        return {**super().splits, "balanced": self.balanced}
