"""How are the scores of a picture with one hidden part found within a frame of an animation?

A clean pass of each picture that is being played with is kept; an edit recomputes only what it can change.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from convsight.classifier import Classifier
from convsight.incremental.occluding import Occluding

if TYPE_CHECKING:
    from convsight.studio.edits import Edit

MOST_PICTURES = 12  # whose feature maps are kept


class Kept:
    """An `Occluding` for each of the pictures edited last."""

    def __init__(self, net: Classifier):
        self.net = net
        self._kept: OrderedDict[str, Occluding] = OrderedDict()
        self._lock = threading.Lock()

    def scores(self, picture: str, edit: Edit) -> tuple[Float[Tensor, " k"], bool]:
        """(logits of the edited picture, whether only what the edit can change was computed)."""
        occluding = self._of(picture, edit)
        return occluding.scores_of(edit.edited[0]), occluding.incremental

    def _of(self, picture: str, edit: Edit) -> Occluding:
        with self._lock:
            known = self._kept.get(picture)
            if known is not None:
                self._kept.move_to_end(picture)
                return known
            made = self._kept[picture] = Occluding(self.net, edit.pixels)
            if len(self._kept) > MOST_PICTURES:
                self._kept.popitem(last=False)
            return made
