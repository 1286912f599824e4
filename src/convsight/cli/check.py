"""`convsight check DATA`: what is wrong with the pictures themselves?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from convsight.bring import load
from convsight.checking import PROBLEMS, check, findings_of, write_relabel
from convsight.checking.finding import Finding
from convsight.checking.relabel import in_words
from convsight.cli.console import bar, err, out, print_json, print_notes, print_table
from convsight.cli.inputs import brought, run_of
from convsight.errors import InputError, check_known
from convsight.results.kinds import Table
from convsight.results.stored import Results
from convsight.run import Run, train_again, train_command

FOUND = 3  # exit status of --fail-on, for CI
SHOWN = 8  # findings of each problem that are printed


def run(given: argparse.Namespace, rest: list[str]) -> int:
    gate = _problems(given.fail_on)
    source = run_of(given.data) or given.data
    network = None
    if given.network:
        network = load(given.network, **brought(given))
    elif options := brought(given):
        name = next(iter(options)).replace("_", "-")
        raise InputError(f"--{name} is said of the network in --network, which is not given")
    with bar("Looking at the pictures", quiet=given.json):
        found = _found(source, network, given)
    findings = findings_of(found)
    if given.json:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        print_json({"findings": rows, "notes": list(found.notes)})
    else:
        _tell(found, findings)
    _write(given, found, findings, source)
    failed = [f for f in findings if f.problem in gate]
    if failed:
        err.print(f"--fail-on: {len(failed):,} findings of {', '.join(sorted({f.problem for f in failed}))}")
    return FOUND if failed else 0


def _found(source: Run | str, network: Any, given: argparse.Namespace) -> Table:
    """The table, the stored one if the same was asked before."""
    kept = (
        source.results if isinstance(source, Run) else Results(Path(user_cache_dir("convsight")) / "checks")
    )
    return check(
        source, network, sure=given.sure, most=given.most, fit=given.fit, seed=given.seed,
        results=None if given.fresh else kept,
    )  # fmt: skip


def _problems(text: str | None) -> set[str]:
    named = {word.strip() for word in (text or "").split(",") if word.strip()}
    for name in sorted(named):
        check_known(name, PROBLEMS, f"--fail-on {name!r} is no problem that is looked for")
    return named


def _tell(found: Table, findings: list[Finding]) -> None:
    out.print(found.caption, markup=False, style="bold")
    for problem, name in PROBLEMS.items():
        chosen = [f for f in findings if f.problem == problem]
        if chosen:
            rows = [(f.id, f.finding, f.action) for f in chosen[:SHOWN]]
            more = (
                f" ({len(chosen):,}, the first {SHOWN} of them)"
                if len(chosen) > SHOWN
                else f" ({len(chosen):,})"
            )
            out.print()
            print_table(("picture", "finding", "what to do"), rows, f"{name[0].upper()}{name[1:]}{more}")
    print_notes([f"note: {note}" for note in found.notes])


def _write(given: argparse.Namespace, found: Table, findings: list[Finding], source: Run | str) -> None:
    """What was asked for in files, and relabel.csv where there is something to change; an edited one is never replaced."""
    say = err if given.json else out
    if given.out:
        say.print(f"saved:   {found.save(Path(given.out).expanduser())}", soft_wrap=True, markup=False)
    suggested = in_words(findings)
    folder = source.path if isinstance(source, Run) else Path()
    path = Path(given.relabel).expanduser() if given.relabel else folder / "relabel.csv"
    if not suggested or (given.json and not given.relabel):
        return
    if path.exists() and not given.relabel:
        say.print(
            f"kept:    {path} is there already; --relabel FILE writes another", soft_wrap=True, markup=False
        )
        return
    earlier = source.config["data"]["options"].get("relabel") if isinstance(source, Run) else None
    write_relabel(found, path, earlier=earlier)
    command = (
        train_again(source)
        if isinstance(source, Run)
        else train_command(given.data, given.network, given.weights)
    )
    say.print(f"written: {path} ({suggested})", soft_wrap=True, markup=False)
    say.print(f"next:    edit it, then  {command} --relabel {path}", soft_wrap=True, markup=False)
