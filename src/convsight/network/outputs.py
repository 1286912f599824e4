"""Which of the tensors that a network returns holds its scores?

A network returns a tensor, a tuple, a dictionary, a dataclass, or a nest of them. `leaves` names every tensor
in it; `chosen` takes one by rules that are tried in turn, and says in words which it took and why.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from convsight.errors import ModelError, closest

ASIDE = re.compile(
    r"loss|aux|hidden|attention|attn|feature|embed|past_key|state|pooler|mask_token", re.IGNORECASE
)
FIRST = (
    "logits", "logit", "class_logits", "cls_logits", "scores", "score", "out", "output", "outputs", "prediction",
    "predictions", "preds", "pred", "probabilities", "probs", "prob",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """The name of the tensor that holds the scores ("" for the only one), and a sentence if there were others."""

    name: str
    note: str = ""


def leaves(output: Any) -> dict[str, Tensor]:
    """Every tensor in what a network returned, under its name: `logits`, `0`, `heads.age`; "" for a lone tensor."""
    return {".".join(path): tensor for path, tensor in _walk(output, ())}


def scores_in(outputs: Any, name: str) -> Tensor:
    """The tensor of scores among what a network returns: the one called `name`, or the first."""
    if isinstance(outputs, Tensor):
        return outputs
    found = leaves(outputs)
    return found[name] if name in found else next(iter(found.values()))


def _walk(output: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if isinstance(output, Tensor):
        yield path, output
        return
    for name, item in _items(output):
        yield from _walk(item, (*path, str(name)))


def _items(output: Any) -> list[tuple[Any, Any]]:
    if isinstance(output, Mapping):
        return list(output.items())
    if isinstance(output, (tuple, list)):
        return list(zip(getattr(output, "_fields", range(len(output))), output, strict=True))
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return [(f.name, getattr(output, f.name)) for f in dataclasses.fields(output)]
    logits = getattr(output, "logits", None)
    if logits is not None:
        return [("logits", logits)]
    return list(getattr(output, "__dict__", {}).items())


def rows_in(tensor: Tensor, n: int) -> int | None:
    """How many numbers a picture it holds, for `n` pictures in one row each; None if it does not hold rows."""
    if not tensor.is_floating_point() or tensor.ndim == 0 or len(tensor) != n or 0 in tensor.shape:
        return None
    long = [extent for extent in tensor.shape[1:] if extent > 1]
    return math.prod(long) if len(long) <= 1 else None


def maps_in(tensor: Tensor, n: int) -> int | None:
    """How many maps a picture it holds (n k h w); None if it does not hold maps."""
    maps = tensor.is_floating_point() and tensor.ndim == 4 and len(tensor) == n
    return tensor.shape[1] if maps and rows_in(tensor, n) is None and 0 not in tensor.shape else None


def numbers_in(tensor: Tensor, n: int) -> int | None:
    """How many classes the tensor speaks of, in rows or in maps."""
    rows = rows_in(tensor, n)
    return maps_in(tensor, n) if rows is None else rows


def chosen(
    found: Mapping[str, Tensor], n: int, names: int | None, made_of: Callable[[str, str], str]
) -> Choice:
    """The tensor that holds the scores of `n` pictures.

    found: every tensor by name. names: how many class names were given, None if none were. made_of(a, b): how
    tensor a is made of tensor b, see `endings.comes_from`.
    """
    rows = [name for name, tensor in found.items() if rows_in(tensor, n) is not None]
    able = rows or [name for name, tensor in found.items() if maps_in(tensor, n) is not None]
    if not able:
        raise ModelError(unreadable(found, n))
    left, reason = able, ""
    for why, keep in _rules(found, n, names, made_of):
        kept = [name for name in left if keep(name, left)]
        if kept and len(kept) < len(left):
            left, reason = kept, why
    name = left[0]
    reason = "the first of them" if len(left) > 1 else reason
    others = [other for other in able if other != name]
    sure = not others or (name.split(".")[-1] == "logits" and all(ASIDE.search(other) for other in others))
    return Choice(name, "" if sure else _told(found, n, name, reason))


def _rules(
    found: Mapping[str, Tensor], n: int, names: int | None, made_of: Callable[[str, str], str]
) -> Iterator[tuple[str, Callable[[str, Sequence[str]], bool]]]:
    """What each rule says of the tensor it keeps, and whether it keeps one among those that are left."""
    wide = {name: numbers_in(tensor, n) for name, tensor in found.items()}
    yield "the others are losses, features or auxiliary heads by name", lambda a, _: not ASIDE.search(a)
    yield (
        "what went into the softmax or sigmoid that another one holds",
        lambda a, left: not any(made_of(a, b) == "squashed" for b in left if b != a),
    )
    yield (
        "the others feed the layer that makes it",
        lambda a, left: not any(made_of(b, a) == "weighted" for b in left if b != a),
    )
    if names is not None:
        yield f"it has as many numbers as there are class names ({names})", lambda a, _: wide[a] == names
    if names == 2:
        yield "one score for two class names", lambda a, _: wide[a] == 1
    for word in FIRST:
        yield "by its name", lambda a, _, word=word: a.split(".")[-1].lower() == word
    yield "the others have one number a picture", lambda a, _: (wide[a] or 0) > 1


def named(found: Mapping[str, Tensor], output: str | int, n: int) -> str:
    """The full name of the output that a user chose by name or number."""
    able = [name for name, tensor in found.items() if numbers_in(tensor, n) is not None]
    tops = list(dict.fromkeys(name.split(".")[0] for name in found))
    if isinstance(output, int):
        if not -len(tops) <= output < len(tops):
            raise ModelError(f"no output {output}; the network returns {len(tops)}: {shown(found, n)}")
        output = tops[output]
    exact = [name for name in able if name == output]
    inside = [name for name in able if name.startswith(f"{output}.") or name.endswith(f".{output}")]
    hits = exact or inside
    if not hits:
        known = f"it returns {shown(found, n)}" if found else "it returns no tensor"
        raise ModelError(
            f"no output {output!r} with a row of scores per picture; {known}",
            given=output,
            works=closest(output, able),
        )
    return hits[0]


def shown(found: Mapping[str, Tensor], n: int) -> str:
    """The tensors that a network returns, in words: "kind (3 numbers), out (maps 4×24×24)"."""
    return ", ".join(f"{name or 'a tensor'} ({_extent(tensor, n)})" for name, tensor in found.items())


def _extent(tensor: Tensor, n: int) -> str:
    rows = rows_in(tensor, n)
    if rows is not None:
        return f"{rows} number{'s' if rows > 1 else ''}"
    return (
        "×".join(map(str, tensor.shape[1:] if tensor.ndim and len(tensor) == n else tensor.shape))
        or "one number"
    )


def _told(found: Mapping[str, Tensor], n: int, name: str, reason: str) -> str:
    other = next(o for o, t in found.items() if o != name and numbers_in(t, n) is not None)
    other = other if not other.isdigit() else int(other)
    return (
        f"The network has {len(found)} outputs, {shown(found, n)}: {name!r} is read, {reason}. "
        f"output={other!r} reads another."
    )


def unreadable(found: Mapping[str, Tensor], n: int) -> str:
    """What to say of outputs in which no scores can be found, with the way out."""
    gave = ", ".join(f"{name} {tuple(t.shape)}".strip() for name, t in found.items()) or "no tensor"
    return (
        f"no row of class scores per picture was found in what this network gave for {n} pictures: {gave}. "
        "Say how to read it, output=lambda out: ... (a tensor n×k), or wrap it:\n" + WRAP
    )


WRAP = """\
    class Wrapped(torch.nn.Module):
        def __init__(self, net): super().__init__(); self.net = net
        def forward(self, x): return self.net(x)[...]   # the scores n×k, from whatever it returns
    net = convsight.Classifier(Wrapped(net), classes=[...], input_size=...)"""

HELD = """\
    class Wrapped(torch.nn.Module):
        def __init__(self, net, other): super().__init__(); self.net = net; self.register_buffer("other", other)
        def forward(self, x): return self.net(x, self.other.expand(len(x), -1))   # the other input is held fixed
    net = convsight.Classifier(Wrapped(net, other), classes=[...], input_size=...)"""
