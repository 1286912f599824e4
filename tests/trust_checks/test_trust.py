"""Each trust light is right where the right answer is known, and the lights leave everything as it was."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr
from tests.every_method.networks import STYLES
from tests.every_method.test_laws import _same, _snapshot
from torch import nn

import convsight as cs
from convsight.datasets.planted import Cue, plant
from convsight.errors import InputError
from convsight.methods import catalogue
from convsight.results.kinds import Map
from convsight.shortcuts.reliance import reliance
from convsight.trust_checks import copies, hiding, known_answers, lights, subject, trust
from convsight.trust_checks.copies import untrained_copies
from convsight.trust_checks.likeness import (
    contrast,
    correlation,
    correlation_by_chance,
    edge_drawing,
    left_over,
    likeness,
    ranks,
)
from convsight.trust_checks.measured import Memo

EXPLAINING = [
    n for n, e in catalogue().items() if e.kind == "Map" and {"net", "images", "target"} <= set(e.needs)
]
SMALL = {
    "smoothgrad": {"samples": 3}, "integrated_gradients": {"steps": 4}, "shapley": {"passes": 200},
    "lime": {"passes": 200}, "rise": {"passes": 1500}, "lrp": {"rule": "epsilon"},
}  # fmt: skip
REGIONS = {
    0: (slice(4, 12), slice(4, 12)),
    1: (slice(4, 12), slice(16, 24)),
    2: (slice(16, 24), slice(4, 12)),
}


@pytest.fixture(scope="module")
def linear() -> cs.Classifier:
    """Three classes, each of which adds up the brightness of its own 8×8 block and sees nothing else."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 3, bias=False))
    with torch.no_grad():
        weight = torch.zeros(3, 28, 28)
        for k, place in REGIONS.items():
            weight[k][place] = 1.0
        module[1].weight.copy_(weight.flatten(1))
    return cs.Classifier(module, ["a", "b", "c"], 28, 1)


@pytest.fixture(scope="module")
def pictures() -> cs.Images:
    """Six pictures of noise in which the block of class a is bright."""
    pixels = 0.6 * torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    pixels[:, 0][:, *REGIONS[0]] += 0.4
    return cs.Images.open(pixels)


@pytest.fixture(scope="module")
def others() -> cs.Images:
    return cs.Images.open(torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(1)))


def edges(net: cs.Classifier, images: cs.Images, target: Any) -> Map:
    """An edge detector that calls itself an explanation."""
    return Map(values=edge_drawing(images.pixels), title="Edges")


def any_class(net: cs.Classifier, images: cs.Images, target: Any) -> Map:
    """A map of the learned weights that is the same for every class."""
    maps = [cs.saliency(net, images, target=k).values for k in range(len(net.classes))]
    return Map(values=torch.stack(maps).sum(0), title="Any class")


def verdicts(found: list, k: int) -> set[str]:
    return {row[k].verdict for row in found}


# ---- where the answer is known -----------------------------------------------------------------------------


NOT_OF_A_LINEAR_NETWORK = {"gradcam", "guided_gradcam", "guided_backprop", "deconvnet", "segmentation"}


