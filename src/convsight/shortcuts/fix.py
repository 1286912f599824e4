"""How does a network change when its training goes on with pictures in which its shortcut says nothing about
the class?
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator

from convsight.datasets import Dataset, Split
from convsight.errors import DataError, InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.results.confusion import metrics_for_file
from convsight.results.kinds import Verdict
from convsight.run import CONFIG, METRICS, Run
from convsight.shortcuts.find import audit_run
from convsight.shortcuts.probes import Probe
from convsight.shortcuts.reliance import Groups, groups
from convsight.shortcuts.saved import load_verdicts, owned
from convsight.shortcuts.swap import drawn, exchange, swapped
from convsight.storage import write_json
from convsight.training import train
from convsight.training.augment import Augment
from convsight.training.progress import Tell
from convsight.training.recipe import Recipe

LEAST_UPDATES = 200  # fewer do not unlearn anything
ROUNDS = 6  # times that a fitted head sees every picture, each time with another aspect
MOST_PICTURES = 2000  # of the test split, to measure the groups on


@dataclass(frozen=True, eq=False)
class Fixed:
    """A network trained on without its shortcut, beside the one before.

    run: the new run. before, after: accuracy in the four groups (`Groups`) on the same changed test pictures.
    accuracy: of the test pictures as they are, before and after. verdicts: what the audit says of the new
    network; () if it was not asked.
    """

    run: Run
    target: str
    before: Groups
    after: Groups
    accuracy: tuple[float, float]
    verdicts: tuple[Verdict, ...] = ()

    @property
    def still_found(self) -> bool:
        """Whether the audit still finds that the same class leans on something."""
        return any(verdict.found and verdict.target == self.target for verdict in self.verdicts)

    @property
    def sentence(self) -> str:
        worst = f"{self.before.worst:.0%} before, {self.after.worst:.0%} after"
        plain = f"{self.accuracy[0]:.1%} before, {self.accuracy[1]:.1%} after"
        return f"Accuracy where the cue and the class disagree: {worst}; on the test pictures as they are: {plain}."


def fix(
    run: Run | str | Path,
    verdict: int = 1,
    *,
    probe: Probe | None = None,
    target: str | None = None,
    data: Dataset | None = None,
    epochs: int | None = None,
    share: float = 1.0,
    seed: int = 0,
    out: str | Path | None = None,
    audit: bool = True,
    progress: Tell | None = None,
    device: str = "auto",
) -> Fixed:
    """Train a run on with the aspect that its verdict names swapped between pictures, and measure again.

    Training pictures are given the aspect (the pixels of the region, the background's level, the tint, ...)
    of pictures of the class that leans on it, and by lot lose it again to that of other classes: then it
    tells nothing. Surroundings are exchanged among the pictures of all classes (`mixed.Mixed`), which unlearns
    them for every class at once. The network starts from the run's weights and keeps its recipe.

    run: a `Run` or its directory. verdict: which of the verdicts in its `audit.json`, from 1; or hand over
        what to swap as `probe` and the class as `target`.
    data: the data set, if the run cannot open its own again.
    epochs: passes over the training pictures; by default 2, or as many as make 200 updates. Of a run that only fitted
        a head to another network's features the head is fitted anew, to every picture 6 times, and nothing is trained.
    share: of the pictures in each batch, how many are changed, above 0 to 1. More unlearns the shortcut more
        thoroughly and shows fewer pictures as they are.
    seed: which pictures swap, and the order. out: the new run's directory, by default RUN-fixed; the old run
        is never touched. audit: whether to audit the new network too.

    Returns `Fixed`, and writes the new run with the groups in `metrics.json` under "fix". What cannot be taken
    away (blur, compression) is given to all that are changed and roughly lessened in half of them; "without"
    are then the test pictures as they are. Raises InputError (no such verdict, nothing found there, `out`
    taken), DataNotFound (no audit yet).

    The groups are those of Sagawa et al. 2020 (arXiv 1911.08731), who need to be told them in training; here
    the audit has found them.

    >>> fixed = fix("runs/tagged", verdict=1)                                              # doctest: +SKIP
    >>> fixed.before.worst, fixed.after.worst                                              # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1, not {share}")
    record: dict[str, Any] = {"target": target, "sentence": ""}
    if probe is None or target is None:
        record, probe = _chosen(run, verdict)
    data = data or run.dataset
    if data.task != "classify":
        raise DataError(
            f"{run.path} has the task {data.task!r}; a shortcut is fixed where each picture is of one class"
        )
    number = _class_number(data, record["target"])
    folder = Path(out) if out is not None else run.path.with_name(f"{run.path.name}-fixed")
    swaps = swapped(data, probe, number, share, seed)
    _trained_on(run, swaps, epochs, seed, folder, progress, device)
    fixed = Run(folder, module=copy.deepcopy(run.classifier.module), data=data)
    without, with_cue = _changed(fixed.classifier, data.test, probe, number, seed)
    before, after = (groups(each.classifier, without, with_cue, number) for each in (run, fixed))
    verdicts: tuple[Verdict, ...] = ()
    if audit:  # it passes over what the user marked as the object in the old run
        verdicts = tuple(audit_run(folder, fixed.classifier, data, own=owned(run.path), seed=seed))
    plain = tuple(float(each.metrics["test"]["accuracy"]) for each in (run, fixed))
    result = Fixed(fixed, record["target"], before, after, (plain[0], plain[1]), verdicts)
    _remember(result, run, verdict, record, share)
    return result


def _chosen(run: Run, number: int) -> tuple[dict[str, Any], Probe]:
    """The verdict of that number in the run's audit, and what to swap."""
    verdicts = load_verdicts(run.path)
    found = [i for i, (record, _) in enumerate(verdicts, 1) if record["found"]]
    there = f"found are {', '.join(map(str, found))}" if found else "nothing was found, so nothing is to fix"
    if not 1 <= number <= len(verdicts):
        raise InputError(f"no verdict {number} in {run.path}; it has {len(verdicts)}, and {there}")
    record, probe = verdicts[number - 1]
    if not record["found"] or probe is None:
        raise InputError(f"verdict {number} of {run.path} found nothing; {there}")
    return record, probe


def _class_number(data: Dataset, name: str) -> int:
    shown = [each.split(", ")[0] for each in data.classes]  # a verdict says the first of several names
    if name not in data.classes and name not in shown:
        raise InputError(f"the verdict is about '{name}', which is no class of {data.name}")
    return data.classes.index(name) if name in data.classes else shown.index(name)


def _trained_on(
    run: Run,
    swaps: Dataset,
    epochs: int | None,
    seed: int,
    folder: Path,
    progress: Tell | None,
    device: str,
) -> None:
    """Write the new run: the old weights, the old recipe, swapped pictures."""
    old = run.config["recipe"]
    # a run that another version wrote may have more or fewer fields
    known = {field.name for field in fields(Recipe)}
    kept = {name: value for name, value in old.items() if name in known}
    # each epoch shows every picture, with aspects swapped
    whole = {"hardest": 1.0, "opening": 1.0, "until_loss": None, "patience": None}
    recipe = Recipe(**{**kept, "augment": Augment(**old["augment"]), **whole})
    if recipe.start and not recipe.epochs and epochs is None:  # nothing but a head was fitted
        swaps = replace(swaps, train=swaps.train.take(torch.arange(len(swaps.train)).repeat(ROUNDS)))
        epochs = 0
    steps = max(1, len(swaps.train) // recipe.batch_size)
    epochs = max(2, math.ceil(LEAST_UPDATES / steps)) if epochs is None else epochs
    # for a network given as a module `train` would choose optimiser and rate itself; pass the recipe's
    said = {"optimizer": recipe.optimizer, "lr": recipe.lr}
    # what begins with a head needs an earlier run
    network = str(run.path) if recipe.start else run.classifier.module
    made = train(
        swaps, recipe, network=network, epochs=epochs, seed=seed, out=folder, progress=progress,
        device=device, **said,
    )  # fmt: skip
    config = made.config
    config["network"], config["data"] = run.config["network"], run.config["data"]
    for name in ("network", "knobs"):
        config["recipe"][name] = old[name]
    write_json(folder / CONFIG, config)


def _changed(net: Classifier, split: Split, probe: Probe, target: int, seed: int) -> tuple[Images, Images]:
    """Some test pictures twice: all without the aspect (unchanged, where it cannot be taken away), and all
    with it.
    """
    generator = Generator().manual_seed(seed)
    index = torch.randperm(len(split), generator=generator)[:MOST_PICTURES]
    images = net.fit(split[index.sort().values])
    images = images[probe.able(images.pixels).nonzero().flatten()]
    assert images.labels is not None
    own, n = images.labels == target, len(images)
    aspect = exchange(probe, images.pixels[own], images.pixels[~own])
    carriers = aspect.carries(images.pixels) & own
    of = [images.pixels[drawn(m, n, generator)] for m in (carriers if carriers.any() else own, ~own)]
    given, taken = aspect.given(images.pixels, of[0]), aspect.taken(images.pixels, of[1])
    return replace(images, pixels=images.pixels if taken is None else taken), replace(images, pixels=given)


def _remember(result: Fixed, old: Run, number: int, record: dict[str, Any], share: float) -> None:
    """Write what was done, and the accuracies before and after, to the new run's metrics."""
    metrics = {
        **result.run.metrics,
        "fix": {
            "of": str(old.path),
            "verdict": number,
            "target": result.target,
            "claim": record["sentence"],
            "share": share,
            "accuracy": list(result.accuracy),
            "before": {**asdict(result.before), "worst": result.before.worst},
            "after": {**asdict(result.after), "worst": result.after.worst},
            "still_found": result.still_found,
        },
    }
    write_json(result.run.path / METRICS, metrics_for_file(metrics))
    result.run.__dict__.pop("metrics", None)  # drop the cached metrics: the file has just been extended
