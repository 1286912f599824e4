"""Which reference pages write themselves? Commands from the parser, Python names from their docstrings.

    python docs/generated.py        writes reference/commands.md and reference/python.md

The site's build calls `write`; the pages are not committed. A test fails when a command, an option or a name
would come out without a word.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

import convsight as cs
from convsight.cli.parser import build_parser

NOT_EDITED = "<!-- written by docs/generated.py -->\n\n"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser by name, in the order of `convsight --help`."""
    (group,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(group.choices)


def options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """(how it is written, what it does) of every argument but --help."""
    return [(_written(a), _help(a, parser)) for a in parser._actions if a.dest != "help"]


def commands_page() -> str:
    """The command line as Markdown: one section a command, one row an argument."""
    parts = [
        "# Commands",
        "Run `convsight COMMAND --help` for the same words. Options may stand anywhere after the command; "
        "`--json` prints for programs, everything else for people.",
    ]
    for name, parser in commands().items():
        parts += [f"## convsight {name}", (parser.description or "").strip()]
        parts.append("```sh\n" + " ".join(parser.format_usage().removeprefix("usage: ").split()) + "\n```")
        rows = [f"| `{_cell(written)}` | {_cell(help)} |" for written, help in options(parser)]
        if rows:
            parts.append("\n".join(["| argument | what it does |", "|---|---|", *rows]))
        if name == "show":
            parts.append("The knobs of each technique are on [its page](../methods/README.md).")
    return NOT_EDITED + "\n\n".join(parts) + "\n"


def names() -> dict[str, Any]:
    """Every public Python name that is not a technique."""
    return {name: getattr(cs, name) for name in sorted(cs._HOMES, key=str.lower)}


def python_page() -> str:
    """The public names as Markdown: signature, docstring, and the public members of classes."""
    parts = [
        "# Python",
        "Everything below is `import convsight as cs` away. [Techniques](../methods/README.md) are names too, "
        "each twice: `cs.occlusion(net, images, patch=8)` and its dataclass `cs.Occlusion(patch=8)(net, images)`. "
        "What comes back is described under [results](results.md).",
    ]
    for name, value in names().items():
        parts += [f"## cs.{name}", _described(name, value)]
        parts += [f"**`.{member}`** {words}" for member, words in members(value).items()]
    return NOT_EDITED + "\n\n".join(parts) + "\n"


def members(value: Any) -> dict[str, str]:
    """The documented public methods and properties of a class, with the first paragraph of each docstring."""
    if not inspect.isclass(value):
        return {}
    kinds = (FunctionType, classmethod, staticmethod, property, cached_property)
    found = {n: inspect.getdoc(v) for n, v in vars(value).items() if n[0] != "_" and isinstance(v, kinds)}
    return {name: " ".join(doc.split("\n\n")[0].split()) for name, doc in found.items() if doc}


def _described(name: str, value: Any) -> str:
    plain = inspect.isclass(value) and issubclass(value, Exception)
    signature = "" if plain else re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))
    words, _, example = (inspect.getdoc(value) or "").partition("\n>>> ")
    text = "```text\n" + words.strip() + "\n```"
    shown = f"\n\n```python\n>>> {example.strip()}\n```" if example else ""
    return f"```python\ncs.{name}{signature}\n```\n\n{text}{shown}"


def _written(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = " ".join(value) if isinstance(value, tuple) else value
    if not action.option_strings:
        return value
    return ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write(folder: Path) -> None:
    """Both pages into `folder`; a page that has not changed keeps its time."""
    for name, text in (("commands.md", commands_page()), ("python.md", python_page())):
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference")
