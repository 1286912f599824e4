"""What are a network's classes called: a list, a dictionary such as `id2label`, a file, or "imagenet"?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from convsight.errors import DataNotFound, ModelError, required

IMAGENET = "imagenet"
# Larger sets of ImageNet classes by timm's names for them, by how many outputs a network then has.
LARGE = {21841: "imagenet22k", 21843: "imagenet21k_goog", 11821: "imagenet12k", 11221: "imagenet21k_miil"}
KNOWN = (IMAGENET, "imagenet-22k", "imagenet-12k")


def class_names(classes: Any, outputs: int = 0) -> tuple[str, ...] | None:
    """Class names as a tuple; None where none were given.

    classes: a list of names; a dictionary {0: "cat", 1: "dog"}, also with its numbers as text (`id2label`); a
    file with one name a line, or .json with a list or dictionary; "imagenet" (1,000 names that come with
    convsight), "imagenet-22k" or "imagenet-12k" (timm's). outputs: how many the network has, which tells apart the
    larger sets.

    Raises ModelError or DataNotFound saying what would work.

    >>> class_names({"1": "dog", "0": "cat"})
    ('cat', 'dog')
    >>> class_names("imagenet")[1]
    'goldfish'
    """
    if classes is None:
        return None
    if isinstance(classes, Mapping):
        return _in_order(classes)
    if isinstance(classes, (str, Path)):
        return _named(str(classes), outputs)
    return tuple(map(str, classes)) or None


def _in_order(names: Mapping[Any, Any]) -> tuple[str, ...]:
    try:
        return tuple(str(name) for _, name in sorted((int(number), name) for number, name in names.items()))
    except (TypeError, ValueError):
        raise ModelError(
            f"classes as a dictionary have numbers as keys, {{0: 'cat', 1: 'dog'}}; given {names!r}"
        ) from None


def _named(text: str, outputs: int) -> tuple[str, ...]:
    if text == IMAGENET:
        return _lines(Path(__file__).with_name("imagenet.txt"))
    if text in KNOWN:
        return timm_names("imagenet12k" if "12k" in text else LARGE.get(outputs, "imagenet22k"))
    path = Path(text).expanduser()
    if path.is_file():
        return _in_file(path)
    if path.suffix:
        raise DataNotFound(f"no file of class names {text}; it has one name a line, or is {', '.join(KNOWN)}")
    raise ModelError(
        f"classes is a list of names, not the one word {text!r}: ['cat', 'dog'], a file with one a line, or one of "
        f"{', '.join(KNOWN)}"
    )


def _in_file(path: Path) -> tuple[str, ...]:
    if path.suffix != ".json":
        return _lines(path)
    held = json.loads(path.read_text(encoding="utf-8-sig"))
    held = held.get("id2label", held) if isinstance(held, Mapping) else held
    return _in_order(held) if isinstance(held, Mapping) else tuple(map(str, held))


def _lines(path: Path) -> tuple[str, ...]:
    lines: Iterable[str] = path.read_text(encoding="utf-8-sig").splitlines()
    names = tuple(line.strip() for line in lines if line.strip() and not line.startswith("# "))
    if not names:
        raise ModelError(f"{path} holds no class names; write one a line")
    return names


def timm_names(subset: str) -> tuple[str, ...]:
    """The class names of a subset of ImageNet that timm knows: "imagenet1k", "imagenet12k"."""
    timm_data = required("timm.data", "vision", "the names of ImageNet's 21,841 classes", "timm")
    info = timm_data.ImageNetInfo(subset)
    return tuple(info.index_to_description(i).split(",")[0] for i in range(info.num_classes()))


def last_rows(module: nn.Module) -> int:
    """How many rows the last matrix of weights has: most likely the outputs."""
    shapes = [p.shape for p in module.parameters() if p.ndim > 1]
    return shapes[-1][0] if shapes else 0


def offer(names: Any, outputs: int) -> tuple[str, ...]:
    """The offer of ImageNet's names to a network with as many outputs as ImageNet has classes and no names."""
    if names or outputs not in (1000, *LARGE):
        return ()
    what = IMAGENET if outputs == 1000 else "imagenet-12k" if outputs == 11821 else "imagenet-22k"
    return (
        f"This network has {outputs:,} outputs without names, which are numbers here; if they are ImageNet's, "
        f'classes="{what}" names them (--classes {what}).',
    )
