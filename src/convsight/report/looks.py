"""Which techniques does the report show, and how? They are chosen by what they need and give, not by name."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from convsight.errors import ConvsightError
from convsight.images import Images
from convsight.method import Method
from convsight.methods import catalogue, find_method
from convsight.network.classifier import Classifier
from convsight.network.nonlinear import rectified_maps
from convsight.progress import report as tell
from convsight.results import draw
from convsight.results.draw import limit_of, overlay
from convsight.results.kinds import Map, Pictures, Points, Ranking
from convsight.results.provenance import provenance_about
from convsight.results.result import Result, inline_image
from convsight.run import Run

CELL_PX = 192  # the least height of a map in the grid of all techniques
JUDGED = (0, 2)  # of the pictures looked at: a right one and, where there is one, a wrong one
FIGURE = "figure.html"  # of a stored result, as the report shows it
Choose = Callable[[type[Method]], bool]


def inside(method: type[Method]) -> bool:
    """Pictures of the network's own parts."""
    needs = {name for name, must in method.needs().items() if must}
    return (
        issubclass(method.kind, Pictures)
        and "net" in needs
        and needs <= {"net", "images", "data"}
        and "layer" in method.needs()
    )


def _maps(method: type[Method]) -> bool:
    """A number per pixel of the pictures looked at."""
    needs = {name for name, must in method.needs().items() if must}
    return issubclass(method.kind, Map) and needs <= {"net", "images"} and "net" in needs


def space(method: type[Method]) -> bool:
    """Positions and rankings of the data set's pictures."""
    return issubclass(method.kind, (Points, Ranking)) and "data" in method.needs()


def looks(run: Run, images: Images | None, choose: Choose) -> list[str]:
    figures = [_shown(run, result) for result in _results(run, images, choose)]
    for entry in catalogue().values():
        if entry.method.per_layer and choose(entry.method):
            figures.append(f"<h3>{html.escape(entry.title)}, layer by layer</h3>")
            names = layers_to_show(run)
            figures += [_layer_fold(run, images, entry.method, name, name == names[0]) for name in names]
    return figures


def layers_to_show(run: Run, most: int = 6) -> list[str]:
    """Rectified feature maps from the first layer to the last, evenly chosen if there are many."""
    names = [layer.name for layer in rectified_maps(run.classifier)]
    step = max(1, len(names) - 1) / max(1, min(most, len(names)) - 1)
    return list(dict.fromkeys(names[round(i * step)] for i in range(min(most, len(names)))))


def _layer_fold(run: Run, images: Images | None, method: type[Method], layer: str, opened: bool) -> str:
    shape = "×".join(map(str, run.classifier.layers[layer].output_shape))
    result = _answer(run, method, _given(run, images, method) | {"layer": layer})
    opening = f"<details{' open' if opened else ''}><summary>{html.escape(layer)} ({shape})</summary>"
    return f'{opening}<div class="layer">{_shown(run, result)}</div></details>'


def where(run: Run, images: Images) -> list[str]:
    """All maps of a picture side by side, to compare; each technique in full in a fold below."""
    results = _results(run, images, _maps)
    maps = [result for result in results if isinstance(result, Map)]
    folds = [
        f"<details><summary>{html.escape(_title(r))}</summary>{_shown(run, r)}{_lights(run, images, r)}</details>"
        for r in results
    ]
    return [*side_by_side(images, maps, run), *folds] if maps else folds


def side_by_side(images: Images, maps: list[Map], run: Run) -> list[str]:
    """For each picture a grid that fills the page: itself, then each technique's overlay, each under its name."""
    said = _said(run.classifier, images)
    figures = [
        "<h3>Every technique on the same pictures</h3>"
        "<p>Where techniques of different kinds agree, trust them more; where one stands alone, trust it less.</p>"
    ]
    for i, image in enumerate(images.pixels):
        cells = [_cell("the picture", draw.rgb(image))]
        for each in maps:
            limit = limit_of(each.values[i], each.full_colour)
            cells.append(_cell(each.title, overlay(image, each.values[i], each.signed, limit=limit)))
        words = f"<p><strong>{html.escape(said[i])}</strong></p>" if i < len(said) else ""
        figures.append(f'{words}<div class="maps">{"".join(cells)}</div>')
    return figures


def _cell(title: str, picture: draw.RGB) -> str:
    shown = draw.enlarge(picture, CELL_PX) if picture.shape[0] < CELL_PX else picture
    image = inline_image(draw.png(shown), "png", html.escape(title))
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{image}</figure>"


