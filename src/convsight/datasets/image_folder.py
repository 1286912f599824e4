"""How does any folder of pictures become a data set?"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import torch

from convsight.datasets.base import Dataset, Split
from convsight.datasets.deep import common_top
from convsight.datasets.download import Progress
from convsight.datasets.folder_layout import Layout, lay_out, some
from convsight.datasets.hold_out import hold_out
from convsight.datasets.pixels import FileStore, MemoryStore
from convsight.errors import ConvsightError, DataError, InputError
from convsight.imaging.fitting import Loss, as_size, fit_pixels, losses_in_words
from convsight.opening.files import Facts
from convsight.picture import Size

IN_MEMORY_BYTES = 1_500_000_000
LARGE_PX, CAPPED_PX = (
    256,
    224,
)  # a short side above LARGE_PX is brought to CAPPED_PX unless a size is asked for
CHUNK = 256


def image_folder(
    path: str | Path | Layout,
    *,
    size: int | Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    validation: float | int = 0.1,
    test: float | int = 0.15,
    seed: int = 0,
    max_bad: float | int = 0.05,
    in_memory: bool | None = None,
    workers: int = 4,
    bits: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Pictures in `class/img` or in `train|val|test/class/img`; classes in alphabetical order.

    path: the folder, or the layout of pictures that a table or a list names.
    size: (h, w) or a number; without it the one size that all pictures (or at least half) have, otherwise the
        median, rounded to 8; never above 224 unless asked.
    channels: 1 grey, 3 RGB, or how many there are; without it grey if every file is grey.
    fit: "crop" resizes others to cover the size and keeps the centre, "pad" keeps the whole picture on black,
        "stretch" changes its proportions; `notes` name pictures of which more than a fifth is cut away.
    bits: of 16-bit files; without it the smallest of 12, 14 and 16 that holds all values, which `notes` say.
    validation, test: what to hold out of train, classes in proportion, where the folder has no such split: a
        fraction or a number. seed: which ones. Test pictures are taken out first and used for nothing else.
    max_bad: the share of unreadable files above which to stop; fewer are left out and named in `notes`.
    in_memory: True, False (read by `workers` threads as batches are asked for), or None: up to 1.5 GB.
    progress: called as (what, done, total).

    Raises DataNotFound, DataError (no classes, one class, too many unreadable files: it says which).
    """
    layout = path if isinstance(path, Layout) else lay_out(Path(path).expanduser())
    pictures = [picture for split in layout.splits.values() for picture, _ in split]
    facts = dict(zip(pictures, _facts(layout, pictures, channels, workers, progress), strict=True))
    bad = {picture for picture, fact in facts.items() if fact is None}
    known = {picture: fact for picture, fact in facts.items() if fact is not None}
    _stop_if_many(bad, len(pictures), max_bad, layout, channels)
    size = as_size(size) or _common_size([fact.size for fact in known.values()], layout)
    channels = channels or _common_channels({fact.channels for fact in known.values()}, layout)
    deep = [picture for picture, fact in known.items() if fact.deep]
    reader = layout.read
    if deep:
        top, said = common_top(layout.read, deep, channels, bits, workers)
        reader = functools.partial(layout.read, top=top)
        layout.notes += said
    store = FileStore([], size, channels, workers, reader, fit, deep=bool(deep))
    if in_memory is None:
        bytes_ = len(known) * channels * size[0] * size[1] * (4 if deep else 1)
        in_memory = bytes_ <= IN_MEMORY_BYTES
        if not in_memory:
            layout.notes.append(
                f"{len(known):,} pictures stay in their files and are read whenever they are needed: in memory they would"
                f" take {bytes_ / 1e9:.1f} GB, and up to {IN_MEMORY_BYTES / 1e9:.1f} GB are kept there"
            )

    splits = {name: _read_split(name, layout, bad, store, in_memory, progress) for name in layout.splits}
    _stop_if_many(bad, len(pictures), max_bad, layout, channels)
    if bad:
        left_out = some(sorted(map(layout.name_of, bad)), 10)
        layout.notes.append(
            f"{len(bad)} unreadable {'file is' if len(bad) == 1 else 'files are'} left out: {left_out}"
        )
    lost = [Loss.of(layout.name_of(p), fact.size, size, fit) for p, fact in known.items()]
    layout.notes += losses_in_words(lost, size)
    _complete(splits, layout, validation, test, seed)
    about = {"task": layout.task, "outputs": layout.outputs, "notes": tuple(layout.notes)}
    return Dataset(layout.root.resolve().name, layout.classes, **splits, **about)


