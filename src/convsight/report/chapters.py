"""Which chapters tell the story of a run, and which results stand in each?"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from convsight.errors import ConvsightError
from convsight.images import Images
from convsight.progress import report as tell
from convsight.report.checked import checked
from convsight.report.leaning import leans
from convsight.report.lines import found_in
from convsight.report.looks import inside, looks, space, where
from convsight.report.predictions import predictions
from convsight.results.draw import showing
from convsight.results.kinds import Pictures
from convsight.results.tables import confusion_table, headline, loss_curve, measured
from convsight.run import Run

SCORES = {  # what the log of a training holds beside the loss: its column, a title, the axis
    "classify": ("accuracy", "Accuracy", "share right"),
    "binary": ("accuracy", "Accuracy", "share right"),
    "multilabel": ("accuracy", "Accuracy", "share of labels right"),
    "regress": ("error", "Mean error", "in the numbers' units"),
    "locate": ("error_px", "Error", "pixels"),
}
LOOKED_AT = 4  # pictures that every technique of the report looks at


@dataclass(frozen=True)
class Chapter:
    """A heading, the question it answers, what was found in a line, and figures as HTML."""

    heading: str
    question: str
    figures: list[str] = field(default_factory=list)
    found: str = ""

    @property
    def anchor(self) -> str:
        return self.heading.lower().replace(" ", "-")


def chapters(run: Run, images: Images | None, audit: bool = False) -> Iterator[Chapter]:
    """Every chapter in the order of the lesson; each is made when it is asked for."""
    lines = found_in(run)
    chosen = functools.cache(lambda: images if images is not None else looked_at(run))
    parts: list[tuple[str, str, Callable[[], list[str]]]] = [
        ("Data", "What was it shown?", lambda: _data(run)),
        ("The pictures themselves", "Are labels wrong, is a picture there twice?", lambda: checked(run)),
        ("Network", "What is it made of, and what does each unit see?", lambda: _network(run)),
        ("Training", "Did it learn, and had it stopped learning?", lambda: _training(run)),
        ("Test", "Where is it right and where wrong, on pictures it never saw?", lambda: _test(run)),
        (
            "Filters and feature maps",
            "What does each layer answer to?",
            lambda: looks(run, chosen(), inside),
        ),
        ("Where it looks", "Which pixels did the decision rest on?", lambda: where(run, chosen())),
        ("Last layer", "Which pictures does it think are alike?", lambda: looks(run, chosen(), space)),
        (
            "What it leans on",
            "Is there something beside the object that makes the class?",
            lambda: leans(run, audit),
        ),
    ]
    for i, (heading, question, make) in enumerate(parts):
        tell(i / len(parts), heading)
        with showing(run.config["data"].get("options", {}).get("bands")):
            figures = _or_why_not(make)
        yield Chapter(heading, question, figures, lines.get(heading, ""))


def _or_why_not(make: Callable[[], list[str]]) -> list[str]:
    """The figures, or why there are none: its data set may be gone, and the rest of the story still stands."""
    try:
        return make()
    except ConvsightError as error:
        return [f'<p class="note">{html.escape(str(error))}</p>']


def looked_at(run: Run) -> Images:
    """Test pictures to look at: the surest right ones of different classes, then the surest wrong ones."""
    split = run.dataset.test if len(run.dataset.test) else run.dataset.train
    sample = split[: min(len(split), 2000)]
    if not run.classifier.one_class or sample.labels is None or sample.labels.ndim != 1:
        return sample[:LOOKED_AT]
    probabilities = run.classifier.probabilities(sample)
    confidence, predicted = probabilities.max(1)
    right = predicted == sample.labels
    first = _one_per_class(confidence * right, sample.labels)[: LOOKED_AT // 2]
    wrong = (confidence * ~right).argsort(descending=True)[: LOOKED_AT - len(first)].tolist()
    return sample[[*first, *wrong]]


def _one_per_class(score: Tensor, labels: Tensor) -> list[int]:
    best = [int((score * (labels == k)).argmax()) for k in labels.unique().tolist()]
    return sorted(best, key=lambda i: -float(score[i]))


def _data(run: Run) -> list[str]:
    data = run.dataset
    split = data.train
    if data.classes:
        per_class = 8 if len(data.classes) <= 12 else 3
        names = data.classes[:12]
        index = [
            i for k in range(len(names)) for i in _of_class(split.labels, k).nonzero()[:per_class, 0].tolist()
        ]
        shown = split[index].pixels
        grid = Pictures(
            title="Training pictures", images=shown, columns=per_class, row_labels=names if _full(split.labels, len(names), per_class) else (),
            tile_px=64,
        )  # fmt: skip
    else:
        grid = Pictures(title="Training pictures", images=split[:16].pixels, columns=8, tile_px=96)
    words = "".join(f"<p>{html.escape(line)}</p>" for line in data.describe().splitlines())
    return [f'<div class="words">{words}</div>', grid.html()]


def _full(labels: Tensor, k: int, per_class: int) -> bool:
    return all(int(_of_class(labels, i).sum()) >= per_class for i in range(k))


def _of_class(labels: Tensor, k: int) -> Tensor:
    """Which pictures are of class k, or have label k."""
    return labels == k if labels.ndim == 1 else labels[:, k] > 0.5


def _network(run: Run) -> list[str]:
    return looks(run, None, lambda m: set(m.needs()) == {"net"} and m.name == "architecture")


def _training(run: Run) -> list[str]:
    curves = [loss_curve(run.log, {"loss": "training", "validation_loss": "validation"}, "Loss", "loss")]
    score, title, axis = SCORES[run.config["task"]]
    names = {score: "training", f"validation_{score}": "validation"}
    curves.append(loss_curve(run.log, names, title, axis))
    recipe = ", ".join(
        f"{k} {v}" for k, v in run.recipe.items() if isinstance(v, (int, float, str)) and k != "summary"
    )
    return [
        f'<div class="pair">{"".join(c.html() for c in curves if c.series)}</div>',
        *_of_a_probe(run.log),
        *_left_out(run.recipe),
        *(f"<p>{html.escape(note)}</p>" for note in run.config.get("notes", ())),  # older runs have none
        f'<p class="note">{html.escape(recipe)}</p>',
    ]


def _of_a_probe(log: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the first point of the curves is not like the others, of a network that learned on from a probe."""
    if not log or log[0]["epoch"] != 0 or len(log) == 1:
        return []
    return [
        "<p>Epoch 0 is the probe, measured on the pictures as they are. From epoch 1 on the training curve is taken while the"
        " network changes, on pictures as the training varies them, so that it may begin higher.</p>"
    ]


