"""How is an audit kept in its run, so that the report shows it and `convsight fix` repeats what it pasted?

audit.json          the verdicts, numbered from 1, in words and numbers; what the user marked as the object
audit.safetensors   their masks, templates and example pictures, named NUMBER.what
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError
from convsight.results.kinds import Pictures, Verdict
from convsight.shortcuts.exposure import Cast, Gain
from convsight.shortcuts.grating import Grating
from convsight.shortcuts.overlay import Overlay
from convsight.shortcuts.patch import Patch
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import Background, Compression, Probe, Region, Sharpness
from convsight.storage import write_atomic, write_json

AUDIT, TENSORS = "audit.json", "audit.safetensors"
PROBES: dict[str, type[Probe]] = {
    probe.__name__: probe
    for probe in (Region, Background, Gain, Cast, Sharpness, Compression, Pattern, Grating, Overlay, Patch)
}


def probe_of(verdict: Verdict) -> Probe | None:
    """The probe that a verdict was measured with, to paste the same aspect again; None if it has none."""
    return rebuilt(verdict.parameters, verdict.tensors)


def rebuilt(parameters: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Probe | None:
    if not parameters:
        return None
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items() if k != "probe"}
    return PROBES[parameters["probe"]](**values, **tensors)


def described(probe: Probe) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A probe as plain numbers and tensors, from which `rebuilt` makes it again."""
    tensors = {name: value for name, value in vars(probe).items() if isinstance(value, Tensor)}
    return {"probe": type(probe).__name__, **probe.numbers()}, tensors


def save_verdicts(folder: str | Path, verdicts: Sequence[Verdict], about: Mapping[str, Any]) -> Path:
    """Write the verdicts into a run's directory; what the user marked as the object stays."""
    folder = Path(folder)
    tensors: dict[str, Tensor] = {}
    rows = []
    for number, verdict in enumerate(verdicts, 1):
        tensors |= {
            f"{number}.{name}": value.clone().contiguous() for name, value in _tensors_of(verdict).items()
        }
        rows.append({"number": number, **_row(verdict)})
    write_atomic(folder / TENSORS, save(tensors or {"empty": torch.zeros(1)}))
    value = {"about": dict(about), "verdicts": rows, "own": owned(folder)}
    return write_json(folder / AUDIT, json.loads(json.dumps(value, default=str)))


def load_verdicts(folder: str | Path) -> list[tuple[dict[str, Any], Probe | None]]:
    """Every verdict's row of `audit.json` and the probe it was measured with, number 1 first.

    Raises DataNotFound if the run was not audited yet.
    """
    stored, tensors = _read(Path(folder))
    found = []
    for row in stored["verdicts"]:
        own = _named(tensors, f"{row['number']}.probe.")
        found.append((row, rebuilt(row["parameters"], own)))
    return found


def read_verdicts(folder: str | Path) -> list[Verdict]:
    """The verdicts of a run's audit as they were, to be shown."""
    stored, tensors = _read(Path(folder))
    return [_verdict(row, _named(tensors, f"{row['number']}.")) for row in stored["verdicts"]]


def audited_weights(folder: str | Path) -> str | None:
    """The hash of the weights that the run's audit was made with; None if there is no audit."""
    path = Path(folder) / AUDIT
    return json.loads(path.read_text())["about"].get("weights") if path.is_file() else None


def owned(folder: str | Path) -> list[dict[str, Any]]:
    """What the user marked as the object's own: class, kind and the rows and columns of the region."""
    path = Path(folder) / AUDIT
    return json.loads(path.read_text()).get("own", []) if path.is_file() else []


def mark_own(folder: str | Path, number: int) -> dict[str, Any]:
    """Remember in the run that what verdict `number` found is the object itself; audits pass over it then."""
    folder = Path(folder)
    stored, tensors = _read(folder)
    rows = {row["number"]: row for row in stored["verdicts"]}
    if number not in rows or not rows[number]["kind"]:
        known = [n for n, row in rows.items() if row["kind"]]
        raise InputError(f"no verdict {number} to mark; {folder} has {', '.join(map(str, known)) or 'none'}")
    row = rows[number]
    region = tensors.get(f"{number}.region")
    own = {
        "target": row["target"],
        "kind": row["kind"],
        "region": None if region is None else region.nonzero().tolist(),
    }
    if own not in stored["own"]:
        stored["own"].append(own)
    write_json(folder / AUDIT, stored)
    return own


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not (folder / AUDIT).is_file():
        raise DataNotFound(f"{folder} has no {AUDIT}; `convsight audit {folder}` makes it")
    try:
        return json.loads((folder / AUDIT).read_text()), load_file(folder / TENSORS)
    except (OSError, ValueError) as error:
        raise DataError(f"the audit in {folder} cannot be read ({error}); audit again") from error


def _tensors_of(verdict: Verdict) -> dict[str, Tensor]:
    named = {f"probe.{name}": value for name, value in verdict.tensors.items()}
    for name in ("region", "marks"):
        if getattr(verdict, name) is not None:
            named[name] = getattr(verdict, name)
    if verdict.examples is not None:
        named["examples"] = (verdict.examples.images * 255).round().to(torch.uint8)
    return named


def _row(verdict: Verdict) -> dict[str, Any]:
    row = {name: getattr(verdict, name) for name in (*Verdict.numbers, "title", "caption", "notes")}
    shown = verdict.examples
    if shown is not None:
        names = ("captions", "columns", "row_labels", "headings", "right")
        row["gallery"] = {name: getattr(shown, name) for name in names}
    return row


def _verdict(row: dict[str, Any], tensors: dict[str, Tensor]) -> Verdict:
    gallery = row.get("gallery")
    examples = None
    if gallery:
        words: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in gallery.items()}
        examples = Pictures(images=tensors["examples"].float() / 255, **words)
    known: dict[str, Any] = {name: row[name] for name in (*Verdict.numbers, "title", "caption", "notes")}
    for name in ("interval", "carriers", "notes", "accuracy"):
        known[name] = tuple(known[name]) if known[name] is not None else None
    return Verdict(
        **known, region=tensors.get("region"), marks=tensors.get("marks"), examples=examples,
        tensors=_named(tensors, "probe."),
    )  # fmt: skip


def _named(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
