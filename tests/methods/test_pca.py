"""Is the PCA map scikit-learn's, of features and of pixels, with the right pictures at its ends?"""

import re

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import convsight as cs
from convsight.errors import InputError


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=60, n_test=80)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


@pytest.mark.parametrize("space", ["features", "pixels"])
@pytest.mark.parametrize("dims", [2, 3])
def test_coordinates_are_scikit_learns_up_to_sign(net, data, space, dims):
    images = data.test[:]
    values = net.features(images) if space == "features" else images.pixels.flatten(1)
    expected = PCA(dims, svd_solver="full").fit_transform(values.double().numpy())
    found = cs.pca(net, data, space=space, dims=dims)
    flips = np.sign((expected * found.xy.numpy()).sum(0))
    np.testing.assert_allclose(found.xy.numpy(), expected * flips, atol=1e-4)
    assert found.ids == data.test.ids and torch.equal(found.labels, data.test.labels)


def test_the_axes_name_their_share_of_the_variance(net, data):
    peer = PCA(2).fit(net.features(data.test[:]).double().numpy())
    first, second = peer.explained_variance_ratio_
    found = cs.pca(net, data)
    assert found.axes == (f"axis 1 ({first:.0%} of the variance)", f"axis 2 ({second:.0%} of the variance)")
    assert any(f"{1 - first - second:.0%} of the variance" in note for note in found.notes)


def test_the_ends_of_an_axis_are_its_extreme_pictures(net, data):
    found = cs.pca(net, data)
    ends = found.parts[-1]
    order = found.xy[:, 1].argsort(stable=True)
    assert torch.equal(ends.images[12], data.test[int(order[0])].pixels[0])
    assert torch.equal(ends.images[23], data.test[int(order[-1])].pixels[0])


@pytest.mark.parametrize("space", ["features", "pixels"])
def test_a_picture_of_the_set_is_placed_where_it_already_is(net, data, space):
    found = cs.pca(net, data, images=data.test[[4, 9]], space=space)
    torch.testing.assert_close(found.xy[-2:], found.xy[[4, 9]], atol=1e-4, rtol=1e-4)
    assert found.group_names[-1] == "yours" and len(found.xy) == len(found.ids) == 82


def bounds(name: str) -> tuple[float, float]:
    """What the name of a group of losses says: "loss 0.5 to 1" or "above 4"."""
    numbers = [float(each) for each in re.findall(r"[\d.]+", name)]
    return (numbers[0], numbers[1]) if name.startswith("loss") else (numbers[0], float("inf"))


def test_colours_can_tell_errors_and_losses(net, data):
    wrong = net.predict(data.test[:]) != data.test.labels
    by_error = cs.pca(net, data, colour="error")
    assert torch.equal(by_error.groups.bool(), wrong) and by_error.group_names == ("right", "wrong")
    by_loss = cs.pca(net, data, colour="loss")
    losses = torch.nn.functional.cross_entropy(net.scores(data.test[:]), data.test.labels, reduction="none")
    torch.testing.assert_close(by_loss.losses, losses)
    assert len(by_loss.groups) == len(losses)
    for group, loss in zip(by_loss.groups.tolist(), losses.tolist(), strict=True):
        low, high = bounds(by_loss.group_names[group])
        assert low < loss <= high


def test_errors_need_classes_that_the_network_knows(net, data):
    other = cs.Classifier(net.module, classes=[f"x{i}" for i in range(10)], input_size=28, channels=1)
    with pytest.raises(InputError, match="colour='prediction' works"):
        cs.pca(other, data, colour="error")


def test_the_page_of_pictures_hides_none_behind_another(net, data):
    from convsight.features.thumbnails import grid

    xy = cs.pca(net, data).xy
    shown, cells = grid(xy, 9)
    assert len({tuple(c) for c in cells.tolist()}) == len(shown) > 10
    span = float((xy.max(0).values - xy.min(0).values).max())
    middle = (xy.max(0).values + xy.min(0).values) / 2
    centres = torch.stack([cells[:, 1] + 0.5, 9 - cells[:, 0] - 0.5], 1) / 9 * span - span / 2 + middle
    assert ((centres - xy[shown]).abs() <= span / 18 * 1.001).all()


