"""What does a page that runs a network need to know of it, and which networks can it run?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convsight.errors import InputError
from convsight.exporting import Exported
from convsight.network.classifier import Classifier

if TYPE_CHECKING:
    from convsight.studio.live_answers import Contents

TASKS = ("classify", "binary", "multilabel", "regress", "locate", "embed")  # one row of numbers a picture


def refuse(net: Classifier) -> None:
    """InputError for a network that the page cannot show, with what would work."""
    if net.task not in TASKS:
        raise InputError(
            f"the page shows one row of numbers a picture; the task of {net.name} is {net.task!r}",
            works="`convsight studio` shows such networks",
        )
    if net.channels not in (1, 3):
        raise InputError(
            f"a browser's pictures are grey or RGB; {net.name} takes {net.channels} channels",
            works="`convsight studio` shows such networks",
        )


def shown_layers(net: Classifier) -> list[str]:
    """The layers whose values the page can ask for: stacks of maps, and vectors."""
    return [layer.name for layer in net.layers.values() if layer.is_map or len(layer.output_shape) == 1]


def about(
    net: Classifier, exported: Exported, kept: Contents, steps: dict[str, Any], cut: dict[str, Any] | None
) -> dict[str, Any]:
    """The description that `web/src/live/about.ts` reads."""
    reader = net.reader
    each = reader.two or net.task == "multilabel" or reader.ending.kind in ("sigmoid", "log_sigmoid")
    thresholds = reader.thresholds
    return {
        "size": list(net.input_size),
        "channels": net.channels,
        "crop": net.crop,
        "mean": None if net.mean is None else net.mean.flatten().tolist(),
        "std": None if net.std is None else net.std.flatten().tolist(),
        "task": net.task,
        "classes": list(net.classes),
        "each": each,
        "thresholds": None if thresholds is None else thresholds.flatten().tolist(),
        "one_by_one": net.habits.one_by_one,
        "layers": list(exported.layers),
        "gradients": list(exported.gradients),
        "macs": sum(layer.macs for layer in net.layers.values()),
        "fields": _fields(net),
        "steps": steps,
        "cut": cut,
        "labels": kept.labels,
        "notes": list(exported.notes),
        "features": kept.feature_layer if kept.near else None,
        "near": kept.near,
        "stamps": kept.stamps,
        "unstamped": kept.unstamped,
        "panels": kept.panels,
    }


def _fields(net: Classifier) -> dict[str, Any]:
    """Of every layer with maps, the first and last pixel that each row and each column sees."""
    fields = {}
    for layer in net.layers.maps():
        sides = zip(("rows", "columns"), net.layers.fields[layer.index].axes, strict=True)
        fields[layer.name] = {name: [axis.first.tolist(), axis.last.tolist()] for name, axis in sides}
    return fields
