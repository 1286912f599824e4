"""How is an audit kept in its run, so that the report shows it and `convsight fix` repeats what it pasted?

audit.json   the verdicts, numbered from 1, in words and numbers; what the user marked as the object
audit.npz    the same verdicts whole, as the parts of a table: `convsight.open_result` reads them
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError
from convsight.results.files import open_result
from convsight.results.kinds import Table, Verdict
from convsight.shortcuts.exposure import Cast, Gain
from convsight.shortcuts.grating import Grating
from convsight.shortcuts.overlay import Overlay
from convsight.shortcuts.patch import Patch
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import Background, Compression, Probe, Region, Sharpness
from convsight.shortcuts.surroundings import Surroundings
from convsight.storage import write_json

AUDIT, WHOLE = "audit.json", "audit.npz"
PROBES: dict[str, type[Probe]] = {
    probe.__name__: probe
    for probe in (
        Region,
        Background,
        Gain,
        Cast,
        Sharpness,
        Compression,
        Pattern,
        Grating,
        Overlay,
        Patch,
        Surroundings,
    )
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
    rows = [{"number": number, **_row(verdict)} for number, verdict in enumerate(verdicts, 1)]
    value = {"about": dict(about), "verdicts": rows, "own": owned(folder)}
    table = tuple((row["number"], row["found"], row["sentence"]) for row in rows)
    Table(
        title="What the network leans on", columns=("number", "found", "verdict"), rows=table, parts=tuple(verdicts)
    ).save(folder / WHOLE)  # fmt: skip
    return write_json(folder / AUDIT, json.loads(json.dumps(value, default=str)))


def load_verdicts(folder: str | Path) -> list[tuple[dict[str, Any], Probe | None]]:
    """Every verdict's row of `audit.json` and the probe it was measured with, number 1 first.

    Raises DataNotFound if the run was not audited yet.
    """
    verdicts = enumerate(read_verdicts(folder), 1)
    return [({"number": number, **_row(verdict)}, probe_of(verdict)) for number, verdict in verdicts]


def read_verdicts(folder: str | Path) -> list[Verdict]:
    """The verdicts of a run's audit exactly as they were.

    Raises DataNotFound if the run was not audited yet, DataError if the audit is damaged.
    """
    folder = Path(folder)
    _stored(folder)
    try:
        parts = open_result(folder / WHOLE).parts
    except (DataError, DataNotFound) as error:
        raise DataError(f"the audit in {folder} cannot be read; audit again. {error}") from error
    return [part for part in parts if isinstance(part, Verdict)]


def audited_weights(folder: str | Path) -> str | None:
    """The hash of the weights that the run's audit was made with; None if there is no audit."""
    return audited_with(folder).get("weights")


def audited_with(folder: str | Path) -> dict[str, Any]:
    """Data, split, weights, seed and the folder of masks that the run's audit was made with; empty without one."""
    path = Path(folder) / AUDIT
    return json.loads(path.read_text())["about"] if path.is_file() else {}


def owned(folder: str | Path) -> list[dict[str, Any]]:
    """What the user marked as the object's own: class, kind and the rows and columns of the region."""
    path = Path(folder) / AUDIT
    return json.loads(path.read_text()).get("own", []) if path.is_file() else []


def mark_own(folder: str | Path, number: int) -> dict[str, Any]:
    """Remember in the run that what verdict `number` found is the object itself; audits pass over it then."""
    folder = Path(folder)
    stored, verdicts = _stored(folder), read_verdicts(folder)
    rows = {row["number"]: row for row in stored["verdicts"]}
    if number not in rows or not rows[number]["kind"]:
        known = [n for n, row in rows.items() if row["kind"]]
        raise InputError(f"no verdict {number} to mark; {folder} has {', '.join(map(str, known)) or 'none'}")
    row = rows[number]
    region = verdicts[number - 1].region
    own = {
        "target": row["target"],
        "kind": row["kind"],
        "region": None if region is None else region.nonzero().tolist(),
    }
    if own not in stored["own"]:
        stored["own"].append(own)
    write_json(folder / AUDIT, stored)
    return own


def _stored(folder: Path) -> dict[str, Any]:
    """What is in `audit.json`."""
    if not (folder / AUDIT).is_file():
        raise DataNotFound(f"{folder} has no {AUDIT}; `convsight audit {folder}` makes it")
    try:
        return json.loads((folder / AUDIT).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"the audit in {folder} cannot be read ({error}); audit again") from error


def _row(verdict: Verdict) -> dict[str, Any]:
    """A verdict in words and numbers, without its pictures."""
    return {name: getattr(verdict, name) for name in (*Verdict.numbers, "title", "caption", "notes")}
