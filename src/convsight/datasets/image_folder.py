"""How does any folder of pictures become a data set?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.download import Progress
from convsight.datasets.folder_layout import Layout, lay_out
from convsight.datasets.hold_out import hold_out
from convsight.datasets.pixels import FileStore, MemoryStore
from convsight.errors import DataError
from convsight.images import as_size, fit_pixels
from convsight.picture import Size, cut_short, picture_header, read_picture, to_uint8

IN_MEMORY_BYTES = 1_500_000_000
LARGE_PX, CAPPED_PX = 256, 224  # a larger short side is not trained on unless asked for
CHUNK = 256


def image_folder(
    path: str | Path,
    *,
    size: int | Size | None = None,
    channels: int | None = None,
    validation: float | int = 0.1,
    test: float | int = 0.15,
    seed: int = 0,
    max_bad: float | int = 0.05,
    in_memory: bool | None = None,
    workers: int = 4,
    progress: Progress | None = None,
) -> Dataset:
    """Pictures in `class/img` or in `train|val|test/class/img`; classes in alphabetical order.

    size: (h, w) or a number; without it the one size that all pictures (or at least half) have, otherwise the
        median, rounded to 8; never above 224 unless asked. Others are resized to cover it, the centre is
        cropped.
    channels: 1 grey, 3 RGB; without it grey if every file is grey.
    validation, test: what to hold out of train, classes in proportion, where the folder has no such split: a
        fraction or a number. seed: which ones. Test pictures are taken out first and used for nothing else.
    max_bad: the share of unreadable files above which to stop; fewer are left out and named in `notes`.
    in_memory: True, False (read by `workers` threads as batches are asked for), or None: up to 1.5 GB.
    progress: called as (what, done, total).

    Raises DataNotFound, DataError (no classes, one class, too many unreadable files: it says which).
    """
    root = Path(path).expanduser()
    layout = lay_out(root)
    files = [file for split in layout.splits.values() for file, _ in split]
    headers = dict(zip(files, _headers(files, workers, progress), strict=True))
    bad = {file for file, header in headers.items() if header is None}
    known = [header for header in headers.values() if header is not None]
    _stop_if_many(bad, len(files), max_bad, root)
    size = as_size(size) or _common_size([s for s, _ in known], layout)
    channels = channels or max(c for _, c in known)
    if in_memory is None:
        in_memory = len(known) * channels * size[0] * size[1] <= IN_MEMORY_BYTES

    splits = {
        name: _read_split(name, layout, bad, FileStore([], size, channels, workers), in_memory, progress)
        for name in layout.splits
    }
    _stop_if_many(bad, len(files), max_bad, root)
    if bad:
        layout.notes.append(f"{len(bad)} unreadable files are left out: {_names(bad, root)}")
    _complete(splits, layout, validation, test, seed)
    train, held, tested = splits["train"], splits["validation"], splits["test"]
    return Dataset(root.resolve().name, layout.classes, train, held, tested, notes=tuple(layout.notes))


def _read_split(
    name: str, layout: Layout, bad: set[Path], store: FileStore, in_memory: bool, progress: Progress | None
) -> Split:
    """One split without its bad files; those found while reading join `bad`."""
    number = {k: i for i, k in enumerate(layout.classes)}
    good = [(file, number[k]) for file, k in layout.splits[name] if file not in bad]
    files = FileStore([file for file, _ in good], store.size, store.channels, store.workers)
    loaded = _load(files, bad, progress) if in_memory else files
    good = [(file, k) for file, k in good if file not in bad]
    ids = [file.relative_to(layout.root).as_posix() for file, _ in good]
    split = Split(loaded, torch.tensor([k for _, k in good], dtype=torch.int64), layout.classes, ids)
    if name == "train" and 0 in split.counts:
        raise DataError(
            f"none of the training pictures of {layout.classes[split.counts.index(0)]} can be read"
        )
    return split


def _headers(
    files: Sequence[Path], workers: int, progress: Progress | None
) -> Iterator[tuple[Size, int] | None]:
    with ThreadPoolExecutor(workers) as pool:
        for done, header in enumerate(pool.map(_header, files), start=1):
            if progress and (done % CHUNK == 0 or done == len(files)):
                progress("looking at files", done, len(files))
            yield header


def _header(file: Path) -> tuple[Size, int] | None:
    header = picture_header(file)
    if header is not None and cut_short(file) and _try_read(file) is None:
        return None
    return header


def _try_read(file: Path) -> Tensor | None:
    try:
        return read_picture(file)
    except DataError:
        return None


def _load(store: FileStore, bad: set[Path], progress: Progress | None) -> MemoryStore:
    """Everything that can be read, in memory; the other files join `bad`."""
    paths = store.paths
    pixels = torch.empty(len(paths), store.channels, *store.size, dtype=torch.uint8)
    kept = torch.ones(len(paths), dtype=torch.bool)

    def load(i: int) -> None:
        picture = _try_read(paths[i])
        if picture is None:
            kept[i] = False
        else:
            pixels[i] = to_uint8(fit_pixels(picture[None], store.size, store.channels))[0]

    with ThreadPoolExecutor(store.workers) as pool:
        for done, _ in enumerate(pool.map(load, range(len(paths))), start=1):
            if progress and (done % CHUNK == 0 or done == len(paths)):
                progress("reading pictures", done, len(paths))
    bad.update(path for path, keep in zip(paths, kept.tolist(), strict=True) if not keep)
    return MemoryStore(pixels if kept.all() else pixels[kept])


def _common_size(sizes: Sequence[Size], layout: Layout) -> Size:
    (commonest, count), *others = Counter(sizes).most_common()
    if not others and min(commonest) <= LARGE_PX:
        return commonest
    size = commonest
    if count * 2 < len(sizes):
        h, w = (max(8, 8 * round(median(s[axis] for s in sizes) / 8)) for axis in (0, 1))
        size = (h, w)
    if min(size) > LARGE_PX:
        size = (CAPPED_PX, CAPPED_PX)
    found = f"{len(others) + 1} sizes" if others else f"all {commonest[0]}×{commonest[1]}"
    layout.notes.append(f"pictures ({found}) are fitted to {size[0]}×{size[1]}; size= chooses another")
    return size


def _stop_if_many(bad: set[Path], total: int, max_bad: float, root: Path) -> None:
    if bad and len(bad) > max_bad * total:
        reasons = []
        for file in sorted(bad)[:3]:
            try:
                read_picture(file)
            except DataError as error:
                reasons.append(str(error))
        raise DataError(
            f"{len(bad)} of {total} pictures in {root} cannot be read ({len(bad) / total:.0%}, at most "
            f"{max_bad:.0%} may fail): {'; '.join(reasons)}; remove them or raise max_bad"
        )


def _names(bad: set[Path], root: Path, most: int = 10) -> str:
    names = sorted(file.relative_to(root).as_posix() for file in bad)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _complete(
    splits: dict[str, Split], layout: Layout, validation: float | int, test: float | int, seed: int
) -> None:
    """Take the splits that the folder lacks out of train: first test, then validation."""
    for name, share in (("test", test), ("validation", validation)):
        if name in splits:
            continue
        rest, held = hold_out(splits["train"].labels, share, seed)
        if not len(held):
            raise DataError(
                f"{layout.root} has {len(splits['train'])} pictures for {len(layout.classes)} classes, "
                f"too few to hold some out for {name}"
            )
        splits[name], splits["train"] = splits["train"].take(held), splits["train"].take(rest)
        if name == "test":
            layout.notes.append(f"no test folder: {len(held)} pictures were held out for it (seed {seed})")
    smallest = min(splits["train"].counts)
    if smallest < 10:
        few = [c for c, n in zip(layout.classes, splits["train"].counts, strict=True) if n == smallest]
        layout.notes.append(f"only {smallest} training pictures of {', '.join(few[:4])}")
