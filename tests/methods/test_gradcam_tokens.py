"""Grad-CAM of networks that keep their maps as tokens is the map by hand, laid out as the tokens lie in the picture."""

import pytest
import torch
from tests.oracles.by_hand import cam_family, class_activation, score_cam
from torch import nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import InputError

models = import_torchvision().models


def live(module, seed=0):
    """Weights that are random everywhere: many heads start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5, generator=generator)
    return module.eval()


def recorded(module, part, pixels):
    kept = {}
    handle = module.get_submodule(part).register_forward_hook(lambda m, i, o: kept.update(value=o))
    score = module(pixels)[:, 1]
    handle.remove()
    return kept["value"], score


def by_hand(module, part, pixels, order, skip, side):
    """`order` names the axes of the value: "nhwc" or "ntc" with `skip` tokens before the grid."""
    value, score = recorded(module, part, pixels)
    slope = torch.autograd.grad(score.sum(), value, retain_graph=True)[0]
    if order == "ntc":
        value, slope = (t[:, skip:].unflatten(1, (side, side)) for t in (value, slope))
    cam = (slope.mean((1, 2), keepdim=True) * value).sum(3)
    return nn.functional.interpolate(cam[:, None], pixels.shape[2:], mode="bilinear")[:, 0].detach()


def timm_net(name, **given):
    timm = pytest.importorskip("timm")
    return live(timm.create_model(name, pretrained=False, num_classes=4, **given))


CASES = {
    "swin": (lambda: live(models.swin_t(num_classes=4)), 64, "norm", "nhwc", 0, 2),
    "vit": (lambda: live(models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=4)), 32, "encoder.layers.encoder_layer_1.ln_1", "ntc", 1, 4),
    "timm vit": (lambda: timm_net("test_vit"), 160, "blocks.5.norm1", "ntc", 1, 10),
    "timm mixer": (lambda: timm_net("mixer_s32_224"), 224, "norm", "ntc", 0, 7),
    "timm deit": (lambda: timm_net("deit_tiny_distilled_patch16_224", img_size=64, depth=2), 64, "blocks.1.norm1", "ntc", 2, 4),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_default_is_the_last_grid_that_counts_as_by_hand(case):
    make, size, part, order, skip, side = CASES[case]
    module, pixels = make(), torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    found = cs.gradcam(cs.Classifier(module, input_size=size), pixels, target=1, positive=False)
    wanted = by_hand(module, part, pixels, order, skip, side)
    largest = float(wanted.abs().max())
    assert largest > 0 and part in found.caption
    torch.testing.assert_close(found.values, wanted, atol=1e-3 * largest, rtol=1e-3)
    assert any(f"{side}×{side} cells of tokens" in note for note in found.notes)
    assert (skip > 0) == any("left out" in note for note in found.notes)


class Reordered(nn.Module):
    """Tokens in an order of their own, behind a class token, as Hiera keeps them."""

    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 2)
        self.mix = nn.Linear(8, 8)
        self.first = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x):
        maps = self.patches(x)  # n 8 4 4
        tokens = maps.unflatten(2, (2, 2)).unflatten(4, (2, 2)).permute(0, 2, 4, 3, 5, 1).flatten(1, 4)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], 1)
        tokens = tokens + self.mix(tokens).relu()
        return self.head(tokens[:, 1:].square().mean(1))


def test_tokens_in_any_order_are_laid_out_as_they_lie_in_the_picture():
    module = live(Reordered())
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    net = cs.Classifier(module, input_size=16)
    maps = module.patches(pixels)
    tokens = maps.permute(0, 2, 3, 1)
    after = (tokens + module.mix(tokens).relu()).permute(0, 3, 1, 2)
    score = module.head(after.square().mean((2, 3)))[:, 1]
    torch.testing.assert_close(score, net.forward(pixels)[:, 1], atol=1e-5, rtol=1e-5)
    found = cs.gradcam(net, pixels, target=1)
    torch.testing.assert_close(found.values, class_activation(after, score, (16, 16)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("weights", ["gradcam++", "hirescam", "layercam", "scorecam"])
def test_every_weighting_takes_tokens(weights):
    module = live(Reordered())
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    net = cs.Classifier(module, input_size=16)
    tokens = module.patches(pixels).permute(0, 2, 3, 1)
    after = (tokens + module.mix(tokens).relu()).permute(0, 3, 1, 2)
    score = module.head(after.square().mean((2, 3)))[:, 1]
    slope = torch.autograd.grad(score.sum(), after)[0]
    if weights == "scorecam":
        wanted = score_cam(lambda x: net.forward(x)[:, 1], pixels, after.detach())
    else:
        cam = cam_family(weights, after.detach(), slope)
        wanted = nn.functional.interpolate(cam[:, None], (16, 16), mode="bilinear")[:, 0]
    found = cs.gradcam(net, pixels, target=1, weights=weights)
    assert wanted.max() > 0
    torch.testing.assert_close(found.values, wanted, atol=1e-5, rtol=1e-4)


def test_a_layer_without_places_is_refused_in_words():
    net = cs.Classifier(live(Reordered()), input_size=16)
    with pytest.raises(InputError, match="not maps"):
        cs.gradcam(net, torch.rand(1, 3, 16, 16), target=1, layer="head")


def test_guided_gradcam_takes_tokens_too():
    module = live(Reordered())
    found = cs.guided_gradcam(cs.Classifier(module, input_size=16), torch.rand(1, 3, 16, 16), target=1)
    assert found.values.shape == (1, 16, 16) and float(found.values.abs().max()) > 0
