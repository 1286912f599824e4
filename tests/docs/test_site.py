"""The tour keeps its form, the reference leaves nothing out, and what the pages show runs."""

import dataclasses
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from convsight.methods import catalogue
from convsight.results import kinds
from convsight.results.result import Result

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(p for folder in ("tour", "how-to") for p in (DOCS / folder).glob("*.md"))
TOUR = [p for p in PAGES if p.parent.name == "tour" and p.name != "index.md"]
PANELS = {"network", "image", "playground", "map", "mistakes", "training", "audit", "share"}
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.S | re.M)


def module(name: str):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


generated, check_site = module("generated"), module("check_site")


def cells(page: Path) -> list[tuple[bool, str]]:
    """(whether it is hidden, its code) of every cell of a page."""
    found = []
    for cell in CELL.findall(page.read_text(encoding="utf-8")):
        lines = [line for line in cell.splitlines() if not line.startswith(":tags:")]
        found.append((":tags: [hide-cell]" in cell, "\n".join(lines).strip()))
    return found


def by_name(page: Path) -> str:
    return f"{page.parent.name}/{page.stem}"


def test_the_tour_has_eleven_pages_and_lists_them_all():
    listed = re.findall(r"^[a-z-]+$", (DOCS / "tour" / "index.md").read_text().split("```{toctree}")[1], re.M)
    assert len(listed) == 11 and sorted(listed) == sorted(p.stem for p in TOUR)


@pytest.mark.parametrize("page", TOUR, ids=by_name)
def test_a_page_of_the_tour_asks_a_question_and_checks_the_answer_to_its_exercise(page):
    text = page.read_text(encoding="utf-8")
    assert re.search(r"^# .*\?$", text, re.M), "the title is a question"
    assert "## Try it" in text and "## Exercise" in text
    assert f"{{nb-download}}`Download as a notebook <{page.stem}.ipynb>`" in text
    after = text.split("## Exercise")[1]
    hidden = [code for is_hidden, code in cells(page) if is_hidden]
    assert hidden and hidden[-1].count("assert") >= 1 and "hide-cell" in after
    panels = re.findall(r"http://127\.0\.0\.1:8765/#/(\w+)", text)
    assert panels and set(panels) <= PANELS


@pytest.mark.parametrize("page", TOUR, ids=by_name)
def test_the_code_of_a_cell_is_short(page):
    for _, code in cells(page):
        assert len([line for line in code.splitlines() if line.strip()]) <= 15, code


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_code_of_a_page_is_python(page):
    for _, code in cells(page):
        compile(code, str(page), "exec")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize("name", ["tour/filters", "tour/layers", "tour/define", "how-to/network"])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    """The pages that train nothing; the others run when the site is built."""
    monkeypatch.chdir(tmp_path)
    space: dict = {}
    for _, code in cells(DOCS / f"{name}.md"):
        exec(compile(code, name, "exec"), space)


@pytest.mark.parametrize("page", [*PAGES, *DOCS.glob("*.md"), *DOCS.glob("reference/*.md")], ids=by_name)
def test_links_between_pages_lead_to_files(page):
    written = {"commands.md", "python.md"}  # by docs/generated.py
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            there = page.parent / link
            assert there.is_file() or there.name in written, f"{link} in {page.name}"


def test_every_command_and_option_has_its_entry():
    page = generated.commands_page()
    for name, parser in generated.commands().items():
        assert f"## convsight {name}\n" in page and parser.description
        for written, help in generated.options(parser):
            assert help.strip(), f"convsight {name} {written} says nothing"
            assert f"| `{written}` |".replace("||", "|") in page.replace("\\|", "|")


def test_every_public_name_has_its_entry():
    page = generated.python_page()
    for name, value in generated.names().items():
        assert f"## cs.{name}\n" in page
        assert inspect.getdoc(value), f"cs.{name} says nothing"


def test_every_knob_says_what_it_does():
    for name, entry in catalogue().items():
        page = (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8")
        for knob in entry.knobs:
            assert knob.help and f"| `{knob.name}` |" in page, f"{name}.{knob.name}"


def test_every_field_of_a_result_has_its_entry_and_no_entry_is_left_over():
    sections = re.split(r"^## ", (DOCS / "reference" / "results.md").read_text(encoding="utf-8"), flags=re.M)
    shown = {s.split("\n")[0]: re.findall(r"^\| `(\w+)` \|", s, re.M) for s in sections[1:]}
    common = [f.name for f in dataclasses.fields(Result)]
    assert shown.pop("Every result") == common
    for name, fields in shown.items():
        own = [f.name for f in dataclasses.fields(getattr(kinds, name)) if f.name not in common]
        assert fields == own, name
    assert {name for name in kinds.__all__ if name != "Series"} == set(shown)


def test_the_check_of_the_site_finds_dead_links_missing_anchors_and_foreign_requests(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="index.html#top">b</a><a href="https://x.y">out</a>'
    )
    index = tmp_path / "index.html"
    index.write_text('<h1 id="top">I</h1><a href="a.html#top">a</a><a href="#top">up</a>')
    assert check_site.faults(tmp_path) == []
    index.write_text(
        '<a href="b.html">b</a><a href="a.html#no">a</a><script src="https://cdn.x/y.js"></script>'
    )
    told = " | ".join(check_site.faults(tmp_path))
    assert "b.html leads nowhere" in told and "a.html#no names an anchor" in told and "cdn.x" in told
    assert "index.html#top" in told  # a.html points to an id that index.html has no more
    assert check_site.main(tmp_path) == 1
