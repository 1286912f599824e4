"""How do measured numbers become the tables that people read: per class, confusion, curves of a training?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convsight.results.kinds import Curve, Series, Table


def class_table(test: Mapping[str, Any]) -> Table:
    """Accuracy and precision of every class with 95% intervals; or the error of every position."""
    if "per_output" in test:
        rows = [(r["output"], r["mean"], r["median"], r["p95"]) for r in test["per_output"]]
        return Table(
            title="Error per output, in pixels", columns=("output", "mean", "median", "95%"), rows=tuple(rows)
        )
    rows = [
        (r["class"], r["n"], _percent(r["accuracy"]), _span(r["interval"]), _percent(r["precision"]))
        for r in test["per_class"]
    ]
    columns = ("class", "pictures", "found", "95% interval", "right when said")
    return Table(title="Per class", columns=columns, rows=tuple(rows))


def confusion_table(test: Mapping[str, Any]) -> Table:
    """Rows are the true class, columns what the network said."""
    classes = test["classes"]
    rows = [(name, *row) for name, row in zip(classes, test["confusion"], strict=True)]
    return Table(
        title="Confusion: true class by row, predicted by column",
        columns=("", *classes),
        rows=tuple(rows),
        shade=True,
    )


def confused_table(test: Mapping[str, Any]) -> Table:
    """The mistakes that happen most often."""
    rows = [(c["true"], c["predicted"], c["count"], _percent(c["share"])) for c in test["confused"]]
    columns = ("true class", "taken for", "pictures", "of that class")
    return Table(title="Most often confused", columns=columns, rows=tuple(rows))


def loss_curve(log: list[dict[str, Any]], names: Mapping[str, str], title: str, y_label: str) -> Curve:
    """One curve per column of a training log that `names` lists (column → its name in the legend)."""
    series = [
        Series(name, tuple(row["epoch"] for row in log), tuple(row[column] for row in log))
        for column, name in names.items()
        if log and log[0].get(column) is not None
    ]
    return Curve(title=title, series=tuple(series), x_label="epoch", y_label=y_label)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _span(interval: Any) -> str:
    return f"{interval[0]:.1%} – {interval[1]:.1%}"
