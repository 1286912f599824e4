"""Which tensors of a checkpoint are a network's, whatever its trainer called them, and what is left out?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from convsight.errors import ModelError, closest

AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|avg)(?=[._]|$)")
TEACHER = re.compile(r"(^|[._])teacher(?=[._]|$)")
# Losses, metrics and counters that trainers keep beside the network.
FOREIGN = re.compile(
    r"^(criterion|loss(es)?|loss_\w+|\w+_loss|metrics?|\w+_metrics?|(train|val|valid|test)_\w+|\w*(accuracy|auroc|f1"
    r"|precision|recall|confusion|confmat|average_precision)\w*|acc|teacher|ema|\w+_ema|ema_\w+|n_averaged)(\.|$)"
    r"|(^|\.)total_(ops|params)$"
)


@dataclass(frozen=True)
class CheckpointPart:
    """The tensors of one table of a checkpoint whose names begin with `prefix`, named without it."""

    place: str  # where the table lies in the file
    prefix: str
    state: Mapping[str, Tensor]
    others: Mapping[str, Tensor]  # what the table has beside them

    @property
    def label(self) -> str:
        return ".".join(word for word in (self.place, self.prefix.rstrip(".")) if word)

    @property
    def averaged(self) -> bool:
        return AVERAGED.search(self.label) is not None


@dataclass(frozen=True)
class Checkpoint:
    """The tables of tensors in one file, by where they lie in it; `asked` chooses one by its name."""

    path: Path
    tables: Mapping[str, Mapping[str, Tensor]]
    asked: str = ""

    def part_for(self, own: Mapping[str, Tensor]) -> tuple[CheckpointPart, tuple[str, ...]]:
        """The part that holds the network whose state is `own`, named as it names it, and notes on the choice.

        Of several that fit equally well, averaged weights (EMA) come first and a teacher's last.
        """
        parts = [
            _part(place, prefix, state)
            for place, state in ((place, _plain(table)) for place, table in self.tables.items())
            for prefix in _prefixes(state, own)
        ]
        parts.sort(key=lambda part: _agreement(part, own), reverse=True)
        if self.asked:
            parts = [self._asked_for(parts)]
        if not parts:
            place = next(iter(self.tables))
            return CheckpointPart(place, "", _plain(self.tables[place]), {}), ()
        best = [part for part in parts if _agreement(part, own) == _agreement(parts[0], own)]
        best.sort(key=lambda part: (TEACHER.search(part.label) is not None, not part.averaged))
        return best[0], self._said(best[0], best[1:])

    def _asked_for(self, parts: Sequence[CheckpointPart]) -> CheckpointPart:
        for part in parts:
            if self.asked in (part.label, part.place, part.prefix.rstrip(".")):
                return part
        raise ModelError(
            f"{self.path} has no weights of this network called {self.asked!r}; "
            f"{closest(self.asked, [part.label for part in parts])}"
        )

    def _said(self, taken: CheckpointPart, others: Sequence[CheckpointPart]) -> tuple[str, ...]:
        if not others and not taken.averaged:
            return ()
        kind = "averaged weights (EMA)" if taken.averaged else "weights"
        more = [part.label or "the file itself" for part in others]
        words = f"Of {self.path.name} the {kind} called {taken.label or 'nothing'} were taken"
        if more:
            words += f"; {', '.join(more)} fits as well: weights='{self.path.name}#{more[0]}' takes it"
        return (f"{words}.",)


def fitted(
    part: CheckpointPart, own: Mapping[str, Tensor], where: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors for a network whose state is `own`, and a note about what the checkpoint has beside them.

    Raises ModelError naming what is missing, unknown or of another shape.
    """
    state = part.state
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own and not FOREIGN.search(name)]
    differing = [
        f"{name} is {shape(state[name])}, the network's {shape(own[name])}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    if missing or unknown or differing:
        listed = (("missing", missing), ("not in the network", unknown), ("of another shape", differing))
        words = "; ".join(_listed(what, each) for what, each in listed if each)
        raise ModelError(f"the weights in {where} do not fit this network: {words}")
    _refuse_a_small_part(part, where)
    left = [name for name in state if name not in own] + list(part.others)
    return {name: state[name] for name in own if name in state}, _left_out(left, where)


def aliases(own: Sequence[str], tables: Mapping[str, Mapping[str, Tensor]]) -> dict[str, str]:
    """The network's own name for each name that a file may use.

    A wrapper's attribute in front of all own names ("net.conv1") is left off if the file's names lack it.
    """
    first, _, rest = own[0].partition(".") if own else ("", "", "")
    found = {_bare(name): name for name in own}
    if not rest or not all(name.startswith(f"{first}.") for name in own):
        return found
    inner = aliases([name.removeprefix(f"{first}.") for name in own], tables)
    shorter = {name: f"{first}.{whole}" for name, whole in inner.items()}
    return max(found, shorter, key=lambda names: max(_known(table, names) for table in tables.values()))


def _known(table: Mapping[str, Tensor], names: Mapping[str, str]) -> int:
    """How many names of a table end in one of `names`."""
    prefixes = _prefixes(_plain(table), names)
    return max((sum(f"{p}{name}" in table for name in names) for p in prefixes), default=0)


def _refuse_a_small_part(part: CheckpointPart, where: str) -> None:
    """ModelError where the part fits by its names, but most of the file belongs to another network."""
    taken = sum(t.numel() for t in part.state.values())
    beside = {
        name: t.numel()
        for name, t in part.others.items()
        if not FOREIGN.search(name) and not any(name.endswith(f".{own}") for own in part.state)
    }
    if sum(beside.values()) > taken:
        raise ModelError(
            f"only {part.label or 'a part'} of {where} fits this network, and most of the file does not "
            f"({_listed('more', list(beside))}): is it the network that was trained?"
        )


def _left_out(names: Sequence[str], where: str) -> tuple[str, ...]:
    if not names:
        return ()
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return (f"Left out of {Path(where).name}, for they are not this network's: {shown}.",)


def _part(place: str, prefix: str, state: Mapping[str, Tensor]) -> CheckpointPart:
    inside = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    return CheckpointPart(place, prefix, inside, {n: t for n, t in state.items() if not n.startswith(prefix)})


def _prefixes(state: Iterable[str], own: Container[str]) -> list[str]:
    """The prefixes that a file puts before the network's own names, the commonest first."""
    found = Counter[str]()
    for name in state:
        words = name.split(".")
        for at in range(len(words)):
            if ".".join(words[at:]) in own:
                found[".".join([*words[:at], ""]) if at else ""] += 1
    return [prefix for prefix, _ in found.most_common()]


def _agreement(part: CheckpointPart, own: Mapping[str, Tensor]) -> tuple[int, int]:
    """How many of the network's names the part has, and how many of them with the network's shape."""
    both = [name for name in part.state if name in own]
    return len(both), sum(part.state[name].shape == own[name].shape for name in both)


def _plain(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_bare(name): tensor for name, tensor in table.items()}


def _bare(name: str) -> str:
    """The name without what `torch.compile` puts into it."""
    return name.replace("_orig_mod.", "")


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{len(names)} {what} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})"


def shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