@pytest.mark.parametrize("name", [name for name in EXPLAINING if name not in NOT_OF_A_LINEAR_NETWORK])
def test_the_right_map_of_a_linear_network_is_confirmed_by_hiding_it(
    name: str, linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    found = lights(linear, pictures, catalogue()[name].method(**SMALL.get(name, {})), "a", data=others)
    assert verdicts(found, 0) == {"yes"}
    assert all(row[0].numbers["blobs_beaten"] >= 0.95 for row in found)


def test_the_drop_is_what_a_linear_network_says_it_is(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    mask = torch.zeros(6, 28, 28)
    mask[:, *REGIONS[0]] = 1.0
    numbers = lights(linear, pictures, Map(values=mask), "a", data=others)[0][0].numbers
    place = (slice(None), 0, *REGIONS[0])
    chosen = torch.randperm(8, generator=torch.Generator().manual_seed(0))[:5]
    own, theirs = pictures.pixels[place][0].sum(), others.pixels[place].sum((1, 2))[chosen]
    assert numbers["area_percent"] == pytest.approx(
        100 * 78 / 784
    )  # the block of 64, and a rim that is unseen
    assert numbers["score"] == pytest.approx(float(own), rel=1e-5)
    assert numbers["drop"] == pytest.approx(float((own - theirs).mean()), rel=1e-4)


def test_random_maps_are_not_confirmed(linear: cs.Classifier, pictures: cs.Images, others: cs.Images) -> None:
    draws = torch.Generator().manual_seed(4)
    answers = []
    for _ in range(6):
        values = torch.rand(6, 28, 28, generator=draws)
        answers += [row[0].verdict for row in lights(linear, pictures, Map(values=values), "a", data=others)]
    assert answers.count("yes") <= 4 and answers.count("no") >= 6


def test_an_edge_drawing_is_not_confirmed_by_hiding_it(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    assert "yes" not in verdicts(lights(linear, pictures, edges, "a", data=others), 0)


def test_a_map_of_what_is_useless_fails_hiding(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    values = torch.zeros(6, 28, 28)
    values[:, 18:27, 18:27] = 1.0  # no class looks there
    found = lights(linear, pictures, Map(values=values), "a", data=others)
    assert verdicts(found, 0) == {"no"} and found[0][0].numbers["drop"] == pytest.approx(0, abs=1e-4)


def test_a_map_without_weights_fails_the_second_light_and_the_third(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    found = lights(linear, pictures, edges, "a", data=others)
    assert verdicts(found, 1) == {"no"} and verdicts(found, 2) == {"no"}
    assert found[0][1].numbers["alike"] == pytest.approx(1.0)


def test_a_map_of_any_class_fails_only_the_third(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    found = lights(linear, pictures, any_class, "a", data=others)
    assert verdicts(found, 1) == {"yes"} and verdicts(found, 2) == {"no"}


def test_the_right_map_of_a_linear_network_passes_the_second_and_third(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    found = lights(linear, pictures, "saliency", "a", data=others)
    assert verdicts(found, 1) == {"yes"} and verdicts(found, 2) == {"yes"}


def test_input_times_gradient_is_not_condemned_for_following_the_picture() -> None:
    """Its strength is |picture| × |weights|: on a black background any weights give much the same strength."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    net = cs.Classifier(module, input_size=28, channels=1)
    pixels = torch.zeros(4, 1, 28, 28)
    pixels[:, :, 8:20, 8:20] = 0.2 + 0.8 * torch.rand(
        4, 1, 12, 12, generator=torch.Generator().manual_seed(2)
    )
    found = lights(net, pixels, "gradient_x_input", 1)
    assert all(row[1].numbers["magnitude_alike"] > 0.5 for row in found), "the likeness that misleads"
    assert "no" not in verdicts(found, 1)


def test_a_map_on_the_tag_that_a_network_leans_on_is_confirmed() -> None:
    data = cs.dataset("drawn-garments", limit=400)
    planted = plant(data, Cue("corner_tag", 3), data.classes[6], 1.0)
    net = _fitted(planted.dataset.train[:400])
    assert reliance(net, data.test[:400], planted.add, 6).learned
    own = data.test[(data.test.labels == 6).nonzero()[:6, 0].tolist()]
    tagged, mask = planted.add(own), planted.mask(own).float()
    on_tag = lights(net, tagged, Map(values=mask), 6, data=data)
    beside = lights(net, tagged, Map(values=mask.flip(1)), 6, data=data)
    assert [row[0].verdict for row in on_tag].count("yes") >= 5
    assert "yes" not in verdicts(beside, 0)


def _fitted(images: cs.Images) -> cs.Classifier:
    draws = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with torch.no_grad():
        module[1].weight.normal_(0, 0.03, generator=draws)
        module[1].bias.zero_()
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    assert images.labels is not None
    for _ in range(120):
        loss = nn.functional.cross_entropy(module(images.pixels), images.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return cs.Classifier(module.eval(), images.classes, 28, 1)


# ---- when nothing can be told ------------------------------------------------------------------------------


def test_an_empty_map_and_a_flat_one_cannot_be_judged(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    def empty(net: cs.Classifier, images: cs.Images, target: Any) -> Map:
        return Map(values=torch.zeros(len(images), 28, 28))

    for row in lights(linear, pictures, empty, "a", data=others):
        assert [light.verdict for light in row] == ["can't tell"] * 3
    assert "marks nothing" in row[0].sentence and "nothing to compare" in row[1].sentence


def test_a_finished_map_without_its_technique_gets_only_the_first_light(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images
) -> None:
    row = lights(linear, pictures, Map(values=torch.rand(6, 28, 28)), "a", data=others)[0]
    assert [light.verdict for light in row[1:]] == ["can't tell"] * 2
    assert "only the finished map was given" in row[1].sentence


def test_a_unit_and_a_position_have_no_runner_up() -> None:
    net = STYLES["functional"]()
    row = lights(net, torch.rand(2, 1, 28, 28), "saliency", ("conv2", 1))[0]
    assert row[2].verdict == "can't tell" and "not about a class" in row[2].sentence


def test_a_single_picture_without_data_is_filled_from_itself(
    linear: cs.Classifier, pictures: cs.Images
) -> None:
    alone = lights(linear, pictures[0], "saliency", "a")[0][0]
    assert "its own pixels from elsewhere" in alone.sentence
    among = lights(linear, pictures, "saliency", ["a", "b", "c", "a", "b", "c"])[0][0]
    assert "the other pictures' pixels" in among.sentence


def test_donors_are_of_other_classes() -> None:
    from convsight.trust_checks.donors import donors_for
    from convsight.trust_checks.subject import subject_of

    data = cs.dataset("drawn-garments", limit=200)
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), data.classes, 28, 1)
    subject = subject_of(net, data.test[:3], "saliency", data.test[:3].labels.tolist(), {})
    found, everyone = donors_for(subject, data, 0), data.test[:]
    for i, donors in enumerate(found.pixels):
        where = [(everyone.pixels == d).flatten(1).all(1).nonzero()[0, 0] for d in donors]
        assert int(data.test.labels[i]) not in data.test.labels[torch.stack(where)].tolist()


# ---- likeness ----------------------------------------------------------------------------------------------


def test_likeness_is_spearmans_rank_correlation() -> None:
    draws = torch.Generator().manual_seed(0)
    a, b = torch.rand(3, 9, 7, generator=draws).round(decimals=1), torch.rand(3, 9, 7, generator=draws)
    wanted = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, a + b, strict=True)]
    torch.testing.assert_close(likeness(a, a + b), torch.tensor(wanted, dtype=torch.float32))


def test_what_the_picture_explains_is_taken_out() -> None:
    draws = torch.Generator().manual_seed(0)
    picture, one, two, shared = (torch.rand(2, 40, 40, generator=draws) for _ in range(4))
    only_picture = likeness(3 * picture + one, 3 * picture + two)
    assert (only_picture > 0.7).all()

    def beyond(*maps: torch.Tensor) -> torch.Tensor:
        return correlation(*(left_over(ranks(each), [ranks(picture)]) for each in maps))

    assert beyond(3 * picture + one, 3 * picture + two).abs().max() < 0.1
    assert beyond(picture + 3 * shared + one, picture + 3 * shared + two).min() > 0.5
    assert beyond(picture, picture).isnan().all()


def test_coarse_maps_are_alike_by_chance_and_fine_ones_are_not() -> None:
    draws = torch.Generator().manual_seed(0)
    fine = torch.rand(2, 1, 28, 28, generator=draws)
    coarse = nn.functional.interpolate(torch.rand(16, 1, 3, 3, generator=draws), (28, 28))
    assert float(correlation_by_chance(ranks(fine[:1, 0]), ranks(fine[1:, 0]))) < 0.15
    assert float(correlation_by_chance(ranks(coarse[:8, 0]), ranks(coarse[8:, 0])).mean()) > 0.3


def test_edges_and_contrast_see_a_square() -> None:
    pixels = torch.full((1, 1, 20, 20), 0.2)
    pixels[:, :, 5:15, 5:15] = 0.9
    drawn, apart = edge_drawing(pixels)[0], contrast(pixels)[0]
    assert drawn[10, 10] < 1e-6 and drawn[0, 0] < 1e-6 and drawn[10, 5] > 1
    assert apart[0, 0] == 0 and apart[10, 10] == pytest.approx(0.7)


def test_hidden_areas_are_of_exactly_the_same_size() -> None:
    fields = hiding.blobs((28, 28), 20, seed=0)
    masks = hiding.top(fields[0], torch.full((20,), 78))
    assert masks.flatten(1).sum(1).tolist() == [78] * 20
    areas = torch.full((20,), 78)
    for grain in range(3):
        speckle = hiding.top(hiding.blobs((28, 28), 20, seed=5)[grain], areas)
        assert (hiding.grain_of(speckle, areas) == grain).float().mean() > 0.8
    assert torch.equal(hiding.top(torch.zeros(1, 4, 4), torch.tensor([3])).sum(), torch.tensor(3))


# ---- laws --------------------------------------------------------------------------------------------------


def _plain(found: list) -> Any:
    return [[(light.verdict, light.sentence, dict(light.numbers)) for light in row] for row in found]


@pytest.mark.parametrize("style", ["functional", "colour", "train mode"])
@pytest.mark.parametrize("name", EXPLAINING)
def test_every_technique_gets_three_lights_that_leave_the_network_alone(name: str, style: str) -> None:
    net, technique = STYLES[style](), catalogue()[name].method(**SMALL.get(name, {}))
    images = torch.rand(4, net.channels, 28, 28, generator=torch.Generator().manual_seed(0))
    before, pixels = _snapshot(net.module), images.clone()
    found = lights(net, images, technique, target=1)
    assert _same(before, _snapshot(net.module)) and torch.equal(images, pixels)
    torch.manual_seed(99)  # the global state must not matter
    _forget()
    assert repr(_plain(lights(net, images, technique, target=1))) == repr(_plain(found))
    for row in found:
        assert {light.verdict for light in row} <= {"yes", "no", "can't tell"}
        assert all(light.sentence.endswith(".") and json.dumps(light.as_dict()) for light in row)


def test_a_map_a_technique_and_its_name_get_the_same_lights() -> None:
    net, images = STYLES["functional"](), torch.rand(3, 1, 28, 28)
    made = cs.Occlusion(patch=7)(net, images, target="b")
    by_map = _plain(lights(net, images, made))
    assert repr(by_map) == repr(_plain(lights(net, images, cs.Occlusion(patch=7), "b")))
    assert repr(by_map) != repr(_plain(lights(net, images, "occlusion", "b")))


def test_untrained_copies_answer_to_the_picture_and_are_made_once() -> None:
    net = STYLES["in-place"]()
    copies = untrained_copies(net)
    assert untrained_copies(net)[0] is copies[0]
    for one in copies:
        spread = one.scores(torch.rand(16, 1, 28, 28)).std(0)
        assert float(spread.min()) > 1e-4
    pairs = zip(copies[0].module.parameters(), copies[1].module.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def _forget() -> None:
    for kept in (subject._scores, copies._copies, copies._drawn, hiding._edges, hiding._scattered):
        kept.clear()


def test_what_does_not_depend_on_the_map_is_computed_once_for_all_techniques(
    linear: cs.Classifier, pictures: cs.Images, others: cs.Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forget()
    hidden, passes = hiding.hidden_scores, []
    monkeypatch.setattr(hiding, "hidden_scores", lambda *a: passes.append(a[3].shape[1]) or hidden(*a))
    for name in ("saliency", "gradient_x_input", "smoothgrad"):
        lights(linear, pictures, name, "a", data=others)
    assert sorted(passes) == [1, 1, 1, 1, hiding.BLOBS], "a mask a map, the edges, the blobs"
    coarse = Map(values=torch.rand(6, 1, 1).expand(6, 28, 28) + torch.linspace(0, 1, 28))
    speckled = Map(values=torch.rand(6, 28, 28, generator=torch.Generator().manual_seed(0)))
    for found in (coarse, speckled):
        lights(linear, pictures, found, "a", data=others)
    assert passes.count(hiding.BLOBS) >= 2, "blobs of another grain are tried anew"
    assert len(passes) == 5 + 2 + passes.count(hiding.BLOBS) - 1, "the edges are not"


def test_a_changed_weight_is_noticed(pictures: cs.Images, others: cs.Images, linear: cs.Classifier) -> None:
    net = cs.Classifier(copy.deepcopy(linear.module), linear.classes, 28, 1)
    before = lights(net, pictures, "saliency", "a", data=others)[0][0].numbers
    with torch.no_grad():
        net.module[1].weight.mul_(2)
    after = lights(net, pictures, "saliency", "a", data=others)[0][0].numbers
    for name in ("score", "drop", "edges_drop", "blobs_drop"):
        assert after[name] == pytest.approx(2 * before[name], rel=1e-4)


def test_only_the_last_answers_are_kept() -> None:
    kept, made = Memo[int](2), []

    def ask(key: str) -> int:
        return kept(key, lambda: made.append(key) or len(made))

    assert [ask(k) for k in "abab"] == [1, 2, 1, 2] and ask("c") == 3
    assert [ask(k) for k in "bca"] == [2, 3, 4] and made == list("abca")


@pytest.mark.parametrize(
    ("of", "problem"),
    [
        ("pooling", "about no class"),
        ("salience", "no technique"),
        (3, "not a int"),
        (Map(values=torch.rand(1, 5, 5)), "it would be"),
    ],
)
def test_what_is_no_map_of_the_pictures_is_answered_clearly(of: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        trust(STYLES["functional"](), torch.rand(2, 1, 28, 28), of, 1)


def test_a_map_about_another_target_is_noticed() -> None:
    net, images = STYLES["functional"](), torch.rand(2, 1, 28, 28)
    made = cs.saliency(net, images, target=torch.tensor([1, 2]))  # not kept in the provenance
    with pytest.raises(InputError, match="give target="):
        lights(net, images, made, target=0)


# ---- shown -------------------------------------------------------------------------------------------------


def test_the_lights_are_shown_with_words_pictures_and_a_table(tmp_path: Any) -> None:
    net, images = STYLES["colour"](), torch.rand(3, 3, 28, 28)
    shown = trust(net, images, "saliency", target="b")
    assert shown.images.shape == (15, 3, 28, 28) and len(shown.parts[0].rows) == 3
    questions = (
        "Does hiding it matter?",
        "Does it need the trained weights?",
        "Does it depend on the class?",
    )
    for question in questions:
        assert sum(question in note for note in shown.notes) == 3
    assert "Known answer" in shown.notes[-1]
    assert [note[:5] for note in shown.notes[0:9:3]] == ["Row 1", "Row 2", "Row 3"]
    assert [str(row[0])[:3] for row in shown.parts[0].rows] == ["1: ", "2: ", "3: "]
    assert shown.provenance is not None and shown.provenance.weights == net.weights_hash
    page = shown.save(tmp_path / "t.html").read_text()
    assert "None is proof" in page and 'src="http' not in page
    assert shown.view().png.startswith(b"\x89PNG")
    assert cs.trust is trust


def test_the_command_line_says_how_far_to_trust_a_map(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from convsight.cli import main

    monkeypatch.chdir(tmp_path)
    cs.dataset("drawn-garments", limit=20).test[:7].save(tmp_path / "photos")
    words = ["lesson-2", "--weights", "random", "--quiet", "--trust"]
    pictures = [
        str(tmp_path / "photos" / name) for name in sorted(p.name for p in (tmp_path / "photos").iterdir())
    ]
    assert main(["show", "saliency", *words, pictures[0], "--data", "photos", "-o", "s.html"]) == 0
    told = capsys.readouterr().out
    assert told.count("Does ") == 3 and "other pictures' pixels" in told.replace("\n", " ")
    assert "How far to trust Saliency" in (tmp_path / "s.html").read_text()
    assert main(["show", "filters", *words]) != 0
    assert "goes with a map" in capsys.readouterr().err.replace("\n", " ")


# ---- known answers -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark() -> Any:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "known_answers.py"
    spec = importlib.util.spec_from_file_location("known_answers_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def only_the_tag(benchmark: Any) -> Any:
    """A network whose class 6 is the likeness of the corner to the tag, and nothing else."""
    data = cs.dataset("drawn-garments", limit=100)
    planted = plant(data, Cue("corner_tag", 3), data.classes[6], 1.0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 10, bias=False))
    with torch.no_grad():
        module[1].weight.zero_()
        tag = planted.add(data.test[:1]).pixels[0, 0] - 0.5
        module[1].weight[6] = (planted.mask(data.test[:1])[0] * tag).flatten()
    return benchmark.Net(cs.Classifier(module, data.classes, 28, 1), planted, 6, 1.0)


def row_of(benchmark: Any, name: str, net: Any) -> dict:
    measured = [benchmark.shares(catalogue()[name], net, 4)]
    return benchmark.row(catalogue()[name], "leans", [net], measured, measured, "a test")


@pytest.mark.parametrize(
    ("name", "least"), [("saliency", 0.999), ("gradient_x_input", 0.999), ("occlusion", 0.4)]
)
def test_all_of_an_exact_map_lies_on_the_tag_where_only_the_tag_counts(
    name: str, least: float, benchmark: Any, only_the_tag: Any
) -> None:
    found = row_of(benchmark, name, only_the_tag)
    assert found["points"] == 1 and found["around"] >= 0.8
    assert least <= found["value"] <= 1.0 and found["area"] == pytest.approx(25 / 784, abs=1e-4)


def test_what_is_shipped_has_the_rows_and_columns_that_the_benchmark_makes(
    benchmark: Any, only_the_tag: Any
) -> None:
    wanted = row_of(benchmark, "saliency", only_the_tag).keys()
    assert {"claim", "value", "unit", "target", "ok", "n", "spread", "device", "command"} <= wanted
    assert all(row.keys() == wanted for row in known_answers.measured())
    cases = {(row["method"], row["case"]) for row in known_answers.measured()}
    assert cases == {(name, case) for name in EXPLAINING for case in ("leans", "decoy")}
    for row in known_answers.measured():
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
        assert row["rise"] >= benchmark.LEANS if row["case"] == "leans" else abs(row["rise"]) < 0.05


def test_a_technique_that_was_not_measured_says_nothing() -> None:
    assert known_answers.known_answer("filters") == ""
    assert "planted tag" in known_answers.known_answer("saliency")
