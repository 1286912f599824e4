"""Which technique's map is best for this network? Five measurements of each, with intervals over pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.errors import ConvsightError, InputError
from convsight.methods import catalogue, find_method
from convsight.network.classifier import Classifier, as_classifier
from convsight.progress import report_count
from convsight.results.kinds import Map, Table
from convsight.results.provenance import VERSIONS, Provenance, inputs_hash
from convsight.trust_checks.classes import class_likeness
from convsight.trust_checks.donors import Donors, donors_for, opened
from convsight.trust_checks.imputation import road
from convsight.trust_checks.known_answers import measured
from convsight.trust_checks.likeness import correlation, ranks
from convsight.trust_checks.pointing import points_at
from convsight.trust_checks.ranking_words import sentence
from convsight.trust_checks.removal import deletion, insertion, interval
from convsight.trust_checks.subject import JudgedMap, subject_of

REFERENCE = "shapley"
# a reference is certain where its widest 95% interval is this share of its largest value, or less
SURE = 0.25
DONORS = 3  # other pictures whose pixels are put in
SOURCE = "Petsiuk et al. 2018, arXiv:1806.07421; Rong et al. 2022, arXiv:2202.00449; Adebayo et al. 2018, arXiv:1810.03292"
# a column about this network, and the one about our benchmark's networks that stands in for it
CUE, PLANTED = "points at the cue", "points at our planted tag"
COLUMNS = ("deletion", "insertion", "ROAD", "agrees with shapley", "same for the runner-up")


@dataclass(frozen=True, eq=False)
class Ranked:
    """One technique: the numbers of each measurement, one a picture (NaN where it says nothing), and its seconds."""

    name: str
    numbers: dict[str, Float[Tensor, " n"]]
    seconds: float
    failed: str = ""

    def interval(self, column: str) -> tuple[float, float, float] | None:
        """Mean and Student's 95% interval over the pictures that say something; None without any."""
        values = self.numbers.get(column, torch.empty(0))
        values = values[values.isfinite()]
        if not len(values):
            return None
        return (float(values.mean()), *interval(values))


def rank_methods(
    net: Any,
    images: Any,
    methods: Sequence[Any] | None = None,
    target: Any = None,
    *,
    data: Any = None,
    cue: Any = None,
    passes: int = 1000,
    seed: int = 0,
) -> Table:
    """Which technique's map is best for this network and these pictures, by five measurements with 95% intervals.

    *deletion* (0 to 1, lower is better): the mean score while a map's strongest pixels first are exchanged for those of
    three other pictures, as a share of what there is to lose. *insertion* (higher is better): the same while they are
    put on the other pictures. *ROAD* (higher): score without the weakest fifth (half) less that without the
    strongest, removed pixels filled in from their neighbours. *agrees with shapley* (−1 to 1): rank correlation with
    the Shapley values of 7×7 regions, over the pictures where these are certain. *same for the runner-up* (1: the map
    does not depend on the class): likeness to the map of the second class, as a share of the likeness under invisible
    noise. *points at the cue*: in which share of the pictures the strongest of 7×7 cells touches `cue`. Without `cue`
    the column is called *points at our planted tag* and repeats what the technique did in this package's own benchmark
    (see `trust.md`), which is not about your network.

    net: a classifier. images: pictures, of which a dozen give intervals that say something. methods: techniques or their
    names (default: every map of the catalogue that takes no minutes). target: as everywhere. data: pictures whose
    pixels are put in; without it the other images, or a single picture's own pixels from elsewhere. cue: a mask, bool
    n h w or h w, of pixels that are known to count. passes: of the Shapley reference, for each picture.

    Returns a Table, a row for each technique, the best insertion first; the caption says the result in a sentence.
    A technique that cannot be asked stands in the notes with the reason. Raises InputError for what is no technique.

    Sources: Petsiuk et al. 2018, arXiv:1806.07421 (deletion, insertion); Rong et al. 2022, arXiv:2202.00449 (ROAD);
    Adebayo et al. 2018, arXiv:1810.03292 (class). Deletion here uses other pictures' pixels instead of grey.

    >>> import torch, convsight as cs
    >>> net = cs.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), None, 8, 1)
    >>> table = rank_methods(net, torch.rand(4, 1, 8, 8), ["saliency", "gradient_x_input"], passes=200)
    >>> len(table.rows), table.columns[0]
    (2, 'technique')
    """
    started = time.perf_counter()
    net = as_classifier(net)
    images = net.fit(images)
    aim = net.target(target, images)
    asked = techniques(methods)
    blank = Map(values=torch.zeros(len(images), *images.size))
    first = subject_of(net, images, blank, aim, {})
    donors = donors_for(first, opened(net, data), seed)
    donors = replace(donors, pixels=donors.pixels[:, :DONORS])
    reference, sure = _reference(net, images, aim, passes, seed)
    marked = _cue(cue, images)
    ranked = []
    for i, technique in enumerate(asked):
        report_count(i, len(asked), "techniques", f"comparing {technique.name}")
        ranked.append(_measured(technique, first, donors, reference, sure, marked, seed))
    made = Provenance(
        method="rank_methods", knobs={"passes": passes, "seed": seed}, arguments={"target": target if isinstance(target, (str, int)) else None},
        network=net.name, weights=net.weights_hash, inputs=inputs_hash({"images": images}),
        seconds=round(time.perf_counter() - started, 2), source=SOURCE, versions=dict(VERSIONS),
    )  # fmt: skip
    return _table(ranked, len(images), sure, donors.words, made)


