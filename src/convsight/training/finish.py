"""What is written when a training is over: weights, the one look at the test set, and what was measured."""

from __future__ import annotations

import shutil
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import save

from convsight.features.kept import FOLDER as FEATURES
from convsight.results.confusion import metrics_for_file
from convsight.run import CHECKPOINT, LOG, METRICS, WEIGHTS, classifier_from
from convsight.storage import write_atomic, write_json, write_json_lines
from convsight.training.checkpoint import Standing
from convsight.training.evaluate import test
from convsight.training.job import Job
from convsight.training.probe import Probed, cross_validated, scores_of


def finish(
    job: Job, config: dict[str, Any], standing: Standing, fabric: Fabric, probed: Probed | None = None
) -> None:
    """Weights, then the test, then metrics: the file that says that a run is finished."""
    state = {name: value.detach().cpu().contiguous() for name, value in job.network.state_dict().items()}
    write_atomic(job.folder / WEIGHTS, save(state))
    net = classifier_from(config, job.network)
    metrics: dict[str, Any] = {"test": {}}
    current = job.precision.used == "float32" and not job.recipe.epochs  # features as the network gives them
    scores = scores_of(job, net, probed) if probed is not None and current else {}
    if len(job.data.test):
        metrics["test"] = test(net, job.data.test, scores=scores.get("test"))
    if probed is not None and (all_pictures := cross_validated(job, probed)):
        metrics["cross_validation"] = all_pictures
    if job.recipe.epochs:  # the features were those of the network before it learned
        shutil.rmtree(job.folder / FEATURES, ignore_errors=True)
    chosen = standing.best_epoch - standing.log[0]["epoch"] if job.recipe.patience else -1
    metrics["validation"] = {
        key: value for key, value in standing.log[chosen].items() if key.startswith("validation")
    }
    metrics["training"] = _training(job, standing, fabric)
    write_json(job.folder / METRICS, metrics_for_file(metrics))
    write_json_lines(job.folder / LOG, standing.log)
    (job.folder / CHECKPOINT).unlink(missing_ok=True)


def _training(job: Job, standing: Standing, fabric: Fabric) -> dict[str, Any]:
    trained = job.steps_before(standing.log[-1]["epoch"]) * job.recipe.batch_size
    return {
        "epochs": standing.epoch,
        "seconds": round(standing.seconds, 3),
        "cpu_seconds": round(standing.cpu_seconds, 3),
        "images_per_second": round((trained or len(job.data.train)) / max(standing.seconds, 1e-9), 1),
        "stopped": standing.stopped or "all epochs done",
        "device": str(fabric.device),
        "precision": job.precision.used,
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in job.network.parameters()),
    }
