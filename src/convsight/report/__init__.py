"""What did this run learn, and what does it look at? One HTML file that needs nothing else.

The story goes in the lesson's order: the data, the network, the training, the test, then from the first
filters to the last layer. Which techniques appear is read from the catalogue; none is named here twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from convsight import __version__
from convsight.images import Images
from convsight.report.chapters import chapters
from convsight.results.tables import headline
from convsight.storage import write_atomic

if TYPE_CHECKING:
    from convsight.run import Run

HERE = Path(__file__).parent


def write_report(run: Run, path: Path, *, images: Images | None = None, audit: bool = False) -> Path:
    """Write the report of `run` to `path` and return it.

    images: the pictures that the techniques look at; left out, test pictures that were right and wrong.
    audit: look for shortcuts first, which takes minutes, where the run's weights were not audited yet; without it
    the report shows the last audit if there is one.

    What the techniques answer is kept in the run (`run.results`): a second report takes a fraction of the time.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html.j2").render(
        title=f"{run.name}: what the network looks at",
        run=run,
        headline=_headline(run),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        chapters=list(chapters(run, images, audit)),
        version=__version__,
    )
    return write_atomic(path, page)


def _headline(run: Run) -> list[tuple[str, str]]:
    """The few numbers at the top: what was measured, on what, how it was made."""
    config, test, training = run.config, run.metrics["test"], run.metrics["training"]
    rows = []
    if test:
        rows.append(headline(test))
    rows.append((f"{training['parameters']:,}", f"weights in “{config['network']['name']}”"))
    rows.append(
        (
            f"{training['seconds']:.0f} s",
            f"of training, {training['epochs']} epochs of “{config['recipe']['name']}”",
        )
    )
    return rows
