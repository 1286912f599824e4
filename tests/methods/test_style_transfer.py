"""Are the three losses what they say, and does the picture go where they are small?"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convsight.bring import load
from convsight.dreaming.style import Goal, default_layers, relative, total_variation
from convsight.errors import InputError
from convsight.images import Images
from convsight.methods.style_transfer import StyleTransfer
from convsight.network.classifier import Classifier
from convsight.progress import listening


@pytest.fixture
def net() -> Classifier:
    """Three resolutions; its head insists on 16×16 pictures, the layers before it take any size."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 10, 3, padding=1), nn.ReLU(),
    ]  # fmt: skip
    return Classifier(nn.Sequential(*layers, nn.Flatten(), nn.Linear(10 * 4 * 4, 3)), input_size=16)


def photo(seed: int, size: tuple[int, int] = (16, 16), channels: int = 3) -> Tensor:
    """Smooth blobs of colour."""
    small = torch.rand(1, channels, 5, 5, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(small, size, mode="bicubic").clamp(0.02, 0.98)


def test_total_variation_is_the_mean_squared_step_by_a_slow_loop():
    pixels = torch.rand(1, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for c in range(2):
        for y in range(4):
            for x in range(5):
                if y + 1 < 4:
                    total += float(pixels[0, c, y + 1, x] - pixels[0, c, y, x]) ** 2
                if x + 1 < 5:
                    total += float(pixels[0, c, y, x + 1] - pixels[0, c, y, x]) ** 2
    assert float(total_variation(pixels)) == pytest.approx(total / 40, rel=1e-5)


def test_losses_equal_a_slow_definition_with_loops_over_channels(net: Classifier):
    content, style, x = photo(1), photo(2, (20, 12)), photo(3)
    found = Goal.of(net, content, style, "6", ["1", "4", "9"]).losses(x).detach()

    def maps(pixels: Tensor, layer: str) -> Tensor:
        with torch.no_grad(), net.record(layer, stop=True) as seen:
            net.forward(pixels)
        return seen[layer][0]

    def textures(pixels: Tensor, layer: str) -> Tensor:
        f = maps(pixels, layer)
        return torch.tensor([[float((f[i] * f[j]).mean()) for j in range(len(f))] for i in range(len(f))])

    p = maps(content, "6")
    assert float(found[0]) == pytest.approx(float(((maps(x, "6") - p) ** 2).sum() / (p**2).sum()), rel=1e-4)
    wanted = [textures(style, name) for name in ("1", "4", "9")]
    got = [textures(x, name) for name in ("1", "4", "9")]
    each = [float(((g - w) ** 2).sum() / (w**2).sum()) for g, w in zip(got, wanted, strict=True)]
    assert float(found[1]) == pytest.approx(sum(each) / 3, rel=1e-4)


def test_an_empty_picture_has_loss_one_and_a_match_has_none():
    maps = torch.rand(1, 3, 4, 4)
    assert float(relative(torch.zeros_like(maps), maps)) == pytest.approx(1)
    assert float(relative(maps, maps)) == 0


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("basis", ["fourier", "pixels"])
def test_a_picture_in_its_own_style_stays_as_it_is(net: Classifier, basis: str, optimiser: str):
    picture = photo(1)
    method = StyleTransfer(steps=5, basis=basis, optimiser=optimiser, tv_weight=0, lr=1e-3)
    result = method(net, picture, picture)
    assert (result.images - picture).abs().max() < 0.01
    assert bool((result.values[0, :2] < 1e-3).all())


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("basis", ["fourier", "pixels"])
def test_the_style_loss_falls_far_and_the_content_stays_near(net: Classifier, basis: str, optimiser: str):
    content, style = photo(1), photo(2)
    result = StyleTransfer(steps=40, basis=basis, optimiser=optimiser)(net, content, style)
    before = Goal.of(net, content, style, *default_layers(net)).losses(content).detach()
    assert float(result.values[0, 1]) < 0.2 * float(before[1])
    assert float(result.values[0, 0]) < 0.5
    assert 0 <= float(result.images.min()) <= float(result.images.max()) <= 1


def test_lbfgs_goes_down_at_every_step(net: Classifier):
    result = StyleTransfer(steps=25, style_weight=10, content_weight=0, tv_weight=0)(net, photo(1), photo(2))
    style = next(s for s in result.parts[1].series if s.name == "style")
    losses = torch.tensor(style.y)
    assert len(losses) > 10
    assert bool((losses.diff() <= 1e-6).all())


def test_from_noise_and_by_content_alone_the_content_comes_back(net: Classifier):
    content = photo(1)
    method = StyleTransfer(steps=150, start="noise", style_weight=0, tv_weight=0, content_layer="0")
    result = method(net, content, photo(2))
    assert float(result.values[0, 0]) < 0.05
    pair = torch.stack([result.images.flatten(), content.flatten()])
    assert float(torch.corrcoef(pair)[0, 1]) > 0.99


def test_more_total_variation_weight_is_smoother(net: Classifier):
    rough, smooth = (
        StyleTransfer(steps=20, tv_weight=t)(net, photo(1), photo(2)).values[0, 2] for t in (0.0, 300.0)
    )
    assert smooth < 0.5 * rough


def test_several_pictures_are_painted_as_one_by_one_each_with_its_style(net: Classifier):
    contents, styles = torch.cat([photo(1), photo(3)]), torch.cat([photo(2), photo(4)])
    method = StyleTransfer(steps=6)
    both = method(net, contents, styles)
    alone = [method(net, contents[i : i + 1], styles[i : i + 1]).images for i in range(2)]
    assert torch.equal(both.images, torch.cat(alone))
    one_style = method(net, contents, styles[:1]).images
    assert torch.equal(one_style[0], alone[0][0])
    assert not torch.allclose(one_style[1], alone[1][0], atol=0.01)


def test_noise_follows_its_seed(net: Classifier):
    first, again, other = (
        StyleTransfer(steps=4, start="noise", seed=s)(net, photo(1), photo(2)).images for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_pictures_keep_their_size_and_the_way_there_is_kept_and_told(net: Classifier):
    heard = []
    with listening(heard.append):
        result = StyleTransfer(steps=20, optimiser="adam")(net, photo(1, (24, 40)), photo(2, (30, 18)))
    assert result.images.shape == (1, 3, 24, 40)
    assert torch.equal(result.parts[0].images[0], photo(1, (24, 40))[0])
    assert torch.equal(result.parts[0].images[-1], result.images[0])
    assert heard[-1].fraction == 1
    assert torch.equal(heard[-1].picture, result.images[0])
    assert StyleTransfer(steps=1, longest_px=20)(net, photo(1, (24, 40)), photo(2)).images.shape[2:] == (
        12,
        20,
    )


def test_grey_networks_paint_too(shared_models):
    net = load("lesson-2", weights=shared_models / "fashion_net_two_fc.safetensors")
    result = StyleTransfer(steps=10)(net, photo(1, (28, 28), 1), photo(2, (28, 28), 1))
    assert result.images.shape == (1, 1, 28, 28)
    assert float(result.values[0, 1]) < 0.1


def test_in_vgg_the_default_layers_are_those_of_the_paper():
    """relu1_1, 2_1, 3_1, 4_1, 5_1 and relu4_2, by their places in torchvision's `features`."""
    plan, layers, c = [2, 2, 3, 3, 3], [], 3
    for width, repeats in zip((4, 4, 6, 6, 6), plan, strict=True):
        for _ in range(repeats):
            layers += [nn.Conv2d(c, width, 3, padding=1), nn.ReLU(inplace=True)]
            c = width
        layers.append(nn.MaxPool2d(2))
    vgg16 = nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 2))
    content, style = default_layers(Classifier(vgg16, input_size=32))
    assert style == ["1", "6", "11", "18", "25"]
    assert content == "20"


def test_wrong_layers_and_numbers_of_styles_are_refused_with_what_would_work(net: Classifier):
    with pytest.raises(InputError, match=r"2 styles for 1 pictures; give one"):
        StyleTransfer()(net, photo(1), torch.cat([photo(2), photo(3)]))
    with pytest.raises(InputError, match="'11' has no feature maps"):
        StyleTransfer(content_layer="11")(net, photo(1), photo(2))
    with pytest.raises(InputError, match="no layer 'conv9'"):
        StyleTransfer(style_layers="1, conv9")(net, photo(1), photo(2))


def test_style_layers_are_read_from_words(net: Classifier):
    given = Images(photo(1))
    result = StyleTransfer(steps=1, style_layers="4,9")(net, given, photo(2))
    assert result.caption.endswith("Gram matrices of 4, 9.")
