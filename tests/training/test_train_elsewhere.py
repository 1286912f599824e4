"""Does each recipe learn the same on another device as on the processor?"""

import sys
from collections.abc import Iterator

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from tests.far_device import far_device

import convsight as cs
from convsight.training import processes


class OnDevice(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """There is nothing to set up."""


@pytest.fixture(
    params=["pretended", *[pytest.param("cuda", marks=pytest.mark.gpu)] * torch.cuda.is_available()]
)
def training_there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """`train` finds another device as it finds a GPU, and the one that it finds."""
    if request.param == "cuda":
        yield torch.device("cuda")
        return
    with far_device(float64=True) as device:
        there = SingleDeviceStrategy(device=device, accelerator=OnDevice())
        monkeypatch.setattr(processes, "Fabric", lambda **_: Fabric(strategy=there))
        known = sys.modules["torch.optim.optimizer"]  # to which fused steps run on some devices only
        monkeypatch.setattr(known, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])
        yield device


@pytest.mark.parametrize("recipe", ["lesson-1", "lesson-2", "fast", "quick", "best", "locate"])
def test_a_recipe_learns_there_what_it_learns_here(
    recipe: str, tmp_path, training_there: torch.device, monkeypatch
) -> None:
    name = "locate-drawn" if recipe == "locate" else "drawn-garments"
    data = cs.dataset(name, n_train=192, n_validation=48, n_test=48)
    alike = {"recipe": recipe, "epochs": 2, "precision": "float32"}
    there = cs.train(data, **alike, out=tmp_path / "there")
    monkeypatch.undo()
    here = cs.train(data, **alike, out=tmp_path / "here", device="cpu")
    used = [run.metrics["training"]["device"] for run in (there, here)]
    assert used[0].startswith(training_there.type) and used[1] == "cpu"
    for one, other in zip(there.log, here.log, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.05)
