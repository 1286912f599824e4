"""How do measured numbers become the tables that people read: per class, confusion, curves of a training?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convsight.results.kinds import Curve, Series, Table

MOST_ROWS = 60  # classes up to which a table has a row for each
FEWER_ROWS = 30  # rows of a table of more classes


def first_table(test: Mapping[str, Any]) -> Table:
    """What was measured per class, label or number."""
    if "per_sought_class" in test:
        return recall_table(test)
    if "per_label" in test:
        return label_table(test)
    return class_table(test) if "per_class" in test else number_table(test)


def measured(test: Mapping[str, Any]) -> list[Table | Curve]:
    """What was measured on a test set as tables and curves, whatever the task, the most telling first."""
    if "per_class" not in test:
        return [first_table(test)]
    curve = [roc_curve(test["roc"])] if "roc" in test else []
    return [class_table(test), *([confused_table(test)] if test["confused"] else []), *curve]


def headline(test: Mapping[str, Any]) -> tuple[str, str]:
    """The one number to remember, and what it is, in words."""
    n = f"{test['n']:,} test pictures"
    if "per_label" in test:
        return _share(test["map"]), f"mean average precision of {len(test['labels'])} labels on {n}"
    if "recall_at_1" in test:
        return _share(test["recall_at_1"]), f"nearest other picture of the same class, of {n}"
    if "error_px" in test:
        return f"{test['error_px']['mean']:.2f} px", f"mean error on {n}"
    if "per_number" in test:
        first, others = test["per_number"][0], len(test["per_number"]) - 1
        more = f" (and {others} more number{'s' if others > 1 else ''})" if others else ""
        error = _with_unit(first["mae"], first["unit"])
        return error, f"mean absolute error of {first['output']}{more} on {n}"
    low, high = test["interval"]
    return _share(test["accuracy"], 2), f"right of {n} (95% interval {low:.2%} to {high:.2%})"


def asides(test: Mapping[str, Any]) -> list[str]:
    """What else should be read beside the headline, a short sentence each."""
    said = []
    if "per_label" in test:
        said.append(f"{_share(test['exact'])} of the pictures have every label right")
        said.append(
            f"F1 {_number(test['macro_f1'])} as a mean of labels, {_number(test['micro_f1'])} over all decisions"
        )
    if "recall_at_1" in test:
        said.append(
            f"{_share(test['recall_at_5'])} one of the five nearest; {_share(test['chance'])} by chance"
        )
    if "per_number" in test and test["r2"] is not None:
        said.append(f"R² {test['r2']:.3f} (1: perfect, 0: no better than the mean)")
    if "roc" in test and test["roc"]["auroc"] is not None:
        said.append(f"area under the ROC curve {test['roc']['auroc']:.3f} (0.5: chance, 1: perfect)")
    if flipped := test.get("flip", {}).get("accuracy"):
        said.append(f"{flipped:.2%} averaged with the mirror image")
    if "calibration" in test and test["calibration"]["ece"] is not None:
        said.append(f"calibration error {test['calibration']['ece']:.3f} (0: as sure as it is right)")
    return said


def label_table(test: Mapping[str, Any]) -> Table:
    """Average precision, F1 and the threshold of every label."""
    rows = [
        (
            r["label"], r["n"], _number(r["ap"]), _number(r["auroc"]), _number(r["f1"]), _percent(r["precision"]),
            _percent(r["recall"]), _number(r["threshold"]), _number(r["best_threshold"]),
        )
        for r in test["per_label"]
    ]  # fmt: skip
    columns = (
        "label", "pictures", "average precision", "AUROC", "F1", "right when said", "found", "threshold",
        "threshold of the best F1",
    )  # fmt: skip
    caption = (
        "The threshold of the best F1 is that of these pictures: choose it on others than those you report."
    )
    return Table(title="Per label", columns=columns, rows=tuple(rows), caption=caption)


def recall_table(test: Mapping[str, Any]) -> Table:
    """For every class, how often the other pictures nearest to one of its pictures belong to it too."""
    rows = [
        (r["class"], r["n"], _percent(r["recall_at_1"]), _percent(r["recall_at_5"]))
        for r in test["per_sought_class"]
    ]
    columns = ("class", "pictures", "nearest is of it", "one of five nearest is")
    return Table(title="Nearest other picture, per class", columns=columns, rows=tuple(rows))


def number_table(test: Mapping[str, Any]) -> Table:
    """The errors of every number in its unit, or of every position in pixels."""
    if "per_output" in test:
        rows = [(r["output"], r["mean"], r["median"], r["p95"]) for r in test["per_output"]]
        columns = ("output", "mean", "median", "95%")
        return Table(title="Error per output, in pixels", columns=columns, rows=tuple(rows))
    rows = [
        (r["output"], r["unit"], r["mae"], r["rmse"], r["median"], r["p95"], r["bias"], _number(r["r2"]))
        for r in test["per_number"]
    ]
    columns = ("number", "unit", "mean error", "root mean square", "median", "95%", "bias", "R²")
    return Table(title="Error of each number", columns=columns, rows=tuple(rows))


def roc_curve(roc: Mapping[str, Any]) -> Curve:
    """The share of positive pictures that are found against that of negative ones taken for them, at every threshold."""
    points = roc["curve"]
    x, y = tuple(points["false_positive_rate"]), tuple(points["true_positive_rate"])
    if not x:
        return Curve(title="ROC", caption="Undefined: the test pictures are all of one class.", series=())
    at = f"at the threshold {roc['threshold']:.2g}"
    caption = (
        f"{roc['positive']}: area {roc['auroc']:.3f}; {at}, {_percent(roc['sensitivity'])} of those that are it are "
        f"found, and {_percent(roc['specificity'])} of the others are left alone. The two are farthest from chance "
        f"together at {roc['best_threshold']:.3g}."
    )
    chance = Series("chance", (0.0, 1.0), (0.0, 1.0))
    return Curve(
        title="ROC", caption=caption, series=(Series(str(roc["positive"]), x, y), chance),
        x_label="others taken for it", y_label="found",
    )  # fmt: skip


def class_table(test: Mapping[str, Any]) -> Table:
    """Accuracy and precision of every class with 95% intervals; of more than 60 classes, of those found least often."""
    shown, which = classes_shown(test)
    rows = [
        (r["class"], r["n"], _percent(r["accuracy"]), _span(r["interval"]), _percent(r["precision"]))
        for r in shown
    ]
    columns = ("class", "pictures", "found", "95% interval", "right when said")
    return Table(title=f"Per class{which}", columns=columns, rows=tuple(rows))


def classes_shown(test: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], str]:
    """What was measured of each class, or of very many of those found least often; and which ones these are, in words."""
    every = test["per_class"]
    if len(every) <= MOST_ROWS:
        return every, ""
    tested = [row for row in every if row["n"]]
    chosen = sorted(tested, key=lambda row: (row["accuracy"], -row["n"], row["class"]))[:FEWER_ROWS]
    return chosen, f": the {len(chosen)} of {len(every):,} that are found least often; metrics.json has all"


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


def _share(share: float | None, digits: int = 1) -> str:
    return "not known" if share is None else f"{share:.{digits}%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _with_unit(value: float | None, unit: str) -> str:
    return "not known" if value is None else f"{value:.3g} {unit}".strip()


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _span(interval: Any) -> str:
    return f"{interval[0]:.1%} – {interval[1]:.1%}"
