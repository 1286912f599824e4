"""Is guided backpropagation what the paper says, on a network written with F.relu? captum, grad-cam's way, and us.

    python benchmarks/guided_backprop.py [--quick] [--json FILE]

The network is the lesson's (F.relu, one shared pool), trained for a moment on drawn garments. The truth is a
forward and backward pass written out in numpy (`tests/oracles/lesson_numpy.py`). Each claim is the mean cosine
between a tool's picture and the truth over n pictures. grad-cam (jacobgil/pytorch-gradcam) is not installed
here: its way, exchanging each nn.ReLU module for one with the guided rule, is repeated in `exchange_modules`.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop
from torch import Tensor, nn

import convsight as cs
from convsight.architectures.lesson import LessonTwo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.oracles.lesson_numpy import NumpyNet


class WithModules(LessonTwo):
    """The same network with one nn.ReLU per place: what hook-based tools are made for."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        x = self.pool(self.relu2(self.conv2(x)))
        return self.fc2(self.drop(self.relu3(self.fc1(x.flatten(1)))))


class GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, signal):
        (x,) = ctx.saved_tensors
        return signal * (x > 0) * (signal > 0)


class GuidedModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return GuidedReLU.apply(x)


def exchange_modules(module: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    """grad-cam's way: put a guided module in the place of every nn.ReLU (on a copy), then take the gradient."""
    changed = copy.deepcopy(module)
    for name, child in list(changed.named_children()):
        if isinstance(child, nn.ReLU):
            setattr(changed, name, GuidedModule())
    x = pixels.clone().requires_grad_()
    return torch.autograd.grad(changed(x).gather(1, targets[:, None]).sum(), x)[0]


def by_captum(peer: type, module: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer(copy.deepcopy(module)).attribute(pixels.clone().requires_grad_(), target=targets).detach()


def by_convsight(method, module: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    net = cs.Classifier(module, input_size=28, channels=1)
    return method(net, pixels, target=targets.tolist()).per_channel


def truth(rule: str, module: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    net = NumpyNet({k: v.double().numpy() for k, v in module.state_dict().items()})
    maps = []
    for picture, target in zip(pixels.double().numpy(), targets.tolist(), strict=True):
        net.forward(picture)
        maps.append(net.backward(rule, target))
    return torch.from_numpy(np.stack(maps)).float()


def trained(steps: int) -> tuple[LessonTwo, Tensor]:
    """A lesson net after a few steps of Adam on drawn garments, and test pictures."""
    torch.manual_seed(0)
    data = cs.dataset("drawn-garments")
    module, draws = LessonTwo(10), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(module.parameters(), 2e-3)
    for _ in range(steps):
        batch = data.train[torch.randint(len(data.train), (64,), generator=draws)]
        loss = F.cross_entropy(module(batch.pixels), batch.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval(), data.test[:200].pixels


def measure(n: int, steps: int) -> list[dict]:
    module, pixels = trained(steps)
    pixels = pixels[:n]
    with_modules = WithModules(10).eval()
    with_modules.load_state_dict(module.state_dict())
    with torch.no_grad():
        targets = module(pixels).argmax(1)
    x = pixels.clone().requires_grad_()
    plain = torch.autograd.grad(module(x).gather(1, targets[:, None]).sum(), x)[0]
    guided, deconv = (truth(rule, module, pixels, targets) for rule in ("guided", "deconvnet"))
    theirs = by_captum(GuidedBackprop, module, pixels, targets)
    rows = [
        ("guided backpropagation, F.relu: convsight", by_convsight(cs.guided_backprop, module, pixels, targets), guided, 1.0),
        ("guided backpropagation, F.relu: captum", theirs, guided, None),
        ("guided backpropagation, F.relu: grad-cam's way", exchange_modules(module, pixels, targets), guided, None),
        ("guided backpropagation, F.relu: plain gradient", plain, guided, None),
        ("guided backpropagation, nn.ReLU: convsight", by_convsight(cs.guided_backprop, with_modules, pixels, targets), guided, 1.0),
        ("guided backpropagation, nn.ReLU: captum", by_captum(GuidedBackprop, with_modules, pixels, targets), guided, None),
        ("guided backpropagation, nn.ReLU: grad-cam's way", exchange_modules(with_modules, pixels, targets), guided, None),
        ("deconvnet, F.relu: convsight", by_convsight(cs.deconvnet, module, pixels, targets), deconv, 1.0),
        ("deconvnet, F.relu: captum", by_captum(Deconvolution, module, pixels, targets), deconv, None),
    ]  # fmt: skip
    found = [
        claim(f"{name}, cosine to the numpy truth", cosines(a, b), target) for name, a, b, target in rows
    ]
    same = torch.tensor([float(torch.equal(a, b)) for a, b in zip(theirs, plain, strict=True)])
    found.append(claim("captum's guided picture is the plain gradient to the bit, F.relu", same, None))
    return found


def cosines(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a.double().flatten(1), b.double().flatten(1))


def claim(text: str, values: Tensor, target: float | None) -> dict:
    value = float(values.mean())
    return {
        "claim": text,
        "value": round(value, 6),
        "unit": "share of pictures" if "to the bit" in text else "cosine",
        "target": target,
        "ok": None if target is None else bool(values.min() > target - 1e-6),
        "n": len(values),
        "spread": round(float(values.std()), 6),
        "device": f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "command": "python benchmarks/guided_backprop.py" + (" --quick" if "--quick" in sys.argv else ""),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 pictures instead of 200")
    parser.add_argument("--json", metavar="FILE", help="also write the table here")
    given = parser.parse_args()
    found = measure(40 if given.quick else 200, 150 if given.quick else 400)
    for row in found:
        ok = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        print(f"{row['claim']:85} {row['value']:9.6f} ± {row['spread']:.6f}  n {row['n']:3}  {ok}")
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
