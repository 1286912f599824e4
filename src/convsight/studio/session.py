"""What does one studio hold: a network, a data set, a run, and everything computed from them?"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convsight import __version__
from convsight.datasets import Dataset
from convsight.methods import Entry, catalogue
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.operations import is_convolution
from convsight.results.kinds import Table, Verdict
from convsight.run import Run
from convsight.studio import schemas
from convsight.studio.auditable import no_audit
from convsight.studio.jobs import Jobs
from convsight.studio.occluding import CleanPasses
from convsight.studio.opened import Calls
from convsight.studio.pictures import MOST_BYTES, MOST_PIXELS, SessionPictures
from convsight.studio.predictions import Predictions
from convsight.studio.recent import Recent
from convsight.studio.steps import step_of

SAMPLES = 24


@dataclass(eq=False)
class Studio:
    """Everything that the routes answer from.

    net is in evaluation mode for the whole session; `source` is the argument it was opened with, `calls` the
    Python expressions that open the same. `data_source` is the data set that was named instead of the run's
    own. `runs` is the folder in which trainings are started and found.
    """

    net: Classifier
    data: Dataset | None = None
    run: Run | None = None
    source: str = ""
    runs: Path = Path("runs")
    data_source: str | None = None
    is_album: bool = False  # whether the data is a folder of pictures not sorted into classes
    calls: Calls = field(default_factory=Calls)
    jobs: Jobs = field(default_factory=Jobs)
    store: Recent = field(default_factory=Recent)
    verdicts: list[Verdict] | None = None  # of the last audit
    masks: str | None = None  # the folder that this audit took the user's masks from
    checked: Table | None = None  # what the last check of the pictures found

    def __post_init__(self) -> None:
        self.net.module.eval()
        self.pictures = SessionPictures(self.net, self.data)
        self.predictions = Predictions(self.net, self.data)
        self.occluding = CleanPasses(self.net, self.jobs)
        self.weights = self.net.weights_hash

    def warm_up(self) -> None:
        """Compute in the background what the page will ask for: layers, techniques, answers to the test set."""
        self.jobs.start("Layers and techniques", lambda job: self.info, lane="quick")
        if self.data is not None and len(self.data.test):
            self.jobs.start(
                "Predictions of the test split", lambda job: self.predictions.make("test"),
                key="predictions test", lane="data",
            )  # fmt: skip

    @property
    def own_data(self) -> tuple[str, dict[str, Any]] | None:
        """(source, options) with which the data set was opened, if it can be opened again."""
        if self.is_album:
            return None
        if self.data_source is not None:
            return self.data_source, {"size": self.net.input_size, "channels": self.net.channels}
        known = self.run.config["data"] if self.run is not None else {}
        return (known["source"], known["options"]) if known.get("source") else None

    @property
    def first_split(self) -> str | None:
        """The split whose pictures are shown first: the test pictures if there are any; None without pictures."""
        splits = {} if self.data is None else self.data.splits
        return next((name for name in ("test", "validation", "train") if len(splits.get(name, ()))), None)

    @property
    def title(self) -> str:
        return self.run.name if self.run is not None else self.net.name

    @functools.cached_property
    def info(self) -> schemas.Session:
        """What the page requests first; computed once."""
        obstacle = no_audit(self.net, self.data)
        return schemas.Session(
            title=self.title,
            version=__version__,
            model=_model(self.net, self.source),
            layers=[
                _layer(layer, step_of(self.net, layer.name) is not None) for layer in self.net.layers.values()
            ],
            dataset=_dataset(self.data),
            methods=[_method(entry) for entry in catalogue().values()],
            metrics=self.run.metrics if self.run is not None else None,
            log=self.run.log if self.run is not None else None,
            samples=self._samples(),
            run=self.run.name if self.run is not None else None,
            limits=schemas.Limits(upload_bytes=MOST_BYTES, upload_pixels=MOST_PIXELS),
            can=schemas.Can(train=True, audit=not obstacle, map=self.data is not None, no_audit=obstacle),
        )

    def _samples(self) -> list[str]:
        """The ids of a few pictures to begin with, taken from every class in turn."""
        name = self.first_split
        if self.data is None or name is None:
            return []
        split, taken = self.data.splits[name], []
        if split.labels.ndim != 1:
            return [f"{name}:{i}" for i in range(min(SAMPLES, len(split)))]
        for rank in range(SAMPLES):
            for label in range(len(self.data.classes)):
                places = (split.labels == label).nonzero().flatten()[:SAMPLES].tolist()
                if rank < len(places):
                    taken.append(f"{name}:{places[rank]}")
            if len(taken) >= SAMPLES:
                break
        return taken[:SAMPLES]


def _model(net: Classifier, source: str) -> schemas.ModelInfo:
    return schemas.ModelInfo(
        name=net.name,
        classes=list(net.classes),
        input_size=net.input_size,
        channels=net.channels,
        task=net.task,
        outputs=list(net.classes) if net.task == "locate" else [],
        weights_hash=net.weights_hash,
        parameters=sum(p.numel() for p in net.module.parameters()),
        source=source,
        notes=list(net.notes),
    )


def _layer(layer: Layer, told: bool) -> schemas.LayerInfo:
    return schemas.LayerInfo(
        name=layer.name,
        kind=layer.kind,
        shape=list(layer.output_shape),
        parameters=layer.parameters,
        macs=layer.macs,
        receptive_field=layer.receptive_field,
        maps=layer.is_map,
        convolution=is_convolution(layer.kind),
        told=told,
    )


def _dataset(data: Dataset | None) -> schemas.DatasetInfo | None:
    if data is None:
        return None
    splits: dict[Any, int] = {name: len(split) for name, split in data.splits.items()}
    return schemas.DatasetInfo(
        name=data.name, classes=list(data.classes or data.outputs), splits=splits, notes=list(data.notes)
    )


def _method(entry: Entry) -> schemas.MethodInfo:
    return schemas.MethodInfo(
        name=entry.name,
        title=entry.title,
        summary=entry.summary,
        kind=entry.kind,
        source=entry.source,
        needs=dict(entry.needs),
        knobs=[schemas.KnobInfo(**vars(knob)) for knob in entry.knobs],
        per_layer=entry.method.per_layer,
    )
