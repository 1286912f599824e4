"""What should somebody know who gets this network: a model card, filled from what was measured.

Markdown with a YAML header, in the layout that Hugging Face's hub reads (Mitchell et al. 2019, arXiv 1810.03993).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from convsight import __version__
from convsight.errors import ConvsightError
from convsight.report.leaning import audited
from convsight.results.tables import asides, classes_shown, headline
from convsight.run import Run


def model_card(run: Run, use: str = "", note: str = "") -> str:
    """The card of a run. use: lines of Python that answer a picture; note: a sentence about the exported file."""
    parts = [
        _header(run),
        f"# {run.name}",
        _what(run) + (f"\n\n{note}" if note else ""),
        "## How good it is\n\n" + "\n\n".join(_measured(run)),
        "## What it leans on\n\n" + "\n".join(_audit(run)),
        "## What it learned from\n\n" + _data(run),
        "## How it was trained\n\n" + _training(run),
        "## What it is not for\n\n" + _limits(run),
    ]
    if use:
        parts.append(f"## How to use it\n\n```python\n{use.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _header(run: Run) -> str:
    """The YAML that a hub reads: JSON strings are YAML strings."""
    test = run.metrics["test"]
    tag = {"classify": "image-classification", "binary": "image-classification"}.get(run.config["task"])
    lines = ["---", "library_name: convsight", f"pipeline_tag: {tag or 'image-feature-extraction'}"]
    lines += ["tags:", "- convsight", "- image-classification" if tag else "- vision"]
    if "accuracy" in test:
        lines += [
            "metrics:", "- accuracy", "model-index:", f"- name: {json.dumps(run.name)}", "  results:",
            "  - task:", "      type: image-classification",
            "    dataset:", f"      name: {json.dumps(run.config['data']['name'])}", "      type: imagefolder",
            "    metrics:", "    - type: accuracy", f"      value: {test['accuracy']:.4f}",
        ]  # fmt: skip
    return "\n".join([*lines, "---"])


def _what(run: Run) -> str:
    config, network = run.config, run.config["network"]
    size = "×".join(map(str, (config["channels"], *config["size"])))
    names = config["classes"] or config["outputs"]
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    of = f" from `{_origin(network)}`" if network.get("source") else ""
    return (
        f"{network['name']}{of}, {run.metrics['training']['parameters']:,} weights, for the task '{config['task']}'. "
        f"Pictures of {size} in [0, 1]; {len(names)} outputs: {shown}."
    )


def _origin(network: dict[str, Any]) -> str:
    """The source without the folders of the machine it was on."""
    source = network["source"]
    return source if source.split(":")[0] in ("torchvision", "timm") else Path(source).name


def _measured(run: Run) -> Iterator[str]:
    test, whole = run.metrics["test"], run.metrics.get("cross_validation")
    if not test:
        yield "There were no test pictures, so nothing was measured."
        return
    value, words = headline(test)
    yield f"**{value}** {words}; {'; '.join(asides(test))}." if asides(test) else f"**{value}** {words}."
    if whole:
        (value, words), learnt_on = headline(whole), run.metrics["training"]["epochs"]
        who = "the probe that it started from" if learnt_on else "such a probe"
        more = "" if learnt_on else " It says more than the few test pictures."
        yield (
            f"**{value}** {words.replace('test pictures', 'pictures')} by {who}, each answered by a head that did not learn "
            f"from it ({whole['folds']} folds).{more}"
        )
    if "per_class" in test:
        shown, which = classes_shown(test)
        if which:
            yield f"Per class{which}."
        rows = [
            f"| {row['class']} | {row['n']} | {_share(row['accuracy'])} | {row['interval'][0]:.1%} – "
            f"{row['interval'][1]:.1%} | {_share(row['precision'])} |"
            for row in shown
        ]
        heads = ["| class | pictures | found | 95% interval | right when said |", "|---|---:|---:|---|---:|"]
        yield "\n".join([*heads, *rows])
    if test.get("confused"):
        worst = test["confused"][0]
        yield f"Most often mistaken: {worst['true']} for {worst['predicted']} ({worst['share']:.0%} of its pictures)."


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _audit(run: Run) -> Iterator[str]:
    verdicts = audited(run)
    if verdicts is None:
        yield f"Not audited. `convsight audit {run.name}` looks for shortcuts and proves them."
        return
    for verdict in verdicts:
        yield f"- {'**Found.** ' if verdict.found else ''}{verdict.sentence}"
    if not verdicts:
        yield "The audit found nothing to say."


def _data(run: Run) -> str:
    data, pictures = run.config["data"], run.config["data"]["pictures"]
    counts = ", ".join(f"{n:,} {name}" for name, n in pictures.items())
    notes = list(run.config.get("notes", ()))
    with suppress(ConvsightError):  # the pictures may be gone
        notes = [*run.dataset.notes, *notes]
    noticed = "".join(f"\n- {note[:1].upper()}{note[1:]}" for note in dict.fromkeys(notes))
    return f"{data['name']}: {counts} pictures." + (f"\n{noticed}" if noticed else "")


def _training(run: Run) -> str:
    recipe, training, made = run.config["recipe"], run.metrics["training"], run.config["versions"]
    epochs = f"{training['epochs']} epochs, " if training["epochs"] else ""
    return (
        f"Recipe '{recipe['name']}' ({recipe['summary']}), {epochs}seed {run.config['seed']}, "
        f"{training['seconds']:.0f} s in {training.get('precision', 'float32')} on {training['device']}. "
        f"convsight {__version__}, torch {made['torch']}."
    )


def _limits(run: Run) -> str:
    classes = run.config["classes"]
    of = (
        f"whose answer is none of {', '.join(classes[:8])}{', …' if len(classes) > 8 else ''}"
        if classes
        else "of other things"
    )
    return (
        f"It always answers, also to pictures {of}. The figures hold for pictures like the test pictures: another "
        "camera, place or season needs a test of its own (`convsight test RUN --data NEW`)."
    )
