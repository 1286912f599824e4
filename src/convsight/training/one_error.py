"""Is an epoch's validation clearly worse than the best one, or is the difference what so few pictures give by chance?"""

from __future__ import annotations

import math


def clearly_worse(score: float, best: float, n: int) -> bool:
    """Whether an accuracy lies more than one standard error below the best, both measured on the same n pictures.

    The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees). The error is that of a share
    with one right and one wrong answer added, so that it is not zero where all are right.

    >>> clearly_worse(0.91, 0.92, 400), clearly_worse(0.89, 0.92, 400), clearly_worse(0.95, 1.0, 10)
    (False, True, False)
    """
    share = (best * n + 1) / (n + 2)
    return score < best - math.sqrt(share * (1 - share) / n)
