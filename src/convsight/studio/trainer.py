"""Runs a training in a process of its own, which reads its orders from stdin and writes its progress to
stdout.

Started by `training`. The first line of stdin is JSON, arguments of `convsight.train`; when stdin is closed,
on purpose or because the server is gone, the training saves and stops as it does at Ctrl-C.
"""

from __future__ import annotations

import _thread
import json
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from convsight.errors import ConvsightError
from convsight.training import train
from convsight.training.augment import Augment
from convsight.training.progress import Progress
from convsight.training.recipe import Recipe


def main() -> int:
    # a server in the background may ignore the signal, which children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told = json.loads(sys.stdin.readline())
    recipe = told.pop("recipe")
    if isinstance(recipe, dict):
        recipe = Recipe(**{**recipe, "augment": Augment(**recipe["augment"])})
    threading.Thread(target=_watch_stdin, daemon=True).start()
    try:
        train(told.pop("data"), recipe, progress=_progress, **told)
    except KeyboardInterrupt as stop:
        _tell("stopped", {"message": str(stop)})
    except ConvsightError as error:
        _tell("failed", {"what": error.what or str(error), "given": error.given, "works": error.works})
        return 1
    else:
        _tell("done", {})
    return 0


def _watch_stdin() -> None:
    while sys.stdin.readline():
        pass
    _thread.interrupt_main()


def _progress(progress: Progress) -> None:
    words: dict[str, Any] = asdict(progress)
    row = words.pop("row")
    _tell("step", words)
    if row is not None:
        _tell("epoch", row)


def _tell(event: str, words: dict[str, Any]) -> None:
    print(json.dumps({"event": event, **words}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
