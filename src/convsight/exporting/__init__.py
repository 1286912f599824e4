"""How does a network become a file that other programs run, with its answers unchanged?"""

from convsight.exporting.onnx import OPSET, Exported, to_onnx

__all__ = ["OPSET", "Exported", "to_onnx"]
