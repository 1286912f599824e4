"""Knobs, the door that checks arguments, and the catalogue."""

from dataclasses import dataclass

import pytest
import torch

import convsight as cs
from convsight.errors import InputError, closest
from convsight.method import Method, knob
from convsight.methods import catalogue, find_method
from convsight.results.kinds import Table
from convsight.results.provenance import Provenance

NET = cs.Classifier(
    torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), ["a", "b"], 4, channels=1
)


@dataclass(frozen=True)
class CountPixels(Method):
    """How many pixels there are."""

    title = "Count"
    kind = Table
    source = "nobody 2026"
    times: int = knob(1, "counts more often", low=1, high=3)
    mode: str = knob("all", "what is counted", choices=("all", "bright"))

    def compute(self, net: cs.Classifier, images: cs.Images, target: object = None) -> Table:
        torch.rand(3)
        return Table(columns=("n",), rows=((images.pixels.numel() * self.times,),))


def test_pictures_are_fitted_to_the_network() -> None:
    result = CountPixels(times=2)(NET, torch.rand(3, 8, 6))  # one colour picture of another size
    assert result.rows == ((32,),)


def test_the_function_and_the_class_are_one() -> None:
    assert CountPixels.function()(NET, torch.rand(1, 4, 4), times=3).rows == ((48,),)
    assert "times" in str(CountPixels.function().__signature__)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CountPixels(times=4), "times=4 is outside its range, 1 … 3"),
        (lambda: CountPixels(mode="dark"), "There are: all, bright"),
        (lambda: CountPixels.function()(NET, torch.rand(1, 4, 4), tims=1), "did you mean times"),
        (lambda: CountPixels()(NET), "missing a required argument: 'images'"),
        (lambda: CountPixels()("no network", torch.rand(1, 4, 4)), "not a str"),
        (lambda: CountPixels()(NET, torch.full((1, 4, 4), float("nan"))), "NaN"),
        (lambda: find_method("occlussion"), "did you mean occlusion"),
    ],
)
def test_a_wrong_argument_is_named_with_what_would_work(call, words) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value)


def test_provenance_names_the_result_and_changes_with_what_made_it() -> None:
    images = torch.rand(1, 4, 4)
    first = CountPixels()(NET, images).provenance
    assert isinstance(first, Provenance) and first.weights == NET.weights_hash
    assert first.key == CountPixels()(NET, images).provenance.key
    others = [
        CountPixels(times=2)(NET, images),
        CountPixels()(NET, images * 0.5),
        CountPixels()(NET, images, target=1),
    ]
    assert len({first.key, *(other.provenance.key for other in others)}) == 4
    with torch.no_grad():
        NET.module[1].weight.add_(1)
    assert CountPixels()(NET, images).provenance.key != first.key


def test_the_catalogue_holds_only_techniques_of_the_package() -> None:
    assert "count_pixels" not in catalogue() and {"saliency", "occlusion", "gradcam"} <= set(catalogue())


def test_the_names_that_scripts_rely_on_are_there() -> None:
    wanted = (
        "filters activations saliency smoothgrad gradient_x_input integrated_gradients guided_backprop deconvnet gradcam "
        "guided_gradcam occlusion segmentation top_crops neuron_card dream deepdream style_transfer neighbours pca tsne "
        "convolve pooling softmax dropout momentum architecture"
    )
    assert set(wanted.split()) <= set(catalogue())


def test_closest_names_come_first() -> None:
    assert closest("conv9", ["fc", "conv1"]) == "did you mean conv1? There are: fc, conv1"
    with pytest.raises(AttributeError, match="did you mean saliency"):
        cs.salency  # noqa: B018
