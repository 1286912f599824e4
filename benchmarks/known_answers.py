"""How much of each technique's map lies on a planted tag that the network demonstrably leans on?

    python benchmarks/known_answers.py [--quick] [--only NAME ...] [--pictures N] [--json FILE] [--ship]

Small networks are trained on drawn garments with a tag in a corner of every picture of one class. Kept are those
that lean on it: put on pictures of other classes, it turns at least 30% more of them into that class. Each
technique then explains the class on its tagged test pictures. Four things are measured: whether the strongest of 7×7
cells touches the tag; how many of the k strongest cells do, where k touch it; the share of the strength in these; and
the share on the tag's own pixels (of signed maps the positive part). The first three add every map up in the same cells,
so that a coarse map is not blamed for its resolution. How far the reference (`shapley`) is ahead is a mean of differences
with its 95% interval over networks. On the control networks the same tag was on 30% of *every* class, and moves less
than 5%: there a map should leave it alone. `--ship` writes what the docs and `convsight.trust` quote; with `--only` it
replaces the rows of those techniques and leaves all others.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.stats import t as student
from torch import Tensor

import convsight as cs
from convsight.datasets.planted import Cue, Planted, decoy, plant
from convsight.methods import Entry, catalogue
from convsight.results.kinds import Map
from convsight.shortcuts import reliance as leaning
from convsight.trust_checks import known_answers
from convsight.trust_checks.pointing import first_touching, points_at, share_around, share_on
from convsight.trust_checks.ranking import REFERENCE

LEANS = 0.3  # the rise in flips to the class that the tag makes, at least

SHIPPED = Path(known_answers.__file__).with_name(known_answers.MEASURED)


class Shares(NamedTuple):
    """Of each picture of one network: does the map point at the tag, and are its first cells and its strength there?"""

    points: Tensor
    first: Tensor
    around: Tensor
    on: Tensor
    area: float  # the tag's share of the picture


class Net(NamedTuple):
    """A network, what was planted, the class asked about, and the rise in flips to it that the tag makes."""

    classifier: cs.Classifier
    planted: Planted
    target: int
    rise: float


def explains(entry: Entry) -> bool:
    """A map of pictures that is about a target."""
    return entry.kind == "Map" and {"net", "images", "target"} <= set(entry.needs)


def networks(case: str, quick: bool) -> Iterator[Net]:
    """Networks that lean on a tag ("leans"), or were shown it and do not ("decoy"), with the class asked about."""
    classes = (6,) if quick else (2, 4, 6)  # pullover, coat, shirt: hard to tell apart, so a tag helps
    for channels, seed in ((1, 0),) if quick else ((1, 0), (1, 1), (3, 0), (3, 1)):
        data, cue = cs.dataset("drawn-garments", channels=channels, limit=1500), Cue("corner_tag", 3, seed)
        whole = {k: plant(data, cue, data.classes[k], 1.0, seed) for k in classes}
        for planted in whole.values() if case == "leans" else [decoy(data, cue, seed=seed)]:
            with tempfile.TemporaryDirectory() as folder:
                net = cs.train(
                    planted.dataset, "quick", out=Path(folder) / "run", seed=seed, epochs=4
                ).classifier
            for k in (data.classes.index(planted.target),) if case == "leans" else classes:
                rise = leaning.reliance(net, data.test[:], planted.add, k).rise
                kept = rise >= LEANS if case == "leans" else abs(rise) < leaning.DOES_NOT
                print(f"{planted.dataset.name}, seed {seed}: {rise:+.2f} {data.classes[k]}", file=sys.stderr)
                if kept:
                    yield Net(net, planted, k, rise)


def shares(entry: Entry, net: Net, n: int) -> Shares:
    """What the technique makes of pictures of the class with the tag."""
    classifier, planted, target, _ = net
    clean = planted.clean.test
    own = clean[(clean.labels == target).nonzero()[:n, 0].tolist()]
    tagged, mask = planted.add(own), planted.mask(own)
    result = entry.method()(classifier, tagged, target=target)
    assert isinstance(result, Map)
    found = result.values.float().cpu()
    of_map = [f(found, mask) for f in (points_at, first_touching, share_around, share_on)]
    return Shares(*of_map, area=float(mask.float().mean()))


def ahead(reference: list[Tensor], other: list[Tensor]) -> tuple[float, float, float]:
    """The mean over networks of the reference's mean less the other's, with Student's 95% interval."""
    gaps = torch.stack([(a.nanmean() - b.nanmean()) for a, b in zip(reference, other, strict=True)]).double()
    mean = float(gaps.mean())
    half = float(student.ppf(0.975, len(gaps) - 1) * gaps.std() / len(gaps) ** 0.5) if len(gaps) > 1 else 0.0
    return mean, mean - half, mean + half


