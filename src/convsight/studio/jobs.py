"""How does long work run in the background, report its progress, and stop when asked?

There are lanes of threads: two threads compute what was clicked, one goes through whole data sets, one does
work of minutes. Every piece of work is a `Job`, whose events any number of pages can follow from the first
one.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from convsight.errors import ConvsightError, DataNotFound
from convsight.progress import Step, listening
from convsight.results import draw
from convsight.studio import schemas

# numbers of threads; those of "beside" only wait for other processes
LANES = {"quick": 2, "data": 1, "heavy": 1, "beside": 8}
MOST_KEPT = 500
EVERY_S = 0.08  # between two progress events of one job


class Cancelled(BaseException):
    """Raised inside a cancelled job by its next report. It is no `Exception`, so that techniques do not catch
    it.
    """


class Job:
    """One piece of work: its state, and its events so far."""

    def __init__(self, what: str, key: str | None = None):
        self.id = secrets.token_hex(8)
        self.what, self.key = what, key
        self.status: schemas.State = "queued"
        self.fraction, self.message = 0.0, "waiting"
        self.count = (0, 0, "")  # how many of how many, and of what
        self.failure: ConvsightError | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.finished = threading.Event()
        self.stop: Callable[[], None] | None = None  # called by `cancel`, such as to interrupt a training
        self.cancelled = False
        self._told = 0.0

    def info(self) -> schemas.Job:
        return schemas.Job(
            id=self.id, what=self.what, status=self.status, fraction=self.fraction, message=self.message,
            done=self.count[0], total=self.count[1], unit=self.count[2], key=self.key, error=None if self.failure is None else schemas.Problem.of(self.failure),
        )  # fmt: skip

    def tell(self, event: str, **words: Any) -> None:
        """Add an event for the followers; only the last few steps are kept."""
        if event == "step" and len(self.events) > 200:
            kept = [e for e in self.events[:-20] if e[0] != "step"]
            self.events[:-20] = [*kept, *[("gone", {})] * (len(self.events) - 20 - len(kept))]
        self.events.append((event, words))

    def step(
        self,
        fraction: float,
        message: str,
        picture: str | None = None,
        count: tuple[int, int, str] = (0, 0, ""),
        **more: Any,
    ) -> None:
        """Report progress, counted where things are; raises Cancelled if the job was cancelled."""
        if self.cancelled and self.stop is None:
            raise Cancelled
        self.fraction, self.message, self.count = fraction, message, count
        now = time.monotonic()
        if picture is None and not more and now - self._told < EVERY_S:
            return
        self._told = now
        extra = {"picture": picture} if picture is not None else {}
        counted = dict(zip(("done", "total", "unit"), count, strict=True))
        self.tell("step", fraction=round(fraction, 4), message=message, **counted, **extra, **more)

    def listen(self, step: Step) -> None:
        """The listener for `convsight.progress`."""
        picture = None
        if step.picture is not None and time.monotonic() - self._told >= EVERY_S:
            encoded = base64.b64encode(draw.png(draw.rgb(step.picture))).decode()
            picture = f"data:image/png;base64,{encoded}"
        self.step(step.fraction, step.message, picture, (step.done, step.total, step.unit))

    def cancel(self) -> None:
        """Ask the job to stop: one that waits never starts, one that runs ends at its next report."""
        self.cancelled = True
        if self.status == "queued":
            self._end("cancelled", "cancelled")
        elif self.stop is not None and not self.finished.is_set():
            self.stop()

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do the work in this thread; never raises, whatever the work does."""
        if self.finished.is_set():
            return
        self.status, self.message = "running", "started"
        try:
            with listening(self.listen):
                work(self)
        except Cancelled:
            self._end("cancelled", "cancelled")
        except ConvsightError as error:
            self._fail(error)
        except BaseException as error:  # a worker thread must outlive anything that a technique does
            self._fail(ConvsightError(f"it stopped with {type(error).__name__}: {error}"))
        else:
            stopped = self.cancelled and self.stop is not None
            self._end(
                "cancelled" if stopped else "done", "stopped; everything is saved" if stopped else "done"
            )

    def _fail(self, error: ConvsightError) -> None:
        if not self.finished.is_set():
            self.failure = error
        self._end("failed", str(error))

    def _end(self, status: schemas.State, words: str) -> None:
        if self.finished.is_set():
            return
        self.status, self.message = status, words
        if status == "done":
            self.fraction = 1.0
            self.tell("done", key=self.key)
        elif self.failure is not None:
            self.tell("failed", **schemas.Problem.of(self.failure).model_dump())
        else:
            self.tell("cancelled", error=words)
        self.finished.set()


class Jobs:
    """All jobs of a session, and the threads that do them."""

    def __init__(self) -> None:
        self._lanes = {name: ThreadPoolExecutor(n, thread_name_prefix=name) for name, n in LANES.items()}
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(
        self, what: str, work: Callable[[Job], Any], *, key: str | None = None, lane: str = "heavy"
    ) -> Job:
        """Queue work in one of the `LANES`.

        A job with the same key that is still under way is returned instead.
        """
        with self._lock:
            if key is not None:
                for known in self._jobs.values():
                    if known.key == key and not known.finished.is_set() and not known.cancelled:
                        return known
            job = Job(what, key)
            self._jobs[job.id] = job
            for name in [n for n, j in self._jobs.items() if j.finished.is_set()][
                : len(self._jobs) - MOST_KEPT
            ]:
                del self._jobs[name]
        self._lanes[lane].submit(job.run, work)
        return job

    def get(self, name: str) -> Job:
        job = self._jobs.get(name)
        if job is None:
            raise DataNotFound(f"no job {name[:40]!r}; it may be from before the server was started anew")
        return job

    def running(self, what: str) -> Job | None:
        """The newest unfinished job about `what`, if there is one."""
        with self._lock:
            return next(
                (j for j in reversed(self._jobs.values()) if j.what == what and not j.finished.is_set()), None
            )

    def close(self) -> None:
        """Cancel everything; a training saves first. Waits a little for that."""
        for job in list(self._jobs.values()):
            if not job.finished.is_set():
                job.cancel()
        for pool in self._lanes.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for job in list(self._jobs.values()):
            if job.stop is not None:
                job.finished.wait(10)
