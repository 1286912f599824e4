"""How far off are the numbers or positions that a network answers with?"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor


def locate_metrics(
    places: Float[Tensor, "n m"], truth: Float[Tensor, "n m"], outputs: tuple[str, ...]
) -> dict[str, Any]:
    """Absolute errors in pixels: mean, median and the 95th percentile, over everything and per output."""
    error = (places - truth).abs()
    rows = [{"output": name, **_error_row(error[:, i])} for i, name in enumerate(outputs)]
    return {"n": len(error), "error_px": _error_row(error), "per_output": rows}


def number_metrics(
    said: Float[Tensor, "n m"], truth: Float[Tensor, "n m"], outputs: tuple[str, ...], units: tuple[str, ...]
) -> dict[str, Any]:
    """Errors of every number in its own unit: mean absolute, root mean square, median, 95th percentile, and R².

    r2 = 1 − Σ(error²) ÷ Σ(distance from the mean²): 1 is perfect, 0 no better than always saying the mean.
    """
    rows = [
        _number_row(name, units[i] if units else "", said[:, i].double(), truth[:, i].double())
        for i, name in enumerate(outputs)
    ]
    known = [row["r2"] for row in rows if row["r2"] is not None]
    return {"n": len(said), "r2": sum(known) / len(known) if known else None, "per_number": rows}


def _number_row(name: str, unit: str, said: Tensor, truth: Tensor) -> dict[str, Any]:
    error = said - truth
    spread = float((truth - truth.mean()).square().sum()) if len(truth) else 0.0
    absolute = _error_row(error.abs())
    return {
        "output": name,
        "unit": unit,
        "mae": absolute["mean"],
        "rmse": error.square().mean().sqrt().item() if len(error) else None,
        "median": absolute["median"],
        "p95": absolute["p95"],
        "bias": error.mean().item() if len(error) else None,
        "r2": 1 - float(error.square().sum()) / spread if spread else None,
    }


def _error_row(error: Tensor) -> dict[str, float | None]:
    if not error.numel():
        return {"mean": None, "median": None, "p95": None}
    flat = error.flatten().double()
    return {
        "mean": flat.mean().item(),
        "median": flat.quantile(0.5).item(),
        "p95": flat.quantile(0.95).item(),
    }
