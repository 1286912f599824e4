"""How much memory has this process held at most?"""

from __future__ import annotations

from pathlib import Path


def peak_kib() -> int:
    """KiB of resident memory at the highest, of this process alone.

    Not `ru_maxrss`: a process starts with the maximum of the one that started it.
    """
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
