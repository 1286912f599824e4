"""How does a data set and a recipe become a finished run on disk?"""

from __future__ import annotations

import copy
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import save
from torch import nn

from convsight import __version__
from convsight.architectures import Positions, build
from convsight.datasets import Dataset, dataset
from convsight.datasets.huggingface import SCHEME
from convsight.errors import DataError, InputError
from convsight.run import CHECKPOINT, CONFIG, FORMAT, LOG, METRICS, RESULTS, WEIGHTS, Run, classifier_from
from convsight.storage import write_atomic, write_json, write_json_lines
from convsight.training.checkpoint import Standing, about, same_training
from convsight.training.evaluate import test
from convsight.training.job import Job, mean_and_std
from convsight.training.loop import fit as fit_network
from convsight.training.precision import Precision, choose_precision, resumed_precision
from convsight.training.progress import Tell
from convsight.training.recipes import Recipe, suited
from convsight.training.recipes import recipe as find_recipe
from convsight.training.tasks import NUMBERS, n_outputs, task_for

HELD_OUT = {"fashion-mnist": 2000}  # enough to watch by; the set's own 5,000 would cost training pictures


def train(
    data: Any,
    recipe: str | Recipe | None = None,
    *,
    network: str | nn.Module | None = None,
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
    **changes: Any,
) -> Run:
    """Train a network on pictures, test it once on pictures it never saw, and keep everything in a directory.

    data: a `Dataset`, or whatever `convsight.dataset` takes: a name, a folder, arrays. size, channels, limit,
        validation, fit, bands, relabel (a CSV of corrected labels) and task are passed on to it. task: "classify", "multilabel", "binary" (two classes by
        one score), "regress" or "locate".
    recipe: a name of `RECIPES` or a `Recipe`, by default "fast", and "locate" for positions; `changes`
        override its fields (optimizer=, lr=, batch_size=, loss=, flip=, until_loss=, patience=, ...). Small
        data sets get more epochs than the recipe says, unless you say how many.
    network: a name of `convsight.architectures.available()`, or your own module taking normalised pixels n c h w
        (it is copied, and trained from the weights it has).
    seed: decides the first weights, the order and the augmentation; same seed, same weights on a processor.
    out: the run's directory, by default a new one under `runs/`. resume: go on with an unfinished run there,
        which must have the same settings (a finished one is opened); overwrite: throw the run there away.
    progress: called with a `Progress` about five times a second and after every epoch.
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
    name = network if isinstance(network, str | None) else type(network).__name__
    own = copy.deepcopy(network) if isinstance(network, nn.Module) else None
    changes["precision"] = precision
    if recipe is not None:
        find_recipe(
            recipe, epochs=epochs, network=name, **changes
        )  # a typing error need not wait for the data
    fabric = _fabric(device)
    opening = {"size": size, "channels": channels, "limit": limit, "validation": validation,
               "task": task, "fit": fit, "bands": bands,
               "relabel": None if relabel is None else str(Path(relabel).expanduser().absolute())}  # fmt: skip
    pictures, source = _opened(data, {key: value for key, value in opening.items() if value is not None})
    task = task_for(pictures, task)
    recipe = recipe or ("locate" if task == "locate" else "fast")
    chosen = find_recipe(recipe, epochs=epochs, network=name, **changes)
    chosen = suited(chosen, pictures, epochs_given=epochs is not None, task=task)
    config = _configuration(pictures, source, chosen, seed, own, task)
    folder = Path(out) if out is not None else _new_folder(f"{pictures.name}-{chosen.name}")
    if not _needs_training(folder, config, resume=resume, overwrite=overwrite):
        return Run(folder, module=own, data=pictures)
    with _random_state_kept(fabric.device):
        torch.manual_seed(seed)
        resume = resume and (folder / CHECKPOINT).is_file()
        network = _network(pictures, chosen, own, task)
        used = _precision(folder, chosen, pictures, network, fabric, resume=resume)
        config["precision"] = asdict(used)
        mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
        job = Job(pictures, network, chosen, seed, mean, std, folder, about(config), used)
        fabric.barrier()
        if fabric.is_global_zero:
            write_json(folder / CONFIG, config)
        standing = fit_network(job, fabric, progress, resume=resume)
        if fabric.is_global_zero:
            _finish(job, config, standing, fabric)
    fabric.barrier()
    return Run(folder, module=own, data=pictures)


def _opened(data: Any, opening: dict[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """The data set, and what the run must remember to open it again."""
    if isinstance(data, str) and data in HELD_OUT:
        opening = {"validation": HELD_OUT[data], **opening}
    task = opening.pop("task", None)
    if isinstance(data, Dataset):
        opening.pop("validation", None)
    elif isinstance(data, str) and task == "locate" and not data.startswith("locate"):
        data = f"locate:{data}"
    pictures = dataset(data, **opening)
    task_for(pictures, task)
    if len(pictures.train) == 0:
        raise DataError(f"{pictures.name} has no training pictures")
    where = _where(data) if isinstance(data, str | os.PathLike) else None
    source = {"name": pictures.name, "source": where, "options": opening}
    return pictures, source | ({"found": pictures.found} if pictures.found else {})


def _where(data: str | os.PathLike[str]) -> str:
    """The source as it is found from any working directory: the whole path if it is a file or folder."""
    scheme = SCHEME if str(data).startswith(SCHEME) else ""
    path = Path(str(data).removeprefix(scheme)).expanduser()
    return f"{scheme}{path.resolve()}" if path.exists() else str(data)


def _configuration(
    pictures: Dataset, source: dict[str, Any], recipe: Recipe, seed: int, own: nn.Module | None, task: str
) -> dict[str, Any]:
    """What `config.json` holds; everything that another training of the same would have to repeat."""
    mean, std = mean_and_std(pictures.train)
    channels = pictures.channels
    network = {"name": recipe.network, "knobs": dict(recipe.knobs), "known": True}
    if own is not None:
        network = {"name": type(own).__name__, "knobs": {}, "known": False}
    return {
        "format": FORMAT,
        "data": {**source, "pictures": {name: len(split) for name, split in pictures.splits.items()}},
        "task": task,
        "classes": list(pictures.classes),
        "outputs": list(pictures.outputs),
        "channels": channels,
        "size": list(pictures.size),
        "mean": mean.tolist() if recipe.standardise else [0.0] * channels,
        "std": std.tolist() if recipe.standardise else [1.0] * channels,
        "network": network,
        "recipe": asdict(recipe),
        "seed": seed,
        "versions": {
            "convsight": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _needs_training(folder: Path, config: dict[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Whether there is anything to do in `folder`; refuses to touch a run that is not to be touched."""
    if not (folder / CONFIG).is_file():
        return True
    if overwrite and not resume:
        for name in (METRICS, WEIGHTS, CHECKPOINT, LOG, CONFIG):  # the sign that it is finished goes first
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / RESULTS, ignore_errors=True)
        return True
    finished = (folder / METRICS).is_file()
    if not resume:
        state = "a finished run" if finished else "an unfinished run; resume=True (--resume) goes on with it"
        raise InputError(
            f"{folder} holds {state}. Choose another out=, or overwrite=True (--overwrite) to throw it away"
        )
    if finished:
        same_training(folder, about(Run(folder).config), about(config))
    return not finished


