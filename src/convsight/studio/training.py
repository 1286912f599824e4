"""How does a training run beside the page, report its epochs, stop, resume, and compare with others?

A training is a process of its own (`trainer`), so that the page never waits for it; it stops when its stdin
is closed. The folder of a run is made from a checked name: no path comes from the page.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convsight.architectures import available as known_networks
from convsight.datasets import available as known_datasets
from convsight.errors import ConvsightError, DataError, DataNotFound, InputError, check_known, closest
from convsight.results.kinds import Curve
from convsight.results.tables import headline
from convsight.run import CONFIG, LOG, METRICS, Run
from convsight.studio import schemas
from convsight.studio.jobs import Job
from convsight.studio.payloads import curve_data, table_data
from convsight.studio.session import Studio
from convsight.training.comparison import comparison

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STOP_S = 60  # how long a training may take to save


def recipes(studio: Studio) -> schemas.Recipes:
    """What can be trained, with what and on what."""
    # imports lightning, which takes two seconds, so not at the start
    from convsight.training.recipes import RECIPES

    own = [] if studio.data is None or studio.own_data is None else [
        schemas.Named(name=studio.data.name, summary="the data set that is open here")
    ]  # fmt: skip
    named = [schemas.Named(name=name, summary=words) for name, words in known_datasets()]
    return schemas.Recipes(
        recipes=[schemas.Named(name=r.name, summary=r.summary) for r in RECIPES.values()],
        networks=[schemas.Named(name=name, summary=words) for name, words in known_networks().items()],
        datasets=[*own, *(n for n in named if n.name not in {o.name for o in own})],
    )


def start(studio: Studio, request: schemas.TrainRequest) -> schemas.TrainStarted:
    """Begin a training in a new folder of `runs`."""
    from convsight.training.recipes import RECIPES

    source, options = _data(studio, request.data)
    for what, name, known in (
        ("recipe", request.recipe, RECIPES),
        ("network", request.network, known_networks()),
    ):
        if name is not None:
            check_known(name, known, f"no {what} {name!r}", most=20)
    folder = _new_folder(studio.runs, request.name, f"{request.data}-{request.recipe}")
    told = {
        "data": source, "recipe": request.recipe, "network": request.network, "epochs": request.epochs,
        "seed": request.seed, "out": str(folder), **options,
    }  # fmt: skip
    if request.limit is not None:
        told["limit"] = request.limit
    return _begin(studio, folder, {k: v for k, v in told.items() if v is not None})


def resume(studio: Studio, name: str) -> schemas.TrainStarted:
    """Go on with an unfinished run where it stopped."""
    folder = _folder(studio, name)
    if (folder / METRICS).is_file():
        raise InputError(f"the training of {name} is finished; there is nothing to resume")
    config = Run(folder).config
    if config["data"]["source"] is None or not config["network"]["known"]:
        raise InputError(f"{name} was trained from Python on objects of its own; resume it from there")
    told = {
        "data": config["data"]["source"], "recipe": config["recipe"], "epochs": config["recipe"]["epochs"],
        "seed": config["seed"], "out": str(folder), "resume": True, **config["data"]["options"],
    }  # fmt: skip
    return _begin(studio, folder, told)


def runs(studio: Studio) -> list[schemas.RunInfo]:
    """Every run in the folder of runs, the newest first."""
    if not studio.runs.is_dir():
        return []
    folders = [f for f in studio.runs.iterdir() if (f / CONFIG).is_file() and NAME.fullmatch(f.name)]
    folders.sort(key=lambda f: (f / CONFIG).stat().st_mtime, reverse=True)
    return [info for info in (_info(studio, folder) for folder in folders) if info is not None]


def compare(studio: Studio, names: list[str]) -> schemas.Comparison:
    """Runs side by side: their curves, and their settings and accuracies as a table."""
    opened = [Run.open(_folder(studio, name)) for name in names]
    table = comparison(opened)
    curves = [curve_data(part) for part in table.parts if isinstance(part, Curve)]
    infos = [info for info in (_info(studio, run.path) for run in opened) if info is not None]
    return schemas.Comparison(runs=infos, curves=curves, per_class=table_data(table))


def _info(studio: Studio, folder: Path) -> schemas.RunInfo | None:
    """The facts about a run, finished or not; None if its files cannot be read."""
    run = Run(folder)
    finished = (folder / METRICS).is_file()
    try:
        config = run.config
        test = run.metrics.get("test", {}) if finished else {}
        value, words = headline(test) if test else ("", "")
        log = run.log if (folder / LOG).is_file() else []
    except ConvsightError:
        return None
    job = studio.jobs.running(_title(folder))
    return schemas.RunInfo(
        name=folder.name, recipe=config["recipe"]["name"], network=config["network"]["name"],
        data=config["data"]["name"], accuracy=test.get("accuracy"), finished=finished, headline=value,
        headline_words=words,
        epochs=run.recipe["epochs"], training=job.id if job else None, log=log,
    )  # fmt: skip


def _data(studio: Studio, name: str) -> tuple[str, dict[str, Any]]:
    """(source, options) of a data set that may be trained on: a known name, or the one that is open."""
    if studio.data is not None and name == studio.data.name and studio.own_data is not None:
        return studio.own_data
    check_known(name, dict(known_datasets()), f"no data set {name!r}")
    return name, {}


def _folder(studio: Studio, name: str) -> Path:
    folder = studio.runs / name
    if not NAME.fullmatch(name) or not (folder / CONFIG).is_file():
        known = [f.name for f in studio.runs.iterdir()] if studio.runs.is_dir() else []
        raise DataNotFound(f"no run {name[:80]!r}", given=name[:80], works=closest(name[:80], known))
    return folder


def _new_folder(runs: Path, name: str | None, otherwise: str) -> Path:
    if name is not None:
        if (runs / name).exists():
            raise InputError(f"there is a run {name!r} already; choose another name, or resume it")
        return runs / name
    tidy = re.sub(r"[^A-Za-z0-9._-]", "-", otherwise).strip(".-")[:56] or "run"
    return next(
        f for f in (runs / (tidy if i == 1 else f"{tidy}-{i}") for i in range(1, 10_000)) if not f.exists()
    )


def _title(folder: Path) -> str:
    return f"Training {folder.name}"


def _begin(studio: Studio, folder: Path, told: dict[str, Any]) -> schemas.TrainStarted:
    if studio.jobs.running(_title(folder)) is not None:
        raise InputError(f"{folder.name} is being trained already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    job = studio.jobs.start(_title(folder), lambda job: _train(job, told), lane="beside")
    return schemas.TrainStarted(job=job.id, run=folder.name)


def _train(job: Job, told: dict[str, Any]) -> None:
    """Run the process, and pass on its events until it ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "convsight.studio.trainer"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        # Ctrl-C in the server's terminal must not reach the training, which is stopped by closing its stdin
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        failing: list[str] = []
        drain = threading.Thread(target=failing.extend, args=(process.stderr,), daemon=True)
        drain.start()
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        job.stop = lambda: _stop(process, job)
        if job.cancelled:
            _stop(process, job)
        ended = _follow(job, process.stdout)
        drain.join(STOP_S)
    if ended is None:
        last = next((line.strip() for line in reversed(failing) if line.strip()), "no message")
        raise DataError(f"the training ended without a word (status {process.returncode}): {last}")


def _follow(job: Job, lines: Iterator[str]) -> str | None:
    """Pass on every event; returns the last one's name, raises what the training failed with."""
    for line in lines:
        try:
            words = json.loads(line)
        except ValueError:
            continue
        event = words.pop("event")
        if event == "step":
            told = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in words.items()}
            fraction = words["step"] / max(words["steps"], 1)
            job.step(fraction, "", count=(words["epoch"], words["epochs"], "epochs"), training=told)
        elif event == "epoch":
            job.tell("epoch", **words)
        elif event == "failed":
            raise DataError(**words)
        else:
            return event
    return None


def _stop(process: subprocess.Popen, job: Job) -> None:
    """Ask the training to stop; kill it if it does not save within a minute."""
    job.message = "saving"
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    timer = threading.Timer(STOP_S, process.kill)
    timer.daemon = True
    timer.start()
