"""What is known of an ONNX graph, and how are nodes added to it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

BATCH = -1  # stands for the number of pictures in a shape


@dataclass
class Graph:
    """A graph with what is known of its values, and the nodes that are being added to it.

    guided: rectifiers hand back R · f'(x) · 1[x > 0] · 1[R > 0] in place of R · f'(x).
    """

    model: Any
    prefix: str
    guided: bool
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)  # initialisers by name
    makers: dict[str, Any] = field(default_factory=dict)  # nodes by what they make
    reached: set[str] = field(default_factory=set)  # values that depend on the picture
    added: list[Any] = field(default_factory=list)
    rectifiers: int = 0
    unclear: bool = False  # whether something may be a rectifier that was written by hand

    def __post_init__(self) -> None:
        from onnx import shape_inference

        graph = shape_inference.infer_shapes(self.model).graph
        for each in (*graph.input, *graph.value_info, *graph.output):
            dims = each.type.tensor_type.shape.dim
            self.shapes[each.name] = tuple(BATCH if dim.dim_param else dim.dim_value for dim in dims)
        for each in graph.initializer:
            self.constants[each.name] = each
            self.shapes[each.name] = tuple(each.dims)
        for node in self.model.graph.node:
            self.makers.update(dict.fromkeys(node.output, node))

    def value(self, name: str) -> np.ndarray:
        """The numbers of an initialiser."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.constants[name])

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of what it makes."""
        from onnx import helper

        made = f"{self.prefix}:{len(self.added)}"
        self.added.append(helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """An initialiser of these numbers, one for all that are equal."""
        from onnx import numpy_helper

        array = np.asarray(values, dtype)
        name = f"{array.dtype}:{'x'.join(map(str, array.shape))}:{sha256(array.tobytes()).hexdigest()[:16]}"
        if name not in self.constants:
            made = numpy_helper.from_array(array, name)
            self.constants[name] = made
            self.model.graph.initializer.append(made)
        return name

    def shape(self, name: str) -> str:
        """The shape of a value as a constant in which -1 stands for the number of pictures."""
        return self.constant(self.shapes[name], np.int64)
