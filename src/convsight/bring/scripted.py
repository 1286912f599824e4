"""How does a TorchScript file become a network?"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn

from convsight.bring.brought import Brought
from convsight.errors import DataNotFound, ModelError
from convsight.exporting.program import first_line


def is_script(path: Path) -> bool:
    """Whether a file holds a program of TorchScript, and not only weights."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def from_script(path: Path, _: None = None) -> Brought:
    """The network as `torch.jit.save` wrote it; its Python code is not needed, and none is run."""
    if not path.is_file():
        raise DataNotFound(f"no TorchScript file {path}")
    try:
        with warnings.catch_warnings():
            # TorchScript itself is deprecated; files of it stay.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path} is no network saved by torch.jit.save: {first_line(error)}") from error
    return Brought(module, path.stem, channels=_channels(module))


def _channels(module: nn.Module) -> int:
    """What the first convolution takes: its class is not known here, but its weights are."""
    return next((int(p.shape[1]) for p in module.parameters() if p.ndim == 4), 3)
