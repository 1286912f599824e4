"""Pixels that fill what is hidden come from pictures that do not have the label asked about."""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.trust_checks.donors import donors_for
from convsight.trust_checks.subject import subject_of

LABELS = ("a", "b", "c")


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_donor_has_not_the_one_of_several_labels_that_is_asked_about(asked):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    net = cs.Classifier(module, classes=LABELS, input_size=8, channels=1, task="multilabel")
    pixels = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = (torch.arange(200)[:, None] // torch.tensor([1, 2, 4]) % 2).long()
    data = cs.dataset((pixels, labels), classes=LABELS)
    looked_at = subject_of(net, data.test[:2], cs.saliency, LABELS[asked], {})
    found = donors_for(looked_at, data, seed=0)
    assert found.words == "other pictures' pixels"
    for donor in found.pixels.flatten(0, 1):
        place = int((data.test[:].pixels == donor).flatten(1).all(1).nonzero())
        assert data.test.labels[place, asked] == 0
