"""How does one picture file become pixels in [0, 1], and pixels a file?"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError, MissingExtra
from convsight.imaging.depth import unit
from convsight.imaging.fitting import Size as Size
from convsight.storage import write_atomic

KINDS = (
    "avif",
    "bmp",
    "gif",
    "heic",
    "heif",
    "jp2",
    "jpeg",
    "jpg",
    "npy",
    "pbm",
    "pgm",
    "png",
    "pnm",
    "ppm",
    "tga",
    "tif",
    "tiff",
    "webp",
)
HEIC = (".heic", ".heif")
SUFFIXES = frozenset(f".{kind}" for kind in KINDS)
MAX_PIXELS = 89_000_000  # a picture above this is taken for a decompression bomb (Pillow warns there too)

TRANSPARENT = "Transparency was laid on white; channels=4 keeps the four channels as they are."
FOURTH_LEFT_OUT = "The fourth band was left out; channels=4 keeps it."

T = TypeVar("T")


def to_uint8(pixels: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
    """Values in [0, 1] to the nearest of 0..255: the way back of `/ 255`, without loss for 8-bit files."""
    return (pixels * 255).round().to(torch.uint8)


def read_picture(path: str | Path) -> Float[Tensor, "c h w"]:
    """One file as float32 in [0, 1]; DataError names the file and why it cannot be read."""
    with opened(Path(path)) as image:
        return decode(image)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The file as a PIL image; whatever goes wrong, also inside the block, is a DataError that names the file."""
    with_plugins(path)
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise DataNotFound(f"there is no file {path}", given=path) from None
    except DataError as error:
        raise DataError(f"{path}: {error}", given=path) from None
    except MissingExtra:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path}: {too_large()}", given=path) from None
    except Image.UnidentifiedImageError:
        raise DataError(f"{path}: {_not_a_picture(path)}", given=path) from None
    except Exception as error:  # on bad bytes decoders raise OSError, SyntaxError, struct.error, ...
        raise DataError(f"{path}: cannot be read as a picture ({error})", given=path) from error


def with_plugins(path: Path) -> None:
    """Let Pillow read HEIC, the format of iPhones, where its plugin is installed."""
    if path.suffix.lower() in HEIC and importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()


def decode_bytes(content: bytes) -> Float[Tensor, "c h w"]:
    """The picture that the bytes of a file hold; DataError if they hold none."""
    return decoded(content, decode)


def decoded(content: bytes, decode: Callable[[Image.Image], T]) -> T:
    """What `decode` makes of the picture that the bytes of a file hold; DataError if they hold none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decode(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(too_large()) from None
    except DataError:
        raise
    except Exception as error:  # as above
        raise DataError(f"{len(content):,} bytes that are no picture ({error})") from error


def picture_header(path: str | Path, channels: int | None = None) -> tuple[Size, int] | None:
    """((h, w), channels) of a file from its header alone, as `bands` will decode it; None if unreadable."""
    with_plugins(Path(path))
    try:
        with Image.open(path) as image:
            w, h = image.size
            turned = _tags(image, path).get(0x0112, 1) in (5, 6, 7, 8)
            grey = (image.mode[0] in "1LIF" and image.mode != "LAB") or _grey_palette(image)
            own = len(image.getbands())
            kept = channels in (2, 4) and own == channels and image.mode != "PA"
            return ((w, h) if turned else (h, w)), (own if kept else 1 if grey else 3)
    except Exception:  # as above: any failure means that the file is not a readable picture
        return None


def _tags(image: Image.Image, path: str | Path) -> Image.Exif:
    """EXIF without decoding; Pillow decodes a whole PNG to see whether tags follow the pixels, which few have."""
    if image.format == "PNG" and not _tags_after_pixels(path):
        return Image.Image.getexif(image)
    return image.getexif()


def _tags_after_pixels(path: str | Path) -> bool:
    """Whether a PNG's chunks say more of it after its pixels: a walk over their lengths, reading nothing else."""
    seen = False
    with Path(path).open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if seen and kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
                return True
            seen = seen or kind == b"IDAT"
            file.seek(length + 4, io.SEEK_CUR)
    return False


def cut_short(path: Path) -> bool:
    """Whether a JPEG or PNG lacks its end mark: a cheap suspicion, which reading it confirms or not."""
    mark = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND"}.get(path.suffix.lower())
    if mark is None:
        return False
    with path.open("rb") as file:
        file.seek(-min(4096, path.stat().st_size), 2)
        return mark not in file.read()


