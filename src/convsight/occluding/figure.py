"""How do the answers to an occluder become the pictures of Zeiler & Fergus' figure 7?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.occluding.answers import Answers, Reading
from convsight.occluding.occluders import Occluders
from convsight.occluding.programs import quick_program
from convsight.occluding.sweep import Sweep
from convsight.results import draw, plot
from convsight.results.kinds import Map, Pictures

MOST_LABELS = 8  # classes with a colour of their own in the map of most probable classes


@dataclass(frozen=True, eq=False)
class Fall:
    """What falls when a place is hidden: each picture's number before, and at each position now."""

    what: str
    before: Float[Tensor, " n"]
    now: Float[Tensor, "n m"]
    names: tuple[str, ...]
    name: str = ""  # of the part that shows it


@dataclass(frozen=True, eq=False)
class Question:
    """What one call asks: where to hide what, whose score, which feature map.

    `readings` holds the strongest map's activity, where the network has maps (`sees_activity`), and last the
    target, where it is a unit.
    """

    net: Classifier
    images: Images
    aim: Target
    occluders: Occluders
    fill: Float[Tensor, "n c h w"]
    fill_words: str
    aggregate: str
    readings: tuple[Reading, ...]

    def sweep(self, mode: str) -> Sweep:
        """The work that answers it."""
        return Sweep(self.net, self.images.pixels, self.fill, self.occluders, self.readings, mode)

    @property
    def sees_activity(self) -> bool:
        return len(self.readings) > (self.aim.layer is not None)

    def scores(self, answers: Answers) -> tuple[Float[Tensor, "n m"], Float[Tensor, " n"]]:
        """The target's score with each position hidden, and of the whole pictures."""
        if self.aim.outputs is None:
            return answers.readings[-1], answers.clean_readings[-1]
        return _chosen(answers.logits, self.aim.outputs), _chosen(answers.clean_logits, self.aim.outputs)

    def map(self, answers: Answers) -> Map:
        """The fall of the score, with labels, probabilities and activity as parts."""
        grid = (len(self.images), *self.occluders.grid)
        scores, clean = self.scores(answers)
        falls, labels = [Fall("score", clean, scores, self.aim.labels)], []
        name = ""
        if self.aim.outputs is not None and self.net.has_probabilities:
            now = _chosen(self.net.probabilities_of(answers.logits, 2), self.aim.outputs)
            before = _chosen(self.net.probabilities_of(answers.clean_logits), self.aim.outputs)
            if torch.equal(now, scores):
                name = "probabilities"  # the scores are: a part of them would be the same map again
            else:
                falls.append(Fall("probability", before, now, self.aim.labels, "probabilities"))
        if self.net.one_class:
            predicted = self._labels(answers.logits).view(grid)
            labels.append(label_picture(self.net, predicted))
        if self.sees_activity:
            now, before = answers.readings[0], answers.clean_readings[0]
            names = tuple(f"{self.readings[0].layer}, map {c}" for c in self.readings[0].channels.tolist())
            falls.append(Fall("activity of the strongest feature map", before, now, names, "activity"))
        words = (
            "Red: hiding this lowers the score, so the score rests on it. Blue: hiding it raises the score. "
        )
        words += f"The patch shows {self.fill_words}."
        values, *others = self._spread(falls)
        parts: list[Map | Pictures] = list(map(self._part, falls[1:], others))
        before_activity = len(parts) - self.sees_activity
        parts[before_activity:before_activity] = labels
        return Map(
            values=values, signed=True, unit="fall of the score",
            pictures=self.images.pixels, labels_of=_named(self.aim.labels, clean), caption=words,
            notes=(*self._notes(), *answers.notes, *self.net.notes_on(self.aim)), parts=tuple(parts),
            gaps=answers.gaps, name=name, scores=scores.view(grid), clean_score=clean,
        )  # fmt: skip

    def _labels(self, values: Float[Tensor, "n m k"]) -> Tensor:
        """The class that is answered at each position, in one row."""
        return self.net.reader.predicted(self.net.probabilities_of(values.flatten(0, 1)))

    def _spread(self, falls: Sequence[Fall]) -> Iterable[Float[Tensor, "n h w"]]:
        """Each fall on the pixels, all in one go."""
        all_ = torch.cat([fall.before[:, None] - fall.now for fall in falls])
        return self.occluders.spread(all_, self.aggregate).split(len(self.images))

    def _part(self, fall: Fall, values: Float[Tensor, "n h w"]) -> Map:
        return Map(
            title=f"Occlusion: {fall.what}", values=values, signed=True, unit="fall",
            pictures=self.images.pixels, labels_of=_named(fall.names, fall.before),
            caption=f"How far the {fall.what} falls when a place is hidden (red), or rises (blue).",
            name=fall.name, scores=fall.now.view(len(self.images), *self.occluders.grid),
            clean_score=fall.before,
        )  # fmt: skip

    def _notes(self) -> tuple[str, ...]:
        where = self.occluders
        height, width = int((where.bottom - where.top).max()), int((where.right - where.left).max())
        shape = f"Patch {height}×{width} px" if where.masks is None else "Masks"
        joined = {"average": "averaged", "sum": "summed"}[self.aggregate]
        notes = [
            f"{shape} at {where.grid[0]}×{where.grid[1]} positions, {joined}: score whole − score hidden."
        ]
        bare = 1 - where.covered()
        if bare > 0:
            notes.append(f"{bare:.0%} of the pixels are under no position; the map is 0 there.")
        return tuple(notes)


