"""A result of any kind comes back from its files exactly as it was, and damaged files are said to be so."""

import dataclasses
import io
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

import convsight as cs
from convsight.errors import DataError, DataNotFound, InputError
from convsight.images import Images
from convsight.results.files import from_files, open_result, to_files
from convsight.results.gaps import Gaps
from convsight.results.kinds import Curve, Light, Map, Pictures, Points, Ranking, Series, Table, Verdict
from convsight.results.provenance import Provenance
from convsight.results.result import Result
from convsight.results.sheet import Legend

FINITE_OR_NOT = st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
WORDS = st.text(max_size=12)
CELLS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
PLAIN = st.recursive(CELLS, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
                     | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8)  # fmt: skip
SHORT = {
    "max_examples": 12,
    "deadline": None,
    "phases": (Phase.explicit, Phase.generate),
    "suppress_health_check": [HealthCheck.too_slow],
}


@st.composite
def tensors(draw: Any, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    n = math.prod(shape)
    numbers = FINITE_OR_NOT if dtype.is_floating_point else st.integers(0, 1 if dtype == torch.bool else 9)
    return torch.tensor(draw(st.lists(numbers, min_size=n, max_size=n))).to(dtype).view(shape)


def maybe(values: Any) -> Any:
    return st.none() | values


@st.composite
def provenances(draw: Any) -> Provenance:
    knobs = draw(st.dictionaries(WORDS, PLAIN, max_size=4))
    return Provenance(
        "occlusion", knobs, {"target": draw(CELLS)}, "net", "w", "i", draw(st.floats(0, 9)), "paper"
    )


NO_PARTS = st.just(())


def common(parts: Any = NO_PARTS) -> dict[str, Any]:
    gaps = st.builds(
        Gaps, tensors(2, 3, dtype=torch.bool), maybe(st.tuples(st.floats(), st.floats())), st.integers(0, 9)
    )
    return {
        "title": WORDS, "caption": WORDS, "notes": st.lists(WORDS, max_size=2).map(tuple), "parts": parts,
        "provenance": maybe(provenances()), "svg": maybe(WORDS), "name": WORDS, "gaps": maybe(gaps),
    }  # fmt: skip


def names(n: int) -> Any:
    return st.lists(WORDS, min_size=n, max_size=n).map(tuple)


PICTURES = st.builds(
    Pictures, images=tensors(2, 1, 2, 2), captions=names(2), columns=st.integers(1, 9), row_labels=names(1),
    legend=maybe(st.builds(Legend, WORDS, WORDS, st.booleans(), WORDS)), values=maybe(tensors(2, 3)),
    right=st.tuples(st.booleans()), fps=maybe(st.floats(1, 9)), tile_px=maybe(st.integers(1, 9)), **common(),
)  # fmt: skip
MAPS = st.builds(
    Map, values=tensors(1, 2, 2), signed=st.booleans(), unit=WORDS, full_colour=st.floats(0.5, 1), labels_of=names(1),
    pictures=maybe(tensors(1, 1, 2, 2)), per_channel=maybe(tensors(1, 1, 2, 2)), scores=maybe(tensors(1, 1, 2)),
    clean_score=maybe(tensors(1)), **common(st.tuples(PICTURES) | st.just(())),
)  # fmt: skip
POINTS = st.builds(
    Points, xy=tensors(3, 2), ids=names(3), labels=maybe(tensors(3, dtype=torch.int64)), classes=names(2),
    pictures=maybe(tensors(3, 1, 1, 1, dtype=torch.float16)), losses=maybe(tensors(3, dtype=torch.bfloat16)), **common(),
)  # fmt: skip
RANKINGS = st.builds(
    Ranking, ids=st.tuples(names(2)), distances=tensors(1, 2), labels=maybe(tensors(1, 2, dtype=torch.int64)),
    query=st.builds(Images, st.just(torch.rand(1, 1, 2, 2)), ids=st.just(("q",))), pictures=tensors(1, 2, 1, 2, 2),
    classes=names(2), space=WORDS, **common(),
)  # fmt: skip
CURVES = st.builds(
    Curve, series=st.lists(st.builds(Series, WORDS, st.tuples(CELLS, CELLS), st.tuples(st.floats(), st.floats())),
                           max_size=2).map(tuple), x_label=WORDS, style=WORDS, **common(),
)  # fmt: skip
NUMPY = st.sampled_from([np.float32(0.1), np.int64(3), np.array([1.5, 2.5])])
TABLES = st.builds(
    Table, columns=names(2), rows=st.lists(st.tuples(CELLS, CELLS | NUMPY), max_size=3).map(tuple), shade=st.booleans(),
    **common(st.tuples(MAPS, CURVES) | st.just(())),
)  # fmt: skip
VERDICTS = st.builds(
    Verdict, found=st.booleans(), sentence=WORDS, region=maybe(tensors(2, 2, dtype=torch.bool)),
    interval=st.tuples(st.floats(), st.floats()), accuracy=maybe(st.tuples(st.floats(0, 1), maybe(st.floats(0, 1)))),
    examples=maybe(PICTURES), parameters=st.dictionaries(WORDS, PLAIN, max_size=2),
    tensors=st.dictionaries(WORDS, tensors(2), max_size=2), **common(),
)  # fmt: skip
LIGHTS = st.builds(
    Light, verdict=st.sampled_from(["yes", "no", "can't tell"]), sentence=WORDS,
    numbers=st.dictionaries(WORDS, st.floats(), max_size=3), pictures=maybe(PICTURES), **common(),
)  # fmt: skip
EVERY = [PICTURES, MAPS, POINTS, RANKINGS, CURVES, TABLES, VERDICTS, LIGHTS]


def same(a: Any, b: Any) -> bool:
    """Whether two values are alike in type and in every bit; NaN is like NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and same_bits(a, b)
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return repr(a) == repr(b)


def same_bits(a: Tensor, b: Tensor) -> bool:
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    return torch.equal(a.contiguous().view(bits), b.contiguous().view(bits))


@pytest.mark.parametrize(
    "kind", EVERY, ids=["Pictures", "Map", "Points", "Ranking", "Curve", "Table", "Verdict", "Light"]
)
@settings(**SHORT)
@given(data=st.data())
def test_every_kind_comes_back_exactly(kind: Any, data: Any, tmp_path_factory: Any) -> None:
    result = data.draw(kind)
    assert same(from_files(to_files(result)), result)
    path = tmp_path_factory.mktemp("r") / "r.npz"
    path.write_bytes(result._encoded("npz"))
    assert same(open_result(path), result)


def test_every_kind_is_tested() -> None:
    def below(cls: type) -> set[type]:
        return {cls for sub in cls.__subclasses__() for cls in (sub, *below(sub))}

    tested = {Pictures, Map, Points, Ranking, Curve, Table, Verdict, Light}
    assert {cls for cls in below(Result) if cls.__module__.startswith("convsight.")} == tested


RESULT = Map(
    title="M",
    values=torch.rand(1, 3, 3),
    notes=("n",),
    parts=(Table(columns=("a",), rows=((1,),), name="t"),),
)


def test_files_are_read_with_ordinary_tools() -> None:
    files = to_files(RESULT)
    words = json.loads(files["result.json"])
    assert words["format"] == 1 and words["result"]["Map"]["notes"] == ["n"]
    with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["values"], RESULT.values.numpy())


@pytest.mark.parametrize("name", ["result.json", "arrays.npz"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_changed_byte_is_noticed(name: str, place: float) -> None:
    files = to_files(RESULT)
    content = bytearray(files[name])
    content[int(place * len(content))] ^= 1
    with pytest.raises(DataError):
        from_files({**files, name: bytes(content)})


@pytest.mark.parametrize("files", [
    {}, {"result.json": b"{}"}, {"result.json": b"", "arrays.npz": b""}, {"result.json": b"[1]", "arrays.npz": b"PK"},
])  # fmt: skip
def test_foreign_files_are_a_data_error(files: dict[str, bytes]) -> None:
    with pytest.raises(DataError):
        from_files(files)


def test_another_format_is_named() -> None:
    files = to_files(RESULT)
    newer = json.loads(files["result.json"]) | {"format": 2}
    with pytest.raises(DataError, match="stored in format 2, and this convsight reads 1"):
        from_files({**files, "result.json": json.dumps(newer).encode()})


def test_what_a_file_cannot_hold_is_named() -> None:
    with pytest.raises(InputError, match=r"a function \(in rows\.0\.0\) cannot be stored"):
        to_files(Table(columns=("a",), rows=((print_nothing,),)))


def print_nothing() -> None:
    """Something that no file can hold."""


def test_an_npz_file_that_holds_no_result_says_so(tmp_path: Any) -> None:
    np.savez(tmp_path / "numbers.npz", values=np.zeros(3))
    with pytest.raises(DataError, match="holds no result"):
        cs.open_result(tmp_path / "numbers.npz")
    with pytest.raises(DataNotFound, match="no file"):
        cs.open_result(tmp_path / "nothing.npz")


def test_parts_are_found_by_name() -> None:
    assert RESULT.part("t") is RESULT.parts[0] and RESULT.part("x") is None
