"""A network with its class names, input size and normalisation inside: pictures in [0, 1] go in, scores come out.

Nothing that convsight does changes the network: modes, gradients, buffers, hooks and the random state are
as they were after every call, also after one that raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from convsight.errors import InputError, ModelError
from convsight.images import Images
from convsight.imaging.choosing import as_bands
from convsight.network.answering import Answering
from convsight.network.asking import target_of
from convsight.network.class_names import class_names, last_rows, offer
from convsight.network.probe import Wish, reader_for
from convsight.network.targets import Target
from convsight.network.tasks import OutputDescription, units_of


class Classifier(Answering):
    """Any `torch.nn.Module` that turns pictures into class scores, labels, numbers, maps or boxes.

    Parameters: `module` takes normalised float pixels n c h w. `classes` names the k outputs (numbers if left
    out): a list, a dictionary such as `config.id2label`, a file, or "imagenet" (see `class_names`). What training
    wraps around a network (`DataParallel`, `torch.compile`) is taken off. `input_size` is (height, width) in
    pixels, `channels` 1 (grey), 3 (RGB) or any other number. `mean` and `std` are subtracted and divided per
    channel *inside*, so that you pass pictures in [0, 1].
    `crop` is the share of a larger picture that `fit` keeps (0.875 resizes the short side to 256 for a
    224-pixel network). `bands`: the channels shown as red, green and blue where there are not 1 or 3; without
    them their mean is shown in grey.

    `task` says what the outputs mean, see `reader.TASKS`: "classify" (a softmax over k), "multilabel" (a sigmoid
    each), "binary" (one score, two class names), "regress" or "locate" (numbers, named by `outputs`, with
    `units`), "segment", "detect", "embed". Left out it is guessed, and `notes` says so. `thresholds`: from
    which probability on a label counts as there, one number or one a label (0.5).

    `output` says which of several outputs is read: a name, a number, or a function of all that the network
    returns. Left out it is picked, and `notes` says which. A network may end in a softmax or sigmoid: `scores`
    are what went into it and `probabilities` what came out; techniques explain what came out, or the score
    with `explain="score"`.

    Raises `ModelError` if the module cannot run on such a picture, or nothing in its output can be read.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)),
    ...                  classes=["cat", "dog"], input_size=(4, 4), channels=1)
    >>> net.scores(torch.zeros(3, 1, 4, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        classes: Any = None,
        input_size: tuple[int, int] | int | None = None,
        channels: int = 3,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        task: str | None = None,
        outputs: Sequence[str] = (),
        crop: float = 1.0,
        name: str = "",
        *,
        output: str | int | Callable[[Any], Tensor] | None = None,
        units: str | Sequence[str] | None = None,
        thresholds: float | Sequence[float] | None = None,
        explain: str = "output",
        bands: Sequence[int] | str | None = None,
    ):
        super().__init__(module, input_size, channels, mean, std, name)
        self.bands = as_bands(bands, channels)
        if not 0 < crop <= 1:
            raise ModelError(f"crop is the share of the resized picture that is kept, in (0, 1], not {crop}")
        self.crop = crop
        names = class_names(classes, last_rows(self.module))
        wish = Wish(
            OutputDescription(task, names, tuple(map(str, outputs or ())), units), output, explain, thresholds
        )
        with self._lock:
            self.reader, read = reader_for(self.module, self._run, self._samples(), wish)
        self.habits = self._find_habits()
        self.told += (*self.habits.notes, *offer(names or outputs, len(self.classes)))
        self.notes = (*read, *self.told)
        self.units = units_of(units, len(self.classes))

    def __repr__(self) -> str:
        size = "×".join(map(str, (self.channels, *self.input_size)))
        output = f" of output {self.reader.name!r}" if self.reader.name else ""
        return f"Classifier({self.name}, {size} → {self.answers}{output})"

    def target(self, target: Any, images: Images, logits: Tensor | None = None) -> Target:
        """The `Target` that a user's `target` means for these pictures (see `asking.target_of`)."""
        return target_of(self, target, images, logits)

    def notes_on(self, aim: Target) -> tuple[str, ...]:
        """What a reader should know of a result about this target: how outputs are read, what was chosen."""
        own = () if aim.outputs is None or aim.through is not None else self.notes
        return (*own, *([aim.note] if aim.note else []))


def as_classifier(net: Any) -> Classifier:
    """The classifier itself, or that of a `Run`; InputError for anything else, saying how to make one."""
    if isinstance(net, Classifier):
        return net
    if isinstance(getattr(net, "classifier", None), Classifier):  # a Run
        return net.classifier
    if isinstance(net, nn.Module):
        raise InputError(
            "a bare torch.nn.Module says neither its input size nor its normalisation; wrap it: "
            "convsight.Classifier(module, classes=[...], input_size=(224, 224), mean=..., std=...)"
        )
    raise InputError(
        f"a convsight.Classifier is needed, not a {type(net).__name__}; convsight.load(...) gives one"
    )
