"""How do the machines of a Ray cluster share the extraction of features?

Each task runs `extract` for its rank, as a process under torchrun would. A shard is one file with one name, so a task
that Ray starts again after its worker died skips what is there and adds no row twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convsight.errors import InputError, required
from convsight.features.extract import extract
from convsight.features.folder import FeatureStore
from convsight.network.classifier import Classifier
from convsight.progress import report_count

RETRIES = 3  # how often a task whose worker died is started again


def extract_on_ray(
    make: Callable[[], tuple[Classifier, Any]],
    folder: str | Path,
    *,
    tasks: int,
    cpus: float = 1,
    gpus: float = 0,
    **options: Any,
) -> FeatureStore:
    """`extract` in `tasks` Ray tasks of `cpus` processors (and `gpus`) each; returns the complete store.

    make: called once in every task for (network, data set), so that neither travels; it must find both on every
        machine. folder: must be the same shared folder on every machine. options: those of `extract` but rank
        and world. Joins a cluster that `ray.init` has joined, else the one RAY_ADDRESS names, else starts a local
        one. Raises MissingExtra without Ray, and whatever `extract` raises.
    """
    if tasks < 1:
        raise InputError(f"tasks is the number of Ray tasks, at least 1, not {tasks}")
    ray = required("ray", "ray", "extraction on a Ray cluster")
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    task = ray.remote(_share).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
    waiting = [task.remote(make, str(folder), rank, tasks, options) for rank in range(tasks)]
    while waiting:
        ready, waiting = ray.wait(waiting)
        _result(ray, ready[0])
        report_count(tasks - len(waiting), tasks, "tasks", "features")
    return FeatureStore.open(folder)


def _share(
    make: Callable[[], tuple[Classifier, Any]], folder: str, rank: int, world: int, options: dict
) -> None:
    net, data = make()
    extract(net, data, folder, rank=rank, world=world, **options)


def _result(ray: Any, reference: Any) -> None:
    """Raise the error of a failed task as it was raised there."""
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
