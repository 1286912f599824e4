"""How long must all layers learn, given how well a probe told the pictures before any of them moved?

Where a head alone tells nearly all pictures, the features are right, and a few epochs polish them. Where it misses many,
they are those of other pictures (drawings, X-rays, pictures of 32 pixels enlarged): then every layer has to move, the
first ones too, and batch normalisation needs statistics of these pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from convsight.training.recipe import Recipe

NEAR = 0.85  # of the validation pictures that a probe tells: from here on the features are near enough
BATCH = 32  # pictures from which the statistics of a batch are better than those of other pictures
FIRST_RATE = 0.3  # of the head's rate, that the first layers get


def for_far_pictures(recipe: Recipe, probe: Mapping[str, Any], asked: Collection[str]) -> tuple[Recipe, str]:
    """The recipe for these pictures, and what was changed as a sentence ("" where nothing was).

    probe: the row of the log that says what the probe tells. asked: the fields that the user set, which stay.
    """
    told = probe.get("validation_accuracy")
    if not recipe.far_epochs or told is None or told >= NEAR:
        return recipe, ""
    wanted: dict[str, Any] = {"epochs": max(recipe.epochs, recipe.far_epochs), "first_rate": FIRST_RATE}
    if recipe.batch_size >= BATCH:
        wanted["norms"] = "train"
    changes = {
        name: value for name, value in wanted.items() if name not in asked and getattr(recipe, name) != value
    }
    if not changes:
        return recipe, ""
    words = ", ".join(f"{name} {value}" for name, value in changes.items())
    return replace(recipe, **changes), (
        f"The probe tells only {told:.0%} of the validation pictures, so the features are far from these pictures and all"
        f" layers learn more: {words} (--epochs and the other options say otherwise)."
    )
