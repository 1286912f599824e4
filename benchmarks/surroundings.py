"""Does the audit find what networks lean on around the object, and nothing where they do not?

    OMP_NUM_THREADS=1 python benchmarks/surroundings.py --cache DIR [--quick] [--json FILE] [--seeds 100:204]
        [--photos FOLDER] [--mobilenet FOLDER] [--minutes M] [--whole] [--fresh] [--alone]

Networks are trained on drawn scenes and, with --photos (objects/KIND/*.png and backgrounds/KIND/*.jpg), on objects
pasted on photographed surroundings that go with their class; with --mobilenet (mobilenet_v2.py and its weights) some are
pretrained ones with a fitted head. What a class leans on is measured with the true masks: every object of a balanced set
is shown with every cue in turn. 15% more turned into the class: it leans; below 5%: it does not; between: left out.

Everything is kept in the cache, network by network, so that a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch
from shortcut_baselines import clustering, slices, statistics
from surroundings_nets import FIRST_JUDGED, SIZE_PX, Subject, subjects
from surroundings_table import misses, summary
from torch import Tensor

import convsight as cs
from convsight.datasets.scenes import SceneSplit
from convsight.network.classifier import Classifier
from convsight.results.kinds import Verdict
from convsight.shortcuts.saved import probe_of
from convsight.storage import write_json

Judged = dict[str, Any]
LOOKED_AT = 60  # pictures a class for the baselines, and in all for the overlap of regions
SAID = ("found", "target", "kind", "sentence", "flip_rate", "control_rate", "interval", "score")


def judge(subject: Subject, *, whole: bool, fresh: bool = False, alone: bool = False) -> Judged:
    """What the audit and, unless it is `alone`, the baselines say of one network; from the cache if it is there.
    whole: artefacts too.
    """
    path, spec = subject.folder / ("audited.json" if whole else "judged.json"), subject.spec
    truth = subject.truth
    judged: Judged = json.loads(path.read_text()) if path.is_file() else {}
    if fresh or "verdicts" not in judged:
        net, data, started = subject.net, subject.held_out, time.process_time()
        verdicts = cs.find_shortcuts(net, data, only=None if whole else "surroundings")
        judged["seconds"] = time.process_time() - started
        judged["verdicts"] = [_said(verdict, data.test) for verdict in verdicts if verdict.target]
        for verdict in verdicts:
            verdict.save(path.with_suffix(f".{verdict.target or 'nothing'}.png"))  # for the eye
        write_json(path, judged)
    if "baselines" not in judged and not alone:
        judged["baselines"] = baselines(subject.net, subject.held_out.test)
        write_json(path, judged)
    about = {"seed": spec.seed, "data": spec.data, "role": spec.role, "network": spec.network, "whole": whole}
    return {
        "baselines": {},
        **judged,
        **about,
        "correlation": spec.correlation,
        "size_px": SIZE_PX[spec.network],
        "truth": truth,
    }


def _said(verdict: Verdict, split: SceneSplit) -> dict[str, Any]:
    row = {name: getattr(verdict, name) for name in SAID}
    return {**row, "interval": list(verdict.interval), "iou": overlap(verdict, split)}


def overlap(verdict: Verdict, split: SceneSplit) -> float | None:
    """Mean overlap (IoU) of what is found around the objects of the class with what is truly around them."""
    probe = probe_of(verdict)
    if verdict.kind != "surroundings" or probe is None or probe.numbers().get("part", "all") != "all":
        return None
    own = (split.labels == split.classes.index(verdict.target)).nonzero().flatten()[:LOOKED_AT]
    marks, true = probe.marks(split[own].pixels), split.truth.surroundings[own]
    return float(((marks & true).sum((1, 2)) / (marks | true).sum((1, 2)).clamp(min=1)).mean())


def baselines(net: Classifier, split: SceneSplit) -> dict[str, list[float]]:
    """What simpler ways say: a score for every class, the higher the more it would lean on something else."""
    some = torch.cat([(split.labels == k).nonzero().flatten()[:LOOKED_AT] for k in range(len(split.classes))])
    few = split.take(some)
    images = few[:]
    return {
        "clusters of attributions (SpRAy-like)": _numbers(clustering(net, images)),
        "error slices by features (Domino-like)": _numbers(slices(net, images)),
        "statistics of the data alone": _numbers(statistics(net, images)),
        "saliency outside the true object (told the masks)": _numbers(outside(net, few)),
    }


def outside(net: Classifier, split: SceneSplit) -> list[float]:
    """The share of |gradient × contrast to the picture's mean| of a class's pictures that lies outside the object, beyond its share of area."""
    found = []
    for k in range(len(split.classes)):
        own = split.take((split.labels == k).nonzero().flatten())
        x = own[:].pixels.requires_grad_(True)
        with torch.enable_grad():
            total = net.forward(x)[:, k].sum()
        contrast = x.detach() - x.detach().mean((2, 3), keepdim=True)
        maps: Tensor = (torch.autograd.grad(total, x)[0] * contrast).abs().sum(1)
        around = own.truth.surroundings.float()
        share = (maps * around).sum((1, 2)) / maps.sum((1, 2)).clamp(min=1e-9)
        found.append(float((share - around.mean((1, 2))).mean()))
    return found


def _numbers(scores: list[float]) -> list[float]:
    """Classes that cannot be scored, with too few pictures, get the lowest score."""
    return [max(score, -10.0) for score in scores]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/surroundings"), help="default: %(default)s")
    parser.add_argument(
        "--seeds", default="100:204", help="FROM:TO; below 100 are for tuning; default: %(default)s"
    )
    parser.add_argument("--quick", action="store_true", help="the first 10 networks of these")
    parser.add_argument("--json", type=Path, help="write the claims to this file")
    parser.add_argument(
        "--photos", type=Path, help="a folder of cut-outs and backgrounds; without it drawings only"
    )
    parser.add_argument(
        "--mobilenet", type=Path, help="a folder with mobilenet_v2.py and mobilenet_v2_imagenet.safetensors"
    )
    parser.add_argument("--minutes", type=float, help="train and audit no longer than this")
    parser.add_argument(
        "--whole", action="store_true", help="the whole audit, artefacts too: three times as long"
    )
    parser.add_argument("--fresh", action="store_true", help="audit again what was audited")
    parser.add_argument("--alone", action="store_true", help="the audit without the baselines beside it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    first, last = map(int, options.seeds.split(":"))
    everyone = subjects(range(first, min(last, first + 10) if options.quick else last), options.cache, options.photos, options.mobilenet)  # fmt: skip
    judged, started = [], time.monotonic()
    for subject in everyone:
        late = options.minutes is not None and time.monotonic() - started > 60 * options.minutes
        if not late or (subject.folder / ("audited.json" if options.whole else "judged.json")).is_file():
            judged.append(judge(subject, whole=options.whole, fresh=options.fresh, alone=options.alone))
            print(f"{len(judged)} of {len(everyone)}: {subject.spec.seed} {subject.spec.role}", flush=True)
    command = f"benchmarks/surroundings.py --seeds {options.seeds}" + (" --quick" if options.quick else "")
    device = f"{platform.processor() or platform.machine()}, 1 thread"
    rows = [
        {**row, "device": device, "command": command, "tuned_on": last <= FIRST_JUDGED}
        for row in summary(judged)
    ]
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        spread = "{:.2f} to {:.2f}".format(*row["spread"]) if row["spread"] else ""
        print(
            f"{row['claim']:60} {row['value']:>8.3f} {row['unit']:6} {spread:14} n={row['n']:<4} {row['target']:8} {mark}"
        )
    print("\n".join(["", *misses(judged)]))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
