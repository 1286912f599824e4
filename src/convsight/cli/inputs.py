"""How do arguments of the command line become classifiers, data sets, pictures and knob values?"""

from __future__ import annotations

import argparse
import functools
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convsight.bring import load
from convsight.bring.huggingface import is_pretrained
from convsight.datasets import Dataset, as_dataset
from convsight.datasets.listed import read_text
from convsight.errors import InputError, closest
from convsight.images import Images, fitted, opened
from convsight.imaging.choosing import PAGES, as_bands
from convsight.method import Knob, Method
from convsight.network.class_names import KNOWN
from convsight.network.classifier import Classifier
from convsight.run import CONFIG, METRICS, Run

SWITCH: dict[str, bool] = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
SEVERAL_PX = 256  # pictures of several sizes, for techniques that leave a picture at its own size
OF_NETWORK = (
    "weights", "classes", "input_size", "input_channels", "mean", "std",
    "task", "output", "units", "thresholds", "explain",
)  # fmt: skip
PLACE = re.compile(r"^(train|validation|test):(\d+)(?:-(\d+))?$")


def classifier(model: str, given: argparse.Namespace) -> Classifier:
    """The network that MODEL and its options name."""
    refuse_for_run(model, given)
    net = load(model, **brought(given))
    shown = bands(getattr(given, "bands", None))
    if shown is not None:
        net.bands = as_bands(shown, net.channels)
    crop = getattr(given, "crop", None)
    if crop is not None:
        if given.fit != "crop":
            raise InputError(f"--crop goes with --fit crop, not with --fit {given.fit}")
        net.crop = crop
    return net


def refuse_for_run(model: str, given: argparse.Namespace) -> None:
    """InputError if MODEL is a run and options were given that a run answers by itself."""
    flags = [f"--{name.replace('_', '-')}" for name in OF_NETWORK if getattr(given, name, None) is not None]
    if flags and run_of(model) is not None:
        raise InputError(
            f"{model} is a run, which knows its network, classes and task: {', '.join(flags)} "
            f"{'does' if len(flags) == 1 else 'do'} not apply",
            given=", ".join(flags),
            works="leave it out" if len(flags) == 1 else "leave them out",
        )


def bands(text: str | None) -> list[int] | str | None:
    """`3,2,1` as channel numbers, `pages` as it is."""
    if text is None or text == PAGES:
        return text
    if not all(part.strip().isdigit() for part in text.split(",")):
        raise InputError(
            f"--bands {text!r}: give three channel numbers with commas, such as 3,2,1, or 'pages'"
        )
    return [int(part) for part in text.split(",")]


def brought(given: argparse.Namespace) -> dict[str, Any]:
    """The options for MODEL as arguments of `convsight.load`."""
    said = {name: getattr(given, name, None) for name in OF_NETWORK}
    options = {
        "weights": said["weights"],
        "classes": class_names(said["classes"]),
        "input_size": size(said["input_size"]),
        "channels": said["input_channels"],
        "mean": numbers("--mean", said["mean"]),
        "std": numbers("--std", said["std"]),
        "task": said["task"],
        "output": which_output(said["output"]),
        "units": unit_names(said["units"]),
        "thresholds": numbers("--thresholds", said["thresholds"], "label"),
        "explain": said["explain"],
    }
    return {k: v for k, v in options.items() if v is not None}


def run_of(model: str | None) -> Run | None:
    """The run, if MODEL is a run's directory; one command opens it and its data set once."""
    if not model or not (config := Path(model).expanduser() / CONFIG).is_file():
        return None
    if is_pretrained(config.parent):  # Hugging Face's folders have a config.json too
        return None
    metrics = config.with_name(METRICS)
    changed = metrics.stat().st_mtime_ns if metrics.is_file() else 0
    return _opened(config.parent.absolute(), Path(model).expanduser(), changed)


@functools.lru_cache(maxsize=2)
def _opened(folder: Path, path: Path, changed: int) -> Run:
    return Run.open(path)


def data_of(
    source: str | None, model: str | None, net: Classifier | None = None, fit: str = "crop"
) -> Dataset:
    """The data set named, or the run's own; fitted to the network's input.

    A folder of pictures that are not sorted into classes becomes a data set of test pictures.
    """
    if source is not None:
        return as_dataset(source, net, fit)
    run = run_of(model)
    if run is None:
        raise InputError("a data set is needed: --data NAME or FOLDER (only a run knows its own)")
    return run.dataset


def pictures(
    words: Sequence[str],
    source: str | None,
    model: str | None,
    net: Classifier | None,
    *,
    fit: str = "crop",
    resize: bool = True,
) -> Images:
    """Pictures from files and folders, or from a data set as SPLIT:INDEX or SPLIT:FIRST-LAST.

    With a network they come fitted to its input, or without `resize` in its channels and at their own size.
    """
    parts: list[Images] = []
    for is_place, group in itertools.groupby(words, key=lambda word: PLACE.match(word) is not None):
        if is_place:
            chosen = [_of_data(word, source, model, net, fit) for word in group]
            parts += [net.fit(each, fit) for each in chosen] if net is not None and resize else chosen
        elif net is not None and resize:
            parts.append(net.fit(list(group), fit))
        else:
            parts.append(_at_own_size(list(group), None if net is None else net.channels, fit))
    return Images.concat(parts)


