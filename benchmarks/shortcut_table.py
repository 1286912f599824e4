"""What do the benchmark's networks say together? AUROC, recall, alarms, honesty and repair, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from shortcut_baselines import BASELINES

Row = dict[str, Any]
Judged = dict[str, Any]


def auroc(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """The chance that a network with a shortcut scores higher than one without."""
    yes, no = ([s for s, t in zip(scores, truth, strict=True) if t is which] for which in (True, False))
    if not yes or not no:
        return float("nan")
    pairs = np.subtract.outer(np.array(yes), np.array(no))
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def interval(
    items: Sequence[Any], measure: Callable[[Sequence[Any]], float], rounds: int = 1000
) -> list[float]:
    """95% interval of a measure, networks drawn anew (percentile bootstrap)."""
    generator = np.random.default_rng(0)
    drawn = [
        measure([items[i] for i in generator.integers(len(items), size=len(items))]) for _ in range(rounds)
    ]
    return [round(float(v), 4) for v in np.nanpercentile(drawn, (2.5, 97.5))]


def claim(
    words: str,
    items: Sequence[Any],
    measure: Callable[[Sequence[Any]], float],
    target: str = "",
    unit="share",
) -> Row:
    """One line of the table; `target` such as ">= 0.9" decides `ok`."""
    value = measure(items) if items else float("nan")
    ok = None
    if target and items:
        sign, bound = target.split()
        ok = value >= float(bound) if sign == ">=" else value <= float(bound)
    spread = interval(items, measure) if len(items) > 1 else None
    return {"claim": words, "value": round(value, 4), "unit": unit, "target": target, "ok": ok, "n": len(items), "spread": spread}  # fmt: skip


def share(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def summary(judged: Sequence[Judged]) -> list[Row]:
    """All that the issue asks for, measured on the networks there are."""
    decided = [j for j in judged if j["subject"].learned is not None]
    learned = [j for j in decided if j["subject"].learned]
    controls = [j for j in judged if j["subject"].spec.role != "planted"]
    right, top = [found_right(j) for j in learned], [first_found(j) for j in learned]
    local = [f for j, f in zip(learned, right, strict=True) if j["subject"].planted.cue.local]
    whole = [f for j, f in zip(learned, right, strict=True) if not j["subject"].planted.cue.local]
    tags = [f["iou"] for j, f in zip(learned, right, strict=True) if f and "tag" in j["truth"]["kind"]]
    claimed = [abs(f["flip_rate"] - f["control_rate"] - j["truth"]["rise"]) for j, f in zip(learned, right, strict=True) if f]  # fmt: skip
    names = [(v["target"], j["subject"].planted.target) for j, v in zip(learned, top, strict=True) if v]
    alarms = [(j["subject"].spec.role, any(v["found"] for v in j["verdicts"])) for j in controls]
    found = lambda rows: share([bool(row) for row in rows])  # noqa: E731
    rows = [
        claim("AUROC of the audit: learned against clean, decoy and not learned",
              [(j["score"], j["subject"].learned) for j in decided], lambda x: auroc(*zip(*x, strict=True)), ">= 0.97"),
        *[claim(f"AUROC of {name}", [(max(j["baselines"][name]), j["subject"].learned) for j in decided],
                lambda x: auroc(*zip(*x, strict=True))) for name in BASELINES],
        claim("recall, local cues", local, found, ">= 0.9"),
        claim("recall, global cues", whole, found, ">= 0.6"),
        claim("clean networks alarmed", [a for role, a in alarms if role == "clean"], share, "<= 0.05"),
        claim("decoy networks alarmed", [a for role, a in alarms if role == "decoy"], share, "<= 0.05"),
        claim("planted but not learned, alarmed", [bool(first_found(j)) for j in decided
              if not j["subject"].learned and j["subject"].spec.role == "planted"], share),
        claim("right class, of learned ones with something found", names, lambda x: share([a == b for a, b in x]), ">= 0.95"),
        *[claim(f"right class, {name}", [_named(j, name) for j in learned], share) for name in BASELINES],
        claim("IoU of tags, mean", tags, lambda x: float(np.mean(x)), ">= 0.6"),
        claim("claimed flip rate against the true one, mean error", claimed, lambda x: float(np.mean(x)), "<= 0.05"),
        claim("claimed flip rate against the true one, median error", claimed, lambda x: float(np.median(x))),
        claim("time of an audit, mean", [j["seconds"] for j in judged], lambda x: float(np.mean(x)), "<= 60", "CPU-s"),
    ]  # fmt: skip
    rows += _fixes([j["fix"] for j in learned if "fix" in j])
    return [row for row in rows if row["n"]]


def _fixes(fixes: Sequence[Row]) -> list[Row]:
    wide = [f for f in fixes if f["reference"] - f["before"] >= 0.1]

    def closed(some: Sequence[Row]) -> float:
        gained = sum(min(f["after"], f["reference"]) - f["before"] for f in some)  # better counts as closed
        return gained / sum(f["reference"] - f["before"] for f in some)

    def mean_of(name: str) -> Callable[[Sequence[Row]], float]:
        return lambda some: float(np.mean([f[name] for f in some]))

    return [
        *[claim(f"worst-group accuracy, {words}", fixes, mean_of(name)) for name, words in
          (("before", "before the fix"), ("after", "after the fix"), ("reference", "of networks without the cue"))],
        claim("share of the gap closed (gaps of 0.1 and more, together)", wide, closed, ">= 0.8"),
        claim("reliance left after the fix", fixes, mean_of("rise_after")),
    ]  # fmt: skip


def _named(judged: Judged, name: str) -> bool:
    scores = judged["baselines"][name]
    return max(range(len(scores)), key=scores.__getitem__) == judged["subject"].spec.target


def first_found(judged: Judged) -> Row | None:
    return next((v for v in judged["verdicts"] if v["found"]), None)


def found_right(judged: Judged) -> Row | None:
    target = judged["subject"].planted.target
    return next((v for v in judged["verdicts"] if v["found"] and v["target"] == target), None)


def recall_table(judged: Sequence[Judged]) -> Row:
    """By kind and strength, how many learned cues were found and how many there were; alarms among the rest."""
    kinds: dict[str, dict[str, list[int]]] = {}
    for j in judged:
        if j["subject"].learned:
            spec = j["subject"].spec
            cell = kinds.setdefault(spec.kind, {}).setdefault(str(spec.strength), [0, 0])
            cell[0] += found_right(j) is not None
            cell[1] += 1
    ordered = {kind: dict(sorted(row.items())) for kind, row in sorted(kinds.items())}
    honest = [bool(first_found(j)) for j in judged if j["subject"].learned is False]
    return {"kinds": ordered, "alarms": [sum(honest), len(honest)]}


def misses(judged: Sequence[Judged]) -> list[str]:
    """What the audit got wrong, the most certain first."""
    told = []
    for j in judged:
        spec, truth = j["subject"].spec, j["truth"]
        what = f"{spec.number:03d} {spec.data} {spec.network}: {spec.kind} {spec.strength} on {spec.prevalence:.0%}"
        if j["subject"].learned and found_right(j) is None:
            told.append(
                (truth["rise"], f"missed  {what} of {j['subject'].planted.target}, rise {truth['rise']:.2f}")
            )
        if not j["subject"].learned and (v := first_found(j)):
            told.append((v["score"], f"alarmed ({spec.role}) {what}: {v['sentence']}"))
    return [words for _, words in sorted(told, reverse=True)]
