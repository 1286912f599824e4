"""How is the site built? Sphinx runs every page's code and writes HTML that asks no other host for anything.

make docs                                   the site, checked, in docs/_build/site
sphinx-build -W docs docs/_build/site       the same without the check of links
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pages run side by side, one on each core
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # widgets would fetch scripts

import generated  # noqa: E402

import convsight  # noqa: E402

project = "convsight"
author = "The convsight team"
copyright = "The convsight team"
version = release = convsight.__version__

extensions = ["myst_nb"]
exclude_patterns = ["_build", "**/runs", "**/.ipynb_checkpoints"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_copy_source = False
smartquotes = False  # --out stays --out

# Every page runs from its top, in its own kernel; one that raises stops the build.
nb_execution_mode = os.environ.get("CONVSIGHT_DOCS_EXECUTION", "force")
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_merge_streams = True

html_theme = "furo"
html_title = "convsight"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # the page to play with, written by `_fresh`
(HERE / "_extra").mkdir(exist_ok=True)
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "monokai"


def _fresh(app) -> None:
    """Write the generated reference, and train anew the networks that several pages open.

    They are trained before any page runs, so that pages can run side by side (`sphinx-build -j 4`).
    """
    generated.write(HERE / "reference")
    if nb_execution_mode != "force":
        return
    for page in ("tour", "how-to"):
        shutil.rmtree(HERE / page / "runs", ignore_errors=True)
    run = convsight.train("drawn-garments", "quick", out=HERE / "tour/runs/tour")
    convsight.live_page(run, path=HERE / "_extra/try.html")
    convsight.train("drawn-garments", "quick", limit=1000, out=HERE / "how-to/runs/how-to")


def setup(app) -> None:
    app.connect("builder-inited", _fresh)
