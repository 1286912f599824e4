"""Which parts of a picture does a score depend on? Hide each in turn and watch the score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.occluding.answers import Reading
from convsight.occluding.budget import on_budget
from convsight.occluding.coarse_to_fine import filled, levels
from convsight.occluding.figure import Question, strongest_maps
from convsight.occluding.occluders import FILLS, Occluders, fill_pictures
from convsight.occluding.sweep import MODES, Sweep
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Occlusion(Method):
    """Where a score rests: a patch hides each part of the picture, and the map is how far the score falls.

    `values[y, x]` = the average, over the positions whose patch covers the pixel, of (score of the whole
    picture − score with the patch there). Positive (red): hiding it lowers the score, the class rests on it.
    Negative (blue): hiding it raises the score, it speaks for another class.

    Knobs. `patch` is the side of the hidden square in pixels, or (height, width) for a bar; larger patches
    hide whole objects and give a coarser, stronger map; by default a fourteenth of the short side, at least
    4. `stride` is the distance between positions in pixels (or (down, across)), half a patch by default;
    smaller is smoother and costs (1/stride)². `fill` is what the patch shows. `aggregate`: "average" as above
    (captum's too) or "sum", the total over positions.

    `mode`: "dense" runs the whole network at every position. "exact" recomputes only what each patch can change,
    with torch's operations. "auto" (also called "fast") does the same on compiled kernels where these are there
    (see `convsight doctor`) and the call is large enough to pay for loading them: from 2·10¹¹ multiply-adds of the
    dense loop on, such as 700 positions on a MobileNetV2. All are the same to 1e-4 of the largest effect: each call
    also runs four positions whole, and if these differ by more, the next safer way answers everything. The notes
    say which way it was.

    `budget` below 1 answers only that share of the positions: a coarse grid first, then where the map varies;
    the gaps show the nearest answer, and the notes give the error measured on positions left out.

    Positions start at 0, stride, 2·stride, ... with a last one flush with the edge. `donor` gives pictures
    whose pixels the patch shows instead of `fill`; `masks` (bool m h w) gives shapes to hide, such as
    superpixels, instead of a sliding patch. `layer` chooses where the activity is read.

    Returns a signed Map, n h w, in units of the target (logits); 0 where no position covers a pixel. Also
    `scores`, `probabilities`, `labels` (index of the most probable class) and `activity`, all n rows cols,
    and `clean_score` n. `activity` is the sum of one feature map of `layer` (by default the last stack of
    maps after the last convolution), the one that is strongest in the clean picture. Together these are
    figure 7 of the paper. Raises InputError for a patch larger than the picture.

    Source: Zeiler & Fergus 2013, arXiv:1311.2901. They show the raw score at each position (`scores`); we
    average its drop over overlapping patches, so that the map has the picture's resolution and a zero.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), ["a", "b"], 4, 1)
    >>> result = Occlusion(patch=2, stride=2)(net, torch.rand(1, 1, 4, 4), "a")
    >>> result.values.shape, result.scores.shape
    (torch.Size([1, 4, 4]), torch.Size([1, 2, 2]))
    """

    title = "Occlusion"
    kind = Map
    many_passes = True
    source = "Zeiler & Fergus 2013, arXiv:1311.2901"

    patch: int | tuple[int, int] | None = knob(
        None, "a larger patch hides more at once: a coarser, stronger map", unit="px", low=1
    )
    stride: int | tuple[int, int] | None = knob(
        None, "positions further apart: a coarser map in less time", unit="px", low=1
    )
    fill: str = knob("grey", "what the patch shows", choices=tuple(FILLS))
    aggregate: str = knob("average", "how overlapping positions join", choices=("average", "sum"))
    mode: str = knob("auto", "how the answer is computed", choices=MODES)
    budget: float = knob(
        1.0, "the share of positions that is answered: less is quicker and leaves gaps", low=0.01, high=1.0
    )
    seed: int = knob(0, "another seed draws other noise (fill noise)")

    def compute(
        self,
        net: Classifier,
        images: Images,
        target: Any = None,
        layer: str | None = None,
        donor: Any = None,
        masks: Tensor | None = None,
    ) -> Map:
        question = self._question(net, images, target, layer, donor, masks)
        work = question.sweep(self.mode)
        if self.budget < 1:
            return question.map(on_budget(work, question.scores, self.budget))
        work.run(np.arange(len(question.occluders)))
        return question.map(work.answers())

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Map]:
        """The same map, coarse to fine: a first one early, more as positions are answered, the full one last.

        Takes what the call takes. The notes of a map say how many positions it knows. The network is left
        alone between two maps, and may be changed only after the last.

        >>> import torch
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 2))
        >>> net, picture = Classifier(module, ["a", "b"], 8, 1), torch.rand(1, 1, 8, 8)
        >>> [int(float(m.scores.isfinite().all())) for m in Occlusion(patch=2, stride=1).stream(net, picture)]
        [1, 1, 1, 1]
        """
        given = self._bind(args, kwargs)
        question: Question | None = None
        work: Sweep | None = None

        def level(number: int, places: np.ndarray) -> Map:
            nonlocal question, work
            if question is None or work is None:
                question = self._question(**given)
                work = question.sweep(self.mode)
            work.run(places, check=number > 0 or len(order) == 1)
            done = work.answered()
            answers = work.answers()
            if len(done) < len(question.occluders):
                answers = filled(answers, done, question.occluders.grid)
            return question.map(answers)

        order = levels(self._where(given["images"].size, given["masks"]).grid)
        for number, places in enumerate(order):
            yield self._answer(given, lambda n=number, p=places: level(n, p))  # type: ignore[misc]

    def _question(
        self, net: Classifier, images: Images, target: Any, layer: str | None, donor: Any, masks: Any
    ) -> Question:
        occluders = self._where(images.size, masks)
        readings, logits = strongest_maps(net, images, layer)
        aim = net.target(target, images, logits)
        fill, words = self._fill(net, images, donor, max(self._patch(images.size)) / 2)
        net = aim.through or net
        if aim.layer is not None:
            channels = torch.full((len(images),), aim.channel or 0)
            readings = (*readings, Reading(aim.layer, channels, aim.cell or "max"))
        return Question(net, images, aim, occluders, fill, words, self.aggregate, readings)

    def _patch(self, size: tuple[int, int]) -> tuple[int, int]:
        side = max(round(min(size) / 14), min(4, *size))
        return (side, side) if self.patch is None else _pair("patch", self.patch)

    def _where(self, size: tuple[int, int], masks: Tensor | None) -> Occluders:
        if masks is not None:
            if tuple(masks.shape[-2:]) != size:
                given, wanted = tuple(masks.shape), "×".join(map(str, size))
                raise InputError(f"masks are m×{wanted}, as the pictures; given shape {given}")
            return Occluders.of_masks(masks)
        patch = self._patch(size)
        half = (max(1, patch[0] // 2), max(1, patch[1] // 2))
        return Occluders.sliding(size, patch, half if self.stride is None else _pair("stride", self.stride))

    def _fill(self, net: Classifier, images: Images, donor: Any, reach: float) -> tuple[Tensor, str]:
        if donor is not None:
            donors = net.fit(donor).pixels
            if len(donors) not in (1, len(images)):
                raise InputError(f"{len(donors)} donors for {len(images)} pictures; give one, or one each")
            return donors.expand_as(images.pixels), "another picture's pixels"
        words = {"blur": "the picture blurred", "noise": "uniform noise"}.get(self.fill, self.fill)
        if self.fill == "mean":
            whose = "the picture" if net.mean is None else "the network's data"
            words = f"the mean colour of {whose}"
        mean, pixels = net.mean, images.pixels
        return fill_pictures(self.fill, pixels, data_mean=mean, reach=reach, seed=self.seed), words


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2:
        raise InputError(f"{name} is one number or two, (height, width), in px; given {value!r}")
    return int(pair[0]), int(pair[1])
