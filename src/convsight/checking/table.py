"""What is wrong with these pictures? Every check in turn, as one table with a row for each finding."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from convsight.checking.copied import copied, groups_of
from convsight.checking.few import few
from convsight.checking.finding import COLUMNS, counted, ordered
from convsight.checking.gallery import galleries
from convsight.checking.mislabelled import Judged, judge_by, mislabelled
from convsight.checking.odd import odd
from convsight.checking.properties import properties_of
from convsight.checking.saved import save_check
from convsight.checking.subject import CheckedPictures
from convsight.checking.telling import LEAST, Told, tell, telling
from convsight.datasets import Dataset, as_dataset, dataset, for_network
from convsight.errors import InputError
from convsight.features.copies import Copy, copies
from convsight.features.kept import LEVELS
from convsight.features.selection import Selection
from convsight.network.classifier import Classifier, as_classifier
from convsight.network.identity import identity_of
from convsight.network.interventions import undisturbed
from convsight.network.shown_size import size_for
from convsight.progress import report, span
from convsight.results.kinds import Table
from convsight.results.provenance import Provenance, rest_of
from convsight.results.stored import Results
from convsight.run import Run
from convsight.training.far import NEAR

SURE = 0.8
MOST = 20_000
UNFINISHED = "check-features-"  # and the key of the table: the features of a check that is not done yet
WEAK = 0.8  # of the labels that a probe on simple features should find, or a network is recommended
MOST_SCORES = 1_000_000  # pictures times classes up to which earlier layers are asked too
SOURCE = "Northcutt, Jiang & Chuang 2021, arXiv:1911.00068"


def check(
    data: Any,
    net: Any = None,
    *,
    sure: float = SURE,
    most: int = MOST,
    fit: str = "crop",
    seed: int = 0,
    results: Results | None = None,
    folder: str | Path | None = None,
    keep: str | Path | None = None,
) -> Table:
    """What is wrong with the pictures themselves, each finding a row with one picture and one action.

    Looks for labels that are probably wrong (confident learning, out of fold), copies within and between splits, also
    mirrored, cropped, resized and compressed again, odd pictures (blank, dark, burnt out, blurred, grey among colour,
    tiny, of another shape), classes too small to judge, and image properties that tell the class without a look at
    the object.

    data: a folder of pictures, or whatever `convsight.dataset` takes, or a `Run`, whose own pictures are checked.
    net: the network whose features the labels are judged by, best one that was trained on other pictures. Left out: the
        run's own, or where there is no run simple features learnt from the pictures without their labels. Where a probe
        on its last vector agrees with fewer than 85% of the labels, its earlier layers are asked too (`features.levels`).
    sure: 0 to 1, how sure a label must be wrong to be listed; 0.95 for a gate, 0.5 to see more.
    most: pictures that are checked at most, classes in proportion. fit: as in `Images.open`. seed: of folds and samples.
    results: where a table of the same pictures, network and knobs is looked for, and kept; a run keeps its own, and
        the last one also as `check.npz`, which its report and the studio show.
    folder: of a `Dataset` made from files, where the files are, so that their sizes and kinds are looked at too.
    keep: where the features of `net` are kept, in shards; without it they are kept beside `results` until the check is
        done. So a check that was stopped, or killed, goes on from its last shard.

    Returns a `Table` with the columns id, problem, given, suggested, sure, split, other, finding and action
    (`checking.Finding` says what they hold), the worst problems first; its parts show the pictures. `.save("x.csv")`,
    or `.parquet`. An empty table is good news; `.notes` say what was judged by what. Nothing is changed:
    `checking.write_relabel` writes the suggestions, and `train(..., relabel=FILE)` applies them.

    Raises what `dataset` and `load` raise; InputError for a knob out of range.

    Source: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068. It differs in asking twice, the second time without the
    suspects, and in the order of the rows (see `checking.mislabelled`).

    >>> import convsight as cs
    >>> found = cs.check(cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=30))
    >>> found.columns[:3], {row[1] for row in found.rows} <= {"leak", "mislabelled", "duplicate", "statistic", "few", "odd"}
    (('id', 'problem', 'given'), True)
    """
    if not 0 <= sure <= 1:
        raise InputError(f"sure={sure} is outside its range, 0 to 1")
    if most < 2:
        raise InputError(f"most={most}: at least 2 pictures are compared")
    subject = subject_of(data, net, most=most, fit=fit, seed=seed, folder=folder)
    own = isinstance(data, Run) and net is None and learnt_from_its_pictures(data)
    made = provenance(subject, sure, most)
    if isinstance(data, Run) and results is None:
        results = data.results
    if results is None:
        return _checked(subject, sure, own, made)
    beside = results.path.parent / f"{UNFINISHED}{made.key}"
    subject = replace(subject, keep=beside if keep is None else Path(keep))
    found = results.once(made, lambda: _checked(subject, sure, own, made))
    assert isinstance(found, Table)
    shutil.rmtree(beside, ignore_errors=True)
    if keep is not None:  # the features stay for a training, which has no use for what earlier layers say
        shutil.rmtree(Path(keep) / LEVELS, ignore_errors=True)
    if isinstance(data, Run):
        save_check(data, found)
    return found


def learnt_from_its_pictures(run: Run) -> bool:
    """Whether the features of a run's network may have seen its labels; those of a probe come from elsewhere.

    A probe on the network of an earlier run counts as well, for that may have learnt from the same pictures.
    """
    head_only = run.config["recipe"].get("start") == "probe" and not run.metrics["training"]["epochs"]
    earlier = run.config["network"].get("weights")
    return not head_only or (earlier is not None and Path(earlier).is_dir())


def subject_of(
    data: Any,
    net: Any = None,
    *,
    most: int = MOST,
    fit: str = "crop",
    seed: int = 0,
    folder: str | Path | None = None,
) -> CheckedPictures:
    """The pictures, and the network whose features are used; `folder` has their files, if `data` is not the folder."""
    if isinstance(data, Run):
        classifier = as_classifier(net) if net is not None else data.classifier
        pictures, source = data.dataset, data.config["data"].get("source")
    else:
        classifier = None if net is None else as_classifier(net)
        pictures, classifier = _at_their_size(data, classifier, fit)
        source = data
    chosen = Selection.of(pictures, "all", most, seed)
    return CheckedPictures(pictures, chosen, classifier, seed, _folder(folder or source))


def _at_their_size(data: Any, net: Classifier | None, fit: str) -> tuple[Dataset, Classifier | None]:
    """The pictures, and the network for their size: small ones in files are not enlarged to all that it was trained at."""
    if net is None or not isinstance(data, (str, Path)):
        return as_dataset(data, net, fit), net
    size = size_for(net, dataset(data, fit=fit).size)
    if size == net.input_size:
        return as_dataset(data, net, fit), net
    return for_network(data, net, size, fit), net.at_size(size)


def _folder(source: Any) -> Path | None:
    """The folder in which picture files are named by their ids; None for data that is no folder."""
    if not isinstance(source, (str, Path)):
        return None
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent if path.is_file() else None


def provenance(subject: CheckedPictures, sure: float, most: int) -> Provenance:
    """Where the table comes from; its key is the same for the same pictures, network, knobs and code."""
    net = subject.net
    identity = "patches" if net is None else identity_of(net)
    return Provenance(
        method="check",
        knobs={"sure": sure, "most": most, "seed": subject.seed},
        arguments={"data": subject.data.name},
        network=net.name if net else "",
        weights=net.weights_hash if net else "",
        inputs=subject.data.content_hash,
        seconds=0.0,
        source=SOURCE,
        rest=rest_of(identity, str(subject.folder or "")),
    )


def _checked(subject: CheckedPictures, sure: float, own: bool, made: Provenance) -> Table:
    with nullcontext() if subject.net is None else undisturbed(subject.net.module):
        return _table(subject, sure, own, made)


def _table(subject: CheckedPictures, sure: float, own: bool, made: Provenance) -> Table:
    with span(0.0, 0.3):
        pairs = copies(subject.small)
    with span(0.3, 0.4):
        properties = properties_of(subject)
    judged, told = None, []
    if subject.labels is not None:
        with span(0.4, 0.95):
            judged = _judged(subject, pairs)
        told = tell(properties, subject.labels, len(subject.classes), subject.seed)
    copies_of = Counter(i for pair in pairs for i in (pair.first, pair.second))
    findings = ordered(
        [
            *copied(subject, pairs),
            *([] if judged is None else mislabelled(subject, judged, sure, copies_of)),
            *([] if subject.labels is None else telling(subject, properties, told)),
            *few(subject),
            *odd(subject, properties),
        ]
    )
    report(0.97, "drawing the findings")
    return Table(
        title="The pictures looked at",
        caption=f"{subject.chosen.describe()}: {counted(findings)}.",
        columns=COLUMNS,
        rows=tuple(astuple(finding) for finding in findings),
        notes=tuple(_notes(subject, judged, told, sure, own)),
        parts=galleries(subject, findings),
        provenance=made,
    )


def _judged(subject: CheckedPictures, pairs: list[Copy]) -> Judged | None:
    """What is thought of the labels; None where too few pictures carry them."""
    labels = subject.labels
    assert labels is not None
    groups = groups_of(pairs, len(subject)) if pairs else None
    if len(labels) < 2 * len(subject.classes) or len(labels.unique()) < 2:
        return None
    kinds = [(subject.features_in_words, lambda: subject.features)]
    if subject.has_levels and not _too_long(subject):
        kinds.append((subject.levels_in_words, lambda: subject.levels))
    return judge_by(kinds, labels, len(subject.classes), groups=groups, seed=subject.seed)


def _too_long(subject: CheckedPictures) -> bool:
    """Whether heads on all levels would take many minutes: of many pictures times many classes."""
    return len(subject) * len(subject.classes) > MOST_SCORES


def _notes(
    subject: CheckedPictures, judged: Judged | None, told: list[Told], sure: float, own: bool
) -> Iterator[str]:
    """What was judged by what, what a statistic alone would tell, and what was not looked at."""
    if judged is not None:
        assert subject.labels is not None
        right = judged.right(subject.labels)
        suspects = int(judged.suspect.sum())
        doubts = f"{suspects:,} label{'s' * (suspects != 1)}"
        yield (
            f"Labels were judged by a probe on {judged.by}, out of fold; it says what the label says of "
            f"{right:.0%} of the pictures and doubts {doubts}; listed are those of which it is at least "
            f"{sure:.0%} sure. The weaker the probe, the more of them are right after all."
        )
        if right < NEAR and subject.has_levels and _too_long(subject):
            yield (
                f"Earlier layers, which tell more of pictures far from those a network knows, were not asked: "
                f"{len(subject):,} pictures of {len(subject.classes):,} classes would take too long."
            )
        if subject.net is None and right < WEAK:
            yield (
                "Such features are weak for these pictures. A network that was trained on many others judges better: "
                "--network torchvision:mobilenet_v3_large (net= in Python)."
            )
        if own:
            yield (
                "The features are those of the run's own network, which learnt from these training labels and may "
                "repeat their errors: a network trained on other pictures (--network) finds more."
            )
    elif subject.labels is None:
        yield f"Labels were not judged: {subject.data.name} does not have one class a picture."
    else:
        yield f"Labels were not judged: {len(subject):,} pictures of {len(subject.classes)} classes are too few."
    together = next((each for each in told if not each.name), None)
    if together is not None:
        yield (
            f"Image properties alone, without a look at the object, tell the class of {together.recall:.0%} of the "
            f"pictures (cross-validated, every class counted alike; chance {together.chance:.0%})."
        )
    elif subject.labels is not None:
        yield f"Image properties were not tried: fewer than {LEAST} pictures in classes of five or more."
    if len(subject) < subject.chosen.whole:
        yield f"{len(subject):,} of {subject.chosen.whole:,} pictures were looked at; most= takes more."
    if subject.folder is None:
        yield "The pictures are not files in a folder, so sizes and kinds of files were not looked at."
    yield from subject.data.notes
