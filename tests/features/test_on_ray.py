"""Tasks of a Ray cluster make the same shards as one process, also when one of them dies."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import InputError, MissingExtra
from convsight.features.extract import extract
from convsight.features.on_ray import extract_on_ray


def made():
    torch.manual_seed(0)
    data = cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=30)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.Linear(6, 10))
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1), data


def made_by_one_that_dies_once(marker: str):
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return made()


def refused():
    raise InputError("no such network on this machine")


@pytest.fixture(scope="module")
def cluster():
    import ray

    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    here = str(Path(__file__).resolve().parent)  # the tasks import this file
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": here, "OMP_NUM_THREADS": "1"}},
    )  # fmt: skip
    yield ray
    ray.shutdown()


def test_a_task_that_is_killed_is_started_again_and_no_row_is_twice(cluster, tmp_path):
    make = partial(made_by_one_that_dies_once, str(tmp_path / "died"))
    store = extract_on_ray(make, tmp_path / "ray", tasks=2, shard_size=16)
    store.check()
    assert (tmp_path / "died").exists()
    alone = extract(*made(), tmp_path / "alone", shard_size=16)
    assert store.ids() == alone.ids()
    torch.testing.assert_close(store.vectors(), alone.vectors(), rtol=0, atol=1e-6)


def test_an_error_in_a_task_arrives_as_itself(cluster, tmp_path):
    with pytest.raises(InputError, match="no such network on this machine"):
        extract_on_ray(refused, tmp_path, tasks=1)
    with pytest.raises(InputError, match="at least 1, not 0"):
        extract_on_ray(made, tmp_path, tasks=0)


def test_without_ray_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"convsight\[ray\]"):
        extract_on_ray(made, tmp_path, tasks=1)
