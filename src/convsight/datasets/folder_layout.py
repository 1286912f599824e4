"""Which files of a folder belong to which class and which split?"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from convsight.errors import DataError, DataNotFound
from convsight.picture import SUFFIXES, picture_files

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}


@dataclass
class Layout:
    """The pictures of a folder: per split, (file, class name) in order; and what was noticed on the way."""

    root: Path
    splits: dict[str, list[tuple[Path, str]]]
    classes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


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
    _settle_classes(layout)
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
        files = list(_walk(folder, others))
        if not files:
            layout.notes.append(
                f"the class folder {folder.relative_to(layout.root).as_posix()} has no pictures"
            )
        if any(f.parent != folder for f in files):
            deep.append(folder.name)
        labelled += [(file, folder.name) for file in files]
    if deep:
        layout.notes.append(f"pictures in sub-folders count to the class above them ({_some(deep)})")
    if others:
        kinds = _some([f"{n} {kind}" for kind, n in others.most_common()])
        layout.notes.append(f"files that are not pictures are left out ({kinds})")
    return labelled


def _walk(folder: Path, others: Counter[str]) -> list[Path]:
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(d for d in inner if not d.startswith((".", "__")))
        for name in sorted(names):
            if name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini"):
                continue
            path = Path(place) / name
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            else:
                others[path.suffix.lower() or "without ending"] += 1
    return found


def _no_classes(root: Path, n_loose: int) -> str:
    held = f"{n_loose} pictures but no class folders" if n_loose else "no class folders and no pictures"
    return (
        f"{root} holds {held}; a data set needs one folder a class, such as {root.name}/cat/1.jpg and "
        f"{root.name}/dog/2.jpg, or those below train/, val/ and test/"
        + ("; convsight.Images.open reads a plain folder of pictures" if n_loose else "")
    )


def _settle_classes(layout: Layout) -> None:
    counts = {split: Counter(name for _, name in files) for split, files in layout.splits.items()}
    classes = tuple(sorted(counts["train"]))
    if len(classes) < 2:
        raise DataError(_too_few_classes(layout, classes))
    for split, count in counts.items():
        if unknown := sorted(set(count) - set(classes)):
            raise DataError(
                f"{split} has {_some(unknown)}, which train has no pictures of; it has: {', '.join(classes)}"
            )
        if missing := sorted(set(classes) - set(count)):
            layout.notes.append(f"{split} has no pictures of {_some(missing)}")
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


def _some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
