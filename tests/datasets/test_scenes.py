"""Do composed scenes tell the truth: the mask, the surroundings, the cue, and how often it goes with the class?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from convsight.datasets import dataset
from convsight.datasets.scenes import LAYERS, Scenes, SceneSplit, cutout_scenes, drawn_scenes
from convsight.datasets.scenes.coats import animals
from convsight.datasets.scenes.grounds import GROUNDS, ground
from convsight.datasets.scenes.noise import noise, pixel_grid
from convsight.datasets.shapes import Random
from convsight.errors import DataError, DataNotFound, InputError

FEW = {"n_train": 60, "n_validation": 4, "n_test": 8, "n_balanced": 16}
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return drawn_scenes(correlation=0.9, **FEW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Plain red and green objects, plain blue and yellow surroundings; photograph 7 shows both kinds of those."""
    root = tmp_path_factory.mktemp("cutouts")
    for part, kind, colour in (
        ("objects", "apple", RED), ("objects", "pear", GREEN), ("backgrounds", "sea", BLUE), ("backgrounds", "sand", YELLOW),
    ):  # fmt: skip
        (root / part / kind).mkdir(parents=True)
        for i in range(8):
            picture = np.zeros((40, 40, 4), np.uint8)
            picture[..., :3] = colour
            inside = slice(4, 36) if part == "objects" else slice(None)
            picture[inside, inside, 3] = 255
            image = (
                Image.fromarray(picture) if part == "objects" else Image.fromarray(picture[..., :3].copy())
            )
            image.save(root / part / kind / (f"{i}.png" if part == "objects" else f"{i}_0.png"))
    rows = [f"backgrounds/{kind}/7_0.png,both" for kind in ("sea", "sand")]
    (root / "sources.csv").write_text("\n".join(["file,source", *rows]) + "\n")
    return root


def test_a_seed_gives_the_same_bytes_and_another_seed_others():
    few = {"n_train": 3, "n_validation": 1, "n_test": 1, "n_balanced": 4}
    one, same, other = (drawn_scenes(seed=seed, **few) for seed in (1, 1, 2))
    assert one.content_hash == same.content_hash != other.content_hash
    assert torch.equal(one.train.truth.layers, same.train.truth.layers)


