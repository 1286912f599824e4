"""How are the scores of a picture with one hidden part found within a frame of an animation?

The clean pass of each recently edited picture is kept, and an edit recomputes only what it can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakSet

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.occluding.dragged import Occluding
from convsight.studio.jobs import Job, Jobs
from convsight.studio.recent import Recent

WAIT_S = 0.08  # how long a request waits for the preparation of a picture, which is enough for small networks
MOST_PICTURES = 12  # how many pictures' feature maps are kept
# places inside and at edges, for which patches are planned beforehand
PLACES = ((0.5, 0.5), (0.0, 0.3), (0.7, 1.0))


@dataclass(frozen=True, eq=False)
class Edit:
    """A picture, the pixels shown instead of it, and where they are shown."""

    pixels: Float[Tensor, "1 c h w"]
    shown: Float[Tensor, "1 c h w"]
    where: Bool[Tensor, "h w"]

    @property
    def edited(self) -> Float[Tensor, "1 c h w"]:
        return torch.where(self.where, self.shown, self.pixels)


class CleanPasses:
    """An `Occluding` for each of the pictures edited last.

    Making one takes half a second at 224 × 224 pixels, and longer on a busy machine. Until it is ready, edits
    are answered by running the whole network.
    """

    def __init__(self, net: Classifier, jobs: Jobs):
        self.net, self.jobs = net, jobs
        self._kept = Recent(MOST_PICTURES)
        self._awaited: WeakSet[Job] = WeakSet()

    def scores(self, picture: str, edit: Edit) -> tuple[Float[Tensor, " k"], bool]:
        """(logits of the edited picture, whether only what the edit can change was computed)."""
        occluding: Occluding | None = self._kept.get(picture)
        if occluding is None:
            job = self.prepare(picture, edit.pixels)
            if job not in self._awaited:
                self._awaited.add(job)
                job.finished.wait(WAIT_S)
            occluding = self._kept.get(picture)
        if occluding is None:
            return self.net.explained(edit.edited)[0], False
        return occluding.scores_of(edit.edited[0]), occluding.incremental

    def prepare(self, picture: str, pixels: Float[Tensor, "1 c h w"]) -> Job:
        """Start a background job that prepares for edits of a picture."""
        return self.jobs.start(
            "Preparing to hide parts", lambda job: self._make(picture, pixels), key=f"occlude {picture}",
            lane="quick",
        )  # fmt: skip

    def _make(self, picture: str, pixels: Float[Tensor, "1 c h w"]) -> None:
        """A picture's clean pass, with plans made for patches at some places."""
        if self._kept.get(picture) is not None:
            return
        occluding = Occluding(self.net, pixels)
        height, width = self.net.input_size
        for y, x in PLACES:
            high, wide = max(1, height // 4), max(1, width // 4)
            occluding.scores((round(y * (height - high)), round(x * (width - wide)), high, wide))
        self._kept.put(picture, occluding, 1)