def _said(net: Classifier, images: Images) -> tuple[str, ...]:
    """What the network says of each picture, and what it is where that differs."""
    if net.task == "multilabel":
        return tuple(
            ", ".join(name for name, there in zip(net.classes, row, strict=True) if there) or "none"
            for row in net.predict(images).tolist()
        )
    if not net.one_class:
        return ()
    names, predicted = net.classes, net.predict(images).tolist()
    labels = images.labels.tolist() if images.labels is not None and images.labels.ndim == 1 else predicted
    return tuple(
        names[p] if label == p else f"{names[p]}, but is {names[label]}"
        for p, label in zip(predicted, labels, strict=True)
    )


def _results(run: Run, images: Images | None, choose: Choose) -> list[Result | str]:
    """What each chosen technique answers, or its error in words: one must not cost the report."""
    chosen = [e.method for e in catalogue().values() if e.method.in_report and choose(e.method)]
    return [_answer(run, method, _given(run, images, method)) for method in chosen if not method.per_layer]


def _given(run: Run, images: Images | None, method: type[Method]) -> dict[str, Any]:
    have = {"net": run.classifier, "images": images, "query": images, "data": run.dataset}
    return {name: have[name] for name in method.needs() if have.get(name) is not None}


def _answer(run: Run, method: type[Method], given: dict[str, Any]) -> Result | str:
    tell(0.5, method.title)
    try:
        return run.answer(method(**method.for_report), **given)
    except ConvsightError as error:
        return f"{method.title}: {error}"


def _lights(run: Run, images: Images, result: Result | str) -> str:
    """How far to trust a map, below it; nothing for results that are about no score."""
    if not isinstance(result, Map) or result.provenance is None:
        return ""
    method = find_method(result.provenance.method)
    if "target" not in method.needs():
        return ""
    tell(0.5, f"How far to trust {result.title}")
    asked = [i for i in (JUDGED[:1] if method.many_passes else JUDGED) if i < len(images)]
    some, part = images[asked], _of_pictures(result, asked)
    given = {"images": run.classifier.fit(some), "data": run.dataset}
    made = provenance_about(part, "trust", {"seed": 0}, given)
    try:
        judged = run.results.once(made, lambda: _judged(run, some, part))
    except ConvsightError as error:
        return _shown(run, f"{result.title}: {error}")
    return _asked_of(run, asked, len(images), method) + _figure(run, judged, made.key)


def _judged(run: Run, images: Images, result: Map) -> Result:
    from convsight.trust_checks import trust  # its statistics take a second to import

    return trust(run.classifier, images, result, data=run.dataset)


def _of_pictures(result: Map, index: list[int]) -> Map:
    """The maps of some of the pictures."""
    return Map(
        title=result.title,
        provenance=result.provenance,
        values=result.values[index],
        signed=result.signed,
        full_colour=result.full_colour,
        labels_of=tuple(result.labels_of[i] for i in index if i < len(result.labels_of)),
    )


def _asked_of(run: Run, asked: list[int], total: int, method: type[Method]) -> str:
    """Of which pictures the lights were asked, where it was not all of them."""
    if len(asked) == total:
        return ""
    which = " and ".join(str(i + 1) for i in asked)
    why = (
        "each of its maps takes dozens of passes, and four more are made"
        if method.many_passes
        else "four more maps of each are made"
    )
    command = f"convsight show {method.name} {run.path} PICTURE --trust"
    return (
        f'<p class="note">How far to trust it was asked of picture{"s" * (len(asked) > 1)} {which} of the {total} above, '
        f"for {why}. Of any picture: <code>{html.escape(command)}</code></p>"
    )


def _title(result: Result | str) -> str:
    return result.title if isinstance(result, Result) else result.partition(":")[0]


def _shown(run: Run, result: Result | str) -> str:
    if isinstance(result, str):
        return f'<p class="note">{html.escape(result)}</p>'
    return _figure(run, result, result.provenance.key if result.provenance else "")


def _figure(run: Run, result: Result, key: str) -> str:
    """The result as HTML, drawn once and then kept beside it."""
    return run.results.beside(key, FIGURE, lambda: _folded(result.html()).encode()).decode()


def _folded(figure: str) -> str:
    """The figure with its long tables, such as one of every channel, closed below a line that opens them."""
    return figure.replace('<details class="rows" open>', '<details class="rows">')
