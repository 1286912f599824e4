"""Does the map of the house name every room that there is, and only those?"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "convsight"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)) - {"web/"}


def rooms_in_order() -> list[str]:
    """The rooms of the table, each row sorted, as module names."""
    table = PAGE.split("## Rooms")[1].split("## Where")[0]
    rows = [
        re.findall(r"`(\w+)(?:\.py|/)`", line.split("|")[1]) for line in table.splitlines() if line[:1] == "|"
    ]
    return [" ".join(sorted(row)) for row in rows if row]


def test_every_file_and_folder_that_is_named_exists():
    assert len(NAMED) > 40
    assert [name for name in sorted(NAMED) if not (HOUSE / name).exists()] == []


def test_every_room_has_its_line():
    there = {path.name for path in HOUSE.iterdir() if (path / "__init__.py").is_file()}
    there |= {path.stem for path in HOUSE.glob("*.py") if not path.stem.startswith("__")}
    assert {name for row in rooms_in_order() for name in row.split()} == there


def test_no_room_stands_above_one_that_import_linter_has_above_it():
    text = (ROOT / ".importlinter").read_text(encoding="utf-8")
    layers = text.split("layers =")[1].split("exhaustive")[0].splitlines()
    level = {name: i for i, line in enumerate(layers) for name in re.findall(r"\w+", line)}
    levels = [level[name] for row in rooms_in_order() for name in row.split()]
    assert levels == sorted(levels)
