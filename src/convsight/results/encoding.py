"""How does a result become JSON and arrays, from which exactly the same result is made again?

Plain values are JSON as they are, and so are tuples, as JSON arrays. Everything else is an object with one entry
that says what it is:

    {"float": "nan"}  {"list": [...]}  {"dict": [[key, value], ...]}  {"Map": {field: value, ...}}
    {"tensor": NAME}  {"array": NAME}  {"number": NAME}     an entry of the npz file beside the JSON

Fields that have their default value are left out.
"""

from __future__ import annotations

import dataclasses
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from convsight.errors import DataError, InputError
from convsight.images import Images

Arrays = dict[str, np.ndarray]
T = TypeVar("T", bound=type)
STORED: dict[str, type] = {"Images": Images}  # dataclasses that may be a result or part of one, by name
QUICK = 1  # zlib's level: about four fifths of the gain of level 6 in a fifth of its time


def stored(cls: T) -> T:
    """Mark a dataclass as one that results are made of, so that `decode` knows it by its name."""
    STORED[cls.__name__] = cls
    return cls


def encode(value: Any, arrays: Arrays, at: str = "") -> Any:
    """`value` as JSON; its arrays are added to `arrays` under names that begin with `at`.

    Raises InputError for a value of a type that results are not made of.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if np.isfinite(value) else {"float": str(value)}
    if type(value) is tuple:
        return [encode(item, arrays, _item(at, i)) for i, item in enumerate(value)]
    if type(value) is list:
        return {"list": [encode(item, arrays, _item(at, i)) for i, item in enumerate(value)]}
    if isinstance(value, Mapping):
        pairs = enumerate(value.items())
        return {"dict": [[encode(k, arrays, f"{at}.key{i}"), encode(v, arrays, f"{at}.{k}")] for i, (k, v) in pairs]}  # fmt: skip
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return _array(value, arrays, at)
    if STORED.get(type(value).__name__) is type(value):
        return {type(value).__name__: _fields(value, arrays, at)}
    raise InputError(f"a {type(value).__name__} (in {at or 'the result'}) cannot be stored with a result")


def decode(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `encode` was given. Raises DataError for what it did not write."""
    if isinstance(value, list):
        return tuple(decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    ((what, inner),) = value.items()
    if what == "float":
        return float(inner)
    if what == "list":
        return [decode(item, arrays) for item in inner]
    if what == "dict":
        return {decode(k, arrays): decode(v, arrays) for k, v in inner}
    if what == "tensor":
        return torch.from_numpy(np.array(arrays[inner]))
    if what == "bfloat16":
        return torch.from_numpy(np.array(arrays[inner])).to(torch.bfloat16)
    if what in ("array", "number"):
        return arrays[inner] if what == "array" else arrays[inner][()]
    if what not in STORED:
        raise DataError(f"nothing is known of a {what!r}; a newer convsight may have written it")
    return STORED[what](**{name: decode(field, arrays) for name, field in inner.items()})


def numpy_of(tensor: Tensor) -> np.ndarray:
    """The tensor's numbers for numpy, which has no bfloat16: that becomes float32 with the same values."""
    plain = tensor.detach().cpu().contiguous()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as an npz file, which `numpy.load` reads."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=QUICK) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)  # type: ignore[arg-type]
    return buffer.getvalue()


def npz_arrays(content: bytes) -> Arrays:
    """The arrays of an npz file. Raises ValueError, OSError or zipfile.BadZipFile for a damaged one."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _fields(value: Any, arrays: Arrays, at: str) -> dict[str, Any]:
    found = {}
    for each in dataclasses.fields(value):
        inner = getattr(value, each.name)
        if not _is_default(inner, each.default):
            found[each.name] = encode(inner, arrays, f"{at}.{each.name}" if at else each.name)
    return found


def _is_default(value: Any, default: Any) -> bool:
    # `repr` tells −0.0 from 0.0, which are equal.
    alike = type(value) is type(default) in (int, str, tuple) and repr(value) == repr(default)
    return value is default or alike


def _array(value: Any, arrays: Arrays, at: str) -> dict[str, str]:
    name = re.sub(r"[^\w.-]", "_", at) or "value"
    while name in arrays:  # two keys of a dictionary may differ only in what a file's name cannot have
        name += "_"
    if not isinstance(value, Tensor):
        arrays[name] = np.asarray(value)
        return {"array" if isinstance(value, np.ndarray) else "number": name}
    arrays[name] = numpy_of(value)
    return {"bfloat16" if value.dtype == torch.bfloat16 else "tensor": name}


def _item(at: str, i: int) -> str:
    """Names of a tuple's items; the parts of a result are called part0, part1, ..."""
    return f"{at.removesuffix('s')}{i}" if at.rpartition(".")[2] == "parts" else f"{at}.{i}"
