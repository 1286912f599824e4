"""A claim about what the network leans on, with its evidence."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from convsight.results import draw, plot
from convsight.results.kinds.layout import nth, page, tile_px
from convsight.results.kinds.pictures import Pictures
from convsight.results.result import Result
from convsight.results.sheet import GREY, RIGHT, WRONG, Tile, stack

MARK = (230, 120, 0)  # orange: apart from every map colour and from grey, also for colour-blind eyes


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict(Result):
    """A claim about what the network leans on, with its evidence; `found` False is an answer too.

    found, sentence: the claim in words. target: the class that leans; kind: on what ("place", "border",
    "patch", "background", "brightness", "colour", "blur", "compression", "overlay", "pattern", "surroundings"). region: the pixels, if
    they are the same in every picture. flip_rate: the share of other classes' pictures that turn into
    `target` when the cue is pasted, control_rate the same with matched donors of other classes, interval the
    95% interval of their difference over `n` pictures, p_value that of McNemar's test after Holm's correction
    for everything tested. accuracy: how often the target is recognised with the cue, and without it (None
    where it cannot be taken away). prevalence: the share of the target's pictures that carry it; carriers:
    their ids. score: what it is ranked by, the interval's lower end (less what objects' own parts do).
    examples: pictures in rows, with `marks` (n h w) outlined. parameters and tensors say how to paste the cue
    again. remedy: what to do about it.
    """

    found: bool
    sentence: str
    target: str = ""
    kind: str = ""
    region: Tensor | None = None
    flip_rate: float = 0.0
    control_rate: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    p_value: float = 1.0
    n: int = 0
    accuracy: tuple[float, float | None] | None = None
    prevalence: float | None = None
    carriers: tuple[str, ...] = ()
    score: float = 0.0
    remedy: str = ""
    examples: Pictures | None = None
    marks: Bool[Tensor, "n h w"] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    numbers: ClassVar[tuple[str, ...]] = (
        "found", "sentence", "target", "kind", "flip_rate", "control_rate", "interval", "p_value", "n",
        "accuracy", "prevalence", "carriers", "score", "remedy", "parameters",
    )  # fmt: skip

    def data(self) -> dict[str, Any]:
        """The numbers too; what is leaned on is called `cue` here, as `kind` says which kind of result this is."""
        named = {"cue" if name == "kind" else name: getattr(self, name) for name in self.numbers}
        return {**super().data(), **named}

    def draw_self(self) -> draw.RGB:
        """The sentence, the numbers, and before and after side by side with the cue outlined."""
        shown = self.examples
        if shown is None:
            return page(self, [], 1, title=self.sentence)
        size = shown.tile_px or max(112, tile_px(len(shown.images), shown.columns, shown.images.shape[2]))
        tiles = [self._tile(i, size) for i in range(len(shown.images))]
        pictures = page(
            self, tiles, shown.columns, title=self.sentence, headings=shown.headings,
            row_labels=shown.row_labels, tile_px=size,
        )  # fmt: skip
        return stack([pictures, plot.shares(self._shares())])

    def _shares(self) -> list[tuple[str, float, tuple[float, float] | None]]:
        """What is measured, as rows of a chart: words, a share and perhaps its interval."""
        low, high = (end + self.control_rate for end in self.interval)
        rows: list[tuple[str, float, tuple[float, float] | None]] = [
            (f"others become {self.target} with its cue", self.flip_rate, (low, high)),
            ("the same with other classes' instead", self.control_rate, None),
        ]
        if self.accuracy is not None:
            rows.append((f"{self.target} is recognised with it", self.accuracy[0], None))
            if self.accuracy[1] is not None:
                rows.append((f"{self.target} is recognised without it", self.accuracy[1], None))
        return rows

    def _tile(self, i: int, size: int) -> Tile:
        assert self.examples is not None
        shown = self.examples
        picture = draw.enlarge(draw.rgb(shown.images[i]), size)
        if self.marks is not None and self.marks[i].any():
            factor = picture.shape[0] / self.marks.shape[1]
            wide = torch.nn.functional.interpolate(self.marks[i].float()[None, None], picture.shape[:2])[0, 0]
            picture = draw.outline(picture, wide > 0, MARK, max(1, round(min(factor, 8) / 3)))
        colour = (RIGHT if shown.right[i] else WRONG) if i < len(shown.right) else GREY
        return Tile(picture, nth(shown.captions, i), colour)

    def _words(self) -> str:
        found = "found" if self.found else "not found"
        words = f'<strong class="{found.replace(" ", "-")}">{html.escape(self.sentence)}</strong>'
        return f"<figcaption>{words} {html.escape(self.caption)}</figcaption>"

    def _figure(self) -> str:
        if self.examples is not None:
            return super()._figure()
        return f'<figure class="convsight">{self._words()}{self._small_print()}</figure>'
