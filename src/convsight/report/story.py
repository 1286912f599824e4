"""From a folder of photos to a network one has looked into, in one call: check, train, test, audit, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convsight.checking import check, findings_of, write_relabel
from convsight.checking.finding import counted
from convsight.checking.relabel import suggestions
from convsight.checking.saved import save_check
from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.features.kept import FOLDER as FEATURES
from convsight.report.leaning import audited
from convsight.report.leaning import make as audit_run
from convsight.report.lines import tested
from convsight.report.verdict import answers
from convsight.results.kinds import Table
from convsight.results.stored import Results
from convsight.run import CONFIG, RESULTS, Run
from convsight.training import train
from convsight.training.opening import opened
from convsight.training.run_folder import refuse_a_run
from convsight.training.start import Start, is_from_elsewhere, start_from

RELABEL = "relabel.csv"
# options that decide which pictures there are
OPENING = ("size", "channels", "limit", "validation", "fit", "bands", "task")
CHAPTERS = ("The pictures themselves", "Training and test", "What it leans on", "The report")


@dataclass(frozen=True)
class StoryPart:
    """One part of the story, as it begins (found is "") and as it ends.

    found: what it found, in a line. seconds: how long it took; a part that was done before takes hardly any.
    """

    number: int
    of: int
    title: str
    found: str = ""
    seconds: float = 0.0


Tell = Callable[[StoryPart], None]


def story(
    data: Any,
    recipe: str | None = None,
    *,
    network: str | None = None,
    weights: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    relabel: str | Path | None = None,
    resume: bool = True,
    overwrite: bool = False,
    tell: Tell | None = None,
    say: Callable[[str], None] | None = None,
    progress: Any = None,
    **options: Any,
) -> Run:
    """Check the pictures, train and test a network on them, look for shortcuts, and write the report, in this order.

    The report's first screen is the verdict: how right the network is, its worst class, what it leans on, whether the
    pictures are sound, and what to do next. Whoever interrupts and calls again goes on where it stopped: what is done
    is read from the run's folder.

    data: whatever `train` takes; best a folder of photos, one folder a class. recipe, network, weights, seed and options:
        as in `train`; the labels are judged by the features of `network` too, where it comes from elsewhere.
    out: the run's directory, by default `runs/NAME-story`. It also gets `report.html`, and `relabel.csv` with the labels
        that are probably wrong: they are not applied until you hand them over with `relabel`.
    resume, overwrite: whether to go on with the run that is in `out`, or to throw it away; with neither it is refused.
    tell: called with a `StoryPart` as each part begins and ends. say: called with each sentence about what was noticed or
        chosen (files that cannot be read, pictures held out, the recipe). progress: as in `train`.

    Returns the `Run`. Raises what `check` and `train` raise; InputError if `out` holds another training.

    >>> run = story("photos/", network="torchvision:mobilenet_v3_large", weights="weights.pth")   # doctest: +SKIP
    >>> run.metrics["test"]["accuracy"], run.path / "report.html"                                 # doctest: +SKIP
    """
    start = start_from(network, weights) if network and is_from_elsewhere(network) else None
    pictures = _opened(data, options, relabel, start)
    folder = Path(out) if out is not None else Path("runs") / f"{_tidy(pictures.name)}-story"
    resume = resume and not overwrite
    if not resume and not overwrite:
        refuse_a_run(folder)
    asked = {"network": network, "weights": weights, "relabel": relabel, **options}
    given = {name: value for name, value in asked.items() if value is not None}
    tell = tell or (lambda part: None)
    say = say or (lambda sentence: None)
    for sentence in pictures.notes:
        say(sentence)

    with _part(1, tell) as end:
        found = _checked(data, pictures, start, folder, seed)
        end(counted(findings_of(found)))
    with _part(2, tell) as end:
        run = train(
            data,
            recipe,
            seed=seed,
            out=folder,
            resume=resume and (folder / CONFIG).is_file(),
            overwrite=overwrite,
            progress=progress,
            say=lambda sentence: None if sentence in pictures.notes else say(sentence),
            **given,
        )
        save_check(run, found)
        relabel_csv = folder / RELABEL
        # a file that is there already may have been edited, so it stays
        if suggestions(findings_of(found)) and not relabel_csv.exists():
            write_relabel(found, relabel_csv, earlier=relabel)
        end(tested(run))
    with _part(3, tell) as end:
        end(_audited(run))
    with _part(4, tell) as end:
        end(str(run.report()))
    return run


def _opened(
    data: Any, options: Mapping[str, Any], relabel: str | Path | None, start: Start | None
) -> Dataset:
    """The pictures with the splits, and at the size, that the training will have."""
    opening = {name: options[name] for name in OPENING if options.get(name) is not None}
    return opened(data, {**opening, **({"relabel": relabel} if relabel else {})}, start)[0]


@contextmanager
def _part(number: int, tell: Tell) -> Iterator[Callable[[str], None]]:
    """Tell that a part of the story begins, and at the end how long it took and what it found."""
    part, found, began = StoryPart(number, len(CHAPTERS), CHAPTERS[number - 1]), [], time.perf_counter()
    tell(part)
    yield found.append
    tell(replace(part, found=" ".join(found), seconds=time.perf_counter() - began))


def _tidy(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _checked(data: Any, pictures: Dataset, start: Start | None, folder: Path, seed: int) -> Table:
    """The check, kept in the run's results. Its features are kept too, so that training a probe need not make them again.

    Labels are judged by the network from elsewhere that training starts from, at the size at which it will see them; or
    else by simple features, since neither one of our own networks nor a first layer for other channels knows anything
    before it is trained.
    """
    results, net = Results(folder / RESULTS), None
    if start is not None and start.net.channels == pictures.channels:
        net = start.net.at_size(pictures.size)
    source = data if isinstance(data, (str, Path)) else None
    return check(pictures, net, seed=seed, results=results, folder=source, keep=folder / FEATURES)


def _audited(run: Run) -> str:
    """What the audit found; why there is none where the pictures are too few or have no one class."""
    if not run.classifier.one_class:
        return "not audited: each picture would need one class"
    try:
        if audited(run) is None:
            audit_run(run)
    except (InputError, ValueError) as error:
        return f"not audited: {error}"
    answer = next(a for a in answers(run) if a.question == "What does it lean on?")
    return f"{answer.answer}. {answer.sentence}"
