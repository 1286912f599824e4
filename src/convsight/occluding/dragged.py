"""How do the scores of one picture change while somebody drags an occluder over it?"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.occluding import compiled
from convsight.occluding.cost import WORTH, is_large, work
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders, fill_pictures
from convsight.occluding.programs import known_program
from convsight.occluding.self_check import within
from convsight.occluding.sweep import UNFIT_FOR_WINDOWS
from convsight.occluding.trace import Program

Box = tuple[int, int, int, int]  # y, x, height, width in pixels, like the numbers of a crop
Where = Box | Bool[Tensor, "h w"]
FLOATS = (torch.float32, torch.float64)
QUESTIONS = 700  # expected about one picture: compiled kernels are loaded where they save time on so many


class Occluding:
    """One picture with its clean pass kept, for occluders that come one at a time and lie anywhere.

    Making one costs a clean pass (and, for a network seen for the first time, its trace); every question
    after that recomputes only what the occluder can change. The scores are those of the network run whole on
    the hidden picture, to 1e-4 of the largest effect: one occluder is compared when the object is made, and
    a network that fails this, or that no window would help, is run whole (`incremental` says which).

    `net` and `image` (one picture; resized to the network's input) are read once: after training, make a new
    one. Memory: the feature maps of one picture. Questions may come from several threads; they take turns.

    `clean` holds the scores of the whole picture, float32 k.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), ["a", "b"], 4, 1)
    >>> asked = Occluding(net, torch.rand(1, 1, 4, 4))
    >>> asked.scores((0, 1, 2, 3), "black").shape
    torch.Size([2])
    """

    def __init__(self, net: Classifier, image: Any):
        self.net = net
        self.picture: Float[Tensor, "c h w"] = _one(net, image)
        self._lock = threading.Lock()
        with torch.no_grad():
            self.clean: Float[Tensor, " k"] = net.forward(self.picture[None])[0].cpu()
        program = known_program(net) if net.dtype in FLOATS else None
        self._engine = None if program is None else self._quickest(program)

    @property
    def incremental(self) -> bool:
        """Whether only changed regions are recomputed; False: the network is run whole."""
        return self._engine is not None

    def scores(
        self,
        where: Where,
        fill: str | Float[Tensor, "c h w"] | Any = "grey",
        *,
        reach: float = 8.0,
        seed: int = 0,
    ) -> Float[Tensor, " k"]:
        """Every class's score with the pixels of `where` replaced by those of `fill`.

        `where` is a box (y, x, height, width) in pixels, of which the part outside of the picture counts for
        nothing, or a mask (bool h w) of the pixels to hide. `fill` is "grey", "black", "white", "mean",
        "blur" (`reach` pixels wide) or "noise" (from `seed`), or a picture of the same size whose pixels
        show there, such as one with another picture pasted into it. Raises InputError for a box without
        pixels, and for masks and pictures of another size.
        """
        return self.scores_of(self.hidden(where, fill, reach=reach, seed=seed))

    def hidden(
        self,
        where: Where,
        fill: str | Float[Tensor, "c h w"] | Any = "grey",
        *,
        reach: float = 8.0,
        seed: int = 0,
    ) -> Float[Tensor, "c h w"]:
        """The picture that `scores` is asked about."""
        cover = self._cover(where)
        if isinstance(fill, str):
            given = self.picture[None]
            (shown,) = fill_pictures(fill, given, data_mean=self.net.mean, reach=reach, seed=seed)
        else:
            shown = _one(self.net, fill)
        return torch.where(cover, shown, self.picture)

    def scores_of(self, edited: Float[Tensor, "c h w"]) -> Float[Tensor, " k"]:
        """Every class's score for an edited copy of the picture: any strokes, pasted pieces, blurs."""
        if edited.shape != self.picture.shape:
            raise InputError(
                f"an edited picture has the shape {tuple(self.picture.shape)}; given {tuple(edited.shape)}"
            )
        changed = (edited != self.picture).any(0)
        if not bool(changed.any()):
            return self.clean.clone()
        with self._lock, torch.no_grad():
            engine = self._engine
            if engine is not None:
                engine.move(Occluders.of_masks(changed[None]))
                windows, whole = work(engine.positions)
                if windows < WORTH * whole:
                    engine.show(edited[None])
                    return engine.run(np.array([0]))[0][0, 0]
            return self.net.forward(edited[None])[0].cpu()

    def _quickest(self, program: Program) -> Engine | None:
        """An engine on compiled kernels where these pay, else without; None if neither is right."""
        pays = compiled.suits(self.net) and is_large(program, QUESTIONS)
        engine = self._checked(program, True) if pays and not compiled.why_not() else None
        return engine or self._checked(program, False)

    def _checked(self, program: Program, on_kernels: bool) -> Engine | None:
        """An engine that answered one box as the network run whole does; None if it did not."""
        height, width = self.net.input_size
        cover = self._cover((height // 3, width // 3, max(1, height // 8), max(1, width // 8)))
        edited = torch.where(cover, 1 - self.picture, self.picture)
        engine = Engine(
            self.net, program, Occluders.of_masks(cover[None]), (), 1, on_kernels, keep_clean=True
        )
        with torch.no_grad():
            try:
                engine.load(self.picture[None], edited[None], (), 0)
                found = engine.run(np.array([0]))[0][0, 0]
            except UNFIT_FOR_WINDOWS:
                return None
            wanted = self.net.forward(edited[None])[0].cpu()
        return engine if within(found, wanted, self.clean) else None

    def _cover(self, where: Where) -> Bool[Tensor, "h w"]:
        height, width = self.net.input_size
        if isinstance(where, Tensor):
            if tuple(where.shape) != (height, width):
                raise InputError(f"a mask is {height}×{width}, as the picture; given {tuple(where.shape)}")
            return where.bool().cpu()
        y, x, high, wide = (int(side) for side in where)
        cover = torch.zeros(height, width, dtype=torch.bool)
        cover[max(y, 0) : max(y + high, 0), max(x, 0) : max(x + wide, 0)] = True
        if not bool(cover.any()):
            raise InputError(
                f"the box (y, x, height, width) = {(y, x, high, wide)} hides no pixel of {height}×{width}"
            )
        return cover


def _one(net: Classifier, image: Any) -> Float[Tensor, "c h w"]:
    if isinstance(image, Tensor) and image.ndim == 3 and image.is_floating_point():
        image = image[None]
    pixels = net.fit(image).pixels
    if len(pixels) != 1:
        raise InputError(f"one picture is needed; given {len(pixels)}")
    return pixels[0]
