"""Which nodes are off: against torch.nn.Dropout, the binomial law and what the seed promises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsight.errors import InputError
from convsight.methods.dropout import HIDDEN, Dropout
from convsight.results.kinds import Curve


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 1000))
def test_every_node_is_off_for_a_share_p_within_five_standard_deviations(p, seed):
    epochs = 4000
    shares = Dropout(p=p, epochs=epochs, seed=seed).masks().float().mean(0)
    spread = (p * (1 - p) / epochs) ** 0.5
    assert (shares - p).abs().max() < 5 * spread


def test_nodes_and_epochs_are_drawn_independently():
    off = Dropout(p=0.5, epochs=20000).masks().double()
    between_nodes = torch.corrcoef(off.T) - torch.eye(len(HIDDEN))
    assert between_nodes.abs().max() < 5 / 20000**0.5
    one_epoch_later = torch.corrcoef(torch.stack([off[:-1].flatten(), off[1:].flatten()]))[0, 1]
    assert abs(float(one_epoch_later)) < 5 / (9 * 20000) ** 0.5


def test_the_share_and_the_scale_are_those_of_torchs_own_dropout():
    torch.manual_seed(0)
    theirs = torch.nn.functional.dropout(torch.ones(20000, len(HIDDEN)), p=0.3)
    ours = Dropout(p=0.3, epochs=20000).masks()
    assert abs(float(ours.float().mean()) - float((theirs == 0).float().mean())) < 0.006
    kept = theirs[theirs > 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / 0.7))
    assert f"{1 / 0.7:.3g}" in Dropout(p=0.3)().notes[0]
    assert abs(float(((~ours) / 0.7).mean()) - 1) < 0.01  # right on average: that is what the scale is for


def test_p_zero_turns_nothing_off():
    assert not Dropout(p=0.0).masks().any()
    assert "off: none" in (Dropout(p=0.0, epochs=1)().svg or "")


def test_the_seed_decides_and_the_picture_names_the_nodes_that_are_off():
    first, again, other = Dropout(seed=3)(), Dropout(seed=3)(), Dropout(seed=4)()
    assert torch.equal(first.images, again.images)
    assert first.values is not None and other.values is not None
    assert first.values.shape == (100, 9) and not torch.equal(first.values, other.values)
    for epoch in range(4):
        off = [name for name, value in zip(HIDDEN, first.values[epoch], strict=True) if value]
        assert f"off: {', '.join(off)}" in (first.svg or "")


def test_the_running_shares_end_at_the_share_of_all_epochs():
    result = Dropout(epochs=300)()
    (curve,) = result.parts
    assert isinstance(curve, Curve) and result.values is not None
    assert [s.name for s in curve.series] == [*HIDDEN, "p"]
    ends = torch.tensor([s.y[-1] for s in curve.series[:-1]])
    assert torch.allclose(ends, result.values.mean(0))


@pytest.mark.parametrize("knobs", [{"p": 1.0}, {"p": -0.1}, {"epochs": 0}, {"shown": 0}])
def test_knobs_out_of_range_are_refused(knobs):
    with pytest.raises(InputError, match="outside its range"):
        Dropout(**knobs)
