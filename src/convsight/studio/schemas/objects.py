"""How do the page and the server speak of where the objects of pictures are?

A mask travels as the lengths of its runs, row by row: how many pixels are not the object, how many are, how many are
not, ...; together all pixels of the picture.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from convsight.studio.schemas.base import Model

Runs = Annotated[list[Annotated[int, Field(ge=0, le=2**24)]], Field(max_length=2**20)]


class ClassTold(Model):
    name: str
    pictures: int = Field(description="how many an audit takes")
    told: int = Field(description="of how many of them the object was shown")


class ObjectPicture(Model):
    id: str
    name: str
    object: Runs
    told: bool = Field(description="the object was shown; otherwise it was found")


class Objects(Model):
    """A few pictures of one class with their objects, and how much was shown by now."""

    obstacle: str = Field(default="", description="why there is nothing to show, and what would work")
    classes: list[ClassTold] = Field(default=[])
    label: str = ""
    height: int = 0
    width: int = 0
    pictures: list[ObjectPicture] = Field(default=[])
    folder: str = Field(default="", description="where the masks are kept")
    command: str = Field(default="", description="the same audit on the command line")
    call: str = Field(default="", description="the same audit in Python")


class ObjectMask(Model):
    """The object of one picture as it was found and as it was shown, and the pieces that the picture falls into."""

    id: str
    height: int
    width: int
    found: Runs
    told: Runs | None = None
    pieces: str = Field(description="base64: the number of each pixel's piece, one byte each, row by row")


class ObjectTold(Model):
    """null takes back what was shown: the object is as it was found."""

    object: Runs | None
