"""Does a training learn, repeat itself, stop when it should, and lose nothing when it is stopped?"""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from convsight import storage
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataError, InputError, StorageError, TrainingError
from convsight.run import Run
from convsight.training import Interrupted, Progress, train

TINY = {"network": "lesson-2", "optimizer": "adamw", "batch_size": 32}


def bars(n: int, seed: int, classes=("upright", "lying")) -> Split:
    """A white bar, upright or lying, somewhere on a noisy 14×14 picture."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 100, (n, 1, 14, 14), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 2, (n,), generator=generator)
    for picture, label, place in zip(
        pixels, labels, torch.randint(2, 12, (n,), generator=generator), strict=True
    ):
        (picture[0, 2:12, place] if label == 0 else picture[0, place, 2:12]).fill_(255)
    return Split(MemoryStore(pixels), labels, classes)


def bar_data(n: int = 256) -> Dataset:
    return Dataset("bars", ("upright", "lying"), bars(n, 0), bars(64, 1), bars(128, 2))


def dots(n: int, seed: int) -> Split:
    """A bright 3×3 dot; its centre (x, y) in pixels is what to predict."""
    generator = torch.Generator().manual_seed(seed)
    xy = torch.randint(1, 13, (n, 2), generator=generator)
    pixels = torch.zeros(n, 1, 14, 14, dtype=torch.uint8)
    for picture, (x, y) in zip(pixels, xy.tolist(), strict=True):
        picture[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    return Split(MemoryStore(pixels), xy.float())


def dot_data() -> Dataset:
    splits = {"train": dots(512, 0), "validation": dots(64, 1), "test": dots(128, 2)}
    return Dataset("dots", (), **splits, task="locate", outputs=("x", "y"))


def weights(run: Run | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(getattr(run, "path", run)) / "weights.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def assert_same_training(run: Run, other: Path) -> None:
    """The same weights to the last bit, and the same log but for the time it took."""
    assert same(weights(run), weights(other))
    columns = ("epoch", "loss", "accuracy", "validation_loss")
    for ours, theirs in zip(run.log, Run.open(other).log, strict=True):
        assert [ours[c] for c in columns] == [theirs[c] for c in columns]


# ---- learning


@pytest.mark.parametrize("network", ["fast", "lesson-2"])
def test_a_network_learns_to_tell_bars_apart(network, tmp_path):
    run = train(
        bar_data(), network=network, epochs=6, lr=3e-3, optimizer="adamw", batch_size=32, out=tmp_path / "r"
    )
    assert run.metrics["test"]["accuracy"] > 0.9
    assert run.log[-1]["loss"] < run.log[0]["loss"]
    assert run.classifier.classes == ("upright", "lying")


@pytest.mark.parametrize("loss", ["mse", "smooth-l1"])
def test_a_network_learns_where_a_dot_is_in_pixels(loss, tmp_path):
    run = train(dot_data(), "locate", loss=loss, epochs=15, out=tmp_path / "r")
    assert run.metrics["test"]["error_px"]["mean"] < 1.0  # guessing the middle is wrong by 3
    truth = run.dataset.test.labels
    ours = run.classifier.scores(run.dataset.test[:])
    assert (ours - truth).abs().mean().item() == pytest.approx(
        run.metrics["test"]["error_px"]["mean"], rel=1e-4
    )
    assert [row["output"] for row in run.metrics["test"]["per_output"]] == ["x", "y"]


def test_the_metrics_are_those_of_the_weights_on_disk(tmp_path):
    run = train(bar_data(), **TINY, epochs=2, out=tmp_path / "r")
    again = Run.open(tmp_path / "r")
    predicted = again.classifier.predict(run.dataset.test[:])
    assert (predicted == run.dataset.test.labels).sum() == run.metrics["test"]["right"]


def test_the_users_own_module_is_copied_and_trained(tmp_path):
    mine = nn.Sequential(nn.Flatten(), nn.Linear(196, 2))
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    run = train(bar_data(), network=mine, optimizer="sgd", epochs=1, out=tmp_path / "r")
    assert same(before, mine.state_dict())
    assert not same(before, run.classifier.module.state_dict())
    assert same(weights(run), Run.open(tmp_path / "r", module=mine).classifier.module.state_dict())


def test_averaged_weights_are_another_choice_of_weights(tmp_path):
    last = train(bar_data(), **TINY, epochs=2, out=tmp_path / "last")
    mean = train(bar_data(), **TINY, epochs=2, average=0.9, out=tmp_path / "mean")
    assert last.log[-1]["loss"] == mean.log[-1]["loss"]
    assert not same(weights(last), weights(mean))


# ---- repeating


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    runs = [
        train(bar_data(), **TINY, flip="random", epochs=2, seed=s, out=tmp_path / str(i))
        for i, s in enumerate([3, 3, 4])
    ]
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


def test_the_callers_random_state_is_left_alone(tmp_path):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    run = train(bar_data(), **TINY, epochs=1, out=tmp_path / "r")
    _ = run.classifier
    assert torch.equal(before, torch.get_rng_state())


# ---- stopping for good reasons


def test_it_stops_when_the_mean_loss_has_sufficiently_decreased(tmp_path):
    run = train(bar_data(), **TINY, lr=3e-3, epochs=40, until_loss=0.4, out=tmp_path / "r")
    assert len(run.log) < 40
    assert run.log[-1]["loss"] < 0.4 <= run.log[-2]["loss"]
    assert "below 0.4" in run.metrics["training"]["stopped"]


def test_patience_keeps_the_weights_that_were_best_on_validation(tmp_path):
    run = train(bar_data(64), **TINY, lr=0.02, epochs=60, patience=2, out=tmp_path / "r")
    losses = [row["validation_loss"] for row in run.log]
    assert len(losses) < 60
    assert min(losses) == losses[-3]
    validation = run.dataset.validation
    scores = run.classifier.scores(validation[:])
    assert nn.functional.cross_entropy(scores, validation.labels).item() == pytest.approx(
        min(losses), rel=1e-4
    )


def test_the_test_set_is_not_read_before_training_is_over(tmp_path):
    class Sealed(MemoryStore):
        def __getattribute__(self, name):
            if name in ("read", "stream") and not finished:
                raise AssertionError("the test pictures were looked at during training")
            return super().__getattribute__(name)

    finished = True
    data = bar_data()
    data.test.store.__class__ = Sealed
    finished = False

    def progress(report: Progress) -> None:
        nonlocal finished
        finished = report.row is not None and report.epoch == report.epochs

    assert train(data, **TINY, epochs=2, progress=progress, out=tmp_path / "r").metrics["test"]["n"] == 128


def test_progress_counts_up_to_the_end(tmp_path):
    reports: list[Progress] = []
    train(bar_data(), **TINY, epochs=3, progress=reports.append, out=tmp_path / "r")
    closing = [r for r in reports if r.row]
    assert [r.epoch for r in closing] == [1, 2, 3]
    assert [r.step for r in closing] == [
        8,
        8 + 3,
        8 + 3 + 8,
    ]  # the second epoch shows 77 + 27 of 256 pictures
    assert closing[-1].steps == 19
    assert closing[-1].seconds_left == 0
    assert all(0 <= r.accuracy <= 1 and r.images_per_second >= 0 for r in reports)


# ---- stopping for bad reasons


def test_a_loss_that_is_not_a_number_stops_with_advice(tmp_path):
    with pytest.raises(TrainingError, match=r"loss became .* Try a smaller one \(lr=1e\+08\)"):
        train(
            bar_data(), network="lesson-2", optimizer="sgd", lr=1e9, schedule="constant", out=tmp_path / "r"
        )


CHILD = """
import sys, torch
sys.path.insert(0, {tests!r})
torch.set_num_threads(1)
from test_train import bar_data, TINY, train
def progress(report):
    if report.row:
        print("epoch", report.epoch, flush=True)
