"""Which technique was asked for, how far is it, and what did it answer?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from convsight.studio import results, schemas
from convsight.studio.jobs import Job
from convsight.studio.routes.common import FOREVER, The, bytes_of

router = APIRouter(prefix="/api", tags=["results"])
Key = Annotated[str, Path(max_length=64)]
POLL_S = 0.04
QUIET_S = 15.0  # seconds between comments, which keep proxies and browsers from closing the stream


@router.post("/results")
def ask(studio: The, request: schemas.ResultRequest) -> schemas.Started:
    return results.start(studio, request)


@router.get("/results/{key}")
def result(studio: The, key: Key, response: Response) -> schemas.Result:
    response.headers.update(FOREVER)
    return results.page_of(studio, key)


@router.get("/results/{key}/{name}", responses=bytes_of("application/octet-stream"), response_class=Response)
def result_file(studio: The, key: Key, name: Annotated[str, Path(max_length=200)]) -> Response:
    content, media = results.file(studio, key, name)
    return Response(content, media_type=media, headers=FOREVER)


@router.get("/jobs/{name}")
def job(studio: The, name: Key) -> schemas.Job:
    return studio.jobs.get(name).info()


@router.delete("/jobs/{name}")
def cancel(studio: The, name: Key) -> schemas.Job:
    found = studio.jobs.get(name)
    found.cancel()
    return found.info()


@router.get("/jobs/{name}/events", responses=bytes_of("text/event-stream"), response_class=StreamingResponse)
async def events(studio: The, name: Key, request: Request) -> StreamingResponse:
    found = studio.jobs.get(name)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_told(found, request), media_type="text/event-stream", headers=headers)


async def _told(job: Job, request: Request) -> AsyncIterator[str]:
    """Every event of a job, past ones first, until the job ends or the page disconnects."""
    seen, quiet = 0, 0.0
    while True:
        ended = job.finished.is_set()  # read before the events, so that the last event is not missed
        fresh = job.events[seen:]
        seen += len(fresh)
        for event, words in fresh:
            if event != "gone":
                yield f"event: {event}\ndata: {json.dumps(words)}\n\n"
        if ended or await request.is_disconnected():
            return
        quiet = 0.0 if fresh else quiet + POLL_S
        if quiet >= QUIET_S:
            quiet = 0.0
            yield ": still there\n\n"
        await asyncio.sleep(POLL_S)
