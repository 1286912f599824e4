"""Networks from ONNX files answer as the reference implementation of ONNX, and can be looked into."""

import sys

import numpy as np
import pytest
import torch
from tests.oracles.by_hand import gradient, hidden
from torch import nn

import convsight as cs
from convsight.bring.onnx_operations import OPERATIONS
from convsight.errors import DataNotFound, MissingExtra, ModelError

onnx = pytest.importorskip("onnx")
R = np.random.default_rng(0)
MAPS = R.normal(size=(2, 4, 7, 6)).astype(np.float32)
ROWS = R.normal(size=(2, 5, 6)).astype(np.float32)


def floats(*shape):
    return R.normal(size=shape).astype(np.float32)


def whole(*values):
    return np.array(values, dtype=np.int64)


CASES = [
    ("Conv", [MAPS, floats(6, 2, 3, 3), floats(6)], {"group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0]}),
    ("Conv", [MAPS, floats(6, 4, 3, 2)], {"pads": [0, 1, 2, 0], "dilations": [2, 1]}),
    ("Conv", [MAPS, floats(6, 4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", [MAPS, floats(6, 4, 2, 2)], {"auto_pad": "SAME_LOWER"}),
    ("MaxPool", [MAPS], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ("MaxPool", [MAPS], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [MAPS], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [MAPS], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1}),
    ("AveragePool", [MAPS], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}),
    ("GlobalAveragePool", [MAPS], {}),
    ("BatchNormalization", [MAPS, floats(4), floats(4), floats(4), abs(floats(4))], {"epsilon": 1e-3}),
    ("LayerNormalization", [ROWS, floats(6), floats(6)], {"epsilon": 1e-3}),
    ("InstanceNormalization", [MAPS, floats(4), floats(4)], {}),
    ("Gemm", [floats(2, 5), floats(3, 5), floats(3)], {"transB": 1}),
    ("Gemm", [floats(2, 5), floats(5, 3), floats(3)], {"alpha": 0.5, "beta": 2.0}),
    ("MatMul", [ROWS, floats(6, 3)], {}),
    ("Softmax", [ROWS], {"axis": 1}),
    ("Clip", [ROWS, np.float32(-0.5), np.float32(0.7)], {}),
    ("PRelu", [MAPS, floats(4, 1, 1)], {}),
    ("HardSigmoid", [ROWS], {"alpha": 0.25}),
    ("HardSwish", [ROWS], {}),
    ("Gelu", [ROWS], {}),
    ("ReduceMean", [MAPS, whole(2, 3)], {"keepdims": 0}),
    ("ReduceMax", [MAPS, whole(-1)], {}),
    ("ReduceL2", [ROWS, whole(1)], {}),
    ("Reshape", [MAPS, whole(0, -1, 6)], {}),
    ("Flatten", [MAPS], {"axis": 2}),
    ("Transpose", [ROWS], {"perm": [2, 0, 1]}),
    ("Squeeze", [MAPS[:1], whole(0)], {}),
    ("Unsqueeze", [ROWS, whole(0, -1)], {}),
    ("Slice", [MAPS, whole(1, -1), whole(10, -5), whole(2, 3), whole(2, -1)], {}),
    ("Gather", [ROWS, np.array([[0, -1], [2, 1]])], {"axis": 1}),
    ("Pad", [MAPS, whole(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0.5)], {}),
    ("Pad", [MAPS, whole(0, 0, 1, 2, 0, 0, 0, 1)], {"mode": "reflect"}),
    ("Expand", [floats(1, 5, 1), whole(2, 1, 6)], {}),
    ("DepthToSpace", [MAPS], {"blocksize": 2}),
    ("DepthToSpace", [MAPS], {"blocksize": 2, "mode": "CRD"}),
    ("ScatterND", [ROWS, np.array([[0], [1]]), floats(2, 5, 6)], {}),
    ("Concat", [ROWS, ROWS], {"axis": 1}),
    ("Div", [np.array([7, -7]), np.array([2, 2])], {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes"), CASES, ids=[f"{i} {c[0]}" for i, c in enumerate(CASES)]
)
def test_an_operation_is_that_of_the_reference(kind, inputs, attributes):
    from onnx.reference import ReferenceEvaluator

    names = [f"x{i}" for i in range(len(inputs))]
    node = onnx.helper.make_node(kind, names, ["y"], **attributes)
    kinds = [onnx.helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype) for x in inputs]
    described = [
        onnx.helper.make_tensor_value_info(n, k, np.asarray(x).shape)
        for n, k, x in zip(names, kinds, inputs, strict=True)
    ]
    out = onnx.helper.make_tensor_value_info("y", kinds[0], None)
    graph = onnx.helper.make_graph([node], "one", described, [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    wanted = ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))[0]
    values = [torch.from_numpy(np.asarray(x).copy()) for x in inputs]
    found = OPERATIONS[kind](values, {**attributes, "opset": 20, "outputs": 1, "batch": (0, 2)})
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(32, 3)

    def forward(self, x):
        maps = torch.relu(self.norm(self.one(x)))
        maps = nn.functional.adaptive_avg_pool2d(torch.relu(self.two(maps)), 2)
        return self.fc(maps.view(x.shape[0], -1))


def exported(path, free=True):
    torch.manual_seed(0)
    module = Small().eval()
    axes = {"x": {0: "n"}} if free else None
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(
            module, (torch.zeros(1, 3, 18, 18),), path, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes
        )  # fmt: skip
    return module


PIXELS = torch.rand(3, 3, 18, 18, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("form", ["{}", "onnx:{}"])
def test_scores_and_techniques_are_those_of_the_network_that_was_exported(tmp_path, free, form):
    module = exported(tmp_path / "m.onnx", free)
    net = cs.load(form.format(tmp_path / "m.onnx"))
    assert net.input_size == (18, 18) and any("From ONNX" in note for note in net.notes)

    def score(x):
        return module(x)[:, 1]

    torch.testing.assert_close(net.scores(PIXELS), module(PIXELS).detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        cs.saliency(net, PIXELS, target=1).per_channel, gradient(score, PIXELS), atol=1e-5, rtol=1e-3
    )
    found = cs.occlusion(net, PIXELS, target=1, patch=6, stride=6, fill="black").values.double()
    torch.testing.assert_close(found, hidden(score, PIXELS, 6, 6), atol=1e-5, rtol=1e-3)
    wanted = cs.gradcam(cs.Classifier(module, input_size=18), PIXELS, target=1)
    torch.testing.assert_close(cs.gradcam(net, PIXELS, target=1).values, wanted.values, atol=1e-5, rtol=1e-3)


def test_what_cannot_be_loaded_is_said(tmp_path, monkeypatch):
    with pytest.raises(DataNotFound, match="no ONNX file"):
        cs.load("absent.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\xff" * 30)
    with pytest.raises(ModelError, match="no readable ONNX"):
        cs.load(tmp_path / "bad.onnx")
    node = onnx.helper.make_node("NonMaxSuppression", ["x", "x"], ["y"])
    value = onnx.helper.make_tensor_value_info("x", 1, [1, 3, 4, 4])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [value])), tmp_path / "odd.onnx"
    )
    with pytest.raises(ModelError, match=r"uses NonMaxSuppression.*\.pt2"):
        cs.load(tmp_path / "odd.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"convsight\[onnx\]"):
        cs.load(tmp_path / "odd.onnx")


class Rounded(torch.autograd.Function):
    """Whole numbers between limits; the gradient passes where nothing is clipped."""

    @staticmethod
    def forward(ctx, x, scale, zero, low, high):
        whole = torch.round(x / scale) + zero
        ctx.save_for_backward((whole >= low) & (whole <= high))
        return (whole.clamp(low, high) - zero) * scale

    @staticmethod
    def backward(ctx, signal):
        (inside,) = ctx.saved_tensors
        return signal * inside, None, None, None, None


def quantised(path):
    """A network as `onnxruntime` quantises it statically, and the same by hand."""
    from onnx.reference import ReferenceEvaluator

    draw = np.random.default_rng(0)
    kernel, last = (
        draw.normal(0, size, shape).astype("f") for size, shape in ((0.3, (4, 3, 3, 3)), (0.5, (4, 3)))
    )
    whole = np.clip(np.round(kernel / 0.01), -127, 127).astype("int8")
    constants = {
        "a": np.float32(1 / 255), "az": np.uint8(0), "b": np.float32(0.02), "bz": np.uint8(128), "w": whole,
        "ws": np.float32(0.01), "wz": np.int8(0), "last": last,
    }  # fmt: skip
    node = onnx.helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "a", "az"], ["q"]), node("DequantizeLinear", ["q", "a", "az"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]), node("Conv", ["d", "wd"], ["c"]),
        node("QuantizeLinear", ["c", "b", "bz"], ["cq"]), node("DequantizeLinear", ["cq", "b", "bz"], ["cd"]),
        node("Relu", ["cd"], ["r"]), node("GlobalAveragePool", ["r"], ["g"]), node("Flatten", ["g"], ["f"]),
        node("MatMul", ["f", "last"], ["y"]),
    ]  # fmt: skip
    value = onnx.helper.make_tensor_value_info
    ends = value("x", 1, ["n", 3, 18, 18]), value("y", 1, ["n", 3])
    held = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = onnx.helper.make_graph(nodes, "g", [ends[0]], [ends[1]], held)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, path)
    weights = torch.tensor(whole).float() * 0.01

    def by_hand(x):
        maps = torch.nn.functional.conv2d(Rounded.apply(x, 1 / 255, 0, 0, 255), weights)
        return torch.relu(Rounded.apply(maps, 0.02, 128, 0, 255)).mean((2, 3)) @ torch.tensor(last)

    return by_hand, lambda x: torch.tensor(ReferenceEvaluator(model).run(None, {"x": x.numpy()})[0])


def test_a_quantised_file_is_exact_and_its_gradient_passes_the_rounding(tmp_path):
    by_hand, reference = quantised(tmp_path / "q.onnx")
    net = cs.load(tmp_path / "q.onnx")
    assert "quantised (static)" in net.notes[1]
    torch.testing.assert_close(net.scores(PIXELS), reference(PIXELS), atol=1e-6, rtol=1e-5)
    wanted = gradient(lambda x: by_hand(x)[:, 1], PIXELS)
    assert float(wanted.abs().max()) > 0
    torch.testing.assert_close(cs.saliency(net, PIXELS, target=1).per_channel, wanted, atol=1e-7, rtol=1e-4)
    found = cs.occlusion(net, PIXELS, target=1, patch=6, stride=6, fill="black").values.double()
    torch.testing.assert_close(
        found, hidden(lambda x: reference(x)[:, 1], PIXELS, 6, 6), atol=1e-6, rtol=1e-4
    )
