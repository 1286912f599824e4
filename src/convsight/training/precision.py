"""In which number format do a network's layers compute while it trains: float32, or the shorter bfloat16?

bfloat16 has float32's range with 8 instead of 24 bits of precision. Where the hardware multiplies it in instructions
of its own, convolutions and matrix products take about half the time. Only they are computed in it ("mixed precision";
Micikevicius et al. 2017, arXiv 1710.03740; for bfloat16 Kalamkar et al. 2019, arXiv 1905.12322): weights, their
gradients, optimiser states, losses, validation and tests stay in float32.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import DataError
from convsight.network.outputs import scores_in

PRECISIONS = ("auto", "float32", "bfloat16")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Precision:
    """The format that was `asked` for (one of `PRECISIONS`), the one that is `used`, and `why` it is that one."""

    asked: str
    used: str
    why: str

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.used]


def choose_precision(
    asked: str, device: torch.device, network: nn.Module, example: Float[Tensor, "n c h w"]
) -> Precision:
    """What `asked` comes to on this device.

    "auto" is bfloat16 where the hardware multiplies it quickly and `network` runs in it, else float32.
    `example` is a small batch to try that with. The answer is the same every time on the same machine.
    """
    quick, why = multiplies_bfloat16(device)
    if asked == "float32":
        return Precision(asked, "float32", "it was asked for")
    if asked == "bfloat16":
        return Precision(asked, "bfloat16", "it was asked for" if quick else f"it was asked for, but {why}")
    if not quick:
        return Precision(asked, "float32", why)
    problem = problem_in_bfloat16(network, example.to(device))
    if problem:
        return Precision(asked, "float32", f"{why}, but the network does not run in it: {problem}")
    return Precision(asked, "bfloat16", why)


def resumed_precision(asked: str, used: str, device: torch.device) -> Precision:
    """The precision in which a training goes on that was begun in `used`; a change would change its weights.

    Raises DataError where this device cannot compute in it.
    """
    if used == "float32":
        return Precision(asked, used, "the training was begun in it")
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DataError(
            f"this training was begun in bfloat16, which {torch.cuda.get_device_name(device)} cannot compute in."
            " Resume it on another device (device='cpu' can), or train anew with precision='float32'"
        )
    quick, why = multiplies_bfloat16(device)
    return Precision(asked, used, "the training was begun in it" + ("" if quick else f", but {why}"))


def multiplies_bfloat16(device: torch.device) -> tuple[bool, str]:
    """Whether the device has instructions that multiply bfloat16, and a half-sentence that says so.

    Read from what the hardware says of itself, not from a clock, so that the same machine always answers alike.
    """
    if device.type == "cuda":
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
        name = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        quick, name = _processor_multiplies_bfloat16(), "this processor"
    else:
        return False, f"bfloat16 was not tried on devices of the kind '{device.type}'"
    return quick, f"{name} multiplies it quickly" if quick else f"{name} has no instructions for bfloat16"


def _processor_multiplies_bfloat16() -> bool:
    """AVX-512 BF16 or AMX, and a torch whose oneDNN uses them (ONEDNN_MAX_CPU_ISA can forbid it)."""
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # torch < 2.10


def problem_in_bfloat16(network: nn.Module, pixels: Tensor) -> str:
    """What a copy of `network` says against bfloat16, forwards or backwards; "" if nothing."""
    trial = copy.deepcopy(network).to(pixels.device).eval()  # eval: dropout would draw random numbers
    try:
        with torch.enable_grad(), computed_in(torch.bfloat16, pixels.device):
            outputs = scores_in(trial(pixels), "")
        outputs.float().sum().backward()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return str(error).strip().split("\n")[0] or type(error).__name__
    return ""


def computed_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Inside, and in this thread only, layers compute in `dtype`; torch chooses which ones may.

    A weight that is used twice is cast twice: torch's cache of casts is emptied by whichever thread leaves
    first, and sums would be rounded in an order that depends on it.
    """
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype, cache_enabled=False)
