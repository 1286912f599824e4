"""What does someone who waits for a training want to know?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsight.training.checkpoint import Standing
from convsight.training.job import Job
from convsight.training.precision import Precision
from convsight.training.tasks import score_of

EVERY_S = 0.2  # seconds between two reports; reading the loss off an accelerator more often would slow it


@dataclass(frozen=True)
class Progress:
    """One report: passed to the `progress` callable about five times a second and at the end of each epoch.

    epoch and epochs count from 1; step and steps count updates of the whole training. loss and accuracy (0 to
    1) are means over this epoch so far; of several labels the share that is right. For positions accuracy is None
    and error_px the mean error in pixels, for numbers `error` that in their units.
    seconds is the time trained, seconds_left an estimate. precision says in which number format the layers
    compute, and why. `row` is the epoch's line in the log when the
    report closes an epoch, otherwise None.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float | None
    error_px: float | None
    images_per_second: float
    seconds: float
    seconds_left: float
    precision: Precision
    row: dict[str, Any] | None = None
    error: float | None = None


Tell = Callable[[Progress], Any]


class Meter:
    """Sums over one epoch, kept on the device and read only when somebody asks."""

    def __init__(self, task: str, sums: list[float] | None = None, device: torch.device | str = "cpu"):
        self.task = task
        self.sums = torch.tensor(sums or [0.0, 0.0, 0.0], dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, losses: Tensor, outputs: Tensor, targets: Tensor, stand_for: Tensor | None = None) -> None:
        """A batch: the loss of each picture, and for how many it stands (by default itself)."""
        scores = score_of(self.task, outputs, targets)
        weights = torch.ones_like(losses) if stand_for is None else stand_for
        self.sums += (
            (torch.stack([losses.detach(), scores, torch.ones_like(losses)]) * weights).sum(1).to(self.sums)
        )

    def read(self) -> tuple[float, float]:
        """Mean loss, and mean accuracy or mean error, of what was added."""
        loss, score, n = self.sums.tolist()
        return loss / max(n, 1), score / max(n, 1)


class Reporter:
    """Calls `tell` now and then, with numbers that are cheap to make only now and then."""

    def __init__(self, tell: Tell | None, job: Job):
        self._tell, self._job = tell, job
        self._last = time.perf_counter()
        self._began: tuple[float, int] | None = None  # seconds and step when this sitting began

    def due(self) -> bool:
        return time.perf_counter() - self._last >= EVERY_S

    def report(
        self, standing: Standing, meter: Meter, seconds: float, row: dict[str, Any] | None = None
    ) -> None:
        """Tell where the training stands; `row` closes an epoch."""
        self._last = time.perf_counter()
        if self._tell is None:
            return
        job, (loss, score) = self._job, meter.read()
        step = job.steps_before(standing.epoch) + standing.step
        self._began = self._began or (seconds, step)
        pace = (step - self._began[1]) / max(seconds - self._began[0], 1e-9)
        self._tell(
            Progress(
                epoch=standing.epoch + (row is None),
                epochs=job.recipe.epochs,
                step=step,
                steps=job.steps,
                loss=loss,
                accuracy=score if job.score == "accuracy" else None,
                error_px=score if job.score == "error_px" else None,
                error=score if job.score == "error" else None,
                images_per_second=pace * job.recipe.batch_size,
                seconds=seconds,
                seconds_left=(job.steps - step) / pace if pace else float("nan"),
                precision=job.precision,
                row=row,
            )
        )


class Clock:
    """Seconds and processor seconds of training, going on from those of an earlier sitting."""

    def __init__(self, seconds: float = 0.0, cpu_seconds: float = 0.0):
        self._wall, self._cpu = time.perf_counter() - seconds, time.process_time() - cpu_seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def cpu_seconds(self) -> float:
        return time.process_time() - self._cpu
