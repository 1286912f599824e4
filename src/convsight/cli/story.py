"""`convsight story DATA`: from photos to a network one has looked into, in one command."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import Any

from convsight.cli.console import TrainingDisplay, bar, duration, err, out, print_json, print_notes
from convsight.cli.inputs import size
from convsight.report.story import StoryPart, story
from convsight.report.verdict import answers, steps
from convsight.run import Run


def run(given: argparse.Namespace, rest: list[str]) -> int:
    options = {name: getattr(given, name) for name in ("network", "weights", "epochs", "limit", "relabel")}
    options |= {"size": size(given.size), "fit": given.fit if given.fit != "crop" else None}
    made = told(given.data, given.recipe, out=given.out, seed=given.seed, quiet=given.json, **options)
    if given.json:
        print_json({"run": str(made.path), **verdict_of(made)})
    else:
        verdict(made)
    return 0


def told(data: str, recipe: str | None, *, quiet: bool = False, **options: Any) -> Run:
    """The story of these pictures, with its parts and what was noticed on stderr; options as in `story`."""
    given = {name: value for name, value in options.items() if value is not None}
    with _Telling(quiet) as telling:
        say = None if quiet else lambda sentence: print_notes([sentence[:1].upper() + sentence[1:]])
        return story(data, recipe, tell=telling, say=say, progress=telling.training, **given)


def verdict_of(made: Run) -> dict[str, Any]:
    """The first screen of the report as data."""
    said = {answer.question: [answer.answer, answer.sentence] for answer in answers(made)}
    return {"verdict": said, "next": [vars(step) for step in steps(made)]}


class _Telling:
    """A line for each part as it begins and ends, and what is going on within it."""

    def __init__(self, quiet: bool):
        self.quiet, self.training = quiet, TrainingDisplay(quiet=quiet)
        self._within = ExitStack()

    def __enter__(self) -> _Telling:
        return self

    def __exit__(self, *_: object) -> None:
        self._within.close()

    def __call__(self, part: StoryPart) -> None:
        self._within.close()
        if self.quiet:
            return
        if part.seconds:
            err.print(f"    {part.found}  [dim]{duration(part.seconds)}[/dim]", soft_wrap=True)
            return
        err.print(f"[b]{part.number}/{part.of} {part.title}[/b]")
        self._within = ExitStack()
        within: Any = self.training if part.number == 2 else bar(part.title)
        self._within.enter_context(within)


def verdict(made: Run) -> None:
    """The first screen of the report, in the terminal."""
    out.print()
    for answer in answers(made):
        out.print(f"[dim]{answer.question}[/dim] [b]{answer.answer}[/b]", soft_wrap=True)
        out.print(f"  {answer.sentence}", soft_wrap=True, markup=False)
    out.print()
    for number, step in enumerate(steps(made), 1):
        out.print(f"{'next:' if number == 1 else '':<6} {step.sentence}", soft_wrap=True, markup=False)
        if step.command:
            out.print(f"{'':<6}   {step.command}", soft_wrap=True, markup=False)
    out.print(f"run:    {made.path}", soft_wrap=True, markup=False)
    out.print(f"report: {made.path / 'report.html'}", soft_wrap=True, markup=False)
