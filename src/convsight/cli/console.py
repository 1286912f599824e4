"""How does the terminal show progress, tables and paths?"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as RichTable

from convsight.progress import Step, listening
from convsight.results.kinds import Table
from convsight.results.plot import cell_text
from convsight.results.result import Result

LINES = 10  # of epochs that stay on the screen
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def print_notes(notes: Sequence[str]) -> None:
    """What was guessed or picked, on stderr, so that it never mixes with a table or JSON."""
    for note in notes:
        err.print(note, soft_wrap=True, markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """A table whose numbers are aligned to the right."""
    table = RichTable(
        title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], (int, float)) or row[i] in ("", None) for row in rows) and bool(rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell_text(cell)) for cell in row))
    out.print(table)


def print_result(table: Table) -> None:
    print_table(table.columns, table.rows, table.title)


def save_result(result: Result, path: str, *, quiet: bool = False) -> None:
    """Save a result where `-o` says, and name the file unless JSON alone is printed."""
    saved = result.save(Path(path).expanduser())
    if not quiet:
        out.print(f"saved {saved}", soft_wrap=True)


@contextlib.contextmanager
def bar(description: str, quiet: bool = False) -> Iterator[None]:
    """A progress bar on stderr for reports made inside the block; it appears with the first one."""
    if quiet or not err.is_terminal:
        yield
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"),
        console=err, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task(description, total=1.0, words="")

        def listen(step: Step) -> None:
            progress.update(task, completed=step.fraction, words=step.words)

        with listening(listen):
            yield


class TrainingDisplay:
    """Live epoch, loss, accuracy, images per second and time left; a dozen lines at most stay on the screen.

    What was noticed of the data and chosen comes first.
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self._progress: Progress | None = None
        self._told = False  # in which number format the network learns
        self._unprinted = ""  # the last epoch's line, if it was not printed
        self._open = contextlib.ExitStack()

    def __enter__(self) -> TrainingDisplay:
        if not self.quiet and err.is_terminal:
            columns = (SpinnerColumn(), BarColumn(bar_width=28), TextColumn("{task.fields[words]}"))
            self._progress = self._open.enter_context(Progress(*columns, console=err, transient=True))
            self._task = self._progress.add_task("", total=1.0, words="")
            self._open.enter_context(listening(self._say))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        if self._unprinted:
            err.print(self._unprinted, soft_wrap=True)

    def say(self, sentence: str) -> None:
        """A sentence about the data, or about what was chosen, above the live line."""
        if not self.quiet:
            err.print(sentence[:1].upper() + sentence[1:], soft_wrap=True, markup=False)

    def _say(self, step: Step) -> None:
        """Show what happens before the first step."""
        assert self._progress is not None
        self._progress.update(self._task, words=step.words)

    def __call__(self, p: Any) -> None:
        if self.quiet:
            return
        if not self._told:
            self._told = True
            err.print(f"Computing in {p.precision.used}: {p.precision.why}.", soft_wrap=True)
        score = _score(p)
        if p.row is not None:
            self._close_epoch(p, score)
        elif self._progress is not None:
            known = p.seconds_left == p.seconds_left  # after the first step
            left = f"  {p.images_per_second:,.0f} images/s  {duration(p.seconds_left)} left" if known else ""
            words = f"epoch {p.epoch}/{p.epochs}  loss {p.loss:.4f}  {score}{left}"
            self._progress.update(self._task, completed=p.step / max(p.steps, 1), words=words)

    def _close_epoch(self, p: Any, score: str) -> None:
        """Print the first epoch, some between and the last: ten of a hundred, not a hundred."""
        line = f"epoch {p.epoch:>3}/{p.epochs}  loss {p.loss:.4f}  {score}  {_validation(p.row)}{p.seconds:6.1f} s"
        every = -(-p.epochs // LINES)
        shown = p.epoch == 1 or p.epoch % every == 0 or p.epoch == p.epochs
        self._unprinted = "" if shown else line
        if shown:
            err.print(line, soft_wrap=True)


def duration(seconds: float) -> str:
    """In the unit in which people would say it.

    >>> duration(45), duration(1162), duration(9000)
    ('45 s', '19 min', '2.5 h')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def _score(p: Any) -> str:
    if p.accuracy is not None:
        return f"accuracy {p.accuracy:6.2%}"
    return f"error {p.error_px:.2f} px" if p.error_px is not None else f"error {p.error:.4g}"


def _validation(row: dict[str, Any]) -> str:
    if row.get("validation_accuracy") is not None:
        return f"validation {row['validation_accuracy']:6.2%}  "
    if row.get("validation_error_px") is not None:
        return f"validation {row['validation_error_px']:.2f} px  "
    if row.get("validation_error") is not None:
        return f"validation {row['validation_error']:.4g}  "
    return ""
