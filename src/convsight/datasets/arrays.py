"""How do arrays, in memory or in an .npz file, become a data set?"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.hold_out import hold_out
from convsight.datasets.pixels import MemoryStore, smallest
from convsight.errors import DataError, DataNotFound
from convsight.images import Images
from convsight.imaging.depth import top_of
from convsight.imaging.fitting import as_size
from convsight.picture import Size

KEYS = {  # the first pair present is taken; Keras says x_train, MedMNIST train_images, most people x and y
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("x", "y")),
    "validation": (("x_val", "y_val"), ("x_validation", "y_validation"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}


def from_npz(path: str | Path, **options: Any) -> Dataset:
    """A data set from an .npz file with images and labels, or x_train, y_train, x_test, y_test, ...

    The pictures are arrays as `Images.open` takes them, the labels whole numbers or names. An entry `classes`
    names the classes. options as for `from_arrays`. Raises DataNotFound, DataError.
    """
    path = Path(path).expanduser()
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key.lower(): file[key] for key in file.files}
    except FileNotFoundError:
        raise DataNotFound(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as .npz ({error})") from error
    pairs = {}
    for split, known in KEYS.items():
        found = next((pair for pair in known if pair[0] in arrays and pair[1] in arrays), None)
        if found:
            pairs[split] = (arrays[found[0]], arrays[found[1]])
    if "train" not in pairs:
        wanted = " or ".join(f"{x} and {y}" for x, y in KEYS["train"])
        raise DataError(f"{path}: has {', '.join(arrays) or 'no arrays'}; expected {wanted}")
    named = options.pop("classes", None)
    if named is None and "classes" in arrays:
        named = [str(name) for name in arrays["classes"]]
    return from_arrays(pairs, classes=named, name=path.stem, **options)


def from_arrays(
    source: tuple[Any, Any] | Mapping[str, tuple[Any, Any]],
    *,
    classes: Sequence[str] | None = None,
    name: str = "arrays",
    validation: float | int = 0.1,
    test: float | int = 0.15,
    seed: int = 0,
    size: int | Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    axes: str | None = None,
    bits: int | None = None,
    outputs: Sequence[str] = (),
) -> Dataset:
    """A data set from (pixels, labels), or from {"train": (pixels, labels), "validation": ..., "test": ...}.

    pixels: uint8, uint16 or [0, 1], in any layout of `Images.open`, or a list of pictures of any sizes (give
        size) or of files; kept as uint8 where that loses nothing, otherwise as float32. labels: whole numbers
        from 0, or names; or floats `n m`, then the task is to locate; 0 and 1 `n k` with classes are several labels
        ("multilabel"). classes: names in the order of the numbers; outputs: names of the m numbers.
    channels, axes: how many there are and where, as `Images.open` takes them; four are kept as four (channels=3
        takes them for RGB with transparency). size, fit, bits: as for `Images.open`.
    validation, test: what to hold out of train where they are not given, a fraction or a number; seed: which.

    >>> data = from_arrays((np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2), classes=["cat", "dog"])
    >>> data.train.counts, data.classes, len(data.test)
    ((15, 16), ('cat', 'dog'), 6)
    """
    pairs = {"train": source} if isinstance(source, tuple) else dict(source)
    if unknown := set(pairs) - set(KEYS):
        raise DataError(f"unknown splits {sorted(unknown)}; expected train, and perhaps validation and test")
    labels = {split: np.asarray(_numpy(y)) for split, (_, y) in pairs.items()}
    hot = all(_is_hot(y) and (classes is not None or y.dtype.kind in "iub") for y in labels.values())
    several = hot and any((y.sum(1) != 1).any() for y in labels.values())
    if several:
        named = tuple(map(str, classes or range(labels["train"].shape[1])))
        if any(y.shape[1] != len(named) for y in labels.values()):
            raise DataError(f"labels of shape {labels['train'].shape} need as many classes, not {len(named)}")
        numbers = {split: torch.from_numpy(y.astype(np.float32)) for split, y in labels.items()}
    else:
        one_hot = {k: y.argmax(1) for k, y in labels.items()} if hot else labels
        named, numbers = _numbered(one_hot, classes)
    sources = [(x, axes or _grey_axes(x, len(numbers[split]))) for split, (x, _) in pairs.items()]
    opened, notes = _opened(sources, as_size(size), channels, fit, bits)
    splits: dict[str, Any] = {}
    for split, images in zip(pairs, opened, strict=True):
        if not len(images):
            raise DataError(f"{split} has no pictures")
        ids = [f"{split}/{i}" for i in range(len(numbers[split]))]
        splits[split] = Split(MemoryStore(smallest(images.pixels)), numbers[split], named, ids)
    shapes = {(split.channels, *split.size) for split in splits.values()}
    if len(shapes) > 1:
        raise DataError(f"the splits differ in shape (channels, height, width): {sorted(shapes)}")
    for missing, share in (("test", test), ("validation", validation)):
        if missing not in splits:
            rest, held = hold_out(splits["train"].labels, share, seed)
            splits[missing], splits["train"] = splits["train"].take(held), splits["train"].take(rest)
    task = "multilabel" if several else "classify" if named else "locate"
    if not named:
        outputs = tuple(outputs) or tuple(f"output {i}" for i in range(numbers["train"].shape[1]))
    outputs = () if named else tuple(outputs)
    return Dataset(name, named, **splits, task=task, outputs=outputs, notes=notes)


def _opened(
    sources: Sequence[tuple[Any, str | None]],
    size: Size | None,
    channels: int | None,
    fit: str,
    bits: int | None,
) -> tuple[list[Images], tuple[str, ...]]:
    """The pictures of each split, from (pixels, axes); whole numbers of all splits are divided by one number."""
    given = bits
    if bits is None:
        top, _ = top_of(x for x in (_numpy(source) for source, _ in sources) if isinstance(x, np.ndarray))
        bits = None if top is None else round(math.log2(top + 1))
    four = channels is None and all(axes is None and _has_four(x) for x, axes in sources)
    wanted = 4 if four else channels
    parts = []
    for source, axes in sources:
        deep = isinstance(source, (np.ndarray, Tensor)) and _numpy(source).dtype == np.uint16
        depth = bits if deep else given
        parts.append(Images.open(source, size=size, channels=wanted, fit=fit, axes=axes, bits=depth))
    notes = [note for part in parts for note in part.notes]
    if given is None and bits not in (None, 16):
        notes.append(
            f"16-bit pixels are taken as {bits}-bit data and divided by {2**bits - 1:,}; bits=16 divides by 65,535."
        )
    if four:
        notes.append("Arrays of 4 channels are kept as 4; channels=3 takes them for RGB with transparency.")
    return parts, tuple(dict.fromkeys(notes))


def _grey_axes(pixels: Any, n: int) -> str | None:
    """ "nhw" for an array of three axes whose first is as long as there are labels, or None: to be found out."""
    shape = tuple(getattr(pixels, "shape", ()))
    return "nhw" if len(shape) == 3 and shape[0] == n else None


def _has_four(source: Any) -> bool:
    shape = tuple(getattr(source, "shape", ()))
    return len(shape) == 4 and 4 in (shape[1], shape[3]) and not {1, 3} & {shape[1], shape[3]}


def _is_hot(labels: np.ndarray) -> bool:
    """Whether each row says yes or no of several classes."""
    return labels.ndim == 2 and labels.shape[1] > 1 and bool(np.isin(labels, (0, 1)).all())


def _numpy(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _numbered(
    labels: dict[str, np.ndarray], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Class names and int64 labels; or no names and float positions."""
    labels = {k: _column(y) for k, y in labels.items()}
    kinds = {y.dtype.kind for y in labels.values()}
    if all(y.ndim == 2 and y.dtype.kind == "f" for y in labels.values()):
        return (), {k: torch.from_numpy(y.astype(np.float32)) for k, y in labels.items()}
    if any(y.ndim != 1 for y in labels.values()) or not (kinds <= set("iub") or kinds <= set("UO")):
        shown = ", ".join(f"{k}: {y.dtype} {y.shape}" for k, y in labels.items())
        raise DataError(f"labels must be whole numbers or names (n), or floats (n, m) to locate; got {shown}")
    if kinds <= set("UO"):
        names = tuple(classes or sorted({str(v) for y in labels.values() for v in y}))
        number = {name: i for i, name in enumerate(names)}
        if strange := {str(v) for y in labels.values() for v in y} - set(names):
            raise DataError(f"labels {sorted(strange)[:5]} are not among the classes {list(names)}")
        return names, {k: torch.tensor([number[str(v)] for v in y]) for k, y in labels.items()}
    low = min(int(y.min()) for y in labels.values() if len(y))
    high = max(int(y.max()) for y in labels.values() if len(y))
    names = tuple(map(str, classes or range(high + 1)))
    if low < 0 or high >= len(names) or len(names) < 2:
        raise DataError(
            f"labels run from {low} to {high}; with {len(names)} classes they must be 0..{len(names) - 1}, "
            "and there must be two classes or more"
        )
    return names, {k: torch.from_numpy(y.astype(np.int64)) for k, y in labels.items()}


def _column(labels: np.ndarray) -> np.ndarray:
    """Class labels of shape (n, 1), as CIFAR's and MedMNIST's are, as (n)."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 and labels.dtype.kind != "f" else labels
