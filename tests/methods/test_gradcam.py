"""Grad-CAM against captum, against CAM where the two must be equal, and its choice of layer."""

import pytest
import torch
import torch.nn.functional as F
from tests.oracles.by_hand import cam_family, score_cam
from tests.oracles.small_nets import InPlace, Modules, OneConv, modules_net, pictures
from torch import nn

from convsight.architectures.lesson import LessonOne, LessonTwo
from convsight.errors import InputError
from convsight.gradients.cam import class_activation
from convsight.methods.gradcam import Gradcam
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("layer", ["relu1", "conv2", "relu2"])
def test_it_is_captums_enlarged(layer, positive):
    from captum.attr import LayerGradCam

    module, pixels = modules_net(), pictures(4)
    net = Classifier(module, input_size=12, channels=1)
    coarse = LayerGradCam(module, getattr(module, layer)).attribute(
        pixels, target=[0, 1, 2, 0], relu_attributions=positive
    )
    theirs = F.interpolate(coarse.detach(), (12, 12), mode="bilinear", align_corners=False)[:, 0]
    result = Gradcam(positive=positive)(net, pixels, target=[0, 1, 2, 0], layer=layer)
    assert theirs.abs().max() > 0
    assert torch.allclose(result.values, theirs, atol=1e-6)
    assert result.signed is not positive


@pytest.mark.parametrize(
    "layer, first, cells",
    [
        ("conv1", 0, [[11.25, 13.5], [20.25, 22.5]]),
        ("relu1", 0, [[0.0, 4.0], [28.0, 32.5]]),
        ("conv1", 1, [[14.5, 19.0], [32.5, 37.0]]),
    ],
)
def test_one_convolution_gives_the_tensors_that_captum_publishes(layer, first, cells):
    net = Classifier(OneConv(), input_size=4, channels=1, std=1 / 16)
    pixels = torch.arange(first, first + 16.0).reshape(1, 1, 4, 4) / 16
    found = class_activation(net, net.target(0, pixels), pixels, layer)
    assert torch.allclose(found.cam[0], torch.tensor(cells))


def test_behind_global_pooling_it_is_cam():
    """Zhou et al. 2015: Σ_c w_c A_c, here over the number of cells, which the mean divides by."""
    module, pixels = modules_net(), pictures(3)
    net = Classifier(module, input_size=12, channels=1)
    with torch.no_grad(), net.record("relu3") as seen:
        net.forward(pixels)
    maps = torch.einsum("c,nchw->nhw", module.fc.weight[2].detach(), seen["relu3"]) / 36
    expected = F.interpolate(maps.clamp(min=0)[:, None], (12, 12), mode="bilinear")[:, 0]
    assert torch.allclose(Gradcam()(net, pixels, target=2).values, expected, atol=1e-6)


def test_without_a_layer_the_last_maps_are_taken():
    for module, size, name in (
        (modules_net(Modules), 12, "relu3"),
        (modules_net(InPlace), 12, "relu#3"),
        (LessonOne(10), 28, "relu#2"),
        (LessonTwo(10), 28, "relu#2"),
        (OneConv(), 4, "relu1"),
    ):
        assert Classifier(module, input_size=size, channels=1).layers.last_maps().name == name


def test_a_unit_can_be_the_target_and_its_own_layer_too():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(2)
    values = Gradcam()(net, pixels, target=("relu3", 1), layer="relu3").values
    with torch.no_grad(), net.record("relu3") as seen:
        net.forward(pixels)
    expected = F.interpolate(seen["relu3"][:, 1:2] / 36, (12, 12), mode="bilinear")[:, 0]
    assert torch.allclose(values, expected, atol=1e-6)


def test_layers_that_cannot_be_used_are_refused_with_those_that_can():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(1)
    with pytest.raises(InputError, match=r"gives 3, not maps; these layers give maps: conv1"):
        Gradcam()(net, pixels, layer="fc")
    with pytest.raises(InputError, match="did you mean conv2"):
        Gradcam()(net, pixels, layer="conv9")
    with pytest.raises(ValueError, match="does not depend on layer 'relu3'; choose a layer before it"):
        Gradcam()(net, pixels, target=("conv1", 0), layer="relu3")
    linear = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(InputError, match="no layer whose output is maps larger than one cell"):
        Gradcam()(Classifier(linear, input_size=12, channels=1), pixels)


