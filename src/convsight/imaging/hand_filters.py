"""Which image filters did people design by hand, before networks learned theirs?

A kernel is a small grid of weights that slides over the picture; at each place the products of weights and
pixels are summed. Kernels here are flat (one grid, for grey pictures) or have three grids: red, green, blue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, closest


@dataclass(frozen=True, eq=False)
class Kernel:
    """One filter: its name, what it finds, and weights c kh kw (c = 1 for grey, 3 for red, green, blue)."""

    name: str
    finds: str
    weights: Float[Tensor, "c kh kw"]


def _flat(name: str, finds: str, rows: list[list[float]], scale: float = 1.0) -> Kernel:
    return Kernel(name, finds, torch.tensor([rows], dtype=torch.float32) * scale)


_EDGE = [[-1.0, -1.0, 1.0, 1.0]] * 4
_TURNED = [list(column) for column in zip(*_EDGE, strict=True)]
_SOBEL = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
_SOBEL_TURNED = [list(column) for column in zip(*_SOBEL, strict=True)]


def _negative(rows: list[list[float]]) -> list[list[float]]:
    return [[-weight for weight in row] for row in rows]


def _colour(name: str, finds: str, planes: list[list[list[float]]]) -> Kernel:
    return Kernel(name, finds, torch.tensor(planes))


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _flat("vertical", "vertical edges, dark on the left, light on the right", _EDGE),
        _flat("vertical-flipped", "vertical edges, light on the left, dark on the right", _negative(_EDGE)),
        _flat("horizontal", "horizontal edges, dark above and light below", _TURNED),
        _flat("horizontal-flipped", "horizontal edges, light above and dark below", _negative(_TURNED)),
        _flat("sobel-x", "how fast the picture brightens to the right", _SOBEL),
        _flat("sobel-y", "how fast the picture brightens downwards", _SOBEL_TURNED),
        _flat("high-pass", "what differs from its eight neighbours: edges, corners, fine detail",
              [[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]]),
        _flat("laplacian", "where brightness bends: thin lines and spots",
              [[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]),
        _flat("blur", "the average of a 5×5 neighbourhood", [[1.0] * 5] * 5, 1 / 25),
        _flat("gaussian", "a soft average, the centre counting most",
              [[a * b for b in (1.0, 4.0, 6.0, 4.0, 1.0)] for a in (1.0, 4.0, 6.0, 4.0, 1.0)], 1 / 256),
        _flat("sharpen", "the picture with its differences added",
              [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]),
        _flat("emboss", "the picture as a relief, lit from the lower right",
              [[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]),
        _flat("identity", "the picture itself", [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
        _colour("red-not-cyan", "places redder than they are green and blue",
                [[[2.0] * 3] * 3, [[-1.0] * 3] * 3, [[-1.0] * 3] * 3]),
        _colour("blue-not-yellow", "places bluer than they are red and green",
                [[[-1.0] * 3] * 3, [[-1.0] * 3] * 3, [[2.0] * 3] * 3]),
        _colour("green-to-red", "vertical borders with green on the left and red on the right",
                [_SOBEL, _negative(_SOBEL), [[0.0] * 3] * 3]),
    )
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "lesson": ("vertical", "vertical-flipped", "horizontal", "horizontal-flipped"),
    "sobel": ("sobel-x", "sobel-y"),
    "classic": ("sobel-x", "sobel-y", "high-pass", "blur", "sharpen", "emboss"),
    "colour": ("red-not-cyan", "blue-not-yellow", "green-to-red"),
}


def kernels(text: str) -> tuple[Kernel, ...]:
    """The kernels that a text asks for: names, groups, or typed numbers.

    Names and groups are separated by commas ("sobel-x, blur", "lesson"). Typed numbers are rows separated by
    semicolons ("-1 0 1; -2 0 2; -1 0 1"); three grids separated by "|" are a colour kernel: red | green |
    blue. Raises InputError for unknown names (with the closest), ragged rows and what is not a number.

    >>> kernels("1 0; 0 -1")[0].weights.tolist()
    [[[1.0, 0.0], [0.0, -1.0]]]
    >>> [k.name for k in kernels("sobel, blur")]
    ['sobel-x', 'sobel-y', 'blur']
    """
    text = text.strip()
    if re.match(r"[-+−.\d|;]", text):
        return (_typed(text),)
    names = [name.strip().lower().replace("_", "-") for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("no kernel was given", works=closest("", [*GROUPS, *KERNELS], most=30))
    return tuple(kernel for name in names for kernel in _named(name))


def _named(name: str) -> tuple[Kernel, ...]:
    if name in GROUPS:
        return tuple(KERNELS[each] for each in GROUPS[name])
    if name not in KERNELS:
        hint = closest(name, [*GROUPS, *KERNELS], most=30)
        raise InputError(f'no kernel {name!r}; {hint}. Or type the numbers: "-1 0 1; -2 0 2; -1 0 1"')
    return (KERNELS[name],)


def _typed(text: str) -> Kernel:
    planes = [_grid(plane, text) for plane in text.split("|")]
    shapes = {(len(grid), len(grid[0])) for grid in planes}
    if len(planes) not in (1, 3):
        raise InputError(f"a kernel has 1 grid (grey) or 3 (red | green | blue), not {len(planes)}: {text!r}")
    if len(shapes) > 1:
        sizes = ", ".join(f"{h}×{w}" for h, w in sorted(shapes))
        raise InputError(f"the three grids of a colour kernel have one size, not {sizes}: {text!r}")
    return Kernel("typed", "the pattern of these numbers", torch.tensor(planes))


def _grid(plane: str, text: str) -> list[list[float]]:
    rows = [row.replace(",", " ").split() for row in plane.strip().strip(";").split(";")]
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise InputError(f"every row of a kernel needs as many numbers; the rows of {text!r} have {lengths}")
    return [[_number(word, text) for word in row] for row in rows]


def _number(word: str, text: str) -> float:
    try:
        number = float(word.replace("−", "-"))
    except ValueError:
        raise InputError(
            f'{word!r} in the kernel {text!r} is not a number; "0 1; 1 0" would be two rows'
        ) from None
    if abs(number) > 1e6 or number != number:
        raise InputError(f"{word!r} in the kernel {text!r} is not a weight between −1e6 and 1e6")
    return number
