"""Is layer-wise relevance propagation right, on networks as people write them, and what does it cost? zennit, captum, us.

    python benchmarks/lrp.py [--quick] [--json FILE]

Part one: the relative difference of each tool's map to one worked out by hand in numpy (`tests/oracles/relevance_nets.py`)
on four small networks: sums without a module, concatenation, a squeeze-and-excite block, the lesson's F.relu and shared
pool. zennit is run with its canonizer for batch normalisation, which is all it has for networks of one's own, and
without, and its better map counts; captum has its default, ε. A tool that stops with an error has no value, and the claim
says which error.
Part two: ResNet-18 and ResNet-50 of torchvision with random weights, zennit with and without its canonizer: the truth is
zennit's with it, because the numpy version takes hours there.
Part three: processor time of one map at 224 pixels, EpsilonPlusFlat, ours ÷ zennit's, in turn; the networks are read once.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from captum.attr import LRP
from torch import Tensor, nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.oracles.relevance_nets import CONVOLUTIONS, NETS, settled

models = import_torchvision().models  # first, because zennit imports it

from zennit import composites  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.canonizers import SequentialMergeBatchNorm  # noqa: E402
from zennit.torchvision import ResNetCanonizer, VGGCanonizer  # noqa: E402


def by_zennit(module: nn.Module, pixels: Tensor, k: int, composite: object) -> Tensor:
    with Gradient(model=module, composite=composite) as attributor:
        _, found = attributor(
            pixels.clone().requires_grad_(), lambda scores: scores * (torch.arange(scores.shape[1]) == k)
        )
    return found.detach()


def by_captum(module: nn.Module, pixels: Tensor, k: int) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LRP(module).attribute(pixels.clone().requires_grad_(), target=k).detach()


def by_convsight(module: nn.Module, pixels: Tensor, k: int, rule: str) -> Tensor:
    net = cs.Classifier(module, input_size=tuple(pixels.shape[2:]), channels=pixels.shape[1])
    return cs.lrp(net, pixels.float(), target=k, rule=rule).per_channel


def apart(found: Tensor, truth: Tensor) -> list[float]:
    """The relative difference of each picture's map."""
    off, size = (a.double().flatten(1).norm(dim=1) for a in (found.double() - truth.double(), truth))
    return (off / size).tolist()


def tried(text: str, truth: Tensor, tool: Callable, module: nn.Module, *given: object) -> dict:
    """One claim: how far a tool's map is from the truth, or the error it stops with."""
    try:
        values = apart(tool(copy.deepcopy(module), *given), truth)
    except Exception as error:  # whatever stops the tool is what the reader wants to know
        return claim(f"{text}: stops with {type(error).__name__}", [], "relative difference", None)
    return claim(text, values, "relative difference", 1e-4 if tool is by_convsight else None)


def zennits_best(text: str, truth: Tensor, module: nn.Module, pixels: Tensor) -> dict:
    """The claim about zennit with or without its canonizer, whichever is nearer to the truth."""
    found = [
        tried(text, truth, by_zennit, module, pixels, 2, composites.EpsilonPlus(canonizers=canonizers))
        for canonizers in ([SequentialMergeBatchNorm()], [])
    ]
    return min(found, key=lambda row: float("inf") if row["value"] is None else row["value"])


def small_networks(n: int) -> list[dict]:
    found = []
    for name, make in NETS.items():
        torch.manual_seed(1)
        module = settled(make())
        pixels = torch.rand(n, *module.shape).double()
        plus, epsilon = (
            torch.stack([torch.from_numpy(module.by_hand(x.numpy().ravel(), 2, share)) for x in pixels])
            .view_as(pixels) for share in (CONVOLUTIONS["epsilon-plus"], CONVOLUTIONS["epsilon"])
        )  # fmt: skip
        which = f"network that {name}" if name != "the lesson's" else "the lesson's network"

        found += [
            tried(f"{which}, ε and z⁺: convsight", plus, by_convsight, module, pixels, 2, "epsilon-plus"),
            zennits_best(f"{which}, ε and z⁺: zennit", plus, module, pixels),
            tried(f"{which}, ε: convsight", epsilon, by_convsight, module, pixels, 2, "epsilon"),
            tried(f"{which}, ε: captum", epsilon, by_captum, module, pixels, 2),
        ]
    return found


def random_network(name: str) -> nn.Module:
    torch.manual_seed(0)
    module = getattr(models, name)(num_classes=10).eval()
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2), m.running_var.uniform_(0.5, 2)
            m.eps = 0.0  # zennit leaves it behind when it folds one
    return module


def residual_networks(n: int) -> list[dict]:
    found = []
    for name in ("resnet18", "resnet50"):
        module, pixels = random_network(name), torch.rand(n, 3, 64, 64)
        whole = composites.EpsilonPlus(canonizers=[ResNetCanonizer()])
        bare = composites.EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])
        truth = by_zennit(copy.deepcopy(module), pixels, 3, whole)
        ours = by_convsight(module, pixels, 3, "epsilon")
        found += [
            tried(f"{name}, ε and z⁺: convsight", truth, by_convsight, module, pixels, 3, "epsilon-plus"),
            tried(f"{name}, ε and z⁺: zennit, no ResNetCanonizer", truth, by_zennit, module, pixels, 3, bare),
            tried(f"{name}, ε: captum, from ours", ours, by_captum, module, pixels, 3),
        ]
    return found


def times(rounds: int, names: tuple[str, ...]) -> list[dict]:
    found = []
    for name in names:
        module, pixels = random_network(name), torch.rand(1, 3, 224, 224)
        net = cs.Classifier(module, input_size=224)
        net.layers  # noqa: B018  (read once, as every later call finds it)
        canonizer = ResNetCanonizer() if name.startswith("resnet") else VGGCanonizer()
        composite = composites.EpsilonPlusFlat(canonizers=[canonizer])
        ratios = []
        for turn in range(rounds + 1):
            a = time.process_time()
            cs.lrp(net, pixels, target=3)
            b = time.process_time()
            by_zennit(module, pixels, 3, composite)
            if turn:  # the first is for warming up
                ratios.append((b - a) / (time.process_time() - b))
        found.append(claim(f"{name} at 224 px, EpsilonPlusFlat: time ÷ zennit's", ratios, "× CPU", 1.0))
    return found


def claim(text: str, values: list[float], unit: str, target: float | None) -> dict:
    value = (statistics.median(values) if unit == "× CPU" else max(values)) if values else None
    return {
        "claim": text,
        "value": None if value is None else float(f"{value:.3g}"),
        "unit": unit,
        "target": target,
        "ok": None if target is None or value is None else bool(value <= target),
        "n": len(values),
        "spread": float(f"{max(values) - min(values):.3g}") if values else None,
        "device": f"cpu, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "command": "python benchmarks/lrp.py" + (" --quick" if "--quick" in sys.argv else ""),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="2 pictures instead of 8, two networks timed, 3 rounds instead of 7",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the table here")
    given = parser.parse_args()
    names = ("resnet18", "vgg16_bn") if given.quick else ("resnet18", "resnet50", "vgg16_bn")
    found = small_networks(2 if given.quick else 8) + residual_networks(2)
    found += times(3 if given.quick else 7, names)
    for row in found:
        ok = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        value = "—" if row["value"] is None else f"{row['value']:.3g}"
        print(f"{row['claim']:78} {value:>10} {row['unit']:20} n {row['n']}  range {row['spread']}  {ok}")
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
