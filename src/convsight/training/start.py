"""With which network does a training begin: one of ours, or one that has already seen other pictures?"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from convsight.architectures import Positions
from convsight.bring import HUBS, load
from convsight.bring.huggingface import is_pretrained
from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.network.new_head import check_head, head_place, put_channels, put_head
from convsight.network.shown_size import size_for
from convsight.run import CONFIG, Run

PUBLISHED, RANDOM = "published", "random"
WORTH_SAYING_GB = 0.2


@dataclass(frozen=True, eq=False)
class Start:
    """A network from elsewhere to begin with.

    net: as it came, with its own classes. described: what `config.json` says of where it is from. learned: whether
    it has weights that saw pictures.
    """

    net: Classifier
    described: dict[str, Any]
    learned: bool
    notes: tuple[str, ...] = ()

    def size_for(self, pictures: tuple[int, int]) -> tuple[int, int]:
        """The size at which to show pictures of this size (`network.shown_size`)."""
        return size_for(self.net, pictures)

    def channels_for(self, channels: int) -> int:
        """How many channels the pictures are opened with: grey and colour are made into each other."""
        return self.net.channels if {channels, self.net.channels} <= {1, 3} else channels

    def normalisation(self, channels: int) -> tuple[list[float], list[float]] | None:
        """Mean and std that the network's weights are used to; None if these channels are not the network's."""
        if channels != self.net.channels:
            return None
        mean, std = self.net.mean, self.net.std
        return (
            [0.0] * channels if mean is None else mean.flatten().tolist(),
            [1.0] * channels if std is None else std.flatten().tolist(),
        )

    def memory_for(self, pictures: int) -> tuple[str, ...]:
        """What features of so many pictures take, where that is worth a sentence before the pass begins."""
        in_gb = pictures * head_place(self.net).features * 4 / 1e9
        if in_gb < WORTH_SAYING_GB:
            return ()
        return (
            f"Features of {pictures:,} pictures take {in_gb:.1f} GB on disk, and twice that in memory while the head is"
            " fitted; the pictures themselves are read a few at a time.",
        )

    def module(self, n_outputs: int, channels: int, size: tuple[int, int]) -> nn.Module:
        """The network with a head of zeros for `n_outputs` outputs, for pictures of this size and these channels."""
        module = self.net.module.network if isinstance(self.net.module, Positions) else self.net.module
        assert isinstance(module, nn.Module)
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        put_channels(module, channels)
        put_head(module, self.described["head"], n_outputs)
        net = Classifier(
            module,
            input_size=size,
            channels=channels,
            name=self.net.name,
            output=self.net.reader.name or None,
        )
        check_head(net, self.described["head"])
        return module


def is_from_elsewhere(network: Any) -> bool:
    """Whether a network is none of ours: named by a hub, a Python file's function, or an earlier run, or a classifier."""
    if isinstance(network, Classifier):
        return True
    if not isinstance(network, str):
        return False
    scheme, colon, _ = network.partition(":")
    known = scheme in HUBS or re.search(r"\.py:\w+$", network) is not None
    return bool(colon and known) or (Path(network).expanduser() / CONFIG).is_file()


def start_from(network: str | Classifier, weights: str | Path | None) -> Start:
    """The network called `network` and its `weights` (a file, "published" or "random"), or a copy of a classifier.

    Raises what `load` raises where weights are missing: it names the file to get and where to pass it.
    """
    if isinstance(network, Classifier):
        return _from_classifier(network, weights)
    folder = Path(network).expanduser()
    if (folder / CONFIG).is_file() and not is_pretrained(folder):
        return _from_run(folder, weights)
    given = None if weights is None or str(weights) == PUBLISHED else weights
    net = load(network, given)
    _refuse_an_ending(net)
    described = {
        "name": net.name,
        "knobs": {},
        "known": True,
        "source": _whole(network),
        "weights": PUBLISHED if given is None else RANDOM if str(given) == RANDOM else str(Path(given).expanduser().resolve()),
        "head": head_place(net).name,
        "output": net.reader.name,
    }  # fmt: skip
    told = tuple(note for note in net.notes if "outputs without names" not in note)
    return Start(net, described, str(given) != RANDOM, told)


def _from_classifier(net: Classifier, weights: Any) -> Start:
    """A copy of a network that was handed over as an object; convsight keeps its weights, not its code."""
    if weights is not None:
        raise InputError(f"{net.name} has its weights already; leave weights={str(weights)!r} out")
    _refuse_an_ending(net)
    described = {
        "name": net.name,
        "knobs": {},
        "known": False,
        "head": head_place(net).name,
        "output": net.reader.name,
    }
    return Start(net.around(copy.deepcopy(net.module), net.name), described, True)


def _refuse_an_ending(net: Classifier) -> None:
    if net.reader.ending.kind:
        raise InputError(
            f"{net.name} ends in a {net.reader.ending.kind}; a head for other classes needs the scores before it. Let the "
            "function in a Python file return the network without that last operation"
        )


def _from_run(folder: Path, weights: Any) -> Start:
    if weights is not None:
        raise InputError(f"{folder} is a run, which has its weights; leave weights={str(weights)!r} out")
    run = Run.open(folder)
    net = run.classifier
    own = dict(run.config["network"])
    if not own["known"]:
        raise InputError(
            f"{folder} holds the weights of a network that was handed over as an object, not by name"
        )
    inner = net.around(net.module.network, net.name) if isinstance(net.module, Positions) else net
    assert isinstance(inner.module, nn.Module)
    described = {
        **own,
        "weights": str(folder.resolve()),
        "head": head_place(inner).name,
        "output": own.get("output", ""),
    }
    return Start(inner, described, True, (f"It goes on from the weights of {folder}.",))


def _whole(network: str) -> str:
    """A Python file or a folder by its whole path, so that the run opens from any working directory."""
    scheme, _, rest = network.partition(":")
    if scheme in HUBS:
        local = Path(rest).expanduser()
        return f"{scheme}:{local.resolve()}" if scheme == "hf" and local.is_dir() else network
    path, _, function = network.rpartition(":")
    return f"{Path(path).expanduser().resolve()}:{function}"
