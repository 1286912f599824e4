"""A network that has seen other pictures: its head, its size, its channels; probe and finetune; runs that open again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.training.test_train import assert_same_training, same, weights
from torch import nn

import convsight as cs
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError, MissingExtra, ModelError
from convsight.features.selection import Selection
from convsight.features.vectors import features_of
from convsight.network.new_head import head_place, put_channels, put_head
from convsight.report.chapters import _of_a_probe
from convsight.report.lines import found_in
from convsight.run import Run
from convsight.training import RECIPES, train
from convsight.training.evaluate import test as measure
from convsight.training.one_error import clearly_worse
from convsight.training.start import start_from

NETWORK = '''
import torch
from torch import nn

MEAN, STD, INPUT_SIZE = (0.4, 0.4, 0.4), (0.3, 0.3, 0.3), 32
CLASSES = ("one", "two", "three", "four", "five")


def build():
    """Random features that never change, as those of a network trained elsewhere would."""
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(96, 5),
    )
'''  # fmt: skip

TO_THE_END = replace(
    RECIPES["finetune"], patience=None
)  # the last weights are kept, also where the probe was better


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("elsewhere") / "mine.py"
    file.write_text(NETWORK)
    return f"{file}:build"


def bars(n: int, seed: int, channels: int = 3, size: int = 32) -> Split:
    """A bright bar, upright or lying, on a noisy picture."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 100, (n, channels, size, size), generator=random, dtype=torch.uint8)
    labels = torch.randint(0, 2, (n,), generator=random)
    for picture, label, place in zip(
        pixels, labels, torch.randint(4, size - 4, (n,), generator=random), strict=True
    ):
        (picture[:, :, place] if label == 0 else picture[:, place]).fill_(255)
    return Split(MemoryStore(pixels), labels, ("upright", "lying"), [f"{seed}/{i}" for i in range(n)])


def bar_data(n: int = 120, tested: int = 120, channels: int = 3, size: int = 32) -> Dataset:
    splits = (bars(n, 0, channels, size), bars(40, 1, channels, size), bars(tested, 2, channels, size))
    return Dataset("bars", ("upright", "lying"), *splits)


