"""How does a network leave as one HTML file in which it runs, without Python and without a server?

The file holds the studio's own page, ONNX Runtime's WebAssembly, the exported network with every layer's value among
its outputs, a few pictures, and those answers that the page cannot compute itself.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convsight.errors import InputError, ModelError
from convsight.exporting import Exported, to_onnx
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.progress import report as tell
from convsight.storage import write_atomic
from convsight.studio.app import STATIC
from convsight.studio.export import PLACE, with_data
from convsight.studio.live_about import about, refuse, shown_layers
from convsight.studio.live_answers import collected
from convsight.studio.live_weights import halves_change_nothing
from convsight.studio.session import Studio

PICTURES = 24  # of the data set, taken from every class in turn
PAGE, RUNTIME = "live.html", "runtime.wasm.gz"
INSTEAD = "`convsight report RUN --interactive` writes a page with the answers computed beforehand"


def live_page(net: Any, images: Any = None, path: str | Path = "live.html", *, data: Any = None) -> Path:
    """Write one HTML file in which the network runs: pictures are brought, changed and explained with no server.

    net: a Classifier or a Run. images: what `Images.open` takes, the pictures to begin with; left out, some of the
    data set. data: a data set, whose pictures, vectors and map come along; a Run brings its own.

    Weights are kept as float16 where that changes no answer on these pictures (the same classes, probabilities within
    0.001); otherwise as float32. The file names the choice on its Network panel.

    Raises ModelError for a network that ONNX cannot express (it names the operation), InputError for one that gives
    maps or boxes or takes other pictures than grey or RGB ones, and where there is no picture to begin with;
    MissingExtra without `convsight[live]`.

    >>> import convsight as cs                                                        # doctest: +SKIP
    >>> cs.live_page(cs.Run.open("runs/demo"), path="demo.html")                      # doctest: +SKIP
    """
    from convsight.studio.notebook import begin

    studio = begin(net, images, data, "live_page")
    return write_atomic(Path(path), page_of(studio))


def page_of(studio: Studio) -> str:
    """The page that runs the network of a studio."""
    page, runtime = STATIC / PAGE, STATIC / RUNTIME
    if not (page.is_file() and runtime.is_file()):
        raise InputError("the page that computes has not been built; npm --prefix web run build makes it")
    net = studio.net
    refuse(net)
    tell(0.0, "exporting the network")
    layers = shown_layers(net)
    kept = collected(studio, PICTURES)
    exported = _exported(net, layers, kept.images)
    tell(0.8, "putting the page together")
    described = about(net, exported, kept)
    content = page.read_text(encoding="utf-8")
    content = with_data(content, json.dumps({"state": kept.state, "responses": kept.responses}))
    content = _with(content, "about-network", "application/json", json.dumps(described))
    content = _with(content, "runtime", "text/plain", _text(runtime.read_bytes()))
    content = _with(content, "network", "text/plain", _text(gzip.compress(exported.content, 9)))
    tell(1.0, f"{len(content) / 1e6:.1f} MB")
    return content


def _exported(net: Classifier, layers: Sequence[str], images: Images) -> Exported:
    half = halves_change_nothing(net, images)
    try:
        return to_onnx(net, layers=layers, half=half)
    except ModelError as error:
        raise ModelError(error.what, works=INSTEAD) from error


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _with(page: str, name: str, media: str, content: str) -> str:
    """The page with one more script element; `<` is escaped in JSON and does not occur in base64."""
    before, found, after = page.partition(PLACE)
    inside = content.replace("<", "\\u003c")
    return f'{before}<script id="{name}" type="{media}">{inside}</script>{found}{after}'
