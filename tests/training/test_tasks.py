"""Labels, numbers and two classes by one score are trained for, tested by their own measures, and opened again."""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.architectures import Positions
from convsight.datasets.base import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.run import Run
from convsight.training.losses import loss_function
from convsight.training.tasks import score_of, task_for


def halves(n, seed):
    """Pictures whose left and right halves are bright or dark, each on its own, and which of them are bright."""
    random = torch.Generator().manual_seed(seed)
    bright = torch.rand(n, 2, generator=random) < 0.5
    pixels = torch.randint(0, 60, (n, 1, 8, 8), generator=random)
    pixels[:, :, :, :4] += 150 * bright[:, :1, None, None]
    pixels[:, :, :, 4:] += 150 * bright[:, 1:, None, None]
    return MemoryStore(pixels.to(torch.uint8)), bright


def data_of(task):
    splits = []
    for seed, n in enumerate((160, 40, 60)):
        store, bright = halves(n, seed)
        labels = {
            "classify": bright[:, 0].long(),
            "multilabel": bright.float(),
            "locate": 40 + 10 * bright.float(),
        }[task]
        names = {"classify": ("dark", "bright"), "multilabel": ("left", "right"), "locate": ()}[task]
        splits.append(Split(store, labels, names))
    outputs = ("left", "right") if task == "locate" else ()
    return Dataset("halves", splits[0].classes, *splits, task, outputs)


def network(k):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, k))


def trained(tmp_path, task, data, k, **more):
    torch.manual_seed(0)
    return cs.train(
        data, "quick", network=network(k), task=task, epochs=12, batch_size=16, optimizer="adamw", lr=0.01, flip="",
        out=tmp_path / "run", **more,
    )  # fmt: skip


def test_several_labels_are_learned(tmp_path):
    run = trained(tmp_path, None, data_of("multilabel"), 2)
    assert run.config["task"] == "multilabel"
    assert run.config["recipe"]["loss"] == "bce"
    test = run.metrics["test"]
    assert test["map"] > 0.98
    assert test["exact"] > 0.95
    assert [row["label"] for row in test["per_label"]] == ["left", "right"]
    assert run.log[-1]["validation_accuracy"] > 0.95
    net = Run(run.path, module=network(2)).classifier
    assert net.task == "multilabel"
    images = run.dataset.test[:20]
    assert float((net.predict(images) == images.labels).float().mean()) > 0.95


def test_two_classes_are_learned_by_one_score(tmp_path):
    run = trained(tmp_path, "binary", data_of("classify"), 1)
    test = run.metrics["test"]
    assert (run.classifier.task, run.classifier.classes) == ("binary", ("dark", "bright"))
    assert test["accuracy"] > 0.95
    assert test["roc"]["auroc"] > 0.98


def test_numbers_are_learned_in_their_own_units(tmp_path):
    run = trained(tmp_path, "regress", data_of("locate"), 2)
    test = run.metrics["test"]
    assert run.classifier.task == "regress"
    assert isinstance(run.classifier.module, Positions)
    assert test["r2"] > 0.8
    assert test["per_number"][0]["mae"] < 2.5
    assert run.log[-1]["validation_error"] < 2.5


def test_a_known_network_has_one_output_for_two_classes_and_is_opened_again(tmp_path):
    run = cs.train(
        data_of("classify"), "quick", network="fast", task="binary", epochs=1, out=tmp_path / "run", flip=""
    )
    assert Run.open(run.path).classifier.scores(run.dataset.test[:3]).shape == (3, 2)


def test_the_loss_of_labels_is_the_peers():
    logits, labels = torch.randn(5, 3), torch.randint(0, 2, (5, 3))
    wanted = nn.BCEWithLogitsLoss(reduction="none")(logits, labels.float()).mean(1)
    assert torch.allclose(loss_function("bce", nn.Identity())(logits, labels), wanted)
    smooth = nn.BCEWithLogitsLoss(reduction="none")(logits, labels * 0.8 + 0.1).mean(1)
    assert torch.allclose(loss_function("bce", nn.Identity(), 0.2)(logits, labels), smooth)
    one = loss_function("bce", nn.Identity())(logits[:, :1], labels[:, 0])
    assert torch.allclose(one, nn.BCEWithLogitsLoss(reduction="none")(logits[:, 0], labels[:, 0].float()))


def test_the_number_beside_the_loss_follows_the_task():
    logits = torch.tensor([[1.0, -1], [2, 3]])
    assert score_of("multilabel", logits, torch.tensor([[1.0, 0], [1, 0]])).tolist() == [1.0, 0.5]
    assert score_of("binary", logits[:, :1], torch.tensor([1, 0])).tolist() == [1.0, 0.0]
    assert score_of("regress", logits, torch.zeros(2, 2)).tolist() == [1.0, 2.5]
    assert score_of("classify", logits, torch.tensor([0, 0])).tolist() == [True, False]


def test_a_task_that_the_labels_cannot_serve_is_refused():
    with pytest.raises(InputError, match="'binary' has two classes; drawn has 3"):
        task_for(Dataset("drawn", ("a", "b", "c"), None, None, None), "binary")
    with pytest.raises(InputError, match="is for the task 'multilabel', not 'locate'"):
        task_for(data_of("multilabel"), "locate")