def test_a_map_saves_as_numbers_words_and_a_table(net, data, tmp_path):
    found = cs.pca(net, data, images=data.train[0])
    rows = found.save(tmp_path / "map.csv").read_text().splitlines()
    assert rows[0] == "id,label,x,y" and len(rows) == 82 and rows[-1].startswith("yours/")
    assert "NaN" not in found.save(tmp_path / "map.json").read_text()


def test_pictures_of_several_labels_are_named_by_their_ids_at_the_ends_of_an_axis():
    labels = (torch.arange(40)[:, None] // torch.tensor([1, 2, 4]) % 2).long()
    pixels = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    several = cs.dataset((pixels, labels), classes=["a", "b", "c"])
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3))
    tagger = cs.Classifier(module, classes=["a", "b", "c"], input_size=8, channels=1, task="multilabel")
    found = cs.pca(tagger, several, split="train")
    ends, order = found.parts[-1], found.xy[:, 0].argsort(stable=True)
    assert ends.captions[0] == several.train.ids[int(order[0])]
    assert len(ends.captions) == len(ends.images)


@pytest.fixture(scope="module")
def tagged():
    """A network that reads three labels off three pixels, and pictures on which it is wrong now and then."""
    labels = (torch.arange(60)[:, None] // torch.tensor([1, 4, 16]) % torch.tensor([2, 4, 2]) == 1).long()
    pixels = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    pixels[:, 0, 0, :3] = labels.float()
    pixels[::7, 0, 0, 0] = 1 - pixels[::7, 0, 0, 0]
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        module[1].weight.zero_()[:, :3] = 8 * torch.eye(3)
        module[1].bias.fill_(-4)
    names = ["a", "b", "c"]
    net = cs.Classifier(module, classes=names, input_size=8, channels=1, task="multilabel")
    return net, cs.dataset((pixels, labels), classes=names, validation=10)


def test_several_labels_are_coloured_one_at_a_time(tagged):
    net, data = tagged
    truth = data.train.labels
    found = cs.pca(net, data, split="train")
    k = min(range(3), key=lambda i: abs(truth[:, i].mean().item() - 0.5))
    name = "abc"[k]
    assert found.groups.tolist() == truth[:, k].tolist() and found.group_names == (f"no {name}", name)
    assert repr(name) in found.notes[0] and "nearest to half" in found.notes[0]
    assert torch.equal(found.labels, truth.long())
    second = cs.pca(net, data, split="train", label="b")
    assert second.groups.tolist() == truth[:, 1].tolist() and "nearest to half" not in second.notes[0]


def test_errors_about_one_label_are_told_apart(tagged):
    net, data = tagged
    said, there = net.predict(data.train[:])[:, 0], data.train.labels[:, 0]
    found = cs.pca(net, data, split="train", colour="error", label="a")
    wanted = [
        "right" if s == t else "a missed" if t else "a said but not there"
        for s, t in zip(said, there, strict=True)
    ]
    assert [found.group_names[g] for g in found.groups.tolist()] == wanted
    assert len(set(wanted)) == 3
    assert cs.pca(net, data, split="train", colour="prediction", label="a").groups.tolist() == said.tolist()
    assert cs.pca(net, data, split="train", colour="loss").group_names[0].startswith("loss")


def test_a_map_of_several_labels_comes_back_from_its_files_and_names_them(tagged, tmp_path):
    net, data = tagged
    found = cs.pca(net, data, split="train", images=data.train[0])
    again = cs.open_result(found.save(tmp_path / "map.npz"))
    assert torch.equal(again.labels, found.labels) and found.labels.shape == (len(data.train) + 1, 3)
    first = found.save(tmp_path / "map.csv").read_text().splitlines()[1].split(",")[1]
    assert first == " + ".join(n for n, there in zip("abc", data.train.labels[0], strict=True) if there)
    assert found.data()["labels"][0] == data.train.labels[0].nonzero().flatten().tolist()


def test_a_label_that_is_none_is_refused(tagged, net, data):
    tagger, several = tagged
    with pytest.raises(InputError, match="no label 'z'"):
        cs.pca(tagger, several, split="train", label="z")
    with pytest.raises(InputError, match="one of several labels"):
        cs.pca(net, data, label="a")
