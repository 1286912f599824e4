"""What does the report say of shortcuts? What the run's last audit found, which may be made for it."""

from __future__ import annotations

import html
from contextlib import suppress

from convsight.errors import ConvsightError, DataError
from convsight.results.kinds import Verdict
from convsight.run import Run
from convsight.shortcuts.saved import audited_weights, read_verdicts


def leans(run: Run, audit: bool) -> list[str]:
    """The verdicts as figures; where these weights were not audited, `audit` says whether it is done now."""
    if not run.classifier.one_class:
        task = run.classifier.task
        return [
            f"<p>Shortcuts are looked for where each picture is of one class; this network's task is {task!r}, so there "
            "is none to confuse it with. Wrap one label against the rest to audit it: output=lambda out: out[:, k].</p>"
        ]
    verdicts = audited(run)
    if verdicts is None and not audit:
        command = f"convsight report {run.path} --audit"
        return [
            '<p class="note">Not audited yet. It takes minutes:'
            f" <code>{html.escape(command)}</code> does it and shows it here.</p>"
        ]
    return [verdict.html() for verdict in (verdicts if verdicts is not None else make(run))]


def audited(run: Run) -> list[Verdict] | None:
    """The verdicts of the run's last audit; None if it was of other weights, is damaged, or there was none."""
    try:
        current = audited_weights(run.path) == run.classifier.weights_hash
        return read_verdicts(run.path) if current else None
    except (DataError, ValueError, KeyError):
        return None


def prepare(run: Run) -> None:
    """The audit before the page is written, whose first screen tells it; its chapter says why there can be none."""
    if run.classifier.one_class and audited(run) is None:
        with suppress(ConvsightError):
            make(run)


def make(run: Run) -> list[Verdict]:
    """The audit on the run's own test pictures, or on all where those are too few; kept in the run."""
    from convsight.shortcuts.find import audit_run  # its statistics take a second to import

    return audit_run(run.path, run.classifier, run.dataset)
