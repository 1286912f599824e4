"""The command line as a person uses it: every command, its errors and its exit status."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import convsight as cs
from convsight.cli import main
from convsight.results import draw


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tiny"
    cs.train("drawn-garments", "quick", out=path, limit=80, epochs=2, network="lesson-2")
    return path


def _convsight(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convsight", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_help_answers_at_once_without_torch() -> None:
    code = "import sys; from convsight.cli.parser import build_parser; build_parser().format_help(); print('torch' in sys.modules)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.stdout.strip() == "False" and spent < 0.3


@pytest.mark.parametrize(
    "command", ["demo", "train", "test", "compare", "show", "methods", "layers", "report", "doctor"]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([command, "--help"])
    except SystemExit as stop:
        status = stop.code
    assert status == 0 and "usage" in capsys.readouterr().out.lower()


def test_train_prints_json_and_leaves_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "drawn-garments", "--recipe", "lesson-2", "--epochs", "1", "--limit", "40"]
    assert main([*words, "--out", str(tmp_path / "r"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["test"]["n"] == 40 and "conv1.weight" in load_file(tmp_path / "r" / "weights.safetensors")
    assert main([*words, "--out", str(tmp_path / "r")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_test_and_compare_read_runs(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run_path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["right"] == json.loads((run_path / "metrics.json").read_text())["test"]["right"]
    assert main(["compare", str(run_path), str(run_path), "-o", str(tmp_path / "c.png"), "--json"]) == 0
    assert (
        len(json.loads(capsys.readouterr().out)["columns"]) == 3 and (tmp_path / "c.png").stat().st_size > 0
    )
    assert main(["compare", str(run_path)]) == 2


def test_show_saves_the_picture_of_a_data_set_index(run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.npz"
    words = [
        "show",
        "occlusion",
        str(run_path),
        "test:3-4",
        "--patch",
        "8",
        "--stride",
        "8",
        "--target",
        "Bag",
    ]
    assert main([*words, "--quiet", "-o", str(out)]) == 0
    with np.load(out) as saved:
        assert saved["values"].shape == (2, 28, 28)
        assert json.loads(str(saved["provenance"]))["knobs"]["patch"] == 8


def test_options_may_stand_between_the_model_and_the_pictures(run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.png"
    words = [
        "show",
        "occlusion",
        str(run_path),
        "--patch",
        "8x4",
        "test:0",
        "--stride=8",
        "test:1",
        "--quiet",
    ]
    assert main([*words, "-o", str(out)]) == 0 and out.stat().st_size > 0


def test_show_of_a_file_equals_the_python_call(run_path: Path, tmp_path: Path) -> None:
    net = cs.load(run_path)
    images = cs.Run.open(run_path).dataset.test[5]
    images.save(tmp_path / "p.png")
    assert (
        main(
            [
                "show",
                "saliency",
                str(run_path),
                str(tmp_path / "p.png"),
                "--quiet",
                "-o",
                str(tmp_path / "s.npz"),
            ]
        )
        == 0
    )
    with np.load(tmp_path / "s.npz") as saved:
        np.testing.assert_allclose(saved["values"], cs.saliency(net, images).values, rtol=1e-4, atol=1e-6)


def test_neighbours_and_map_are_commands(run_path: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "n.png")
    assert main(["neighbours", str(run_path), "test:0", "--k", "3", "--quiet", "-o", out]) == 0
    assert main(["map", str(run_path), "--method", "pca", "--quiet", "-o", out]) == 0


def test_a_folder_of_pictures_without_classes_is_mapped_and_searched(run_path: Path, tmp_path: Path) -> None:
    photos, data = tmp_path / "photos", cs.Run.open(run_path).dataset.test
    photos.mkdir()
    for i in range(12):
        (photos / f"{i:02d}.png").write_bytes(draw.png(draw.rgb(data[i].pixels[0])))
    given = [str(run_path), "--data", str(photos), "--quiet", "-o"]
    near = ["neighbours", given[0], str(photos / "03.png"), *given[1:], str(tmp_path / "n.npz"), "--k", "3"]
    assert main(near) == 0
    assert main(["map", *given, str(tmp_path / "map.npz"), "--method", "pca"]) == 0
    assert main(["features", *given, str(tmp_path / "shards")]) == 0
    with np.load(tmp_path / "map.npz") as found:
        assert found["xy"].shape == (12, 2)


def test_features_go_to_shards_that_pyarrow_reads(run_path: Path, tmp_path: Path) -> None:
    import pyarrow.dataset

    words = [
        "features",
        str(run_path),
        "-o",
        str(tmp_path / "f"),
        "--split",
        "test",
        "--shard-size",
        "32",
        "--quiet",
    ]
    assert main(words) == 0 and main(words) == 0
    files = sorted((tmp_path / "f").rglob("*.parquet"))
    rows = pyarrow.dataset.dataset([str(f) for f in files]).to_table()
    assert len(files) == 3 and rows.num_rows == 80 and len(set(rows["id"].to_pylist())) == 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "oclusion", "RUN", "test:0"], "did you mean occlusion"),
        (["show", "occlusion", "RUN", "test:0", "--pach", "3"], "did you mean --patch"),
        (["show", "occlusion", "RUN", "test:0", "--patch", "x"], "--patch cannot be 'x'"),
        (["show", "occlusion", "RUN", "test:0", "--patch", "0"], "outside its range"),
        (["show", "occlusion", "RUN", "test:9999"], "pictures 0 to 79"),
        (["show", "occlusion", "RUN"], "needs a picture"),
        (["show", "saliency", "RUN", "test:0", "--target", "Bagg"], "did you mean Bag"),
        (["show", "saliency", "RUN", "absent.jpg"], "absent.jpg"),
        (["show", "saliency", "nowhere", "a.jpg"], "no network or run 'nowhere'"),
        (["show", "saliency", "RUN", "test:0", "-o", "x.docx"], "saved as .png"),
        (["show", "saliency", "RUN", "test:0", "--layer", "conv1"], "has no --layer"),
        (["train", "no-such-data"], "no data set"),
        (["train", "drawn-garments", "--recipe", "slow"], "no recipe 'slow'"),
        (["train", "drawn-garments", "--resume"], "--out"),
        (["report", "nowhere"], "no run at nowhere"),
        (["layers", "vgg16", "--weights", "random", "--input-size", "big"], "'big' is no size"),
    ],
)
def test_a_wrong_word_is_one_clear_line_and_a_status(
    words: list[str],
    said: str,
    run_path: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main([str(run_path) if word == "RUN" else word for word in words])
    error = capsys.readouterr().err.strip()
    assert status in (1, 2) and said in error and error.splitlines()[-1].startswith("convsight: ")


def test_the_demo_without_fashion_mnist_says_so_and_draws_garments(tmp_path: Path) -> None:
    done = _convsight(
        "demo", "--out", str(tmp_path / "demo"), "--recipe", "quick", "--limit", "40",
        CONVSIGHT_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Fashion-MNIST cannot be had" in done.stderr and "drawn garments" in done.stderr
    page = (tmp_path / "demo" / "report.html").read_text()
    assert len(page) > 100_000 and "What does it lean on?" in page
    assert ">not audited<" not in page  # its first screen tells the audit that was made for it


def test_layers_methods_networks_datasets_doctor_print_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "lesson-2", "--weights", "random", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["output"] == "10×26×26"
    for command in ("methods", "networks", "datasets", "doctor"):
        assert main([command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)


def test_layers_tells_on_stderr_what_was_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def net(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1), nn.Sigmoid())\n"
    )
    assert main(["layers", f"{tmp_path / 'own.py'}:net", "--input-size", "8", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) and "sigmoid" in told.err


def test_an_index_is_made_with_the_features_and_asked_by_neighbours(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = str(tmp_path / "index")
    wanted = ["features", str(run_path), "-o", str(tmp_path / "shards"), "--thumbnails", "--quiet"]
    assert main([*wanted, "--index", index]) == 0
    assert "an index of" in capsys.readouterr().out
    out = tmp_path / "near.npz"
    asked = ["neighbours", str(run_path), "test:0", "--index", index, "--k", "3", "--quiet", "-o", str(out)]
    assert main([*asked, "--split", "test"]) == 0
    with np.load(out) as found:
        assert found["distances"].shape == (1, 3) and found["distances"][0, 0] < 1e-3
    assert main([*asked, "--metric", "l1"]) == 2
    assert "there are --k, --split and --only" in capsys.readouterr().err
    assert main([*wanted, "--index", index]) == 2
    assert "holds an index already" in capsys.readouterr().err
    assert main([*wanted, "--index", index, "--overwrite", "--metric", "cosine"]) == 0


def test_show_imports_no_trust_and_no_studio_and_no_training(run_path, tmp_path: Path) -> None:
    """Their statistics and servers take seconds to import, which every `convsight show` would wait for.

    So do scipy, sympy and the charts of matplotlib, which a gradient and an overlay do without.
    """
    program = (
        "import sys; from convsight.cli import main; status = main(sys.argv[1:]);"
        "print(status, *[m for m in sys.modules if m.split('.')[:2] in ["
        "['convsight', 'trust_checks'], ['convsight', 'studio'], ['convsight', 'training'], ['scipy'], ['sympy'],"
        "['matplotlib', 'figure']]])"
    )
    words = ["show", "saliency", str(run_path), "test:0", "-o", str(tmp_path / "s.png")]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0", done.stdout
