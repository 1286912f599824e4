"""Which task is trained for, with which loss, and what is the number beside the loss?"""

from __future__ import annotations

import torch
from torch import Tensor

from convsight.datasets import Dataset
from convsight.errors import InputError

LOSS = {  # the usual loss of a task, and the others that it may take
    "classify": ("cross-entropy",),
    "binary": ("bce",),
    "multilabel": ("bce",),
    "regress": ("mse", "smooth-l1"),
    "locate": ("smooth-l1", "mse"),
}
SCORE = {  # what the log calls the number beside the loss
    "classify": "accuracy", "binary": "accuracy", "multilabel": "accuracy", "regress": "error", "locate": "error_px",
}  # fmt: skip
NUMBERS = ("regress", "locate")  # tasks whose network answers in the units of the labels


def task_for(data: Dataset, asked: str | None) -> str:
    """The task to train for: the data's own, or another that its labels also serve.

    Two classes can be told by one score ("binary"), and numbers that are no positions are "regress". Raises
    InputError for any other pair, and for more than two classes as binary.
    """
    if asked in (None, data.task):
        return data.task
    if asked == "binary" and data.task == "classify":
        if len(data.classes) == 2:
            return "binary"
        raise InputError(f"the task 'binary' has two classes; {data.name} has {len(data.classes)}")
    if asked == "regress" and data.task == "locate":
        return "regress"
    raise InputError(
        f"{data.name} is for the task '{data.task}', not '{asked}': one class a picture serves 'classify' (of two also "
        "'binary'), 0 and 1 for each label 'multilabel', floats 'regress' or 'locate'"
    )


def loss_of(task: str, asked: str) -> str:
    """The loss to train with: the one asked for, or the task's usual one instead of cross-entropy, which is the recipes'."""
    if asked in LOSS[task]:
        return asked
    if asked == "cross-entropy":
        return LOSS[task][0]
    named = " or ".join(f"'{name}'" for name in LOSS[task])
    what = {"classify": "classes", "multilabel": "labels", "binary": "two classes"}.get(task, "numbers")
    positions = " (task 'locate')" if asked in LOSS["locate"] else ""
    of = "positions and numbers" if asked in LOSS["locate"] else "labels"
    raise InputError(f"the loss '{asked}' is for {of}{positions}; {what} take {named}")


def n_outputs(data: Dataset, task: str) -> int:
    """How many numbers the network answers with."""
    return 1 if task == "binary" else len(data.classes or data.outputs)


def score_of(task: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """The number beside the loss, of each picture: 1 where it is right, the share of labels, or the mean error."""
    if task == "classify":
        return outputs.argmax(1) == targets
    if task in NUMBERS:
        return (outputs - targets).abs().mean(1)
    truth = targets.reshape(len(outputs), -1) > 0.5
    return ((outputs.reshape(len(outputs), -1) > 0) == truth).to(torch.float32).mean(1)
