"""What is a picture before its numbers are scaled to [0, 1]?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped


@dataclass(frozen=True)
class Raw:
    """One or several pictures of one size as their source holds them, and what was decided on the way.

    values: n c h w as bool, uint8, uint16 or floats. ids: a name for each, or none. notes: what a reader of
    results should know, such as pages that were left out. kept: every channel is meant, also the fourth.
    """

    values: Shaped[np.ndarray, "n c h w"]
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: bool = False
