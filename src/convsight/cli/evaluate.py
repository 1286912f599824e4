"""`convsight test` and `convsight compare`."""

from __future__ import annotations

import argparse
from typing import Any

from convsight.cli.console import bar, out, print_json, print_notes, print_result, save_result
from convsight.cli.inputs import classifier, data_of
from convsight.errors import InputError
from convsight.results.confusion import for_file
from convsight.results.kinds import Table
from convsight.results.tables import asides, headline
from convsight.results.tables import measured as tables
from convsight.run import Run
from convsight.training import test as measure
from convsight.training.comparison import comparison


def test(given: argparse.Namespace, rest: list[str]) -> int:
    net = classifier(given.model, given)
    data = data_of(given.data, given.model, net, given.fit)
    split = data.splits[given.split]
    if given.limit is not None:
        split = split.take(slice(0, given.limit))
    if not len(split):
        raise InputError(f"the {given.split} split of {data.name} is empty")
    print_notes((*net.notes, *(data.notes if given.data else ())))  # of a run's own data, training told them
    with bar(f"Testing on {len(split):,} pictures", quiet=given.json):
        measured = measure(net, split)
    if given.json:
        print_json(for_file(measured))
        return 0
    for table in tables(measured):
        if isinstance(table, Table):
            print_result(table)
    value, words = headline(measured)
    out.print(f"[b]{value}[/b] {words}", soft_wrap=True)
    for aside in asides(measured):
        out.print(aside, soft_wrap=True)
    return 0


def compare(given: argparse.Namespace, rest: list[str]) -> int:
    if len(given.runs) < 2:
        raise InputError("compare takes two or more run directories")
    result = comparison([Run.open(path) for path in given.runs])
    if given.json:
        print_json(
            {"columns": result.columns, "rows": result.rows, "parts": [_curve(p) for p in result.parts]}
        )
    else:
        print_result(result)
    if given.out:
        save_result(result, given.out, quiet=given.json)
    return 0


def _curve(part: Any) -> dict[str, Any]:
    return {"title": part.title, "series": part.data()["series"]}
