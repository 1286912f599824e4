"""What was a technique asked: which channels are shown, what the pictures' notes say, and what tells one call from another?"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.imaging.choosing import Bands, as_bands, bands_in_words
from convsight.network.classifier import Classifier
from convsight.network.identity import identity_of
from convsight.network.interventions import interventions
from convsight.network.targets import resolve_target
from convsight.results.provenance import rest_of
from convsight.results.result import Result

HASHED = ("net", "images", "style", "query", "data")  # arguments that count by what they hold
WORDED = ("target", "layer", "layers")  # arguments whose words say all; of others they may be a file's name


def said_of_inputs(given: Mapping[str, Any], result: Result, bands: Bands) -> tuple[str, ...]:
    """What the pictures' own notes say, such as that a part was cut away, and which channels are shown."""
    notes = [note for value in given.values() if isinstance(value, Images) for note in value.notes]
    channels = next((each.channels for each in _with_channels(given)), 3)
    if channels not in (1, 3) and _shows(result, channels):
        notes.append(bands_in_words(bands, channels))
    return tuple(dict.fromkeys(notes))


def _shows(result: Result, channels: int) -> bool:
    """Whether pictures of so many channels are drawn somewhere in the result."""
    for name in ("pictures", "images", "query", "examples"):
        value = getattr(result, name, None)
        pixels = value.pixels if isinstance(value, Images) else value
        if isinstance(pixels, torch.Tensor) and pixels.ndim >= 4 and pixels.shape[-3] == channels:
            return True
    return any(_shows(part, channels) for part in result.parts)


def _with_channels(given: Mapping[str, Any]) -> list[Any]:
    net = given.get("net")
    return [*(v for v in given.values() if isinstance(v, Images)), *([net] if net is not None else [])]


def shown_bands(given: Mapping[str, Any], bands: Sequence[int] | str | None = None) -> Bands:
    """Which channels a result shows: those asked for, or those of its pictures, or those of its network."""
    known = _with_channels(given)
    if bands is not None:
        return as_bands(bands, min((each.channels for each in known), default=len(bands)))
    return next((each.bands for each in known if each.bands is not None), None)


def words(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are text or numbers, for the provenance line."""
    plain = (str, int, float, list, tuple)
    return {k: v for k, v in given.items() if k in WORDED and isinstance(v, plain)}


def rest(method: type, net: Classifier | None, given: Mapping[str, Any], bands: Bands) -> str:
    """`Provenance.rest` of a call: everything that no other field of the provenance holds."""
    if net is not None and interventions(net.module):
        return ""
    named = {name: _named(value, name, net, given) for name, value in given.items() if name not in HASHED}
    known = [value for value in named.values() if value is None]
    said = [note for value in given.values() if isinstance(value, Images) for note in value.notes]
    shown = "" if bands is None and not said else (bands, said)
    return rest_of(
        _source(method),
        "" if net is None else identity_of(net),
        None if known else sorted(named.items()),
        str(shown),
    )


def _source(method: type) -> str | None:
    """The code of a technique from outside of this package, "" for ours; None if it cannot be read."""
    if method.__module__.split(".")[0] == __name__.split(".")[0]:
        return ""
    with contextlib.suppress(OSError, TypeError):
        return f"{method.__module__} {inspect.getsource(method)}"
    return None


def _named(value: Any, name: str, net: Classifier | None, given: Mapping[str, Any]) -> str | None:
    """An argument in words that are the same wherever it is meant; None if it has none."""
    if name == "target" and net is not None and value is not None and _is_plain(value):
        images = given.get("images")
        with contextlib.suppress(InputError):
            aim = resolve_target(net, value, 1 if images is None else len(images))
            if aim.through is None:
                outputs = None if aim.outputs is None else aim.outputs.tolist()
                return repr((outputs, aim.layer, aim.channel, aim.cell))
    if isinstance(value, (Images, Tensor, np.ndarray)):  # its numbers are in `inputs`
        return "array"
    return repr(value) if _is_plain(value) and (name in WORDED or not isinstance(value, str)) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))
