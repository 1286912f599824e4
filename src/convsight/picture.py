"""How does one picture file become pixels in [0, 1], and pixels a file?"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError
from convsight.storage import write_atomic

KINDS = (
    "avif",
    "bmp",
    "gif",
    "jp2",
    "jpeg",
    "jpg",
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
SUFFIXES = frozenset(f".{kind}" for kind in KINDS)
MAX_PIXELS = 89_000_000  # a picture above this is taken for a decompression bomb (Pillow warns there too)

Size = tuple[int, int]


def to_uint8(pixels: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
    """Values in [0, 1] to the nearest of 0..255: the way back of `/ 255`, without loss for 8-bit files."""
    return (pixels * 255).round().to(torch.uint8)


def read_picture(path: str | Path) -> Float[Tensor, "c h w"]:
    """One file as float32 in [0, 1]; DataError names the file and why it cannot be read."""
    path = Path(path)
    try:
        with Image.open(path) as image:
            return decode(image)
    except FileNotFoundError:
        raise DataNotFound(f"there is no file {path}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path}: {_too_large()}") from None
    except Image.UnidentifiedImageError:
        raise DataError(f"{path}: {_not_a_picture(path)}") from None
    except Exception as error:  # on bad bytes decoders raise OSError, SyntaxError, struct.error, ...
        raise DataError(f"{path}: cannot be read as a picture ({error})") from error


def decode_bytes(content: bytes) -> Float[Tensor, "c h w"]:
    """The picture that the bytes of a file hold; DataError if they hold none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decode(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(_too_large()) from None
    except DataError:
        raise
    except Exception as error:  # as above
        raise DataError(f"{len(content):,} bytes that are no picture ({error})") from error


def picture_header(path: str | Path) -> tuple[Size, int] | None:
    """((h, w), channels) of a file from its header alone, as it will be decoded; None if unreadable."""
    try:
        with Image.open(path) as image:
            w, h = image.size
            turned = _tags(image, path).get(0x0112, 1) in (5, 6, 7, 8)
            grey = (image.mode[0] in "1LIF" and image.mode != "LAB") or _grey_palette(image)
            return ((w, h) if turned else (h, w)), (1 if grey else 3)
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


def _too_large() -> str:
    return (
        f"refused: more than {MAX_PIXELS / 1e6:.0f} million pixels, perhaps a decompression bomb; "
        "make it smaller first"
    )


def _not_a_picture(path: Path) -> str:
    if path.stat().st_size == 0:
        return "the file is empty"
    return f"not a picture in a format known here ({', '.join(sorted(SUFFIXES))})"


def _grey_palette(image: Image.Image) -> bool:
    if image.mode not in ("P", "PA") or image.palette is None:
        return False
    table = np.frombuffer(image.palette.tobytes(), np.uint8).reshape(-1, len(image.palette.mode))[:, :3]
    return bool((table == table[:, :1]).all())


def decode(image: Image.Image) -> Float[Tensor, "c h w"]:
    """A PIL image as float32 in [0, 1]: upright, on white where transparent, grey kept grey, else RGB."""
    if image.width * image.height > MAX_PIXELS:
        raise DataError(_too_large())
    grey_palette = _grey_palette(image)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _decode_deep(image)
    if image.has_transparency_data:
        image = _on_white(image)
    elif image.mode in ("1", "L", "P"):
        image = image.convert("L" if grey_palette or image.mode != "P" else "RGB")
    else:
        image = image.convert("RGB")
    array = np.array(image, dtype=np.float32) / np.float32(255)
    return torch.from_numpy(array if array.ndim == 3 else array[..., None]).permute(2, 0, 1).contiguous()


def _decode_deep(image: Image.Image) -> Float[Tensor, "1 h w"]:
    """16-bit grey, and 32-bit files whose values say how they are scaled."""
    array = np.array(image).astype(np.float64)
    low, high = float(array.min()), float(array.max())
    top = 1.0 if image.mode == "F" else 65535.0
    if not (low >= 0 and high <= top):
        raise DataError(
            f"its values lie in {low:g}..{high:g}, where 0..{top:g} is expected of mode {image.mode}"
        )
    return torch.from_numpy((array / top).astype(np.float32))[None]


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
