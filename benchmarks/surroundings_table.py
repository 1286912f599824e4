"""What do the judged networks say together? Over networks × classes, with intervals by bootstrap over networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from shortcut_table import auroc, interval

from convsight.datasets.scenes import THINGS

Judged = dict[str, Any]
Row = dict[str, Any]
Measure = Callable[
    [Sequence[Judged]], tuple[float, int]
]  # of some networks: the value, and of how many it is
LEANS, DOES_NOT, STRONG = 0.15, 0.05, 0.3
NEVER = -1.0  # the score of a class of which the audit says nothing
HONEST = ("clean", "shared", "easy")


@dataclass(frozen=True)
class Case:
    """One class of one network: how much it truly leans, on what, and what was said of it."""

    target: str
    cue: str
    rise: float
    said: Row | None  # the verdict, of several the one that was found or scored highest
    baselines: dict[str, float]

    @property
    def leans(self) -> bool | None:
        return True if self.rise >= LEANS else False if self.rise < DOES_NOT else None

    @property
    def found(self) -> bool:
        return self.said is not None and self.said["found"]

    @property
    def score(self) -> float:
        return NEVER if self.said is None else self.said["score"]

    @property
    def thing(self) -> bool:
        return self.cue in THINGS

    @property
    def claimed(self) -> float:
        assert self.said is not None
        return self.said["flip_rate"] - self.said["control_rate"]


def cases(judged: Sequence[Judged]) -> Iterator[Case]:
    for each in judged:
        for k, lean in enumerate(each["truth"]["leanings"]):
            own = [v for v in each["verdicts"] if v["target"] == lean["target"]]
            best = max(own, key=lambda v: (v["found"], v["score"]), default=None)
            scores = {name: row[k] for name, row in each["baselines"].items()}
            yield Case(lean["target"], lean["cue"], lean["rise"], best, scores)


def summary(judged: Sequence[Judged]) -> list[Row]:
    """All that is asked of the search, measured on the networks there are."""
    names = list(judged[0]["baselines"]) if judged else []
    large, small = (lambda j: j["size_px"] >= 96), (lambda j: j["size_px"] < 96)
    whole = [j for j in judged if j["whole"]]  # where artefacts were tried too, so that the name may be wrong
    rows = [
        _row("AUROC of the audit, over networks × classes", judged, _auroc(lambda c: c.score), ">= 0.97"),
        *[_row(f"AUROC of {name}", judged, _auroc(lambda c, name=name: c.baselines[name])) for name in names],
        _row("recall where 30% and more turn", judged, _recall(lambda c: c.rise >= STRONG and not c.thing), ">= 0.95"),
        _row("recall where 15 to 30% turn", judged, _recall(lambda c: c.rise < STRONG and not c.thing), ">= 0.8"),
        _row("recall of parts of surroundings (water below)", judged, _recall(lambda c: " " in c.cue)),
        _row("recall of things beside the object (leash, hand, sign)", judged, _recall(lambda c: c.thing)),
        *[_row(f"{words} networks alarmed", [j for j in judged if j["role"] == role], _alarmed, "<= 0.05")
          for role, words in (("clean", "clean"), ("shared", "decoy (shared surroundings)"), ("easy", "decoy (easier objects)"))],
        _row("classes that do not lean, of all networks, told of", judged, _share(lambda c: c.leans is False, lambda c: c.found)),
        _row("right class, of all that is told", judged, _share(lambda c: c.found and c.leans is not None, lambda c: bool(c.leans)), ">= 0.95"),
        _row("named as surroundings", whole, _share(lambda c: bool(c.found and c.leans and not c.thing), _named), ">= 0.9"),
        _row("claim against the measured reliance, mean error", judged, _mean(lambda c: abs(c.claimed - c.rise)), "<= 0.1"),
        _row("claim minus reliance, mean", judged, _mean(lambda c: c.claimed - c.rise)),
        _row("IoU of the found surroundings with the true ones", judged, _iou, ">= 0.8"),
        _row("an audit at 64 px, mean", [j for j in judged if small(j)], _seconds, "<= 60", "CPU-s"),
        _row("an audit of MobileNetV2 at 128 px, mean", [j for j in judged if large(j)], _seconds, "<= 300", "CPU-s"),
    ]  # fmt: skip
    return [row for row in rows if row["n"]]


def _row(
    words: str, judged: Sequence[Judged], measure: Measure, target: str = "", unit: str = "share"
) -> Row:
    value, n = measure(judged)
    ok = None
    if target and n:
        sign, bound = target.split()
        ok = value >= float(bound) if sign == ">=" else value <= float(bound)
    spread = interval(judged, lambda some: measure(some)[0]) if n > 1 else None
    return {"claim": words, "value": round(value, 4), "unit": unit, "target": target, "ok": ok, "n": n, "spread": spread}  # fmt: skip


def _auroc(score: Callable[[Case], float]) -> Measure:
    def measure(judged: Sequence[Judged]) -> tuple[float, int]:
        decided = [c for c in cases(judged) if c.leans is not None]
        return auroc([score(c) for c in decided], [bool(c.leans) for c in decided]), len(decided)

    return measure


def _share(which: Callable[[Case], bool], of: Callable[[Case], bool]) -> Measure:
    def measure(judged: Sequence[Judged]) -> tuple[float, int]:
        chosen = [of(c) for c in cases(judged) if which(c)]
        return _average(chosen), len(chosen)

    return measure


def _recall(which: Callable[[Case], bool]) -> Measure:
    return _share(lambda c: bool(c.leans) and which(c), lambda c: c.found)


def _mean(value: Callable[[Case], float]) -> Measure:
    """Over what was rightly found."""

    def measure(judged: Sequence[Judged]) -> tuple[float, int]:
        chosen = [value(c) for c in cases(judged) if c.found and c.leans]
        return _average(chosen), len(chosen)

    return measure


def _alarmed(judged: Sequence[Judged]) -> tuple[float, int]:
    """Networks in which a class is told of that does not lean."""
    return _average([any(c.found and c.leans is False for c in cases([j])) for j in judged]), len(judged)


def _iou(judged: Sequence[Judged]) -> tuple[float, int]:
    found = [v["iou"] for j in judged for v in j["verdicts"] if v["found"] and v["iou"] is not None]
    return _average(found), len(found)


def _seconds(judged: Sequence[Judged]) -> tuple[float, int]:
    return _average([j["seconds"] for j in judged]), len(judged)


def _named(case: Case) -> bool:
    return case.said is not None and case.said["kind"] == "surroundings"


def _average(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def misses(judged: Sequence[Judged]) -> list[str]:
    """What was got wrong, the worst first, and the classes that were left out."""
    told: list[tuple[float, str]] = []
    for each in judged:
        where = f"{each['seed']} {each['data']} {each['network']} ({each['role']}, {each['correlation']:.2f})"
        for c in cases([each]):
            if c.leans and not c.found:
                why = (
                    "nothing said"
                    if c.said is None
                    else f"score {c.score:.2f}, {c.said['kind']}, claim {c.claimed:.2f}"
                )
                told.append((c.rise, f"missed   {where}: {c.target} on {c.cue}, {c.rise:.2f}; {why}"))
            elif c.found and c.leans is False:
                told.append(
                    (c.claimed, f"alarmed  {where}: {c.target} {c.rise:.2f}; {c.said and c.said['sentence']}")
                )
            elif c.found and c.leans and abs(c.claimed - c.rise) > 0.25:
                told.append(
                    (
                        abs(c.claimed - c.rise),
                        f"claim    {where}: {c.target} on {c.cue}, {c.rise:.2f}, claimed {c.claimed:.2f} ({c.said and c.said['kind']})",
                    )
                )
    left = [c for c in cases(judged) if c.leans is None]
    between = f"left out, between {DOES_NOT} and {LEANS}: {len(left)} classes, of which {sum(c.found for c in left)} are told of"
    return [words for _, words in sorted(told, reverse=True)] + [between]