def _read_split(
    name: str, layout: Layout, bad: set[Any], store: FileStore, in_memory: bool, progress: Progress | None
) -> Split:
    """One split without its bad files; those found while reading join `bad`."""
    good = [(picture, said) for picture, said in layout.splits[name] if picture not in bad]
    files = store.of([picture for picture, _ in good])
    loaded = _load(files, bad, progress) if in_memory else files
    good = [(picture, said) for picture, said in good if picture not in bad]
    ids = [layout.name_of(picture) for picture, _ in good]
    split = Split(loaded, layout.labels([said for _, said in good]), layout.classes, ids)
    if name == "train" and 0 in split.counts:
        raise DataError(
            f"none of the training pictures of {layout.classes[split.counts.index(0)]} can be read"
        )
    return split


def _facts(
    layout: Layout, pictures: Sequence[Any], channels: int | None, workers: int, progress: Progress | None
) -> Iterator[Facts | None]:
    of = functools.partial(layout.facts, channels=channels)
    with ThreadPoolExecutor(workers) as pool:
        for done, fact in enumerate(pool.map(of, pictures), start=1):
            if progress and (done % CHUNK == 0 or done == len(pictures)):
                progress("looking at files", done, len(pictures))
            yield fact


def _common_channels(counts: set[int], layout: Layout) -> int:
    """RGB if some are RGB and others grey; DataError if others differ, which nothing converts."""
    if len(counts) > 1 and not counts <= {1, 3}:
        shown = ", ".join(map(str, sorted(counts)))
        raise DataError(
            f"the pictures of {layout.root} have {shown} channels; a data set has one number of them"
        )
    return max(counts)


def _load(store: FileStore, bad: set[Any], progress: Progress | None) -> MemoryStore:
    """Everything that can be read, in memory; the other files join `bad`."""
    paths = store.paths
    pixels = torch.empty(len(paths), store.channels, *store.size, dtype=store.dtype)
    kept = torch.ones(len(paths), dtype=torch.bool)

    def load(i: int) -> None:
        try:
            pixels[i] = store.one(i)
        except (DataError, InputError):
            kept[i] = False

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
    layout.notes.append(
        f"pictures ({found}) are fitted to {size[0]}×{size[1]}; size= (--size) chooses another"
    )
    return size


def _stop_if_many(bad: set[Any], total: int, max_bad: float, layout: Layout, channels: int | None) -> None:
    if bad and len(bad) > max_bad * total:
        reasons = [_why(picture, layout, channels) for picture in sorted(bad)[:3]]
        raise DataError(
            f"{len(bad)} of {total} pictures in {layout.root} cannot be read ({len(bad) / total:.0%}, at most "
            f"{max_bad:.0%} may fail): {'; '.join(reasons)}; remove them or raise max_bad"
        )


def _why(picture: Any, layout: Layout, channels: int | None) -> str:
    """What is wrong with a picture that could not be read."""
    more = {} if channels in (None, 1, 3) else {"channels": channels}
    try:
        pixels = layout.read(picture, **more)
        fit_pixels(pixels[None], None, channels)
    except ConvsightError as error:
        return str(error) if str(picture) in str(error) else f"{layout.name_of(picture)}: {error}"
    return f"{layout.name_of(picture)}: unreadable"


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
                f"{layout.root} has {len(splits['train'])} pictures for "
                f"{len(layout.classes or layout.outputs)} {'classes' if layout.classes else 'numbers'}, "
                f"too few to hold some out for {name}"
            )
        splits[name], splits["train"] = splits["train"].take(held), splits["train"].take(rest)
        if name == "test":
            layout.notes.append(f"no test folder: {len(held)} pictures were held out for it (seed {seed})")
    smallest = min(splits["train"].counts, default=10)
    if smallest < 10:
        few = [c for c, n in zip(layout.classes, splits["train"].counts, strict=True) if n == smallest]
        more = f" and {len(few) - 4:,} more classes" if len(few) > 4 else ""
        layout.notes.append(f"only {smallest} training pictures of {', '.join(few[:4])}{more}")
