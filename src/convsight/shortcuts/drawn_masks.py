"""Where is the object, in the user's own word? A folder of masks, white where the object is."""

from __future__ import annotations

from collections import defaultdict
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

    A mask is a picture file named like the picture's id, whatever its suffix: at the same path within `folder`, or
    anywhere in it if only one file has that name. It is brought to the network's size like the picture (`fit`), so
    it must have the picture's shape; pixels above half of white are the object.

    Raises DataNotFound if there is no such folder or no mask in it belongs to any picture.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise DataNotFound(f"there is no folder of masks {root}")
    by_path, by_name = _files(root)
    found: dict[int, Tensor] = {}
    named = [each for half in sample.halves for each in zip(half.pixels, half.ids, strict=True)]
    for picture, name in named:
        path = PurePosixPath(name).with_suffix("")
        alike = by_name.get(path.name, [])
        file = by_path.get(path.as_posix()) or (alike[0] if len(alike) == 1 else None)
        if file is not None:
            found[key(picture)] = Images.open(file, size=sample.size, channels=1, fit=fit).pixels[0, 0] > 0.5
    if not found:
        _, example = named[0]
        raise DataNotFound(
            f"no mask in {root} belongs to a picture; it has {sum(map(len, by_name.values()))} picture files. What"
            f" works: a mask for {example} is called {PurePosixPath(example).stem}.png"
        )
    return found


def _files(root: Path) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Every picture file by its path within the folder and by its name, both without the suffix."""
    by_path: dict[str, Path] = {}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        by_path[file.relative_to(root).with_suffix("").as_posix()] = file
        by_name[file.stem].append(file)
    return by_path, by_name
