"""How are an ONNX file's weights kept in half the room, while it goes on computing in float32?"""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float16).max)


def halve(model: Any) -> None:
    """Keep each weight of two or more dimensions as float16, followed by a cast; runtimes fold it when they load.

    Weights that float16 cannot hold stay as they are.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        values = numpy_helper.to_array(tensor)
        if not (np.abs(values) <= LARGEST).all():
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
