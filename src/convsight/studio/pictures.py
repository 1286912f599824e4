"""Which picture does an id mean, how are uploads checked, and how are pictures sent as PNG?

"test:123" is a picture of the data set, "up:<sha16>" one that was uploaded or edited. An upload is checked by
its first bytes before any decoder sees it, then by the size in its header, and only then decoded.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from convsight.datasets import Dataset
from convsight.errors import DataNotFound, InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.picture import picture_header, read_picture
from convsight.results import draw
from convsight.studio.recent import Recent

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 25_000_000
MOST_KEPT_BYTES = 256 * 2**20  # of uploads and edits; the least recently used are dropped
KEPT_SIDE = 1024  # longest side of uploads, larger ones are shrunk; networks usually take a quarter of this
MOST_SIDE = 2048  # longest side of a PNG that is sent
PLACE = re.compile(r"(train|validation|test):(\d{1,9})")
UPLOADED = re.compile(r"up:[0-9a-f]{16}")
SIGNATURES = {  # first bytes → ending; formats whose decoders run programs (EPS) or wrap others are left out
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF87a": ".gif",
    b"GIF89a": ".gif",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}


class SessionPictures:
    """The pictures of the data set, and those uploaded or edited during the session."""

    def __init__(self, net: Classifier, data: Dataset | None):
        self.net, self.data = net, data
        self._kept = Recent(MOST_KEPT_BYTES)

    def get(self, name: str) -> Images:
        """One picture at its own size; DataNotFound says which ids there are."""
        place = PLACE.fullmatch(name)
        if place is not None:
            return self._of_data(place[1], int(place[2]))
        if UPLOADED.fullmatch(name):
            kept = self._kept.get(name)
            if kept is not None:
                return kept
            raise DataNotFound(
                f"the picture {name} is gone: uploads live in the server's memory; drop it again"
            )
        raise DataNotFound(f"no picture {name[:80]!r}; ids are test:0, train:17, ... or those of uploads")

    def some(self, names: list[str]) -> Images:
        """Several pictures fitted to the network, with their ids."""
        parts = [self.net.fit(self.get(name)) for name in names]
        alike = len({(part.labels is None, part.classes) for part in parts}) == 1
        joined = Images.concat(parts)
        return Images(
            joined.pixels, joined.labels if alike else None, joined.classes if alike else None, tuple(names)
        )

    def keep(self, picture: Images) -> str:
        """Remember a picture; its id is a digest of its pixels."""
        shape = str(tuple(picture.pixels.shape)).encode()
        digest = hashlib.sha256(shape + picture.pixels.contiguous().numpy().tobytes()).hexdigest()
        name = f"up:{digest[:16]}"
        self._kept.put(name, Images(picture.pixels, ids=(name,)), 4 * picture.pixels.numel())
        return name

    def upload(self, content: bytes) -> str:
        """Check and decode a picture file; InputError or DataError says what is wrong with it."""
        return self.keep(shrunk(decoded(content, self.net.channels), KEPT_SIDE))

    def png(self, name: str, side: int | None = None) -> bytes:
        """The picture as PNG; `side` enlarges (pixels stay squares) or shrinks it to that many pixels."""
        images = self.get(name)
        longest = max(images.size)
        wanted = min(side or longest, MOST_SIDE)
        images = shrunk(images, wanted)
        with draw.showing(images.bands if images.bands is not None else self.net.bands):
            picture = draw.rgb(images.pixels[0])
        if wanted > longest:
            picture = picture.repeat(wanted // longest, 0).repeat(wanted // longest, 1)
        return draw.png(picture)

    def _of_data(self, split: str, index: int) -> Images:
        if self.data is None:
            raise DataNotFound("this studio has no data set; open one with --data, or drop a picture")
        part = self.data.splits[split]
        if index >= len(part):
            there = f"pictures 0 to {len(part) - 1}" if len(part) else "no pictures"
            raise DataNotFound(
                f"no picture {split}:{index}; the {split} split of {self.data.name} has {there}"
            )
        return part[index]


def shrunk(images: Images, side: int) -> Images:
    """The pictures with at most `side` pixels on their longer side."""
    scale = side / max(images.size)
    if scale >= 1:
        return images
    height, width = (max(1, round(s * scale)) for s in images.size)
    return images.fit((height, width))


def decoded(content: bytes, channels: int = 3) -> Images:
    """One picture from the bytes of a file, within the limits.

    channels: of the network. One of neither 1 nor 3 gets every channel of the file, such as the fourth of RGBA.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"the file has {len(content):,} bytes; at most {MOST_BYTES:,} are taken")
    ending = _ending(content)
    with tempfile.TemporaryDirectory(prefix="convsight-") as folder:
        file = Path(folder) / f"picture{ending}"
        file.write_bytes(content)
        header = picture_header(file)
        if header is not None:
            _check_size(header[0])
        try:
            # for a file without a readable header this raises an error that says why
            images = (
                Images(read_picture(file)[None])
                if channels in (1, 3)
                else Images.open(file, channels=channels)
            )
        except Exception as error:
            words = str(error).replace(f"{file}: ", "")
            raise InputError(f"the file cannot be read as a picture: {words}") from None
    _check_size(images.size)
    return images


def _check_size(size: tuple[int, int]) -> None:
    height, width = size
    if height * width > MOST_PIXELS:
        raise InputError(
            f"the picture has {height}×{width} = {height * width:,} pixels; at most {MOST_PIXELS:,} are taken"
        )


def _ending(content: bytes) -> str:
    for first, ending in SIGNATURES.items():
        if content.startswith(first):
            return ending
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    raise InputError("the file is no picture; PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF are taken")
