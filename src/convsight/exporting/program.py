"""How does a classifier become a PyTorch program (.pt2) that runs without its Python code?"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.network.classifier import Classifier
from convsight.network.interventions import Intervention, active_in, undisturbed

SAYS = "convsight.json"  # what the program says of itself, beside its operations


class Pass(nn.Module):
    """What is exported: a pass from pictures in [0, 1] to scores, with the values of some layers behind them."""

    def __init__(self, net: Classifier, layers: Sequence[str] = ()):
        super().__init__()
        self.module, self.net, self.layers = net.module, net, tuple(layers)
        self.recorded = Intervention(net.module, {name: net.layers[name].key for name in layers})

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Tensor | tuple[Tensor, ...]:
        if not self.layers:
            return self.net.logits(pixels)
        with active_in(self.recorded):
            scores = self.net.logits(pixels)
        return scores, *(self.recorded.seen[name] for name in self.layers)


def to_program(net: Classifier) -> bytes:
    """The network as `torch.export.save` writes it: n c h w in [0, 1] go in, the numbers of `net.scores` come out.

    Raises ModelError for a network that cannot be followed, such as one whose operations depend on the picture.
    """
    file = io.BytesIO()
    program = traced(net, "as a program")
    torch.export.save(program, file, extra_files={SAYS: json.dumps(described(net))})
    return file.getvalue()


def traced(net: Classifier, form: str, layers: Sequence[str] = (), batch: int | None = None) -> Any:
    """The program of one pass, for `batch` pictures or any number of them.

    Raises ModelError, which says in which `form` the network was wanted, where the network cannot be followed
    without numbers.
    """
    pixels = torch.full((batch or 2, net.channels, *net.input_size), 0.5, device=net.device)
    sizes = None if batch else ({0: torch.export.Dim("n")},)
    whole = Pass(net, layers)
    try:
        with torch.no_grad(), quiet(), undisturbed(whole):
            return torch.export.export(whole, (pixels,), dynamic_shapes=sizes, strict=False)
    except Exception as error:  # the exporter lets errors of many kinds through
        why = "which operations it runs depends on the picture" if net.habits.decides else first_line(error)
        raise ModelError(f"{net.name} cannot be exported {form}: {why}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def described(net: Classifier) -> dict[str, object]:
    """What a file should say of itself: classes, task and input."""
    return {"classes": list(net.classes), "task": net.task, "pixels": "n c h w in [0, 1]", "crop": net.crop}


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's own remarks about its inside, which no user can act on."""
    logger = logging.getLogger("torch")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
