"""How do the studio's routes, its guard, its errors and its page become one application?"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from convsight import __version__
from convsight.errors import ConvsightError, DataNotFound
from convsight.studio import schemas
from convsight.studio.guard import LOCAL, Guard
from convsight.studio.routes import ROUTERS
from convsight.studio.routes.common import PROBLEMS
from convsight.studio.session import Studio

STATIC = Path(__file__).parent / "static"
MEDIA = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png",
         ".ico": "image/x-icon", ".json": "application/json", ".map": "application/json",
         ".woff2": "font/woff2", ".webp": "image/webp", ".html": "text/html"}  # fmt: skip
UNBUILT = """<!doctype html><meta charset="utf-8"><title>convsight studio</title>
<body style="font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The page has not been built</h1>
<p>The server runs, but this copy of convsight was installed without its page: there was no Node to build it.</p>
<p>In a checkout: install Node 20 or newer, then <code>npm --prefix web ci && npm --prefix web run build</code>,
and load this page again. Or install a wheel, which carries the page: <code>pip install convsight</code>.</p>
<p>The numbers can be had without it: <a href="/api/session">/api/session</a>.</p></body>"""
LOG = logging.getLogger("convsight.studio")


def create_app(
    studio: Studio | None, *, hosts: tuple[str, ...] = LOCAL, token: str | None = None, static: Path = STATIC
) -> FastAPI:
    """The studio as an ASGI application; without a `studio` it only knows its own OpenAPI.

    hosts: the host names that it answers to. token: what a browser must present, on servers that others can
    reach. static: the folder of the built page.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if studio is not None:
            studio.warm_up()
        yield
        if studio is not None:
            await asyncio.to_thread(studio.jobs.close)

    app = FastAPI(
        title="convsight studio", version=__version__, lifespan=lifespan, responses=PROBLEMS,
        docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.state.studio = studio
    app.state.static = static
    app.add_middleware(Guard, hosts=hosts, token=token)  # type: ignore[arg-type]
    _errors(app)
    for router in ROUTERS:
        app.include_router(router)
    _page(app, static)
    return app


def _errors(app: FastAPI) -> None:
    """Turn every failure into a `Problem` in plain words; an unexpected exception is logged and reported
    without details.
    """

    @app.exception_handler(ConvsightError)
    async def said(_: Request, error: ConvsightError) -> Response:
        status = 404 if isinstance(error, DataNotFound) else 400
        return JSONResponse(schemas.Problem.of(error).model_dump(), status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return problem(422, f"{where}: {first['msg']}", str(first.get("input"))[:200])

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        return problem(error.status_code, str(error.detail), request.url.path[:200], headers=headers)

    @app.exception_handler(Exception)
    async def crashed(request: Request, error: Exception) -> Response:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        words = (
            f"the server could not answer this ({type(error).__name__}); it goes on, and its log says more"
        )
        return problem(500, words)


def problem(
    status: int, error: str, given: str = "", works: str = "", headers: dict[str, str] | None = None
) -> Response:
    told = schemas.Problem(error=error, given=given, works=works)
    return JSONResponse(told.model_dump(), status, headers=headers)


def _page(app: FastAPI, static: Path) -> None:
    """Serve the built page. Names are looked up among its files, so that no text from a client becomes a path."""

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        page = static / "index.html"
        if not page.is_file():
            return HTMLResponse(UNBUILT, headers={"cache-control": "no-store"})
        return FileResponse(page, media_type="text/html", headers={"cache-control": "no-cache"})

    @app.get("/{name:path}", include_in_schema=False)
    def asset(name: str) -> Response:
        files = {
            f.relative_to(static).as_posix(): f
            for f in static.rglob("*")
            if f.is_file() and not f.is_symlink()
        }
        file = files.get(name)
        if file is None:
            return problem(404, "there is no such page", name[:200], "open / instead")
        forever = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        media = MEDIA.get(file.suffix, "application/octet-stream")
        return FileResponse(file, media_type=media, headers={"cache-control": forever})
