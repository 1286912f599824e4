"""`convsight export`: a network as a file for other programs, with a model card beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from convsight.cli.console import err, out, print_notes
from convsight.cli.inputs import classifier, run_of
from convsight.errors import InputError
from convsight.exporting import SUFFIXES, export, usage
from convsight.report.card import model_card
from convsight.storage import write_atomic


def run(given: argparse.Namespace, rest: list[str]) -> int:
    path = Path(given.out).expanduser()
    if path.suffix not in SUFFIXES:
        raise InputError(f"-o {given.out}: name a file that ends in {', '.join(SUFFIXES)}")
    net = classifier(given.model, given)
    print_notes(net.notes)
    layers = given.layers.split(",") if given.layers else ()
    with err.status(f"Writing {path.name} ..."):
        export(net, path, layers=layers, half=given.half)
    opened = run_of(given.model)
    source, fit = given.model, "crop"
    if opened is not None:
        network = opened.config["network"]
        source, fit = (
            network.get("source") or network["name"],
            opened.config["data"]["options"].get("fit", "crop"),
        )
    lines = usage(net, path.name, path.suffix, _without_folders(source), fit)
    size = path.stat().st_size / 1e6
    out.print(
        f"{path} ({size:,.1f} MB): {'×'.join(map(str, (net.channels, *net.input_size)))} in [0, 1] → {net.answers}",
        soft_wrap=True,
    )
    if opened is not None and given.card:
        card = path.with_name(f"{path.stem}.card.md")
        write_atomic(card, model_card(opened, lines, f"This file: `{path.name}`, {size:,.1f} MB."))
        out.print(f"{card}: the model card (README.md in a hub's folder)", soft_wrap=True)
    out.print(f"\n{lines}", markup=False, highlight=False, soft_wrap=True)
    if path.suffix == ".safetensors" and _without_folders(source) != source:
        out.print(
            f"The code of the network is {source}: run this beside it.", highlight=False, soft_wrap=True
        )
    return 0


def _without_folders(source: str) -> str:
    """A Python file by its name alone, since the lines are also in the model card, which is read elsewhere."""
    return Path(source).name if ".py:" in source else source
