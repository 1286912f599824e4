"""Which network, data and techniques are open in this session?"""

from __future__ import annotations

from fastapi import APIRouter

from convsight.studio import schemas
from convsight.studio.routes.common import The

router = APIRouter(prefix="/api", tags=["session"])


@router.get("/session")
def session(studio: The) -> schemas.Session:
    return studio.info
