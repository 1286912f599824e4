"""Where is the object, told picture by picture? Masks kept in a folder that `masks=` and `--masks` read."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from convsight.errors import DataNotFound
from convsight.images import Images
from convsight.picture import to_uint8, write_picture
from convsight.shortcuts.drawn_masks import mask_files, place_of
from convsight.storage import storage_error

FOLDER = "masks"  # in a run's directory


def tell(folder: str | Path, name: str, mask: Bool[Tensor, "h w"]) -> Path:
    """Keep where the object of the picture with this id is, as a PNG, white on black; what was told of it earlier is
    forgotten. An empty mask says that there is no object to cut out.

    Raises StorageError if the folder cannot be written to.
    """
    forget(folder, name)
    file = Path(folder, f"{place_of(name)}.png")
    write_picture(file, to_uint8(mask[None, None].float())[0])
    return file


def told(folder: str | Path, name: str, size: tuple[int, int]) -> Bool[Tensor, "h w"] | None:
    """What was told of the picture with this id, brought to the size; None if nothing was."""
    file = mask_files(folder, [name])[0]
    return None if file is None else Images.open(file, size=size, channels=1).pixels[0, 0] > 0.5


def forget(folder: str | Path, name: str) -> None:
    """Take back what was told of the picture with this id; nothing happens if nothing was.

    Raises StorageError if the file cannot be removed.
    """
    file = mask_files(folder, [name])[0]
    if file is not None:
        try:
            file.unlink()
        except OSError as error:
            raise storage_error(file, 0, error) from error


def masks_of_run(run: str | Path) -> Path:
    """The folder of what was told of a run's own pictures.

    Raises DataNotFound if nothing was.
    """
    folder = Path(run) / FOLDER
    if not folder.is_dir():
        raise DataNotFound(
            f"nobody showed yet where the objects of {run} are; it has no folder {FOLDER}",
            works=f"the audit panel of `convsight studio {run}`, or --masks FOLDER with masks of your own",
        )
    return folder
