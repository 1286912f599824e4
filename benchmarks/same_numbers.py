"""Do `shapley` and `lime` give the numbers of the packages whose names they bear, where both are asked the same?

    python benchmarks/same_numbers.py [--photo goldfinch]

MobileNetV2, one photo of `../shared`, hidden by grey, 8 regions (2 rows of 4). Shapley values: all 256 coalitions here,
and shap's KernelExplainer with as many. LIME: the same 300 random coalitions, and the regression of the `lime` package
with its own distance and kernel (`pip install lime`).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from shapley import Case  # type: ignore[import-not-found]
from torch import Tensor

import convsight as cs
from convsight.coalitions.regions import grid

ROWS, COLUMNS, COALITIONS = 2, 4, 300
REGIONS = ROWS * COLUMNS


def shap_values(case: Case) -> np.ndarray:
    import shap

    explainer = shap.KernelExplainer(case.masked, np.zeros((1, REGIONS)))
    return explainer.shap_values(np.ones(REGIONS), nsamples=2**REGIONS, l1_reg=False, silent=True)


def lime_weights(case: Case, shown: Tensor) -> np.ndarray:
    """What LIME for pictures does with the scores of these coalitions; the first is the whole picture."""
    from lime.lime_base import LimeBase
    from sklearn.metrics import pairwise_distances

    rows = shown.numpy().astype(float)
    distances = pairwise_distances(rows, rows[:1], metric="cosine").ravel()
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)))
    scores = case.masked(rows)[:, None]
    made = base.explain_instance_with_data(rows, scores, distances, 0, REGIONS, feature_selection="none")
    return np.array([weight for _, weight in sorted(made[1])])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photo", default="goldfinch", help="a word of the photo's file name")
    case = Case("mobilenet", parser.parse_args().photo)
    case.cut = grid((224, 224), ROWS, COLUMNS)
    asked = {"regions": (ROWS, COLUMNS), "target": case.target}
    shown = torch.rand(COALITIONS, REGIONS, generator=torch.Generator().manual_seed(0)) < 0.5
    shown[0] = True
    pairs = {
        "shapley": cs.shapley(case.net, case.picture, **asked, passes=300),
        "shap": shap_values(case),
        "lime (here)": cs.lime(case.net, case.picture, **asked, passes=COALITIONS),
        "lime (package)": lime_weights(case, shown),
    }
    found = {n: v.region_values[0].numpy() if isinstance(v, cs.Map) else v for n, v in pairs.items()}
    for name, values in found.items():
        print(f"{name:16}", " ".join(f"{v:8.4f}" for v in values))
    for one, two in (("shapley", "shap"), ("lime (here)", "lime (package)")):
        print(f"{one} and {two}: largest difference {np.abs(found[one] - found[two]).max():.1e}")


if __name__ == "__main__":
    main()
