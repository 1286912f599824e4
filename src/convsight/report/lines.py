"""What did each chapter find, in one line that is read without opening it?"""

from __future__ import annotations

from convsight.report.verdict import answers
from convsight.results.tables import asides, headline
from convsight.run import Run


def found_in(run: Run) -> dict[str, str]:
    """A line for each heading of `report.chapters` of which there is something to say."""
    said = {answer.question: answer for answer in answers(run)}
    made_of = f"“{run.config['network']['name']}” with {run.metrics['training']['parameters']:,} weights."
    lines = {"Data": _data(run), "Network": made_of, "Training": _training(run), "Test": tested(run)}
    lines |= {
        "Filters and feature maps": "From edges in the first layer to parts in the last.",
        "Where it looks": "Every technique on the same pictures, and how far to trust each.",
        "Last layer": "A map on which pictures that it thinks alike lie together.",
    }
    for heading, question in (
        ("The pictures themselves", "Are the pictures sound?"),
        ("What it leans on", "What does it lean on?"),
    ):
        if question in said:
            answer = said[question]
            lines[heading] = f"{answer.answer[0].upper()}{answer.answer[1:]}. {answer.sentence}"
    return lines


def _data(run: Run) -> str:
    pictures, classes = run.config["data"].get("pictures", {}), run.config["classes"]
    counts = ", ".join(f"{n:,} {split}" for split, n in pictures.items() if n)
    h, w = run.config["size"]
    kind = {1: "grey", 3: "colour"}.get(run.config["channels"], f"{run.config['channels']} channels")
    of = f" of {len(classes):,} classes" if classes else ""
    return f"{counts} pictures{of}, {h}×{w} {kind}."


def _training(run: Run) -> str:
    training, log = run.metrics["training"], run.log
    if not training["epochs"]:
        return f"A head was fitted to the features in {training['seconds']:.0f} s."
    epochs = f"{training['epochs']} epoch{'s' * (training['epochs'] != 1)}"
    if log and log[0]["epoch"] == 0:
        # The probe's loss is that of pictures as they are, so the curve of varied ones does not begin there
        return f"A probe, then {epochs} of all layers in {training['seconds']:.0f} s{_gained(run)}; {training['stopped']}."
    loss = f", loss {log[0]['loss']:.3g} → {log[-1]['loss']:.3g}" if log and "loss" in log[0] else ""
    return f"{epochs} in {training['seconds']:.0f} s{loss}; {training['stopped']}."


def _gained(run: Run) -> str:
    """From what the probe told of the validation pictures to what the kept weights tell of them."""
    name, before, after = "validation_accuracy", run.log[0], run.metrics["validation"]
    if name not in before or name not in after:
        return ""
    return f", validation accuracy {before[name]:.1%} → {after[name]:.1%}"


def tested(run: Run) -> str:
    """What was measured on the test pictures, as a sentence."""
    test = run.metrics["test"]
    if not test:
        return "There are no test pictures."
    value, words = headline(test)
    return f"{'; '.join([f'{value} {words}', *asides(test)])}."
