"""An exported network answers in another runtime as it does here, layer by layer."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.oracles.small_nets import Functional, InPlace, Modules, Reused, modules_net, pictures
from torch import Tensor, nn

import convsight as cs
from convsight.bring.onnx import from_onnx
from convsight.errors import InputError, MissingExtra, ModelError
from convsight.exporting import OPSET, Exported, to_onnx


def classifier(style: type[Modules] = Modules) -> cs.Classifier:
    return cs.Classifier(modules_net(style), list("abc"), 12, channels=1, mean=0.3, std=0.2)


def ran(made: Exported, pixels: Tensor) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(made.content)
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels.numpy()}), strict=True))


def largest_gap(net: cs.Classifier, made: Exported, pixels: Tensor) -> float:
    """Between what the file answers and PyTorch, over the scores and every layer."""
    answers = ran(made, pixels)
    with torch.no_grad(), net.record(*made.layers) as seen:
        scores = net.logits(pixels)
    assert list(answers) == ["scores", *made.layers]
    return max(
        float(np.abs(answers[name] - value.numpy()).max())
        for name, value in {"scores": scores, **seen}.items()
    )


@pytest.mark.parametrize("style", [Functional, Reused, InPlace])
def test_scores_and_every_layer_are_pytorchs_however_the_network_is_written(style):
    net = classifier(style)
    made = to_onnx(net, layers=list(net.layers))
    assert made.layers == tuple(net.layers)
    for n in (1, 3):
        assert largest_gap(net, made, pictures(n)) < 1e-5


class Softmaxed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = modules_net()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).softmax(1)


def test_scores_are_those_before_a_final_softmax():
    net = cs.Classifier(Softmaxed(), list("abc"), 12, channels=1)
    answers = ran(to_onnx(net), pictures(2))
    assert np.allclose(answers["scores"], net.scores(pictures(2)).numpy(), atol=1e-5)


def test_the_network_is_as_it_was():
    net = classifier()
    net.module.train()
    before, state = net.weights_hash, torch.random.get_rng_state()
    to_onnx(net, layers=["conv1"])
    assert net.weights_hash == before and torch.equal(torch.random.get_rng_state(), state)
    assert all(module.training for module in net.module.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.module.modules())


def test_half_weights_halve_the_file_and_change_scores_little():
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(144, 200), nn.ReLU(), nn.Linear(200, 3)), list("abc"), 12, 1)  # fmt: skip
    whole, half = to_onnx(net), to_onnx(net, half=True)
    assert len(half.content) < 0.6 * len(whole.content)
    gap = np.abs(ran(half, pictures(4))["scores"] - ran(whole, pictures(4))["scores"]).max()
    assert 0 < gap < 1e-2


def test_a_fixed_batch_takes_that_many_pictures_only():
    made = to_onnx(classifier(), batch=2)
    assert ran(made, pictures(2))["scores"].shape == (2, 3)
    with pytest.raises(Exception, match=r"Got: 1 Expected: 2"):
        ran(made, pictures(1))


def test_the_file_is_read_back_with_its_class_names(tmp_path):
    net = classifier()
    made = to_onnx(net)
    brought = from_onnx(made.save(tmp_path / "net.onnx"))
    again = cs.Classifier(brought.module, brought.classes, brought.input_size, brought.channels)
    assert again.classes == net.classes
    assert torch.allclose(again.scores(pictures(3)), net.scores(pictures(3)), atol=1e-5)
    assert b"site-packages" not in made.content and b".py" not in made.content
    assert f"operator set {OPSET}" in made.notes[0] and made.opset == OPSET


class Factored(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.lu_factor(x[:, 0] + torch.eye(12))[0].mean(1)[:, :3]


class Deciding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x if x.mean() > 0.5 else -x).flatten(1)[:, :3]


@pytest.mark.parametrize(
    ("module", "why"),
    [(Factored(), "ONNX has no operation 'linalg_lu_factor_ex'"), (Deciding(), "depends on the picture")],
)
def test_what_onnx_cannot_express_is_refused_by_name(module, why):
    net = cs.Classifier(module, list("abc"), 12, channels=1)
    with pytest.raises(ModelError, match=why):
        to_onnx(net)


def test_a_wrong_layer_or_batch_is_refused_before_anything_is_exported():
    with pytest.raises(InputError, match="no layer 'conv9'"):
        to_onnx(classifier(), layers=["conv9"])
    with pytest.raises(InputError, match="1 or more, not 0"):
        to_onnx(classifier(), batch=0)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"convsight\[live\]"):
        to_onnx(classifier())


class Same(nn.Module):
    """Convolutions that TensorFlow pads: below and on the right; the second pads by itself, too."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, 2), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(nn.functional.pad(x, (0, 1, 0, 1)))
        x = self.second(nn.functional.pad(x.relu(), (2, 0, 1, 0)))
        return nn.functional.pad(x, (1, 1), value=3.0).mean((2, 3))


def test_a_convolution_pads_by_itself_what_was_padded_in_front_of_it():
    net = cs.Classifier(Same(), list("abc"), 12, channels=1)
    alone, shown = to_onnx(net), to_onnx(net, layers=list(net.layers))
    kinds = [[node.op_type for node in onnx.load_from_string(made.content).graph.node] for made in (alone, shown)]  # fmt: skip
    assert [each.count("Pad") for each in kinds] == [
        1,
        3,
    ]  # only the padding with threes is needed for the scores
    assert largest_gap(net, shown, pictures(2)) < 1e-5
    assert largest_gap(net, alone, pictures(2)) < 1e-5
