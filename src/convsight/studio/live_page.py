"""How does a user give away a network that runs in the receiver's browser?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsight.storage import write_atomic
from convsight.studio.app import STATIC, create_app
from convsight.studio.inside import answer_of, as_local
from convsight.studio.live_file import page_of


def live_page(net: Any, images: Any = None, path: str | Path = "live.html", *, data: Any = None) -> Path:
    """Write one HTML file in which the network runs: pictures are brought, changed and explained with no server.

    net: a Classifier or a Run. images: what `Images.open` takes, the pictures to begin with; left out, some of the
    data set. data: a data set, whose pictures, vectors and map come along; a Run brings its own.

    Weights are kept as float16 where that changes no answer on these pictures (the same classes, probabilities within
    0.001); otherwise as float32. The file names the choice on its Network panel. Saliency, gradient × input and guided
    backpropagation are in it if every operation of the network has a derivative in ONNX, as those of convolutional
    networks have; else the Network panel names the one that has none.

    Raises ModelError for a network that ONNX cannot express (it names the operation), InputError for one that gives
    maps or boxes or takes other pictures than grey or RGB ones, and where there is no picture to begin with;
    MissingExtra without `convsight[live]`.

    >>> import convsight as cs                                                        # doctest: +SKIP
    >>> cs.live_page(cs.Run.open("runs/demo"), path="demo.html")                      # doctest: +SKIP
    """
    return write_live(net, images, path, data=data).path


@dataclass(frozen=True)
class Written:
    """Where the page is, and in sentences what its network cannot do in it that others can."""

    path: Path
    lacks: tuple[str, ...]


def write_live(net: Any, images: Any = None, path: str | Path = "live.html", *, data: Any = None) -> Written:
    """`live_page`, and what the page lacks."""
    from convsight.studio.notebook import begin

    studio = begin(net, images, data, "live_page")
    made = page_of(studio, STATIC, answer_of(create_app(studio), as_local()))
    return Written(write_atomic(Path(path), made.page), made.lacks)
