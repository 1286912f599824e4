"""How does a classifier become an ONNX file that takes pictures in [0, 1] and gives its scores?

PyTorch's own exporter does the work. Normalisation is inside the file, and any layer's value can be an output beside
the scores: the exported pass is the classifier's own, with the layers recorded. The gradient at the pixels can be one too
(`backward`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convsight.errors import InputError, ModelError, required
from convsight.exporting.backward import GUIDED, with_gradients
from convsight.exporting.half_weights import halve
from convsight.exporting.program import described, first_line, quiet, traced
from convsight.network.classifier import Classifier
from convsight.network.operations import CLIPPERS, RECTIFIERS
from convsight.storage import write_atomic

OPSET = 18  # the newest operator set that every runtime of the last three years reads
PICTURES, SCORES = "pixels", "scores"  # the file's input and first output
NEEDED = ("onnx", "onnxscript")


@dataclass(frozen=True)
class Exported:
    """An ONNX file in memory. Its input `pixels` is n c h w in [0, 1]; its outputs are `scores` n k, then `layers`.

    gradients: further outputs n c h w behind these, where they were wanted and can be had: `backward.GRADIENT`, of
    the scores weighted by the input `backward.TOWARD`, and `backward.GUIDED`. notes: what was chosen on the way, in
    sentences; lacks: which gradients cannot be had, and why.
    """

    content: bytes
    layers: tuple[str, ...] = ()
    opset: int = OPSET
    notes: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def save(self, path: str | Path) -> Path:
        return write_atomic(path, self.content)


def to_onnx(
    net: Classifier,
    *,
    layers: Sequence[str] = (),
    batch: int | None = None,
    half: bool = False,
    gradients: bool = False,
) -> Exported:
    """The network as ONNX (operator set 18): pictures in [0, 1] go in, the numbers of `net.scores` come out.

    layers: names of layers (`net.layers`) whose values come out too, each as an output of that name. batch: how many
    pictures the file takes at once; None: any number, or 1 where the network must answer each picture alone.
    half: keep large weights as float16, which halves the file; the file still computes in
    float32. gradients: the gradient at the pixels comes out too (see `Exported`), unless one of the network's operations
    has no derivative here; `lacks` names it then.

    Raises MissingExtra without `convsight[live]`, InputError for a layer that does not exist or a batch below 1, and
    ModelError, which names the operation, for a network that ONNX cannot express.

    >>> import convsight as cs, torch                                                 # doctest: +SKIP
    >>> net = cs.load("runs/demo")                                                    # doctest: +SKIP
    >>> to_onnx(net, layers=["conv1"]).save("demo.onnx")                              # doctest: +SKIP
    """
    for package in NEEDED:
        required(package, "live", "writing an ONNX file")
    if batch is not None and batch < 1:
        raise InputError(
            f"batch is the number of pictures that the file takes at once, 1 or more, not {batch}"
        )
    named = tuple(net.layers[name].name for name in layers)
    notes = [f"ONNX operator set {OPSET}, weights in {'float16' if half else 'float32'}."]
    if batch is None and net.habits.one_by_one:
        batch = 1
        notes.append("The file takes one picture at a time, because this network answers each picture alone.")
    model = _named_safely(_translated(net, traced(net, "to ONNX", named, batch), named), named)
    backs, lacks = _with_gradients(model, net) if gradients else ((), ())
    _describe(model, net)
    if half:
        halve(model)
    return Exported(model.SerializeToString(), named, OPSET, tuple(notes), backs, lacks)


def _with_gradients(model: Any, net: Classifier) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The outputs that were added, and what is missing, in a sentence."""
    rectifiers = sum(layer.kind in RECTIFIERS | CLIPPERS for layer in net.layers.values())
    try:
        made = with_gradients(model, PICTURES, SCORES, rectifiers)
    except ModelError as error:
        return (), (f"No saliency and no guided backpropagation: {error.what}.",)
    if GUIDED in made:
        return made, ()
    why = "not every ReLU of the network can be seen in it" if rectifiers else "the network has no ReLU"
    return made, (f"No guided backpropagation: {why}.",)


def _translated(net: Classifier, program: Any, layers: Sequence[str]) -> Any:
    """The program as an ONNX model; ModelError naming the operation that ONNX does not have."""
    try:
        with quiet():
            made = torch.onnx.export(
                program, dynamo=True, input_names=[PICTURES], output_names=[SCORES, *layers],
                opset_version=OPSET, verbose=False,
            )  # fmt: skip
    except Exception as error:
        missing = _operation(error)
        what = f"ONNX has no operation {missing!r}" if missing else first_line(error)
        raise ModelError(f"{net.name} cannot be exported to ONNX: {what}") from error
    assert made is not None
    return made.model_proto


def _operation(error: BaseException | None) -> str:
    """The operation's name in the exporter's error, which keeps it in its words alone."""
    while error is not None:
        found = re.search(r"No ONNX function found for <OpOverload\(op='(?:aten\.)?([\w.]+)'", str(error))
        if found:
            return found[1]
        error = error.__cause__
    return ""


def _named_safely(model: Any, layers: Sequence[str]) -> Any:
    """The model with every inner value renamed, so that none has the name of a layer, and the batch axis called n."""
    kept = {PICTURES, SCORES, *layers, ""}
    given = {each.name for each in (*model.graph.input, *model.graph.initializer)} - kept
    made = {name for node in model.graph.node for name in node.output} - kept
    new = {name: f"v{i}" for i, name in enumerate((*sorted(given), *sorted(made)))}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new.get(name, name) for name in names]
    for each in (*model.graph.initializer, *model.graph.value_info):
        each.name = new.get(each.name, each.name)
    for each in (*model.graph.input, *model.graph.output):
        first = next(iter(each.type.tensor_type.shape.dim), None)
        if first is not None and first.dim_param:
            first.dim_param = "n"
    return model


def _describe(model: Any, net: Classifier) -> None:
    """Say in the file itself what it answers, in JSON as `from_onnx` reads it, and not where it was made."""
    graph = model.graph
    for each in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del each.metadata_props[:]  # the exporter writes stack traces there, with the paths of this machine
    for name, value in described(net).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, json.dumps(value)
    model.producer_name, model.doc_string = "convsight", ""
