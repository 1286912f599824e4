"""How does a data set and a recipe become a finished run on disk?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.run import CHECKPOINT, CONFIG, Run, classifier_from
from convsight.storage import write_json
from convsight.training.checkpoint import about
from convsight.training.configuration import changed, configuration, network_for
from convsight.training.far import for_far_pictures
from convsight.training.finish import finish
from convsight.training.harmless import harmless, makeable
from convsight.training.imbalance import unevenness
from convsight.training.interrupt import Interrupted
from convsight.training.job import Job
from convsight.training.loop import fit as fit_network
from convsight.training.memory_need import pieces_for
from convsight.training.opening import opened
from convsight.training.precision import Precision, choose_precision, resumed_precision
from convsight.training.probe import Probed, first_row, probe
from convsight.training.processes import fabric_on, random_state_kept
from convsight.training.progress import Clock, Tell
from convsight.training.recipe import Recipe
from convsight.training.recipes import default_recipe, suited
from convsight.training.recipes import recipe as find_recipe
from convsight.training.run_folder import needs_training, new_folder
from convsight.training.start import Start, is_from_elsewhere, start_from
from convsight.training.tasks import n_outputs, task_for

Say = Callable[[str], Any]


def train(
    data: Any,
    recipe: str | Recipe | None = None,
    *,
    network: str | nn.Module | Classifier | None = None,
    weights: str | Path | None = None,
    task: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Tell | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    limit: int | None = None,
    validation: float | None = None,
    fit: str | None = None,
    bands: Sequence[int] | str | None = None,
    relabel: str | Path | None = None,
    device: str = "auto",
    precision: str | None = None,
    say: Say | None = None,
    **changes: Any,
) -> Run:
    """Train a network on pictures, test it once on pictures it never saw, and keep everything in a directory.

    data: a `Dataset`, or whatever `convsight.dataset` takes: a name, a folder, arrays. size, channels, limit,
        validation, fit, bands, relabel (a CSV of corrected labels) and task are passed on to it. task: "classify", "multilabel", "binary" (two classes by
        one score), "regress" or "locate".
    recipe: a name of `RECIPES` or a `Recipe`, by default "fast", "locate" for positions, and of a network that has
        seen other pictures "probe" (up to 10,000 training pictures on a processor) or "finetune"; `changes`
        override its fields (optimizer=, lr=, batch_size=, loss=, flip=, until_loss=, patience=, ...). Small
        data sets get more epochs than the recipe says, unless you say how many.
    network: a name of `convsight.architectures.available()`; one that has seen other pictures: "torchvision:NAME",
        "timm:NAME", "hf:NAME", "file.py:function" or the directory of an earlier run, which gets a head for these
        classes and keeps its size and normalisation; a `Classifier`, of which a copy is treated the same; or your own
        module taking normalised pixels n c h w (it is copied, and trained from the weights and the head it has).
    weights: of a network from elsewhere: a file, "published" (the default) or "random".
    seed: decides the first weights, the order and the augmentation; same seed, same weights on a processor.
    out: the run's directory, by default a new one under `runs/`. resume: go on with an unfinished run there,
        which must have the same settings (a finished one is opened); overwrite: throw the run there away.
    progress: called with a `Progress` about five times a second and after every epoch. say: called with each sentence
        about the data and about what was chosen, before the training begins.
    device: "auto", "cpu" or "cuda". Under `torchrun` all its processes train together.
    precision: the number format in which layers compute while they learn: "float32", "bfloat16" (about half the
        time where the hardware multiplies it), or "auto", which takes bfloat16 where it is quick and `network` runs
        in it. By default the recipe's. Losses, weights and every test are float32. `config.json` says what was
        asked, what was used and why; a resumed run keeps what it began with.

    Returns the `Run`. Raises InputError (a setting), DataError (the data, or another run in `out`),
    TrainingError (the loss diverges), StorageError (disk), Interrupted (Ctrl-C, saved).

    >>> run = train("drawn-garments", "quick", seed=1, out="runs/first")                    # doctest: +SKIP
    >>> run.metrics["test"]["accuracy"], run.classifier                                    # doctest: +SKIP
    """
    name = network if isinstance(network, str | None) else getattr(network, "name", type(network).__name__)
    own = copy.deepcopy(network) if isinstance(network, nn.Module) else None
    changes["precision"] = precision
    if recipe is not None:
        find_recipe(
            recipe, epochs=epochs, network=name, **changes
        )  # a typing error need not wait for the data
    fabric = fabric_on(device)
    start = _start(network, weights)
    opening = {"size": size, "channels": channels, "limit": limit, "validation": validation,
               "task": task, "fit": fit, "bands": bands,
               "relabel": None if relabel is None else str(Path(relabel).expanduser().absolute())}  # fmt: skip
    given = {key: value for key, value in opening.items() if value is not None}
    pictures, source, told = opened(data, given, start)
    task = task_for(pictures, task)
    if recipe is None:
        recipe, why = default_recipe(
            task, pictures, fabric.device, learned=start is not None and start.learned
        )
        told += why
    chosen = find_recipe(recipe, epochs=epochs, network=name, **changes)
    if chosen.start and start is None:
        raise InputError(_no_start(chosen, name))
    chosen = suited(chosen, pictures, epochs_given=epochs is not None, task=task)
    augment, left_out = harmless(chosen.augment, task, pictures.classes)
    augment, missing = makeable(augment, asked=bool(changes.get("crop") or changes.get("colour")))
    chosen = replace(chosen, augment=augment)
    told += (
        left_out
        + missing
        + unevenness(pictures, task, chosen.balance)
        + (() if start is None else start.notes)
        + (start.memory_for(sum(map(len, pictures.splits.values()))) if chosen.start and start else ())
    )
    config = configuration(pictures, source, chosen, seed, own, task, start, told)
    if start is not None and not start.described["known"]:
        own = start.module(n_outputs(pictures, task), pictures.channels, pictures.size)
    folder = Path(out) if out is not None else new_folder(f"{pictures.name}-{chosen.name}")
    if not needs_training(folder, config, resume=resume, overwrite=overwrite):
        return Run(folder, module=own, data=pictures)
    for sentence in (*pictures.notes, *told) if say is not None and fabric.is_global_zero else ():
        assert say is not None
        say(sentence)
    with random_state_kept(fabric.device):
        torch.manual_seed(seed)
        again = resume and (folder / CONFIG).is_file()
        resume = resume and (folder / CHECKPOINT).is_file()
        network = network_for(pictures, chosen, own, task, start)
        used, pieces = _precision_and_pieces(folder, chosen, pictures, network, fabric, resume=again)
        config |= {"precision": asdict(used), "pieces": pieces}
        mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
        job = Job(pictures, network, chosen, seed, mean, std, folder, about(config), used, pieces)
        fabric.barrier()
        if fabric.is_global_zero:
            write_json(folder / CONFIG, config)
        probed, row = _probed(job, config, fabric) if chosen.start else (None, None)
        if row is not None:
            asked = {name for name, value in {"epochs": epochs, **changes}.items() if value is not None}
            used_recipe, sentence = for_far_pictures(chosen, row, asked)
            if sentence:
                job, config = replace(job, recipe=used_recipe), changed(config, used_recipe, sentence)
            if sentence and fabric.is_global_zero:
                write_json(folder / CONFIG, config)
                if say is not None:
                    say(sentence)
        standing = fit_network(job, fabric, progress, resume=resume, before=row)
        if fabric.is_global_zero:
            finish(job, config, standing, fabric, probed)
    fabric.barrier()
    return Run(folder, module=own, data=pictures)


def _start(network: Any, weights: Any) -> Start | None:
    """The network from elsewhere that is named, if one is."""
    if is_from_elsewhere(network):
        return start_from(network, weights)
    if weights is not None:
        raise InputError(
            f"weights={str(weights)!r} belong to a network from elsewhere: name it, network='torchvision:NAME' or"
            " 'file.py:function' (--network)"
        )
    return None


def _no_start(recipe: Recipe, name: str | None) -> str:
    named = f"{name!r} has not" if name else "none was named that has"
    return (
        f"the recipe '{recipe.name}' goes on from a network that has seen other pictures, and {named}. Name one:"
        " network='torchvision:mobilenet_v3_large' (also 'timm:NAME', 'hf:NAME', 'file.py:function' or an earlier run;"
        " --network on the command line), with weights=FILE where there is no network to fetch them"
    )


def _probed(job: Job, config: dict[str, Any], fabric: Fabric) -> tuple[Probed, dict[str, Any]]:
    """Features and head before any training; an interrupt says how to go on."""
    job.network.to(fabric.device)
    clock = Clock()
    net = classifier_from(config, job.network)
    try:
        probed = probe(job, net, fabric, config["network"]["head"])
    except KeyboardInterrupt as stop:
        raise Interrupted(job.folder, 0, job.recipe.epochs) from stop
    spent = {"seconds": round(clock.seconds, 3), "cpu_seconds": round(clock.cpu_seconds, 3)}
    return probed, first_row(job, probed) | spent


def _precision_and_pieces(
    folder: Path, recipe: Recipe, pictures: Dataset, network: nn.Module, fabric: Fabric, *, resume: bool
) -> tuple[Precision, int]:
    """What a resumed run began with, or what the recipe asks for; the same in every process."""
    if resume:
        begun = Run(folder).config
        used = resumed_precision(
            recipe.precision, begun.get("precision", {"used": "float32"})["used"], fabric.device
        )
        return used, begun.get("pieces", 1)
    example = torch.zeros(2, pictures.channels, *pictures.size)
    used = choose_precision(recipe.precision, fabric.device, network, example)
    pieces = recipe.pieces or pieces_for(network, example, recipe.batch_size, fabric.device)
    return fabric.broadcast((used, pieces))
