"""Do layers learn in the format that was asked for, and does everything else stay in float32?"""

import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from convsight.datasets import dataset
from convsight.errors import DataError, InputError
from convsight.run import Run
from convsight.training import Progress, train
from convsight.training.parts import InParts
from convsight.training.precision import choose_precision, multiplies_bfloat16, resumed_precision

CPU = torch.device("cpu")
PICTURES = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
DATA = dataset("drawn-garments", n_train=96, n_validation=16, n_test=32)
TINY = {"network": "lesson-2", "epochs": 2, "batch_size": 16}


def net(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), *layers, nn.Flatten(), nn.Linear(4 * 36, 3))


class ThroughNumpy(nn.Module):
    """NumPy has no bfloat16, so this runs in float32 only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(x.detach().numpy().max())


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def old_processor(monkeypatch):
    """A machine whose processor says that it cannot multiply bfloat16."""
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "amx_bf16": False}, raising=False
    )


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists(), reason="the system does not list the processor's flags"
)
def test_a_processor_is_quick_in_bfloat16_if_the_system_lists_an_instruction_for_it():
    flags = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), ""
    )
    assert multiplies_bfloat16(CPU)[0] == bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))


@pytest.mark.parametrize("asked", ["auto", "float32", "bfloat16"])
def test_what_is_asked_for_is_used_also_where_it_is_slow(asked, old_processor):
    chosen = choose_precision(asked, CPU, net(), PICTURES)
    assert (chosen.asked, chosen.used) == (asked, "float32" if asked == "auto" else asked)
    assert ("no instructions for bfloat16" in chosen.why) == (asked != "float32")


def test_auto_is_bfloat16_exactly_where_it_is_quick():
    quick, why = multiplies_bfloat16(CPU)
    chosen = choose_precision("auto", CPU, net(), PICTURES)
    assert (chosen.used, chosen.why) == ("bfloat16" if quick else "float32", why)


def test_a_network_that_cannot_run_in_bfloat16_learns_in_float32_and_says_why():
    chosen = choose_precision("auto", CPU, net(ThroughNumpy()), PICTURES)
    assert chosen.used == "float32"
    assert not multiplies_bfloat16(CPU)[0] or "does not run in it: " in chosen.why


def test_the_trial_leaves_network_and_random_state_alone():
    network = net(nn.BatchNorm2d(4), nn.Dropout())
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    choose_precision("auto", CPU, network, PICTURES)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters()) and network.training
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_every_part_computes_in_bfloat16_and_outputs_and_gradients_are_float32(parts, two_threads):
    network, seen = net(), []
    network[0].register_forward_hook(
        lambda _, __, out: seen.append((out.dtype, threading.current_thread().name))
    )
    with InParts(network, parts, torch.bfloat16) as learner:
        outputs = learner(PICTURES)
        F.cross_entropy(outputs, torch.arange(16) % 3).backward()
        assert [dtype for dtype, _ in seen] == [torch.bfloat16] * parts
        assert parts == 1 or all(thread.startswith("part") for _, thread in seen)
        assert outputs.dtype == torch.float32
        assert all(weight.grad.dtype == weight.dtype == torch.float32 for weight in network.parameters())
        seen.clear()
        learner.eval()(PICTURES)
        assert {dtype for dtype, _ in seen} == {torch.float32}


def test_parts_give_the_gradients_of_torchs_own_autocast(two_threads):
    labels, network = torch.arange(16) % 3, net()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(PICTURES)
    F.cross_entropy(outputs.float(), labels).backward()
    plain = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    with InParts(network, 2, torch.bfloat16) as learner:
        F.cross_entropy(learner(PICTURES), labels).backward()
    for ours, theirs in zip(network.parameters(), plain, strict=True):
        assert (ours.grad - theirs).abs().max() <= 2**-7 * theirs.abs().max()  # each half's sum is rounded


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_config_log_metrics_and_progress_say_in_what_a_network_learned(asked, tmp_path):
    told: list[Progress] = []
    run = train(DATA, **TINY, precision=asked, out=tmp_path / "r", progress=told.append)
    used = run.config["precision"]
    assert (used["asked"], used["used"], run.config["recipe"]["precision"]) == (asked, asked, asked)
    assert used["why"].startswith("it was asked for")
    assert run.metrics["training"]["precision"] == asked
    assert {row["precision"] for row in run.log} == {asked}
    assert {report.precision.used for report in told} == {asked}
    assert {t.dtype for t in load_file(run.path / "weights.safetensors").values()} == {torch.float32}


def test_bfloat16_rounds_otherwise_and_learns_alike(tmp_path):
    losses = [
        [row["loss"] for row in train(DATA, **TINY, precision=p, out=tmp_path / p).log]
        for p in ("float32", "bfloat16")
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_run_goes_on_in_what_it_began_with_on_a_machine_that_would_choose_otherwise(tmp_path, monkeypatch):
    def stop(report: Progress) -> None:
        if report.row:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DATA, **TINY, out=tmp_path / "r", progress=stop)
    begun = Run(tmp_path / "r").config["precision"]["used"]
    able = begun == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able}, raising=False)
    resumed = train(DATA, **TINY, out=tmp_path / "r", resume=True)
    assert resumed.config["precision"]["used"] == begun
    assert "the training was begun in it" in resumed.config["precision"]["why"]


def test_a_run_is_not_resumed_with_another_wish(tmp_path):
    def stop(report: Progress) -> None:
        if report.row:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DATA, **TINY, precision="bfloat16", out=tmp_path / "r", progress=stop)
    with pytest.raises(DataError, match=r"recipe\.precision was bfloat16, now float32"):
        train(DATA, **TINY, precision="float32", out=tmp_path / "r", resume=True)


def test_a_gpu_without_bfloat16_does_not_go_on_with_a_run_that_began_in_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old GPU")
    with pytest.raises(DataError, match=r"Old GPU cannot compute in.*device='cpu'.*precision='float32'"):
        resumed_precision("auto", "bfloat16", torch.device("cuda"))
    assert resumed_precision("auto", "float32", torch.device("cuda")).used == "float32"


def test_another_precision_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"no precision 'float16'.*bfloat16"):
        train(DATA, precision="float16", out=tmp_path / "r")
