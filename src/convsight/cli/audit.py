"""`convsight audit MODEL`: does the network lean on something that is not the object?"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from convsight.cli.console import bar, err, out, print_json, save_result
from convsight.cli.inputs import classifier, data_of, run_of
from convsight.errors import InputError
from convsight.results.kinds import Verdict
from convsight.shortcuts.find import audit_run, find_shortcuts
from convsight.shortcuts.saved import AUDIT, mark_own
from convsight.shortcuts.told_masks import masks_of_run

FOUND = 3  # exit status of --fail-on found, for CI


def audit(given: argparse.Namespace, rest: list[str]) -> int:
    run = run_of(given.model)
    if given.own is not None:
        return _own(given, None if run is None else run.path)
    net = classifier(given.model, given)
    data = data_of(given.data, given.model, net, given.fit)
    masks = _masks(given, None if run is None else run.path)
    ask = find_shortcuts if run is None else partial(audit_run, run.path)
    with bar(f"Auditing on {data.name}", quiet=given.json):
        verdicts = ask(
            net, data, split=given.split, target=given.target, per_class=given.limit, seed=given.seed,
            masks=masks, fit=given.fit,
        )  # fmt: skip
    if given.json:
        print_json([_row(i, v) for i, v in enumerate(verdicts, 1)])
    else:
        _tell(verdicts, given, None if run is None else run.path)
    if given.out:
        first = replace(verdicts[0], parts=(*verdicts[0].parts, *verdicts[1:]))
        save_result(first, given.out, quiet=given.json)
    found = any(v.found for v in verdicts)
    return FOUND if found and given.fail_on == "found" else 0


def _masks(given: argparse.Namespace, run: Path | None) -> Path | str | None:
    """The folder of masks that was named, or the run's own after a bare --masks."""
    if given.masks is not True:
        return given.masks
    if run is None:
        raise InputError(
            f"--masks without a folder means those of a run, and {given.model} is none",
            works="--masks FOLDER",
        )
    if given.data:
        raise InputError(
            "--masks without a folder means those of the run's own pictures, and --data names others",
            works="--masks FOLDER",
        )
    return masks_of_run(run)


def _row(number: int, verdict: Verdict) -> dict[str, Any]:
    row = {name: getattr(verdict, name) for name in Verdict.numbers}
    return {"number": number, **row, "caption": verdict.caption, "notes": verdict.notes}


def _tell(verdicts: list[Verdict], given: argparse.Namespace, run: Path | None) -> None:
    """Print each verdict with what can be done about it."""
    for number, verdict in enumerate(verdicts, 1):
        mark = "[b red]found[/b red]" if verdict.found else "[dim]not found[/dim]"
        out.print(f"{number}  {mark}  ", end="")
        out.print(verdict.sentence, markup=False)
        out.print(f"   {verdict.caption}", markup=False, style="dim")
        for note in verdict.notes:
            out.print(f"   note: {note}", markup=False, style="dim")
    found = [number for number, verdict in enumerate(verdicts, 1) if verdict.found]
    if run is not None:
        out.print(f"kept:  {run / AUDIT}", soft_wrap=True, markup=False)
        if found:
            out.print(f"fix:   convsight fix {run} --verdict {found[0]}", soft_wrap=True, markup=False)
            words = f"convsight audit {run} --own {found[0]}"
            out.print(f"or, if that is the object itself:  {words}", soft_wrap=True, markup=False)
    elif not given.out:
        err.print("see it:  the same with -o audit.html (or .png)", markup=False)


def _own(given: argparse.Namespace, run: Path | None) -> int:
    if run is None:
        raise InputError(f"--own is remembered in a run's directory, and {given.model} is none")
    own = mark_own(run, given.own)
    out.print(
        f"Remembered: the {own['kind']} of {own['target']} is the object itself. The next audit passes over it."
    )
    return 0
