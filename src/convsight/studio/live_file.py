"""How is one HTML file put together in which a network runs, without Python and without a server?

The file holds the studio's own page, ONNX Runtime's WebAssembly, the exported network with every layer's value among
its outputs, a few pictures, and those answers that the page cannot compute itself.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from convsight.errors import InputError, ModelError
from convsight.exporting import to_onnx
from convsight.progress import report as tell
from convsight.studio.export import Answer, with_script
from convsight.studio.live_about import about, refuse, shown_layers
from convsight.studio.live_answers import collected, keep_filters, keep_session
from convsight.studio.live_cut import cut_of
from convsight.studio.live_steps import steps_in
from convsight.studio.live_weights import halves_change_nothing
from convsight.studio.session import Studio
from convsight.studio.seven_bits import text_of

PICTURES = 24  # of the data set, taken from every class in turn
PAGE, RUNTIME = "live.html", "runtime.wasm.gz"
INSTEAD = "`convsight report RUN --interactive` writes a page with the answers computed beforehand"


@dataclass(frozen=True)
class Made:
    """The page, and in sentences what its network cannot do in it that others can."""

    page: str
    lacks: tuple[str, ...] = ()


def page_of(studio: Studio, static: Path, ask: Answer) -> Made:
    """The page that runs the network of a studio; `ask` gives the answers of the studio's own routes."""
    page, runtime = static / PAGE, static / RUNTIME
    if not (page.is_file() and runtime.is_file()):
        raise InputError("the page that computes has not been built; npm --prefix web run build makes it")
    net = studio.net
    refuse(net)
    tell(0.0, "exporting the network")
    kept = collected(studio, PICTURES, ask)
    half = halves_change_nothing(net, kept.images)
    try:
        exported = to_onnx(net, layers=shown_layers(net), half=half, gradients=True)
    except ModelError as error:
        raise ModelError(error.what, works=INSTEAD) from error
    keep_session(studio, kept, exported)
    tell(0.8, "putting the page together")
    steps = steps_in(net, exported.content, exported.layers)
    keep_filters(studio, kept, ask, steps)
    described = about(net, exported, kept, steps, cut_of(net, exported.layers))
    content = page.read_text(encoding="utf-8")
    content = with_script(content, json.dumps({"state": kept.state, "responses": kept.responses}))
    content = with_script(content, json.dumps(described), "about-network")
    content = with_script(content, text_of(runtime.read_bytes()), "runtime", "text/plain")
    content = with_script(content, text_of(gzip.compress(exported.content, 9)), "network", "text/plain")
    tell(1.0, f"{len(content.encode()) / 1e6:.1f} MB")
    return Made(content, exported.lacks)
