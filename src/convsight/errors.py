"""What can go wrong, and what does the user read when it does?

ConvsightError                     anything convsight says itself; the command line exits with `exit_code`
├── InputError      (ValueError)   an argument is wrong: a target, layer, knob, shape or number
├── DataError       (ValueError)   a picture or data set cannot be read or used
│   └── DataNotFound               it is not there, and the message says where it was looked for
├── ModelError      (ValueError)   a network cannot be loaded, run or looked into
├── TrainingError   (RuntimeError) training diverged or cannot go on
├── StorageError    (OSError)      a file cannot be written: full disk, no permission
└── MissingExtra    (ImportError)  an optional dependency is not installed

Every message says what was wrong, what was given and what would work.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class ConvsightError(Exception):
    """Base of every error that convsight raises on purpose.

    what: what was wrong, in words that name what was given. given: that alone, where a page shows it apart. works:
    what would work. The message is `what; works`.

    >>> error = InputError("no layer 'conv9'", given="conv9", works="there are conv1, conv2")
    >>> str(error), error.works
    ("no layer 'conv9'; there are conv1, conv2", 'there are conv1, conv2')
    """

    exit_code = 1

    def __init__(self, what: str = "", *, given: object = "", works: str = ""):
        super().__init__(f"{what}; {works}" if works else what)
        self.what, self.given, self.works = what, str(given), works


class InputError(ConvsightError, ValueError):
    exit_code = 2


class DataError(ConvsightError, ValueError):
    pass


class DataNotFound(DataError):
    pass


class ModelError(ConvsightError, ValueError):
    pass


class TrainingError(ConvsightError, RuntimeError):
    pass


class StorageError(ConvsightError, OSError):
    pass


class MissingExtra(ConvsightError, ImportError):
    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs {package}, which is not installed; pip install 'convsight[{extra}]' brings it"
        )


def required(module: str, extra: str, purpose: str, package: str = "") -> Any:
    """The module, imported; MissingExtra if it, or what it imports, is not installed.

    extra: what brings it, as in `convsight[extra]`. purpose: what needs it. package: its name where pip knows it by
    another.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise MissingExtra(package or missing.name or module, extra, purpose) from missing


def check_known(
    name: Any,
    known: Iterable[Any],
    otherwise: str,
    *,
    error: type[ConvsightError] = InputError,
    most: int = 8,
) -> None:
    """Raise an `error` that says `otherwise` and offers the closest names, unless `name` is one of those `known`.

    >>> check_known("conv9", ["conv1", "fc"], "no layer 'conv9'")
    Traceback (most recent call last):
    convsight.errors.InputError: no layer 'conv9'; did you mean conv1? There are: conv1, fc
    """
    if name not in known:
        raise error(otherwise, given=name, works=closest(name, known, most))


def closest(name: str, known: Iterable[str], most: int = 8) -> str:
    """A phrase that offers the names nearest to a wrong one.

    >>> closest("conv9", ["conv1", "conv2", "fc"])
    'did you mean conv2, conv1? There are: conv1, conv2, fc'
    """
    known = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), known, n=3)
    shown = ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
    return (f"did you mean {', '.join(near)}? " if near else "") + f"There are: {shown or 'none'}"
