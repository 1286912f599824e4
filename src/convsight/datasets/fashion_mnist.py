"""Where is Fashion-MNIST, and how is it split?

Xiao, Rasul and Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms, arXiv:1708.07747. 60,000 training and 10,000 test pictures, 28×28 grey, MIT licence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from platformdirs import user_cache_dir

from convsight.datasets.base import Dataset, Split
from convsight.datasets.download import Progress, download, md5_of
from convsight.datasets.hold_out import hold_out
from convsight.datasets.idx import find_idx, read_idx_split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataNotFound

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
VALIDATION = 5_000


def fashion_mnist(
    path: str | Path | None = None,
    *,
    validation: float | int = VALIDATION,
    seed: int = 0,
    progress: Progress | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Dataset:
    """The ten kinds of clothing of Fashion-MNIST, in memory.

    path: the folder that holds the four official files (gzipped or not). Without it they are looked for in
    `$CONVSIGHT_DATA/fashion-mnist`, then in the user's cache, then downloaded there from the official mirrors
    and checked. Files that differ from the official ones are used, and `notes` says so.
    validation: how many of the 60,000 training pictures to keep out for choosing (or a fraction), every class
    in proportion; the 10,000 test pictures are never used for that.

    Raises DataNotFound (says every place it looked at), DataError (a damaged file).
    """
    files = _find(path, progress, mirrors)
    notes = _differences(files)
    data = from_idx(files, "fashion-mnist", CLASSES, validation=validation, seed=seed, notes=notes)
    return replace(data, found=str(next(iter(files.values())).parent.absolute()))


def from_idx(
    files: dict[str, Path],
    name: str,
    classes: Sequence[str] | None,
    *,
    validation: float | int = VALIDATION,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A data set of four IDX files; without class names they are the digits of the labels."""
    pixels, labels = read_idx_split(files, "train")
    test_pixels, test_labels = read_idx_split(files, "test")
    highest = int(max(labels.max(), test_labels.max()))
    if classes is None or highest >= len(classes):
        classes = [str(k) for k in range(highest + 1)]
    rest, held = hold_out(labels, validation, seed)
    whole = Split(MemoryStore(pixels), labels, classes, [f"train/{i}" for i in range(len(labels))])
    test_ids = [f"test/{i}" for i in range(len(test_labels))]
    test = Split(MemoryStore(test_pixels), test_labels, classes, test_ids)
    return Dataset(name, tuple(classes), whole.take(rest), whole.take(held), test, notes=notes)


def places(name: str) -> list[Path]:
    """Where the files of a named data set are looked for: $CONVSIGHT_DATA/<name>, then the user's cache."""
    given = os.environ.get("CONVSIGHT_DATA")
    return [*([Path(given).expanduser() / name] if given else []), Path(user_cache_dir("convsight")) / name]


def _find(path: str | Path | None, progress: Progress | None, mirrors: Sequence[str]) -> dict[str, Path]:
    folders = [Path(path).expanduser()] if path is not None else places("fashion-mnist")
    for folder in folders:
        if files := find_idx(folder):
            return files
    try:
        if path is not None:
            raise DataNotFound("nothing is downloaded when a path is given")
        return _download_all(folders[-1], progress, mirrors)
    except DataNotFound as error:
        unset = "" if path or "CONVSIGHT_DATA" in os.environ else " ($CONVSIGHT_DATA is not set)"
        looked = ", ".join(map(str, folders)) + unset
        raise DataNotFound(
            f"Fashion-MNIST was not found in {looked}; {error}. Put {', '.join(MD5)} into a folder and pass "
            "it (path=..., or its name in place of fashion-mnist), or set CONVSIGHT_DATA to the folder above "
            "fashion-mnist/; drawn-garments needs no files"
        ) from None


def _download_all(folder: Path, progress: Progress | None, mirrors: Sequence[str]) -> dict[str, Path]:
    for name, md5 in MD5.items():
        if not (folder / name).is_file():
            download([mirror + name for mirror in mirrors], folder / name, md5, progress=progress)
    files = find_idx(folder)
    assert files is not None  # all four were just put there
    return files


def _differences(files: dict[str, Path]) -> tuple[str, ...]:
    gzipped = [path for path in files.values() if path.suffix == ".gz"]
    other = [path.name for path in gzipped if md5_of(path) != MD5[path.name]]
    if not other:
        return ()
    return (f"{len(other)} of 4 files differ from the official checksums and are used as they are",)
