"""The studio's real page in a real Chromium, on a real server over the tiny run."""

import contextlib
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT = Path(__file__).parents[2]
WEB, STATIC = ROOT / "web", ROOT / "src" / "convsight" / "studio" / "static"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def built_page(tmp_path_factory) -> Path:
    """The page as `web/` is now, in a folder of its own; without Node, the one that was installed."""
    if shutil.which("npm") is None:
        if not (STATIC / "index.html").is_file():
            pytest.skip("the page is not built and there is no Node to build it")
        return STATIC
    if not AXE.is_file():
        _node("npm", "ci")
    made = tmp_path_factory.mktemp("page")
    for mode in ("production", "frozen", "live"):
        _node("npx", "vite", "build", "--mode", mode, "--outDir", str(made))
    return made


def _node(*command: str) -> None:
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@contextlib.contextmanager
def serving(studio: Any, static: Path) -> Iterator[str]:
    """The address of a server over a studio, as `convsight studio` starts it, on a free port."""
    import uvicorn

    from convsight.studio.app import create_app

    app = create_app(studio, static=static)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def studio_url(run_folder: Path, built_page: Path) -> Iterator[str]:
    """A server over the tiny run."""
    from tests.studio.conftest import open_studio

    with serving(open_studio(run_folder), built_page) as url:
        yield url


class StudioPage:
    """One page of the studio, with what it complained about."""

    def __init__(self, page: Page, url: str):
        self.page, self.url, self.errors = page, url, []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, place: str) -> Page:
        self.page.goto(f"{self.url}/#/{place}")
        self.page.locator("main :is(h2, section, form)").first.wait_for()
        return self.page

    def api(self, path: str, body: Any = None) -> Any:
        """What the server answers, asked past the page."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, sent, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        return json.loads(content) if "json" in answer.headers["content-type"] else content

    def serious(self) -> list[str]:
        """What axe-core finds wrong for people who see, hear or move differently."""
        self.page.evaluate(AXE.read_text())  # not as a script tag: the page allows none but its own
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{each['id']}: {each['help']} {[node['html'][:200] for node in each['nodes'][:3]]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    def too_wide(self) -> int:
        """By how many pixels the page must be scrolled sideways."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.fixture
def studio_page(browser: Browser, studio_url: str) -> Iterator[StudioPage]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    opened = StudioPage(page, studio_url)
    yield opened
    page.close()
    assert opened.errors == []