@pytest.fixture(scope="module")
def probed(network: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(bar_data(), "probe", network=network, out=tmp_path_factory.mktemp("probed") / "r")


# ---- probe


def test_a_probe_changes_the_head_alone(probed: Run, network: str) -> None:
    before = cs.load(network).module.state_dict()
    for name, value in weights(probed).items():
        if not name.startswith("8."):
            assert torch.equal(value, before[name]), name
    assert weights(probed)["8.weight"].shape == (2, 96)
    assert probed.metrics["test"]["accuracy"] > 0.9


def test_the_measured_test_is_that_of_the_network_on_disk(probed: Run) -> None:
    again = Run.open(probed.path)
    found = measure(again.classifier, probed.dataset.test, flip=False)
    assert found["right"] == probed.metrics["test"]["right"]
    assert found["loss"] == pytest.approx(probed.metrics["test"]["loss"], abs=1e-4)


def test_a_check_does_not_say_of_a_probe_that_its_features_learnt_the_labels(probed: Run) -> None:
    assert not any("learnt from these training labels" in note for note in cs.check(probed).notes)


def test_size_and_normalisation_come_with_the_network(probed: Run) -> None:
    assert probed.config["mean"] == pytest.approx([0.4] * 3)
    assert probed.config["size"] == [32, 32]
    assert probed.classifier.classes == ("upright", "lying")


def test_the_map_asks_the_kept_features_and_not_the_network(
    probed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Run.open(probed.path).classifier
    chosen = Selection.of(probed.dataset, "test")
    truth = net.features(probed.dataset.test[:]), net.scores(probed.dataset.test[:])
    monkeypatch.setattr(type(net), "logits", lambda *_: pytest.fail("the network was asked"))
    found = features_of(net, chosen)
    torch.testing.assert_close(found.values, truth[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.logits, truth[1], atol=1e-3, rtol=1e-3)


def test_features_of_other_weights_are_not_taken(probed: Run) -> None:
    net = Run.open(probed.path).classifier
    with torch.no_grad():
        net.module[0].weight.mul_(2)
    chosen = Selection.of(probed.dataset, "validation")
    torch.testing.assert_close(features_of(net, chosen).values, net.features(probed.dataset.validation[:]))


def test_few_test_pictures_are_helped_by_cross_validation(network: str, tmp_path: Path) -> None:
    run = train(bar_data(60, tested=20), "probe", network=network, out=tmp_path / "r")
    found = run.metrics["cross_validation"]
    assert found["n"] == 60 + 40 + 20 and found["folds"] == 5
    assert found["accuracy"] > 0.9
    assert "cross_validation" not in train(bar_data(), "probe", network=network, out=tmp_path / "s").metrics


def test_a_pass_that_was_killed_makes_only_what_is_missing(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convsight.features import kept

    monkeypatch.setattr(kept, "SHARD", 32)
    whole = train(bar_data(), "probe", network=network, out=tmp_path / "whole")
    shards = sorted((whole.path / "features").glob("*-of-*"))
    assert len(shards) == 4 + 2 + 4
    made: list[Path] = []
    write = kept.write_atomic

    def killed(path: Path, content: bytes) -> Path:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(path)
        return write(path, content)

    monkeypatch.setattr(kept, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt, match="stopped while features were computed.*resume"):
        train(bar_data(), "probe", network=network, out=tmp_path / "r")
    monkeypatch.setattr(kept, "write_atomic", write)
    before = {path: path.stat().st_mtime_ns for path in made}
    again = train(bar_data(), "probe", network=network, out=tmp_path / "r", resume=True)
    assert before == {path: path.stat().st_mtime_ns for path in made}
    assert same(weights(again), weights(whole))


def test_features_in_bfloat16_are_not_taken_for_the_networks_own(
    network: str, probed: Run, tmp_path: Path
) -> None:
    run = train(bar_data(), "probe", network=network, precision="bfloat16", out=tmp_path / "r")
    assert run.metrics["training"]["precision"] == "bfloat16"
    net = Run.open(run.path).classifier
    found = measure(net, run.dataset.test, flip=False)
    assert found["loss"] == pytest.approx(run.metrics["test"]["loss"], abs=1e-5), "the test is in float32"
    chosen = Selection.of(run.dataset, "test")
    torch.testing.assert_close(features_of(net, chosen).values, net.features(run.dataset.test[:]))


# ---- finetune


def test_all_layers_learn_on_from_the_probe(network: str, probed: Run, tmp_path: Path) -> None:
    run = train(bar_data(), TO_THE_END, network=network, epochs=3, precision="float32", out=tmp_path / "r")
    assert [row["epoch"] for row in run.log] == [0, 1, 2, 3]
    assert run.log[0]["validation_loss"] == pytest.approx(probed.log[0]["validation_loss"], abs=1e-5)
    before, after = cs.load(network).module.state_dict(), weights(run)
    assert not torch.equal(before["0.weight"], after["0.weight"])
    assert torch.equal(before["1.running_mean"], after["1.running_mean"]), "statistics are kept"
    assert not torch.equal(before["1.weight"], after["1.weight"])
    assert run.metrics["test"]["accuracy"] > 0.9
    assert not (run.path / "features").exists()
    told, kept = run.log[0]["validation_accuracy"], run.metrics["validation"]["validation_accuracy"]
    line = found_in(run)["Training"]
    assert line.startswith("A probe, then 3 epochs of all layers") and "loss" not in line
    assert f"validation accuracy {told:.1%} → {kept:.1%}" in line
    assert "Epoch 0 is the probe" in _of_a_probe(run.log)[0] and not _of_a_probe(probed.log)


def test_without_torchvision_finetuning_goes_on_and_says_what_is_missing(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsight.training.harmless.can_vary_photos", lambda: False)
    told: list[str] = []
    run = train(bar_data(40, 20), "finetune", network=network, epochs=1, out=tmp_path / "r", say=told.append)
    assert run.config["recipe"]["augment"]["crop"] == 0
    assert any("pip install 'convsight[vision]'" in sentence for sentence in told)
    with pytest.raises(MissingExtra, match="torchvision"):
        train(bar_data(40, 20), "finetune", network=network, crop=0.5, out=tmp_path / "other")
    assert not (tmp_path / "other").exists(), "it is refused before anything is computed"


def test_the_last_weights_stay_unless_validation_is_clearly_worse(network: str, tmp_path: Path) -> None:
    run = train(bar_data(), "finetune", network=network, epochs=3, lr=1e-5, out=tmp_path / "r")
    assert len(run.log) == 4, "no epoch was clearly worse, so all were trained"
    assert run.metrics["validation"]["validation_loss"] == run.log[-1]["validation_loss"]
    wild = train(
        bar_data(), "finetune", network=network, epochs=5, lr=0.3, first_rate=1.0, average=0.0,
        out=tmp_path / "wild",
    )  # fmt: skip
    assert all(
        clearly_worse(row["validation_accuracy"], wild.log[0]["validation_accuracy"], 40)
        for row in wild.log[1:]
    )
    assert wild.metrics["validation"]["validation_loss"] == wild.log[0]["validation_loss"], "the probe stays"
    assert wild.metrics["training"]["stopped"] == "no validation as good as before for 3 epochs"


def test_a_killed_finetuning_resumes_to_the_same_weights(network: str, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from tests.training.test_pretrained import bar_data\n"
        "from convsight.training import train\n"
        "def kill(p):\n"
        "    if p.row is not None and p.row['epoch'] == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"train(bar_data(), 'finetune', network={network!r}, epochs=4, mixup=0.2, out=sys.argv[1], progress=kill)\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], env=environment, cwd=root)
    assert done.returncode == -signal.SIGKILL
    train(bar_data(), "finetune", network=network, epochs=4, mixup=0.2, out=tmp_path / "r", resume=True)
    whole = train(bar_data(), "finetune", network=network, epochs=4, mixup=0.2, out=tmp_path / "whole")
    assert_same_training(whole, tmp_path / "r")


def test_a_batch_in_pieces_gives_the_gradients_of_the_whole(network: str, tmp_path: Path) -> None:
    options = {"network": network, "epochs": 1, "precision": "float32"}
    whole = train(bar_data(), TO_THE_END, **options, pieces=1, out=tmp_path / "one")
    parts = train(bar_data(), TO_THE_END, **options, pieces=4, out=tmp_path / "four")
    assert parts.config["pieces"] == 4
    for name, value in weights(whole).items():  # dropout draws other numbers for pieces
        torch.testing.assert_close(weights(parts)[name], value, atol=2e-2, rtol=0.1)


# ---- where the network is from


def test_a_run_is_gone_on_from(probed: Run, tmp_path: Path) -> None:
    run = train(bar_data(), "probe", network=str(probed.path), out=tmp_path / "r")
    assert run.config["network"]["weights"] == str(probed.path.resolve())
    assert Run.open(run.path).metrics["test"]["accuracy"] > 0.9


def test_a_classifier_is_gone_on_from_in_a_copy(network: str, probed: Run, tmp_path: Path) -> None:
    net = cs.load(network)
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    run = train(bar_data(), "probe", network=net, out=tmp_path / "r")
    assert run.metrics["test"] == probed.metrics["test"], "the same as by its name"
    assert not run.config["network"]["known"] and run.classifier.classes == ("upright", "lying")
    after = net.module.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    again = train(bar_data(), "probe", network=net, out=tmp_path / "r", resume=True)
    assert same(weights(again), weights(run)) and again.classifier.classes == ("upright", "lying")
    with pytest.raises(InputError, match="has its weights already"):
        train(bar_data(), "probe", network=net, weights="random")


def test_a_network_of_ours_is_gone_on_from(tmp_path: Path) -> None:
    first = train(bar_data(), "quick", epochs=1, out=tmp_path / "first")
    run = train(bar_data(), "probe", network=str(first.path), out=tmp_path / "r")
    assert torch.equal(weights(run)["stem.weight"], weights(first)["stem.weight"])
    again = Run.open(run.path).classifier
    assert (again.predict(run.dataset.test[:]) == run.dataset.test.labels).sum() == run.metrics["test"][
        "right"
    ]


def test_a_run_opens_from_elsewhere_and_says_what_is_gone(network: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.py"
    file.write_text(NETWORK)
    run = train(bar_data(), "probe", network=f"{file}:build", out=tmp_path / "r")
    assert Run.open(run.path).classifier.name == "theirs"
    file.unlink()
    with pytest.raises(ModelError, match=r"theirs\.py:build, cannot be built again.*module=your_network"):
        _ = Run.open(run.path).classifier


def test_memory_of_many_features_is_said_beforehand(network: str) -> None:
    start = start_from(network, None)
    assert start.memory_for(2400) == ()
    assert (
        "1,000,000 pictures take 0.4 GB on disk, and twice that in memory" in start.memory_for(1_000_000)[0]
    )


def test_weights_come_from_a_file(network: str, tmp_path: Path) -> None:
    state = cs.load(network).module.state_dict()
    state["0.weight"] = state["0.weight"] * 0.5
    save_file(state, tmp_path / "w.safetensors")
    run = train(bar_data(), "probe", network=network, weights=tmp_path / "w.safetensors", out=tmp_path / "r")
    assert torch.equal(weights(run)["0.weight"], state["0.weight"])
    assert run.config["network"]["weights"] == str((tmp_path / "w.safetensors").resolve())


def test_grey_pictures_are_shown_in_colour_and_five_channels_widen_the_first_layer(
    network: str, tmp_path: Path
) -> None:
    grey = train(bar_data(channels=1), "probe", network=network, out=tmp_path / "grey")
    assert grey.config["channels"] == 3 and grey.metrics["test"]["accuracy"] > 0.9
    five = train(bar_data(channels=5), "probe", network=network, out=tmp_path / "five")
    assert weights(five)["0.weight"].shape[1] == 5 and five.metrics["test"]["accuracy"] > 0.9
    assert Run.open(five.path).classifier.channels == 5


def test_other_tasks_have_heads_of_their_own(network: str, tmp_path: Path) -> None:
    data = bar_data()
    binary = train(data, "probe", network=network, task="binary", out=tmp_path / "binary")
    assert weights(binary)["8.weight"].shape[0] == 1 and binary.metrics["test"]["accuracy"] > 0.9
    found = measure(Run.open(binary.path).classifier, data.test, flip=False)
    assert found["right"] == binary.metrics["test"]["right"]

    def relabelled(split: Split, labels: torch.Tensor, classes: tuple[str, ...]) -> Split:
        return Split(split.store, labels, classes, split.ids)

    hot = {
        name: relabelled(s, nn.functional.one_hot(s.labels, 2).float(), ("upright", "lying"))
        for name, s in data.splits.items()
    }
    labels = Dataset("hot", ("upright", "lying"), **hot, task="multilabel")
    run = train(labels, "probe", network=network, out=tmp_path / "labels")
    assert run.metrics["test"]["map"] > 0.95
    number = {name: relabelled(s, 10 + 5.0 * s.labels[:, None], ()) for name, s in data.splits.items()}
    numbers = Dataset("numbers", (), **number, task="regress", outputs=("angle",))
    run = train(numbers, "probe", network=network, out=tmp_path / "numbers")
    assert run.metrics["test"]["r2"] > 0.5
    found = measure(Run.open(run.path).classifier, numbers.test)
    assert found["r2"] == pytest.approx(run.metrics["test"]["r2"], abs=1e-3)
    tuned = train(numbers, "finetune", network=network, epochs=2, out=tmp_path / "tuned")
    assert tuned.metrics["test"]["r2"] > 0.5


def test_small_sets_take_the_probe_where_weights_are_at_hand_and_say_so(network: str, tmp_path: Path) -> None:
    told: list[str] = []
    run = train(bar_data(), network=network, out=tmp_path / "r", say=told.append, device="cpu")
    assert run.config["recipe"]["name"] == "probe"
    assert any(sentence.startswith("Recipe: probe") for sentence in told)
    assert set(told) >= set(run.config["notes"])


def test_what_cannot_be_done_is_said(network: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'finetune' goes on from a network that has seen other pictures.*--network"
    ):
        train(bar_data(), "finetune", out=tmp_path / "r")
    with pytest.raises(InputError, match="belong to a network from elsewhere"):
        train(bar_data(), weights="some.pth", out=tmp_path / "r")
    file = tmp_path / "odd.py"
    file.write_text(NETWORK.replace("nn.Linear(96, 5),", "nn.Linear(96, 5), nn.ReLU(),"))
    with pytest.raises(InputError, match="does more with its last linear layer, 8"):
        train(bar_data(), "probe", network=f"{file}:build", out=tmp_path / "r")


# ---- surgery


def test_new_channels_leave_the_answer_to_grey_pictures_as_it_was(network: str) -> None:
    module = cs.load(network).module.eval()
    grey = torch.rand(2, 1, 32, 32)
    before = module(grey.expand(-1, 3, -1, -1))
    put_channels(module, 7)
    torch.testing.assert_close(module(grey.expand(-1, 7, -1, -1)), before, atol=1e-4, rtol=1e-4)


def test_a_head_begins_at_zero(network: str) -> None:
    net = cs.load(network)
    place = head_place(net)
    assert (place.name, place.features) == ("8", 96)
    put_head(net.module, place.name, 3)
    assert not net.module(torch.rand(2, 3, 32, 32)).any()


def test_offline_weights_say_which_file_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )
    with pytest.raises(ModelError, match=r"mobilenet_v3_small-[0-9a-f]+\.pth.*weights="):
        train(bar_data(), "probe", network="torchvision:mobilenet_v3_small", out=tmp_path / "r")
