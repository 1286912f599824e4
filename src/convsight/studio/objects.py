"""Where are the objects of the pictures? As they were found, or as the user shows it, kept as pictures in a folder."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from itertools import zip_longest
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from convsight.errors import DataNotFound, InputError
from convsight.features.selection import Selection
from convsight.shortcuts.pictures import FEWEST, split_to_audit
from convsight.studio import schemas
from convsight.studio.session import Studio

FOLDER = "masks"  # as in `shortcuts.told_masks`, which takes a second to load


def page(studio: Studio, label: str | None, offset: int, limit: int) -> schemas.Objects:
    """Pictures of a class that an audit takes, from the `offset`th on; of the first class where none is named."""
    if not studio.info.can.audit:
        return schemas.Objects(obstacle=studio.info.can.no_audit)
    offers = _offers(studio)
    label = next(iter(offers)) if label is None else label
    if label not in offers:
        raise InputError(
            f"no class {label!r} is audited", given=label, works=f"there are {', '.join(offers)}"
        )
    folder, (height, width) = folder_of(studio), studio.net.input_size
    told = {name: _told_of(folder, names, studio) for name, names in offers.items()}
    names = offers[label][offset : offset + limit]
    return schemas.Objects(
        classes=[
            schemas.ClassTold(name=name, pictures=len(of), told=len(told[name]))
            for name, of in offers.items()
        ],
        label=label,
        height=height,
        width=width,
        pictures=[_shown(studio, name, name in told[label]) for name in names],
        folder=str(folder),
        command=_command(studio, folder),
        call=f"cs.find_shortcuts(net, data, masks={str(folder)!r})",
    )


def picture(studio: Studio, name: str) -> schemas.ObjectMask:
    """The object of one picture that an audit takes, and the pieces that a click takes in or out."""
    from convsight.shortcuts.pieces import pieces

    _check(studio, name)
    found = _found(studio, name)
    shown = _told(studio, name)
    cut = pieces(studio.pictures.some([name]).pixels[0], found)
    return schemas.ObjectMask(
        id=name,
        height=found.shape[0],
        width=found.shape[1],
        found=runs_of(found),
        told=None if shown is None else runs_of(shown),
        pieces=base64.b64encode(cut.numpy().tobytes()).decode(),
    )


def show(studio: Studio, name: str, request: schemas.ObjectTold) -> schemas.ObjectPicture:
    """Keep where the user says that the object is, or forget it."""
    from convsight.shortcuts.told_masks import forget, tell

    _check(studio, name)
    folder, own = folder_of(studio), _own_name(studio, name)
    if request.object is None:
        forget(folder, own)
    else:
        tell(folder, own, mask_of(request.object, studio.net.input_size))
    return _shown(studio, name, request.object is not None)


def folder_of(studio: Studio) -> Path:
    """In the run, if the pictures are the run's own; otherwise in a folder that carries the data set's name."""
    if studio.run is not None and studio.data_source is None:
        return studio.run.path / FOLDER
    data = studio.data
    name = "pictures" if data is None else data.name
    plain = re.sub(r"[^\w-]+", "-", name).strip("-")[:40] or "pictures"
    digest = hashlib.sha256(f"{name} {studio.data_source}".encode()).hexdigest()[:6]
    return (studio.runs if studio.run is None else studio.run.path) / f"{FOLDER}-{plain}-{digest}"


def told_in_all(studio: Studio) -> int:
    """Of how many pictures that an audit takes the object was shown."""
    folder = folder_of(studio)
    if not folder.is_dir() or not studio.info.can.audit:
        return 0
    return sum(len(_told_of(folder, names, studio)) for names in _offers(studio).values())


def runs_of(mask: Bool[Tensor, "h w"]) -> list[int]:
    """The lengths of a mask's runs, row by row, those that are not the object first.

    >>> runs_of(torch.tensor([[False, True], [True, False]]))
    [1, 2, 1]
    """
    flat = torch.cat([torch.tensor([False]), mask.flatten()])
    at = (flat[1:] != flat[:-1]).nonzero().flatten()
    edges = torch.cat([torch.tensor([0]), at, torch.tensor([mask.numel()])])
    return edges.diff().tolist()


def mask_of(runs: list[int], size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """The mask with these runs.

    Raises InputError if they are not as many pixels as the picture has.

    >>> mask_of([1, 2, 1], (2, 2)).tolist()
    [[False, True], [True, False]]
    """
    if sum(runs) != size[0] * size[1]:
        raise InputError(
            f"the runs of this mask cover {sum(runs):,} pixels; the picture has {size[0]} × {size[1]} ="
            f" {size[0] * size[1]:,}",
            works="the lengths of all runs, row by row, those that are not the object first",
        )
    inside = torch.arange(len(runs)) % 2 == 1
    return inside.repeat_interleave(torch.tensor(runs, dtype=torch.long)).view(size)


def _offers(studio: Studio) -> dict[str, list[str]]:
    """For each class that is audited the pictures that an audit takes: one to choose on, one to measure on, in turn."""
    kept = studio.store.get("objects offers")
    if kept is not None:
        return kept
    from convsight.shortcuts.sample import halves_of_classes

    chosen = _pictures(studio)
    place = [f"{split}:{i}" for split, part in chosen.parts for i in range(len(part))]
    made = {}
    for k, halves in halves_of_classes(studio.net, chosen).items():
        if sum(map(len, halves)) >= FEWEST:
            turns = zip_longest(*(half.tolist() for half in halves))
            made[studio.net.classes[k]] = [place[i] for turn in turns for i in turn if i is not None]
    return studio.store.put("objects offers", made, 100 * sum(map(len, made.values())))


def _pictures(studio: Studio) -> Selection:
    assert studio.data is not None, "the session says that it can be audited"
    return Selection.of(studio.data, split_to_audit(studio.data))


def _own_names(studio: Studio) -> dict[str, str]:
    """The id of each picture within its data set, which names its mask, by the id that the page knows."""
    kept = studio.store.get("objects names")
    if kept is not None:
        return kept
    chosen = _pictures(studio)
    place = [f"{split}:{i}" for split, part in chosen.parts for i in range(len(part))]
    made = dict(zip(place, chosen.ids, strict=True))
    return studio.store.put("objects names", made, 100 * len(made))


def _own_name(studio: Studio, name: str) -> str:
    return _own_names(studio)[name]


def _check(studio: Studio, name: str) -> None:
    if not studio.info.can.audit:
        raise InputError(studio.info.can.no_audit)
    if not any(name in names for names in _offers(studio).values()):
        raise DataNotFound(
            f"the picture {name[:80]!r} is none of those that an audit takes",
            given=name[:80],
            works="/api/objects lists them, class by class",
        )


def _told_of(folder: Path, names: list[str], studio: Studio) -> set[str]:
    from convsight.shortcuts.drawn_masks import mask_files

    own = _own_names(studio)
    files = mask_files(folder, [own[name] for name in names])
    return {name for name, file in zip(names, files, strict=True) if file is not None}


def _told(studio: Studio, name: str) -> Bool[Tensor, "h w"] | None:
    from convsight.shortcuts.told_masks import told

    return told(folder_of(studio), _own_name(studio, name), studio.net.input_size)


def _found(studio: Studio, name: str) -> Bool[Tensor, "h w"]:
    from convsight.shortcuts.objects import object_mask

    kept = studio.store.get(f"objects found {name}")
    if kept is None:
        made = object_mask(studio.pictures.some([name]).pixels)[0]
        kept = studio.store.put(f"objects found {name}", made, made.numel())
    return kept


def _shown(studio: Studio, name: str, is_told: bool) -> schemas.ObjectPicture:
    mask = _told(studio, name) if is_told else None
    mask = _found(studio, name) if mask is None else mask
    return schemas.ObjectPicture(id=name, name=_own_name(studio, name), object=runs_of(mask), told=is_told)


def _command(studio: Studio, folder: Path) -> str:
    """The audit with these masks on the command line; "" where what is open has no name there."""
    if not studio.source:
        return ""
    words = ["convsight", "audit", studio.source]
    if studio.run is not None and studio.data_source is None:
        return shlex.join([*words, "--masks"])
    data = ["--data", studio.data_source] if studio.data_source else []
    return shlex.join([*words, *data, "--masks", str(folder)])
