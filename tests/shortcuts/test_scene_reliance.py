"""Does the measured reliance on scenes tell a network that looks at the surroundings from one that does not?"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsight.datasets.scenes import drawn_scenes
from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.shortcuts.scene_reliance import group_accuracies, leanings

CLASSES = ("dog", "cat", "horse", "duck")


class Remembers(nn.Module):
    """Says what it was told to say of each picture, by the picture's bytes."""

    def __init__(self, split, answers):
        super().__init__()
        self.answers = dict(zip(map(_key, split[:].pixels), answers.tolist(), strict=True))

    def forward(self, x):
        said = [self.answers.get(_key(each), 0) for each in x]
        return nn.functional.one_hot(torch.tensor(said), 4).float() + 0 * x.mean()


def _key(pixels):
    return (pixels * 255).round().to(torch.uint8).numpy().tobytes()


@pytest.fixture(scope="module")
def scenes():
    cues = {"dog": "snow", "cat": "leaves", "horse": "leash", "duck": "water below"}
    return drawn_scenes(cues=cues, n_train=1, n_validation=1, n_test=1, n_balanced=24)


def _net(scenes, answers):
    return Classifier(Remembers(scenes.balanced, answers), CLASSES, (64, 64), 3, 0.0, 1.0, task="classify")


def test_a_network_that_knows_the_objects_leans_on_nothing(scenes):
    net = _net(scenes, scenes.balanced.labels)
    assert [each.reliance.rise for each in leanings(net, scenes)] == [0, 0, 0, 0]
    assert group_accuracies(net, scenes.balanced).tolist() == [[1.0] * 4] * 4


def test_a_network_that_only_sees_snow_calls_everything_in_snow_a_dog(scenes):
    truth = scenes.balanced.truth
    snow = (truth.ground == truth.kinds.index("snow")) & ~truth.carries[:, 2:].any(1)
    net = _net(scenes, torch.where(snow, 0, 1))
    dog, cat = leanings(net, scenes)[:2]
    assert (dog.target, dog.cue, dog.reliance.rise) == ("dog", "snow", 1.0)
    assert dog.reliance.with_cue == 1 and dog.reliance.without == 0 and dog.reliance.learned
    assert cat.reliance.rise == pytest.approx(
        1 / 3
    )  # without snow, where two of the three other columns have none
    groups = group_accuracies(net, scenes.balanced)
    assert groups[0].tolist() == [1.0, 0.0, 0.0, 0.0] and groups[1].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_a_leash_is_a_cue_of_its_own(scenes):
    truth = scenes.balanced.truth
    leash = truth.carries[:, truth.cues.index("leash")]
    horse = leanings(_net(scenes, torch.where(leash, 2, 3)), scenes)[2]
    assert (horse.cue, horse.reliance.rise, horse.reliance.n) == ("leash", 1.0, 18)


def test_the_rise_is_that_of_a_slow_count(scenes):
    torch.manual_seed(0)
    answers = torch.randint(0, 4, (len(scenes.balanced),))
    split, truth = scenes.balanced, scenes.balanced.truth
    lean = leanings(_net(scenes, answers), scenes)[3]
    gains = []
    for number in truth.number[split.labels != 3].unique():
        said = {}
        for i in (truth.number == number).nonzero().flatten().tolist():
            thing = [c for c in ("leash", "water below") if truth.carries[i, truth.cues.index(c)]]
            said[thing[0] if thing else truth.kinds[truth.ground[i]]] = float(answers[i] == 3)
        others = [value for cue, value in said.items() if cue != lean.cue]
        gains.append(said[lean.cue] - sum(others) / len(others))
    assert len(said) == 4 and lean.reliance.rise == pytest.approx(sum(gains) / len(gains))


def test_a_split_that_is_not_crossed_is_refused(scenes):
    with pytest.raises(InputError, match="what works is the split `balanced`"):
        group_accuracies(_net(scenes, scenes.balanced.labels), scenes.balanced.take(range(5)))
