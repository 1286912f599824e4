"""The whole check of a folder of our own drawings in which every kind of flaw was planted; and what is made of it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import convsight as cs
from convsight.checking import COLUMNS, PROBLEMS, findings_of, write_relabel
from convsight.datasets import dataset
from convsight.errors import DataError, DataNotFound, InputError
from convsight.picture import write_picture

PER_CLASS = 45
CLASSES = ("bag", "boot", "dress")
KINDS = (8, 9, 3)  # of the garments' ten classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flawed") / "photos"
    drawn = dataset("drawn-garments-colour", n_train=1200, n_validation=10, n_test=10).train
    for name, kind in zip(CLASSES, KINDS, strict=True):
        (root / name).mkdir(parents=True)
        chosen = (drawn.labels == kind).nonzero()[:PER_CLASS, 0]
        for i, picture in enumerate(drawn[chosen].pixels):
            write_picture(root / name / f"{i:02d}.png", (picture * 255).byte())
    picture = Image.open(root / "bag" / "00.png")
    (root / "boot" / "wrong.png").write_bytes((root / "dress" / "01.png").read_bytes())
    (root / "dress" / "01.png").unlink()
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "bag" / "mirrored.png")
    for i in range(2, 10):  # of eight copies some come into another split than their picture
        (root / "dress" / f"copy {i}.png").write_bytes((root / "dress" / f"{i:02d}.png").read_bytes())
    Image.new("RGB", picture.size, (3, 3, 3)).save(root / "dress" / "blank.png")
    Image.open(root / "dress" / "05.png").convert("L").save(root / "dress" / "grey.png")
    (root / "dress" / "05.png").unlink()
    Image.open(root / "boot" / "07.png").resize((20, 20)).save(root / "boot" / "tiny.png")
    (root / "boot" / "07.png").unlink()
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> cs.Table:
    return cs.check(folder)


def test_every_planted_flaw_is_a_row_with_its_picture_and_an_action(found: cs.Table) -> None:
    findings = findings_of(found)
    named = {(f.problem, f.id) for f in findings}
    assert ("mislabelled", "boot/wrong.png") in named
    assert named & {("leak", "bag/mirrored.png"), ("duplicate", "bag/mirrored.png"), ("leak", "bag/00.png"), ("duplicate", "bag/00.png")}  # fmt: skip
    odd = {f.id: f.finding.partition(":")[0] for f in findings if f.problem == "odd"}
    assert odd == {"dress/blank.png": "Blank", "dress/grey.png": "Grey", "boot/tiny.png": "Tiny"}
    wrong = next(f for f in findings if f.id == "boot/wrong.png" and f.problem == "mislabelled")
    assert (wrong.given, wrong.suggested) == ("boot", "dress") and 0.8 <= (wrong.sure or 0) <= 1
    assert all(f.action and f.finding for f in findings) and {f.problem for f in findings} <= set(PROBLEMS)


def test_the_worst_come_first_and_each_problem_has_its_sheet(found: cs.Table) -> None:
    order = [list(PROBLEMS).index(row[1]) for row in found.rows]
    assert order == sorted(order)
    for part in found.parts:
        assert isinstance(part, cs.Pictures) and part.values is not None
        assert all(found.rows[int(row)][1] == part.name for row in part.values)
    assert any("patch features" in note for note in found.notes)


def test_the_findings_go_to_csv_and_parquet(found: cs.Table, tmp_path: Path) -> None:
    rows = list(csv.DictReader(found.save(tmp_path / "f.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(found.rows)
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(found.save(tmp_path / "f.parquet"))
    assert table.column_names == list(COLUMNS) and table.column("sure").null_count > 0
    again = cs.open_result(found.save(tmp_path / "f.npz"))
    assert isinstance(again, cs.Table) and again.rows == found.rows


def test_accepted_labels_are_applied_and_no_file_is_touched(
    found: cs.Table, folder: Path, tmp_path: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.png")}
    path = write_relabel(found, tmp_path / "relabel.csv")
    data, old = dataset(folder, relabel=path), dataset(folder)
    accepted = {f.id: f.suggested for f in findings_of(found) if f.problem == "mislabelled"}
    assert accepted["boot/wrong.png"] == "dress"
    left_out = {f.id for f in findings_of(found) if f.problem == "leak"}
    assert len(left_out) == sum(len(s) for s in old.splits.values()) - sum(
        len(s) for s in data.splits.values()
    )
    assert left_out and not left_out & {own for split in data.splits.values() for own in split.ids}
    for name, split in data.splits.items():
        for own, label in zip(split.ids, split.labels.tolist(), strict=True):
            expected = accepted.get(own, own.partition("/")[0])
            assert data.classes[label] == expected, (name, own)
    assert "changed by relabel.csv" in data.notes[-1] and data.content_hash != old.content_hash
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.png")} == before


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("id,label\nboot/nowhere.png,bag\n", DataError, "does not have"),
        ("id,label\nboot/wrong.png,beg\n", DataError, "did you mean bag"),
        ("id,given,label\nboot/wrong.png,dress,bag\n", DataError, "made for other data"),
        ("id,label\nboot/wrong.png,bag\nboot/wrong.png,dress\n", DataError, "twice"),
        ("picture,class\n", DataError, "columns id and label"),
    ],
)
def test_a_wrong_relabel_file_says_what_is_wrong(
    folder: Path, tmp_path: Path, text: str, error: type[Exception], words: str
) -> None:
    (tmp_path / "relabel.csv").write_text(text)
    with pytest.raises(error, match=words):
        dataset(folder, relabel=tmp_path / "relabel.csv")


def test_an_empty_label_leaves_the_picture_out_and_a_missing_file_is_said(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "relabel.csv").write_text("id,label\ndress/blank.png,\n")
    data = dataset(folder, relabel=tmp_path / "relabel.csv")
    assert all("dress/blank.png" not in split.ids for split in data.splits.values())
    with pytest.raises(DataNotFound, match="convsight check"):
        dataset(folder, relabel=tmp_path / "gone.csv")


def test_earlier_corrections_stay_in_the_next_file(found: cs.Table, folder: Path, tmp_path: Path) -> None:
    own = "id,given,label\nboot/02.png,boot,bag\nboot/wrong.png,boot,bag\n"
    (tmp_path / "earlier.csv").write_text(own)
    path = write_relabel(found, tmp_path / "next.csv", earlier=tmp_path / "earlier.csv")
    rows = {row["id"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert rows["boot/02.png"]["label"] == "bag", "an earlier correction"
    assert rows["boot/wrong.png"]["label"] == "dress" and rows["boot/wrong.png"]["given"] == "boot"
    data = dataset(folder, relabel=path)
    assert "changed by next.csv" in data.notes[-1]


def test_a_run_remembers_its_corrections(found: cs.Table, folder: Path, tmp_path: Path) -> None:
    path = write_relabel(found, tmp_path / "relabel.csv")
    run = cs.train(folder, "quick", epochs=1, relabel=path, out=tmp_path / "run", size=32)
    again = cs.Run.open(run.path).dataset
    labels = {own: int(k) for s in again.splits.values() for own, k in zip(s.ids, s.labels, strict=True)}
    assert labels["boot/wrong.png"] == again.classes.index("dress")
    table = cs.check(run)
    assert any("run's own network" in note for note in table.notes)
    assert cs.check(run).provenance == table.provenance  # the stored one


def test_what_cannot_be_judged_is_said() -> None:
    plain = cs.check(torch.rand(30, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert any("does not have one class a picture" in note for note in plain.notes)
    with pytest.raises(InputError, match="sure=2"):
        cs.check(torch.rand(4, 3, 16, 16), sure=2)


def test_the_gate_of_the_command_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from convsight.cli import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(folder), "--fail-on", "mislabelled", "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert {row["problem"] for row in printed["findings"]} >= {"mislabelled", "odd"}
    assert main(["check", str(folder), "-o", "found.html"]) == 0
    assert (tmp_path / "relabel.csv").is_file() and (tmp_path / "found.html").is_file()
    (tmp_path / "relabel.csv").write_text("id,label\n")
    assert main(["check", str(folder)]) == 0
    assert (tmp_path / "relabel.csv").read_text() == "id,label\n"
    assert main(["check", str(folder), "--fail-on", "mislabeled"]) == 2
    assert "did you mean mislabelled" in capsys.readouterr().err


def test_help_does_not_import_torch() -> None:
    code = "import sys; from convsight.cli.parser import build_parser; build_parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
