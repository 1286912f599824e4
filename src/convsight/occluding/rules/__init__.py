"""One small rule per kind of operation: which cells of its input a window needs, and how to compute it.

A rule answers an `Outcome`, or None: then the original operation runs on whole maps, which is always exact.
"""

from __future__ import annotations

from convsight.occluding.plan import Rule
from convsight.occluding.rules import global_mean, pointwise, select, sliding

RULES: dict[str, Rule] = {**pointwise.RULES, **sliding.RULES, **select.RULES, **global_mean.RULES}
