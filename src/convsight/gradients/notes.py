"""How is the signal at the pixels made a map, and which notes should its reader see?"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.gradients.relu_rules import NAMES, Rectifiers
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.network.operations import RECTIFIERS
from convsight.network.targets import Target
from convsight.results.draw import limit_of, number
from convsight.results.kinds import Pictures
from convsight.results.kinds.layout import MOST_ROWS


def strongest(per_channel: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """The entry of largest magnitude among the channels, with its sign."""
    return per_channel.gather(1, per_channel.abs().argmax(1, keepdim=True))[:, 0]


def score_labels(aim: Target, scores: Tensor) -> tuple[str, ...]:
    """What each map is about, with its score: "Sandal 4.2", "conv2, channel 5: 1.3"."""
    between = " " if aim.outputs is not None else ": "
    return tuple(f"{a}{between}{number(float(score))}" for a, score in zip(aim.labels, scores, strict=True))


def in_colour(per_channel: Float[Tensor, "n c h w"], captions: tuple[str, ...]) -> tuple[Pictures, ...]:
    """The signal of colour pictures as the papers show it: a picture, grey where nothing arrived."""
    if per_channel.shape[1] != 3:
        return ()
    shown = per_channel[:MOST_ROWS]
    pixels = torch.stack([(0.5 + one / (2 * limit_of(one, 0.998))).clamp(0, 1) for one in shown])
    title = "The same in colour, as the papers print it (grey: nothing arrived)"
    return (Pictures(title=title, images=pixels, captions=captions[:MOST_ROWS], columns=3, tile_px=300),)


def pixel_fields(
    images: Images, signal: Any, aim: Target, per_channel: Float[Tensor, "n c h w"]
) -> dict[str, Any]:
    """The fields of a Map that all maps of what arrived at the pixels fill alike; the strongest 1% share one colour.

    signal: what flowed back, with the scores that its `labels` tell.
    """
    labels = signal.labels(aim)
    return {"full_colour": 0.99, "pictures": images.pixels, "labels_of": labels, "per_channel": per_channel}


def zero_notes(net: Classifier, aim: Target, arrived: Tensor, scores: Tensor) -> tuple[str, ...]:
    """A sentence about the pictures whose map is zero everywhere, with the reason where it can be known."""
    empty = (arrived.flatten(1) == 0).all(1).nonzero().flatten().tolist()
    if not empty:
        return ()
    which = _pictures(empty, len(scores))
    top = _last_kind(net)
    if aim.outputs is not None and top in RECTIFIERS and all(float(scores[i]) == 0 for i in empty):
        reason = f"the score is 0, cut off by the {top} at the end of the network, and cannot change"
    elif aim.outputs is None and all(float(scores[i]) <= 0 for i in empty):
        reason = f"{aim.labels[0]} is silent there (its value is {float(scores[empty[0]]):.3g})"
    else:
        reason = "a small change of any pixel leaves the score as it is (closed ReLUs, or a constant score)"
    return (f"Empty map for {which}: the gradient is zero everywhere, because {reason}.",)


def empty_cam_notes(cam: Tensor, positive: bool) -> tuple[str, ...]:
    """A sentence about the pictures in which no region speaks for the target."""
    empty = (cam.flatten(1) == 0).all(1).nonzero().flatten().tolist()
    if not empty:
        return ()
    more = "; gradcam(positive=False) shows what speaks against it" if positive else ""
    return (f"Empty map for {_pictures(empty, len(cam))}: no region speaks for the target{more}.",)


def _last_kind(net: Classifier) -> str:
    """The kind of the last operation; "" where none can be seen."""
    return list(net.layers.values())[-1].kind if net.habits.visible else ""


def rule_notes(net: Classifier, aim: Target, count: Rectifiers) -> tuple[str, ...]:
    """What the deconvnet or guided rule could not do in this network."""
    if count.rule == "gradient":
        return ()
    name, notes = NAMES[count.rule], []
    stand_ins = sorted({RULED.get(kind, kind) for kind in count.met if kind != "relu"})
    if not count.passed:
        notes.append(f"No ReLU lies between this target and the picture: {name} is the plain gradient here.")
    elif stand_ins:
        notes.append(f"Defined for ReLUs; {', '.join(stand_ins)} obeys the same rule here.")
    if count.rule == "deconvnet" and not _has_switches(net, aim):
        besides = "" if aim.layer is None else " besides the unit's place and value"
        notes.append(
            "No max-pooling lies between this target and the picture, and its switches are what a deconvnet takes "
            f"from the picture{besides}: this is what the target looks for, not what is there."
        )
    return tuple(notes)


RULED = {"hardtanh": "ReLU6", "clamp": "clamp(min=0)", "clamp_min": "clamp(min=0)", "clip": "clip(min=0)"}


def _has_switches(net: Classifier, aim: Target) -> bool:
    end = len(net.layers) if aim.layer is None else net.layers[aim.layer].index
    return any("max_pool" in layer.kind or layer.kind == "amax" for layer in list(net.layers.values())[:end])


def _pictures(indices: list[int], n: int) -> str:
    """Which of n pictures, in words that count from 1."""
    if n == 1:
        return "this picture"
    if len(indices) == n:
        return f"all {n} pictures"
    shown = ", ".join(str(i + 1) for i in indices[:6]) + (
        f" and {len(indices) - 6} more" if len(indices) > 6 else ""
    )
    return f"picture{'s' if len(indices) > 1 else ''} {shown}"
