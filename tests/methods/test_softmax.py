"""Softmax against scipy, hand numbers and the laws that define a probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convsight.errors import InputError
from convsight.images import Images
from convsight.methods.softmax import Softmax, probabilities
from convsight.network.classifier import Classifier
from convsight.results.kinds import Table

rows = st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=12)
mild = st.lists(st.floats(-300, 300), min_size=2, max_size=12)


def small_net(task: str = "classify") -> Classifier:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 12))
    return Classifier(module, classes=[f"c{i}" for i in range(12)], input_size=4, channels=1, task=task)


def test_two_one_and_a_tenth_give_the_hand_computed_probabilities():
    e = [math.exp(2.0), math.exp(1.0), math.exp(0.1)]
    values = Softmax()().values
    assert values is not None
    assert values[0].tolist() == pytest.approx([x / sum(e) for x in e], abs=1e-15)


@settings(max_examples=200, deadline=None)
@given(rows, st.floats(0.01, 100))
def test_scores_of_any_size_agree_with_scipy_and_sum_to_one(scores, temperature):
    found = probabilities(torch.tensor([scores], dtype=torch.float64), temperature)[0]
    shifted = (np.asarray(scores) - max(scores)) / temperature
    assert np.abs(found.numpy() - scipy.special.softmax(shifted)).max() < 1e-14
    assert found.isfinite().all() and abs(float(found.sum()) - 1) < 1e-12


@settings(max_examples=100, deadline=None)
@given(mild)
def test_every_probability_lies_between_0_and_1_and_keeps_the_order_of_the_scores(scores):
    found = probabilities(torch.tensor([scores]))[0]
    assert (found > 0).all() and (found <= 1).all()
    ordered = found[torch.tensor(scores, dtype=torch.float32).argsort()]
    assert (ordered.diff() >= 0).all()


def test_adding_a_number_to_all_scores_changes_nothing_and_temperature_evens_out():
    scores = torch.tensor([[3.0, -1.0, 0.5]])
    assert torch.allclose(probabilities(scores), probabilities(scores + 100), atol=1e-15)
    cold, warm = probabilities(scores, 0.1)[0], probabilities(scores, 50.0)[0]
    assert cold.max() > 0.999 and (warm - 1 / 3).abs().max() < 0.03


def test_with_a_network_the_values_are_its_probabilities_for_every_picture():
    net, images = small_net(), Images(torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    result = Softmax(top=5)(net, images)
    assert result.values is not None and result.values.shape == (3, 12)
    assert (result.values - net.scores(images).double().softmax(1)).abs().max() < 1e-12
    assert len(result.images) == 3
    best = net.classes[int(net.predict(images)[0])]
    assert result.caption.startswith(best)


def test_of_many_pictures_the_first_are_drawn_and_all_are_returned():
    result = Softmax()(small_net(), torch.rand(11, 1, 4, 4))
    assert result.values is not None and result.values.shape == (11, 12) and len(result.images) == 8
    assert "first 8 of 11" in result.notes[-1]


def test_the_table_shows_how_the_numbers_come_about():
    (table,) = Softmax(logits="1, 0")().parts
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["class 1", "class 2", "sum"]
    e = math.exp(-1)
    assert [row[2] for row in table.rows] == pytest.approx([1, e, 1 + e])
    assert table.rows[-1][3] == pytest.approx(1)


def test_huge_scores_are_drawn_and_the_rounding_is_admitted():
    result = Softmax(logits="1e5 -3 1e5 0")()
    assert result.values is not None and result.values[0].tolist() == [0.5, 0, 0.5, 0]
    assert any("round to 0" in note for note in result.notes)
    assert result.svg is not None and "100,000" in result.svg


@pytest.mark.parametrize("logits", ["", "1", "1 two", "1 nan", "inf 1"])
def test_logits_that_are_no_scores_are_refused(logits):
    with pytest.raises(InputError, match="logits are"):
        Softmax(logits=logits)()


def test_pictures_without_a_network_and_networks_that_locate_are_refused():
    images = Images(torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="a network missing"):
        Softmax()(images=images)
    with pytest.raises(InputError, match="pictures missing"):
        Softmax()(small_net())
    with pytest.raises(InputError, match="predicts positions"):
        Softmax()(small_net("locate"), images)
    with pytest.raises(InputError, match="outside its range"):
        Softmax(temperature=0.0)
