"""`convsight fix`: train a run on without the shortcut that its audit found."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from convsight.cli.console import TrainingDisplay, out, print_json, print_table
from convsight.cli.inputs import data_of
from convsight.run import METRICS, Run
from convsight.shortcuts.fix import Fixed, fix


def run(given: argparse.Namespace, rest: list[str]) -> int:
    """Swap, train, measure before and after, audit again."""
    old = Run.open(given.run_path)
    data = data_of(given.data, given.run_path, old.classifier) if given.data else None
    with TrainingDisplay(quiet=given.json) as display:
        fixed = fix(
            old,
            given.verdict,
            data=data,
            epochs=given.epochs,
            share=given.share,
            seed=given.seed,
            out=given.out,
            audit=not given.no_audit,
            progress=display,
            device=given.device,
        )
    if given.json:
        print_json({"run": str(fixed.run.path), **fixed.run.metrics["fix"]})
    else:
        _tell(fixed)
    return 0


def _tell(fixed: Fixed) -> None:
    """Print the groups' accuracies before and after, what the new audit says, and where the files are."""
    before, after = asdict(fixed.before), asdict(fixed.after)
    names = {
        "target_with": f"{fixed.target} with the cue",
        "target_without": f"{fixed.target} without it",
        "others_with": "other classes with it",
        "others_without": "other classes without it",
    }
    rows = [(names[key], f"{before[key]:.1%}", f"{after[key]:.1%}") for key in names]
    rows += [
        ("worst of the two that disagree", f"{fixed.before.worst:.1%}", f"{fixed.after.worst:.1%}"),
        ("test pictures as they are", f"{fixed.accuracy[0]:.1%}", f"{fixed.accuracy[1]:.1%}"),
    ]
    print_table(("accuracy", "before", "after"), rows, "The shortcut, before and after")
    found = [verdict for verdict in fixed.verdicts if verdict.found]
    for verdict in found:
        out.print(f"still found: {verdict.sentence}", soft_wrap=True)
    if fixed.verdicts and not found:
        out.print("The audit of the new network finds nothing.")
    out.print(f"run:     {fixed.run.path}   (before and after are in its {METRICS})", soft_wrap=True)
