"""Does a classifier lean on something that is not the object, and what happens without it?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from convsight.datasets import Dataset, Split, as_dataset
from convsight.errors import InputError
from convsight.network.classifier import Classifier, as_classifier
from convsight.network.targets import resolve_target
from convsight.progress import report_count
from convsight.results.kinds import Verdict
from convsight.shortcuts.around import chosen_around, confirmed_around, explored_around
from convsight.shortcuts.candidates import Patterns
from convsight.shortcuts.cutouts import Cutouts
from convsight.shortcuts.drawn_masks import drawn_masks
from convsight.shortcuts.evidence import Evidence, evidence
from convsight.shortcuts.gallery import gallery
from convsight.shortcuts.grating import find_gratings
from convsight.shortcuts.known_recall import known_recall
from convsight.shortcuts.marked import is_own
from convsight.shortcuts.overlay import find_overlays
from convsight.shortcuts.pattern import find_patterns
from convsight.shortcuts.pictures import pictures_to_audit, split_to_audit
from convsight.shortcuts.precedence import told_apart
from convsight.shortcuts.probes import surroundings_vary
from convsight.shortcuts.sample import Sample, draw_sample
from convsight.shortcuts.saved import described, owned, save_verdicts
from convsight.shortcuts.search import LEAST, LEVEL, Tried, carriers, chosen, confirmed, explored
from convsight.shortcuts.surroundings import Surroundings
from convsight.shortcuts.transplant import holm
from convsight.shortcuts.words import TITLES, claim, claim_around, share

SHOWN = 3  # how many verdicts about cues that were measured but not found are returned


def audit_run(
    folder: Path,
    net: Classifier,
    data: Dataset,
    *,
    own: Sequence[Mapping[str, Any]] | None = None,
    **options: Any,
) -> list[Verdict]:
    """What `find_shortcuts` says, stored in a run's folder.

    own: what was marked as the object itself; None for what was marked in this run.
    """
    verdicts = find_shortcuts(net, data, own=owned(folder) if own is None else own, **options)
    split, seed = options.get("split") or split_to_audit(data), options.get("seed", 0)
    masks = options.get("masks")
    about = {"data": data.name, "split": split, "weights": net.weights_hash, "seed": seed}
    save_verdicts(folder, verdicts, {**about, "masks": None if masks is None else str(masks)})
    return verdicts


def find_shortcuts(
    net: Any,
    data: Any,
    *,
    split: str | None = None,
    target: Any = None,
    per_class: int | None = None,
    seed: int = 0,
    own: Sequence[Mapping[str, Any]] = (),
    only: str | None = None,
    masks: str | Path | None = None,
    fit: str = "crop",
) -> list[Verdict]:
    """Cues that a classifier leans on beside the objects, each proved by giving it to other pictures.

    For every class, what is peculiar to its pictures or moves its score is listed: places, borders, a patch at
    any place, background, exposure, tint, blur, compression, fixed patterns, windows. Each is carried over from
    pictures of the class onto pictures of other classes. So are the surroundings of its objects, which are cut
    out without any masks (`object_mask`). The share that turns into the class, *minus* the
    share that turns when the same is taken from other classes, is the effect. Half of the pictures choose the
    smallest change that explains most; it is measured on the other half.

    net: a Classifier or a Run. data: a data set with labels, or what `dataset` opens. split: which part of it, or
        "all"; None takes the test pictures, or all together where no two classes have 12 test pictures (it is said).
    target: only this class (a name or index); None audits all that have 12 pictures. per_class: pictures of
        each class that are used, half to choose and half to measure: more makes the interval narrower. None is
        240, and 96 of pictures of 96 × 96 pixels and more.
    seed: which pictures. own: what was marked as the object itself (`saved.owned`), which is passed over.
    only: "surroundings" tries nothing but those, in a third of the time; whether an artefact explains them better
        is then not asked.
    masks: a folder of masks, white where the object is, for as many pictures as there are (`drawn_masks`), such as
        `RUN/masks`, which the studio keeps; others' objects are found. fit: how the masks come to the network's size,
        as `data` did.

    Returns verdicts, found ones first and then by `score`; the list is never empty. Found means: the 95%
    interval of the effect lies above 0.08, its p-value (McNemar, corrected by Holm) below 0.01. Windows, whose
    content varies as parts of objects do, must do 0.45 more than artefacts, which are the same each time. If
    nothing is found, the first verdict says what was tried.

    Raises DataError (too few pictures, unknown classes), InputError (no such class or split).

    >>> net, data = cs.load("runs/demo"), cs.dataset("fashion-mnist")                      # doctest: +SKIP
    >>> for verdict in find_shortcuts(net, data): print(verdict.sentence)                  # doctest: +SKIP
    """
    net = as_classifier(net)
    if not net.one_class:
        raise InputError(
            f"{net.name} does not say one class a picture (its task is {net.task!r}), and a shortcut is what turns one "
            "class into another. What works: task='classify' or 'binary', or a network wrapped to say one class: one "
            "label against the rest, output=lambda out: out[:, 3], classes=['not fire', 'fire']"
        )
    started = time.perf_counter()
    given = isinstance(data, Split)
    pictures, remark = (data, "") if given else pictures_to_audit(as_dataset(data, net), split)
    sample = draw_sample(net, pictures, per_class=per_class, seed=seed)
    targets = _targets(net, sample, target)
    if only not in (None, "surroundings"):
        raise InputError(
            f"only={only!r} is not possible; what works is 'surroundings', or None for every aspect"
        )
    structures = {} if only else _structures(sample)
    cutouts = Cutouts(None if masks is None else drawn_masks(masks, sample, fit))
    measured, tests = [], 0
    for i, k in enumerate(targets):
        report_count(i, len(targets), "classes", net.classes[k].split(", ")[0])
        tried = [] if only else explored(net, sample.explore, k, structures[k], seed)
        tests += len(tried)
        artefact = chosen(tried, lambda t: is_own(net, t, own))
        near = explored_around(net, sample.explore, k, cutouts, seed)
        tests += len(near)
        around = chosen_around([t for t in near if not is_own(net, t, own)])
        measured += told_apart(
            confirmed(net, sample, artefact, seed) if artefact is not None else None,
            confirmed_around(net, sample, around, seed) if around is not None else None,
        )
    p_values = holm([t.p_value for t in measured])
    verdicts = [_verdict(net, sample, t, p, seed) for t, p in zip(measured, p_values, strict=True)]
    verdicts.sort(key=lambda v: (-v.found, -v.score))
    found = [v for v in verdicts if v.found]
    rest = [v for v in verdicts if not v.found][:SHOWN]
    effort = _effort(net, sample, len(targets), tests, cutouts, time.perf_counter() - started)
    if found:
        first = replace(found[0], notes=(*found[0].notes, f"{effort}."))
        verdicts = [first, *found[1:], *rest]
    else:
        verdicts = [nothing(sample, targets, effort, verdicts, only), *rest]
    if remark:
        verdicts[0] = replace(verdicts[0], notes=(*verdicts[0].notes, remark))
    return verdicts


def _structures(sample: Sample) -> dict[int, Patterns]:
    """For each class the structures that may lie over its pictures, each with whether it is there in full or
    not at all. Waves are taken if they explain everything, otherwise layers, otherwise a pattern fitted to
    each pixel.
    """
    half, targets = sample.explore, sample.targets
    patterns, overlays = find_patterns(half, targets), find_overlays(half, targets)
    gratings = find_gratings(half, targets)
    found: dict[int, Patterns] = {}
    for k in targets:
        waves, all_of_it = gratings.get(k, (None, False))
        layers: Patterns = [(overlay, True) for overlay in overlays[k]]
        others = [] if all_of_it else layers or patterns[k]
        found[k] = [*([] if waves is None else [(waves, True)]), *others]
    return found


def _effort(
    net: Classifier, sample: Sample, audited: int, tests: int, cutouts: Cutouts, seconds: float
) -> str:
    able = sum(int(cutouts.able(half.pixels).sum()) for half in sample.halves)
    given = f" ({cutouts.given:,} where you showed it)" if cutouts.given else ""
    around = (
        f"surroundings on the {able:,} whose object could be cut out{given}"
        if surroundings_vary(sample.explore.pixels, sample.explore.labels)
        else "surroundings on none, for most lie on one plain level"
    )
    some = f" for {audited} of {len(net.classes):,} classes" if audited < len(net.classes) else ""
    return f"{tests} candidates were tried{some} on {sample.n:,} pictures in {seconds:.0f} s, {around}"


def nothing(
    sample: Sample, targets: Sequence[int], effort: str, verdicts: Sequence[Verdict], only: str | None = None
) -> Verdict:
    """Nothing was found: what was tried, on how many pictures, and which cues would have been missed."""
    kinds = only or ", ".join(TITLES.values())
    strongest = max((v.flip_rate - v.control_rate for v in verdicts), default=0.0)
    measured = (
        f"The strongest that was measured turned {share(strongest)} more pictures than its control."
        if verdicts
        else "None did enough on the half for choosing to be measured on the other."
    )
    few = (
        f" Not audited, with too few pictures: {', '.join(sample.few[:8])}{' …' if len(sample.few) > 8 else ''}."
        if sample.few
        else ""
    )
    return Verdict(
        title="No shortcut found",
        found=False,
        sentence=f"Nothing found: no cue in {len(targets)} classes turns other classes' pictures into one.",
        caption=f"{effort}: {kinds}. {measured}{few}",
        notes=(
            f"A cue that turns fewer than {LEAST + 0.04:.0%} of other classes' pictures would have been missed,"
            " and so would a thing beside the object that varies as much as objects do, or what this data does not have.",
            known_recall(),
        ),
        n=sample.n,
        score=max((v.score for v in verdicts), default=0.0),
    )


def _verdict(net: Classifier, sample: Sample, t: Tried, p_value: float, seed: int) -> Verdict:
    probe, effect = t.candidate.probe, t.effect
    interval = effect.interval(seed)
    score = interval[0] - t.margin
    found = score > LEAST and p_value < LEVEL
    name = net.classes[t.target].split(", ")[0]
    accuracy = _accuracy(net, sample, t)
    more = Evidence((), ())
    if isinstance(probe, Surroundings):
        others = [net.classes[k].split(", ")[0] for k in sample.targets if k != t.target]
        sentence = claim_around(name, others, probe, effect, accuracy, found)
        more = evidence(net, sample, t) if found else more
    else:
        sentence = claim(name, probe, effect, accuracy, found)
    has, distinct = carriers(t.candidate, sample.confirm, sample.explore, t.target)
    shown, marks = gallery(net, t, seed)
    parameters, tensors = described(probe)
    difference = f"{share(effect.difference)} (95% interval {share(interval[0])} to {share(interval[1])}, n = {effect.n})"
    shown_by_user = probe.cutouts.given if isinstance(probe, Surroundings) else 0
    whose = f" You showed where {shown_by_user:,} of {sample.n:,} objects are." if shown_by_user else ""
    return Verdict(
        title=f"{name}: {probe.kind_name}",
        found=found,
        sentence=sentence,
        caption=f"The effect beyond the control is {difference}, p = {p_value:.2g} after correction.{whose}",
        notes=more.notes if found else (_why_not(t, score, p_value),),
        parts=more.pictures,
        target=name,
        kind=probe.kind_name,
        region=probe.mask(sample.size),
        flip_rate=effect.flip_rate,
        control_rate=effect.control_rate,
        interval=interval,
        p_value=p_value,
        n=effect.n,
        accuracy=accuracy,
        prevalence=len(has) / len(sample.confirm.of(t.target)) if distinct else None,
        carriers=tuple(sample.confirm.ids[i] for i in has.tolist()) if distinct else (),
        score=score,
        remedy=f"convsight fix RUN --verdict N {probe.exchanged} and trains on." if found else "",
        examples=shown,
        marks=marks,
        parameters=parameters,
        tensors=tensors,
    )


def _accuracy(net: Classifier, sample: Sample, t: Tried) -> tuple[float, float | None]:
    """How often the class is recognised on pictures that carry the cue, with it and without it."""
    half, probe = sample.confirm, t.candidate.probe
    has, _ = carriers(t.candidate, half, sample.explore, t.target)
    able = probe.able(half.pixels)
    has = has[able[has]]
    given = (half.predicted[has] == t.target).float().mean()
    others = half.others(t.target, len(half.pixels), torch.Generator().manual_seed(t.target))
    others = others[able[others]][: len(has)]
    without = probe.remove(half.pixels[has], half.pixels[others])
    taken = None if without is None else float((net.predict(without) == t.target).float().mean())
    return float(given), taken


def _why_not(t: Tried, score: float, p_value: float) -> str:
    if t.margin and score + t.margin > LEAST:
        return (
            "What is pasted here varies from picture to picture, as parts of objects do. Such parts turn"
            f" pictures rightly, so {t.margin + LEAST:.0%} and more are asked of it."
        )
    if score > LEAST and t.steadied is not None and t.effect.p_value < LEVEL:
        return (
            "Once what cutting out and pasting alone does is taken off, and only surroundings of third classes are the"
            " control, chance may explain what is left."
        )
    return f"The interval's lower end is not above {LEAST:.0%}" + (
        ", and chance explains it." if p_value > LEVEL else "."
    )


def _targets(net: Classifier, sample: Sample, target: Any) -> tuple[int, ...]:
    if target is None:
        return sample.targets
    outputs = resolve_target(net, target, 1).outputs
    index = -1 if outputs is None else int(outputs[0])
    if index not in sample.targets:
        known = ", ".join(net.classes[k].split(", ")[0] for k in sample.targets[:20])
        raise InputError(f"{target!r} cannot be audited: classes with enough pictures are {known}")
    return (index,)
