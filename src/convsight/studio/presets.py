"""Which hand-made kernels does the playground offer? This prints them for the page.

python -m convsight.studio.presets > web/src/gen/kernels.json
"""

from __future__ import annotations

import json

from convsight.imaging.hand_filters import KERNELS, Kernel


def presets() -> list[dict[str, str]]:
    """Every kernel made by hand: its name, what it finds, and its numbers as `convsight.imaging.hand_filters` reads them."""
    return [
        {"name": name, "finds": kernel.finds, "text": kernel_text(kernel)} for name, kernel in KERNELS.items()
    ]


def kernel_text(kernel: Kernel) -> str:
    """A kernel's numbers as text: cells separated by spaces, rows by semicolons, grids by bars.

    >>> from convsight.imaging.hand_filters import kernels
    >>> kernel_text(kernels("-1 0 1; -2 0 2; -1 0 1")[0])
    '-1 0 1; -2 0 2; -1 0 1'
    """
    grids = [
        [" ".join(f"{weight:.7g}" for weight in row) for row in grid] for grid in kernel.weights.tolist()
    ]
    return " | ".join("; ".join(rows) for rows in grids)


if __name__ == "__main__":
    print(json.dumps(presets(), indent=1, ensure_ascii=False))
