"""Top crops against brute force over every unit of every picture, and on a net whose answer is known."""

import pytest
import torch
from torch import nn

from convsight.datasets import Dataset, Split, dataset
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.methods.top_crops import TopCrops
from convsight.network.classifier import Classifier
from convsight.units.crops import OUTSIDE


def data_of(pixels, labels=None):
    pixels = (pixels * 255).round().to(torch.uint8)
    split = Split(
        MemoryStore(pixels),
        torch.zeros(len(pixels), dtype=torch.int64) if labels is None else labels,
        ("a", "b"),
    )
    empty = split.take([])
    return Dataset("made", ("a", "b"), empty, empty, split)


def detector():
    """One channel that answers 1 exactly where a lone white pixel has the pattern [[1, 0], [0, 1]] around it."""
    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(50, 2))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[[[1.0, -1], [-1, 1]]], [[[-1, -1], [-1, -1]]]]))
        module[0].bias.copy_(torch.tensor([-1.0, 0.0]))
    return Classifier(module, input_size=6, channels=1)


def test_the_crop_is_the_very_place_that_the_filter_looks_for():
    pixels = torch.zeros(3, 1, 6, 6)
    pixels[1, 0, 2, 3] = pixels[1, 0, 3, 4] = 1.0
    pixels[2, 0, 4, 0] = pixels[2, 0, 5, 1] = 0.8
    result = TopCrops(crops=2)(detector(), data_of(pixels), layer="1")
    assert result.images.shape == (4, 1, 2, 2)
    assert result.images[0, 0].tolist() == [[1, 0], [0, 1]]
    assert result.values[0].tolist() == [1, 1, 2, 3, 2, 3, 4, 5]
    assert result.values[1].tolist() == pytest.approx([0.6, 2, 4, 0, 4, 0, 6, 2], abs=1e-6)
    assert result.captions[0] == "a 1"


def test_a_silent_channel_has_no_crops_and_is_named():
    result = TopCrops(crops=2)(detector(), data_of(torch.rand(3, 1, 6, 6)), layer="1")
    assert result.images[2:] == pytest.approx(OUTSIDE)
    assert (result.values[2:] == -1).all()
    assert "Silent on all of them: 1." in result.notes


def _brute_force(net, pixels, layer, channel, k):
    """(value, picture, y, x) of the k largest maxima, one a picture, by looking at every unit."""
    found = []
    for i in range(len(pixels)):
        with torch.no_grad(), net.record(layer) as seen:
            net.forward(pixels[i : i + 1])
        rows, columns = seen[layer].shape[2:]
        units = [(float(seen[layer][0, channel, y, x]), i, y, x) for y in range(rows) for x in range(columns)]
        found.append(max(units, key=lambda unit: unit[0]))
    return sorted(found, key=lambda unit: -unit[0])[:k]


@pytest.mark.parametrize("layer", ["2", "5", "6"])
def test_they_are_what_looking_at_every_unit_finds(layer):
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4),
        nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 2),
    )  # fmt: skip
    net = Classifier(module, input_size=24, channels=1)
    with torch.no_grad():
        module[0].bias.fill_(1.0)  # no channel is silent
        module[4].bias.fill_(1.0)
    data = data_of(torch.rand(30, 1, 24, 24))
    pixels = data.test[:].pixels
    result = TopCrops(crops=4)(net, data, layer=layer)
    size = result.images.shape[2:]
    for r, channel in enumerate(map(int, result.row_labels)):
        for j, (value, i, y, x) in enumerate(_brute_force(net, pixels, layer, channel, 4)):
            row = result.values[4 * r + j]
            box = net.layers.receptive_box(layer, y, x)
            assert row[1:].tolist() == [i, y, x, box.top, box.left, box.bottom, box.right]
            assert float(row[0]) == pytest.approx(value, abs=1e-5)
            crop = result.images[4 * r + j]
            down = slice(size[0] - box.height, None) if box.top == 0 else slice(0, box.height)
            across = slice(size[1] - box.width, None) if box.left == 0 else slice(0, box.width)
            assert torch.equal(
                crop[:, down, across], pixels[i, :, box.top : box.bottom, box.left : box.right]
            )


def test_a_vector_layer_shows_whole_pictures():
    net = detector()
    with torch.no_grad():
        net.module[0].bias.fill_(5.0)
    result = TopCrops(crops=3)(net, data_of(torch.rand(5, 1, 6, 6)), layer="3")
    assert result.images.shape == (6, 1, 6, 6)
    assert result.values[:3, 4:].tolist() == [[0, 0, 6, 6]] * 3


def test_without_a_layer_it_takes_the_deepest_that_sees_half_the_picture():
    layers = [
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 2, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 2, 3),
        nn.ReLU(),
    ]
    net = Classifier(nn.Sequential(*layers, nn.Flatten(), nn.Linear(18, 2)), input_size=28, channels=1)
    assert "of 4 most" in TopCrops(most_images=20)(net, "drawn-garments").caption


def test_the_same_knobs_choose_the_same_pictures_of_a_large_split():
    data = dataset("drawn-garments", n_train=20, n_validation=20, n_test=120)
    torch.manual_seed(0)
    net = Classifier(
        nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(1728, 10)),
        input_size=28,
        channels=1,
    )
    a, b = (TopCrops(most_images=40, order="class")(net, data) for _ in range(2))
    assert torch.equal(a.values, b.values)
    assert "40 of the 120 test pictures" in a.caption


def test_wrong_channels_layers_and_splits_are_answered_with_what_would_work():
    net, data = detector(), data_of(torch.rand(3, 1, 6, 6))
    with pytest.raises(InputError, match="it has channels 0 to 1"):
        TopCrops(channels="4")(net, data, layer="1")
    with pytest.raises(InputError, match="no layer 'conv'"):
        TopCrops()(net, data, layer="conv")
    with pytest.raises(InputError, match="no train pictures; it has some in: test"):
        TopCrops(split="train")(net, data, layer="1")
