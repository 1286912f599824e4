"""How do weights get from a file into a network, safely and with errors a person can act on?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from convsight.network.checkpoint import Checkpoint, aliases, fitted
from convsight.network.checkpoint_file import held_in, state_dicts

MADE_BY = "made_by"  # in the header of a .safetensors file: who wrote it


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The tables of tensors in a .safetensors, .pth, .pt, .bin or .ckpt file; pickled code is never run.

    `FILE#NAME` asks for one of several: `last.ckpt#model`, `best.pth#state_dict_ema`.

    Raises DataNotFound, or ModelError if the file is damaged or holds something else.
    """
    file, asked = Path(path).expanduser(), ""
    if not file.is_file() and "#" in str(path):
        before, _, asked = str(path).rpartition("#")
        file = Path(before).expanduser()
    return Checkpoint(file, state_dicts(held_in(file), file), asked)


def read_metadata(path: str | Path | None) -> dict[str, Any]:
    """What a .safetensors file says of itself, JSON values decoded: mean, std, classes, input."""
    if path is None or Path(path).suffix != ".safetensors" or not Path(path).is_file():
        return {}
    try:
        with safe_open(str(path), "pt") as file:
            words = file.metadata() or {}
    except SafetensorError:  # reading its weights says so in words
        return {}
    found: dict[str, Any] = {}
    for name, text in words.items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def exported_settings(path: str | Path | None) -> dict[str, Any]:
    """How a network was prepared whose weights convsight exported to this file; empty for any other file.

    The arguments of `Classifier`: classes, task, input_size, channels, crop, mean, std.
    """
    said = read_metadata(path)
    if MADE_BY not in said:
        return {}
    channels, height, width = (int(n) for n in str(said["input"]).split("x"))
    found = {name: said[name] for name in ("classes", "task", "crop", "mean", "std") if name in said}
    return {**found, "classes": tuple(said["classes"]), "input_size": (height, width), "channels": channels}


def put_weights(module: nn.Module, state: Mapping[str, Tensor] | Checkpoint, where: str) -> tuple[str, ...]:
    """Load `state`, or the part of a checkpoint that is this network's, into `module`; notes say what was chosen.

    Prefixes that trainers put before the names (Lightning's attribute, `module.`, `_orig_mod.`) are taken off, and
    losses, metrics and other networks beside it left out. Raises ModelError naming what is missing, unknown or of
    another shape.
    """
    own = module.state_dict()
    checkpoint = state if isinstance(state, Checkpoint) else Checkpoint(Path(where), {"": state})
    names = aliases(list(own), checkpoint.tables)
    wanted = {name: own[whole] for name, whole in names.items()}
    part, chosen = checkpoint.part_for(wanted)
    taken, left_out = fitted(part, wanted, where)
    module.load_state_dict({names[name]: tensor for name, tensor in taken.items()}, strict=False)
    return (*chosen, *left_out)