def row(
    entry: Entry, case: str, nets: list[Net], measured: list[Shares], reference: list[Shares], command: str
) -> dict:
    on_tag = torch.cat([s.on[s.on.isfinite()] for s in measured])
    low, middle, high = on_tag.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    area = statistics.mean(s.area for s in measured)
    behind = [ahead([s[k] for s in reference], [s[k] for s in measured]) for k in (0, 1, 2)]
    told = "leaned on" if case == "leans" else "not used"
    return {
        "claim": f"{entry.name}: share of the map on a tag that is {told} (median picture)",
        "value": round(middle, 4),
        "unit": "share of the map's strength",
        "target": None,
        "ok": None,
        "n": len(on_tag),
        "spread": round(float(on_tag.std()), 4),
        "device": f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "command": command,
        "method": entry.name,
        "case": case,
        "low": round(low, 4),
        "high": round(high, 4),
        "area": round(area, 4),
        "networks": len(nets),
        "rise": round(statistics.mean(net.rise for net in nets), 4),
        "points": round(float(torch.cat([s.points for s in measured]).mean()), 4),
        "first": round(float(torch.cat([s.first for s in measured]).mean()), 4),
        "around": round(float(torch.cat([s.around for s in measured]).nanmean()), 4),
        "reference_ahead_in_points": [round(v, 4) for v in behind[0]],
        "reference_ahead_in_first": [round(v, 4) for v in behind[1]],
        "reference_ahead_around": [round(v, 4) for v in behind[2]],
    }


def measure(quick: bool, only: list[str], n: int) -> list[dict]:
    command = "python benchmarks/known_answers.py" + (" --quick" if quick else f" --pictures {n}")
    chosen = [e for e in catalogue().values() if explains(e) and (not only or e.name in {*only, REFERENCE})]
    found = []
    for case in ("leans", "decoy"):
        nets = list(networks(case, quick))
        measured = {e.name: [shares(e, net, 8 if quick else n) for net in nets] for e in chosen}
        found += [
            row(e, case, nets, measured[e.name], measured[REFERENCE], command)
            for e in chosen
            if not only or e.name in only
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one network of each sort instead of twelve")
    parser.add_argument("--json", metavar="FILE", help="also write the table here")
    parser.add_argument("--ship", action="store_true", help=f"also write it to {SHIPPED.name}")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="techniques (default: all)")
    parser.add_argument("--pictures", type=int, default=6, help="of each network (default: 6)")
    given = parser.parse_args()
    found = measure(given.quick, given.only, given.pictures)
    for each in found:
        spread = f"{each['low']:.3f} … {each['high']:.3f}"
        gap, low, high = each["reference_ahead_in_points"]
        print(f"{each['claim']:80} {each['value']:.3f}  ({spread})  n {each['n']:3}  area {each['area']:.3f}")
        print(f"  points at it {each['points']:.2f}, first cells {each['first']:.2f}, around it {each['around']:.2f}; {REFERENCE} points {gap:+.2f} "
              f"({low:+.2f} to {high:+.2f}) more")  # fmt: skip
    if given.json:
        write(Path(given.json), found)
    if given.ship:
        kept = [
            row for row in json.loads(SHIPPED.read_text()) if given.only and row["method"] not in given.only
        ]
        write(SHIPPED, sorted(kept + found, key=lambda row: (row["case"] == "decoy", row["method"])))


def write(path: Path, rows: list[dict]) -> None:
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
