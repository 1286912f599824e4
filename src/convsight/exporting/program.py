"""How does a classifier become a PyTorch program (.pt2) that runs without its Python code?"""

from __future__ import annotations

import io
import json

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.exporting.onnx import quiet
from convsight.network.classifier import Classifier

SAYS = "convsight.json"  # what the program says of itself, beside its operations


class Scores(nn.Module):
    """What is exported: pictures in [0, 1] to scores, normalisation inside."""

    def __init__(self, net: Classifier):
        super().__init__()
        self.module, self.net = net.module, net

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.net.logits(pixels)


def to_program(net: Classifier) -> bytes:
    """The network as `torch.export.save` writes it: n c h w in [0, 1] go in, the numbers of `net.scores` come out.

    Raises ModelError for a network that cannot be followed, such as one whose operations depend on the picture.
    """
    pixels = torch.full((2, net.channels, *net.input_size), 0.5, device=net.device)
    whole = Scores(net)
    modes = [(module, module.training) for module in net.module.modules()]
    file = io.BytesIO()
    try:
        with torch.no_grad(), quiet():
            whole.eval()
            sizes = ({0: torch.export.Dim("n")},)
            program = torch.export.export(whole, (pixels,), dynamic_shapes=sizes, strict=False)
            torch.export.save(program, file, extra_files={SAYS: json.dumps(described(net))})
    except Exception as error:  # the exporter lets errors of many kinds through
        lines = str(error).strip().splitlines()
        raise ModelError(
            f"{net.name} cannot be exported as a program: {lines[0] if lines else type(error).__name__}"
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    return file.getvalue()


def described(net: Classifier) -> dict[str, object]:
    """What a file should say of itself: classes, task and input."""
    return {"classes": list(net.classes), "task": net.task, "pixels": "n c h w in [0, 1]", "crop": net.crop}
