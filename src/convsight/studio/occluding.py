"""How are the scores of a picture with one hidden part found within a frame of an animation?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.classifier import Classifier

if TYPE_CHECKING:
    from convsight.studio.edits import Edit


class Occluding:
    """The scores of edited pictures."""

    def __init__(self, net: Classifier):
        self.net = net

    def scores(self, picture: str, edit: Edit) -> tuple[Float[Tensor, " k"], bool]:
        """(logits of the edited picture, whether only what the edit can change was computed)."""
        with torch.no_grad():
            return self.net.forward(edit.edited)[0].cpu(), False
