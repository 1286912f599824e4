"""One streaming pass must say what a loop says that keeps every answer."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from convsight.datasets import Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.progress import listening
from convsight.units import gather
from convsight.units.names import short
from convsight.units.running import Histogram
from convsight.units.sample import sample


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 2), nn.Linear(16, 5)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.conv2(nn.functional.max_pool2d(self.relu(self.conv1(x)), 2, 2)))
        return self.fc(x.flatten(1))


@pytest.fixture
def net():
    torch.manual_seed(3)
    return Classifier(Small(), input_size=8, channels=1)


def split_of(n, classes=3, seed=0):
    made = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 1, 8, 8), generator=made, dtype=torch.uint8)
    labels = torch.randint(0, classes, (n,), generator=made)
    return Split(MemoryStore(pixels), labels, tuple("abc"[:classes]))


LAYERS = ["conv1", "relu#1", "relu#2", "fc"]


def slow(net, split, layer):
    """Every value kept: n c h w."""
    values = []
    for i in range(len(split)):
        with torch.no_grad(), net.record(layer) as seen:
            net.forward(split[i].pixels)
        values.append(seen[layer] if seen[layer].ndim == 4 else seen[layer][..., None, None])
    return torch.cat(values)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_pass_agrees_with_keeping_everything(net, layer, monkeypatch):
    monkeypatch.setattr("convsight.units.stream.chunk_size", lambda *_: 7)
    split = split_of(40)
    found, values = gather(net, split, LAYERS, k=5, alike=True)[layer], slow(net, split, layer)
    n, c, _, w = values.shape
    maxima = values.flatten(2).amax(2)
    for channel in range(c):
        ranked = sorted(range(n), key=lambda i: (-float(maxima[i, channel]), i))[:5]
        assert found.top_images[channel].tolist() == ranked
        assert torch.allclose(found.top_values[channel], maxima[ranked, channel], atol=1e-5)
        for i, (y, x) in zip(ranked, found.top_cells[channel].tolist(), strict=True):
            assert divmod(int(values[i, channel].argmax()), w) == (y, x)
    means = values.mean((2, 3))
    for k in range(3):
        assert torch.allclose(found.class_means[k].float(), means[split.labels == k].mean(0), atol=1e-5)
    assert torch.allclose(found.means, means.mean(0), atol=1e-5)
    assert torch.equal(found.silent, (maxima <= 0).float().mean(0))
    assert torch.allclose(found.lowest, values.amin((0, 2, 3)), atol=1e-5)
    everything = values.transpose(0, 1).flatten(1).double()
    varying = everything.std(1) > 0
    expected = torch.corrcoef(everything[varying])
    assert torch.allclose(found.correlations[varying][:, varying], expected, atol=1e-5)


def test_how_the_pictures_are_batched_changes_nothing(net, monkeypatch):
    split, found = split_of(30), []
    for size in (1, 4, 30):
        monkeypatch.setattr("convsight.units.stream.chunk_size", lambda *_, size=size: size)
        found.append(gather(net, split, ["relu#2"])["relu#2"])
    for other in found[1:]:
        assert torch.equal(found[0].top_images, other.top_images)
        assert torch.equal(found[0].histogram.counts, other.histogram.counts)
        assert torch.allclose(found[0].eta2, other.eta2, atol=1e-6)


def test_running_out_of_memory_halves_the_chunk_and_counts_nothing_twice(net, monkeypatch):
    split = split_of(20)
    expected = gather(net, split, ["relu#1"])["relu#1"]
    forward = net.forward

    def short_of_memory(pixels):
        answer = forward(pixels)
        if len(pixels) > 5:
            raise torch.OutOfMemoryError("out of memory")
        return answer

    monkeypatch.setattr(net, "forward", short_of_memory)
    found = gather(net, split, ["relu#1"])["relu#1"]
    assert found.images == 20
    assert torch.equal(found.top_images, expected.top_images)
    assert torch.allclose(found.class_means, expected.class_means)


def test_a_picture_counts_once_and_of_equal_maxima_the_earliest_is_first():
    net = Classifier(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)), None, 2, 1)
    with torch.no_grad():
        net.module[0].weight.fill_(1)
        net.module[0].bias.fill_(0)
    pixels = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0.5, 0, 0, 1], [0, 0, 0.25, 0]]).view(4, 1, 2, 2)
    found = gather(net, Images(pixels), ["1"], k=3)["1"]
    assert found.top_images.tolist() == [[1, 2, 3]]
    assert found.top_values.tolist() == [[1, 1, 0.25]]
    assert found.top_cells.tolist() == [[[0, 1], [1, 1], [1, 0]]]
    assert found.silent.tolist() == [0.25]
    assert found.eta2 is None


def test_the_pass_ends_behind_the_deepest_layer_asked_for(net):
    assert "fc" in net.layers  # traced before, with a whole pass
    ran = []
    handle = net.module.fc.register_forward_hook(lambda *_: ran.append(1))
    gather(net, split_of(4), ["relu#2"])
    handle.remove()
    assert not ran


def test_it_reports_how_far_it_is(net):
    heard = []
    with listening(heard.append):
        gather(net, split_of(9), ["conv1"])
    assert heard[-1].fraction == 1
    assert heard[-1].words == "9 of 9 pictures"


def test_an_alias_answers_like_the_layer_it_stands_for():
    inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    net = Classifier(nn.Sequential(inner, nn.Flatten(), nn.Linear(72, 2)), input_size=8, channels=1)
    found = gather(net, split_of(6), ["0", "0.1"])
    assert torch.equal(found["0"].top_values, found["0.1"].top_values)


def test_tokens_are_refused_with_the_layers_that_give_maps():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 2, 4, 4), nn.Linear(2, 3)

        def forward(self, x):
            return self.fc(self.conv(x).flatten(2).transpose(1, 2)).mean(1)

    net = Classifier(Tokens(), input_size=8, channels=1)
    with pytest.raises(InputError, match="neither maps nor a vector; these give maps: conv"):
        gather(net, split_of(2), ["transpose"])


def test_histograms_merge_exactly_whatever_comes_first():
    values = torch.randn(3, 400, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1e-3], [1.0], [300]]
    )
    at_once, growing = Histogram.of(values, 8), Histogram(3, 8)
    for part in values.split(37, 1):
        growing.add(Histogram.of(part, 8))
    assert torch.equal(at_once.counts, growing.counts)
    assert at_once.counts.sum(1).tolist() == [400, 400, 400]
    for c in range(3):
        edges = [*at_once.edges(c).tolist(), float("inf")]
        expected = [int(((values[c] >= a) & (values[c] < b)).sum()) for a, b in pairwise(edges)]
        assert at_once.counts[c].tolist() == expected


def test_a_sample_says_what_it_is_and_keeps_the_classes_in_proportion():
    from convsight.datasets import dataset

    data = dataset("drawn-garments", n_train=40, n_validation=20, n_test=200)
    chosen, words = sample(data, "test", 50)
    assert words == "50 of the 200 test pictures of drawn-garments"
    assert chosen.counts == (5,) * 10
    assert sample(data, "test", 500)[1] == "all 200 test pictures of drawn-garments"


def test_one_picture_a_class_or_one_class_explain_nothing(net):
    pictures = split_of(6).take([0, 1, 2, 3])
    lonely = Split(pictures.store, torch.arange(4), tuple("abcd"))
    uniform = Split(pictures.store, torch.zeros(4, dtype=torch.int64), ("a",))
    for split in (lonely, uniform):
        found = gather(net, split, ["conv1"])["conv1"]
        assert found.eta2 is None
        assert found.class_means is not None


def test_class_names_are_short_under_a_picture():
    assert short("pickup, pickup truck") == "pickup"
    assert short("a name that goes on and on") == "a name that goes on…"
