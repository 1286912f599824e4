"""What is one finding about a data set, and how do findings become rows of a table and come back?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from convsight.results.kinds import Table

PROBLEMS = {  # in the order of the table: the worst first; each with its name in the plural
    "leak": "copies in two splits",
    "mislabelled": "labels that are probably wrong",
    "duplicate": "copies within a split",
    "statistic": "image properties that tell the class",
    "few": "classes too small to judge",
    "odd": "odd pictures",
}
ONE = {  # the same in the singular
    "leak": "copy in two splits",
    "mislabelled": "label that is probably wrong",
    "duplicate": "copy within a split",
    "statistic": "image property that tells the class",
    "few": "class too small to judge",
    "odd": "odd picture",
}


@dataclass(frozen=True)
class Finding:
    """One thing to look at: one picture, one sentence, one action.

    id: the picture, by its name in the data set. problem: a key of `PROBLEMS`. given: the label that it carries.
    suggested: the label that it probably should carry ("" where that is not the question). sure: 0 to 1, how sure
    the finding is, or None where nothing was estimated. split: where the picture is. other: the id of its copy.
    finding: what was found, action: what to do about it, a sentence each.
    """

    id: str
    problem: str
    given: str
    suggested: str
    sure: float | None
    split: str
    other: str
    finding: str
    action: str


COLUMNS = tuple(field.name for field in fields(Finding))


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By problem, the worst first, and within a problem the surest first."""
    rank = {problem: i for i, problem in enumerate(PROBLEMS)}
    return sorted(findings, key=lambda f: (rank[f.problem], -(f.sure or 0.0), f.id))


def findings_of(table: Table) -> list[Finding]:
    """The rows of a table that `check` made, as findings."""
    return [Finding(*row) for row in table.rows]


def counted(findings: Sequence[Finding]) -> str:
    """In words: "3 labels that are probably wrong, 12 copies within a split".

    >>> counted([])
    'nothing'
    """
    counts = Counter(finding.problem for finding in findings)
    said = [f"{counts[p]:,} {ONE[p] if counts[p] == 1 else PROBLEMS[p]}" for p in PROBLEMS if counts[p]]
    return ", ".join(said) or "nothing"