def _left_out(recipe: Mapping[str, Any]) -> list[str]:
    """What the first and the middle epochs of a run did not show (`training.focus`)."""
    hardest, easier, epochs = recipe.get("hardest", 1), recipe.get("easier", 1), recipe["epochs"]
    opening, said = recipe.get("opening", 1), []
    if opening < 1 < epochs:
        said.append(f"Epoch 1 showed {opening:.0%} of the training pictures, drawn by lot.")
    if hardest < 1 and easier < 1 and epochs >= 3:
        middle = "Epoch 2" if epochs == 3 else f"Epochs 2 to {epochs - 1}"
        said.append(
            f"{middle} showed the {hardest:.0%} of the training pictures with the largest losses and {easier:.0%} of"
            f" the others, drawn anew each time.{' The curves stand for all of them.' if easier else ''}"
        )
    return [f"<p>{' '.join(said)}</p>"] if said else []


def _test(run: Run) -> list[str]:
    test = run.metrics["test"]
    if not test:
        return ["<p>There are no test pictures.</p>"]
    said = "".join(f"<p>{html.escape(line)}</p>" for line in _of_all(run))
    figures = [f'<div class="pair">{"".join(part.html() for part in measured(test))}</div>']
    if 2 < len(test.get("classes", ())) <= 30:
        figures.append(confusion_table(test).html())
    return [f'<div class="words">{said}</div>', *figures, *_or_why_not(lambda: predictions(run))]


def _of_all(run: Run) -> list[str]:
    """What a probe says of all pictures, where the test pictures alone are few; the chapter's line has the test."""
    whole = run.metrics.get("cross_validation")
    if not whole:
        return []
    value, words = headline(whole)
    words = words.replace("test pictures", "pictures")
    return [
        f"{value} {words}: a probe, each picture answered by a head that did not see it ({whole['folds']} folds)."
    ]
