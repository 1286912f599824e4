"""One small rule per kind of operation: which cells of its input a window needs, and how to compute it.

A rule answers an `Outcome`, or None: then the original operation runs on whole maps, which is always exact.
"""

from __future__ import annotations

from convsight.incremental.plan import Rule
from convsight.incremental.rules import global_mean, kernels, pointwise, select

RULES: dict[str, Rule] = {**pointwise.RULES, **kernels.RULES, **select.RULES, **global_mean.RULES}
