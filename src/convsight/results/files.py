"""How is a result kept in files, and made again from them, exactly as it was?

    result.json    {"format", "check", "result"}: the kind, every word and number, and where the arrays are
    arrays.npz     every tensor and array, by name

A run keeps its results and its audit in this form, and so does the studio; `Result.save("x.npz")` writes the same in
one file. Ordinary tools read both: any JSON reader, `numpy.load`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

import convsight.results.kinds  # noqa: F401  (every kind is known by its name)
from convsight.errors import DataError, DataNotFound
from convsight.results.encoding import Arrays, decode, encode, npz_arrays, npz_bytes
from convsight.results.result import PACKED, Result

FORMAT = 1  # raised when older readers would misread what is written
WORDS, ARRAYS = "result.json", "arrays.npz"
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zipfile.BadZipFile)


def to_files(result: Result) -> dict[str, bytes]:
    """The files that hold `result`: name → content. Raises InputError for what a file cannot hold."""
    arrays: Arrays = {}
    body, numbers = encode(result, arrays), npz_bytes(arrays)
    stored = {"format": FORMAT, "check": _check(body, numbers), "result": body}
    return {WORDS: json.dumps(stored, indent=1, ensure_ascii=False).encode(), ARRAYS: numbers}


def from_files(files: Mapping[str, bytes]) -> Result:
    """The result that `to_files` was given: kind, values, parts and provenance.

    Raises DataError for files that are missing, damaged, changed by hand or written in another format.
    """
    try:
        stored, numbers = json.loads(files[WORDS]), files[ARRAYS]
        if stored["format"] != FORMAT:
            raise DataError(f"it is stored in format {stored['format']}, and this convsight reads {FORMAT}")
        if stored["check"] != _check(stored["result"], numbers):
            raise DataError("it was damaged or changed after it was stored")
        return _result(decode(stored["result"], npz_arrays(numbers)))
    except UNREADABLE as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"it cannot be read ({type(error).__name__}: {error})") from error


def open_result(path: str | Path) -> Result:
    """The result in a file that `Result.save` wrote as .npz: the same kind, values, parts and provenance.

    Raises DataNotFound, or DataError for any other file.

    >>> import tempfile
    >>> import convsight as cs
    >>> table = cs.Table(title="T", columns=("n",), rows=((1,),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cs.open_result(table.save(f"{folder}/t.npz")).rows
    ((1,),)
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"no file {str(path)!r}; result.save('x.npz') writes one")
    try:
        arrays = npz_arrays(path.read_bytes())
        return _result(decode(json.loads(str(arrays[PACKED])), arrays))
    except UNREADABLE as error:
        raise DataError(
            f"{path} holds no result ({type(error).__name__}: {error}); result.save('x.npz') writes one"
        ) from error


def _result(value: Any) -> Result:
    if not isinstance(value, Result):
        raise DataError(f"it holds a {type(value).__name__}, not a result")
    return value


def _check(body: Any, numbers: bytes) -> str:
    """A digest of everything that is stored, so that a changed bit is noticed."""
    digest = xxhash.xxh3_128(json.dumps(body, sort_keys=True).encode())
    digest.update(numbers)
    return digest.hexdigest()
