"""What `make` installs: the demo without the development tools, everything at versions that are written down."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def commands(target: str, folder: Path) -> list[str]:
    """What `make target` would run where nothing is installed, as lines of shell."""
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # `make test` runs us
    done = subprocess.run(
        ["make", "--dry-run", target, f"VENV={folder / 'fresh'}"],
        cwd=ROOT, env=alone, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def installs(target: str, folder: Path) -> list[str]:
    return [line for line in commands(target, folder) if "pip install" in line]


@pytest.mark.parametrize("target", ["demo", "test", "lint", "web", "docs"])
def test_every_install_is_held_by_the_constraints(target, tmp_path):
    lines = installs(target, tmp_path)
    assert lines and all("--constraint constraints.txt" in line for line in lines)


def test_the_demo_installs_no_development_tools(tmp_path):
    assert [line.split()[-1] for line in installs("demo", tmp_path)] == ["pip", "."]
    assert commands("demo", tmp_path)[-1].endswith("convsight demo")


def test_the_tests_add_the_tools_to_what_the_demo_installs(tmp_path):
    demo = installs("demo", tmp_path)
    assert installs("test", tmp_path)[: len(demo)] == demo
    assert [line.split()[-1] for line in installs("test", tmp_path)[len(demo) :]] == ["'.[dev]'"]


def test_after_the_demo_the_tests_install_only_what_is_missing(tmp_path):
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / ".package").touch()  # newer than pyproject.toml and the constraints
    assert [line.split()[-1] for line in installs("test", tmp_path)] == ["'.[dev]'"]
    assert installs("demo", tmp_path) == []


def test_the_package_does_not_hold_its_users_torch_down():
    needed = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
    assert [clause.operator for clause in needed["torch"].specifier] == [">="]


def test_every_requirement_has_an_exact_version_that_satisfies_it():
    pinned = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in PINS}
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    asked = [r for r in map(Requirement, PROJECT["dependencies"] + extras) if r.name != "convsight"]
    missing = [r.name for r in asked if canonicalize_name(r.name) not in pinned]
    assert not missing, f"constraints.txt names no version of {', '.join(missing)}"
    assert [str(r) for r in asked if not r.specifier.contains(pinned[canonicalize_name(r.name)])] == []


def test_the_constraints_are_exact_and_name_each_package_once():
    assert all([clause.operator for clause in pin.specifier] == ["=="] for pin in PINS)
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert len(names) == len(set(names))
