"""Which number is white in the 16-bit files of a data set? One for all of them, or they could not be compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch import Tensor

from convsight.errors import ConvsightError
from convsight.imaging.depth import top_for


def common_top(
    read: Callable[..., Tensor],
    pictures: Sequence[Any],
    channels: int,
    bits: int | None = None,
    workers: int = 4,
) -> tuple[float, tuple[str, ...]]:
    """What all are divided by, as 12, 14 or 16 bits hold the largest, and a note if that is not 65535."""
    more = {} if channels in (1, 3) else {"channels": channels}

    def highest(picture: Any) -> int:
        with contextlib.suppress(ConvsightError):
            return round(float(read(picture, top=65535.0, **more).max()) * 65535)
        return 0

    with ThreadPoolExecutor(workers) as pool:
        return top_for(max(pool.map(highest, pictures)), bits)
