"""`convsight compare-maps MODEL IMAGE...`: which technique's map is best for this network?"""

from __future__ import annotations

import argparse

from convsight.cli.console import bar, err, out, print_json, print_result, save_result
from convsight.cli.inputs import classifier, data_of, pictures, run_of
from convsight.picture import read_picture
from convsight.trust_checks import rank_methods


def compare_maps(given: argparse.Namespace, rest: list[str]) -> int:
    net = classifier(given.model, given)
    images = pictures(given.images, given.data, given.model, net, fit=given.fit)
    run = run_of(given.model)
    known = given.data is not None or (run is not None and run.config["data"].get("source") is not None)
    data = data_of(given.data, given.model, net, given.fit) if known else None
    names = None if given.methods is None else [name.strip() for name in given.methods.split(",")]
    cue = None if given.cue is None else read_picture(given.cue).mean(0) > 0.5
    with bar("Comparing maps", quiet=given.json or given.quiet):
        table = rank_methods(
            net, images, names, given.target, data=data, cue=cue, passes=given.passes, seed=given.seed
        )
    if given.json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        print_json({"sentence": table.caption, "rows": rows, "notes": table.notes})
    else:
        out.print(table.caption, markup=False)
        print_result(table)
        for note in table.notes:
            err.print(f"note: {note}", markup=False)
    if given.out:
        save_result(table, given.out, quiet=given.json)
    return 0
