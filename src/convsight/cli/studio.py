"""`convsight studio [RUN|MODEL]`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from convsight.cli.console import err, out, print_notes
from convsight.cli.inputs import brought, classifier, refuse_for_run, run_of
from convsight.datasets import Dataset
from convsight.errors import DataNotFound, required
from convsight.network.classifier import Classifier
from convsight.run import CONFIG, METRICS, Run

USUAL_PORT = 8765


def studio(given: argparse.Namespace, rest: list[str]) -> int:
    serve = required("convsight.studio.serve", "studio", "the studio").serve
    from convsight.studio.opened import calls
    from convsight.studio.session import Studio

    logging.basicConfig(format="%(levelname)s: %(message)s")
    runs = Path(given.runs or "runs").expanduser()
    model = given.model or str(newest_run(runs))
    run = run_of(model)
    if run is not None and given.runs is None:
        runs = run.path.absolute().parent
    refuse_for_run(model, given)
    net = run.classifier if run is not None else classifier(model, given)
    data, is_album = _data(given.data, run, net)
    opened = Studio(
        net, data, run, source=model, runs=runs, data_source=given.data, is_album=is_album,
        calls=calls(net, model, _said(given), given.data, is_album),
    )  # fmt: skip
    about = f"{net.name}, {data.name if data is not None else 'no data set: --data FOLDER gives one'}"
    out.print(f"{run.path if run else model}: {about}", soft_wrap=True, markup=False)
    print_notes(net.notes)
    port = USUAL_PORT if given.port is None else given.port
    serve(
        opened, given.host, port, exact_port=given.port not in (None, 0), browser=not given.no_browser,
        tell=lambda words: out.print(words, soft_wrap=True, markup=False),
    )  # fmt: skip
    return 0


def _said(given: argparse.Namespace) -> dict[str, Any]:
    """The options for MODEL; classes that came from a file are given as that file's path."""
    said = brought(given)
    if given.classes is not None and Path(given.classes).is_file():
        said["classes"] = Path(given.classes)
    return said


def newest_run(runs: Path) -> Path:
    """The finished run in the folder that was made last; DataNotFound says how to make one."""
    finished = [f for f in runs.glob("*") if (f / CONFIG).is_file() and (f / METRICS).is_file()]
    if not finished:
        raise DataNotFound(
            f"there is no finished run in {runs}; `convsight demo` makes one in a minute, or name a network: "
            "convsight studio RUN, convsight studio torchvision:resnet50"
        )
    return max(finished, key=lambda folder: (folder / METRICS).stat().st_mtime)


def _data(source: str | None, run: Run | None, net: Classifier) -> tuple[Dataset | None, bool]:
    """(the data set asked for, or else the run's own if it can be opened; whether it is an unsorted
    folder).
    """
    if source is not None:
        from convsight.datasets import for_network
        from convsight.datasets.album import album, is_album

        folder = Path(source).expanduser()
        return (album(folder, net), True) if is_album(folder) else (for_network(source, net), False)
    if run is None:
        return None, False
    try:
        return run.dataset, False
    except DataNotFound as missing:
        err.print(f"Going on without the run's data set: {missing}", soft_wrap=True, markup=False)
        return None, False
