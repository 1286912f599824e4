"""`convsight demo` and `convsight train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from convsight.cli.console import TrainingDisplay, err, out, print_json, print_result
from convsight.cli.inputs import bands, size
from convsight.cli.story import told, verdict, verdict_of
from convsight.datasets import dataset
from convsight.errors import DataNotFound, InputError
from convsight.network.reader import ONE_CLASS
from convsight.results.confusion import metrics_for_file
from convsight.results.tables import asides, first_table, headline
from convsight.run import Run
from convsight.training import train as train_run
from convsight.training.run_folder import new_folder

RECIPE_OPTIONS = (
    "network", "weights", "task", "epochs", "optimizer", "lr", "momentum", "weight_decay", "batch_size", "schedule",
    "loss", "label_smoothing", "until_loss", "patience", "channels", "limit",
    "precision", "balance", "mixup", "pieces", "first_rate", "norms",
)  # fmt: skip


def demo(given: argparse.Namespace, rest: list[str]) -> int:
    """Train, test, audit, report. Without Fashion-MNIST it says so and draws garments instead."""
    data: Any = given.data
    try:
        dataset(data, limit=given.limit)
    except DataNotFound as missing:
        if data != "fashion-mnist":
            raise
        err.print(f"Fashion-MNIST cannot be had: {missing}", soft_wrap=True)
        err.print("Going on with [b]drawn garments[/b] instead: the same ten classes, drawn by convsight.")
        data = "drawn-garments"
    err.print(f"Training on {data} with the recipe '{given.recipe}'; Ctrl-C saves and stops.")
    with TrainingDisplay() as display:
        run = train_run(
            data,
            given.recipe,
            seed=given.seed,
            out=given.out,
            overwrite=True,
            limit=given.limit,
            progress=display,
        )
    summary(run)
    _report(run, audit=run.config["task"] in ONE_CLASS)
    _places(run)
    return 0


def train(given: argparse.Namespace, rest: list[str]) -> int:
    if given.resume and not given.out:
        raise InputError("--resume goes on with the run in --out; say which")
    options = {name: getattr(given, name) for name in RECIPE_OPTIONS if getattr(given, name) is not None}
    shown = bands(given.bands)
    options |= {"bands": shown} if shown is not None else {}
    options |= {"fit": given.fit} if given.fit != "crop" else {}
    options |= {"relabel": given.relabel} if given.relabel else {}
    if given.validation is not None:
        options["validation"] = int(given.validation) if given.validation >= 1 else given.validation
    options |= {"resume": given.resume, "overwrite": given.overwrite, "seed": given.seed}
    options |= {"size": size(given.size), "device": given.device}
    if given.report:
        return _story(given, options)
    with TrainingDisplay(quiet=given.json) as display:
        say = None if given.json else display.say
        run = train_run(given.data, given.recipe, out=given.out, progress=display, say=say, **options)
    if given.json:
        print_json({"run": str(run.path), **metrics_for_file(run.metrics)})
    else:
        summary(run)
        _places(run)
    return 0


def _story(given: argparse.Namespace, options: dict[str, Any]) -> int:
    """The same training as one part of the story: check before it, audit and report after it."""
    name = Path(given.data).name or given.data
    out = given.out or new_folder(f"{name}-{given.recipe or 'story'}")
    run = told(given.data, given.recipe, out=out, quiet=given.json, **options)
    if given.json:
        print_json({"run": str(run.path), **metrics_for_file(run.metrics), **verdict_of(run)})
    else:
        summary(run)
        verdict(run)
    return 0


def summary(run: Run) -> None:
    """What was measured on the test set, in words."""
    test, training = run.metrics["test"], run.metrics["training"]
    if not test:
        out.print("There are no test pictures, so nothing was measured.")
        return
    print_result(first_table(test))
    took = (
        f"{training['seconds']:.0f} s of training in {training.get('precision', 'float32')},"
        f" {training['images_per_second']:,.0f} images/s"
    )
    value, words = headline(test)
    out.print(f"[b]{value}[/b] {'; '.join([words, *asides(test)])}. {took}", soft_wrap=True)
    if whole := run.metrics.get("cross_validation"):
        value, words = headline(whole)
        said = f"[b]{value}[/b] {words.replace('test pictures', 'pictures')}"
        out.print(
            f"{said}: a probe, each picture answered by a head that did not see it ({whole['folds']} folds)",
            soft_wrap=True,
        )
    stopped = training["stopped"]
    if stopped != "all epochs done":
        out.print(f"Stopped after {training['epochs']} epochs: {stopped}.", soft_wrap=True)


def _report(run: Run, audit: bool) -> None:
    doing = "Looking inside, looking for shortcuts" if audit else "Looking inside"
    with err.status(f"{doing} and writing the report ..."):
        path = run.report(audit=audit)
    out.print(f"report:  {path}", soft_wrap=True)


def _places(run: Run) -> None:
    out.print(f"run:     {run.path}", soft_wrap=True)
    audit = [f"convsight audit {run.path}"] if run.config["task"] in ONE_CLASS else []
    show = f"convsight show occlusion {run.path} test:0 -o occlusion.png"
    for i, command in enumerate(
        [show, *audit, f"convsight studio {run.path}", f"convsight export {run.path} -o net.onnx"]
    ):
        out.print(f"{'' if i else 'next:':<8} {command}", soft_wrap=True)
