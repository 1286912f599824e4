"""How can Ctrl-C stop a training between two steps, never inside one?"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after everything was saved; the message says how to go on."""

    def __init__(self, folder: Path, epoch: int, epochs: int):
        self.folder = folder
        where = f"in epoch {epoch} of {epochs}" if epoch else "while features were computed"
        super().__init__(
            f"stopped {where}, everything is saved in {folder}; the same command with"
            " --resume (in Python: the same `train` call with resume=True) goes on from here"
        )


class Interrupts:
    """Inside the block Ctrl-C only sets `asked`; a second one stops at once, as usual.

    Signals reach the main thread alone; a training in another thread is stopped by its `progress` callable
    raising KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
