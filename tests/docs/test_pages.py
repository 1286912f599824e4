"""The committed pages say what the catalogue says."""

import importlib.util
from pathlib import Path

import pytest

from convsight.methods import catalogue

DOCS = Path(__file__).resolve().parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
assert _spec is not None and _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_each_technique_has_its_page_and_picture(name: str) -> None:
    entry = catalogue()[name]
    assert (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8") == build.page(entry), (
        "run docs/build.py"
    )
    assert (DOCS / "methods" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_index_lists_every_technique() -> None:
    assert (DOCS / "methods" / "README.md").read_text(encoding="utf-8") == build.index(), "run docs/build.py"


def test_the_trust_page_shows_what_was_measured() -> None:
    table = build.known_answers()
    assert table in (DOCS / "trust.md").read_text(encoding="utf-8"), "copy the table of docs/build.py"
    assert "| [gradcam](methods/gradcam.md) |" in table


def test_the_readme_counts_the_techniques() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert f"# {len(catalogue())} techniques, one shape" in readme


def test_the_table_says_of_every_technique_what_it_costs_and_when_it_misleads() -> None:
    assert build.limits.__globals__["LIMITS"].keys() == catalogue().keys()
    for name in catalogue():
        assert all(4 <= len(cell) <= 120 and "|" not in cell for cell in build.limits(name)), name
