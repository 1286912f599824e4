"""`cs.shapley` has known answers on linear networks, captum's on others, and streams towards what it returns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import ShapleyValues
from tests.every_method.networks import STYLES
from torch import Tensor, nn

import convsight as cs
from convsight.cli import main
from convsight.coalitions.regions import grid
from convsight.errors import InputError
from convsight.progress import Step, listening


def pictures(n: int = 1, channels: int = 1) -> Tensor:
    return torch.rand(n, channels, 28, 28, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="module")
def linear() -> cs.Classifier:
    torch.manual_seed(0)
    return cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), ["a", "b", "c"], 28, 1)


@pytest.mark.parametrize("regions", [2, 7, (3, 5)])
def test_of_a_linear_network_each_region_adds_its_own_sum(linear: cs.Classifier, regions: object) -> None:
    given = pictures(2)
    found = cs.shapley(linear, given, target="b", regions=regions, passes=200)
    weight = linear.module[1].weight[1].view(28, 28).detach()
    shares = weight * (given[:, 0] - 0.5)
    rows, columns = (regions, regions) if isinstance(regions, int) else regions
    cut = grid((28, 28), rows, columns)
    right = torch.stack([shares[:, cut == r].sum(1) for r in range(rows * columns)], 1)
    assert torch.allclose(found.region_values, right, atol=1e-4)
    assert torch.equal(found.regions[0], cut) and torch.allclose(
        found.values[0, 0, 0], right[0, 0], atol=1e-4
    )


def test_the_table_says_which_regions_add_most_and_where_they_are(linear: cs.Classifier) -> None:
    found = cs.shapley(linear, pictures(), target="b", regions=4, passes=200)
    table = found.part("ranking")
    most = int(found.region_values[0].argmax())
    assert table.columns == ("rank", "region", "around row, column", "adds", "95% from", "to")
    assert table.rows[0][:2] == (1, most)
    row, column = map(int, table.rows[0][2].split(", "))
    assert int(found.regions[0, row, column]) == most
    assert (
        cs.shapley(linear, pictures(2), target="b", regions=4, passes=200).part("ranking").columns[0]
        == "picture"
    )


@pytest.mark.parametrize("style", ["functional", "skip"])
def test_exact_values_are_captums(style: str) -> None:
    net, given = STYLES[style](), pictures()
    found = cs.shapley(net, given, target="c", regions=2)
    assert any("All values are exact" in note for note in found.notes)
    theirs = ShapleyValues(lambda x: net.forward(x)).attribute(
        given, torch.full_like(given, 0.5), target=2, feature_mask=grid((28, 28), 2, 2)[None, None]
    )
    assert torch.allclose(found.values, theirs[:, 0].float(), atol=1e-5)
    assert torch.equal(found.region_intervals[..., 0], found.region_intervals[..., 1])


def test_a_stream_narrows_towards_what_the_call_returns() -> None:
    net, given = STYLES["functional"](), pictures(2)
    knobs = {"regions": 5, "passes": 400, "precision": 0.0}
    maps = list(cs.Shapley(**knobs).stream(net, given, "a"))
    widths = [float(m.half_width.max()) for m in maps]
    assert len(maps) >= 4 and widths[-1] < 0.5 * widths[0]
    assert "passes so far" in maps[0].notes[0] and "by the budget of 400 passes" in maps[-1].notes[0]
    whole = cs.shapley(net, given, "a", **knobs)
    assert torch.equal(whole.values, maps[-1].values) and torch.equal(whole.half_width, maps[-1].half_width)


def test_rivals_and_the_same_picture_again_cost_no_further_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    net, given, seen = STYLES["in-place"](), pictures(), []
    monkeypatch.setattr(
        "convsight.coalitions.game.Game.values",
        lambda self, c, f, old=cs.coalitions.game.Game.values: (seen.append(len(c)), old(self, c, f))[1],
    )
    one = cs.shapley(net, given, "a", regions=4, passes=300, precision=0.0)
    passes = sum(seen)
    seen.clear()
    with_rivals = cs.shapley(net, given, "a", regions=4, passes=300, precision=0.0, rivals=2)
    assert sum(seen) == passes and torch.allclose(with_rivals.values, one.values, atol=1e-5)
    others = sorted(with_rivals.part(f"rival{k}").labels_of[0].split()[0] for k in (1, 2))
    assert others == ["b", "c"]
    seen.clear()
    both = cs.shapley(net, given.repeat(2, 1, 1, 1), ["a", "b"], regions=4, passes=300, precision=0.0)
    assert sum(seen) == passes and torch.allclose(both.values[0], one.values[0], atol=1e-5)
    alone = cs.shapley(net, given, "b", regions=4, passes=300, precision=0.0)
    assert torch.allclose(both.values[1], alone.values[0], atol=1e-5)
    with pytest.raises(InputError, match="rivals=3 asks for more classes than there are beside 'a': 2"):
        cs.shapley(net, given, "a", rivals=3)


def test_a_unit_and_a_function_are_targets() -> None:
    net, given = STYLES["functional"](), pictures()
    unit = cs.shapley(net, given, ("conv2", 3), regions=2)
    with torch.no_grad(), net.record("conv2") as seen:
        net.forward(torch.cat([given, torch.full_like(given, 0.5)]))
    top = seen["conv2"][:, 3].flatten(1).amax(1)
    assert float(unit.region_values.sum()) == pytest.approx(float(top[0] - top[1]), abs=1e-4)
    twice = cs.shapley(net, given, lambda output: 2 * output[:, 1], regions=2)
    once = cs.shapley(net, given, "b", regions=2)
    assert torch.allclose(twice.values, 2 * once.values, atol=1e-5)


def test_colours_fade_with_what_is_uncertain_and_the_files_keep_it(tmp_path: Path) -> None:
    net = STYLES["functional"]()
    found = cs.shapley(net, pictures(), "a", regions=6, passes=150, precision=0.0)
    inside = found.values.abs() <= found.half_width
    assert 0 < float(inside.float().mean()) < 1
    assert bool((found.certain[inside] == 0).all())
    outside = ~inside
    nearer = found.values.abs()[outside] - found.half_width[outside]
    assert torch.allclose(found.certain[outside].abs(), nearer)
    again = cs.open_result(found.save(tmp_path / "s.npz"))
    assert torch.equal(again.region_intervals, found.region_intervals)
    assert again.part("ranking").rows == found.part("ranking").rows
    assert np.load(tmp_path / "s.npz")["region_values"].shape == (1, 36)


def test_it_tells_how_far_it_is_and_can_be_stopped() -> None:
    net, steps = STYLES["functional"](), []

    def stop(step: Step) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        cs.shapley(net, pictures(2), "a", regions=5, passes=2000, precision=0.0)
    assert steps[0].words == "2 of 2,000 passes at most" and 0 < steps[0].fraction < 1


def test_labels_of_the_users_own_name_the_result_and_its_key() -> None:
    net, given = STYLES["functional"](), pictures()
    cut = torch.zeros(28, 28, dtype=torch.long)
    cut[10:20, 10:20], cut[:5] = 1, 2
    found = cs.shapley(net, given, "a", regions=cut)
    assert found.region_values.shape == (1, 3) and "labels 28×28" in found.provenance.sentence()
    other = cut.clone()
    other[27, 27] = 2
    keys = {cs.Shapley(regions=c).provenance(net, given, "a").key for c in (cut, cut.clone(), other)}
    assert len(keys) == 2 and "" not in keys


def test_the_command_line_takes_rows_and_columns_a_file_and_other_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    from PIL import Image

    (tmp_path / "others").mkdir()
    for i in range(12):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (28, 28), np.uint8)).save(f"others/{i}.png")
    mask = np.zeros((28, 28), np.uint8)
    mask[:, 14:] = 255
    Image.fromarray(mask).save("mask.bmp")
    (tmp_path / "net.py").write_text(
        "import torch\ndef make():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3))\n"
    )
    words = [
        "net.py:make",
        "others/0.png",
        "--input-size",
        "28",
        "--input-channels",
        "1",
        "--quiet",
        "-o",
        "o.npz",
    ]
    for more, regions in ((["--regions", "2x3"], 6), (["--regions", "mask.bmp"], 2)):
        assert main(["show", "shapley", *words, *more]) == 0
        assert cs.open_result("o.npz").region_values.shape == (1, regions)
    assert main(["show", "shapley", *words, "--regions", "2", "--fill", "data", "--data", "others"]) == 0
    assert "other pictures" in capsys.readouterr().out.replace("\n", " ")
    assert main(["show", "shapley", *words, "--passes", "30"]) == 2
    assert "passes=30 are too few for 49 regions" in capsys.readouterr().err.replace("\n", " ")
