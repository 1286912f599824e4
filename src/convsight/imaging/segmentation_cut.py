"""Which pixels have the colours of one set of pixels rather than another's, if the border is to be short?

GrabCut (Rother, Kolmogorov & Blake 2004) by OpenCV, which is imported when it is first needed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from convsight.errors import required

CLUSTERS = 5  # Gaussians in each colour model, fixed in OpenCV
MODEL = (1, 13 * CLUSTERS)  # weight, mean and covariance of each


def grab_cut(
    picture: np.ndarray, fore: np.ndarray, back: np.ndarray, iterations: int, seed: int
) -> np.ndarray:
    """Which pixels h w of an RGB picture are foreground, by colour models learnt from two sets of pixels.

    Runs in a thread of its own: OpenCV's random state is one per thread and cannot be put back.
    """
    cv2 = opencv()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_grab_cut, cv2, picture, fore, back, iterations, seed).result()


def _grab_cut(
    cv2: Any, picture: np.ndarray, fore: np.ndarray, back: np.ndarray, iterations: int, seed: int
) -> np.ndarray:
    cv2.setRNGSeed(seed)
    background, foreground = np.zeros(MODEL), np.zeros(MODEL)
    # learn the colour models alone: a strip of only the chosen pixels, and no cut yet
    strip = np.concatenate([picture[fore], picture[back]])[None]
    known = np.full(strip.shape[:2], cv2.GC_BGD, np.uint8)
    known[:, : fore.sum()] = cv2.GC_FGD
    cv2.grabCut(strip, known, None, background, foreground, 0, cv2.GC_INIT_WITH_MASK)
    mask = np.full(fore.shape, cv2.GC_PR_BGD, np.uint8)
    cv2.grabCut(picture, mask, None, background, foreground, 1, cv2.GC_EVAL_FREEZE_MODEL)
    for _ in range(iterations):
        if len(np.unique(mask)) < 2:  # a colour model that lost all its pixels cannot be learned again
            break
        cv2.grabCut(picture, mask, None, background, foreground, 1, cv2.GC_EVAL)
    return mask == cv2.GC_PR_FGD


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 8-connected part of a boolean mask."""
    count, labels, stats, _ = opencv().connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    return labels == 1 + int(np.argmax(stats[1:, opencv().CC_STAT_AREA]))


def opencv() -> Any:
    return required("cv2", "segmentation", "segmentation's graph cut", "opencv-python-headless")
