"""Where are results kept between the request that makes them and those that fetch their parts?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_BYTES = 512 * 2**20


class Recent:
    """Values by key, the most recently used ones whose sizes (bytes, or 1 each) add up to `most`; thread-safe."""

    def __init__(self, most: int = MOST_BYTES):
        self.most = most
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Any | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: str, value: Any, size: int) -> Any:
        """Keep `value`; the one that is there already stays, and is returned."""
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
            self._kept[key] = (value, size)
            self._size += size
            while self._size > self.most and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][1]
            return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def once(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The bytes kept under `key`, made when they are first asked for."""
        found = self.get(key)
        if found is not None:
            return found
        made = make()
        return self.put(key, made, len(made))
