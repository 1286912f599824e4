"""Maps are compared by measurements that have known answers on a linear network and under a planted cue."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convsight as cs
from convsight.cli import main
from convsight.errors import InputError
from convsight.trust_checks import imputation, rank_methods
from convsight.trust_checks.imputation import imputed, road
from convsight.trust_checks.ranking import Ranked, _level, agreement
from convsight.trust_checks.ranking_words import sentence
from convsight.trust_checks.removal import SHARES, deletion, insertion, masks_of

PLACE = (slice(4, 12), slice(16, 24))


@pytest.fixture(scope="module")
def linear() -> cs.Classifier:
    """Class a adds up the brightness of one block, b that of the whole picture, c nothing."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 3, bias=False))
    with torch.no_grad():
        weight = torch.zeros(3, 28, 28)
        weight[0][PLACE], weight[1] = 1.0, 0.01
        module[1].weight.copy_(weight.flatten(1))
    return cs.Classifier(module, ["a", "b", "c"], 28, 1)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    pixels = 0.3 * torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    pixels[:, 0][:, *PLACE] += 0.6
    return pixels


def test_deletion_and_insertion_are_slow_loops(linear: cs.Classifier, pictures: Tensor) -> None:
    maps = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(1))
    donors = torch.stack([pictures.roll(1, 0) * 0.5, pictures.roll(2, 0) * 0.4], 1)
    aim = linear.target("a", cs.Images(pictures))
    lost, won = deletion(linear, aim, pictures, donors, maps), insertion(linear, aim, pictures, donors, maps)
    score = lambda p: float(linear.scores(p[None])[0, 0])  # noqa: E731
    for i in range(5):
        order = maps[i].flatten().argsort(descending=True)
        whole, least = score(pictures[i]), np.mean([score(d) for d in donors[i]])
        curve, rising = [1.0], [0.0]
        for share in SHARES:
            top = torch.zeros(784, dtype=torch.bool)
            top[order[: round(share * 784)]] = True
            top = top.view(28, 28)
            curve.append(
                (np.mean([score(torch.where(top, d, pictures[i])) for d in donors[i]]) - least)
                / (whole - least)
            )
            rising.append(
                (np.mean([score(torch.where(top, pictures[i], d)) for d in donors[i]]) - least)
                / (whole - least)
            )
        at = [0.0, *SHARES, 1.0]
        assert float(lost[i]) == pytest.approx(np.trapezoid([*curve, 0.0], at), abs=1e-4)
        assert float(won[i]) == pytest.approx(np.trapezoid([*rising, 1.0], at), abs=1e-4)


def test_the_pixels_that_count_fall_first_and_bring_the_score_back(
    linear: cs.Classifier, pictures: Tensor
) -> None:
    right = torch.zeros(5, 28, 28)
    right[:, *PLACE] = 1.0
    wrong = -right
    aim, donors = linear.target("a", cs.Images(pictures)), torch.zeros(5, 2, 1, 28, 28)
    given = linear, aim, pictures
    assert (
        float(deletion(*given, donors, right).max())
        < 0.1
        < 0.6
        < float(deletion(*given, donors, wrong).min())
    )
    assert (
        float(insertion(*given, donors, wrong).max())
        < 0.5
        < 0.9
        < float(insertion(*given, donors, right).min())
    )
    assert float(road(*given, right).min()) > 0.2 > -0.1 > float(road(*given, -right).max())
    swapped = deletion(*given, 1 - donors, right)
    assert bool(swapped.isnan().all())  # white donors score more than the picture: nothing can be said


def test_imputed_pixels_are_the_means_of_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imputation, "NOISE", 0.0)
    draws = torch.Generator().manual_seed(2)
    removed = torch.rand(12, 12, generator=draws) < 0.6
    picture = torch.rand(3, 12, 12, generator=draws)
    found = imputed(picture, removed, draws).double()
    assert torch.equal(found[:, ~removed].float(), picture[:, ~removed])
    for y, x in removed.nonzero().tolist():
        near = [
            (found[:, y + dy, x + dx], 1 / 6 if 0 in (dy, dx) else 1 / 12)
            for dy in (-1, 0, 1) for dx in (-1, 0, 1)
            if (dy, dx) != (0, 0) and 0 <= y + dy < 12 and 0 <= x + dx < 12
        ]  # fmt: skip
        mean = sum(w * v for v, w in near) / sum(w for _, w in near)
        assert torch.allclose(found[:, y, x], mean, atol=1e-5)
    ramp = torch.linspace(0, 1, 12).expand(1, 12, 12).contiguous()
    hole = torch.zeros(12, 12, dtype=torch.bool)
    hole[3:8, 4:9] = True
    assert torch.allclose(imputed(ramp, hole, draws), ramp, atol=1e-5)


def test_masks_hold_the_strongest_pixels_exactly() -> None:
    maps = torch.rand(2, 10, 10, generator=torch.Generator().manual_seed(3))
    masks = masks_of(maps, (0.1, 0.5))
    assert masks.flatten(2).sum(2).tolist() == [[10, 50], [10, 50]]
    assert float(maps[0][masks[0, 0]].min()) > float(maps[0][~masks[0, 0]].max())