def label_picture(net: Classifier, labels: Tensor) -> Pictures:
    """The most probable class at each position (n rows cols), one colour a class."""
    present, counts = labels.unique(return_counts=True)
    common = present[counts.argsort(descending=True)][:MOST_LABELS]
    ramp = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in plot.PALETTE[:MOST_LABELS]]
    colours = torch.full((len(net.classes), 3), 0.6)
    colours[common] = torch.tensor(ramp)[: len(common)]
    return Pictures(
        title="Occlusion: most probable class",
        name="labels",
        images=colours[labels].permute(0, 3, 1, 2),
        values=labels,
        captions=tuple(_shares(net, row) for row in labels),
        columns=3,
        tile_px=168,
        caption="One cell a position, one colour a class: another colour means another answer.",
    )


def strongest_maps(
    net: Classifier, images: Images, layer: str | None = None
) -> tuple[tuple[Reading, ...], Float[Tensor, "n k"]]:
    """The reading of each picture's strongest map in `layer` (none without feature maps), and its scores."""
    no_fixed_layers = (
        net.habits.decides or not net.habits.visible
    )  # there is none that every pass goes through
    last = None if layer is None and no_fixed_layers else net.layers.last_maps()
    asked = last if layer is None else net.layers[layer]
    if asked is None:
        return (), net.scores(images)
    if not asked.is_map:
        shape = "×".join(map(str, asked.output_shape))
        other = f"; try {last.name}" if last else ", and neither has any other layer"
        raise InputError(f"layer {asked.name!r} has no feature maps (its output is {shape}){other}")
    name = asked.name

    def run(part: slice) -> tuple[Tensor, Tensor]:
        logits, maps = _seen(net, images.pixels[part], name)
        return maps.float().sum((2, 3)).argmax(1).cpu(), logits.cpu()

    parts = in_chunks(run, len(images), chunk_size(images.pixels.shape[1:]))
    channels, logits = (torch.cat(p) for p in zip(*parts, strict=True))
    return (Reading(name, channels),), logits


def _seen(net: Classifier, pixels: Tensor, name: str) -> tuple[Float[Tensor, "n k"], Tensor]:
    """The scores and one layer's value."""
    program, index = quick_program(net), net.layers[name].index
    with torch.no_grad():
        if program is not None:
            values = program.run(net.normalise(pixels), (program.output, index))
            return net.rows(values[program.output], len(pixels)), values[index]
        with net.record(name) as seen:
            return net.forward(pixels), seen[name]


def _shares(net: Classifier, labels: Tensor) -> str:
    found, counts = labels.unique(return_counts=True)
    order = counts.argsort(descending=True)[:2]
    return " · ".join(f"{net.classes[int(found[i])]} {int(counts[i]) / labels.numel():.0%}" for i in order)


def _chosen(values: Tensor, outputs: Tensor) -> Tensor:
    """values[i, ..., outputs[i]]"""
    index = outputs.view(-1, *[1] * (values.ndim - 1)).expand(*values.shape[:-1], 1)
    return values.gather(-1, index)[..., 0]


def _named(names: tuple[str, ...], values: Tensor) -> tuple[str, ...]:
    return tuple(f"{name} {draw.number(float(v))}" for name, v in zip(names, values, strict=True))
