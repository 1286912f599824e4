"""Does everything follow a network to another device, and would a machine without one notice if it did not?"""

import numpy as np
import pytest
import torch
from torch import nn

import convsight as cs
from convsight.architectures.lesson import LessonTwo
from convsight.features.extract import extract
from convsight.occluding.dragged import Occluding
from tests.every_method.networks import STYLES
from tests.far_device import Far, far_device


def trained() -> tuple[cs.Classifier, cs.Dataset]:
    """A net that knows some garments, and pictures of them."""
    torch.manual_seed(0)
    data = cs.dataset("drawn-garments", channels=1, n_train=200, n_validation=50, n_test=400)
    module, some = LessonTwo(10).eval(), data.train[:]
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(15):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(some.pixels), some.labels).backward()
        optimiser.step()
    module.zero_grad()
    return cs.Classifier(module, data.classes, 28, 1), data


# ---- the pretended device ----------------------------------------------------------------------------------


def test_what_is_far_is_refused_beside_what_is_here() -> None:
    with far_device() as far:
        there, here = torch.arange(6.0).view(2, 3).to(far), torch.ones(2, 3)
        assert isinstance(there, Far) and there.device == far and not there.is_cpu
        for mixed in (
            lambda: there + here,
            lambda: torch.cat([there, here]),
            lambda: torch.where(here > 0, there, 0.0),
            lambda: nn.functional.linear(there, here),
            lambda: torch.index_select(there, 1, torch.tensor([0])),
        ):
            with pytest.raises(RuntimeError, match="same device"):
                mixed()
        with pytest.raises(TypeError, match="cpu"):
            there.numpy()
        with pytest.raises((TypeError, RuntimeError)):
            np.asarray(there)
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=torch.Generator(), device=far)


def test_what_a_device_allows_is_allowed() -> None:
    with far_device(float64=True) as far:
        assert torch.ones(3).to(far).double().sum().item() == 3
    with far_device() as far:
        with pytest.raises(TypeError, match="float64"):
            torch.ones(3).to(far).double()
        there = torch.arange(6.0).view(2, 3).to(far)
        assert (there * torch.tensor(2.0) + 1).cpu().tolist() == [[1, 3, 5], [7, 9, 11]]
        assert there[:, torch.tensor([2, 0])].tolist() == [[2, 0], [5, 3]]
        here = torch.zeros(2, 3)
        here.copy_(there)
        assert here.sum() == 15 and float(there.sum()) == 15 and torch.zeros(3, device=far).device == far
        there[0] = 7.0
        assert there.cpu()[0].tolist() == [7, 7, 7]


def test_gradients_are_where_their_tensor_is() -> None:
    module, x = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.rand(4, 3)
    module(x).sum().backward()
    wanted = module[0].weight.grad.clone()
    with far_device() as far:
        module.to(far).zero_grad()
        module(x.to(far)).sum().backward()
        assert module[0].weight.grad.device == far
        torch.testing.assert_close(module[0].weight.grad.cpu(), wanted)


# ---- what is no technique ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("norms", [False, True])
def test_occlusion_recomputes_regions_there_too(norms: bool, mode: str, elsewhere: torch.device) -> None:
    net, data = trained()
    method, images = cs.Occlusion(patch=4, stride=2, mode=mode), data.test[:3]
    net = STYLES["in-place"]() if norms else net
    here = method(net, images)
    net.module.to(elsewhere)
    there = method(net, images)
    assert any(note.startswith("Only changed regions") for note in there.notes)
    assert any(note.startswith("Self-check on 4 positions") for note in there.notes)
    torch.testing.assert_close(there.values, here.values, rtol=0, atol=2e-3 * float(here.values.abs().max()))
    *_, last = method.stream(net, images)
    torch.testing.assert_close(last.values, there.values, rtol=0, atol=1e-4)
    net.module.to("cpu")
    assert torch.equal(method(net, images).values, here.values)


@pytest.mark.parametrize("fill", ["blur", "black"])
def test_one_occluder_is_moved_there(fill: str, elsewhere: torch.device) -> None:
    net, data = trained()
    image, boxes = data.test[0], [(3, 4, 8, 9), (0, 0, 5, 5), (20, 18, 8, 10)]
    here = [Occluding(net, image).scores(box, fill) for box in boxes]
    net.module.to(elsewhere)
    asked = Occluding(net, image)
    for box, scores in zip(boxes, here, strict=True):
        torch.testing.assert_close(asked.scores(box, fill), scores, rtol=1e-3, atol=1e-3)


def test_a_network_is_tested_audited_and_its_maps_are_doubted_there(elsewhere: torch.device) -> None:
    net, data = trained()
    one = data.classes[0]
    here = (
        cs.test(net, data.test),
        cs.find_shortcuts(net, data, target=one)[0],
        cs.trust(net, data.test[:1], of="gradcam"),
    )
    net.module.to(elsewhere)
    assert cs.test(net, data.test)["accuracy"] == here[0]["accuracy"]
    assert cs.find_shortcuts(net, data, target=one)[0].sentence == here[1].sentence
    there = cs.trust(net, data.test[:1], of="gradcam")
    assert there.captions == here[2].captions


def test_features_are_taken_there(tmp_path, elsewhere: torch.device) -> None:
    net, data = trained()
    here = extract(net, data, tmp_path / "here").vectors()
    net.module.to(elsewhere)
    np.testing.assert_allclose(extract(net, data, tmp_path / "there").vectors(), here, rtol=1e-3, atol=1e-3)
