"""Where is the object, in the user's own word? A folder of masks, white where the object is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from jaxtyping import Bool
from torch import Tensor

from convsight.errors import DataNotFound
from convsight.images import Images
from convsight.picture import SUFFIXES
from convsight.shortcuts.cutouts import key
from convsight.shortcuts.sample import Sample


def drawn_masks(folder: str | Path, sample: Sample, fit: str = "crop") -> dict[int, Bool[Tensor, "h w"]]:
    """The masks of those pictures of a sample that have one, by the `key` of the picture.

    A mask is a picture file named like the picture's id, whatever its suffix, at the same path within `folder`. Where
    no file lies at such a path, files go by their names alone, as far as one file and one picture have a name. It is
    brought to the network's size like the picture (`fit`), so it must have the picture's shape; pixels above half of
    white are the object.

    Raises DataNotFound if there is no such folder or no mask in it belongs to any picture.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise DataNotFound(f"there is no folder of masks {root}")
    pictures = [picture for half in sample.halves for picture in half.pixels]
    names = [name for half in sample.halves for name in half.ids]
    files = mask_files(root, names)
    files = files if any(files) else _by_name(root, names)
    if not any(files):
        raise DataNotFound(
            f"no mask in {root} belongs to a picture; it has {len(_pictures_in(root))} picture files. What"
            f" works: a mask for {names[0]} is called {PurePosixPath(names[0]).stem}.png"
        )
    return {
        key(picture): Images.open(file, size=sample.size, channels=1, fit=fit).pixels[0, 0] > 0.5
        for picture, file in zip(pictures, files, strict=True)
        if file is not None
    }


def mask_files(folder: str | Path, names: Sequence[str]) -> list[Path | None]:
    """The mask of each picture at the path of its id within the folder: `cat/1.jpg.png`, or `cat/1.png`."""
    root = Path(folder)
    at = {file.relative_to(root).with_suffix("").as_posix(): file for file in _pictures_in(root)}
    return [
        at.get(place_of(name)) or at.get(PurePosixPath(place_of(name)).with_suffix("").as_posix())
        for name in names
    ]


def place_of(name: str) -> str:
    """The path within a folder of masks that belongs to a picture's id, which may be a path anywhere.

    >>> place_of("/data/cats/1.jpg"), place_of("../1.jpg"), place_of("test/3")
    ('data/cats/1.jpg', '1.jpg', 'test/3')
    """
    return "/".join(part for part in PurePosixPath(name).parts if part not in ("/", ".."))


def _by_name(root: Path, names: Sequence[str]) -> list[Path | None]:
    """The mask of each picture by its name alone; none where two files or two pictures have it."""
    files: dict[str, list[Path]] = defaultdict(list)
    for file in _pictures_in(root):
        files[file.stem].append(file)
    stems = [PurePosixPath(name).stem for name in names]
    often = Counter(stems)
    return [files[s][0] if len(files.get(s, ())) == 1 == often[s] else None for s in stems]


def _pictures_in(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