def test_a_reference_agrees_with_itself_and_not_with_its_negative(
    linear: cs.Classifier, pictures: Tensor
) -> None:
    reference = cs.shapley(linear, pictures, "b", passes=200, fill="black")
    assert float(agreement(reference.values, reference).min()) > 0.999
    assert float(agreement(-reference.values, reference).max()) < -0.999


def test_the_right_technique_is_ahead_and_the_cue_is_pointed_at(
    linear: cs.Classifier, pictures: Tensor
) -> None:
    cue = torch.zeros(28, 28, dtype=torch.bool)
    cue[PLACE] = True
    table = rank_methods(
        linear,
        pictures,
        ["saliency", cs.Occlusion(patch=4), "gradcam"],
        "a",
        data=0.2 * pictures,
        cue=cue,
        passes=200,
    )
    names = [row[0] for row in table.rows]
    assert set(names) == {"saliency", "occlusion"} and any("gradcam was left out" in n for n in table.notes)
    numbers = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert numbers["saliency"]["points at the cue"].startswith("1.00")
    assert float(numbers["occlusion"]["insertion"][:4]) > 0.85
    assert float(numbers["occlusion"]["deletion"][:4]) < 0.15
    assert "occlusion" in table.caption and table.caption.startswith("For this network")
    assert any("certain in 5 of 5" in n for n in table.notes) and table.provenance is not None


def test_who_is_level_is_told_by_differences_in_the_same_pictures() -> None:
    base = torch.tensor([0.1, 0.5, 0.9, 0.3])
    row = lambda name, values: Ranked(name, {"insertion": values}, 0.0)  # noqa: E731
    below, close = base - torch.tensor([0.05, 0.06, 0.04, 0.05]), base - torch.tensor([0.2, -0.15, 0.1, -0.1])
    assert _level([row("best", base), row("below", below), row("close", close)]) == ["close"]


def test_the_sentence_says_who_agrees_who_is_level_and_who_is_blind_to_the_class() -> None:
    rows = {
        "one": {"agrees with shapley": (0.8, 0.7, 0.9), "insertion": (0.9, 0.85, 0.95), "same for the runner-up": (0.2, 0, 0.4)},
        "two": {"agrees with shapley": (0.6, 0.3, 0.9), "insertion": (0.85, 0.8, 0.9), "same for the runner-up": (0.97, 0.9, 1)},
        "three": {"agrees with shapley": None, "insertion": (0.5, 0.4, 0.6), "same for the runner-up": None},
    }  # fmt: skip
    assert sentence(rows, ["two"]) == (
        "For this network one agrees with the Shapley reference; one's strongest pixels bring back most of the score "
        "(not certainly ahead of two); two does not depend on the class."
    )
    assert "is not certain enough to compare with" in sentence({"three": rows["three"]}, [])
    assert "none certainly agrees" in sentence({"two": rows["two"]}, [])


@pytest.mark.parametrize(
    ("methods", "more", "answer"),
    [
        (["filters"], {}, "'filters' makes no map of a class score"),
        ([], {}, "no technique to compare"),
        (["nothing"], {}, "no technique 'nothing'"),
        (["saliency"], {"cue": np.zeros((3, 3))}, "cue is a mask 28×28, one or 5; given"),
    ],
)
def test_what_cannot_be_compared_is_said(
    methods: list, more: dict, answer: str, linear: cs.Classifier, pictures: Tensor
) -> None:
    with pytest.raises(InputError, match=answer):
        rank_methods(linear, pictures, methods, "a", passes=200, **more)


def test_the_command_prints_a_table_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    for i in range(4):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (28, 28), np.uint8)).save(f"shots/{i}.png")
    (tmp_path / "net.py").write_text(
        "import torch\ndef make():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3))\n"
    )
    words = ["compare-maps", "net.py:make", "shots", "--input-size", "28", "--input-channels", "1"]
    words += ["--methods", "saliency,gradient_x_input", "--passes", "200", "--target", "1", "--quiet"]
    assert main([*words, "-o", "t.csv"]) == 0
    told = capsys.readouterr().out
    assert "For this network" in told and "gradient_x_input" in told
    assert Path("t.csv").read_text().startswith("technique,deletion,insertion,ROAD")
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["rows"]) == 2 and found["sentence"].startswith("For this network")
    mask = np.zeros((28, 28), np.uint8)
    mask[:14] = 255
    Image.fromarray(mask).save("mask.png")
    assert main([*words, "--json", "--cue", "mask.png"]) == 0
    told = json.loads(capsys.readouterr().out)["rows"]
    assert all(0 <= float(row["points at the cue"].split()[0]) <= 1 for row in told)
    Image.fromarray(mask[:9]).save("small.png")
    assert main([*words, "--json", "--cue", "small.png"]) != 0
    assert "cue is a mask 28×28" in capsys.readouterr().err.replace("\n", " ")
    assert (
        main(["compare-maps", "net.py:make", "nowhere.png", "--input-size", "28", "--input-channels", "1"])
        != 0
    )
