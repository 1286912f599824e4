"""How does the page speak of pictures and of what was changed in them?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from convsight.studio.schemas.base import Model, Number


class Picture(Model):
    """`predicted`, `confidence` and `loss` are null until the split has been gone through."""

    id: str
    label: str | None = None
    predicted: str | None = None
    confidence: Number = None
    loss: Number = None
    name: str = ""


class PicturePage(Model):
    total: int
    items: list[Picture]
    ready: bool = Field(description="predictions of this split are there; filters by prediction need them")


class Score(Model):
    index: int
    name: str
    logit: Number
    probability: Number


class Scores(Model):
    """What the network answers to one picture; its own name, and its class where that is known."""

    scores: list[Score]
    said: str | None = Field(
        None, description="the class that the network says, or each label over its threshold"
    )
    name: str = ""
    label: str | None = None


class Box(Model):
    y: int
    x: int
    h: int = Field(ge=1)
    w: int = Field(ge=1)


class Paste(Model):
    picture: str
    y: int
    x: int
    h: int = Field(ge=1)
    w: int = Field(ge=1)


class EditRequest(Model):
    """What is hidden: a box, or the white of a mask; `paste` shows a part of another picture there.

    The box and `paste`'s y, x are in pixels of the network's input; paste's part has the size of the box.
    """

    box: Box | None = None
    mask: str | None = Field(None, description="base64 PNG; white (above half) is hidden")
    fill: Literal["mean", "grey", "black", "white", "blur", "noise"] = "mean"
    paste: Paste | None = None
    keep: bool = Field(False, description="also keep the edited picture, and answer with its id")


class Edited(Model):
    """Of networks with many classes only the 20 highest, before or after; the same ones in both lists."""

    scores: list[Score]
    clean: list[Score]
    milliseconds: float
    picture: str | None = None
    exact: bool = Field(True, description="computed only where the edit can change something, or in full")
