"""Which classes of a split are mistaken for which, and which of several labels are missed or said in vain?"""

from __future__ import annotations

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.features.selection import Selection
from convsight.features.vectors import as_net_classes, as_net_labels
from convsight.studio import schemas
from convsight.studio.predictions import Predicted
from convsight.studio.session import Studio


def confusion_json(studio: Studio, split: str) -> bytes:
    """`confusion` as JSON, cached once it is known: with 1000 classes it has a million counts."""
    key = f"confusion {split}"
    kept = studio.store.get(key)
    if kept is None:
        told = confusion(studio, split)
        kept = told.model_dump_json().encode()
        if told.job is None:
            studio.store.put(key, kept, len(kept))
    return kept


def confusion(studio: Studio, split: str) -> schemas.Confusion:
    """The confusion matrix of a split; with `job` and no numbers while its predictions are being made."""
    if studio.data is None or not studio.net.one_class:
        raise InputError("a confusion matrix needs a data set of classes; start the studio with --data")
    known, job = _known_or_job(studio, split)
    if known is None:
        return schemas.Confusion(
            classes=list(studio.net.classes), counts=[], accuracy=None, interval=(None, None), per_class=[], job=job,
        )  # fmt: skip
    truth = as_net_classes(studio.net, Selection.of(studio.data, split))
    if truth is None:
        raise _other_names(studio, studio.data)
    # imports lightning, which takes two seconds, so only here and below
    from convsight.training.evaluate import class_metrics

    told = class_metrics(studio.net.softmax_scores(known.logits), truth, studio.net.classes, known.predicted)
    rows = [
        schemas.ClassAccuracy(
            name=row["class"], n=row["n"], accuracy=row["accuracy"], low=row["interval"][0],
            high=row["interval"][1],
        )
        for row in told["per_class"]
    ]  # fmt: skip
    low, high = told["interval"]
    return schemas.Confusion(
        classes=told["classes"], counts=told["confusion"], accuracy=told["accuracy"], interval=(low, high),
        per_class=rows,
    )  # fmt: skip


def label_scores(studio: Studio, split: str) -> schemas.LabelScores:
    """How good each of several labels is; with `job` and no rows while the predictions are being made."""
    if studio.data is None or studio.net.task != "multilabel":
        raise InputError(
            "scores of labels need a network of several labels and a data set; --data FOLDER gives one"
        )
    known, job = _known_or_job(studio, split)
    if known is None:
        return schemas.LabelScores(labels=[], map=None, exact=None, n=0, job=job)
    truth = as_net_labels(studio.net, Selection.of(studio.data, split))
    if truth is None:
        raise _other_names(studio, studio.data)
    from convsight.training.by_label import label_metrics

    net, chances = studio.net, studio.net.chances(known.logits)
    told = label_metrics(chances, truth, net.classes, net.reader.each_threshold)
    said = known.predicted
    assert said is not None
    missed, invented = ((a & ~b).sum(0).tolist() for a, b in ((truth > 0, said > 0), (said > 0, truth > 0)))
    rows = [
        schemas.LabelScore(
            name=row["label"], n=row["n"], ap=row["ap"], f1=row["f1"], precision=row["precision"],
            recall=row["recall"], threshold=row["threshold"], best_threshold=row["best_threshold"],
            missed=missed[i], invented=invented[i],
        )
        for i, row in enumerate(told["per_label"])
    ]  # fmt: skip
    return schemas.LabelScores(labels=rows, map=told["map"], exact=told["exact"], n=told["n"])


def _known_or_job(studio: Studio, split: str) -> tuple[Predicted | None, str | None]:
    """The predictions of a split, or the job that makes them."""
    known = studio.predictions.get(split)
    if known is not None:
        return known, None
    job = studio.jobs.start(
        f"Predictions of the {split} split", lambda job: studio.predictions.make(split),
        key=f"predictions {split}", lane="data",
    )  # fmt: skip
    job.finished.wait(0.05)
    return studio.predictions.get(split), job.id


def _other_names(studio: Studio, data: Dataset) -> InputError:
    return InputError(
        f"the labels of {data.name} ({_few(data.classes)}) do not name the network's ({_few(studio.net.classes)}); "
        "--classes names them"
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
