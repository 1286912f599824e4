"""How does any result draw, save and show itself? The kinds of result are in `kinds`."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from convsight.errors import InputError
from convsight.imaging.choosing import Bands
from convsight.results import draw
from convsight.results.encoding import Arrays, encode, npz_bytes, numpy_of, stored
from convsight.results.gaps import Gaps
from convsight.results.provenance import Provenance
from convsight.results.sheet import stack, without_words
from convsight.storage import write_atomic

PACKED = "result"  # of an .npz file, the entry from which `open_result` makes the result again


@dataclass(frozen=True)
class View:
    """What the notebook, the report and the studio show: the same PNG bytes and a small JSON."""

    png: bytes
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Base of the kinds. `notes` say how far to trust it; `parts` are results shown below this one.

    name: what its numbers are, by which a whole finds its parts (see `part`). gaps: which of its positions were
    left out; None where the result is complete.
    """

    title: str = ""
    caption: str = ""
    notes: tuple[str, ...] = ()
    parts: tuple[Result, ...] = ()
    provenance: Provenance | None = None
    svg: str | None = None  # the same picture as vectors, where the method has one
    name: str = ""
    gaps: Gaps | None = None
    bands: Bands = None  # which channels of pictures with other than 1 or 3 are shown (`choosing.as_bands`)

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stored(cls)

    def part(self, name: str) -> Result | None:
        """The part of that name, None if there is none."""
        return next((part for part in self.parts if part.name == name), None)

    def draw_self(self) -> draw.RGB:
        raise TypeError(f"{type(self).__name__} is not drawn")

    def draw(self) -> draw.RGB:
        """The picture as uint8 h w 3, its parts below it."""
        with draw.showing(self.bands):
            own = self.draw_self()
            return stack([own, *(part.draw() for part in self.parts)]) if self.parts else own

    def view(self) -> View:
        """PNG bytes and the JSON that goes with them."""
        return View(draw.png(self.draw()), self.data())

    def data(self) -> dict[str, Any]:
        """Kind, words and provenance, and of every array its shape and range; small enough to send."""
        arrays = {name: _digest(array) for name, array in self.arrays().items()}
        provenance = self.provenance.as_dict() if self.provenance else None
        return {
            "kind": type(self).__name__,
            "title": self.title,
            "caption": self.caption,
            "notes": list(self.notes),
            "arrays": arrays,
            "provenance": provenance,
            "gaps": self.gaps.as_dict() if self.gaps else None,
            "parts": [part.data() for part in self.parts],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Every tensor of this result by its field's name."""
        found = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Tensor):
                found[each.name] = numpy_of(value)
        return found

    def save(self, path: str | Path) -> Path:
        """Write the picture (.png), the numbers (.npz), the words (.json) or a page (.html); others by kind.

        From an .npz file `convsight.open_result` makes the same result again.
        """
        path = Path(path)
        suffix = path.suffix.lstrip(".").lower()
        with draw.showing(self.bands):
            write_atomic(path, self._encoded(suffix))
        return path

    def _encoded(self, suffix: str) -> bytes:
        if suffix == "png":
            return draw.png(self.draw())
        if suffix == "npz":
            return _npz(self)
        if suffix == "json":
            return json.dumps(self.data(), indent=1).encode()
        if suffix == "html":
            return f'<!doctype html><meta charset="utf-8"><title>{html.escape(self.title)}</title>{self.html()}'.encode()
        if suffix == "svg" and self.svg:
            return self.svg.encode()
        possible = [*self.suffixes, *(["svg"] if self.svg else [])]
        raise InputError(
            f"a {type(self).__name__} is saved as .{', .'.join(possible)}; given {suffix or 'no suffix'!r}"
        )

    def show(self) -> None:
        """Show the picture: in the notebook's output, in the system's viewer, or without a display in a file."""
        try:
            from IPython.core.getipython import get_ipython  # type: ignore[import-not-found]
            from IPython.display import display  # type: ignore[import-not-found]
        except ImportError:
            get_ipython = display = None
        if get_ipython is not None and display is not None and get_ipython() is not None:
            display(self)
        else:
            draw.open_viewer(self.draw(), self.title)

    def html(self) -> str:
        """A figure for a page: title and words as text, the picture inside the HTML itself, no other file."""
        with draw.showing(self.bands):
            return self._figure() + "".join(part.html() for part in self.parts)

    def _figure(self) -> str:
        alt = html.escape(f"{self.title}. {self.caption}".strip(". "))
        if self.svg:
            drawn = (
                f'<div class="svg" role="img" aria-label="{alt}">{self.svg[self.svg.index("<svg") :]}</div>'
            )
        else:
            with without_words():
                drawn = inline_image(draw.png(self.draw_self()), "png", alt)
        return f'<figure class="convsight">{self._words()}<div class="drawn">{drawn}</div>{self._small_print()}</figure>'

    def _words(self) -> str:
        title = f"<strong>{html.escape(self.title)}</strong> " if self.title else ""
        return f"<figcaption>{title}{html.escape(self.caption)}</figcaption>" if title or self.caption else ""

    def _small_print(self) -> str:
        notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in self.notes)
        made = f'<p class="made">{html.escape(self.provenance.sentence())}</p>' if self.provenance else ""
        return notes + made

    def _repr_html_(self) -> str:
        return self.html()


def _digest(array: np.ndarray) -> dict[str, Any]:
    finite = array[np.isfinite(array)] if array.dtype.kind in "fiu" else array[:0]
    span = [float(finite.min()), float(finite.max())] if finite.size else None
    return {"shape": list(array.shape), "dtype": str(array.dtype), "range": span}


def _npz(result: Result) -> bytes:
    """Every array by its name, the provenance as JSON, and the whole result as JSON that refers to them."""
    arrays: Arrays = {}
    whole = json.dumps(encode(result, arrays))
    provenance = json.dumps(result.provenance.as_dict() if result.provenance else None)
    more = {"provenance": np.array(provenance), PACKED: np.array(whole)}
    return npz_bytes({**_named_arrays(result), **arrays, **more})


def _named_arrays(result: Result, before: str = "") -> dict[str, np.ndarray]:
    """What every kind offers as arrays, also of its parts: a table's columns, a curve's x and y."""
    arrays = result.arrays().items()
    found = {
        f"{before}{name}".replace("\0", "_"): a.astype(str) if a.dtype == object else a for name, a in arrays
    }
    for i, part in enumerate(result.parts):
        found |= _named_arrays(part, f"{before}part{i}.")
    return found


def inline_image(data: bytes, kind: str, alt: str) -> str:
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{alt}" src="data:image/{kind};base64,{encoded}">'
