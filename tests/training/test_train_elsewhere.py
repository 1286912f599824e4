"""Does each recipe learn the same on another device as on the processor?"""

import sys
from collections.abc import Iterator

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy

import convsight as cs
from convsight.training import session


class OnDevice(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """There is nothing to set up."""


@pytest.fixture
def training_there(elsewhere: torch.device, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`train` finds the other device as it would find a GPU."""
    if elsewhere.type == "meta":
        there = SingleDeviceStrategy(device=elsewhere, accelerator=OnDevice())
        monkeypatch.setattr(session, "Fabric", lambda **_: Fabric(strategy=there))
        known = sys.modules["torch.optim.optimizer"]  # to which fused steps run on some devices only
        monkeypatch.setattr(known, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])
    yield


@pytest.mark.parametrize("recipe", ["lesson-1", "lesson-2", "fast", "quick", "best", "locate"])
def test_a_recipe_learns_there_what_it_learns_here(recipe: str, tmp_path, training_there: None) -> None:
    name = "locate-drawn" if recipe == "locate" else "drawn-garments"
    data = cs.dataset(name, n_train=192, n_validation=48, n_test=48)
    there = cs.train(data, recipe=recipe, epochs=2, out=tmp_path / "there").log
    here = cs.train(data, recipe=recipe, epochs=2, out=tmp_path / "here", device="cpu").log
    for one, other in zip(there, here, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.05)
