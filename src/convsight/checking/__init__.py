"""What is wrong with the pictures themselves: labels, copies, leaks, odd ones, classes too small, telling statistics."""

from __future__ import annotations

from convsight.checking.finding import COLUMNS, PROBLEMS, Finding, findings_of
from convsight.checking.relabel import write_relabel
from convsight.checking.saved import read_check
from convsight.checking.table import check

__all__ = ["COLUMNS", "PROBLEMS", "Finding", "check", "findings_of", "read_check", "write_relabel"]
