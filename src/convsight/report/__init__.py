"""What did this run learn, and what does it look at? One HTML file that needs nothing else.

The first screen is the verdict: how right it is, its worst class, what it leans on, what to do next. Below it are the
chapters, closed under a line that says what each found, in the lesson's order: the data, the network, the training, the
test, then from the first filters to the last layer. Which techniques appear is read from the catalogue; none is named
here twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from convsight import __version__
from convsight.images import Images
from convsight.report.chapters import chapters
from convsight.report.leaning import prepare
from convsight.report.verdict import answers, steps
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
    if audit:
        prepare(run)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html.j2").render(
        title=f"{run.name}: what the network looks at",
        run=run,
        answers=answers(run),
        steps=steps(run),
        numbers=_numbers(run),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        chapters=list(chapters(run, images, audit)),
        version=__version__,
    )
    return write_atomic(path, page)


def _numbers(run: Run) -> list[str]:
    """One line under the title: of what it was made, and how."""
    config, training = run.config, run.metrics["training"]
    pictures = sum(config["data"].get("pictures", {}).values())
    epochs = f"{training['epochs']} epochs of " if training["epochs"] else ""
    return [
        f"{pictures:,} pictures of {config['data']['name']}",
        f"“{config['network']['name']}” with {training['parameters']:,} weights",
        f"{training['seconds']:.0f} s of training, {epochs}“{config['recipe']['name']}”",
    ]
