"""How is the data of a training opened, at a size and in channels that its network takes?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from convsight.datasets import Dataset, dataset
from convsight.datasets.huggingface import SCHEME
from convsight.errors import DataError
from convsight.training.start import Start
from convsight.training.tasks import task_for

HELD_OUT = {"fashion-mnist": 2000}  # enough to watch by; the set's own 5,000 would cost training pictures


def opened(
    data: Any, opening: dict[str, Any], start: Start | None
) -> tuple[Dataset, dict[str, Any], tuple[str, ...]]:
    """The data set, what the run must remember to open it again, and what was decided about the pictures.

    A network from elsewhere decides the size and the channels where the user does not.
    """
    if isinstance(data, str) and data in HELD_OUT:
        opening = {"validation": HELD_OUT[data], **opening}
    task = opening.pop("task", None)
    if isinstance(data, Dataset):
        opening.pop("validation", None)
    elif isinstance(data, str) and task == "locate" and not data.startswith("locate"):
        data = f"locate:{data}"
    pictures, told = dataset(data, **opening), ()
    if start is not None:
        pictures, opening, told = _for_network(data, pictures, opening, start)
    task_for(pictures, task)
    if len(pictures.train) == 0:
        raise DataError(f"{pictures.name} has no training pictures")
    where = _where(data) if isinstance(data, str | os.PathLike) else None
    source = {"name": pictures.name, "source": where, "options": opening}
    return pictures, source | ({"found": pictures.found} if pictures.found else {}), told


def _for_network(
    data: Any, pictures: Dataset, opening: dict[str, Any], start: Start
) -> tuple[Dataset, dict[str, Any], tuple[str, ...]]:
    """The same pictures as the network takes them, from their files where there are files."""
    channels = opening.get("channels") or start.channels_for(pictures.channels)
    size = pictures.size
    if "size" not in opening and pictures.task != "locate":
        size = start.size_for(pictures.size)
    told = _said(pictures, size, channels, start, given="size" in opening)
    if (size, channels) == (pictures.size, pictures.channels):
        return pictures, opening, told
    opening = {**opening, "size": size, "channels": channels}
    return dataset(data, **opening), opening, told


def _said(pictures: Dataset, size: Any, channels: int, start: Start, *, given: bool) -> tuple[str, ...]:
    own, net = start.net.input_size, start.net.name
    told = []
    if not given and tuple(size) != tuple(own):
        told.append(
            f"Pictures are shown at {size[0]}×{size[1]}, for they are small; {net} was trained at {own[0]}×{own[1]}"
            f" (--size {own[0]} shows them at that, which takes {own[0] * own[1] / (size[0] * size[1]):.1f} times as long)."
        )
    if channels != start.net.channels:
        told.append(
            f"The first layer of {net} takes {channels} channels now, each through the mean of its"
            f" {start.net.channels} kernels; mean and spread are those of the training pictures."
        )
    elif channels != pictures.channels:
        kinds = {1: "grey", 3: "colour"}
        told.append(
            f"Pictures are {kinds[pictures.channels]}, and {net} takes {kinds[channels]}: they are converted."
        )
    return tuple(told)


def _where(data: str | os.PathLike[str]) -> str:
    """The source as it is found from any working directory: the whole path if it is a file or folder."""
    scheme = SCHEME if str(data).startswith(SCHEME) else ""
    path = Path(str(data).removeprefix(scheme)).expanduser()
    return f"{scheme}{path.resolve()}" if path.exists() else str(data)
