"""How does one explore a network in a notebook cell, with the studio's own page and without a server?

With anywidget installed the page is live: its requests go through the cell to the kernel, so that it works
wherever the notebook does, also on a remote hub. Without anywidget the cell shows the frozen page.
"""

from __future__ import annotations

import functools
import html
import tempfile
from pathlib import Path
from typing import Any

from convsight.datasets import Dataset, as_dataset
from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier, as_classifier
from convsight.studio import schemas
from convsight.studio.app import STATIC, create_app
from convsight.studio.freeze import freeze
from convsight.studio.inside import answer_of, as_local, in_a_thread
from convsight.studio.session import SAMPLES, Studio

HERE = Path(__file__).parent
HEIGHT = 760  # pixels of the cell's output


def explore(net: Any, images: Any = None, *, data: Any = None, height: int = HEIGHT) -> Any:
    """The studio in a notebook cell: click layers, maps and pixels of `net` on your pictures.

    net: a Classifier or a Run. images: what `Images.open` takes, the pictures to begin with; left out, those
    of the data set. data: a data set, for the map, the mistakes and the audit; a Run brings its own. height:
    of the output in pixels.

    Returns an anywidget where that is installed (`convsight[notebook]`), which computes what is clicked;
    otherwise a `Frozen` page with everything computed beforehand. Raises InputError if there is neither a
    picture nor a data set, or the page was not built with this copy of convsight.

    >>> import convsight as cs                                                        # doctest: +SKIP
    >>> cs.explore(cs.load("torchvision:resnet50"), "cat.jpg")                        # doctest: +SKIP
    """
    studio = begin(net, images, data, "explore")
    if not (STATIC / "frozen.html").is_file():
        raise InputError("the studio's page has not been built; npm --prefix web run build makes it")
    try:
        import anywidget  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError:
        return Frozen(studio, height)
    return _widget_class()(studio, height)


class Frozen:
    """The studio's page with its answers inside, as a notebook shows it; `.save(path)` keeps the file."""

    def __init__(self, studio: Studio, height: int = HEIGHT):
        self.studio, self.height = studio, height

    @functools.cached_property
    def page(self) -> str:
        with tempfile.TemporaryDirectory(prefix="convsight-") as folder:
            return freeze(self.studio, Path(folder) / "page.html").read_text(encoding="utf-8")

    def save(self, path: str | Path) -> Path:
        return freeze(self.studio, path)

    def _repr_html_(self) -> str:
        inside = html.escape(self.page, quote=True)
        style = f"width: 100%; height: {self.height}px; border: 1px solid #8884; border-radius: 8px"
        return f'<iframe title="convsight studio" style="{style}" srcdoc="{inside}"></iframe>'


class Bridge:
    """Answers the page's requests by the studio's own routes."""

    def __init__(self, studio: Studio):
        self._answer = answer_of(create_app(studio), as_local())

    def __call__(self, asked: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """({id, status, type}, body) for {id, method, url, type} and a body."""
        url = str(asked.get("url", ""))
        method = str(asked.get("method", "GET"))
        status, media, content = in_a_thread(
            lambda: self._answer(url, method=method, body=body, media=str(asked.get("type", "")))
        )
        return {"id": asked.get("id"), "status": status, "type": media}, content


class _Notebook(Studio):
    """A studio that begins with the given pictures and does not offer training, which would occupy the user's
    kernel.
    """

    begin: list[str]

    @functools.cached_property
    def info(self) -> schemas.Session:
        told = Studio.info.func(self)  # type: ignore[attr-defined]
        samples = [*self.begin, *told.samples][: max(SAMPLES, len(self.begin))]
        can = told.can.model_copy(update={"train": False})
        return told.model_copy(update={"samples": samples, "can": can})


def begin(net: Any, images: Any, data: Any, caller: str) -> Studio:
    """A studio over a Classifier or a Run that begins with the given pictures; `caller` is named in errors."""
    run = net if not isinstance(net, Classifier) and hasattr(net, "classifier") else None
    net = as_classifier(net)
    known: Dataset | None = (
        as_dataset(data, net) if data is not None else run.dataset if run is not None else None
    )
    if images is None and known is None:
        raise InputError(
            f"{caller} needs pictures or a data set: {caller}(net, images), {caller}(net, data=...)"
        )
    studio = _Notebook(net, known, run, source=str(run.path) if run is not None else net.name)
    shown = [] if images is None else images if isinstance(images, Images) else net.fit(images)
    studio.begin = [studio.pictures.keep(shown[i]) for i in range(len(shown))]
    return studio


def live_page() -> str:
    """The page with a script that sends its requests to the cell."""
    page = (STATIC / "frozen.html").read_text(encoding="utf-8")
    bridge = (HERE / "notebook_bridge.js").read_text(encoding="utf-8")
    before, head, after = page.partition("<head>")
    return f"{before}{head}<script>{bridge}</script>{after}"


@functools.cache
def _widget_class() -> type:
    """The widget's class, defined when it is needed because anywidget is an optional dependency."""
    import anywidget  # type: ignore[import-not-found]
    import traitlets  # type: ignore[import-not-found]

    class Explore(anywidget.AnyWidget):
        """The studio's page in the cell; `.studio` answers its requests."""

        _esm = HERE / "notebook_widget.js"
        page = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int(HEIGHT).tag(sync=True)

        def __init__(self, studio: Studio, height: int):
            super().__init__(page=live_page(), height=height)
            self.studio, self._bridge = studio, Bridge(studio)
            self.on_msg(self._asked)

        def _asked(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
            head, body = self._bridge(content, bytes(buffers[0]) if buffers else b"")
            self.send(head, [body])

    return Explore
