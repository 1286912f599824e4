"""Does the audit find the shortcuts that networks have learned, and nothing where there is none?

    OMP_NUM_THREADS=1 python benchmarks/shortcuts.py [--quick] [--json FILE] [--models N] [--cache DIR] [--minutes M] [--ship]

Networks are trained on Fashion-MNIST and on a folder of CIFAR-10 pictures with a cue planted on one class, with
decoys (the cue on 30% of every class) and without any cue. What counts as a shortcut is measured: the cue must
turn 15% more pictures of other classes into its class (below 5%: none; between: left out). Every network is
then audited, judged by four simpler ways, and (where a shortcut is rightly found) fixed.

Everything is kept in the cache, network by network: a benchmark that was stopped goes on where it was, and
--minutes stops it in time and reports what there is. --ship writes what "nothing found" cites. Without a folder for --cifar only Fashion-MNIST is used.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from planted_models import Subject, subjects
from shortcut_baselines import BASELINES
from shortcut_table import found_right, misses, recall_table, summary

import convsight as cs
from convsight.results.kinds import Verdict
from convsight.shortcuts import known_recall
from convsight.shortcuts.fix import fix
from convsight.shortcuts.reliance import groups, reliance
from convsight.shortcuts.saved import probe_of, save_verdicts
from convsight.storage import write_json

Row = dict[str, Any]
Judged = dict[str, Any]
FIX_EPOCHS = 5
SHIPPED = Path(known_recall.__file__).with_name(known_recall.MEASURED)


def judge(subject: Subject) -> Judged:
    """The audit's verdicts on one network and what the baselines say; from the cache if it is there."""
    path = subject.folder / "judged.json"
    judged: Judged = json.loads(path.read_text()) if path.is_file() else {}
    if not judged:
        net, started = subject.run.classifier, time.process_time()
        verdicts = cs.find_shortcuts(net, subject.data)
        judged["seconds"] = time.process_time() - started
        save_verdicts(subject.folder, verdicts, {"data": subject.data.name})
        judged["verdicts"] = [_row(verdict, subject) for verdict in verdicts]
        judged["score"] = max(verdict.score for verdict in verdicts)
        held_out = subject.data.test[:]
        judged["baselines"] = {name: scores(net, held_out) for name, scores in BASELINES.items()}
        write_json(path, judged)
    fixed = subject.folder / "mended.json"
    if fixed.is_file():
        judged["fix"] = json.loads(fixed.read_text())
    return {"subject": subject, "truth": subject.truth, **judged}


def _row(verdict: Verdict, subject: Subject) -> Row:
    row = {
        name: getattr(verdict, name)
        for name in ("found", "target", "kind", "sentence", "flip_rate", "control_rate", "interval", "score")
    }
    return {**row, "interval": list(verdict.interval), "iou": overlap(verdict, subject)}


def overlap(verdict: Verdict, subject: Subject) -> float | None:
    """Mean overlap (IoU) of what is outlined in pictures that carry the cue with where it truly is."""
    probe = probe_of(verdict)
    if subject.planted is None or not subject.planted.cue.local or probe is None:
        return None
    clean = subject.clean[:200]
    marks = probe.marks(subject.planted.add(clean, seed=1).pixels)
    truth = subject.planted.mask(clean, seed=1)
    both, either = (marks & truth).sum((1, 2)), (marks | truth).sum((1, 2))
    return float((both / either.clamp(min=1)).mean())


def mend(judged: Judged, everyone: Sequence[Subject]) -> None:
    """Fix what was rightly found; keep the accuracy in the groups of the true cue before and after, and that of
    a network of the same sort that never saw the cue."""
    subject: Subject = judged["subject"]
    planted, k = subject.planted, subject.spec.target
    if "fix" in judged or not subject.learned or found_right(judged) is None:
        return
    assert planted is not None and k is not None
    out = subject.folder.with_name(f"{subject.folder.name}-fixed")
    right = (i for i, v in enumerate(judged["verdicts"], 1) if v["found"] and v["target"] == planted.target)
    if not (out / "metrics.json").is_file():
        shutil.rmtree(out, ignore_errors=True)  # one that was stopped half-way
        fix(
            subject.run, next(right), data=subject.data, epochs=FIX_EPOCHS, out=out, audit=False, device="cpu"
        )
    fixed = cs.Run(out)
    same = (s for s in everyone if s.spec.role == "clean" and _alike(s, subject))
    nets = {"before": subject.run, "after": fixed, "reference": next(same).run}
    cued = planted.add(subject.clean)
    worst = {name: groups(run.classifier, subject.clean, cued, k).worst for name, run in nets.items()}
    rise = reliance(fixed.classifier, subject.clean, planted.add, k).rise
    judged["fix"] = {**worst, "rise_after": rise}
    write_json(subject.folder / "mended.json", judged["fix"])


def _alike(a: Subject, b: Subject) -> bool:
    return (a.spec.data, a.spec.network) == (b.spec.data, b.spec.network)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10 networks instead of 100")
    parser.add_argument("--json", type=Path, help="write the claims to this file")
    parser.add_argument("--models", type=int, help="how many networks")
    parser.add_argument("--cache", type=Path, default=Path("runs/shortcuts"), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="train and audit no longer than this")
    parser.add_argument("--fashion", default="fashion-mnist", help="where Fashion-MNIST is")
    parser.add_argument("--cifar", default="", help="a folder of CIFAR-10 pictures, class by class")
    parser.add_argument("--ship", action="store_true", help=f"write the recall to {SHIPPED.name}")
    parser.add_argument("--no-fix", action="store_true", help="leave out the fix")
    options = parser.parse_args()
    torch.set_num_threads(1)
    n = options.models or (10 if options.quick else 100)
    sources = {"fashion": options.fashion} | ({"cifar": options.cifar} if options.cifar else {})
    everyone = subjects(max(n, 60), options.cache, sources)  # clean ones of every sort, to compare with
    judged, started = [], time.monotonic()

    def late() -> bool:
        return options.minutes is not None and time.monotonic() - started > 60 * options.minutes

    for subject in everyone[: len(subjects(n, options.cache, sources))]:
        if not late() or (subject.folder / "judged.json").is_file():
            judged.append(judge(subject))
            print(f"{len(judged)} of {n}: {subject.spec.role} {subject.spec.kind}", flush=True)
    for each in judged:
        if not options.no_fix and not late():
            mend(each, everyone)
    device = f"{platform.processor() or platform.machine()}, 1 thread"
    command = "benchmarks/shortcuts.py" + (" --quick" if options.quick else f" --models {n}")
    rows = [{**row, "device": device, "command": command} for row in summary(judged)]
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        spread = "{:.2f} to {:.2f}".format(*row["spread"]) if row["spread"] else ""
        print(
            f"{row['claim']:66} {row['value']:>8.3f} {row['unit']:6} {spread:14} n={row['n']:<4} {row['target']:8} {mark}"
        )
    print("\n".join(["", *misses(judged)]))
    if options.ship:
        write_json(SHIPPED, recall_table(judged))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
