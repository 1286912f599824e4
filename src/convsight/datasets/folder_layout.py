"""Which files of a folder belong to which class and which split?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convsight.datasets.pixels import read_file
from convsight.errors import ConvsightError, DataError, DataNotFound
from convsight.opening.files import Facts, facts_of, read_unit
from convsight.picture import SUFFIXES, cut_short, picture_files

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}


def file_facts(file: Path, channels: int | None = None) -> Facts | None:
    """Size and channels of a file from its header; None if it cannot be read, also if its end is missing."""
    facts = facts_of(file, channels)
    if facts is not None and cut_short(file):
        try:
            read_unit(file, channels)
        except ConvsightError:
            return None
    return facts


@dataclass
class Layout:
    """The pictures of a folder or table: per split, (picture, what is said of it) in order, and what was noticed.

    Pictures are files, or what `read` and `facts` take. What is said is a class name ("classify"), a tuple of
    class names ("multilabel") or of numbers ("regress", named by `outputs`).
    """

    root: Path
    splits: dict[str, list[tuple[Any, Any]]]
    classes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    task: str = "classify"
    outputs: tuple[str, ...] = ()
    read: Callable[..., Tensor] = read_file
    facts: Callable[..., Facts | None] = file_facts

    def name_of(self, picture: Any) -> str:
        """A picture's id: its path within the folder."""
        if not isinstance(picture, Path):
            return str(picture)
        return (
            picture.relative_to(self.root).as_posix() if picture.is_relative_to(self.root) else str(picture)
        )

    def labels(self, said: Sequence[Any]) -> Tensor:
        """What is said of some pictures as a tensor: int64 n, or float32 n m."""
        if self.task == "regress":
            return torch.tensor(said, dtype=torch.float32).reshape(len(said), len(self.outputs))
        number = {name: i for i, name in enumerate(self.classes)}
        if self.task == "classify":
            return torch.tensor([number[name] for name in said], dtype=torch.int64)
        hot = torch.zeros(len(said), len(self.classes))
        for row, names in zip(hot, said, strict=True):
            row[[number[name] for name in names]] = 1
        return hot


def lay_out(root: Path) -> Layout:
    """Read `class/img` or `train|val|test/class/img`; DataError says what is missing."""
    if not root.is_dir():
        raise DataNotFound(f"there is no folder {root}")
    named = _split_folders(root)
    layout = Layout(root, {})
    if "train" in named:
        for split, folder in named.items():
            layout.splits[split] = _labelled(folder, layout)
    elif named and not (_folders(root) - set(named.values())):
        raise DataError(
            f"{root} has {', '.join(p.name for p in named.values())} but no train folder; "
            "pictures to learn from belong in train/<class>/"
        )
    else:
        layout.splits["train"] = _labelled(root, layout)
    settle_classes(layout)
    return layout


def _split_folders(root: Path) -> dict[str, Path]:
    by_name = {p.name.lower(): p for p in _folders(root)}
    found = {
        split: by_name[name]
        for split, names in SPLIT_NAMES.items()
        for name in names[::-1]
        if name in by_name
    }
    return {split: folder for split, folder in found.items() if _folders(folder) or split == "train"}


def _folders(root: Path) -> set[Path]:
    return {p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))}


def _labelled(root: Path, layout: Layout) -> list[tuple[Path, str]]:
    classes = sorted(_folders(root), key=lambda p: p.name)
    loose = picture_files(root)
    if not classes:
        raise DataError(_no_classes(root, len(loose)))
    if loose:
        layout.notes.append(f"{len(loose)} pictures outside any class folder of {root.name}/ are left out")
    labelled, others, deep = [], Counter(), []
    for folder in classes:
        files = walk(folder, others)
        if not files:
            layout.notes.append(
                f"the class folder {folder.relative_to(layout.root).as_posix()} has no pictures"
            )
        if any(f.parent != folder for f in files):
            deep.append(folder.name)
        labelled += [(file, folder.name) for file in files]
    if deep:
        layout.notes.append(f"pictures in sub-folders count to the class above them ({some(deep)})")
    if others:
        kinds = some([f"{n} {kind}" for kind, n in others.most_common()])
        layout.notes.append(f"files that are not pictures are left out ({kinds})")
    return labelled


def walk(folder: Path, others: Counter[str]) -> list[Path]:
    """Every picture below a folder, and how many other files of each ending; links to folders are followed.

    A folder that was seen already, under another name, is not entered again: links may run in circles.
    """
    top = folder.resolve()
    found, seen = [], {top}
    for place, inner, names in os.walk(folder, followlinks=True):
        inner[:] = sorted(d for d in inner if not d.startswith((".", "__")))
        inner[:] = [d for d in inner if _is_new(Path(place) / d, top, seen)]
        for name in sorted(names):
            if name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini"):
                continue
            path = Path(place) / name
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            else:
                others[path.suffix.lower() or "without ending"] += 1
    return found


def _is_new(folder: Path, top: Path, seen: set[Path]) -> bool:
    """Whether a folder below `top` was not entered yet, and does not lead back to `top` or above it."""
    real = folder.resolve()
    if real in seen or top.is_relative_to(real):
        return False
    seen.add(real)
    return True


def _no_classes(root: Path, n_loose: int) -> str:
    held = f"{n_loose} pictures but no class folders" if n_loose else "no class folders and no pictures"
    return (
        f"{root} holds {held}; a data set needs one folder a class, such as {root.name}/cat/1.jpg and "
        f"{root.name}/dog/2.jpg, or those below train/, val/ and test/, or a labels.csv with the columns file and label"
        + ("; convsight.Images.open reads a plain folder of pictures" if n_loose else "")
    )


def settle_classes(layout: Layout) -> None:
    """The classes are those that train has pictures of; DataError if the other splits have more, or it has one."""
    counts = {split: Counter(name for _, name in files) for split, files in layout.splits.items()}
    classes = tuple(name for name in layout.classes or sorted(counts["train"]) if name in counts["train"])
    if len(classes) < 2:
        raise DataError(_too_few_classes(layout, classes))
    for split, count in counts.items():
        if unknown := sorted(set(count) - set(classes)):
            raise DataError(
                f"{split} has {some(unknown)}, which train has no pictures of; it has: {', '.join(classes)}"
            )
        if missing := sorted(set(classes) - set(count)):
            layout.notes.append(f"{split} has no pictures of {some(missing)}")
    layout.splits = {split: files for split, files in layout.splits.items() if files}
    layout.classes = classes


def _too_few_classes(layout: Layout, classes: tuple[str, ...]) -> str:
    if not classes:
        return (
            f"no pictures in any class folder of {layout.root}; known endings: {', '.join(sorted(SUFFIXES))}"
        )
    inside = layout.root / classes[0]
    hint = f"; did you mean {inside}?" if inside.is_dir() and len(_folders(inside)) > 1 else ""
    return f"{layout.root} has pictures of one class only ({classes[0]}); two or more are needed{hint}"


def some(names: Sequence[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
