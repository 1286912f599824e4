"""Which commands are there? The whole command line, without importing torch."""

from __future__ import annotations

import argparse

from convsight import __version__
from convsight.cli.looking_commands import audit, check, compare_maps, lists, show, space
from convsight.cli.sharing_commands import doctor, export, report, studio
from convsight.cli.training_commands import demo, fix, story, test, train

EXAMPLES = """\
start here:
  convsight demo                                       train on Fashion-MNIST, look inside, write the report
  convsight train photos/ --out runs/mine              a folder with one folder of pictures per class
  convsight train photos/ --network torchvision:mobilenet_v3_large      from a network that has seen other photos
  convsight show occlusion runs/mine cat.jpg -o cat.png
  convsight show gradcam torchvision:resnet50 cat.jpg --target tabby
"""
COMMANDS = (
    demo,
    story,
    train,
    test,
    show,
    lists,
    space,
    check,
    compare_maps,
    audit,
    fix,
    report,
    export,
    studio,
    doctor,
)  # as --help lists them


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; each command's `run` is imported only when it is called."""
    parser = argparse.ArgumentParser(
        prog="convsight",
        description="Sight into convolutional networks: train an image classifier and see what it looks at.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"convsight {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return parser
