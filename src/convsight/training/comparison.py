"""What changed from one run to another: curves, totals and accuracy per class side by side?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convsight.errors import InputError
from convsight.results.kinds import Curve, Series, Table
from convsight.results.tables import headline
from convsight.run import Run
from convsight.training.tasks import SCORE


def comparison(runs: Sequence[Run]) -> Table:
    """One column a run; its loss and accuracy curves as parts. Raises InputError for runs of two tasks."""
    tasks = {run.config["task"] for run in runs}
    if len(tasks) > 1:
        raise InputError(f"these runs do different tasks ({', '.join(sorted(tasks))}) and cannot be compared")
    names = _names(runs)
    rows = [*_settings(runs), *_measured(runs)]
    score = SCORE[tasks.pop()] if tasks else "accuracy"
    curves = [
        _curve(runs, names, "loss", "Training loss", "loss"),
        _curve(runs, names, "validation_loss", "Validation loss", "loss"),
        _curve(runs, names, f"validation_{score}", "Validation " + score.replace("_px", ", px"), score),
    ]
    parts = tuple(curve for curve in curves if curve.series)
    return Table(title="Runs compared", columns=("", *names), rows=tuple(rows), parts=parts)


def _names(runs: Sequence[Run]) -> list[str]:
    plain = [run.name for run in runs]
    return plain if len(set(plain)) == len(plain) else [str(run.path) for run in runs]


def _settings(runs: Sequence[Run]) -> list[tuple[Any, ...]]:
    recipes = [run.config["recipe"] for run in runs]
    rows: list[tuple[Any, ...]] = [("data", *(run.config["data"]["name"] for run in runs))]
    rows.append(("network", *(run.config["network"]["name"] for run in runs)))
    for knob in ("name", "optimizer", "lr", "momentum", "batch_size", "loss", "label_smoothing", "schedule"):
        values = [recipe[knob] for recipe in recipes]
        if knob == "name" or len(set(map(str, values))) > 1:
            rows.append((knob.replace("_", " ").replace("name", "recipe"), *values))
    for name, key in (("epochs", "epochs"), ("parameters", "parameters"), ("training, s", "seconds")):
        rows.append((name, *(run.metrics["training"][key] for run in runs)))
    return rows


def _measured(runs: Sequence[Run]) -> list[tuple[Any, ...]]:
    tests = [run.metrics["test"] for run in runs]
    if not all(tests):
        return []
    if "per_class" not in tests[0]:
        return [(headline(tests[0])[1].split(" on ")[0], *(headline(t)[0] for t in tests))]
    rows: list[tuple[Any, ...]] = [("test accuracy", *(f"{t['accuracy']:.2%}" for t in tests))]
    rows.append(("95% interval", *(f"{t['interval'][0]:.2%} – {t['interval'][1]:.2%}" for t in tests)))
    classes = list(dict.fromkeys(row["class"] for t in tests for row in t["per_class"]))
    for name in classes:
        found = [{row["class"]: row["accuracy"] for row in t["per_class"]}.get(name) for t in tests]
        rows.append((name, *("" if share is None else f"{share:.1%}" for share in found)))
    return rows


def _curve(runs: Sequence[Run], names: Sequence[str], column: str, title: str, y_label: str) -> Curve:
    series = [
        Series(name, tuple(r["epoch"] for r in run.log), tuple(r[column] for r in run.log))
        for run, name in zip(runs, names, strict=True)
        if run.log and run.log[0].get(column) is not None
    ]
    return Curve(title=title, series=tuple(series), x_label="epoch", y_label=y_label)
