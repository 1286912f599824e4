"""What do the lesson's nets compute, forwards and backwards, written out in numpy with no gradient library?

conv → ReLU → pool → conv → ReLU → pool → linear (→ ReLU → linear), float64, one picture at a time. The
backward pass is by hand, with the ReLU rule as a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


def relu_back(rule: str, x: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """What a ReLU with input x hands back: Springenberg et al. 2014, figure 1c."""
    if rule == "gradient":
        return signal * (x > 0)
    if rule == "deconvnet":
        return signal * (signal > 0)
    return signal * (x > 0) * (signal > 0)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Valid cross-correlation of c h w with filters o c k k."""
    k = weight.shape[2]
    rows, columns = x.shape[1] - k + 1, x.shape[2] - k + 1
    out = np.zeros((len(weight), rows, columns))
    for dy in range(k):
        for dx in range(k):
            window = x[:, dy : dy + rows, dx : dx + columns]
            out += np.tensordot(weight[:, :, dy, dx], window, axes=1)
    return out + bias[:, None, None]


def convolve_back(signal: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every output adds its signal, times the filter, to the inputs that it saw."""
    back = np.zeros(shape)
    k = weight.shape[2]
    for y in range(signal.shape[1]):
        for x in range(signal.shape[2]):
            back[:, y : y + k, x : x + k] += np.tensordot(signal[:, y, x], weight, axes=1)
    return back


def pool(x: np.ndarray) -> np.ndarray:
    """2×2 maxima; an odd last row or column is dropped."""
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    return np.array(
        [
            [[c[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(columns)] for i in range(rows)]
            for c in x
        ]
    )


def pool_back(x: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """To the switch: the first place, in reading order, of each window's maximum."""
    back = np.zeros_like(x)
    for c, i, j in np.ndindex(signal.shape):
        window = x[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        dy, dx = np.unravel_index(window.argmax(), window.shape)
        back[c, 2 * i + dy, 2 * j + dx] += signal[c, i, j]
    return back


@dataclass
class NumpyNet:
    """A lesson net from its weights; `forward` keeps every layer's input for `backward`."""

    weights: dict[str, np.ndarray]
    kept: dict[str, np.ndarray] = field(default_factory=dict)

    def forward(self, picture: np.ndarray) -> np.ndarray:
        w, kept = self.weights, self.kept
        kept["picture"] = picture
        kept["conv1"] = convolve(picture, w["conv1.weight"], w["conv1.bias"])
        kept["relu1"] = np.maximum(kept["conv1"], 0)
        kept["pool1"] = pool(kept["relu1"])
        kept["conv2"] = convolve(kept["pool1"], w["conv2.weight"], w["conv2.bias"])
        kept["relu2"] = np.maximum(kept["conv2"], 0)
        kept["pool2"] = pool(kept["relu2"])
        kept["fc1"] = w["fc1.weight"] @ kept["pool2"].ravel() + w["fc1.bias"]
        if "fc2.weight" not in w:
            return kept["fc1"]
        return w["fc2.weight"] @ np.maximum(kept["fc1"], 0) + w["fc2.bias"]

    def backward(self, rule: str, output: int) -> np.ndarray:
        """From one score, seeded with 1, to the pixels."""
        w, kept = self.weights, self.kept
        signal = np.eye(len(w["fc1.bias"]))[output] if "fc2.weight" not in w else w["fc2.weight"][output]
        if "fc2.weight" in w:
            signal = relu_back(rule, kept["fc1"], signal)
        signal = (signal @ w["fc1.weight"]).reshape(kept["pool2"].shape)
        return self.from_conv2(rule, relu_back(rule, kept["conv2"], pool_back(kept["relu2"], signal)))

    def backward_unit(self, rule: str, channel: int) -> np.ndarray:
        """From conv2's largest cell in a channel: seeded with 1, or with its value for a deconvnet."""
        maps = self.kept["conv2"]
        y, x = np.unravel_index(maps[channel].argmax(), maps[channel].shape)
        signal = np.zeros_like(maps)
        signal[channel, y, x] = max(maps[channel, y, x], 0) if rule == "deconvnet" else 1
        return self.from_conv2(rule, signal)

    def from_conv2(self, rule: str, signal: np.ndarray) -> np.ndarray:
        w, kept = self.weights, self.kept
        signal = convolve_back(signal, w["conv2.weight"], kept["pool1"].shape)
        signal = relu_back(rule, kept["conv1"], pool_back(kept["relu1"], signal))
        return convolve_back(signal, w["conv1.weight"], kept["picture"].shape)
