"""How does a network that convsight did not train become a `Classifier`?"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from convsight.classifier import Classifier
from convsight.errors import ConvsightError, DataNotFound, InputError, MissingExtra, ModelError, closest
from convsight.torchvision_shim import import_torchvision
from convsight.weights import put_weights, read_metadata, read_weights

FORMS = (
    "a run directory, 'torchvision:NAME', 'timm:NAME', 'file.py:function', 'program.pt2', or a network's name"
)


@dataclass
class Brought:
    """A module and what its source says about its input."""

    module: nn.Module
    name: str
    classes: Sequence[str] | None = None
    input_size: tuple[int, int] | None = None
    channels: int | None = None
    mean: Any = None
    std: Any = None
    crop: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)


def load(source: Any, weights: str | Path | None = None, **given: Any) -> Classifier:
    """A classifier from anywhere.

    source: a run directory (`"runs/demo"`), `"torchvision:vgg16"`, `"timm:resnet18"`,
        `"path/to/file.py:function"` (a function that returns the module; it may take the weights' path),
        an exported program `"model.pt2"`, the name of one of our networks (`"vgg16"`), or an `nn.Module`.
    weights: a .safetensors, .pth or .pt file of weights; `"random"` for an untrained torchvision, timm or
        own network. Left out, torchvision and timm fetch their published weights, checked.
    given: `classes`, `input_size`, `channels`, `mean`, `std`, `crop`, `task`, `outputs` override what the
        source says of itself.

    Raises DataNotFound, ModelError or MissingExtra saying what is missing and how to pass it.

    >>> load("lesson-2", weights="random", input_size=28, channels=1).layers["conv2"].output_shape
    (20, 11, 11)
    """
    if isinstance(source, Classifier):
        return source
    if isinstance(source, nn.Module):
        brought = Brought(source, type(source).__name__)
        if weights is not None:
            put_weights(source, read_weights(weights), str(weights))
        return _classifier(brought, given)
    text = str(source)
    if text.startswith("torchvision:"):
        return _classifier(_torchvision(text.partition(":")[2], weights), given)
    if text.startswith("timm:"):
        return _classifier(_timm(text.partition(":")[2], weights), given)
    if re.search(r"\.py:\w+$", text):
        return _classifier(_python_file(text, weights), given)
    path = Path(text).expanduser()
    if path.suffix == ".pt2":
        return _classifier(_exported(path), given)
    if path.is_dir():
        return _run(path, weights, given)
    if path.suffix in (".pth", ".pt", ".safetensors"):
        raise InputError(
            f"{text} holds weights without their network; name the network too: "
            f"load('file.py:function', weights={text!r}), or on the command line --weights"
        )
    return _classifier(_own(text, weights, given), given)


def _run(path: Path, weights: Any, given: dict[str, Any]) -> Classifier:
    from convsight.run import Run

    if weights is not None or given:
        raise InputError(f"{path} is a run, which has its own weights and settings; leave the others out")
    return Run.open(path).classifier


def _classifier(brought: Brought, given: dict[str, Any]) -> Classifier:
    known = ("classes", "input_size", "channels", "mean", "std", "crop", "task", "outputs")
    for name in given:
        if name not in known:
            raise InputError(f"load has no option {name!r}; {closest(name, known)}")
    settings: dict[str, Any] = {name: getattr(brought, name, None) for name in known} | {
        "outputs": (),
        "task": "classify",
    }
    settings |= {name: value for name, value in given.items() if value is not None}
    if settings["channels"] is None:
        settings["channels"] = _first_channels(brought.module)
    return Classifier(brought.module, name=brought.name, **settings)


def _first_channels(module: nn.Module) -> int:
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            return child.in_channels
    return 3


# ---- torchvision -------------------------------------------------------------------------------------------


def _torchvision(name: str, weights: str | Path | None) -> Brought:
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


# ---- timm --------------------------------------------------------------------------------------------------


def _timm(name: str, weights: str | Path | None) -> Brought:
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


# ---- files -------------------------------------------------------------------------------------------------


def _python_file(text: str, weights: str | Path | None) -> Brought:
    path, _, name = text.rpartition(":")
    code = _import_file(Path(path).expanduser())
    function = getattr(code, name, None)
    if not callable(function):
        here = [
            n
            for n, v in vars(code).items()
            if callable(v) and not n.startswith("_") and getattr(v, "__module__", "") == code.__name__
        ]
        raise ModelError(f"{path} has no function {name!r}; {closest(name, here)}")
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
    if weights is not None and not takes_path and str(weights) != "random":
        put_weights(module, read_weights(weights), str(weights))
    return _described(module, Path(path).stem, vars(code), read_metadata(weights))


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


def _exported(path: Path) -> Brought:
    if not path.is_file():
        raise DataNotFound(f"no exported program {path}")
    try:
        program = torch.export.load(path)
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
    module = _free_batch(program, n) if isinstance(n, int) else program.module()
    return Brought(module, path.stem, input_size=(int(height), int(width)), channels=int(channels))


def _free_batch(program: Any, n: int) -> nn.Module:
    """The program with any number of pictures where export fixed it to `n`.

    Export writes the batch size into reshapes; they get −1 there. The result must agree with the original,
    or ModelError says how to export again.
    """
    original, module = program.module(), program.module(check_guards=False)
    for node in module.graph.nodes:
        if node.op != "call_function" or not str(node.target).startswith(("aten.view", "aten.reshape")):
            continue
        shape = tuple(node.meta["val"].shape)
        if shape[:1] == (n,):
            node.args = (node.args[0], [-1, *shape[1:]])
    module.recompile()
    module._forward_pre_hooks.clear()  # the check that the batch is still n
    shape = next(
        v.meta["val"].shape for v in program.graph.nodes if v.name in program.graph_signature.user_inputs
    )
    probe = torch.rand(2 * n, *shape[1:], generator=torch.Generator().manual_seed(0))
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


def _own(name: str, weights: str | Path | None, given: dict[str, Any]) -> Brought:
    from convsight.networks import available, build

    if name not in available():
        raise ModelError(f"no network or run {name!r}; give {FORMS}. {closest(name, available(), 20)}")
    if weights is None:
        raise ModelError(
            f"{name!r} is an architecture without weights: pass weights=FILE, or weights='random'"
        )
    metadata = read_metadata(weights)
    state = None if str(weights) == "random" else read_weights(weights)
    big = name.startswith("vgg")
    size = given.get("input_size") or (224 if big else 28)
    size = (size, size) if isinstance(size, int) else tuple(size)
    channels = given.get("channels") or (3 if big else 1)
    n = (
        len(given.get("classes") or metadata.get("classes") or ())
        or _rows_of_last(state)
        or (1000 if big else 10)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(name, n, channels, size)
    if state is not None:
        put_weights(module, state, str(weights))
    return Brought(
        module, name, metadata.get("classes"), size, channels, metadata.get("mean"), metadata.get("std")
    )  # type: ignore[arg-type]


def _rows_of_last(state: dict[str, Tensor] | None) -> int:
    matrices = [v for v in (state or {}).values() if v.ndim >= 2]
    return matrices[-1].shape[0] if matrices else 0
