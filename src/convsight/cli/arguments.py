"""How is a command made, and which arguments do several commands share?"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any, Literal, get_args

# Both as in `fitting` and `network.reader`, which are not imported: they take torch along.
Fit = Literal["crop", "pad", "stretch"]
Task = Literal["classify", "multilabel", "binary", "regress", "locate", "segment", "detect", "embed"]

MODEL = (
    "a run directory, torchvision:NAME, timm:NAME, hf:NAME, file.py:function, program.pt2, network.onnx, or one of "
    "`convsight networks`"
)
DATA = "a name of `convsight datasets`, a folder of pictures, a .csv, .parquet or .npz file, or hf:NAME"
PICTURE = "a picture file, a folder, or SPLIT:INDEX of the data set, such as test:17 or test:0-8"


def command(commands: Any, name: str, help: str, where: str, **more: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + ".", allow_abbrev=False, **more
    )
    made.set_defaults(run=later(where))
    return made


def later(where: str) -> Callable[[argparse.Namespace, list[str]], int | None]:
    """The function `module:name` of this package, imported when it is first called."""
    module, _, name = where.partition(":")

    def run(given: argparse.Namespace, rest: list[str]) -> int | None:
        return getattr(importlib.import_module(f"convsight.cli.{module}"), name)(given, rest)

    return run


def takes_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    takes_network(parser)


def takes_network(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a network that is not a run")
    group.add_argument(
        "--weights", metavar="FILE", help="its weights (.safetensors .pth .pt .ckpt), or random"
    )
    group.add_argument(
        "--classes",
        metavar="FILE",
        help="class names: a file with one a line, or names separated by commas (one name is enough for a yes-or-no "
        "score); or imagenet",
    )
    group.add_argument("--input-size", metavar="HxW", help="height×width in pixels, such as 224 or 48x64")
    group.add_argument(
        "--input-channels", type=channels, metavar="N", help="1 grey, 3 colour, or any other number"
    )
    group.add_argument("--mean", help="subtracted per channel, such as 0.485,0.456,0.406")
    group.add_argument("--std", help="divided by per channel")
    group.add_argument(
        "--bands",
        metavar="R,G,B",
        help="channels shown as red, green, blue where there are not 1 or 3; or 'pages'",
    )
    takes_outputs(parser)


def takes_outputs(parser: argparse.ArgumentParser) -> None:
    """The options that say how the network's numbers are read."""
    group = parser.add_argument_group("how its outputs are read (a network that is not a run)")
    group.add_argument(
        "--task", choices=get_args(Task),
        help="what the numbers mean: one of k classes, several labels, one score for two classes, numbers, positions "
        "in pixels, maps, boxes, or a vector (default: guessed, and said)",
    )  # fmt: skip
    group.add_argument(
        "--output", metavar="NAME|NUMBER",
        help="which of several outputs is read, by its name or from 0 (default: picked, and said)",
    )  # fmt: skip
    group.add_argument(
        "--units", metavar="UNITS", help="units of the numbers, one for all or separated by commas: years,kg"
    )
    group.add_argument(
        "--thresholds", metavar="P",
        help="from which probability, 0 to 1, a label counts as there; one for all or separated by commas "
        "(default: 0.5)",
    )  # fmt: skip
    group.add_argument(
        "--explain", choices=("output", "score"),
        help="of a network that ends in softmax or sigmoid: explain what comes out, or the score before it "
        "(default: output)",
    )  # fmt: skip


def takes_pictures(parser: argparse.ArgumentParser, own_crop: bool = True) -> None:
    """How pictures are fitted; `own_crop`: also by the crop that a network brings along."""
    parser.add_argument(
        "--fit", default="crop", choices=get_args(Fit),
        help="how pictures of another shape come to the network's size: crop cuts the sides off, pad and stretch "
        "keep the whole picture (default: crop)",
    )  # fmt: skip
    if own_crop:
        parser.add_argument(
            "--crop", type=share, metavar="SHARE",
            help="with --fit crop: the share of the side that stays when the centre is cut out, above 0 to 1 "
            "(default: the network's own; 1 keeps all that its shape allows)",
        )  # fmt: skip


def share(text: str) -> float:
    """A number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give a number above 0, at most 1")
    return value


def channels(text: str) -> int:
    """A number of channels, 1 or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of channels; give 1, 3 or how many there are"
        )
    return int(text)
