"""Which page and picture does each technique have in the docs? Made from the catalogue, with pictures drawn here.

    python docs/build.py              trains two small networks on drawn garments, then makes every page
    python docs/build.py saliency     only that one

Committed pictures show drawn garments, never a data set of somebody else.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

import convsight as cs
from convsight.methods import Entry, catalogue
from convsight.results.result import Result
from convsight.trust_checks.known_answers import known_answer, measured
from convsight.trust_checks.ranking import REFERENCE

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from limits import limits  # noqa: E402

PAGES = HERE / "methods"
IN_COLOUR = {
    "filters",
    "segmentation",
    "dream",
    "deepdream",
    "style_transfer",
    "occlusion",
    "gradcam",
    "convolve",
}


def page(entry: Entry) -> str:
    """The page of one technique as Markdown; a test compares it with the committed one."""
    words, _, example = inspect.cleandoc(entry.method.__doc__ or "").partition("\n>>> ")
    parts = [f"# {entry.title}", words.strip(), f"![{entry.title}]({entry.name}.png)"]
    needs = (
        ", ".join(f"`{n}`" if must else f"`{n}` (optional)" for n, must in entry.needs.items()) or "nothing"
    )
    parts.append(f"Needs: {needs}. Gives: `{entry.kind}`. Source: {entry.source}.")
    if answer := known_answer(entry.name):
        parts.append(f"{answer} [How far to trust a map](../trust.md) has all techniques.")
    cost, certain, misleads = limits(entry.name)
    parts.append(f"Costs: {cost}. How certain: {certain}. It misleads: {misleads}.")
    parts.append("```sh\n" + command(entry) + "\n```")
    if example:
        parts.append("```python\n>>> " + example.strip() + "\n```")
    if entry.knobs:
        rows = [
            f"| `{k.name}` | `{k.default!r}` | {' '.join(p for p in (k.range.replace('|', '/'), k.unit) if p)} | {k.help} |"
            for k in entry.knobs
        ]
        parts.append("\n".join(["| knob | default | range | what it does |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def command(entry: Entry) -> str:
    """How to run it on the demo run."""
    words = ["convsight show", entry.name]
    if entry.needs.get("net"):
        words.append("runs/demo")
    if entry.needs.get("images"):
        words.append("test:0" if entry.needs.get("net") else "photo.jpg")
    words += [
        f"--{name} {value}"
        for name, value in (("style", "style.jpg"), ("query", "test:0"))
        if entry.needs.get(name)
    ]
    if entry.needs.get("target"):
        words.append("--target Sandal")
    return " ".join([*words, "-o", f"{entry.name}.png"])


def index() -> str:
    """The list of all techniques: what each answers, what it costs, how certain it is, when it misleads."""
    rows = [
        f"| [{e.name}]({e.name}.md) | {e.summary} | {' | '.join(limits(e.name))} | {e.kind} | {e.source} |"
        for e in catalogue().values()
    ]
    head = [
        "# Techniques", "",
        "Cost is in passes: one picture through the network; a gradient takes about three. `convsight compare-maps` measures",
        "on your network and pictures which map is best, and [How far to trust a map](../trust.md) asks one map three questions.",
        "",
        "| technique | what it answers | what it costs | how certain it is | when it misleads | gives | source |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    return "\n".join([*head, *rows]) + "\n"


def known_answers() -> str:
    """The table in trust.md: what every technique did where the right answer was known."""
    cells = {(row["method"], row["case"]): row for row in measured()}
    order = sorted(
        {name for name, _ in cells},
        key=lambda name: [-cells[name, "leans"][key] for key in ("points", "first", "around")],
    )
    rows = [
        "| technique | points at the tag | first cells at the tag | of it around the tag | on the tag itself "
        "| not used: points, first, around, on | pictures |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in order:
        leans, decoy = cells[name, "leans"], cells[name, "decoy"]
        in_cells = [
            f"{leans[key]:.0%}" + (f" ({_gap(leans[ahead])})" if name != REFERENCE else "")
            for key, ahead in (
                ("points", "reference_ahead_in_points"), ("first", "reference_ahead_in_first"),
                ("around", "reference_ahead_around"),
            )
        ]  # fmt: skip
        on = f"{leans['value']:.0%} ({leans['low']:.0%} – {leans['high']:.0%})"
        unused = ", ".join(f"{decoy[key]:.0%}" for key in ("points", "first", "around", "value"))
        rows.append(
            f"| [{name}](methods/{name}.md) | {' | '.join(in_cells)} | {on} | {unused} | {leans['n']}, {decoy['n']} |"
        )
    return "\n".join(rows)


def _gap(ahead: list[float]) -> str:
    """How far a technique is behind (−) or ahead (+) of the reference, with the 95% interval."""
    mean, low, high = (round(-100 * v) + 0 for v in (ahead[0], ahead[2], ahead[1]))
    return f"{mean:+d}, {low:+d} … {high:+d}".replace("-", "−") if low != high else "level"


def picture(entry: Entry, runs: dict[str, cs.Run]) -> None:
    """Run the technique on drawn garments and save what it shows."""
    run = runs["colour" if entry.name in IN_COLOUR else "grey"]
    net, test = run.classifier, run.dataset.test
    firsts = [int((test.labels == k).nonzero()[0, 0]) for k in (5, 8)]  # a sandal and a bag
    layer = net.layers.convolutions()[1].name
    have: dict[str, Any] = {
        "net": net,
        "images": test[firsts],
        "style": test[int((test.labels == 6).nonzero()[3, 0])],
        "query": test[firsts],
        "data": run.dataset,
        "target": (layer, 2) if entry.name == "neuron_card" else "Sandal",
    }
    wanted = {n for n, must in entry.needs.items() if must} | ({"data"} & set(entry.needs))
    given = {name: have[name] for name in have if name in wanted}
    _save(entry.method()(**given), PAGES / f"{entry.name}.png")


def _save(result: Result, path: Path) -> None:
    with Image.open(result.save(path)) as made:
        full = made.convert("RGB")
    small = full.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # a third of the size
    off = ImageChops.difference(full, small.convert("RGB")).convert("L").point(lambda grey: 255 * (grey > 24))
    same = ImageStat.Stat(off).sum[0] == 0  # also in a legend's few pixels
    (small if same else full).save(path, optimize=True)


def main(names: list[str]) -> None:
    PAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "grey": cs.train("drawn-garments", "quick", out=Path(folder) / "grey", epochs=6),
            "colour": cs.train(
                "drawn-garments-colour", "quick", out=Path(folder) / "colour", epochs=4, limit=3000
            ),
        }
        for entry in catalogue().values():
            if names and entry.name not in names:
                continue
            picture(entry, runs)
            (PAGES / f"{entry.name}.md").write_text(page(entry), encoding="utf-8")
            print(entry.name)
    (PAGES / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
