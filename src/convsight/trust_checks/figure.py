"""How are the three lights of each picture shown beside its map?"""

from __future__ import annotations

import torch

from convsight.results.draw import in_rgb
from convsight.results.kinds import Pictures, Table
from convsight.results.provenance import Provenance
from convsight.trust_checks.known_answers import known_answer
from convsight.trust_checks.light import Light
from convsight.trust_checks.subject import JudgedMap

CAPTION = (
    "Three separate checks. None is proof, and none is safe alone: maps that mislead have passed each of them, "
    "and maps that are right have failed."
)
COLUMNS = ("strongest part hidden", "untrained copy's map", "map of the runner-up")


def figure(subject: JudgedMap, lights: list[tuple[Light, ...]], provenance: Provenance) -> Pictures:
    """One row a picture: itself, its map, and what each light looked at; the answers in words, and a table."""
    tiles, captions, notes = [], [], []
    for i, row in enumerate(lights):
        pixels = in_rgb(subject.images.pixels[[i]])[0]
        tiles += [pixels, subject.shown(subject.map.values[i].float(), i)]
        captions += [subject.aim.labels[i], f"{subject.title} for it"]
        for light in row:
            shown = light.pictures
            blank = torch.full_like(pixels, 0.9)
            tiles.append(blank if shown is None else in_rgb(shown.images[:1])[0])
            captions.append("nothing to show" if shown is None else f"{light.verdict}: {shown.captions[0]}")
            which = f"Row {i + 1}, {subject.aim.labels[i]}. " if len(lights) > 1 else ""
            notes.append(f"{which}{light.title} {light.verdict.capitalize()}. {light.sentence}")
    known = known_answer(subject.name)
    return Pictures(
        title=f"How far to trust {subject.title}",
        caption=CAPTION,
        notes=(*notes, *((known,) if known else ())),
        parts=(_table(subject, lights),),
        provenance=provenance,
        images=torch.stack(tiles),
        captions=tuple(captions),
        columns=5,
        headings=("picture", "map", *COLUMNS),
        tile_px=200,
    )


def _table(subject: JudgedMap, lights: list[tuple[Light, ...]]) -> Table:
    """The answers of every picture, each with the number it rests on."""
    columns = (
        "picture", "hiding matters", "blobs beaten", "needs training", "untrained likeness", "depends on class",
        "runner-up likeness",
    )  # fmt: skip
    rests_on = ("blobs_beaten", "alike", "runner_up_alike")
    rows = []
    for i, row in enumerate(lights):
        name = f"{i + 1}: {subject.aim.labels[i]}"
        pairs = [(li.verdict, li.numbers.get(key)) for li, key in zip(row, rests_on, strict=True)]
        rows.append((name, *(cell for pair in pairs for cell in pair)))
    return Table(columns=columns, rows=tuple(rows))
