"""What does a training leave behind, and how is it read again?

A run is a directory that ordinary tools can read:

    config.json           what was trained on what, with which recipe, seed and versions
    weights.safetensors   the network's state dict, under its own layer names
    log.jsonl             one JSON object an epoch: loss, accuracy, validation, seconds
    metrics.json          the test: accuracy, per class, confusion, calibration; absent until it is finished
    checkpoint.safetensors   what a training resumes from: weights, optimiser and random state, JSON in its header
    features/             vectors of all pictures, where a probe computed them (see `features.kept`)
    results/<key>/        results of techniques (see `results.files`), keyed by method, knobs, weights and pictures

Every file is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

import convsight
from convsight.architectures import Positions, build
from convsight.datasets import Dataset, dataset
from convsight.errors import ConvsightError, DataError, DataNotFound, ModelError
from convsight.exporting import export
from convsight.features.kept import FOLDER as FEATURES
from convsight.method import Method
from convsight.network.classifier import Classifier
from convsight.network.new_head import put_channels, put_head
from convsight.results.confusion import metrics_from_file
from convsight.results.result import Result
from convsight.results.stored import Results

CONFIG, WEIGHTS, LOG = "config.json", "weights.safetensors", "log.jsonl"
METRICS, CHECKPOINT, RESULTS = "metrics.json", "checkpoint.safetensors", "results"
FORMAT = 1  # raised when the layout changes so that older readers would misread it


class Run:
    """A finished training: its classifier, its data set, what was measured and how it got there.

    >>> run = Run.open("runs/demo")                                                    # doctest: +SKIP
    >>> run.metrics["test"]["accuracy"], run.classifier.predict(images)                # doctest: +SKIP
    """

    def __init__(self, path: str | Path, *, module: nn.Module | None = None, data: Dataset | None = None):
        self.path = Path(path)
        self.results = Results(self.path / RESULTS)
        self._module, self._data = module, data

    @classmethod
    def open(cls, path: str | Path, *, module: nn.Module | None = None) -> Run:
        """The run in the directory `path`.

        `module` is needed for a network that was handed to `train` as an object: convsight keeps its weights,
        not its code. Raises DataNotFound if there is no run, DataError if it is unfinished or damaged.
        """
        run = cls(path, module=module)
        if not run.path.is_dir():
            raise DataNotFound(
                f"no run at {run.path}",
                given=run.path,
                works=f"`convsight train DATA --out {run.path}` would make one",
            )
        if not (run.path / CONFIG).is_file():
            raise DataNotFound(f"{run.path} is not a run: it has no {CONFIG}", given=run.path)
        if run.config.get("format", 0) > FORMAT:
            raise DataError(
                f"{run.path} was written by a newer convsight",
                given=run.path,
                works="upgrade with pip install -U convsight",
            )
        if not (run.path / METRICS).is_file():
            raise DataError(
                f"the training in {run.path} did not finish",
                given=run.path,
                works="the same `train` command with --resume (resume=True) goes on where it stopped",
            )
        if not (run.path / WEIGHTS).is_file():
            raise DataError(
                f"{run.path} has lost its {WEIGHTS}",
                given=run.path,
                works="train again or copy the file back",
            )
        return run

    def __repr__(self) -> str:
        accuracy = self.metrics.get("test", {}).get("accuracy")
        shown = f", test accuracy {accuracy:.2%}" if accuracy is not None else ""
        return f"Run({str(self.path)!r}{shown})"

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was trained on what: data, network, recipe, seed, mean and std, versions."""
        return _read_json(self.path / CONFIG)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe as the training went by it: what was asked for, and what the probe before it changed of that."""
        return {**self.config["recipe"], **self.config.get("changed", {})}

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What was measured: `metrics["test"]["accuracy"]`, `["per_class"]`, ..., `metrics["training"]`."""
        return metrics_from_file(_read_json(self.path / METRICS))

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """One entry an epoch, oldest first."""
        try:
            return [json.loads(line) for line in (self.path / LOG).read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / LOG} cannot be read: {error}") from error

    @cached_property
    def classifier(self) -> Classifier:
        """The trained network, ready for pictures in [0, 1]."""
        module = self._module or self._built()
        if self.config["task"] in ("locate", "regress") and not isinstance(module, Positions):
            module = Positions(module, len(self.config["outputs"]))
        try:
            module.load_state_dict(load_file(self.path / WEIGHTS))
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"{self.path / WEIGHTS} is damaged ({error}); train again or copy it back"
            ) from error
        except RuntimeError as error:
            raise ModelError(f"the weights in {self.path} do not fit the network: {error}") from error
        net = classifier_from(self.config, module.eval())
        net.kept = self.path / FEATURES
        return net

    @cached_property
    def dataset(self) -> Dataset:
        """The data set it was trained and tested on, with the same splits, opened again.

        A set known by name is first looked for where the training found it, then in the usual places.
        Raises DataNotFound, which says both and what to pass, also for data that was in memory only.
        """
        if self._data is not None:
            return self._data
        source = self.config["data"]
        if source.get("source") is None:
            raise DataNotFound(
                f"{self.path} was trained on a data set that existed in memory only ('{source['name']}')",
                given=source["name"],
                works="pass it again: data= in Python, or save it, numpy.savez('data.npz', x_train=..., y_train=..., "
                "x_test=..., y_test=...), and give --data data.npz",
            )
        name, options, remembered = source["source"], source["options"], source.get("found")
        if remembered and Path(remembered).is_dir():
            with contextlib.suppress(DataNotFound):
                return dataset(name, path=remembered, **options)
        try:
            return dataset(name, **options)
        except DataNotFound as error:
            gone = f" and is gone from {remembered}" if remembered else ""
            raise DataNotFound(
                f"{self.path} was trained on {name}, which cannot be found{gone}. Pass the folder where it is"
                f" now: --data FOLDER, or data= in Python. {error}"
            ) from error

    def answer(self, method: Method, **arguments: Any) -> Result:
        """What `method` answers to these arguments: the stored result if there is one, else computed and stored.

        The network and the data set are the run's own where the technique needs them and none are given.

        >>> run.answer(cs.Occlusion(patch=8), images=images, target="Bag")                     # doctest: +SKIP
        """
        needs = method.needs()
        if needs.get("net"):
            arguments.setdefault("net", self.classifier)
        if needs.get("data"):
            arguments.setdefault("data", self.dataset)
        return self.results.once(method.provenance(**arguments), lambda: method(**arguments))

    def __getstate__(self) -> dict[str, Any]:
        """A pickle or a copy keeps the directory and the objects that were passed in; it reads the rest again."""
        return {name: vars(self)[name] for name in ("path", "results", "_module", "_data")}

    def report(self, path: str | Path | None = None, **options: Any) -> Path:
        """Write the report (one offline HTML file) to `path`, by default `report.html` in the run."""
        return convsight.write_report(self, Path(path) if path else self.path / "report.html", **options)

    def export(self, path: str | Path, **options: Any) -> Path:
        """Write the network as .onnx, .pt2 or .safetensors, normalisation and class names inside (see `exporting.export`)."""
        return export(self.classifier, path, **options)

    def _built(self) -> nn.Module:
        config, network = self.config, self.config["network"]
        if not network["known"]:
            raise ModelError(
                f"{self.path} holds the weights of your own network {network['name']}; hand it over to"
                f" open it: Run.open({str(self.path)!r}, module=your_network)"
            )
        n = 1 if config["task"] == "binary" else len(config["classes"] or config["outputs"])
        size, task = tuple(config["size"]), config["task"]
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and then replaced
            if network.get("source"):
                return self._from_elsewhere(network, n)
            return build(network["name"], n, config["channels"], size, task=task, **network["knobs"])

    def _from_elsewhere(self, network: Mapping[str, Any], n: int) -> nn.Module:
        """A network that was fetched from a hub or a Python file, with the head and channels it was trained with.

        A function that reads a file of weights gets the one it had, or where that is gone the run's own.
        """
        problem: ConvsightError | None = None
        for weights in ("random", network["weights"], self.path / WEIGHTS):
            try:
                module = convsight.load(network["source"], weights=weights).module
            except ConvsightError as error:
                problem = error if problem is None or weights == network["weights"] else problem
                continue
            put_channels(module, self.config["channels"])
            put_head(module, network["head"], n)
            return module
        raise ModelError(
            f"the network of {self.path}, {network['source']}, cannot be built again: {problem}. Bring it back, or hand "
            f"it over: Run.open({str(self.path)!r}, module=your_network)"
        ) from problem


