"""Is every technique right on every network: all torchvision classifiers and one of every timm module?

    python benchmarks/zoo.py [--quick] [--json FILE] [--state FILE] [--only NAME ...] [--seconds N] [--page FILE]

Weights are random with fixed seeds, heads and gates that start at zero are made live, and batch norms have the
statistics of noise. What a technique answers is compared with plain PyTorch written here: the network itself, autograd,
guided backpropagation by hooks, a class activation map by hand, the dense occlusion loop, forward hooks. It is right,
refused in words, wrong or crashed. Networks that are done stay in the `--state` file, so that a run may be stopped and
gone on with. `--page` writes the table of docs/zoo.md.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import platform
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision

torchvision = import_torchvision()
TECHNIQUES = (
    "load",
    "layers",
    "saliency",
    "guided",
    "gradcam",
    "occlusion",
    "features",
    "maps",
    "architecture",
    "state",
)
SMALL = 96  # pixels: tried first, for time; else the network's own size
QUICK = (
    "torchvision:resnet18", "torchvision:mobilenet_v3_small", "torchvision:swin_t", "torchvision:vit_b_16", "timm:test_vit",
    "timm:test_convnext", "timm:mvitv2_tiny", "timm:coat_tiny", "timm:hiera_tiny_224", "timm:mixer_s32_224",
)  # fmt: skip
TOLERANCE = 2e-3  # of the largest value: deep float32 networks round
RECTIFIERS = {
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "selu", "celu", "gelu", "silu", "mish",
    "hardswish", "softplus",
}  # fmt: skip


class TooSlow(BaseException):
    """Raised inside whatever runs when a network's time is up."""


# ---- the networks ----------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """All torchvision classifiers, and the smallest network of each timm module."""
    import timm

    found = [f"torchvision:{n}" for n in torchvision.models.list_models(module=torchvision.models)]
    for module in timm.list_modules():
        known = timm.list_models(module=module)
        if known:
            found.append(f"timm:{min(known, key=_weights_of)}")
    return found


def _weights_of(name: str) -> float:
    """How many weights a timm network has, counted without making them."""
    import timm

    try:
        with torch.device("meta"):
            return sum(p.numel() for p in timm.create_model(name, pretrained=False).parameters())
    except Exception:  # some need numbers to be made
        return float("inf")


def built(name: str) -> tuple[nn.Module, int]:
    """The network with live random weights, and the pixels of its square input."""
    source, _, plain = name.partition(":")
    torch.manual_seed(0)
    for given, size in _sizes(source, plain):
        try:
            if source == "timm":
                import timm

                module = timm.create_model(plain, pretrained=False, num_classes=10, **given)
            else:
                module = torchvision.models.get_model(plain, weights=None, num_classes=10, **given)
            module.eval()
            with torch.no_grad():
                module(torch.rand(2, 3, size, size))
            return live(module, size), size
        except (TypeError, RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError):
            gc.collect()
    raise RuntimeError(f"{name} could not be built")


def _sizes(source: str, name: str) -> Iterator[tuple[dict[str, Any], int]]:
    if source == "timm":
        import timm

        own = timm.get_pretrained_cfg(name).input_size[1] if timm.get_pretrained_cfg(name) else 224
        yield {"img_size": SMALL}, SMALL
        yield {}, SMALL
        yield {}, own
    elif "vit" in name and not name.startswith("maxvit"):
        side = 70 if name.endswith("14") else 64
        yield {"image_size": side}, side
    else:
        yield {}, SMALL
    yield {}, 224
    yield {}, 256


def live(module: nn.Module, size: int) -> nn.Module:
    """Every weight counts: what starts at (nearly) zero is drawn, batch norms get the statistics of noise."""
    noise = torch.Generator().manual_seed(1)
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() and float(parameter.abs().max()) < 1e-3 and parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=noise)
            elif parameter.numel() and float(parameter.abs().max()) < 1e-3:
                parameter.uniform_(-0.1, 0.4, generator=noise)
        for norm in norms:
            norm.train()
            norm.momentum = 0.9
        module(torch.rand(4, 3, size, size, generator=noise) * 4 - 2)
    return module.eval()


