"""Do the options that say how outputs are read reach the network, from the command line?"""

import json
from typing import get_args

import pytest
import torch

import convsight as cs
from convsight.cli import main
from convsight.cli.arguments import Task
from convsight.errors import InputError
from convsight.images import as_images
from convsight.network.reader import TASKS

NETWORKS = """
import torch
from torch import nn

def made(k, *last):
    torch.manual_seed(k)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, k), *last).eval()

def one(): return made(1)
def two(): return made(2)
def three(): return made(3)
def squashed(): return made(3, nn.Softmax(dim=1))

class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.kind, self.age = made(3), made(5)

    def forward(self, x):
        return self.kind(x), self.age(x)

def heads(): return Heads().eval()
"""
SHAPE = ("--input-size", "8", "--input-channels", "1")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETWORKS)
    torch.manual_seed(0)
    cs.Images(torch.rand(20, 1, 8, 8)).save(tmp_path / "pics")
    made: dict = {}
    exec(NETWORKS, made)
    return made


def gradient(module, output, pixels):
    """Of one output, by plain autograd."""
    leaf = pixels.clone().requires_grad_()
    return torch.autograd.grad(output(module(leaf)).sum(), leaf)[0]


def shown(*words):
    """What `convsight show saliency` saved, and the picture it was asked about."""
    name, target, *more = words
    given = ["show", "saliency", f"nets.py:{name}", "pics/00000.png", "--target", target, "-o", "s.npz"]
    assert main([*given, "--quiet", *SHAPE, *more]) == 0
    return cs.open_result("s.npz").per_channel, as_images("pics/00000.png").pixels


def test_task_binary_names_two_classes_of_one_score(here):
    found, pixels = shown("one", "well", "--task", "binary", "--classes", "well,ill")
    torch.testing.assert_close(found, -gradient(here["one"](), lambda out: out[:, 0], pixels))


def test_output_chooses_the_second_head(here, capsys):
    found, pixels = shown("heads", "4", "--output", "1")
    torch.testing.assert_close(found, gradient(here["heads"](), lambda out: out[1][:, 4], pixels))
    assert main(["layers", "nets.py:heads", "--output", "5", *SHAPE]) == 1
    assert "no output 5; the network returns 2" in capsys.readouterr().err


def test_explain_score_is_the_gradient_before_the_softmax(here):
    found, pixels = shown("squashed", "1", "--explain", "score")
    torch.testing.assert_close(found, gradient(here["squashed"]()[:-1], lambda out: out[:, 1], pixels))
    found, _ = shown("squashed", "1", "--explain", "output")
    torch.testing.assert_close(found, gradient(here["squashed"](), lambda out: out[:, 1], pixels))


def measured(capsys, name, *more):
    assert main(["test", f"nets.py:{name}", "--json", *SHAPE, *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_units_are_printed_with_each_number(here, tmp_path, capsys):
    rows = "".join(f"pics/{i:05d}.png,{i / 2},{i + 0.25}\n" for i in range(20))
    (tmp_path / "numbers.csv").write_text("file,age,weight\n" + rows)
    words = ("--data", "numbers.csv", "--task", "regress", "--classes", "age,weight")
    found = measured(capsys, "two", *words, "--units", "years,kg")
    assert [row["unit"] for row in found["per_number"]] == ["years", "kg"]
    assert [row["unit"] for row in measured(capsys, "two", *words, "--units", "m")["per_number"]] == ["m"] * 2


def test_thresholds_decide_which_labels_are_said(here, tmp_path, capsys):
    rows = "".join(
        f"pics/{i:05d}.png,{i % 2},{int(i % 3 == 0)},{int(i % 5 < 4)},{'test' if i > 9 else 'train'}\n"
        for i in range(20)
    )
    (tmp_path / "labels.csv").write_text("file,a,b,c,split\n" + rows)
    words = ("--data", "labels.csv", "--task", "multilabel", "--classes", "a,b,c")
    never = measured(capsys, "three", *words, "--thresholds", "1")
    always = measured(capsys, "three", *words, "--thresholds", "0,0,0")
    assert [row["recall"] for row in never["per_label"]] == [0, 0, 0]
    assert [row["recall"] for row in always["per_label"]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--thresholds", "high,low"), "one number, or one per label"),
        (("--thresholds", "0.1,0.2"), "one for each of 3 labels"),
        (("--units", "m,kg", "--task", "regress"), "2 units were given for 3 numbers"),
    ],
)
def test_what_cannot_be_is_said(here, capsys, words, expected):
    assert main(["layers", "nets.py:three", *SHAPE, *words]) > 0
    assert expected in capsys.readouterr().err


def test_a_run_names_the_options_that_do_not_apply(tmp_path, capsys):
    cs.train("drawn-garments", "quick", out=tmp_path / "run", limit=40, epochs=1, network="lesson-2")
    path = str(tmp_path / "run")
    capsys.readouterr()
    assert main(["layers", path, "--task", "binary", "--units", "kg"]) == 2
    assert f"{path} is a run" in (said := capsys.readouterr().err) and "--task, --units do not apply" in said
    assert main(["studio", path, "--thresholds", "0.3"]) == 2
    assert "--thresholds does not apply" in capsys.readouterr().err
    with pytest.raises(InputError, match="leave explain, task out"):
        cs.load(path, explain="score", task="binary")


def test_every_task_can_be_named():
    assert get_args(Task) == tuple(TASKS)


def test_one_class_name_is_enough_for_a_yes_or_no_score(here, capsys):
    found, pixels = shown("one", "ill", "--classes", "ill")
    torch.testing.assert_close(found, gradient(here["one"](), lambda out: out[:, 0], pixels))
    assert main(["layers", "nets.py:one", "--classes", "names.txt", *SHAPE]) == 2
    assert "there is no file 'names.txt'" in capsys.readouterr().err


def test_crop_says_how_much_of_the_side_the_centre_cut_keeps(here, capsys):
    photo = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    cs.Images(photo).save("photo.png")
    words = [
        "show",
        "saliency",
        "nets.py:three",
        "photo.png",
        "--target",
        "1",
        "--quiet",
        *SHAPE,
        "-o",
        "s.npz",
    ]
    assert main([*words, "--crop", "0.5"]) == 0
    middle = cs.Images.open("photo.png").pixels[:, :, 4:12, 4:12]
    wanted = gradient(here["three"](), lambda out: out[:, 1], middle)
    torch.testing.assert_close(cs.open_result("s.npz").per_channel, wanted)
    assert main([*words, "--crop", "0.5", "--fit", "pad"]) == 2
    assert "--crop goes with --fit crop" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--crop", "1.5"])
    assert "'1.5' is no share" in capsys.readouterr().err
