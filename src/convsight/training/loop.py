"""How does a network learn? In five steps, again and again: prepare, forward, loss, backward, update."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from convsight.datasets import Split
from convsight.errors import TrainingError
from convsight.network.batching import chunk_size
from convsight.run import CHECKPOINT, LOG
from convsight.storage import write_json_lines
from convsight.training.average import exchanged, update_average
from convsight.training.checkpoint import Parts, Standing, load_checkpoint, save_checkpoint
from convsight.training.feed import Batch, batches, prepared, seed_epoch
from convsight.training.imbalance import weights_for
from convsight.training.interrupt import Interrupted, Interrupts
from convsight.training.job import Job
from convsight.training.losses import loss_function
from convsight.training.memory import freed_memory_kept
from convsight.training.norms import PICTURES, keep_statistics, take_statistics
from convsight.training.one_error import clearly_worse
from convsight.training.optimisers import optimisers
from convsight.training.parts import InParts
from convsight.training.progress import Clock, Meter, Reporter, Tell
from convsight.training.schedules import schedule

DIVERGED = 10  # a mean loss this many times that of the first steps counts as diverged


def fit(
    job: Job,
    fabric: Fabric,
    tell: Tell | None = None,
    *,
    resume: bool = False,
    before: dict[str, Any] | None = None,
) -> Standing:
    """Train `job.network` in place, with a checkpoint after every epoch; returns the log and the time.

    before: the log's row of what the network is before the first epoch, if that was measured: weights no better than
    these on validation are not kept.

    Raises TrainingError if the loss diverges, Interrupted (a KeyboardInterrupt) after Ctrl-C with everything
    saved, StorageError if a checkpoint cannot be written.
    """
    training = Training(job, fabric, tell, resume=resume)
    if before is not None and not training.standing.log:
        training.begin_from(before)
    with Interrupts() as interrupts, freed_memory_kept(), training.learner:
        while training.standing.epoch < job.recipe.epochs and not training.standing.stopped:
            training.one_epoch(interrupts)
            training.close_epoch()
    # The best on validation if the training waited for it, else the average if one was kept
    if chosen := training.parts.best or training.parts.average:
        training.network.load_state_dict(chosen)
    return training.standing


class Training:
    """The live objects of one training: network, optimisers, schedule, and where it stands."""

    def __init__(self, job: Job, fabric: Fabric, tell: Tell | None, *, resume: bool):
        self.job, self.fabric, self.recipe = job, fabric, job.recipe
        self.network = job.network.to(fabric.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        own = optimisers(self.recipe.optimizer, self.network, self.recipe.optimiser_knobs)
        self.peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in own]
        alone = fabric.world_size == 1 and fabric.device.type == "cpu"
        self.learner = InParts(
            self.network,
            self.recipe.parts if alone else 1,
            job.precision.dtype,
            pieces=job.pieces,
            output=job.about["network"].get("output", "") if job.about else "",
        )
        self.module, *self.optimisers = fabric.setup(self.learner, *own)
        self.criterion = loss_function(self.recipe.loss, self.network, self.recipe.label_smoothing)
        self.plain_criterion = loss_function(self.recipe.loss, self.network)
        self.rate = schedule(self.recipe.schedule, self.recipe.peak)
        self.parts = Parts(self.network, own, torch.Generator())
        self.standing = (
            load_checkpoint(job.folder / CHECKPOINT, self.parts, job.about) if resume else Standing()
        )
        self.parts.losses.start(len(job.data.train), fabric.device)
        self.weights = weights_for(job.data.train.labels, job.task, self.recipe.balance)
        self.clock = Clock(self.standing.seconds, self.standing.cpu_seconds)
        self.reporter = Reporter(tell, job)

    def begin_from(self, row: dict[str, Any]) -> None:
        """Note what the network is before its layers learn, if they do; then its pictures say what normalises them at first."""
        if self.recipe.epochs and self.recipe.norms == "train":
            take_statistics(self.network, self.some_pictures())
        self.standing.log.append(row | {"precision": self.job.precision.used})
        self.clock = Clock(row["seconds"], row["cpu_seconds"])
        self.standing.seconds, self.standing.cpu_seconds = row["seconds"], row["cpu_seconds"]
        if "validation_loss" in row:
            self.note_the_best(row["validation_loss"], row[f"validation_{self.job.score}"])
            self.standing.best_epoch = 0  # of the epochs to come none was better yet

    def some_pictures(self) -> Iterator[Tensor]:
        """Training pictures from all over the set, as the network takes them, in batches."""
        train, size = self.job.data.train, self.recipe.batch_size
        chunks = torch.arange(0, len(train), max(1, len(train) // PICTURES)).split(size)
        for pixels in train.store.stream(chunks):
            yield prepared(pixels, self.job, self.fabric)

    def one_epoch(self, interrupts: Interrupts) -> None:
        """Every training picture once, or what was left of the epoch in which the last sitting stopped."""
        if self.standing.step == 0:
            seed_epoch(self.job, self.standing, self.parts.generator)
            self.standing.sums = [0.0, 0.0, 0.0]
        self.steps_before, self.steps = self.job.steps_before(self.standing.epoch), self.job.steps
        self.meter = Meter(self.job.task, self.standing.sums, self.fabric.device)
        self.module.train()
        if self.recipe.norms == "frozen":
            keep_statistics(self.network)
        generator, last_losses = self.parts.generator, self.parts.losses.before
        for batch in batches(self.job, self.fabric, self.standing, generator, last_losses):  # 1. prepare
            outputs = self.module(batch.pixels)  # 2. forward: what does the network say?
            losses = self.losses_of(outputs, batch)  # 3. loss: how wrong is that?
            self.fabric.backward(
                losses.mean()
            )  # 4. backward: which way would each weight make it less wrong?
            self.update()  # 5. update: move each weight a little that way
            self.note(batch, outputs.detach(), losses.detach())
            self.between_steps(interrupts)
        self.check_the_loss()
        self.parts.losses.close(self.fabric)

    def losses_of(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The loss of each picture: of mixed ones that of both in their shares, of rare classes with more weight."""
        losses = self.criterion(outputs, batch.targets)
        if batch.others is not None:
            losses = torch.lerp(self.criterion(outputs, batch.others), losses, batch.share)
        if self.weights is not None:
            losses = losses * self.weights[batch.chosen].to(losses)
        return losses

    def note(self, batch: Batch, outputs: Tensor, losses: Tensor) -> None:
        """The epoch's mean so far, and how hard each picture was, whatever the smoothing of its label."""
        self.meter.add(losses, outputs, batch.targets, batch.stand_for)
        if self.recipe.hardest < 1:
            self.parts.losses.note(batch.chosen, self.plain_criterion(outputs, batch.targets))

    def update(self) -> None:
        """One step of each optimiser at the schedule's rate."""
        done = self.steps_before + self.standing.step
        factor = self.rate(done / self.steps)
        for optimiser, peaks in zip(self.optimisers, self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.standing.step += 1
        if self.recipe.average:
            update_average(self.parts.average, self.network, self.recipe.average, done + 1)

    def between_steps(self, interrupts: Interrupts) -> None:
        """A report now and then; stop here, with everything saved, if somebody asked to."""
        try:
            if self.reporter.due():
                self.check_the_loss()
                self.reporter.report(self.standing, self.meter, self.clock.seconds)
        except KeyboardInterrupt:
            interrupts.asked = True
        if interrupts.asked:
            self.standing.sums = self.meter.sums.tolist()
            self.save()
            raise Interrupted(self.job.folder, self.standing.epoch + 1, self.recipe.epochs)

    def close_epoch(self) -> None:
        """Validate, log, save, and see whether it is enough; the test set has no part in this."""
        standing, recipe, score = self.standing, self.recipe, self.job.score
        loss, training_score = self.meter.read()
        row = {"epoch": standing.epoch + 1, "loss": loss, score: training_score}
        with exchanged(self.network, self.parts.average):
            if len(self.job.data.validation):
                row["validation_loss"], row[f"validation_{score}"] = self.measure(self.job.data.validation)
                self.note_the_best(row["validation_loss"], row[f"validation_{score}"])
        row |= {"seconds": round(self.clock.seconds, 3), "cpu_seconds": round(self.clock.cpu_seconds, 3)}
        row["precision"] = self.job.precision.used
        standing.log.append(row)
        standing.epoch, standing.step = standing.epoch + 1, 0
        if recipe.until_loss is not None and loss < recipe.until_loss:
            standing.stopped = f"the mean loss of an epoch fell below {recipe.until_loss:g}"
        elif recipe.patience and standing.epoch - self.last_progress() >= recipe.patience:
            what = "lower validation loss" if recipe.watch == "loss" else "better validation"
            what = "validation as good as before" if recipe.watch == "last" else what
            standing.stopped = f"no {what} for {recipe.patience} epochs"
        standing.stopped = self.fabric.broadcast(standing.stopped)
        self.save()
        self.reporter.report(standing, self.meter, self.clock.seconds, row)

    def last_progress(self) -> int:
        """The epoch with the best validation; by score not counted before the warm-up is over."""
        warm = round(self.recipe.peak * self.recipe.epochs) if self.recipe.watch == "score" else 0
        return max(self.standing.best_epoch, warm)

    @torch.no_grad()
    def measure(self, split: Split) -> tuple[float, float]:
        """Mean loss (without smoothing), and accuracy or error in pixels, on a split."""
        meter = Meter(self.job.task, device=self.fabric.device)
        self.learner.eval()
        chunks = torch.arange(len(split)).split(chunk_size((split.channels, *split.size), most=500))
        for chosen, pixels in zip(chunks, split.store.stream(chunks), strict=True):
            outputs = self.learner(prepared(pixels, self.job, self.fabric))
            targets: Tensor = self.fabric.to_device(split.labels[chosen])
            meter.add(self.plain_criterion(outputs, targets), outputs, targets)
        return meter.read()

    def note_the_best(self, loss: float, score: float) -> None:
        """Keep the weights if validation was never better, as far as the training waits for that."""
        standing = self.standing
        if standing.best_loss is None or self.better(loss, score):
            ever = standing.best_score if self.recipe.watch == "last" else None
            standing.best_loss, standing.best_score = loss, score if ever is None else max(ever, score)
            standing.best_epoch = standing.epoch + 1
            if self.recipe.patience:
                self.parts.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def better(self, loss: float, score: float) -> bool:
        standing = self.standing
        assert standing.best_loss is not None
        if self.recipe.watch == "last" and standing.best_score is not None and self.job.score == "accuracy":
            return not clearly_worse(score, standing.best_score, len(self.job.data.validation))
        if self.recipe.watch != "score" or standing.best_score is None or score == standing.best_score:
            return loss < standing.best_loss
        return (score > standing.best_score) == (self.job.score == "accuracy")

    def check_the_loss(self) -> None:
        """Stop a training that cannot succeed, with advice."""
        loss, _ = self.meter.read()
        first = self.standing.first_loss = self.standing.first_loss or loss
        if not math.isfinite(loss) or loss > DIVERGED * max(first, 1.0):
            lr = self.optimisers[0].param_groups[0]["lr"]
            raise TrainingError(
                f"the loss became {loss:.3g} in epoch {self.standing.epoch + 1}, at a learning rate of"
                f" {lr:.3g}. Try a smaller one (lr={self.recipe.lr / 10:g}), the optimiser 'adamw', or"
                " schedule='triangular', which warms up; and look for odd values in the pictures or labels"
            )

    def save(self) -> None:
        self.standing.seconds, self.standing.cpu_seconds = self.clock.seconds, self.clock.cpu_seconds
        if self.fabric.is_global_zero:
            save_checkpoint(self.job.folder / CHECKPOINT, self.standing, self.parts, self.job.about)
            write_json_lines(self.job.folder / LOG, self.standing.log)