def _of_data(word: str, source: str | None, model: str | None, net: Classifier | None, fit: str) -> Images:
    data = data_of(source, model, net, fit)
    place = PLACE.match(word)
    assert place is not None
    split = data.splits[place[1]]
    first, last = int(place[2]), int(place[3] or place[2])
    if not first <= last < len(split):
        raise InputError(f"{word}: the {place[1]} split of {data.name} has pictures 0 to {len(split) - 1}")
    return split[first : last + 1]


def _at_own_size(files: list[str], channels: int | None, fit: str) -> Images:
    """The pictures as they are; those of several sizes at one, which a note says."""
    parts = opened(files, channels)
    if len({part.size for part in parts}) == 1:
        return fitted(parts, None, channels or max(part.channels for part in parts))
    images = fitted(parts, (SEVERAL_PX, SEVERAL_PX), channels or max(p.channels for p in parts), fit)
    note = f"The pictures have several sizes: all are brought to {SEVERAL_PX}×{SEVERAL_PX}; one at a time keeps its own."
    return replace(images, notes=(note, *images.notes))


def knobs(method: type[Method], rest: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """`--patch 8 --fill mean cat.jpg` as a technique's knobs, and the arguments that are no knobs."""
    known = {each.name: each for each in method.knobs()}
    values: dict[str, Any] = {}
    words, others = list(rest), []
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            others.append(word)
            continue
        name, has_value, text = word.partition("=")
        knob = known.get(name.lstrip("-").replace("-", "_"))
        if knob is None:
            raise InputError(
                f"{method.name} does not know {word!r}",
                given=word,
                works=closest(name, [f"--{k}" for k in known], 20),
            )
        if isinstance(knob.default, bool) and not has_value and (not words or words[0].lower() not in SWITCH):
            text = "yes"
        elif not has_value and not words:
            raise InputError(f"{word} needs a value{_expected(knob)}")
        elif not has_value:
            text = words.pop(0)
        values[knob.name] = value_of(knob, text)
    return values, others


def value_of(knob: Knob, text: str) -> Any:
    """The text as the knob's own type."""
    kinds = knob.type.replace(" ", "").split("|")
    if "None" in kinds and text.lower() == "none":
        return None
    for kind in kinds:
        if kind == "bool" and text.lower() in SWITCH:
            return SWITCH[text.lower()]
        if kind == "int" and re.fullmatch(r"[+-]?\d+", text):
            return int(text)
        if kind == "float" and _is_float(text):
            return float(text)
        if kind.startswith("tuple[") and (parts := _parts(kind, text)) is not None:
            return parts
    if "str" in kinds:
        return text
    raise InputError(f"--{knob.name.replace('_', '-')} cannot be {text!r}{_expected(knob)}")


def _parts(kind: str, text: str) -> tuple[Any, ...] | None:
    """`8x4` or `8,4` as a tuple of the kind's own members; None if some are not."""
    inner = kind[len("tuple[") : -1].split(",")[0]
    words = [word for word in re.split("[,×]" if inner == "str" else "[,x×]", text) if word]
    try:
        return tuple({"int": int, "float": float}.get(inner, str)(word) for word in words) or None
    except ValueError:
        return None


def _expected(knob: Knob) -> str:
    return f"; it is {knob.range or knob.type.replace('|', 'or')}"


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def class_names(text: str | None) -> list[str] | str | None:
    """Names from a file with one a line, from a list with commas, or one name for a yes-or-no score.

    "imagenet" and its like stay as they are. What looks like a file's name must be one.
    """
    if text is None or text in KNOWN or text.endswith(".json"):
        return text
    if Path(text).is_file():
        return [line.strip() for line in read_text(Path(text)).splitlines() if line.strip()]
    if "," not in text and (Path(text).suffix or Path(text).parent != Path()):
        raise InputError(
            f"--classes: there is no file {text!r}",
            given=text,
            works=f"give names with commas between, or one of {', '.join(KNOWN)}",
        )
    return [name.strip() for name in text.split(",")]


def size(text: str | None) -> tuple[int, int] | None:
    """`224`, `48x64` or `48×64` as (height, width)."""
    if text is None:
        return None
    parts = re.split("[x×]", text)
    if len(parts) > 2 or not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"{text!r} is no size; give one number of pixels, or height×width such as 48x64")
    return int(parts[0]), int(parts[-1])


def which_output(text: str | None) -> int | str | None:
    """`1` as a number, `age` as the name that it is."""
    return int(text) if text is not None and text.isdecimal() else text


def unit_names(text: str | None) -> list[str] | str | None:
    """`years,kg` as two names, `years` as the one that is meant for all."""
    return text if text is None or "," not in text else [word.strip() for word in text.split(",")]


def numbers(option: str, text: str | None, each: str = "channel") -> list[float] | float | None:
    if text is None:
        return None
    if not all(_is_float(part) for part in text.split(",")):
        raise InputError(f"{option} {text!r}: give one number, or one per {each} separated by commas")
    values = [float(part) for part in text.split(",")]
    return values if len(values) > 1 else values[0]
