"""Which recipes are there, which is taken when none is named, and how is one fitted to a data set?"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import torch

from convsight.datasets import Dataset
from convsight.errors import InputError, check_known, closest
from convsight.training.augment import Augment
from convsight.training.recipe import Recipe
from convsight.training.tasks import loss_of

FEW_ON_CPU = 10_000  # training pictures up to which a processor only fits a head, unless asked
FEWEST, STEPS = 16, 8  # small sets: least pictures in a batch, and how many batches an epoch should have
MOST_EPOCHS, OF_FEW = 100, 60  # most epochs of a small set, and of one whose batches were made smaller too
PATIENCE = 20  # epochs without progress after which the training of a small set stops
ENOUGH_TO_STOP = 10  # validation pictures that are needed to judge progress
OF_SGD = ("sgd", "momentum", "nesterov", "muon")  # optimisers whose `lr` is that of SGD
LEARNING_RATES = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adam": 1e-3, "adamw": 1e-3, "muon": 0.1}


LESSON = {
    "epochs": 30,
    "batch_size": 20,
    "lr": 0.001,
    "weight_decay": 0.0,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "standardise": False,
    "precision": "float32",  # as the lesson computes; its networks are too small to gain much
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "fast",
            "a minute on two cores: a small residual network, Muon, alternating flip",
            epochs=11,
            min_steps=1000,
            hardest=0.3,
            easier=0.15,
            parts=2,
            augment=Augment(flip="alternate"),
        ),
        Recipe(
            "quick",
            "a quarter of a minute: every picture once, three in ten twice, in larger steps",
            epochs=2,
            min_steps=200,
            opening=0.3,
            parts=2,
            muon_lr=0.1,
            bias_rate=8.0,
            augment=Augment(flip="alternate"),
        ),
        Recipe(
            "best",
            "a quarter of an hour on two cores: twice as wide, many epochs, shifts, holes, averaged weights",
            network="fast-wide",
            epochs=28,
            min_steps=3000,
            hardest=0.4,
            easier=0.33,
            parts=2,
            augment=Augment(flip="alternate", shift_px=1, cutout_px=8),
            average=0.98,
        ),
        Recipe(
            "lesson-1",
            "the lesson's first solution: plain SGD, 30 epochs",
            network="lesson-1",
            optimizer="sgd",
            **LESSON,
        ),
        Recipe(
            "lesson-2",
            "the lesson's second solution: momentum and dropout, 30 epochs",
            network="lesson-2",
            optimizer="momentum",
            **LESSON,
        ),
        Recipe(
            "locate",
            "where something is: positions in pixels, smooth L1 loss",
            epochs=10,
            min_steps=1500,
            optimizer="adamw",
            lr=3e-3,
            loss="smooth-l1",
            label_smoothing=0.0,
        ),
        Recipe(
            "probe",
            "a network that has seen other pictures, with a linear head fitted to its features: one pass, then seconds",
            network="",
            start="probe",
            epochs=0,
            balance="auto",
            label_smoothing=0.0,
            precision="float32",
        ),
        Recipe(
            "finetune",
            "a probe, then all layers learn on, the first ones slowest: minutes",
            network="",
            start="probe",
            epochs=4,
            far_epochs=10,
            min_steps=150,
            batch_size=32,
            optimizer="adamw",
            lr=1e-3,
            weight_decay=0.05,
            schedule="cosine",
            peak=0.1,
            first_rate=0.1,
            norms="frozen",
            augment=Augment(flip="random", crop=0.5, colour=0.2),
            average=0.9,
            balance="auto",
            pieces=0,
            patience=3,
            watch="last",
        ),
    )
}


def recipe(name: str | Recipe, **changes: Any) -> Recipe:
    """The recipe called `name` with `changes` to its fields; those that are None change nothing.

    Another optimiser without a learning rate of its own gets a usual one (`LEARNING_RATES`). A network without
    batch normalisation would not survive Muon's rates; it is trained with AdamW unless you choose.

    >>> recipe("fast", epochs=2, network="lesson-2").optimizer
    'adamw'
    """
    if isinstance(name, str) and name not in RECIPES:
        raise InputError(f"no recipe '{name}'", given=name, works=closest(name, RECIPES))
    base = RECIPES[name] if isinstance(name, str) else name
    changes = {knob: value for knob, value in changes.items() if value is not None}
    known = [f.name for f in fields(Recipe) if f.name not in ("name", "summary")]
    shape = {f.name for f in fields(Augment)}
    for knob in changes:
        check_known(knob, [*known, *shape], f"a recipe has no '{knob}'", most=40)
    another = changes.get("network", base.network) != base.network
    if another:
        changes.setdefault("knobs", {})
        changes.setdefault("parts", 1)
        if base.optimizer == "muon" and not changes["network"].startswith("fast"):
            changes.setdefault("optimizer", "adamw")
    if changes.get("optimizer", base.optimizer) != base.optimizer:
        changes.setdefault("lr", LEARNING_RATES.get(changes["optimizer"], base.lr))
    varied = {knob: changes.pop(knob) for knob in list(changes) if knob in shape}
    if varied:
        changes["augment"] = replace(changes.get("augment", base.augment), **varied)
    return replace(base, **changes)


def default_recipe(
    task: str, data: Dataset, device: torch.device, *, learned: bool
) -> tuple[str, tuple[str, ...]]:
    """The recipe that is taken when none is named, and why if there was a choice."""
    if task == "locate":
        return "locate", ()
    if not learned:
        return "fast", ()
    n = len(data.train)
    if device.type == "cpu" and n <= FEW_ON_CPU:
        return "probe", (
            f"Recipe: probe, the quick one for {n:,} training pictures on a processor; --recipe finetune trains all layers.",
        )
    return "finetune", (f"Recipe: finetune, for {n:,} training pictures on {device.type}.",)


def suited(chosen: Recipe, data: Dataset, *, epochs_given: bool, task: str | None = None) -> Recipe:
    """The recipe for this data set: more epochs for few pictures, no flips and another loss for positions.

    Few pictures seen often are learned by heart; all are shown in every epoch, and from eight epochs on they
    are also moved by up to a sixteenth of their side. They come in smaller batches, at most 100 times, and the training
    stops when validation has not become better for 20 epochs. The rate of SGD, whose gradient is noisier the smaller the
    batch, falls with it (`rate_for`). What the user set himself stays.
    """
    pictures = len(data.train)
    batch_size = min(chosen.batch_size, max(1, pictures))
    few = not epochs_given and chosen.min_steps > chosen.epochs * max(1, pictures // batch_size)
    if few and not chosen.start and chosen.batch_size == RECIPES[chosen.name].batch_size:
        batch_size = min(batch_size, max(FEWEST, pictures // STEPS))
    elif few and chosen.start:
        batch_size = min(batch_size, max(FEWEST // 2, pictures // STEPS))
    steps = max(1, pictures // batch_size)
    epochs = chosen.epochs
    if few:
        most = MOST_EPOCHS if batch_size == chosen.batch_size else OF_FEW
        epochs = max(epochs, min(math.ceil(chosen.min_steps / steps), most))
    patience, watch = chosen.patience, chosen.watch
    if few and epochs > chosen.epochs and not patience and len(data.validation) >= ENOUGH_TO_STOP:
        patience, watch = PATIENCE, "score"
    augment, hardest, opening, task = chosen.augment, chosen.hardest, chosen.opening, task or data.task
    loss = loss_of(task, chosen.loss)
    if epochs > chosen.epochs:
        hardest = opening = 1.0
    if task == "locate":
        augment = replace(augment, flip="", shift_px=0)  # they would move what is to be located
    elif epochs >= 8 and epochs > chosen.epochs and augment.flip and not augment.shift_px:
        augment = replace(augment, shift_px=max(1, min(data.size) // 16))
    if chosen.patience and not len(data.validation):
        raise InputError(f"patience needs validation pictures, and {data.name} has none; pass validation=0.1")
    return replace(
        chosen,
        batch_size=batch_size,
        lr=rate_for(chosen, batch_size) if few else chosen.lr,
        epochs=epochs,
        hardest=hardest,
        opening=opening,
        augment=augment,
        loss=loss,
        patience=patience,
        watch=watch,
    )


def rate_for(chosen: Recipe, batch_size: int) -> float:
    """The rate of plain, heavy-ball or Nesterov SGD in proportion to the batch (Goyal et al. 2017, arXiv 1706.02677).

    Also of the SGD that trains the head and the biases beside Muon. With the rate of batches of 128, batches of 16 of 64
    photos threw the head so far that the mean loss of an epoch rose to 5 – 14, and some trainings diverged. Steps of
    Adam and Muon do not grow with the gradient, and stay. So does a rate that the user set.
    """
    usual = {
        LEARNING_RATES.get(chosen.optimizer),
        RECIPES[chosen.name].lr if chosen.name in RECIPES else None,
    }
    if chosen.start or chosen.optimizer not in OF_SGD or chosen.lr not in usual:
        return chosen.lr
    return chosen.lr * min(1.0, batch_size / chosen.batch_size)