def _network(pictures: Dataset, recipe: Recipe, own: nn.Module | None, task: str) -> nn.Module:
    """The user's `own` network or a fresh one of the recipe's, with outputs in pixels if it is to locate."""
    outputs = n_outputs(pictures, task)
    network = own
    if network is None:
        channels, size = pictures.channels, pictures.size
        network = build(recipe.network, outputs, channels, size, task=task, **recipe.knobs)
    if task in NUMBERS:
        network = Positions(network, outputs)
        network.measure(pictures.train.labels)
    return network


def _precision(
    folder: Path, recipe: Recipe, pictures: Dataset, network: nn.Module, fabric: Fabric, *, resume: bool
) -> Precision:
    """The precision of the run that is resumed, else what the recipe asks for; the same in all processes."""
    if resume:
        begun = Run(folder).config.get("precision", {"used": "float32"})
        return resumed_precision(recipe.precision, begun["used"], fabric.device)
    example = torch.zeros(2, pictures.channels, *pictures.size)
    return fabric.broadcast(choose_precision(recipe.precision, fabric.device, network, example))


def _finish(job: Job, config: dict[str, Any], standing: Standing, fabric: Fabric) -> None:
    """Weights, then the one look at the test set, then metrics: the file that says that a run is finished."""
    state = {name: value.detach().cpu().contiguous() for name, value in job.network.state_dict().items()}
    write_atomic(job.folder / WEIGHTS, save(state))
    net = classifier_from(config, job.network)
    trained = job.steps_before(standing.log[-1]["epoch"]) * job.recipe.batch_size
    training = {
        "epochs": len(standing.log),
        "seconds": round(standing.seconds, 3),
        "cpu_seconds": round(standing.cpu_seconds, 3),
        "images_per_second": round(trained / max(standing.seconds, 1e-9), 1),
        "stopped": standing.stopped or "all epochs done",
        "device": str(fabric.device),
        "precision": job.precision.used,
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in job.network.parameters()),
    }
    validation = {key: value for key, value in standing.log[-1].items() if key.startswith("validation")}
    tested = test(net, job.data.test) if len(job.data.test) else {}
    write_json(job.folder / METRICS, {"test": tested, "validation": validation, "training": training})
    write_json_lines(job.folder / LOG, standing.log)
    (job.folder / CHECKPOINT).unlink(missing_ok=True)


def _new_folder(name: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, `-3`, ... that is free."""
    tidy = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    folder, number = Path("runs") / tidy, 2
    while folder.exists():
        folder, number = Path("runs") / f"{tidy}-{number}", number + 1
    return folder


def _fabric(device: str) -> Fabric:
    """One process, or all that `torchrun` started, on the processor or the accelerators."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"no device '{device}'; there are auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device='cuda' needs a CUDA device, and torch sees none; device='auto' takes what is there"
        )
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    nodes = max(1, int(os.environ.get("WORLD_SIZE", 1)) // processes)
    accelerator = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    strategy = "ddp" if processes * nodes > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=processes, num_nodes=nodes, strategy=strategy)
    fabric.launch()
    return fabric


@contextmanager
def _random_state_kept(device: torch.device) -> Iterator[None]:
    """torch's global random state is the caller's: what happens in the block leaves it as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