def test_no_picture_is_in_two_splits_and_the_global_generator_is_left_alone(scenes):
    flat = torch.cat([split.store.pixels.flatten(1) for split in scenes.splits.values()])
    assert len(flat.unique(dim=0)) == len(flat)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    drawn_scenes(n_train=1, n_validation=1, n_test=1, n_balanced=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_cues_go_with_their_class_as_often_as_was_asked(scenes):
    truth, labels = scenes.train.truth, scenes.train.labels
    for k, cue in enumerate(scenes.cues):
        own = (truth.ground[labels == k] == truth.kinds.index(cue)).float().mean()
        assert own == pytest.approx(0.9, abs=0.13)
        assert torch.equal(truth.carries[:, truth.cues.index(cue)], truth.ground == truth.kinds.index(cue))


def test_in_the_balanced_split_every_object_has_every_cue_once(scenes):
    truth = scenes.balanced.truth
    for number in truth.number.unique():
        of_one = truth.number == number
        assert truth.ground[of_one].sort().values.tolist() == [0, 1, 2, 3]
        assert len(scenes.balanced.labels[of_one].unique()) == 1
        masks = truth.objects[of_one]
        assert (masks == masks[:1]).all()


def test_the_mask_is_where_two_pictures_of_the_same_object_agree(scenes):
    """Before other surroundings the object's pixels stay, and others change: the mask says which is which."""
    truth, pixels = scenes.balanced.truth, scenes.balanced.store.pixels.float() / 255
    for number in range(6):
        a, b = pixels[truth.number == number][:2]
        differ = (a - b).abs().amax(0)
        inside = truth.objects[truth.number == number][0]
        assert differ[inside].median() == 0 and differ[~inside].median() > 0.1


def test_the_truth_follows_the_pictures(scenes):
    chosen = scenes.test.take([5, 2])
    assert isinstance(chosen, SceneSplit)
    assert torch.equal(chosen.truth.layers, scenes.test.truth.layers[[5, 2]])
    small = scenes.limited(12).fit(32)
    assert isinstance(small, Scenes) and len(small.balanced) == 12
    assert small.balanced.truth.layers.shape == (12, 32, 32)
    halves = chosen.fit(32).truth.objects.float()
    whole = torch.nn.functional.avg_pool2d(chosen.truth.objects.float()[:, None], 2)[:, 0]
    assert (halves - whole).abs().max() <= 0.5


def test_things_and_parts_are_where_the_truth_says():
    cues = {"dog": "leash", "cat": "hand", "horse": "sign", "duck": "water below", "rabbit": "sky above"}
    scenes = drawn_scenes(cues=cues, correlation=1, n_train=6, n_validation=1, n_test=1, n_balanced=9)
    truth, labels = scenes.train.truth, scenes.train.labels
    assert set(truth.kinds).isdisjoint({"water", "sky"})
    for k, cue in enumerate(scenes.cues):
        layer = LAYERS.index("part" if " " in cue else "thing")
        share = (truth.layers == layer).float().mean((1, 2))
        assert (share[labels == k] > 0.005).all()
        assert truth.carries[labels == k].tolist() == [[c == cue for c in truth.cues]] * 6
    rows = torch.arange(64).float()[:, None]
    height = [
        (rows * (truth.layers == 2)[labels == k]).sum() / (truth.layers == 2)[labels == k].sum()
        for k in (3, 4)
    ]
    assert height[0] > 40 and height[1] < 24
    tried = (truth.kinds, *scenes.balanced.truth.cues)
    assert len(scenes.balanced) == 5 * len(scenes.balanced.truth.number.unique()) // 5 * (len(tried[0]) + 5)


def test_decoys_share_their_surroundings_or_wear_their_colour():
    few = {"n_train": 40, "n_validation": 1, "n_test": 1, "n_balanced": 4}
    shared = drawn_scenes(cues={}, shared=("snow", 0.7), **few)
    ground = shared.train.truth.ground == shared.train.truth.kinds.index("snow")
    for k in range(4):
        assert ground[shared.train.labels == k].float().mean() == pytest.approx(0.775, abs=0.2)
    own = animals(0, "dog", Random(8, torch.Generator().manual_seed(0)), 64, 1.0)
    red = (own.colours * own.cover[:, None]).sum((2, 3)) / own.cover.sum((1, 2))[:, None]
    assert (red[:, 0] > 1.8 * red[:, 1:].amax(1)).all()


def test_each_kind_of_surroundings_differs_from_the_others_more_than_within():
    means = {}
    for kind in GROUNDS:
        pictures = ground(kind, Random(24, torch.Generator().manual_seed(1)), 32)
        assert pictures.shape == (24, 3, 32, 32) and pictures.min() >= 0 and pictures.max() <= 1
        assert pictures.mean((2, 3)).std(0).max() > 0.03  # varied like photographs
        means[kind] = pictures.mean((0, 2, 3))
    assert means["snow"].min() > 0.6 and means["leaves"].argmax() != 2
    assert means["sand"].argmax() == 0 and means["water"].argmax() == 2 and means["grass"].argmax() == 1


def test_noise_has_the_fineness_and_spread_that_are_asked():
    x, y = pixel_grid(64)
    field = noise(Random(60, torch.Generator().manual_seed(0)), x, y, 4.0)
    assert field.mean().abs() < 0.1 and 0.7 < field.std() < 1.2
    fine = noise(Random(60, torch.Generator().manual_seed(0)), x, y, 12.0)
    steps = [(f[:, 1:] - f[:, :-1]).abs().mean() for f in (field, fine)]
    assert steps[1] > 2 * steps[0]


def test_known_by_name_and_as_a_command_line_name():
    even = dataset("drawn-scenes-even", limit=40, n_train=100)
    assert even.correlation == 0.25 and len(even.train) == 40
    assert dataset("drawn-scenes", limit=8, correlation=1.0).correlation == 1
    assert "balanced" in even.describe()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"correlation": 1.5}, "correlation must be from 0 to 1, not 1.5"),
        ({"cues": {"dog": "sno"}, "classes": ("dog", "cat")}, "no cue 'sno'"),
        ({"cues": {"dog": "snow", "wolf": "sand"}}, "no drawn animal 'wolf'"),
        ({"cues": {"wolf": "snow"}, "classes": ("dog", "cat")}, "no class 'wolf'"),
        ({"classes": ("dog",)}, "two classes or more"),
        ({"kinds": ("snow",)}, "two surroundings or more"),
        ({"kinds": ("snow", "moon", "leaves", "sand", "water")}, "no surroundings 'moon'"),
        ({"shared": ("snow", 2)}, "the share of shared must be from 0 to 1, not 2"),
        ({"n_test": 0}, "not 0 for test"),
    ],
)
def test_what_is_not_possible_is_said(given, says):
    with pytest.raises(InputError, match=says):
        drawn_scenes(**given)


