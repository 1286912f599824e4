"""How are a classifier's weights taken along as one file that says how its pictures are prepared?"""

from __future__ import annotations

import json

from safetensors.torch import save

from convsight.network.classifier import Classifier
from convsight.network.weights import MADE_BY


def to_safetensors(net: Classifier) -> bytes:
    """The network's state dict as .safetensors; classes, input, mean and std are in its header, as JSON.

    `load(SOURCE, weights=FILE)` reads them, SOURCE being where the network's code is ("file.py:function",
    "torchvision:NAME", ...), and gives the network the head of the file. The architecture is not in the file.
    """
    header = {
        MADE_BY: "convsight",
        "crop": json.dumps(net.crop),
        "classes": json.dumps(list(net.classes)),
        "task": net.task,
        "input": "x".join(map(str, (net.channels, *net.input_size))),
    }
    for name, value in (("mean", net.mean), ("std", net.std)):
        if value is not None:
            header[name] = json.dumps([round(v, 7) for v in value.flatten().tolist()])
    state = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in net.module.state_dict().items()
    }
    return save(state, metadata=header)
