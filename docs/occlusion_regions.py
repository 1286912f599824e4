"""Draw how far the change behind a hidden patch reaches, layer by layer: docs/occlusion_regions.png.

The colours are measured: how much each cell of a VGG-shaped network with random weights differs between the
clean and the masked picture. The frames are worked out from the layers' geometry alone.

    python docs/occlusion_regions.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch import nn

import convsight as cs
from convsight.datasets import dataset
from convsight.occluding.occluders import Occluders
from convsight.occluding.regions import changed_by, sides_of
from convsight.occluding.trace import program_of
from convsight.results import plot
from convsight.results.draw import png

SIZE, PATCH, STRIDE = 112, 16, 8
CONVOLUTIONS = (0, 1, 3, 4, 5)  # those that are drawn, counted from zero
WIDTHS = (16, "pool", 32, "pool", 48, 48, "pool", 64, 64, "pool", 64)


def network() -> cs.Classifier:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 1
    for width in WIDTHS:
        if isinstance(width, int):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight)
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return cs.Classifier(nn.Sequential(*layers, *head), input_size=SIZE, channels=1)


def main() -> None:
    net = network()
    garment = dataset("drawn-garments").test[4].pixels
    picture = F.interpolate(garment, size=(SIZE, SIZE), mode="bilinear").clamp(0, 1)
    occluders = Occluders.sliding((SIZE, SIZE), (PATCH, PATCH), (STRIDE, STRIDE))
    columns = occluders.grid[1]
    program = program_of(net)
    assert program is not None
    shown = [layer for layer in net.layers.maps() if layer.kind == "relu"]
    shown = [shown[i] for i in CONVOLUTIONS]
    with torch.no_grad():
        clean = program.run(picture, [layer.index for layer in shown])
    with matplotlib.rc_context(plot.STYLE):
        figure = plot.figure(11.6, 4.6)
        grid = figure.subplots(2, 1 + len(shown))
        for axes, place, words in zip(
            grid, (columns * 5 + 4, 0), ("patch in the middle", "patch in the corner"), strict=True
        ):
            draw_row(axes, net, program, occluders, place, words, picture, shown, clean)
        image = plot.pixels(figure)
    path = Path(__file__).with_suffix(".png")
    path.write_bytes(png(image))
    print(path, path.stat().st_size // 1024, "KiB")


def draw_row(axes, net, program, occluders, place, words, picture, shown, clean) -> None:
    hidden = occluders.hide(picture[0], torch.full_like(picture[0], 0.5), np.array([place]))
    with torch.no_grad():
        masked = program.run(hidden, [layer.index for layer in shown])
    axes[0].imshow(hidden[0, 0], cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(words, fontsize=9)
    for ax, layer in zip(axes[1:], shown, strict=True):
        change = (masked[layer.index] - clean[layer.index])[0].abs().mean(0)
        ax.imshow((change / change.max()) ** 0.5, cmap="magma", vmin=0, vmax=1)
        changed = changed_by(sides_of(occluders), program.steps[layer.index].field)
        low, high = ([int(side[a][place]) for a in (0, 1)] for side in (changed.low, changed.high))
        frame(ax, low, [b - a for a, b in zip(low, high, strict=True)], "#56B4E9", "-")
        window = changed.window(slice(None))
        at = [int(span.at[place]) for span in (window.rows, window.columns)]
        frame(ax, at, [window.rows.size, window.columns.size], "#ffffff", ":")
        share = window.area / (changed.extent[0] * changed.extent[1])
        size = "×".join(map(str, changed.extent))
        number = CONVOLUTIONS[shown.index(layer)] + 1
        ax.set_title(f"convolution {number}, {size}\nwindow {share:.0%} of it", fontsize=9)
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])


def frame(ax, at, size, colour, style) -> None:
    corner = (at[1] - 0.5, at[0] - 0.5)
    ax.add_patch(
        Rectangle(corner, size[1], size[0], fill=False, edgecolor=colour, linestyle=style, linewidth=1.8)
    )


if __name__ == "__main__":
    main()
