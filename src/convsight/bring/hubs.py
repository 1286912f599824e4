"""How do torchvision's and timm's networks come, with their own classes and normalisation?"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from convsight.bring.brought import Brought
from convsight.bring.heads import adapt
from convsight.bring.hub_reach import hub_asked_once
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import ModelError, check_known, closest, required
from convsight.network.checkpoint import Checkpoint
from convsight.network.class_names import LARGE, last_rows, timm_names
from convsight.network.weights import put_weights, read_checkpoint


def from_torchvision(name: str, weights: str | Path | None) -> Brought:
    models = import_torchvision().models
    known = models.list_models(module=models)
    check_known(name, known, f"torchvision has no classifier {name!r}", error=ModelError)
    published = models.get_model_weights(name).DEFAULT
    preset = published.transforms()
    module, notes = models.get_model(name, weights=None), ()
    if str(weights) != "random":
        notes = _fill_torchvision(module, name, weights, published)
    classes = published.meta["categories"]
    channels = first_channels(module)
    mean, std, words = for_channels(list(preset.mean), list(preset.std), channels)
    return Brought(
        module,
        name,
        classes=classes if last_rows(module) == len(classes) else None,
        input_size=(preset.crop_size[0], preset.crop_size[0]),
        channels=channels,
        mean=mean,
        std=std,
        crop=min(1.0, preset.crop_size[0] / preset.resize_size[0]),
        notes=(*notes, *words),
    )


def _fill_torchvision(
    module: nn.Module, name: str, weights: str | Path | None, published: Any
) -> tuple[str, ...]:
    if weights is None:
        checkpoint = Checkpoint(Path(name), {"": _published_torchvision(name, published)})
    else:
        checkpoint = read_checkpoint(weights)
    notes = adapt(module, checkpoint, name)
    notes += put_weights(module, checkpoint, f"the weights for {name}" if weights is None else str(weights))
    if hasattr(module, "transform_input"):  # GoogLeNet and Inception come from another framework
        module.transform_input = True  # type: ignore[assignment]
        notes += (f"{name} converts its input as its published weights need (transform_input).",)
    return notes


def first_channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; 3 where there is none."""
    return next((child.in_channels for child in module.modules() if isinstance(child, nn.Conv2d)), 3)


def for_channels(mean: list[float], std: list[float], channels: int) -> tuple[Any, Any, tuple[str, ...]]:
    """The normalisation for a stem of another number of channels: grey, or anything else, gets the average."""
    if channels == len(mean):
        return mean, std, ()
    one, other = sum(mean) / len(mean), sum(std) / len(std)
    words = (
        f"It takes {channels} channel{'s' if channels > 1 else ''}: mean {one:.3f} and std {other:.3f}, the averages "
        "of the three published ones, were taken; mean= and std= give yours."
    )
    return one, other, (words,)


def _published_torchvision(name: str, published: Any) -> dict[str, Tensor]:
    try:
        return dict(published.get_state_dict(check_hash=True, progress=sys.stderr.isatty()))
    except (OSError, RuntimeError) as error:
        file = published.url.rpartition("/")[2]
        raise ModelError(
            f"the published weights of {name} could not be fetched ({error}). Get {published.url} where there is a "
            f"network, and pass the file: --weights {file} (in Python weights={file!r}), or random for none"
        ) from error


def from_timm(name: str, weights: str | Path | None) -> Brought:
    import_torchvision()
    timm = required("timm", "vision", "a network from timm")
    if not timm.is_model(name.split(".")[0]):
        raise ModelError(f"timm has no network {name!r}", given=name, works=closest(name, timm.list_models()))
    module, notes = _timm_module(timm, name, weights)
    config = module.pretrained_cfg
    channels, height, width = config["input_size"]
    channels = first_channels(module) if notes else channels
    mean, std, words = for_channels(list(config["mean"]), list(config["std"]), channels)
    return Brought(
        module,
        name,
        classes=_timm_classes(module),
        input_size=(height, width),
        channels=channels,
        mean=mean,
        std=std,
        crop=config.get("crop_pct") or 1.0,
        notes=(*notes, *words),
    )


def _timm_module(timm: ModuleType, name: str, weights: str | Path | None) -> tuple[Any, tuple[str, ...]]:
    if weights is None:
        try:
            with hub_asked_once():
                return timm.create_model(name, pretrained=True), ()
        except Exception as error:  # the hub client raises many kinds; each means: not to be had from here
            raise ModelError(
                f"the published weights of timm:{name} could not be fetched ({type(error).__name__}). Get "
                f"{_timm_file(timm, name)} where there is a network, and pass the file: --weights FILE (in Python "
                "weights='FILE'), or random for none"
            ) from error
    module = timm.create_model(name, pretrained=False)
    if str(weights) == "random":
        return module, ()
    checkpoint = read_checkpoint(weights)
    notes = adapt(module, checkpoint, name)
    return module, (*notes, *put_weights(module, checkpoint, str(weights)))


def _timm_file(timm: ModuleType, name: str) -> str:
    """Where the published weights of a network of timm's lie."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return "them" if config is None or not config.url else str(config.url)
    return f"model.safetensors of {config.hf_hub_id} on the Hugging Face hub"


def _timm_classes(module: Any) -> tuple[str, ...] | None:
    """ImageNet's names, for a network with as many outputs as one of its sets has classes."""
    heads = module.get_classifier()
    head = heads[0] if isinstance(heads, (tuple, list)) else heads
    weight = next((p for p in head.parameters() if p.ndim >= 2), None)
    subset = {1000: "imagenet1k", **LARGE}.get(module.num_classes if weight is None else weight.shape[0])
    return None if subset is None else timm_names(subset)
