"""How is an exported file used? Ten lines that run."""

from __future__ import annotations

from convsight.network.classifier import Classifier

PICTURE = """\
import numpy as np
from PIL import Image, ImageOps
picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert({mode!r})
picture = {fitted}
pixels = np.asarray(picture, np.float32).reshape({h}, {w}, {c}).transpose(2, 0, 1)[None] / 255  # 1 × {c} × {h} × {w}
"""
FITTED = {  # as `imaging.fitting` fits pictures of another shape
    "crop": "ImageOps.fit(picture, ({w}, {h}), Image.Resampling.BILINEAR)  # the middle",
    "pad": "ImageOps.pad(picture, ({w}, {h}), Image.Resampling.BILINEAR)",
    "stretch": "picture.resize(({w}, {h}), Image.Resampling.BILINEAR)",
}
SCORES = {
    ".onnx": """\
import onnxruntime
session = onnxruntime.InferenceSession({file!r})
(scores,) = session.run(["scores"], {{"pixels": pixels}})
""",
    ".pt2": """\
import torch
program = torch.export.load({file!r}).module(check_guards=False)
scores = program(torch.from_numpy(pixels)).detach().numpy()
""",
    ".safetensors": """\
import torch, convsight as cs
net = cs.load({source!r}, weights={file!r})  # classes and normalisation are in the file
scores = net.scores(torch.from_numpy(pixels)).numpy()
""",
}
ANSWER = {
    "classify": "print({classes}[int(scores[0].argmax())])",
    "binary": "print({classes}[int(scores[0].argmax())])",
    "multilabel": "print([name for name, score in zip({classes}, scores[0]) if score > 0])",
}


def usage(
    net: Classifier, file: str, suffix: str, source: str = "file.py:function", fit: str = "crop"
) -> str:
    """Python lines that answer one picture with the exported `file`.

    source: what builds the network of .safetensors. fit: how pictures of another shape fill the input, as in training.
    """
    h, w = net.input_size
    if net.channels not in (1, 3):
        picture = f"import numpy as np\npixels = np.load('picture.npy')[None]  # 1 × {net.channels} × {h} × {w}, float32 in [0, 1]\n"
    else:
        fitted = FITTED[fit].format(w=w, h=h)
        picture = PICTURE.format(
            mode="RGB" if net.channels == 3 else "L", w=w, h=h, c=net.channels, fitted=fitted
        )
    names = list(net.classes) if len(net.classes) <= 20 else "classes"
    answer = ANSWER.get(net.task, "print(dict(zip({classes}, scores[0])))").format(classes=names)
    return picture + SCORES[suffix].format(file=file, source=source) + answer + "\n"