train(bar_data(), **TINY, flip="random", average=0.5, epochs={epochs}, precision={precision!r}, out={out!r}, progress=progress)
"""


def start(out: Path, epochs: int, precision: str) -> subprocess.Popen:
    code = CHILD.format(tests=str(Path(__file__).parent), out=str(out), epochs=epochs, precision=precision)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)


def wait_for(child: subprocess.Popen, line: str) -> None:
    assert child.stdout is not None
    for got in child.stdout:
        if got.strip() == line:
            return
    raise AssertionError(f"the training never said {line!r}")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def undisturbed(tmp_path_factory, request) -> Path:
    """A run that nobody stopped, in either precision; its settings are SETTINGS."""
    out = tmp_path_factory.mktemp("undisturbed") / "r"
    SETTINGS["precision"] = request.param
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(bar_data(), **SETTINGS, out=out)
    torch.set_num_threads(threads)
    return out


EPOCHS = 16
SETTINGS = {**TINY, "flip": "random", "average": 0.5, "epochs": EPOCHS}


def test_kill_9_and_resume_gives_the_same_weights_to_the_last_bit(tmp_path, undisturbed):
    out = tmp_path / "r"
    child = start(out, EPOCHS, SETTINGS["precision"])
    wait_for(child, "epoch 3")
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()
    assert not (out / "metrics.json").exists()
    with pytest.raises(DataError, match=r"did not finish.*resume"):
        Run.open(out)
    assert_same_training(train(bar_data(), **SETTINGS, out=out, resume=True), undisturbed)


def test_ctrl_c_saves_within_the_epoch_and_going_on_changes_nothing(tmp_path, undisturbed):
    steps = []

    def progress(report: Progress) -> None:
        steps.append(report.step)
        if report.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"everything is saved.*--resume"):
        train(bar_data(), **SETTINGS, out=tmp_path / "r", progress=progress)
    assert signal.getsignal(signal.SIGINT) is before
    assert_same_training(train(bar_data(), **SETTINGS, out=tmp_path / "r", resume=True), undisturbed)


def test_a_progress_callable_can_stop_a_training_in_a_thread_in_mid_epoch(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr("convsight.training.progress.EVERY_S", 0.0)
    stopped = []

    def progress(report: Progress) -> None:
        if report.step == 11:
            raise KeyboardInterrupt

    def work() -> None:
        try:
            train(bar_data(), **SETTINGS, out=tmp_path / "r", progress=progress)
        except Interrupted as error:
            stopped.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert stopped
    assert_same_training(train(bar_data(), **SETTINGS, out=tmp_path / "r", resume=True), undisturbed)


def test_a_full_disk_stops_with_advice_and_leaves_the_last_checkpoint(tmp_path, monkeypatch, undisturbed):
    written = 0
    real = storage._write_synced

    def filling(handle: int, content: bytes) -> None:
        nonlocal written
        written += 1
        if written > 6:
            os.write(handle, content[: len(content) // 2])
            os.close(handle)
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle, content)

    monkeypatch.setattr(storage, "_write_synced", filling)
    with pytest.raises(
        StorageError, match=r"disk is full; free some space\. What was written before is unharmed"
    ):
        train(bar_data(), **SETTINGS, out=tmp_path / "r")
    monkeypatch.setattr(storage, "_write_synced", real)
    assert not list((tmp_path / "r").glob(".*.part"))
    assert_same_training(train(bar_data(), **SETTINGS, out=tmp_path / "r", resume=True), undisturbed)


def test_a_file_size_limit_is_a_full_disk_too(tmp_path):
    code = f"""
