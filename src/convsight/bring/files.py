"""How does a network come from a Python file or an exported program?"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from convsight.bring.brought import Brought
from convsight.bring.heads import adapt
from convsight.errors import ConvsightError, DataNotFound, ModelError, closest
from convsight.exporting.program import SAYS
from convsight.network.weights import exported_settings, put_weights, read_checkpoint, read_metadata


def from_python_file(text: str, weights: str | Path | None) -> Brought:
    path, _, name = text.rpartition(":")
    code = _import_file(Path(path).expanduser())
    function = getattr(code, name, None)
    if not callable(function):
        here = [
            n
            for n, v in vars(code).items()
            if callable(v) and not n.startswith("_") and getattr(v, "__module__", "") == code.__name__
        ]
        raise ModelError(f"{path} has no function {name!r}", given=name, works=closest(name, here))
    takes_path = any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(function).parameters.values()
    )
    if takes_path and weights is None:
        raise ModelError(f"{text} needs an argument, the weights' file: pass weights=... (--weights FILE)")
    if takes_path and not Path(weights or "").expanduser().is_file():
        raise DataNotFound(f"no weights file {weights}")
    try:
        module = function(str(weights)) if takes_path else function()
    except ConvsightError:
        raise
    except Exception as error:
        raise ModelError(f"{text} raised {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"{text} must return a torch.nn.Module; it returned a {type(module).__name__}")
    described = _described(module, Path(path).stem, vars(code), read_metadata(weights))
    if weights is not None and not takes_path and str(weights) != "random":
        checkpoint = read_checkpoint(weights)
        built = adapt(module, checkpoint, name) if exported_settings(weights) else ()
        described.notes = (*built, *put_weights(module, checkpoint, str(weights)))
    return described


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DataNotFound(f"no Python file {path}")
    place = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    unique = f"convsight_brought_{path.stem}_{place}"
    spec = importlib.util.spec_from_file_location(unique, path)
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[unique] = code  # dataclasses and pickling look their module up by name
    try:
        spec.loader.exec_module(code)
    except Exception as error:
        del sys.modules[unique]
        raise ModelError(f"{path} could not be imported: {type(error).__name__}: {error}") from error
    return code


def _described(module: nn.Module, name: str, constants: dict[str, Any], metadata: dict[str, Any]) -> Brought:
    """CLASSES, MEAN, STD and INPUT_SIZE of the file, or classes, mean, std and input of the weights."""

    def said(key: str, word: str) -> Any:
        value = constants.get(key)
        value = metadata.get(word) if value is None else value
        return value.flatten().tolist() if isinstance(value, Tensor) else value

    size, channels = said("INPUT_SIZE", "input"), constants.get("CHANNELS")
    shape = [int(n) for n in re.findall(r"\d+", str(size))] if size is not None else []
    if len(shape) >= 3 and shape[0] in (1, 3):  # "3x224x224"
        channels, shape = channels or shape[0], shape[1:3]
    return Brought(
        module,
        name,
        classes=said("CLASSES", "classes"),
        input_size=(shape[0], shape[-1]) if shape else None,
        channels=channels,
        mean=said("MEAN", "mean"),
        std=said("STD", "std"),
    )


def from_program(path: Path) -> Brought:
    if not path.is_file():
        raise DataNotFound(f"no exported program {path}")
    said = {SAYS: ""}
    try:
        program = torch.export.load(path, extra_files=said)
    except Exception as error:
        raise ModelError(f"{path} is no program saved by torch.export.save: {error}") from error
    values = [
        n.meta["val"]
        for n in program.graph.nodes
        if n.op == "placeholder" and n.name in program.graph_signature.user_inputs
    ]
    if len(values) != 1 or values[0].ndim != 4:
        raise ModelError(
            f"{path} takes {len(values)} inputs; a classifier takes one batch of pictures n c h w"
        )
    n, channels, height, width = values[0].shape
    module = _free_batch(program, values[0].shape) if isinstance(n, int) else program.module()
    about = json.loads(said[SAYS] or "{}")
    return Brought(
        module,
        path.stem,
        classes=about.get("classes"),
        input_size=(int(height), int(width)),
        channels=int(channels),
        task=about.get("task"),
        crop=about.get("crop", 1.0),
    )


def _free_batch(program: Any, input_shape: Sequence[int]) -> nn.Module:
    """The program with any number of pictures where export fixed it to the first of `input_shape`.

    Export writes the batch size into reshapes; they get −1 there. The result must agree with the original,
    or ModelError says how to export again.
    """
    n = input_shape[0]
    original, module = program.module(), program.module(check_guards=False)
    for node in module.graph.nodes:
        if node.op != "call_function" or not str(node.target).startswith(("aten.view", "aten.reshape")):
            continue
        shape = tuple(node.meta["val"].shape)
        if shape[:1] == (n,):
            node.args = (node.args[0], [-1, *shape[1:]])
    module.recompile()
    module._forward_pre_hooks.clear()  # the check that the batch is still n
    probe = torch.rand(2 * n, *input_shape[1:], generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            agrees = torch.allclose(module(probe)[n:], original(probe[n:]), atol=1e-4)
    except (RuntimeError, AssertionError):
        agrees = False
    if not agrees:
        raise ModelError(
            f"this program was exported for exactly {n} pictures at a time; export it again with "
            "dynamic_shapes={'x': {0: torch.export.Dim('n')}} (x: the name of forward's argument)"
        )
    return module
