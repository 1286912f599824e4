"""Did a network's weights change since they were last looked at?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import xxhash
from torch import Tensor, nn

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes
Fingerprint = list[tuple[int, int, int]]  # where a tensor lies, PyTorch's version of it, a hash of its bits


def every_module(module: nn.Module) -> Iterator[nn.Module]:
    """What `module.modules()` yields, in its order and a fraction of its time: small networks are asked often."""
    found, waiting = set(), [module]
    while waiting:
        part = waiting.pop()
        if part is not None and part not in found:
            found.add(part)
            yield part
            waiting += list(part._modules.values())[::-1]


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Every parameter and buffer, and the tensors that only a module's own `state_dict` gives, as quantised ones do."""
    found, plain = [], True
    for part in every_module(module):
        for tensors in (part._parameters, part._buffers):
            if tensors:
                found += [t for t in tensors.values() if t is not None]
        plain &= (
            type(part)._save_to_state_dict is nn.Module._save_to_state_dict and not part._state_dict_hooks
        )
    if not plain:
        found += [t for t in module.state_dict(keep_vars=True).values() if isinstance(t, Tensor)]
    return found


def digest_of(module: nn.Module) -> str:
    """16 hexadecimal digits of the names, shapes and bits of all weights and buffers, the same on every device."""
    tensors = {**module.state_dict(keep_vars=True)}
    tensors |= {name: t for name, t in module.named_buffers() if name not in tensors}  # those not saved
    digest = xxhash.xxh3_64()
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(_bytes_of(tensor.detach().cpu()))
    return digest.hexdigest()


def fingerprint(tensors: Sequence[Tensor]) -> Fingerprint:
    """What tells later whether any of these tensors moved or changed; see `unchanged`."""
    return [(t.data_ptr(), t._version, hash_of(t)) for t in tensors]


def unchanged(tensors: Sequence[Tensor], before: Fingerprint) -> bool:
    """Whether the tensors lie where they lay and hold the bits they held.

    The bits are hashed each time, at the speed of memory: the version that PyTorch counts does not notice a
    change through `.data`.
    """
    return len(tensors) == len(before) and all(
        t.data_ptr() == at and t._version == version and hash_of(t) == bits
        for t, (at, version, bits) in zip(tensors, before, strict=True)
    )


def hash_of(tensor: Tensor) -> int:
    """A number that changes with any bit of the tensor, and with the order of its numbers.

    On the processor it is XXH3; elsewhere the bits are multiplied by odd numbers, one for each place, and
    added up there, so that nothing has to be copied over.
    """
    plain = tensor.detach()
    if plain.device.type == "cpu":
        return xxhash.xxh3_64_intdigest(_bytes_of(plain))
    bits = _bits_of(plain)
    odd = 2 * torch.arange(bits.numel(), device=bits.device) + 1
    return int((bits.long() * odd).sum())


def _bits_of(tensor: Tensor) -> Tensor:
    """The tensor's numbers as a row of integers with the same bits."""
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    row = tensor.contiguous().flatten()
    return row.view(INTEGERS[row.element_size()]) if row.is_floating_point() else row


def _bytes_of(tensor: Tensor) -> memoryview:
    return memoryview(_bits_of(tensor).numpy()).cast("B")  # type: ignore[arg-type] if tensor.numel() else memoryview(b"")