def techniques(methods: Sequence[Any] | None) -> list[Any]:
    """Techniques by name, class or with knobs; without any, every map of a class that is made in seconds."""
    if methods is None:
        return [
            e.method() for e in catalogue().values()
            if e.kind == "Map" and e.method.in_report and {"net", "images", "target"} <= set(e.needs)
        ]  # fmt: skip
    found = [find_method(m)() if isinstance(m, str) else m() if isinstance(m, type) else m for m in methods]
    for technique in found:
        if getattr(technique, "kind", None) is not Map or "target" not in technique.needs():
            raise InputError(f"{getattr(technique, 'name', technique)!r} makes no map of a class score")
    if not found:
        raise InputError("no technique to compare; give names such as ['gradcam', 'occlusion']")
    return found


def _reference(
    net: Classifier, images: Any, aim: Any, passes: int, seed: int
) -> tuple[Map, Bool[Tensor, " n"]]:
    """The Shapley values of regions, and in which pictures they are certain."""
    knobs: dict[str, Any] = {
        "regions": min(7, *images.size),
        "passes": passes,
        "precision": 0.1,
        "seed": seed,
    }
    found = find_method(REFERENCE)(**knobs)(net, images, target=aim)
    assert isinstance(found, Map) and found.half_width is not None
    widest, largest = found.half_width.flatten(1).amax(1), found.values.flatten(1).abs().amax(1)
    return found, widest <= SURE * largest


def _cue(cue: Any, images: Any) -> Bool[Tensor, "n h w"] | None:
    if cue is None:
        return None
    mask = torch.as_tensor(cue).bool()
    if mask.shape not in (images.size, (len(images), *images.size)):
        wanted = "×".join(map(str, images.size))
        raise InputError(f"cue is a mask {wanted}, one or {len(images)}; given {tuple(mask.shape)}")
    return mask.expand(len(images), *images.size)


def _measured(
    technique: Any,
    first: JudgedMap,
    donors: Donors,
    reference: Map,
    sure: Tensor,
    cue: Tensor | None,
    seed: int,
) -> Ranked:
    """All measurements of one technique; one that cannot be asked says why."""
    net, images, aim = first.net, first.images, first.aim
    started = time.perf_counter()
    try:
        subject = subject_of(net, images, technique, aim, {})
    except ConvsightError as error:
        return Ranked(technique.name, {}, 0.0, str(error))
    seconds = (time.perf_counter() - started) / len(images)
    maps = subject.map.values.float()
    given = net, aim, images.pixels
    numbers = {
        "deletion": deletion(*given, donors.pixels, maps),
        "insertion": insertion(*given, donors.pixels, maps),
        "ROAD": road(*given, maps, seed),
        "agrees with shapley": torch.where(sure, agreement(maps, reference), torch.nan),
    }
    rival, same = class_likeness(subject, seed)
    numbers["same for the runner-up"] = torch.where(same >= 0.3, rival / same, torch.nan)
    if cue is not None:
        numbers[CUE] = points_at(maps, cue)
    return Ranked(technique.name, numbers, seconds)


def agreement(maps: Float[Tensor, "n h w"], reference: Map) -> Float[Tensor, " n"]:
    """Rank correlation of a map's mean in each region with the region's Shapley value; NaN for a flat map."""
    assert reference.regions is not None and reference.region_values is not None
    place, values = reference.regions.flatten(1), reference.region_values
    total = torch.zeros_like(values).scatter_add(1, place, maps.flatten(1))
    area = torch.zeros_like(values).scatter_add(1, place, torch.ones_like(maps).flatten(1))
    return correlation(ranks((total / area)[:, None]), ranks(values[:, None]))


def _table(ranked: list[Ranked], n: int, sure: Tensor, filling: str, made: Provenance) -> Table:
    done = [r for r in ranked if not r.failed]
    done.sort(key=lambda r: -(found[0] if (found := r.interval("insertion")) else -torch.inf))
    own = any(CUE in r.numbers for r in done)
    columns = ("technique", *COLUMNS, CUE if own else PLANTED, "seconds a picture")
    known = {row["method"]: f"{row['points']:.2f}" for row in measured() if row["case"] == "leans"}
    rows = tuple(
        (
            r.name, *(_cell(r.interval(c)) for c in COLUMNS),
            _cell(r.interval(CUE)) if own else known.get(r.name, ""), float(f"{r.seconds:.2g}"),
        )
        for r in done
    )  # fmt: skip
    notes = [
        f"Mean and 95% interval over {n} picture{'s' if n > 1 else ''}; pixels were exchanged for {filling}.",
        f"The Shapley reference is certain in {int(sure.sum())} of {n}; only these count for the agreement.",
        *(f"{r.name} was left out: {r.failed}" for r in ranked if r.failed),
    ]
    if not own and any(r.name in known for r in done):
        notes.append(
            f"“{PLANTED}” says nothing of this network: it repeats this package's benchmark, on networks that lean on a tag."
        )
    return Table(
        title="Which map is best here?", caption=sentence({r.name: {c: r.interval(c) for c in COLUMNS} for r in done}, _level(done)),
        columns=columns, rows=rows, notes=tuple(notes), provenance=made,
    )  # fmt: skip


def _level(done: list[Ranked]) -> list[str]:
    """Techniques whose insertion is not certainly below the first one's: by the differences in the same pictures."""
    if not done or "insertion" not in done[0].numbers:
        return []
    best, found = done[0].numbers["insertion"], []
    for other in done[1:]:
        gaps = best - other.numbers["insertion"]
        gaps = gaps[gaps.isfinite()]
        if len(gaps) < 2 or interval(gaps)[0] <= 0:
            found.append(other.name)
    return found


def _cell(found: tuple[float, float, float] | None) -> str:
    if found is None:
        return ""
    return "{:.2f} ({:.2f} – {:.2f})".format(*found).replace("-", "−")
