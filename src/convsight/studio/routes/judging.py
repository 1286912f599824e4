"""Does it lean on a shortcut, and how far can a map be trusted?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from convsight.studio import judging, schemas
from convsight.studio.routes.common import The, bytes_of, png

router = APIRouter(prefix="/api", tags=["judging"])


@router.get("/audit")
def audit(studio: The) -> schemas.Audit:
    return judging.audit(studio)


@router.post("/audit")
def start_audit(studio: The, request: schemas.AuditRequest | None = None) -> schemas.JobStarted:
    return judging.start_audit(studio, request or schemas.AuditRequest())


@router.post("/trust")
def trust(studio: The, request: schemas.TrustRequest) -> schemas.Trust:
    return judging.trust(studio, request.key)


@router.get("/trust/{key}/{index}.png", responses=bytes_of("image/png"), response_class=Response)
def light(
    studio: The, key: Annotated[str, Path(max_length=64)], index: Annotated[int, Path(ge=0, le=9)]
) -> Response:
    return png(judging.light_png(studio, key, index))
