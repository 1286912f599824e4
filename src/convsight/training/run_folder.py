"""Which directory does a training write to, and what if there is a run in it already?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from convsight.errors import InputError
from convsight.features.kept import FOLDER as FEATURES
from convsight.run import CHECKPOINT, CONFIG, LOG, METRICS, RESULTS, WEIGHTS, Run
from convsight.training.checkpoint import about, same_training


def needs_training(folder: Path, config: dict[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Whether there is anything to do in `folder`; refuses to touch a run that is not to be touched."""
    if not (folder / CONFIG).is_file():
        return True
    if overwrite and not resume:
        for name in (METRICS, WEIGHTS, CHECKPOINT, LOG, CONFIG):  # the sign that it is finished goes first
            (folder / name).unlink(missing_ok=True)
        for kept in (RESULTS, FEATURES):
            shutil.rmtree(folder / kept, ignore_errors=True)
        return True
    if not resume:
        refuse_a_run(folder)
    finished = (folder / METRICS).is_file()
    if finished:
        same_training(folder, about(Run(folder).config), about(config))
    return not finished


def refuse_a_run(folder: Path) -> None:
    """InputError if there is a run in `folder`, finished or not."""
    if not (folder / CONFIG).is_file():
        return
    finished = (folder / METRICS).is_file()
    state = "a finished run" if finished else "an unfinished run; resume=True (--resume) goes on with it"
    raise InputError(
        f"{folder} holds {state}. Choose another out=, or overwrite=True (--overwrite) to throw it away"
    )


def new_folder(name: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, `-3`, ... that is free."""
    tidy = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    folder, number = Path("runs") / tidy, 2
    while folder.exists():
        folder, number = Path("runs") / f"{tidy}-{number}", number + 1
    return folder
