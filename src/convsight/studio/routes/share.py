"""How does the page leave as one file?"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from convsight.studio import schemas
from convsight.studio.export import frozen
from convsight.studio.inside import answer_of
from convsight.studio.live_file import page_of
from convsight.studio.routes.common import The, bytes_of
from convsight.studio.session import Studio

router = APIRouter(prefix="/api", tags=["share"])


@router.post("/export", responses=bytes_of("text/html"), response_class=Response)
async def export(studio: The, asked: schemas.ExportRequest, request: Request) -> Response:
    page = request.app.state.static / "frozen.html"
    made = await frozen(page, asked.urls, asked.state, answer_of(request.app, request))
    return _file(studio, made)


@router.post("/live", responses=bytes_of("text/html"), response_class=Response)
def live(studio: The, request: Request) -> Response:
    """The page in which the network itself runs."""
    made = page_of(studio, request.app.state.static, answer_of(request.app, request))
    return _file(studio, made.page.encode())


def _file(studio: Studio, page: bytes) -> Response:
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in studio.title) or "studio"
    headers = {"content-disposition": f'attachment; filename="{name}.html"', "cache-control": "no-store"}
    return Response(page, media_type="text/html", headers=headers)