def test_with_each_cells_own_gradient_the_cells_of_a_linear_head_sum_to_the_score():
    """HiResCAM: the score of a linear head is its bias plus the sum of the cells, so nothing is misplaced."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    net, pixels = Classifier(module, input_size=12, channels=1), pictures(3)
    aim = net.target(1, pixels)
    found = class_activation(net, aim, pixels, "1", "hirescam")
    rest = net.scores(pixels)[:, 1] - module[3].bias[1].detach()
    assert torch.allclose(found.cam.sum((1, 2)), rest, atol=1e-5)
    from captum.attr import LayerGradientXActivation

    theirs = LayerGradientXActivation(module, module[1]).attribute(pixels, target=1).sum(1)
    assert torch.allclose(found.cam, theirs, atol=1e-6)
    result = Gradcam(average=False, positive=False)(net, pixels, target=1, layer="1")
    expected = F.interpolate(theirs[:, None], (12, 12), mode="bilinear")[:, 0]
    assert torch.allclose(result.values, expected, atol=1e-6)


def flattening() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3)).eval()


@pytest.mark.parametrize(
    "make, layer, target", [(modules_net, "relu1", 1), (modules_net, "relu3", 2), (flattening, "1", 1)]
)
@pytest.mark.parametrize("weights", ["gradcam", "gradcam++", "hirescam", "layercam"])
def test_each_weighting_is_the_formula_of_pytorch_grad_cam(weights, make, layer, target):
    net, pixels = Classifier(make(), input_size=12, channels=1), pictures(3)
    leaf = pixels.clone().requires_grad_()
    with net.record(layer) as seen:
        score = net.forward(leaf)[:, target]
    slope = torch.autograd.grad(score.sum(), seen[layer])[0]
    expected = cam_family(weights, seen[layer].detach(), slope)
    result = Gradcam(weights=weights)(net, pixels, target=target, layer=layer)
    enlarged = F.interpolate(expected[:, None], (12, 12), mode="bilinear")[:, 0]
    assert expected.max() > 0
    torch.testing.assert_close(result.values, enlarged, rtol=1e-4, atol=1e-7)


def test_score_cam_is_a_slow_loop_over_the_maps():
    """Each picture through each map alone, with the mean colour where the map is 0 (Wang et al. 2020, algorithm 1)."""
    module = modules_net()
    net, pixels = Classifier(module, input_size=12, channels=1, mean=0.4, std=0.5), pictures(2)
    with torch.no_grad(), net.record("relu1") as seen:
        net.forward(pixels)
    expected = score_cam(lambda x: net.forward(x)[:, 2], pixels, seen["relu1"], mean=0.4)
    result = Gradcam(weights="scorecam")(net, pixels, target=2, layer="relu1")
    assert expected.max() > 0 and result.title == "Score-CAM"
    torch.testing.assert_close(result.values, expected, rtol=1e-4, atol=1e-6)


def test_a_unit_has_a_score_cam_too_and_a_map_without_contrast_does_no_harm():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), torch.zeros(1, 1, 12, 12)
    result = Gradcam(weights="scorecam")(net, pixels, target=("conv2", 1), layer="relu1")
    assert result.values.isfinite().all()


def test_average_off_is_hirescam_and_contradicts_the_others():
    net, pixels = Classifier(flattening(), input_size=12, channels=1), pictures(2)
    old, new = (
        Gradcam(average=False)(net, pixels, target=1),
        Gradcam(weights="hirescam")(net, pixels, target=1),
    )
    assert torch.equal(old.values, new.values) and old.title == new.title == "HiResCAM"
    with pytest.raises(
        InputError, match="average=False is HiResCAM, and weights='layercam' another technique"
    ):
        Gradcam(average=False, weights="layercam")(net, pixels)
    with pytest.raises(InputError, match=r"weights='layecam' is not possible; did you mean layercam"):
        Gradcam(weights="layecam")


def test_the_reader_is_told_where_averaging_loses_the_gradient_and_only_there():
    flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    pixels = pictures(2)
    notes = Gradcam()(Classifier(flat, input_size=12, channels=1), pixels).notes
    assert any("Averaging keeps only" in note for note in notes)
    assert not any(
        "Averaging" in n for n in Gradcam(average=False)(Classifier(flat, None, 12, 1), pixels).notes
    )
    pooled = Classifier(modules_net(), input_size=12, channels=1)
    found = class_activation(pooled, pooled.target(0, pixels), pixels, "relu3")
    assert torch.allclose(found.kept, torch.ones(2))
    assert not any("Averaging" in note for note in Gradcam()(pooled, pixels).notes)


def test_a_class_that_nothing_speaks_for_gets_an_empty_map_and_a_note():
    module = modules_net()
    with torch.no_grad():
        module.fc.weight[0] = -module.fc.weight[0].abs()
    result = Gradcam()(Classifier(module, input_size=12, channels=1), pictures(1), target=0)
    assert (result.values == 0).all()
    assert (
        "Empty map for this picture: no region speaks for the target; gradcam(positive=False)"
        in result.notes[1]
    )
    against = Gradcam(positive=False)(Classifier(module, input_size=12, channels=1), pictures(1), target=0)
    assert against.values.min() < 0 and not any("Empty" in note for note in against.notes)


def test_batches_agree_with_single_pictures_in_half_precision_too():
    for dtype in (torch.float32, torch.bfloat16):
        net, pixels = Classifier(modules_net().to(dtype), input_size=12, channels=1), pictures(7)
        together = Gradcam()(net, pixels, target=1).values
        alone = torch.cat([Gradcam()(net, pixels[i : i + 1], target=1).values for i in range(7)])
        assert together.isfinite().all()
        assert torch.allclose(together, alone, atol=1e-6 if dtype == torch.float32 else 1e-2)