import resource, signal
from convsight.errors import StorageError
from convsight.storage import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write_atomic({str(tmp_path / "x")!r}, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic({str(tmp_path / "x")!r}, bytes(5000))
except StorageError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "may not grow so large" in said
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


# ---- the folder


def test_a_run_that_is_there_is_not_overwritten_by_mistake(tmp_path):
    first = train(bar_data(), **TINY, epochs=1, out=tmp_path / "r")
    with pytest.raises(InputError, match=r"holds a finished run.*overwrite"):
        train(bar_data(), **TINY, epochs=1, seed=1, out=tmp_path / "r")
    old = weights(first)
    second = train(bar_data(), **TINY, epochs=1, seed=1, out=tmp_path / "r", overwrite=True)
    assert not same(old, weights(second))


def test_resuming_a_finished_run_opens_it_and_with_other_settings_says_which(tmp_path):
    first = train(bar_data(), **TINY, epochs=1, out=tmp_path / "r")
    stamp = (tmp_path / "r" / "weights.safetensors").stat().st_mtime_ns
    assert train(bar_data(), **TINY, epochs=1, out=tmp_path / "r", resume=True).metrics == first.metrics
    assert (tmp_path / "r" / "weights.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match=r"another training: recipe.epochs was 1, now 2; seed was 0, now 5"):
        train(bar_data(), **TINY, epochs=2, seed=5, out=tmp_path / "r", resume=True)


def test_a_damaged_checkpoint_is_said_to_be_damaged(tmp_path):
    def progress(report: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(bar_data(), **TINY, epochs=3, out=tmp_path / "r", progress=progress)
    path = tmp_path / "r" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"is damaged .* delete it and train again"):
        train(bar_data(), **TINY, epochs=3, out=tmp_path / "r", resume=True)


def test_runs_without_a_folder_get_one_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [train(bar_data(), **TINY, epochs=1).path for _ in range(2)]
    assert [str(p) for p in paths] == ["runs/bars-fast", "runs/bars-fast-2"]


def test_no_pickle_is_written(tmp_path):
    train(bar_data(), **TINY, epochs=1, out=tmp_path / "r")
    assert {p.name for p in (tmp_path / "r").iterdir()} == {
        "config.json",
        "weights.safetensors",
        "log.jsonl",
        "metrics.json",
    }
    json.loads((tmp_path / "r" / "config.json").read_text())


def test_bad_settings_are_refused_at_the_door(tmp_path):
    for settings, message in (
        ({"recipe": "fats"}, "no recipe 'fats'; did you mean fast"),
        ({"optimizer": "sdg"}, "did you mean sgd"),
        ({"learning_rate": 1}, "a recipe has no 'learning_rate'"),
        ({"epochs": 0}, "epochs must be from 1"),
        ({"loss": "mse"}, "is for positions"),
        ({"task": "locate"}, "for the task 'classify'"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ):
        with pytest.raises(InputError, match=message):
            train(bar_data(), out=tmp_path / "r", **settings)


def test_two_processes_under_torchrun_train_one_network(tmp_path):
    script = tmp_path / "both.py"
    script.write_text(
        f"import sys, torch\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_train import bar_data, train\n"
        "if __name__ == '__main__':\n"
        f"    run = train(bar_data(), network='lesson-1', optimizer='momentum', batch_size=32, epochs=3,"
        f" device='cpu', precision='float32', out={str(tmp_path / 'two')!r})\n"
        "    print('accuracy', run.metrics['test']['accuracy'])\n"
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("accuracy") == 2
    one = train(
        bar_data(), network="lesson-1", optimizer="momentum", batch_size=32, epochs=3, precision="float32",
        out=tmp_path / "one",
    )  # fmt: skip
    two = weights(tmp_path / "two")
    for name, value in weights(one).items():  # each process had half of every batch; the gradient is the same
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-4)
