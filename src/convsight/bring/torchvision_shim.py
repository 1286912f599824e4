"""How does torchvision import when its compiled operators do not match this torch?

A CPU-only torch beside a torchvision built for CUDA fails on import with "operator torchvision::nms does not
exist": the compiled library cannot load, and torchvision then describes operators that nobody declared.
Declaring the two schemas first lets everything but box suppression work, and classifiers need no boxes.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

from convsight.errors import required

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []  # the schemas live as long as the object that declared them


def import_torchvision() -> ModuleType:
    """The torchvision package, with its operators declared if the compiled library does not fit.

    Raises MissingExtra when torchvision is not installed.
    """
    try:
        return required("torchvision", "vision", "a network from torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
    if not _libraries:
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        _libraries.append(library)
    return importlib.import_module("torchvision")
