"""Which shortcuts does a classifier lean on, and how far can a map of it be trusted?"""

from __future__ import annotations

from convsight.shortcuts.find import find_shortcuts

__all__ = ["find_shortcuts"]
