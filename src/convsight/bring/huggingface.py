"""How does an image classifier come from Hugging Face's hub, or from a folder that `save_pretrained` wrote?"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from convsight.bring.brought import Brought
from convsight.bring.hub_reach import hub_asked_once
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import ConvsightError, DataNotFound, MissingExtra, ModelError, required
from convsight.exporting.program import first_line
from convsight.network.tasks import PROBLEM_TYPES
from convsight.network.weights import put_weights, read_checkpoint

PROCESSOR = "preprocessor_config.json"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def from_huggingface(name: str, weights: str | Path | None) -> Brought:
    """Any `AutoModelForImageClassification`, with its classes, its size, crop and normalisation."""
    transformers = _transformers()
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if not local and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise DataNotFound(
            f"no folder {name}; hf: takes a folder that save_pretrained wrote, or a hub's NAME"
        )
    module, notes = _module(transformers, str(folder) if local else name, weights)
    config = module.config
    said = _processor(transformers, str(folder) if local else name)
    size, crop, words = _size(said, config)
    mean, std = _normalisation(said)
    return Brought(
        module,
        folder.name if local else name.rpartition("/")[2],
        classes=_classes(config),
        input_size=size,
        channels=getattr(config, "num_channels", 3),
        mean=mean,
        std=std,
        crop=crop,
        notes=(*notes, *words),
        task=PROBLEM_TYPES.get(getattr(config, "problem_type", None) or ""),
    )


def is_pretrained(folder: Path) -> bool:
    """Whether `save_pretrained` wrote the folder: its config.json names an architecture."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, Mapping) and "architectures" in said


def _transformers() -> ModuleType:
    with contextlib.suppress(MissingExtra):  # transformers looks for torchvision, which must then work
        import_torchvision()
    return required("transformers", "hf", "a network from Hugging Face")


def _module(transformers: ModuleType, name: str, weights: Any) -> tuple[nn.Module, tuple[str, ...]]:
    auto = transformers.AutoModelForImageClassification
    if weights is None:
        return _fetched(lambda: auto.from_pretrained(name), name), ()
    config = _fetched(lambda: transformers.AutoConfig.from_pretrained(name), name)
    module = auto.from_config(config).eval()
    if str(weights) == "random":
        return module, ()
    return module, put_weights(module, read_checkpoint(weights), str(weights))


def _fetched(get: Any, name: str) -> Any:
    """What transformers answers; ModelError in place of the many errors that it, its hub and its parsers raise."""
    hub = importlib.import_module("transformers.utils.logging")
    before = hub.get_verbosity()
    hub.set_verbosity_error()
    hub.disable_progress_bar()
    try:
        with nullcontext() if Path(name).is_dir() else hub_asked_once():
            return get()
    except ConvsightError:
        raise
    except Exception as error:
        raise ModelError(f"hf:{name} could not be loaded ({first_line(error)}). {_way_out(name)}") from error
    finally:
        hub.set_verbosity(before)


def _way_out(name: str) -> str:
    if Path(name).is_dir():
        return (
            "The folder needs config.json and model.safetensors as save_pretrained writes them, of a model for "
            "image classification"
        )
    offline = "offline mode is on; " if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"{offline}Without a network: AutoModelForImageClassification.from_pretrained({name!r})"
        ".save_pretrained(FOLDER) where there is one, with the image processor beside it, and load('hf:FOLDER')"
    )


def _classes(config: Any) -> Mapping[Any, str] | None:
    """The names in `id2label`, unless they are the LABEL_0 that transformers makes up."""
    names = dict(config.id2label or {})
    made_up = all(str(name) == f"LABEL_{number}" for number, name in names.items())
    return None if made_up else names


def _processor(transformers: ModuleType, name: str) -> dict[str, Any]:
    """What preprocessor_config.json says, {} if there is none."""
    folder = Path(name)
    if folder.is_dir():
        file = next((f for f in (folder / PROCESSOR, folder / "processor_config.json") if f.is_file()), None)
        said = json.loads(file.read_text(encoding="utf-8")) if file else {}
        return said.get("image_processor", said)
    try:
        with hub_asked_once():
            return transformers.AutoImageProcessor.from_pretrained(name).to_dict()
    except Exception:  # a network without a processor is still a network; what is missing is said
        return {}


def _size(said: Mapping[str, Any], config: Any) -> tuple[tuple[int, int], float, tuple[str, ...]]:
    """Input size, the share of the resized picture that the crop keeps, and what was guessed."""
    resized, cropped = _pair(said.get("size")), _pair(said.get("crop_size"))
    if said.get("do_center_crop", cropped is not None) and cropped is not None:
        ratio = min(1.0, min(cropped) / min(resized)) if resized else 1.0
        return cropped, _share(said, ratio), ()
    if resized is not None and said.get("do_resize", True):
        return resized, _share(said, 1.0), ()
    inside = _pair(getattr(config, "image_size", None))
    if inside is not None:
        return inside, 1.0, ()
    return (224, 224), 1.0, ("Its input size is not said; 224×224 was taken (input_size=... for another).",)


def _share(said: Mapping[str, Any], ratio: float) -> float:
    """ConvNeXt's processor keeps `crop_pct` of pictures below 384 pixels."""
    share = said.get("crop_pct")
    size = _pair(said.get("size"))
    return float(share) if share and size and min(size) < 384 else ratio


def _pair(size: Any) -> tuple[int, int] | None:
    """(height, width) of {"height": 224, "width": 224}, {"shortest_edge": 224}, 224 or (224, 224)."""
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = (edge, edge) if edge else (size.get("height"), size.get("width"))
    if isinstance(size, (list, tuple)):
        return (int(size[0]), int(size[-1])) if all(size) else None
    return (int(size), int(size)) if size else None


def _normalisation(said: Mapping[str, Any]) -> tuple[Any, Any]:
    """Mean and std in units of [0, 1] pictures, with the processor's own rescaling in them."""
    mean, std = (0.0,), (1.0,)
    if said.get("do_normalize", "image_mean" in said):
        mean = said.get("image_mean") or IMAGENET_MEAN
        std = said.get("image_std") or IMAGENET_STD
    scale = 255 * float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 255.0
    if tuple(mean) == (0.0,) and tuple(std) == (1.0,) and abs(scale - 1) < 1e-6:
        return None, None
    shift = -1.0 if said.get("offset") else 0.0  # EfficientNet's pictures lie in [-1, 1] before this
    mean = [(m - shift) / scale for m in mean]
    std = [s / scale for s in std]
    return (mean[0], std[0]) if len(mean) == 1 else (mean, std)
