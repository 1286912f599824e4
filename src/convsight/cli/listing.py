"""`convsight methods | layers | networks | datasets | doctor`: what is there."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import platform
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from convsight import __version__
from convsight.architectures import available as known_networks
from convsight.cli.console import out, print_json, print_notes, print_table
from convsight.cli.inputs import classifier
from convsight.datasets import available as known_datasets
from convsight.method import Method
from convsight.methods import catalogue, find_method
from convsight.occluding.compiled import why_not


def methods(given: argparse.Namespace, rest: list[str]) -> int:
    if given.name:
        method = find_method(given.name)
        if given.json:
            print_json(_entry(method))
        else:
            describe(method)
        return 0
    if given.json:
        print_json([_entry(entry.method) for entry in catalogue().values()])
        return 0
    rows = [(e.name, e.summary, e.kind, ", ".join(_needs(e.method))) for e in catalogue().values()]
    print_table(("technique", "what you learn", "gives", "needs"), rows)
    return 0


def describe(method: type[Method]) -> None:
    """One technique in full: what it shows, its knobs, its source."""
    out.print(f"[b]{method.title}[/b] (convsight show {method.name})\n")
    out.print(inspect.cleandoc(method.__doc__ or ""), markup=False)
    out.print(
        f"\nneeds:  {', '.join(_needs(method))}\ngives:  {method.kind.__name__}\nsource: {method.source}\n",
        markup=False,
    )
    rows = [
        (f"--{k.name.replace('_', '-')}", str(k.default), " ".join(p for p in (k.range, k.unit) if p), k.help)
        for k in method.knobs()
    ]
    if rows:
        print_table(("knob", "default", "range", "turning it up"), rows)


def layers(given: argparse.Namespace, rest: list[str]) -> int:
    from convsight.methods.architecture import layer_table  # brings matplotlib's figures

    net = classifier(given.model, given)
    print_notes(net.notes)
    table = layer_table(net)
    if given.json:
        print_json([dict(zip(table.columns, row, strict=True)) for row in table.rows])
    else:
        print_table(table.columns, table.rows, table.title)
    return 0


def networks(given: argparse.Namespace, rest: list[str]) -> int:
    _print_known(given, "network", known_networks())
    return 0


def _print_known(given: argparse.Namespace, what: str, known: Mapping[str, str]) -> None:
    if given.json:
        print_json(dict(known))
    else:
        print_table((what, "what it is"), list(known.items()))


def datasets(given: argparse.Namespace, rest: list[str]) -> int:
    _print_known(given, "data set", dict(known_datasets()))
    if not given.json:
        out.print(
            "Or a folder with one folder of pictures per class, a .csv, .parquet or .npz file, hf:FOLDER as save_to_disk "
            "of Hugging Face's datasets writes it, or hf:NAME of its hub."
        )
    return 0


def doctor(given: argparse.Namespace, rest: list[str]) -> int:
    found = {"convsight": __version__, "python": platform.python_version(), "machine": platform.platform()}
    rows: list[tuple[str, Any, str]] = [(name, value, "") for name, value in found.items()]
    rows += [
        (name, metadata.version(name), "") for name in ("torch", "lightning-fabric", "matplotlib", "openTSNE")
    ]
    for module, package, extra in OPTIONAL:
        there = importlib.util.find_spec(module) is not None
        advice = "" if there else f"pip install 'convsight[{extra}]'"
        rows.append((package, metadata.version(package) if there else "not installed", advice))
    rows.append(("processors", f"{os.cpu_count()}, torch uses {torch.get_num_threads()}", ""))
    missing = why_not()  # compiles the kernels, the first time on a machine
    rows.append(("compiled kernels", "none: occlusion is slower" if missing else "ready", missing))
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    rows.append(
        (
            "GPUs",
            ", ".join(devices) or "none",
            "" if devices else "everything works without; it is faster with",
        )
    )
    rows += _places()
    if given.json:
        print_json([dict(zip(("what", "found", "advice"), row, strict=True)) for row in rows])
    else:
        print_table(("what", "found", "how to get it"), rows)
    return 0


OPTIONAL = (
    ("torchvision", "torchvision", "vision"),
    ("timm", "timm", "vision"),
    ("cv2", "opencv-python-headless", "segmentation"),
    ("pyarrow", "pyarrow", "features"),
    ("lancedb", "lancedb", "index"),
    ("qdrant_client", "qdrant-client", "qdrant"),
    ("ray", "ray", "ray"),
    ("umap", "umap-learn", "umap"),
    ("anywidget", "anywidget", "notebook"),
)


def _places() -> list[tuple[str, Any, str]]:
    from platformdirs import user_cache_dir

    own = os.environ.get("CONVSIGHT_DATA")
    cache = Path(user_cache_dir("convsight"))
    rows: list[tuple[str, Any, str]] = [
        (
            "CONVSIGHT_DATA",
            own or "not set",
            "" if own else "a folder that holds fashion-mnist/, if you have one",
        )
    ]
    rows.append(("cache", str(cache), "" if cache.is_dir() else "made with the first download"))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    rows.append(
        ("disk free here", f"{free:.1f} GB", "" if free > 1 else "runs need some 10 MB, VGG-16 half a GB")
    )
    return rows


def _needs(method: type[Method]) -> list[str]:
    return [name if must else f"[{name}]" for name, must in method.needs().items()] or ["nothing"]


def _entry(method: type[Method]) -> dict[str, Any]:
    entry = catalogue()[method.name]
    knobs = [
        {key: value for key, value in vars(k).items() if value not in ("", None, ())} for k in entry.knobs
    ]
    told = {key: value for key, value in vars(entry).items() if key != "method"}
    return told | {"knobs": knobs, "needs": dict(entry.needs)}
