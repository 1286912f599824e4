"""What does the report say of shortcuts? The run's audit, made now if that is quick."""

from __future__ import annotations

import html
import time

from convsight.results.kinds import Verdict
from convsight.run import Run
from convsight.shortcuts.find import find_shortcuts
from convsight.shortcuts.saved import audited_weights, owned, read_verdicts, save_verdicts

QUICK_SECONDS = 30.0
PASSES = 7000  # pictures through the network for each class that is audited, a picture with gradient as three


def leans(run: Run) -> list[str]:
    """The verdicts as figures; where the audit would take long, the command that makes it."""
    if run.config["task"] != "classify":
        return ["<p>It says where, not what: there are no classes to confuse.</p>"]
    if audited_weights(run.path) != run.classifier.weights_hash:
        seconds = expected_seconds(run)
        if seconds > QUICK_SECONDS:
            command = f"convsight audit {run.path}"
            return [
                f'<p class="note">Not audited yet: it takes about {seconds / 60:.0f} minutes with'
                f" <code>{html.escape(command)}</code>, and the next report shows it.</p>"
            ]
        audit(run)
    return [verdict.html() for verdict in read_verdicts(run.path)]


def audit(run: Run) -> list[Verdict]:
    """The audit on the run's own test pictures, kept in the run."""
    net, data = run.classifier, run.dataset
    verdicts = find_shortcuts(net, data, own=owned(run.path))
    about = {"data": data.name, "split": "test", "weights": net.weights_hash, "seed": 0}
    save_verdicts(run.path, verdicts, about)
    return verdicts


def expected_seconds(run: Run) -> float:
    """How long an audit takes, from how long a few pictures take."""
    net, few = run.classifier, run.dataset.test[:32]
    net.scores(few)
    started = time.perf_counter()
    net.scores(few)
    return (time.perf_counter() - started) / max(len(few), 1) * PASSES * len(net.classes)
