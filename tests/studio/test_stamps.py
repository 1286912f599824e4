"""A stamp does to every picture what the audit's own cue does, or there is none."""

import torch
from torch import nn

import convsight as cs
from convsight.shortcuts.patch import Patch
from convsight.shortcuts.probes import Probe, Region, Sharpness
from convsight.studio.stamps import Stamp, counted, stamped

ONTO = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
DONOR = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
CORNER = (torch.arange(12)[:, None] < 4) & (torch.arange(12) < 4)


def same(probe: Probe) -> bool:
    parts = stamped(probe, DONOR, ONTO)
    assert parts is not None
    wanted = torch.cat([probe.paste(each[None], DONOR) for each in ONTO])
    return torch.allclose(Stamp(0, "a", "cue", *parts).press(ONTO), wanted, atol=0.02)


def test_a_place_and_a_patch_are_stamps() -> None:
    assert same(Region(CORNER))
    assert same(Patch(DONOR[0, :, 2:6, 3:7], seed=3))


def test_a_blur_is_no_stamp() -> None:
    assert stamped(Sharpness(2.0, -1e9), DONOR, ONTO) is None


def test_decisions_that_turn_are_counted() -> None:
    """The network says "b" where the corner is bright: the bright corner turns the dark pictures, not those already so."""
    last = nn.Linear(432, 2)
    with torch.no_grad():
        last.weight.copy_(torch.stack([torch.zeros(432), CORNER.expand(3, 12, 12).flatten().float()]))
        last.bias.copy_(torch.tensor([40.0, 0.0]))
    net = cs.Classifier(nn.Sequential(nn.Flatten(), last), ["a", "b"], 12)
    bright = Stamp(
        0, "b", "place", torch.where(CORNER, 0.0, 1.0).expand(3, 12, 12), CORNER.expand(3, 12, 12).float()
    )
    pictures = torch.cat([ONTO, torch.ones(1, 3, 12, 12)])
    made = counted(bright, net, 1, pictures)
    assert (made.turned, made.of) == (5, 5)