def picture_files(folder: Path) -> list[Path]:
    """The picture files directly in a folder, by name; hidden files are left out."""
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file() and p.name[0] != "."
    )


def folder_hint(path: Path) -> str:
    """What to say of a folder that holds no pictures itself."""
    inside = sorted(p.name for p in path.iterdir() if p.is_dir())
    if inside:
        return f"it has sub-folders ({', '.join(inside[:3])}): convsight.dataset({str(path)!r}) reads those"
    return f"known endings are {', '.join(sorted(SUFFIXES))}"


def too_large() -> str:
    """Why a picture of very many pixels is not unpacked."""
    return (
        f"refused: more than {MAX_PIXELS / 1e6:.0f} million pixels, perhaps a decompression bomb; "
        "make it smaller first"
    )


def _not_a_picture(path: Path) -> str:
    if path.stat().st_size == 0:
        return "the file is empty"
    if path.suffix.lower() in HEIC:
        return "Pillow reads HEIC with a plugin: pip install 'convsight[heic]' brings it (pillow-heif)"
    return f"not a picture in a format known here ({', '.join(sorted(SUFFIXES))})"


def _grey_palette(image: Image.Image) -> bool:
    if image.mode not in ("P", "PA") or image.palette is None:
        return False
    table = np.frombuffer(image.palette.tobytes(), np.uint8).reshape(-1, len(image.palette.mode))[:, :3]
    return bool((table == table[:, :1]).all())


def decode(image: Image.Image) -> Float[Tensor, "c h w"]:
    """A PIL image as float32 in [0, 1]: upright, on white where transparent, grey kept grey, else RGB."""
    return torch.from_numpy(unit(bands(image)[0], None))


def bands(
    image: Image.Image, channels: int | None = None
) -> tuple[Shaped[np.ndarray, "c h w"], tuple[str, ...]]:
    """The numbers of a PIL image (uint8, uint16 or floats in [0, 1]), upright, and notes on what was left out.

    channels: where the file has so many bands (2 or 4), they are kept as they are. Otherwise transparency is laid
    on white, grey is kept grey and all else becomes RGB.
    """
    if image.width * image.height > MAX_PIXELS:
        raise DataError(too_large())
    grey_palette = _grey_palette(image)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _deep(image)[None], ()
    if channels in (2, 4) and len(image.getbands()) == channels and image.mode != "PA":
        return channels_first(np.array(image)), ()
    notes = ()
    if image.has_transparency_data:
        image, notes = _on_white(image), (TRANSPARENT,)
    elif image.mode in ("1", "L", "P"):
        image = image.convert("L" if grey_palette or image.mode != "P" else "RGB")
    else:
        notes = (FOURTH_LEFT_OUT,) if image.mode == "RGBX" else ()
        image = image.convert("RGB")
    array = np.array(image)
    return channels_first(array if array.ndim == 3 else array[..., None]), notes


def channels_first(hwc: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "c h w"]:
    return np.ascontiguousarray(hwc.transpose(2, 0, 1))


def _deep(image: Image.Image) -> Shaped[np.ndarray, "h w"]:
    """16-bit grey, and 32-bit files whose values say how they are scaled."""
    array = np.array(image)
    low, high = float(array.min()), float(array.max())
    top = 1.0 if image.mode == "F" else 65535.0
    if not (low >= 0 and high <= top):
        raise DataError(
            f"its values lie in {low:g}..{high:g}, where 0..{top:g} is expected of mode {image.mode}"
        )
    return array.astype(np.float32 if image.mode == "F" else np.uint16)


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La", "1") or _grey_palette(image)
    rgba = image.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    return flat.convert("L" if grey else "RGB")


def write_picture(file: Path, chw: UInt8[Tensor, "c h w"]) -> None:
    """Write one picture whole or not at all; the ending names the format."""
    kind = Image.registered_extensions().get(file.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"{file}: the ending must name a picture format, such as .png or .jpg")
    image = Image.fromarray(chw[0].numpy() if len(chw) == 1 else chw.permute(1, 2, 0).numpy())
    encoded = io.BytesIO()
    image.save(encoded, kind)
    write_atomic(file, encoded.getvalue())
