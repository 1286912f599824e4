"""Which picture of the data set does a name in a result mean? Its id is such as "test:17", which the page can
request.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from convsight.datasets import Dataset, Split
from convsight.features.selection import SPLITS


def picture_ids(data: Dataset | None, names: Sequence[str], split: str = "all") -> list[str]:
    """The studio's id of each name that a `Selection` gave; "" for pictures from elsewhere.

    A selection calls pictures by their own ids, or by "split/id" (with "#2" and so on) where ids recur.
    """
    if data is None:
        return [""] * len(names)
    return [_found(data, name, split) for name in names]


def _found(data: Dataset, name: str, split: str) -> str:
    wanted = [split] if split in SPLITS else list(SPLITS)
    for each in wanted:
        place = _places(data.splits[each]).get(name)
        if place is not None:
            return f"{each}:{place[0]}"
    prefix, _, rest = name.partition("/")
    if prefix not in SPLITS:
        return ""
    own, _, count = rest.rpartition("#")
    places = _places(data.splits[prefix])
    if rest in places:
        return f"{prefix}:{places[rest][0]}"
    if own in places and count.isdigit() and 0 < int(count) <= len(places[own]):
        return f"{prefix}:{places[own][int(count) - 1]}"
    return ""


@functools.lru_cache(maxsize=16)
def _places(split: Split) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for index, name in enumerate(split.ids):
        places.setdefault(name, []).append(index)
    return places
