"""How does a network become a file that other programs run, with its answers unchanged?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convsight.errors import InputError
from convsight.exporting.onnx import OPSET, Exported, to_onnx
from convsight.exporting.program import to_program
from convsight.exporting.tensors import to_safetensors
from convsight.exporting.usage import usage
from convsight.network.classifier import Classifier
from convsight.storage import write_atomic

__all__ = ["OPSET", "SUFFIXES", "Exported", "export", "to_onnx", "to_program", "to_safetensors", "usage"]

SUFFIXES = (".onnx", ".pt2", ".safetensors")


def export(net: Classifier, path: str | Path, *, layers: Sequence[str] = (), half: bool = False) -> Path:
    """Write the network to `path`, whole or not at all; the ending decides what it is.

    .onnx: runs anywhere (`to_onnx`; `layers` are further outputs, `half` stores weights as float16). .pt2: a PyTorch
    program that needs no Python code of the network (`to_program`). .safetensors: the weights alone, with what prepares
    pictures in the header (`to_safetensors`). Of the first two pictures in [0, 1] go in and `net.scores` come out.

    Raises InputError for another ending, MissingExtra, ModelError (a network that cannot be written so), StorageError.
    """
    path = Path(path).expanduser()
    if path.suffix not in SUFFIXES:
        raise InputError(f"a network is exported as {', '.join(SUFFIXES)}, not as {path.name!r}")
    if path.suffix != ".onnx" and (layers or half):
        raise InputError("layers as outputs and weights in half the room are for .onnx files")
    if path.suffix == ".onnx":
        return to_onnx(net, layers=layers, half=half).save(path)
    return write_atomic(path, to_program(net) if path.suffix == ".pt2" else to_safetensors(net))