def classifier_from(config: Mapping[str, Any], module: nn.Module) -> Classifier:
    """The network as a classifier, with the classes, input size and task of a run's configuration."""
    return Classifier(
        module,
        classes=config["classes"] or None,
        input_size=tuple(config["size"]),
        channels=config["channels"],
        mean=config["mean"],
        std=config["std"],
        task=config["task"],
        outputs=tuple(config["outputs"]),
        name=config["network"]["name"],
        output=config["network"].get("output") or None,
        bands=config["data"].get("options", {}).get("bands"),
    )


def train_command(data: str, network: str | None = None, weights: str | None = None) -> str:
    """The command that trains `network` on `data`.

    >>> train_command("my photos", "torchvision:vgg16", "vgg16.pth")
    "convsight train 'my photos' --network torchvision:vgg16 --weights vgg16.pth"
    """
    words = ["convsight", "train", data]
    words += ["--network", network] if network else []
    words += ["--weights", weights] if weights else []
    return shlex.join(words)


def train_again(run: Run) -> str:
    """The command that trains the same network on the same data with the same recipe, in another directory."""
    network, recipe = run.config["network"], run.config["recipe"]["name"]
    weights = network.get("weights")
    base = train_command(
        run.config["data"].get("source") or "DATA",
        network.get("source") or (network["name"] if network["known"] else None),
        None if weights in (None, "published") or not network.get("source") else weights,
    )
    return f"{base} --recipe {recipe}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataNotFound(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
