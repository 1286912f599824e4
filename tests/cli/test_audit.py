"""Does `convsight audit` say, keep and signal what it finds?"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts.known_nets import cornered, garments, marked

import convsight as cs
from convsight.cli import main
from convsight.shortcuts.told_masks import tell

NETWORK = """
import torch
from tests.shortcuts.known_nets import Corner, garments, glyph, net_with

CLASSES = garments().classes
INPUT_SIZE = (28, 28)
CHANNELS = 1

def leaning():
    return net_with(Corner(glyph())).module

def honest():
    return net_with(None).module
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network file, and an .npz data set whose test sandals have a glyph in the corner."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "nets.py").write_text(NETWORK)
    data = marked(cornered)
    arrays = {
        "x_train": data.train.pixels,
        "y_train": data.train.labels,
        "x_test": data.test.pixels,
        "y_test": data.test.labels,
    }
    named = {key: value.numpy() for key, value in arrays.items()}
    np.savez(folder / "data.npz", **named, classes=np.array(data.classes))
    return folder / "nets.py", folder / "data.npz"


def test_a_shortcut_is_said_and_fails_the_build(planted: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    net, data = planted
    page = tmp_path / "audit.html"
    words = ["audit", f"{net}:leaning", "--data", str(data), "--target", "Sandal", "--fail-on", "found"]
    assert main([*words, "-o", str(page)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "1 found Sandal leans on the top-right corner." in said
    assert "Sandal leans on the top-right corner" in page.read_text()


def test_nothing_found_is_an_answer_and_no_failure(planted: tuple[Path, Path], capsys) -> None:
    net, data = planted
    words = ["audit", f"{net}:honest", "--data", str(data), "--target", "Sandal", "--fail-on", "found"]
    assert main(words) == 0
    assert "not found Nothing found" in " ".join(capsys.readouterr().out.split())


def test_json_has_every_number_and_nothing_else(planted: tuple[Path, Path], capsys) -> None:
    net, data = planted
    assert main(["audit", f"{net}:leaning", "--data", str(data), "--target", "Sandal", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["number"] == 1 and rows[0]["found"] is True and rows[0]["target"] == "Sandal"
    assert rows[0]["flip_rate"] > 0.9 and len(rows[0]["interval"]) == 2
    assert rows[0]["parameters"]["probe"] == "Region"


def test_a_run_keeps_its_audit_and_what_is_the_object(
    planted: tuple[Path, Path], tmp_path: Path, capsys
) -> None:
    _, data = planted
    run = tmp_path / "run"
    with torch.random.fork_rng():
        cs.train(str(data), "quick", out=run, epochs=1, min_steps=1, limit=200, device="cpu")
    assert main(["audit", str(run), "--target", "Sandal", "--limit", "40"]) == 0
    kept = json.loads((run / "audit.json").read_text())
    assert kept["about"]["split"] == "test" and kept["verdicts"] and kept["own"] == []
    assert (run / "audit.npz").is_file()
    assert "audit.json" in capsys.readouterr().out
    numbered = [row["number"] for row in kept["verdicts"] if row["kind"]]
    if numbered:
        assert main(["audit", str(run), "--own", str(numbered[0])]) == 0
        assert len(json.loads((run / "audit.json").read_text())["own"]) == 1
    assert main(["audit", str(run), "--own", "99"]) == 2
    assert "no verdict 99" in capsys.readouterr().err


def test_what_is_wrong_is_said_in_one_line(planted: tuple[Path, Path], capsys) -> None:
    net, data = planted
    assert main(["audit", f"{net}:honest", "--data", str(data), "--own", "1"]) == 2
    assert "remembered in a run's directory" in capsys.readouterr().err
    assert main(["audit", f"{net}:honest"]) == 2
    assert "--data" in capsys.readouterr().err
    assert garments().classes[5] == "Sandal"


def test_bare_masks_are_those_that_were_shown_in_the_run(
    planted: tuple[Path, Path], tmp_path: Path, capsys
) -> None:
    run = tmp_path / "shown"
    with torch.random.fork_rng():
        cs.train("drawn-garments", "quick", out=run, epochs=1, min_steps=1, limit=200, device="cpu")
    words = ["audit", str(run), "--masks", "--target", "Sandal", "--limit", "24", "--json"]
    assert main(words) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "nobody showed yet where the objects of" in said and "--masks FOLDER" in said
    for i in range(100):
        tell(run / "masks", f"drawn/test/{i}", torch.ones(28, 28, dtype=torch.bool))
    assert main(words) == 0
    assert json.loads((run / "audit.json").read_text())["about"]["masks"] == str(run / "masks")


def test_bare_masks_need_a_run_and_its_own_pictures(planted: tuple[Path, Path], capsys) -> None:
    net, data = planted
    assert main(["audit", f"{net}:honest", "--data", str(data), "--masks"]) == 2
    assert "means those of a run" in " ".join(capsys.readouterr().err.split())
