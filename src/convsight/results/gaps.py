"""Which positions of a result were left out, and how far off is what they show instead?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from convsight.results.encoding import stored


@stored
@dataclass(frozen=True, eq=False)
class Gaps:
    """The positions that are `answered`; each of the others shows the answer of the nearest one that is.

    error: (mean, largest) error of what is shown, measured on `measured` random positions that were left out, as a
    share of the largest effect; None if it was not measured.

    >>> import torch
    >>> gaps = Gaps(torch.tensor([[True, False], [False, False]]))
    >>> gaps.known, gaps.total, gaps.share
    (1, 4, 0.25)
    """

    answered: Bool[Tensor, "rows cols"]
    error: tuple[float, float] | None = None
    measured: int = 0

    @property
    def known(self) -> int:
        """How many positions are answered."""
        return int(self.answered.sum())

    @property
    def total(self) -> int:
        """How many positions there are."""
        return self.answered.numel()

    @property
    def share(self) -> float:
        """The share of positions that are answered, in (0, 1]."""
        return self.known / max(self.total, 1)

    def as_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {"known": self.known, "total": self.total, "error": self.error, "measured": self.measured}
