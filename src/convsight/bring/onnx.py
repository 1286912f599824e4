"""How does an ONNX file become a network whose every operation PyTorch runs, so that it can be looked into?"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from convsight.bring.brought import Brought
from convsight.bring.onnx_operations import OPERATIONS
from convsight.errors import DataNotFound, ModelError, required


def from_onnx(path: Path, _: None = None) -> Brought:
    """The network in an ONNX file with the size of its input and, where the file says them, its class names.

    Raises DataNotFound, MissingExtra, or ModelError naming the operations that are not known.
    """
    if not path.is_file():
        raise DataNotFound(f"no ONNX file {path}")
    onnx = required("onnx", "onnx", "a network from an ONNX file")
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's and the file system's errors
        raise ModelError(f"{path} is no readable ONNX file: {error}") from error
    unknown = sorted({n.op_type for n in model.graph.node if n.op_type not in OPERATIONS})
    if unknown:
        raise ModelError(
            f"{path} uses {', '.join(unknown)}, which convsight cannot run; export the network with torch.export "
            "to a .pt2 file instead, or load it from its Python code"
        )
    values = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in values]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        names = ", ".join(each.name for each in inputs)
        raise ModelError(f"{path} takes {names}; a classifier takes one batch of pictures n×c×h×w")
    n, channels, height, width = (d.dim_value for d in inputs[0].type.tensor_type.shape.dim)
    module = OnnxNetwork(onnx, model, inputs[0].name, n)
    size = (height, width) if height and width else None
    said = _said(model)
    return Brought(
        module, path.stem, classes=said.get("classes") or said.get("names"), input_size=size, channels=channels or 3,
        notes=(f"From ONNX (operator set {module.opset}), run with PyTorch's operations.", *_quantised(model)),
    )  # fmt: skip


def _quantised(model: Any) -> tuple[str, ...]:
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return ()
    return (
        "This network is quantised (static): its scores round as they were stored to; gradients pass the rounding as if "
        "it were not there (straight-through), and stop where a value is clipped.",
    )


def _said(model: Any) -> dict[str, Any]:
    """What the file's metadata says that can be read as JSON: class names under `classes` or `names`."""
    found = {}
    for each in model.metadata_props:
        try:
            found[each.key] = json.loads(each.value)
        except ValueError:
            continue
    return found


class OnnxNetwork(nn.Module):
    """Runs the nodes of an ONNX graph in order. Its weights are buffers, named as in the file with dots made safe."""

    def __init__(self, onnx: ModuleType, model: Any, source: str, batch: int):
        super().__init__()
        graph = model.graph
        self.source, self.batch = source, batch
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        self.targets = [each.name for each in graph.output]
        self.constants: dict[str, str] = {}
        for number, tensor in enumerate(graph.initializer):
            name = f"w{number}_" + "".join(c if c.isalnum() else "_" for c in tensor.name)
            self.register_buffer(name, torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()))
            self.constants[tensor.name] = name
        self.nodes = [self._node(onnx, node) for node in graph.node]
        self.last = {name: at for at, (_, names, _, _) in enumerate(self.nodes) for name in names}
        self.eval()

    def _node(self, onnx: ModuleType, node: Any) -> tuple[str, list[str], list[str], dict[str, Any]]:
        attributes = {a.name: self._attribute(onnx, a) for a in node.attribute}
        for given in ("value_float", "value_int", "value_floats", "value_ints"):
            if node.op_type == "Constant" and given in attributes:
                attributes["value"] = torch.tensor(attributes[given])
        if node.op_type == "Cast":
            numpy_type = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
            attributes["to"] = torch.from_numpy(onnx.numpy_helper.np.zeros(1, numpy_type)).dtype
        attributes |= {"opset": self.opset, "outputs": len(node.output)}
        return node.op_type, list(node.input), list(node.output), attributes

    @staticmethod
    def _attribute(onnx: ModuleType, attribute: Any) -> Any:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, onnx.TensorProto):
            return torch.from_numpy(onnx.numpy_helper.to_array(value).copy())
        return list(value) if not isinstance(value, (int, float, str)) else value

    def forward(self, pictures: Tensor) -> Any:
        values: dict[str, Any] = {"": None, self.source: pictures}
        values |= {name: getattr(self, buffer) for name, buffer in self.constants.items()}
        for at, (kind, names, results, attributes) in enumerate(self.nodes):
            attributes["batch"] = (self.batch, len(pictures))
            try:
                found = OPERATIONS[kind]([values[name] for name in names], attributes)
            except NotImplementedError as error:
                raise ModelError(f"this ONNX file uses {error}, which convsight cannot run") from error
            found = found if isinstance(found, (tuple, list)) else [found]
            values |= dict(zip(results, found, strict=False))
            for name in names:  # what nobody reads later is given back
                if self.last[name] == at and name and name not in self.constants and name not in self.targets:
                    values.pop(name, None)
        given = [values[name] for name in self.targets]
        return given[0] if len(given) == 1 else dict(zip(self.targets, given, strict=True))
