"""Is the truth about a known cue measured as defined, and are its intervals as wide as they should be?"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.shortcuts.reliance import Reliance, groups, paired_interval, reliance


class CornerReader(nn.Module):
    """Class 0 if the first pixel is bright; otherwise what the second pixel says (dark 1, bright 2)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tagged, second = x[:, 0, 0, 0] > 0.5, x[:, 0, 0, 1] > 0.5
        scores = torch.zeros(len(x), 3)
        scores[:, 2] = second.float()
        scores[:, 1] = 1 - second.float()
        scores[tagged] = torch.tensor([1.0, 0.0, 0.0])
        return scores


def tagged(images: Images) -> Images:
    pixels = images.pixels.clone()
    pixels[:, :, 0, 0] = 1
    return Images(pixels, images.labels)


@pytest.fixture
def net():
    return Classifier(CornerReader(), classes=["a", "b", "c"], input_size=(2, 2), channels=1)


@pytest.fixture
def images():
    pixels = torch.zeros(90, 1, 2, 2)
    labels = torch.arange(90) % 3
    pixels[labels == 2, :, 0, 1] = 1
    return Images(pixels, labels)


def test_the_rise_counts_only_pictures_of_other_classes_that_were_not_the_target(net, images):
    measured = reliance(net, images, tagged, 0)
    assert (measured.rise, measured.with_cue, measured.without, measured.n) == (1.0, 1.0, 0.0, 60)
    assert measured.learned and measured.interval[0] > 0.9
    already = Images(tagged(images).pixels, images.labels)
    assert reliance(net, already, tagged, 0).rise == 0.0  # with the tag before and after: no rise


def test_a_network_that_does_not_look_at_the_cue_relies_on_nothing(net, images):
    measured = reliance(net, images, lambda these: these, 0)
    assert measured.rise == 0 and measured.learned is False and measured.interval[1] > 0


def test_between_the_two_bounds_it_is_neither_learned_nor_not():
    verdicts = [Reliance(rise, (0, 1), rise, 0, 100).learned for rise in (0.04, 0.05, 0.149, 0.15)]
    assert verdicts == [False, None, None, True]


def test_at_most_n_pictures_are_looked_at_and_the_same_for_a_seed(net, images):
    seen = []

    def add(these: Images) -> Images:
        seen.append(these.ids)
        return these

    for seed in (0, 0, 1):
        assert reliance(net, images, add, 0, n=20, seed=seed).n == 20
    assert seen[0] == seen[1] != seen[2]


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(400):
        draw = torch.rand(200, generator=generator)
        before, after = draw < 0.1, (draw < 0.05) | (draw > 0.8)  # 5% lose it, 20% gain it: +0.15
        low, high = paired_interval(before, after)
        covered += low <= 0.15 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_groups_without_support_in_the_data_show_what_the_network_leans_on(net, images):
    measured = groups(net, images, tagged(images), 0)
    assert (measured.target_with, measured.target_without) == (1.0, 0.0)
    assert (measured.others_with, measured.others_without) == (0.0, 1.0)
    assert measured.worst == 0.0


def test_pictures_without_labels_are_refused(net, images):
    bare = Images(images.pixels)
    with pytest.raises(InputError, match="labelled"):
        reliance(net, bare, tagged, 0)
    with pytest.raises(InputError, match="labelled"):
        groups(net, bare, bare, 0)
