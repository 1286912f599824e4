"""How are scenes made of photographs? Cut-out objects pasted on photographed surroundings, both from a folder of yours."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from convsight.datasets.scenes.drawn import sizes_of
from convsight.datasets.scenes.noise import Picture
from convsight.datasets.scenes.objects import Objects
from convsight.datasets.scenes.paint import composed
from convsight.datasets.scenes.plan import made_plan
from convsight.datasets.scenes.truth import Scenes
from convsight.datasets.shapes import Random
from convsight.errors import DataError, DataNotFound, InputError, check_known
from convsight.picture import opened, picture_files

SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}
OBJECT_SIZE = (0.5, 0.9)  # longer side of the object, of the picture's
CROP = 0.7  # least side of a crop of a background, of its shorter side
NOTE = "objects pasted on other photographs' surroundings: no shadows, and feet do not stand on the ground"

Photos = dict[str, list[Path]]  # by the photograph that they were cut from


def cutout_scenes(
    folder: str | Path,
    *,
    cues: Mapping[str, str],
    correlation: float = 0.95,
    classes: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    shared: tuple[str, float] | None = None,
    n_train: int = 400,
    n_validation: int = 60,
    n_test: int = 150,
    n_balanced: int = 200,
    size_px: int = 64,
    seed: int = 0,
    validation: float | int | None = None,
    limit: int | None = None,
) -> Scenes:
    """Cut-out objects of a folder before its photographs of surroundings, with the truth about every picture.

    folder: has objects/KIND/*.png, transparent around the object, backgrounds/KIND/*.jpg, and perhaps a sources.csv
        with columns file (objects/KIND/NAME) and source: files of one source never stand in two splits.
    cues, correlation, classes, kinds, shared and the numbers: as in `drawn_scenes`, where classes are the folders of
        objects and kinds those of backgrounds; a leash, a hand or a sign is drawn.
    seed: another seed, other photographs in each split (60% train, 15% validation, 25% test and balanced).

    Raises DataNotFound and DataError for a folder that does not have what is needed, InputError as `drawn_scenes`.

    >>> scenes = cutout_scenes("natural", cues={"dog": "snow", "cat": "forest"})            # doctest: +SKIP
    >>> scenes.balanced.truth.objects.float().mean()                                       # doctest: +SKIP
    """
    root = Path(folder).expanduser()
    there = {part: _folders(root / part) for part in ("objects", "backgrounds")}
    classes = tuple(classes or cues)
    for name in classes:
        check_known(name, there["objects"], f"{root} has no objects '{name}'", most=40)
    if len(set(classes)) < 2:
        raise InputError(f"scenes need two classes or more, not {', '.join(classes) or 'none'}")
    plan = made_plan(classes, cues, correlation, there["backgrounds"], kinds, shared, 0.0)
    sizes = sizes_of(len(classes), n_train, n_validation, n_test, n_balanced, validation, limit)
    collage = Collage(root, plan.classes, there["backgrounds"], size_px, seed)
    return composed(f"scenes of {root.resolve().name}", collage, plan, sizes, size_px, seed, (NOTE,))


def _folders(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        raise DataNotFound(
            f"there is no folder {root}; scenes are made of objects/KIND/*.png (transparent around the object) and "
            "backgrounds/KIND/*.jpg"
        )
    return tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != "."))


class Collage:
    """Objects and surroundings cut from photographs, which are divided among the splits."""

    def __init__(self, root: Path, classes: Sequence[str], kinds: Sequence[str], size_px: int, seed: int):
        self.root, self.classes, self.size_px = root, tuple(classes), size_px
        self.sources = _sources(root / "sources.csv")
        self.cache: dict[Path, UInt8[Tensor, "c h w"]] = {}
        taken: dict[str, str] = {}
        self.files = {
            (part, kind): self._split(part, kind, seed, taken)
            for part, names in (("objects", classes), ("backgrounds", kinds))
            for kind in names
        }

    def objects(self, k: int, n: int, part: str, r: Random) -> Objects:
        chosen = self._chosen("objects", self.classes[k], n, part, r)
        placed = torch.stack([self._placed(file, Random(1, r.generator)) for file in chosen])
        cover = placed[:, 3]
        colours = placed[:, :3] / cover[:, None].clamp(min=1e-3)
        return Objects(colours.clamp(0, 1), cover, torch.ones_like(cover), _collar(cover))

    def ground(self, kind: str, n: int, part: str, r: Random) -> Picture:
        chosen = self._chosen("backgrounds", kind, n, part, r)
        return torch.stack([self._cropped(file, Random(1, r.generator)) for file in chosen])

    def _split(self, part: str, kind: str, seed: int, taken: dict[str, str]) -> dict[str, Photos]:
        """The files of one kind, by split and photograph. A photograph that shows two kinds stays in the split
        that it was first given.
        """
        photos: Photos = defaultdict(list)
        for file in picture_files(self.root / part / kind):
            stem = file.stem.rsplit("_", 1)[0] if part == "backgrounds" else file.stem
            photos[self.sources.get(f"{part}/{kind}/{file.name}", stem)].append(file)
        order = torch.randperm(len(photos), generator=Generator().manual_seed(seed)).tolist()
        names = [sorted(photos)[i] for i in order]
        counts = {split: sum(taken.get(name) == split for name in names) for split in SHARES}
        for name in (name for name in names if name not in taken):
            split = max(SHARES, key=lambda s: SHARES[s] * len(names) - counts[s])
            taken[name] = split
            counts[split] += 1
        if not all(counts.values()):
            raise DataError(
                f"{self.root / part / kind} has files of {len(names)} photographs; three splits need 5 or more"
            )
        return {
            split: {name: photos[name] for name in sorted(names) if taken[name] == split} for split in SHARES
        }

    def _chosen(self, where: str, kind: str, n: int, part: str, r: Random) -> list[Path]:
        """Files drawn by lot: first a photograph, then one of its files."""
        photos = list(self.files[where, kind][part].values())
        lots = torch.rand(n, 2, generator=r.generator).tolist()
        drawn = [(photos[int(a * len(photos))], b) for a, b in lots]
        return [files[int(b * len(files))] for files, b in drawn]

    def _placed(self, file: Path, r: Random) -> Float[Tensor, "4 h w"]:
        """The cut-out in its picture, colours multiplied by its cover; sometimes cut by the edge."""
        cut, size = _flipped(self._read(file, "RGBA"), r), self.size_px
        scale = float(r(*OBJECT_SIZE)) * size / max(cut.shape[1:])
        h, w = (max(2, round(side * scale)) for side in cut.shape[1:])
        cut = torch.cat([cut[:3] * cut[3:], cut[3:]])
        small = F.interpolate(cut[None], (h, w), mode="bilinear", antialias=True, align_corners=False)[0]
        left, top = (_place(r, size, side) for side in (w, h))
        margin = size
        canvas = torch.zeros(4, size + 2 * margin, size + 2 * margin)
        canvas[:, margin + top : margin + top + h, margin + left : margin + left + w] = small
        return canvas[:, margin : margin + size, margin : margin + size].clamp(0, 1)

    def _cropped(self, file: Path, r: Random) -> Float[Tensor, "3 h w"]:
        photo = _flipped(self._read(file, "RGB"), r)
        h, w = photo.shape[1:]
        side = max(2, round(float(r(CROP, 1)) * min(h, w)))
        top, left = int(r(0, h - side + 1)), int(r(0, w - side + 1))
        part = photo[None, :, top : top + side, left : left + side]
        size = (self.size_px, self.size_px)
        return F.interpolate(part, size, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)

    def _read(self, file: Path, mode: str) -> Float[Tensor, "c h w"]:
        if file not in self.cache:
            with opened(file) as image:
                pixels = np.array(image.convert(mode))
            self.cache[file] = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        return self.cache[file].float() / 255


def _sources(table: Path) -> dict[str, str]:
    """Which photograph each file was cut from, where a table says it."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if not {"file", "source"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{table} needs the columns file and source; it has {', '.join(reader.fieldnames or ())}"
            )
        return {row["file"]: row["source"] for row in reader}


def _flipped(pixels: Tensor, r: Random) -> Tensor:
    return pixels.flip(2) if bool(r.chance(0.5)) else pixels


def _place(r: Random, size: int, side: int) -> int:
    """Where the object begins: anywhere inside, or with up to a tenth of it over the edge."""
    over = 0.1 * side
    return int(r(-over, max(size - side, 0) + over + 1))


def _collar(cover: Float[Tensor, "n h w"]) -> Float[Tensor, "n 2"]:
    """A place in the upper middle of the object, for a leash."""
    _n, h, w = cover.shape
    axis_x, axis_y = ((torch.arange(side) + 0.5) * 2 / side - 1 for side in (w, h))
    total = cover.sum((1, 2)).clamp(min=1e-6)
    x, y = (cover * axis_x).sum((1, 2)) / total, (cover * axis_y[:, None]).sum((1, 2)) / total
    return torch.stack([x, y - 0.15], 1)