# ---- what is right, in plain PyTorch ---------------------------------------------------------------------------------


def rows(output: Any) -> Tensor:
    """The scores n k: the output itself or the first of several."""
    if hasattr(output, "logits"):
        output = output.logits
    return (output[0] if isinstance(output, (tuple, list)) else output).flatten(1)


def scorer(module: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: rows(module(x))[:, 1]


def gradient(score: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    leaf = pixels.clone().requires_grad_()
    return torch.autograd.grad(score(leaf).sum(), leaf)[0]


class Guided(TorchFunctionMode):
    """Guided backpropagation (arXiv:1412.6806): rectifiers pass on positive signals where they are open."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in RECTIFIERS and not self._clips(func, args, kwargs):
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        is_open = x.detach() > 0
        value = func(*args, **kwargs).clone()
        if value.requires_grad:
            value.register_hook(lambda signal: signal.clamp(min=0) * is_open)
        return value

    @staticmethod
    def _clips(func: Any, args: tuple, kwargs: Any) -> bool:
        name = getattr(func, "__name__", "")
        low = args[1] if len(args) > 1 else kwargs.get("min_val", kwargs.get("min"))
        return name in ("hardtanh", "hardtanh_", "clamp", "clamp_") and low == 0


def guided(score: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    leaf = pixels.clone().requires_grad_()
    with Guided():
        found = score(leaf).sum()
    return torch.autograd.grad(found, leaf)[0]


def occluded(score: Callable[[Tensor], Tensor], pixels: Tensor, patch: int) -> Tensor:
    rows, columns = (
        [*range(0, side - patch, patch), side - patch] for side in pixels.shape[2:]
    )  # the last one flush
    found = []
    with torch.no_grad():
        for y in rows:
            for x in columns:
                covered = pixels.clone()
                covered[:, :, y : y + patch, x : x + patch] = 0
                found.append(score(covered))
    return torch.stack(found, 1)


def class_activation(net: cs.Classifier, pixels: Tensor, layer: str) -> Tensor:
    """Σ_c mean(∂S/∂A_c) A_c; channels-last maps and tokens (the first ones beside the grid) laid out row by row."""
    with torch.enable_grad(), net.record(layer) as seen:
        score = net.forward(pixels.clone().requires_grad_())[:, 1]
        value = seen[layer]
        slope = torch.autograd.grad(score.sum(), value)[0]
    if not bool(slope.any()):
        raise RuntimeError(f"the score does not depend on {layer}")
    if not net.layers[layer].is_map:  # n h w c, or n t c with other tokens first: row by row
        if net.layers[layer].kind == "flatten":  # maps n c h w laid out as n c t
            value, slope = value.movedim(1, -1), slope.movedim(1, -1)
        value, slope = value.flatten(1, -2), slope.flatten(1, -2)
        side = int(value.shape[1] ** 0.5)
        value, slope = (
            t[:, -side * side :].unflatten(1, (side, side)).movedim(-1, 1) for t in (value, slope)
        )
    cam = (slope.mean((2, 3), keepdim=True) * value).sum(1, keepdim=True)
    return F.interpolate(cam, pixels.shape[2:], mode="bilinear", align_corners=False)[:, 0].detach()


def hooked(module: nn.Module, pixels: Tensor) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """What each module gave, call by call, and what the last linear or convolution read."""
    gave, read, handles = {}, [], []
    for path, part in module.named_modules():
        handles.append(
            part.register_forward_hook(
                lambda m, i, o, path=path: gave.setdefault(path, []).append(
                    o.clone() if isinstance(o, Tensor) else o
                )
            )
        )
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            handles.append(
                part.register_forward_pre_hook(lambda m, i: read.__setitem__(slice(None), [i[0].clone()]))
            )
    try:
        with torch.no_grad():
            module(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return gave, read


# ---- the comparison --------------------------------------------------------------------------------------------------


def gap(found: Tensor, wanted: Tensor) -> float:
    if found.shape != wanted.shape:
        raise AssertionError(f"shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
    return float(
        (found.double() - wanted.double()).abs().max() / wanted.abs().max().double().clamp(min=1e-30)
    )


def judged(check: Callable[[], float]) -> str:
    try:
        off = check()
        return "right" if off <= TOLERANCE else f"wrong: off by {off:.1e} of the largest"
    except cs.ConvsightError as error:
        return f"refused: {' '.join(str(error).split())[:160]}"
    except AssertionError as error:
        return f"wrong: {error}"
    except Exception as error:
        traceback.print_exc(limit=-4, file=sys.stderr)
        return f"crash: {type(error).__name__}: {' '.join(str(error).split())[:160]}"


class Checks:
    """Every technique on one network, each with what is right."""

    def __init__(self, module: nn.Module, size: int):
        self.module, self.size = module, size
        self.pixels = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(2))
        self.score = scorer(module)

    def load(self) -> float:
        self.net = cs.Classifier(self.module, input_size=self.size)
        with torch.no_grad():
            return gap(self.net.scores(self.pixels), rows(self.module(self.pixels)))

    def layers(self) -> float:
        gave, _ = hooked(self.module, self.pixels)
        both = [
            n for n, o in gave.items() if n in self.net.layers and len(o) == 1 and isinstance(o[0], Tensor)
        ]
        chosen = both[:: max(1, len(both) // 12)]
        with torch.no_grad(), self.net.record(*chosen) as seen:
            self.net.forward(self.pixels)
        return max(gap(seen[name], gave[name][0]) for name in chosen)

    def saliency(self) -> float:
        return gap(
            cs.saliency(self.net, self.pixels, target=1).per_channel, gradient(self.score, self.pixels)
        )

    def guided(self) -> float:
        return gap(
            cs.guided_backprop(self.net, self.pixels, target=1).per_channel, guided(self.score, self.pixels)
        )

    def gradcam(self) -> float:
        found = cs.gradcam(self.net, self.pixels, target=1, positive=False)
        layer = found.caption.split("features of ")[1].split(" that the score")[0]
        return gap(found.values, class_activation(self.net, self.pixels, layer))

    def occlusion(self) -> float:
        patch = self.size // 4
        found = cs.occlusion(self.net, self.pixels, target=1, patch=patch, stride=patch, fill="black")
        wanted = occluded(self.score, self.pixels, patch)
        effect = (wanted - self.score(self.pixels).detach()).abs().max().clamp(min=0.05 * wanted.abs().max())
        return float((found.scores.flatten(1) - wanted).abs().max() / effect)

    def features(self) -> float:
        _, (read,) = hooked(self.module, self.pixels)
        read = read.mean((2, 3)) if read.ndim == 4 else read.flatten(1)
        return gap(self.net.features(self.pixels), read)

    def maps(self) -> float:
        gave, _ = hooked(self.module, self.pixels)
        names = [
            layer.name
            for layer in self.net.layers.convolutions()
            if layer.is_map and len(gave.get(layer.name, ())) == 1
        ]
        name = names[0] if names else None  # a network that embeds patches by a linear layer has none
        if name is None:
            cs.activations(self.net, self.pixels)
            raise AssertionError("maps were shown of a network without convolutions that give some")
        found = cs.activations(self.net, self.pixels, layer=name, most=10**6)
        return gap(found.values, gave[name][0])

    def architecture(self) -> float:
        found = cs.architecture(self.net)
        total = found.parts[0].rows[-1][3]
        return 0.0 if found.svg and total == sum(p.numel() for p in self.module.parameters()) else 1.0


def state_of(module: nn.Module) -> tuple:
    """What must be as it was: weights, buffers, gradients, modes, hooks, random numbers."""
    tensors = [
        (n, t.detach().double().sum().item(), t._version)
        for n, t in module.state_dict(keep_vars=True).items()
    ]
    modes = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in module.modules()]
    grads = [p.grad is None for p in module.parameters()]
    return tensors, modes, grads, torch.get_rng_state().tolist()


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(name: str, seconds: int) -> dict[str, Any]:
    """One network: what each technique came to, and the seconds it all took."""
    started, found = time.perf_counter(), dict[str, str]()
    size, weights = 0, 0
    try:
        with at_most(seconds):
            module, size = built(name)
            weights = sum(p.numel() for p in module.parameters())
            checks, before = Checks(module, size), state_of(module)
            for technique in TECHNIQUES[:-1]:
                found[technique] = judged(getattr(checks, technique))
                if technique == "load" and found[technique] != "right":
                    break
            found["state"] = "right" if state_of(module) == before else "wrong: the network was changed"
    except TooSlow:
        found[next(t for t in TECHNIQUES if t not in found)] = f"slow: beyond {seconds} s"
    except Exception as error:  # not a network for pictures of one size, or not to be made without files
        found["load"] = f"not built: {' '.join(str(error).split())[:120]}"
    return {
        "name": name, "size": size, "weights": weights, "seconds": round(time.perf_counter() - started, 1), "found": found,
    }  # fmt: skip


def run(wanted: list[str], state: Path, seconds: int) -> list[dict[str, Any]]:
    known = {}
    if state.is_file():
        known = {r["name"]: r for r in map(json.loads, state.read_text(encoding="utf-8").splitlines())}
    for i, name in enumerate(wanted, 1):
        if name in known:
            continue
        known[name] = tried(name, seconds)
        with state.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[name]) + "\n")
        odd = {t: words for t, words in known[name]["found"].items() if words != "right"}
        print(
            f"{i}/{len(wanted)} {name} {known[name]['size']} px {known[name]['seconds']} s {odd or 'all right'}",
            file=sys.stderr,
        )
        gc.collect()
    return [known[name] for name in wanted if name in known]


def table(found: list[dict[str, Any]], command: str) -> list[dict[str, Any]]:
    kinds = Counter(words.split(":")[0] for each in found for words in each["found"].values())
    total = sum(kinds.values()) or 1
    device = f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"

    def row(claim: str, value: float, unit: str, target: float, ok: bool) -> dict[str, Any]:
        return {"claim": claim, "value": value, "unit": unit, "target": target, "ok": ok, "n": len(found), "spread": 0, "device": device, "command": command}  # fmt: skip

    right = round(kinds["right"] / total, 4)
    return [
        row("zoo: answers that are wrong", kinds["wrong"], "answers", 0, kinds["wrong"] == 0),
        row("zoo: crashes", kinds["crash"], "answers", 0, kinds["crash"] == 0),
        row("zoo: answers that are right rather than refused", right, "share", 0.97, right >= 0.97),
    ]


def page(found: list[dict[str, Any]]) -> str:
    """The table of docs/zoo.md: what is not right by name, the rest as a count."""
    lines = [
        "| technique | right | refused in words | wrong | crash | too slow |",
        "|---|---|---|---|---|---|",
    ]
    for technique in TECHNIQUES:
        kinds = Counter(
            each["found"][technique].split(":")[0] for each in found if technique in each["found"]
        )
        lines.append(
            f"| {technique} | "
            + " | ".join(str(kinds[k]) for k in ("right", "refused", "wrong", "crash", "slow"))
            + " |"
        )
    lines += ["", "| network | pixels | not right |", "|---|---|---|"]
    for each in found:
        odd = [f"{t} {words}" for t, words in each["found"].items() if words != "right"]
        if odd:
            lines.append(f"| {each['name']} | {each['size']} | {'; '.join(odd).replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ten networks of different kinds")
    parser.add_argument("--json", metavar="FILE", help="also write the results here")
    parser.add_argument(
        "--state", metavar="FILE", default="zoo.jsonl", help="what is done so far (default: zoo.jsonl)"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these networks: torchvision:NAME, timm:NAME"
    )
    parser.add_argument("--seconds", type=int, default=150, help="the most for one network (default: 150)")
    parser.add_argument("--page", metavar="FILE", help="write the table for the docs here")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    command = "python benchmarks/zoo.py" + (" --quick" if given.quick else "")
    found = run(given.only or (list(QUICK) if given.quick else names()), Path(given.state), given.seconds)
    rows_ = table(found, command)
    for each in rows_:
        print(f"{each['claim']:55} {each['value']}  (target {each['target']}, n {each['n']} networks)")
    if given.json:
        Path(given.json).write_text(json.dumps(rows_, indent=1) + "\n", encoding="utf-8")
    if given.page:
        Path(given.page).write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
