"""How do the scores change when a part of the picture is hidden, or replaced by a part of another?"""

from __future__ import annotations

import base64
import binascii
import time

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.occluding.occluders import fill_pictures
from convsight.studio import schemas
from convsight.studio.occluding import Edit
from convsight.studio.pictures import decoded
from convsight.studio.predictions import name_of
from convsight.studio.session import Studio

NEAR_TOP = 20  # classes


def edit(studio: Studio, picture: str, request: schemas.EditRequest) -> schemas.Edited:
    """The scores with the edit and without it."""
    made = edit_of(studio, picture, request)
    started = time.perf_counter()
    logits, exact = studio.occluding.scores(picture, made)
    milliseconds = 1000 * (time.perf_counter() - started)
    clean = clean_logits(studio, picture)
    told = _told(logits, clean)
    return schemas.Edited(
        scores=score_rows(studio, logits, told),
        clean=score_rows(studio, clean, told),
        milliseconds=round(milliseconds, 2),
        picture=studio.pictures.keep(Images(made.edited)) if request.keep else None,
        exact=exact,
    )


def warm(studio: Studio, picture: str) -> schemas.JobStarted:
    """Prepare in the background for edits of the picture that the page shows."""
    return schemas.JobStarted(
        job=studio.occluding.prepare(picture, studio.pictures.some([picture]).pixels).id
    )


def _told(after: Float[Tensor, " k"], before: Float[Tensor, " k"]) -> set[int] | None:
    """The classes to send: with many, only those near the top before or after, as a drag asks thirty times a
    second.
    """
    if len(after) <= 2 * NEAR_TOP:
        return None
    return {index for logits in (after, before) for index in logits.topk(NEAR_TOP).indices.tolist()}


def scores(studio: Studio, picture: str) -> schemas.Scores:
    """What the network answers to one picture, the largest score first."""
    logits = clean_logits(studio, picture)  # comes first, because it raises for a picture that does not exist
    about = of_data(studio, picture)
    known = {} if about is None else {"name": about.name, "label": about.label}
    return schemas.Scores(scores=score_rows(studio, logits), said=said(studio.net, logits), **known)


def said(net: Classifier, logits: Float[Tensor, " k"]) -> str | None:
    """The class that the network says, or each label that reaches its threshold; None where it says numbers."""
    if not net.one_class and net.task != "multilabel":
        return None
    return name_of(net.reader.predicted(net.probabilities_of(logits[None])), 0, net.classes)


def clean_logits(studio: Studio, picture: str) -> Float[Tensor, " k"]:
    """The network's logits for one picture, cached."""
    key = f"scores {picture}"
    kept = studio.store.get(key)
    if kept is None:
        logits = studio.net.explained(studio.pictures.some([picture]))[0]
        kept = studio.store.put(key, logits, 4 * logits.numel())
    return kept


def of_data(studio: Studio, picture: str) -> schemas.Picture | None:
    """The data set's entry for one of its pictures; None for uploads."""
    split, _, index = picture.partition(":")
    return None if split == "up" else studio.predictions.item(split, int(index))


def score_rows(
    studio: Studio, logits: Float[Tensor, " k"], told: set[int] | None = None
) -> list[schemas.Score]:
    """One row for each output, or for each of `told`: classes by score, largest first, positions in their own
    order.
    """
    net = studio.net
    known = net.has_probabilities and net.task != "segment"
    shares = net.probabilities_of(logits[None])[0].tolist() if known else [None] * len(logits)
    order = logits.argsort(descending=True, stable=True).tolist() if known else range(len(logits))
    values, names = logits.tolist(), studio.net.classes
    return [
        schemas.Score(index=i, name=names[i], logit=values[i], probability=shares[i])
        for i in order
        if told is None or i in told
    ]


def edit_of(studio: Studio, picture: str, request: schemas.EditRequest) -> Edit:
    """The request as an `Edit` with pixels; InputError says what is missing."""
    pixels = studio.pictures.some([picture]).pixels
    where = _where(request, (pixels.shape[2], pixels.shape[3]))
    if request.paste is not None:
        shown = _pasted(studio, request.paste, pixels, where)
    else:
        reach = max(1.0, float(where.any(1).sum().clamp(max=64)) / 2)
        shown = fill_pictures(request.fill, pixels, data_mean=studio.net.mean, reach=reach)
    return Edit(pixels, shown, where)


def _where(request: schemas.EditRequest, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    if request.mask is not None:
        return _mask(request.mask, size)
    if request.box is None:
        raise InputError("an edit needs a box {y, x, h, w} or a mask, a base64 PNG")
    box, where = request.box, torch.zeros(size, dtype=torch.bool)
    where[max(box.y, 0) : max(box.y + box.h, 0), max(box.x, 0) : max(box.x + box.w, 0)] = True
    return where


def _mask(text: str, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    try:
        content = base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise InputError("the mask is no base64; it is a PNG, white where the picture is hidden") from None
    mask = decoded(content).fit(None, 1).pixels
    if mask.shape[2:] != size:
        mask = F.interpolate(mask, size, mode="nearest")
    return mask[0, 0] > 0.5


def _pasted(
    studio: Studio, paste: schemas.Paste, pixels: Tensor, where: Bool[Tensor, "h w"]
) -> Float[Tensor, "1 c h w"]:
    """The other picture, shifted so that its part at (y, x) comes to the box's upper left corner."""
    donor = studio.pictures.some([paste.picture]).pixels
    rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
    if not len(rows):
        return pixels
    down, across = int(rows[0]) - paste.y, int(columns[0]) - paste.x
    h, w = pixels.shape[2:]
    y = (torch.arange(h) - down).clamp(0, donor.shape[2] - 1)
    x = (torch.arange(w) - across).clamp(0, donor.shape[3] - 1)
    return donor[:, :, y][:, :, :, x]
