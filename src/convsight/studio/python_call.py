"""Which lines of Python make exactly this result? The page's "Copy Python" puts them on the clipboard."""

from __future__ import annotations

from convsight.method import Method
from convsight.studio import schemas
from convsight.studio.session import Studio


def python_call(studio: Studio, method: Method, request: schemas.ResultRequest) -> str:
    """A script that runs unchanged, except that uploaded pictures need their file names."""
    needs, words = method.needs(), []
    names = [*request.pictures, *(request.query or []), *filter(None, (request.style, request.donor))]
    uses_data = "data" in needs or any(not name.startswith("up:") for name in names)
    data = studio.calls.data if uses_data else None
    lines = [*studio.calls.imports, ""]
    if "net" in needs or "net)" in (data or ""):
        lines.append(f"net = {studio.calls.net}")
    if "net" in needs:
        words.append("net")
    if data is not None:
        lines.append(f"data = {data}")
    for argument in needs:
        if argument == "images" and request.pictures:
            words.append(_pictures(request.pictures, lines, "images"))
        elif argument == "query":
            words.append(f"query={_pictures(request.query or request.pictures, lines, 'query')}")
        elif argument in ("style", "donor") and (name := getattr(request, argument)):
            words.append(f"{argument}={_pictures([name], lines, argument)}")
        elif argument == "data" and studio.data is not None:
            words.append("data=data")
        elif argument in ("target", "layer") and getattr(request, argument) is not None:
            words.append(f"{argument}={getattr(request, argument)!r}")
    changed = [
        f"{knob.name}={getattr(method, knob.name)!r}"
        for knob in method.knobs()
        if getattr(method, knob.name) != knob.default
    ]
    lines.append(f"result = cs.{method.name}({', '.join([*words, *changed])})")
    return "\n".join(lines) + "\n"


def _pictures(names: list[str], lines: list[str], variable: str) -> str:
    """An expression for the pictures; parts from several splits or uploads are joined."""
    splits = {name.partition(":")[0] for name in names}
    if len(splits) == 1 and "up" not in splits:
        places = [int(name.partition(":")[2]) for name in names]
        split = splits.pop()
        return f"data.{split}[{places[0]}]" if len(places) == 1 else f"data.{split}[{places}]"
    parts = []
    for name in names:
        kind, _, place = name.partition(":")
        parts.append(f'cs.Images.open("{place}.png")' if kind == "up" else f"data.{kind}[{place}]")
    if "up" in splits:
        lines.append("# uploaded pictures: save them from the studio first, under these names")
    if len(parts) == 1:
        return parts[0]
    lines.append(f"{variable} = cs.Images.concat([net.fit(picture) for picture in ({', '.join(parts)})])")
    return variable
