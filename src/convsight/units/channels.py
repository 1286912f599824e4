"""Which channels of a layer are meant, and in which order are they shown?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convsight.errors import InputError

Wanted = str | int | Sequence[int]


def choose_channels(
    wanted: Wanted, layer: str, count: int, most: int, rank: Tensor | None = None
) -> list[int]:
    """Channel numbers from what a user wrote, or else the first `most` of all, largest `rank` first.

    A number, several, or text such as "3" or "0-4,9"; "" is all of them. InputError outside 0..count-1.

    >>> choose_channels("0-2,9", "conv1", 16, most=3)
    [0, 1, 2, 9]
    """
    if isinstance(wanted, str) and not wanted.strip():
        order = (
            range(count)
            if rank is None
            else rank.nan_to_num(-1.0).argsort(descending=True, stable=True).tolist()
        )
        return list(order)[:most]
    chosen = _numbers(wanted)
    outside = [c for c in chosen if not 0 <= c < count]
    if outside:
        raise InputError(f"no channel {outside[0]} in {layer!r}; it has channels 0 to {count - 1}")
    return chosen


def _numbers(wanted: Wanted) -> list[int]:
    if isinstance(wanted, int):
        return [wanted]
    try:
        if not isinstance(wanted, str):
            return [int(c) for c in wanted]
        spans = [part.strip().partition("-") for part in wanted.split(",")]
        return [c for a, dash, b in spans for c in range(int(a), int(b if dash else a) + 1)]
    except (TypeError, ValueError):
        raise InputError(
            f"channels={wanted!r} is not understood; give 3, (0, 4) or text such as '0-4,9'"
        ) from None
