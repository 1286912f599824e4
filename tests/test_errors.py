"""What was wrong, what was given and what would work are fields of every error; the message has them in words."""

import pickle

import pytest
import torch
from torch import nn

import convsight as cs
from convsight import errors
from convsight.methods import find_method


@pytest.mark.parametrize("kind", [
    errors.InputError, errors.DataError, errors.DataNotFound, errors.ModelError, errors.TrainingError, errors.StorageError,
])  # fmt: skip
def test_fields_make_the_message_and_survive_a_pickle(kind: type[errors.ConvsightError]) -> None:
    for error in (kind("no layer 'x'", given="x", works="there is y"), kind("no layer 'x'; none; at all")):
        twin = pickle.loads(pickle.dumps(error))
        assert str(twin) == str(error) and (twin.given, twin.works) == (error.given, error.works)
    assert str(kind("no layer 'x'", works="there is y")) == "no layer 'x'; there is y"
    assert str(errors.MissingExtra("umap", "umap", "UMAP")).startswith("UMAP needs umap")


def test_a_wrong_name_offers_the_others_in_a_field() -> None:
    with pytest.raises(errors.InputError) as raised:
        find_method("salency")
    assert "did you mean saliency" in raised.value.works and "; " not in raised.value.what


PICTURE = torch.rand(1, 3, 8, 8)


@pytest.fixture(scope="module")
def net() -> cs.Classifier:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return cs.Classifier(module, classes=["cat", "dog"], input_size=8)


@pytest.mark.parametrize(
    ("ask", "given", "works"),
    [
        (lambda net: net.layers["conv9"], "conv9", "There are: 0, 1"),
        (lambda net: cs.saliency(net, PICTURE, target="cow"), "cow", "There are: cat, dog"),
        (lambda net: cs.saliency(net, PICTURE, target=7), "7", "outputs 0 to 1"),
        (lambda net: cs.saliency(net, PICTURE, target=("0", 9)), "9", "channels 0 to 1"),
        (lambda net: cs.occlusion(net, PICTURE, fill="pink"), "pink", "There are:"),
        (lambda net: cs.occlusion(net, PICTURE, pach=8), "pach", "did you mean patch"),
        (lambda net: cs.gradcam(net, PICTURE, fit="squeeze"), "squeeze", "There are: crop, pad, stretch"),
        (lambda net: cs.Images.open("nowhere.png"), "nowhere.png", ""),
        (lambda net: cs.load("torchvision:resnet19"), "resnet19", "did you mean resnet18"),
        (lambda net: cs.dataset("no-such-set"), "no-such-set", "or pass a folder"),
        (lambda net: cs.Run.open("runs/none"), "runs/none", "convsight train DATA"),
    ],
)
def test_the_doors_tell_what_was_given_and_what_would_work(net, ask, given: str, works: str) -> None:
    with pytest.raises(errors.ConvsightError) as raised:
        ask(net)
    error = raised.value
    assert error.given == given and works in error.works and error.what
