"""How do torchvision's and timm's networks come, with their own classes and normalisation?"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from convsight.bring.brought import Brought
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import MissingExtra, ModelError, closest
from convsight.network.weights import put_weights, read_weights


def from_torchvision(name: str, weights: str | Path | None) -> Brought:
    models = import_torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise ModelError(f"torchvision has no classifier {name!r}; {closest(name, known)}")
    published = models.get_model_weights(name).DEFAULT
    preset = published.transforms()
    module = models.get_model(name, weights=None)
    if str(weights) != "random":
        state = _published_torchvision(name, published) if weights is None else read_weights(weights)
        module = _with_classes(lambda n: models.get_model(name, weights=None, num_classes=n), module, state)
        put_weights(module, state, f"the weights for {name}")
    classes = published.meta["categories"]
    return Brought(
        module,
        name,
        classes=classes if _outputs(module) == len(classes) else None,
        input_size=(preset.crop_size[0], preset.crop_size[0]),
        channels=3,
        mean=list(preset.mean),
        std=list(preset.std),
        crop=min(1.0, preset.crop_size[0] / preset.resize_size[0]),
    )


def _published_torchvision(name: str, published: Any) -> dict[str, Tensor]:
    try:
        return dict(published.get_state_dict(check_hash=True, progress=sys.stderr.isatty()))
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"the published weights of {name} could not be fetched ({error}). Get {published.url} where "
            f"there is a network and pass weights={published.url.rpartition('/')[2]!r}; or weights='random'"
        ) from error


def _with_classes(make: Callable[[int], nn.Module], module: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """The network with as many outputs as the weights have: a fine-tuned head of another size."""
    own = module.state_dict()
    last = next((n for n in reversed(list(own)) if own[n].ndim >= 2), None)
    found = next((state[n] for n in state if last is not None and n.endswith(last)), None)
    if (
        last is None
        or found is None
        or found.shape == own[last].shape
        or found.shape[1:] != own[last].shape[1:]
    ):
        return module
    return make(found.shape[0])


def _outputs(module: nn.Module) -> int:
    shapes = [p.shape for p in module.parameters() if p.ndim >= 2]
    return shapes[-1][0] if shapes else 0


def from_timm(name: str, weights: str | Path | None) -> Brought:
    import_torchvision()
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise MissingExtra("timm", "vision", "a network from timm") from error
    if not timm.is_model(name.split(".")[0]):
        raise ModelError(f"timm has no network {name!r}; {closest(name, timm.list_models())}")
    module = _timm_module(timm, name, weights)
    config = module.pretrained_cfg
    channels, height, width = config["input_size"]
    return Brought(
        module,
        name,
        classes=_timm_classes(module),
        input_size=(height, width),
        channels=channels,
        mean=list(config["mean"]),
        std=list(config["std"]),
        crop=config.get("crop_pct") or 1.0,
    )


def _timm_module(timm: ModuleType, name: str, weights: str | Path | None) -> Any:
    if weights is None:
        try:
            return timm.create_model(name, pretrained=True)
        except Exception as error:  # the hub client raises many kinds; each means: not to be had from here
            raise ModelError(
                f"the published weights of timm:{name} could not be fetched ({type(error).__name__}). Get "
                f"huggingface.co/timm/{name} where there is a network and pass the file with weights=...; "
                "or weights='random'"
            ) from error
    module = timm.create_model(name, pretrained=False)
    if str(weights) != "random":
        state = read_weights(weights)
        module = _with_classes(
            lambda n: timm.create_model(name, pretrained=False, num_classes=n), module, state
        )
        put_weights(module, state, str(weights))
    return module


def _timm_classes(module: Any) -> list[str] | None:
    from timm.data import ImageNetInfo  # type: ignore[import-not-found]

    if module.num_classes != 1000:
        return None
    info = ImageNetInfo()
    return [info.index_to_description(i).split(",")[0] for i in range(1000)]