def test_cutouts_are_pasted_where_the_mask_says(folder):
    scenes = dataset(
        f"scenes:{folder}", cues={"apple": "sea", "pear": "sand"}, correlation=1.0, size_px=32, **FEW
    )
    pixels, truth = scenes.train.store.pixels, scenes.train.truth
    for k, (cut, around) in enumerate([(RED, BLUE), (GREEN, YELLOW)]):
        own = scenes.train.labels == k
        shown = pixels[own].permute(0, 2, 3, 1)
        full = truth.objects[own]
        inner = -torch.nn.functional.max_pool2d(-full[:, None].float(), 3, 1, 1)[:, 0] > 0.5
        outer = torch.nn.functional.max_pool2d(full[:, None].float(), 3, 1, 1)[:, 0] < 0.5
        assert (shown[inner].float().mean(0) - torch.tensor(cut)).abs().max() < 8
        assert (shown[outer].float().mean(0) - torch.tensor(around)).abs().max() < 8
        assert 0.1 < full.float().mean() < 0.8


def test_a_photograph_is_in_one_split_even_if_it_shows_two_kinds(folder):
    from convsight.datasets.scenes.cutouts import Collage

    for seed in range(5):
        files = Collage(folder, ("apple", "pear"), ("sea", "sand"), 16, seed).files
        for splits in files.values():
            names = [set(photos) for photos in splits.values()]
            assert sum(map(len, names)) == len(set.union(*names)) == 8
        both = [
            next(s for s, photos in files["backgrounds", kind].items() if "both" in photos)
            for kind in ("sea", "sand")
        ]
        assert both[0] == both[1]


def test_a_folder_without_what_is_needed_is_refused(folder, tmp_path):
    with pytest.raises(DataNotFound, match=r"objects/KIND/\*\.png"):
        cutout_scenes(tmp_path, cues={"apple": "sea", "pear": "sand"})
    with pytest.raises(InputError, match="has no objects 'plum'"):
        cutout_scenes(folder, cues={"apple": "sea", "plum": "sand"})
    for part, kinds in (("objects", ("a", "b")), ("backgrounds", ("c", "d"))):
        for kind in kinds:
            (tmp_path / part / kind).mkdir(parents=True)
            Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / part / kind / "1.png")
    with pytest.raises(DataError, match="three splits need 5 or more"):
        cutout_scenes(tmp_path, cues={"a": "c", "b": "d"})
    (tmp_path / "sources.csv").write_text("name\nx\n")
    with pytest.raises(DataError, match="needs the columns file and source; it has name"):
        cutout_scenes(tmp_path, cues={"a": "c", "b": "d"})
