"""What does a convolution with a kernel made by hand find in a picture?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import torch
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.imaging.fitting import fit_pixels
from convsight.imaging.hand_filters import Kernel, kernels
from convsight.method import Method, knob
from convsight.results import draw, plot
from convsight.results.kinds import Pictures

MOST_WRITTEN = 7  # kernels up to 7×7 have their numbers written into the cells
MOST_DRAWN = 8  # pictures that are drawn; `values` has all
MAP_INCHES = 2.5
PLANES = ("red", "green", "blue")


@dataclass(frozen=True)
class Convolve(Method):
    """Which places of a picture answer to a filter: hand-made edge, blur and colour kernels on your picture.

    The kernel slides over the picture; at each place the feature map is
    `map[y, x] = Σ_c Σ_i Σ_j kernel[c, i, j] · picture[c, y·stride + i, x·stride + j]`, a sum over channels.
    This is cross-correlation, as in every CNN: the kernel is not flipped. ReLU then keeps what is above zero.
    Lighter places of the last column are where the pattern was found.

    A flat kernel looks at the picture in grey, a kernel with three grids (red | green | blue) at its colours.

    `kernels`: names ("sobel-x, blur"), a group ("lesson": the four 4×4 edge filters; "sobel", "classic",
    "colour") or typed numbers ("-1 0 1; -2 0 2; -1 0 1"). `stride` skips places (a smaller map), `padding`
    adds rows and columns of zeros (a larger map; black borders then count as edges), `relu` shows the third
    column.

    Returns Pictures; `values` n m h' w' are the raw maps of the m kernels (before ReLU, signed), with
    `h' = ⌊(h + 2·padding − kernel height) ÷ stride⌋ + 1`. Raises InputError for an unknown kernel and for one
    larger than the picture. The picture is used at its own resolution; no network is needed.

    >>> import torch
    >>> result = Convolve(kernels="sobel-x")(torch.linspace(0, 1, 8).expand(1, 1, 8, 8))
    >>> result.values.shape, round(float(result.values.mean()), 3)     # 8 × (slope of 1/7) × distance 2 ÷ 2
    (torch.Size([1, 1, 6, 6]), 1.143)
    """

    title = "Convolution with hand-made kernels"
    kind = Pictures
    source = "Sobel & Feldman 1968; LeCun et al. 1989, Neural Computation 1(4)"

    kernels: str = knob("lesson", 'names, a group, or typed numbers "-1 0 1; -2 0 2; -1 0 1"')
    relu: bool = knob(True, "also show the map after ReLU, which keeps what is above zero")
    stride: int = knob(1, "moves the kernel further at each step and makes the map smaller", unit="px", low=1)
    padding: int = knob(0, "adds a border of zeros and makes the map larger", unit="px", low=0, high=64)

    def compute(self, images: Images) -> Pictures:
        chosen = kernels(self.kernels)
        maps = [feature_map(images.pixels, kernel, self.stride, self.padding) for kernel in chosen]
        shown = range(min(len(images), MOST_DRAWN))
        figures = [self._figure(images.pixels[i], chosen, [m[i] for m in maps]) for i in shown]
        same = len({m.shape for m in maps}) == 1
        drawn = torch.stack([plot.as_pixels(figure) for figure in figures])
        return Pictures(
            images=drawn,
            values=torch.stack(maps, 1) if same else torch.stack(_padded(maps), 1),
            columns=1,
            tile_px=drawn.shape[2],
            captions=images.ids if len(images) > 1 else (),
            caption=_reading(self.relu),
            notes=_notes(chosen, maps, same, images),
        )

    def _figure(self, picture: Tensor, chosen: tuple[Kernel, ...], maps: list[Tensor]) -> Figure:
        tall = min(MAP_INCHES * picture.shape[1] / picture.shape[2], 1.3 * MAP_INCHES)
        heights = [max(tall, 0.9 * len(kernel.weights) - 0.05, 1.45) + 0.6 for kernel in chosen]
        made = plot.figure(7.75 + 3.3 * self.relu, sum(heights))
        for row, (kernel, values) in enumerate(zip(chosen, maps, strict=True)):
            top = sum(heights[:row]) + 0.3
            self._show_picture(plot.place(made, 0.05, top, MAP_INCHES, tall), picture, kernel, values)
            _show_kernel(made, 3.05 if len(kernel.weights) == 3 else 2.85, top, kernel)
            limit = plot.bright(values)
            _show_map(made, 4.55, top, tall, values, "RdBu_r", limit, "feature map")
            if self.relu:
                _show_map(made, 7.85, top, tall, values.relu(), "gray", limit, "after ReLU")
        return made

    def _show_picture(self, axes: Any, picture: Tensor, kernel: Kernel, values: Tensor) -> None:
        """The picture with the window of the strongest answer outlined."""
        style = "nearest" if picture.shape[1] < 100 else "antialiased"
        axes.imshow(draw.rgb(picture), interpolation=style)
        y, x = divmod(int(values.argmax()), values.shape[1])
        top, left = y * self.stride - self.padding, x * self.stride - self.padding
        room = max(0.0, picture.shape[2] / 28 - kernel.weights.shape[2]) / 2  # so that it is seen on photos
        tall, wide = kernel.weights.shape[1] + 2 * room, kernel.weights.shape[2] + 2 * room
        corner = (left - 0.5 - room, top - 0.5 - room)
        axes.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor="white", linewidth=3.2))
        axes.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor="#D55E00", linewidth=1.6))
        axes.set_title(f"picture {picture.shape[1]}×{picture.shape[2]}", fontsize=10, loc="left")
        strongest = f"strongest: {draw.number(float(values.max()))} at row {y}, column {x}"
        axes.text(0, -0.03, strongest, transform=axes.transAxes, va="top", fontsize=8, color="#B34700")
        axes.set(xlim=(-0.5, picture.shape[2] - 0.5), ylim=(picture.shape[1] - 0.5, -0.5), anchor="NW")
        axes.axis("off")


def feature_map(
    pixels: Float[Tensor, "n c h w"], kernel: Kernel, stride: int = 1, padding: int = 0
) -> Float[Tensor, "n h2 w2"]:
    """The raw map: products of kernel and pixels summed over rows, columns and channels."""
    planes, tall, wide = kernel.weights.shape
    height, width = (side + 2 * padding for side in pixels.shape[2:])
    if tall > height or wide > width:
        raise InputError(
            f"the kernel {kernel.name} is {tall}×{wide} and does not fit into a picture of {height}×{width}; "
            "take a larger picture, a smaller kernel, or more padding"
        )
    fitted = fit_pixels(draw.visible(pixels), None, planes)
    return F.conv2d(fitted, kernel.weights[None], stride=stride, padding=padding)[:, 0]


def _padded(maps: list[Tensor]) -> list[Tensor]:
    """Maps of different sizes in one tensor: NaN where a smaller map has no value (below and right)."""
    height, width = max(m.shape[1] for m in maps), max(m.shape[2] for m in maps)
    return [F.pad(m, (0, width - m.shape[2], 0, height - m.shape[1]), value=torch.nan) for m in maps]


def _show_kernel(made: Figure, left: float, top: float, kernel: Kernel) -> None:
    several = len(kernel.weights) == 3
    limit, most = float(kernel.weights.abs().max()) or 1.0, max(kernel.weights.shape[1:])
    side = 0.82 if several else 1.45
    size = min(10.0, 42 * side / most) if most <= MOST_WRITTEN else 0
    made.text(
        left / made.get_figwidth(),
        1 - (top - 0.07) / made.get_figheight(),
        kernel.name,
        weight="bold",
        size=10,
    )
    for plane, grid in enumerate(kernel.weights):
        axes = plot.place(made, left, top + plane * (side + 0.08), side, side)
        plot.number_grid(axes, grid, signed=True, limit=limit, size=size)
        axes.set_anchor("NW")
        if several:
            axes.text(
                -0.08, 0.5, PLANES[plane], transform=axes.transAxes, ha="right", va="center", fontsize=8
            )


def _show_map(
    made: Figure, left: float, top: float, tall: float, values: Tensor, colours: str, limit: float, name: str
) -> None:
    axes = plot.place(made, left, top, MAP_INCHES, tall)
    low, palette = -limit if colours == "RdBu_r" else 0.0, matplotlib.colormaps[colours]
    style = "nearest" if values.shape[0] < 100 else "antialiased"
    shown = axes.imshow(values.numpy(), cmap=palette, vmin=low, vmax=limit, interpolation=style)
    axes.set_title(f"{name} {values.shape[0]}×{values.shape[1]}", fontsize=10, loc="left")
    axes.set(xticks=[], yticks=[], anchor="NW")
    for spine in axes.spines.values():
        spine.set(edgecolor="#d0d0d6", visible=True)
    ticks = sorted({low, 0.0, limit})
    wide = min(MAP_INCHES, tall * values.shape[1] / values.shape[0])
    bar = made.colorbar(shown, cax=plot.place(made, left + wide + 0.07, top, 0.09, tall), ticks=ticks)
    words = {limit: "≥ ", -limit: "≤ "} if values.abs().max() > limit else {}
    bar.ax.set_yticklabels([words.get(tick, "") + draw.number(tick) for tick in ticks], fontsize=8)
    bar.ax.tick_params(length=2, pad=2)
    bar.outline.set_visible(False)  # type: ignore[operator]


def _reading(relu: bool) -> str:
    raw = "Feature map: red where the pattern was found, blue where its opposite was, white where neither."
    return raw + (" After ReLU only what was found is left: lighter is a stronger match." if relu else "")


def _notes(chosen: tuple[Kernel, ...], maps: list[Tensor], same: bool, images: Images) -> tuple[str, ...]:
    lines = [f"{kernel.name} finds {kernel.finds}." for kernel in chosen]
    lines.append(
        "The kernel is not flipped (cross-correlation, as in CNNs); a map is the sum over its channels."
    )
    if images.channels == 3 and any(len(kernel.weights) == 1 for kernel in chosen):
        lines.append("Flat kernels look at the picture in grey (0.299 red + 0.587 green + 0.114 blue).")
    if images.channels == 1 and any(len(kernel.weights) == 3 for kernel in chosen):
        lines.append(
            "This picture is grey: its red, green and blue are equal, so colour kernels find little."
        )
    if not same:
        lines.append("The kernels differ in size, so their maps do: `values` has NaN where a map has ended.")
    if len(images) > MOST_DRAWN:
        lines.append(f"Drawn are the first {MOST_DRAWN} of {len(images):,} pictures; `values` has all.")
    return tuple(lines)
