"""Results stay on disk whole or not at all, within a bound, and whatever cannot be read is computed again."""

import json
import os
import threading
from pathlib import Path

import pytest
import torch

from convsight.errors import StorageError
from convsight.results.kinds import Map, Table
from convsight.results.provenance import Provenance
from convsight.results.result import Result
from convsight.results.stored import Results


def table(number: int) -> Table:
    return Table(title=f"T{number}", columns=("n",), rows=((number,),))


def title(result: Result | None) -> str | None:
    return None if result is None else result.title


def key(number: int) -> str:
    return f"{number:024x}"


def made_by(rest: str) -> Provenance:
    return Provenance("saliency", {"steps": 3}, {}, "net", "weights", "inputs", 0.0, "paper", rest=rest)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def test_a_result_is_found_under_its_key_and_another_is_not(results: Results) -> None:
    assert results.get(key(1)) is None and results.entries() == []
    results.put(key(1), table(1))
    found = results.get(key(1))
    assert isinstance(found, Table) and found.rows == ((1,),) and results.get(key(2)) is None
    assert [f.name for f in results.path.iterdir()] == [key(1)]


def test_what_is_there_stays(results: Results) -> None:
    results.put(key(1), table(1))
    results.put(key(1), table(2))
    assert title(results.get(key(1))) == "T1"


def test_it_is_made_once(results: Results) -> None:
    calls = []

    def make() -> Table:
        calls.append(1)
        return table(len(calls))

    assert [results.once(made_by("r"), make).title for _ in range(3)] == ["T1"] * 3
    assert results.once(made_by("other"), make).title == "T2"


def test_what_has_no_key_is_made_each_time_and_not_kept(results: Results) -> None:
    made = [results.once(made_by(""), lambda n=n: table(n)).title for n in range(2)]
    assert made == ["T0", "T1"] and results.entries() == []


@pytest.mark.parametrize("spoil", [
    lambda folder: (folder / "result.json").write_text('{"format": 1,'),
    lambda folder: (folder / "arrays.npz").write_bytes(b"no zip"),
    lambda folder: (folder / "arrays.npz").unlink(),
    lambda folder: (folder / "result.json").write_text(json.dumps({"format": 99})),
    lambda folder: (folder / "result.json").write_bytes(b"\xff\xfe\x00"),
])  # fmt: skip
def test_a_damaged_entry_is_said_and_made_again(
    results: Results, spoil, caplog: pytest.LogCaptureFixture
) -> None:
    provenance = made_by("r")
    results.once(provenance, lambda: table(1))
    spoil(results.path / provenance.key)
    assert results.once(provenance, lambda: table(2)).title == "T2"
    assert "is computed again" in caplog.text and provenance.key in caplog.text
    assert title(results.get(provenance.key)) == "T2"


def test_those_used_longest_ago_go_when_there_is_no_room(results: Results) -> None:
    size = 100 * 100 * 4  # bytes; random numbers cannot be packed much
    small = Results(results.path, most_bytes=int(3.5 * size))
    for number in range(3):
        small.put(key(number), Map(values=torch.rand(1, 100, 100)))
        os.utime(results.path / key(number), (number, number))
    assert small.get(key(0)) is not None  # used now, so number 1 is the oldest
    small.put(key(3), Map(values=torch.rand(1, 100, 100)))
    kept = {entry.key for entry in small.entries()}
    assert key(0) in kept and key(3) in kept and key(1) not in kept
    assert sum(entry.bytes for entry in small.entries()) <= small.most_bytes


def test_what_is_larger_than_all_room_is_not_stored(results: Results) -> None:
    Results(results.path, most_bytes=100).put(key(1), Map(values=torch.rand(1, 100, 100)))
    assert results.entries() == []


def test_foreign_files_are_left_alone(results: Results) -> None:
    results.put(key(1), table(1))
    (results.path / "notes.txt").write_text("mine")
    (results.path / "folder").mkdir()
    assert results.clear() == 1 and results.get(key(1)) is None
    assert sorted(f.name for f in results.path.iterdir()) == ["folder", "notes.txt"]


def test_a_full_disk_leaves_no_half_result(results: Results, monkeypatch, caplog) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="disk is full"):
        results.put(key(1), table(1))
    assert results.get(key(1)) is None and not list(results.path.iterdir())
    assert results.once(made_by("r"), lambda: table(2)).title == "T2"  # answered all the same, and said
    assert "is not kept" in caplog.text


def test_many_programs_may_store_the_same(results: Results) -> None:
    threads = [threading.Thread(target=results.put, args=(key(1), table(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert title(results.get(key(1))) == "T1" and len(list(results.path.iterdir())) == 1


def test_what_is_made_of_a_result_stays_beside_it(results: Results) -> None:
    results.put(key(1), table(1))
    assert results.beside(key(1), "figure.html", lambda: b"drawn") == b"drawn"
    assert results.beside(key(1), "figure.html", lambda: b"other") == b"drawn"
    assert results.beside("", "figure.html", lambda: b"other") == b"other"
    assert title(results.get(key(1))) == "T1"
