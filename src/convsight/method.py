"""What is a technique, which knobs does it have, and what is checked before it runs?

A technique is a frozen dataclass: its fields are its knobs, its `compute` arguments say what it needs. The
catalogue of all of them is in `convsight.methods`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch

from convsight.asked import rest, said_of_inputs, shown_bands, words
from convsight.datasets import as_dataset
from convsight.errors import InputError, closest
from convsight.images import Images
from convsight.imaging.choosing import Bands
from convsight.imaging.fitting import as_fit
from convsight.network.classifier import Classifier, as_classifier
from convsight.network.interventions import undisturbed
from convsight.results.draw import showing
from convsight.results.provenance import Provenance, inputs_hash
from convsight.results.result import Result

_MISSING = dataclasses.MISSING
# what every technique that is given pictures takes beside its knobs
FOR_PICTURES = {"fit": "crop", "bands": None}


def knob(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple = (),
) -> Any:
    """A dataclass field that also tells the command line, the docs and the studio what it is.

    `low` and `high` are included in the range; `help` says what turning the knob up does.
    """
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices}
    if isinstance(default, (list, dict, set)):
        raise TypeError("a knob's default must be immutable")
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Knob:
    """One knob as the catalogue shows it."""

    name: str
    default: Any
    type: str
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple = ()

    @property
    def range(self) -> str:
        if self.choices:
            return " | ".join(str(c) for c in self.choices)
        if self.low is None and self.high is None:
            return ""
        return f"{'' if self.low is None else self.low} … {'' if self.high is None else self.high}".strip()

    def check(self, value: Any) -> None:
        given = f"{self.name}={value!r}"
        if self.choices:
            if value not in self.choices:
                raise InputError(
                    f"{given} is not possible", given=value, works=closest(str(value), map(str, self.choices))
                )
            return
        if value is None or isinstance(value, (str, bool)) or not isinstance(value, (int, float)):
            return
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise InputError(
                f"{given} is outside its range, {self.range}{' ' + self.unit if self.unit else ''}",
                given=value,
            )


@dataclass(frozen=True)
class Method:
    """Base of every technique. Subclasses set the class variables, declare knobs and define `compute`.

    `compute`'s argument names say what the technique needs: `net` (a Classifier), `images`, `target`,
    `layer`, `data` (a Dataset), `style` or `query` (Images); those with a default are optional.
    """

    title: ClassVar[str]
    kind: ClassVar[type[Result]]
    source: ClassVar[str]  # authors, year, arXiv
    resize: ClassVar[bool] = True  # whether pictures are fitted to the network's input size first
    in_report: ClassVar[bool] = True  # False for techniques that take minutes
    per_layer: ClassVar[bool] = False  # True where the report shows several layers, first to last
    for_report: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {}
    )  # knobs that the report sets, not the default
    many_passes: ClassVar[bool] = False  # True where each map takes dozens of passes or more

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = snake(cls.__name__)

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for each in self.knobs():
            each.check(getattr(self, each.name))

    def compute(self, *args: Any, **kwargs: Any) -> Result:
        raise TypeError(f"{type(self).__name__} does not define compute")

    def __call__(
        self, *args: Any, fit: str = "crop", bands: Sequence[int] | str | None = None, **kwargs: Any
    ) -> Result:
        """Check and convert the arguments, compute undisturbed, and say where the result came from.

        fit: how pictures of another shape come to the network's input size, "crop", "pad" or "stretch" (see
        `Images.open`). bands: which channels are shown as red, green and blue where there are not 1 or 3.
        """
        given = self._bind(args, kwargs, as_fit(fit))
        return self._answer(given, lambda: self.compute(**given), bands)

    def _answer(
        self,
        given: Mapping[str, Any],
        compute: Callable[[], Result],
        bands: Sequence[int] | str | None = None,
    ) -> Result:
        """One result for arguments that are checked: computed undisturbed, with its provenance."""
        net = given.get("net")
        started = time.perf_counter()
        quiet = torch.random.fork_rng(devices=[]) if net is None else undisturbed(net.module)
        images, shown = given.get("images"), shown_bands(given, bands)
        seeing = contextlib.nullcontext() if net is None else net.seeing(images.pixels if images else None)
        with quiet, seeing, _kept_random_states(), torch.enable_grad(), showing(shown):
            result = compute()
        provenance = self._provenance(net, given, time.perf_counter() - started, shown)
        said = (*(net.told if net else ()), *said_of_inputs(given, result, shown))
        return dataclasses.replace(
            result,
            title=result.title or self.title,
            notes=(*result.notes, *(note for note in said if note not in result.notes)),
            bands=shown,
            provenance=provenance,
        )

    def _provenance(
        self, net: Classifier | None, given: Mapping[str, Any], seconds: float, bands: Bands
    ) -> Provenance:
        return Provenance(
            method=self.name,
            knobs={each.name: getattr(self, each.name) for each in self.knobs()},
            arguments=words(given),
            network=net.name if net else "",
            weights=net.weights_hash if net else "",
            inputs=inputs_hash(given),
            seconds=round(seconds, 4),
            source=self.source,
            rest=rest(type(self), net, given, bands),
        )

    def provenance(
        self, *args: Any, fit: str = "crop", bands: Sequence[int] | str | None = None, **kwargs: Any
    ) -> Provenance:
        """What the result of a call with these arguments will say of itself; nothing is computed.

        Its `key` names the result, so that one that was stored can be taken instead.
        """
        given = self._bind(args, kwargs, as_fit(fit))
        return self._provenance(given.get("net"), given, 0.0, shown_bands(given, bands))

    def _bind(self, args: tuple, kwargs: dict, fit: str = "crop") -> dict[str, Any]:
        signature = inspect.signature(self.compute)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            wanted = ", ".join(
                str(p).split(":")[0].split("=")[0].strip() for p in signature.parameters.values()
            )
            raise InputError(f"{self.name} takes ({wanted}) and its knobs; {error}") from None
        bound.apply_defaults()
        given = dict(bound.arguments)
        if given.get("net") is not None:
            given["net"] = as_classifier(given["net"])
        for name in ("images", "style", "query"):
            if given.get(name) is not None:
                given[name] = self._pictures(given.get("net"), given[name], fit)
        if given.get("data") is not None:
            given["data"] = as_dataset(given["data"], given.get("net"), fit)
        return given

    def _pictures(self, net: Classifier | None, images: Any, fit: str) -> Images:
        if isinstance(images, Images) and not len(images):
            raise InputError(f"{self.name} was given no pictures")
        if net is not None and self.resize:
            return net.fit(images, fit)
        channels = None if net is None else net.channels
        if isinstance(images, Images):
            return images.fit(None, channels)
        return Images.open(images, channels=channels)

    @classmethod
    def knobs(cls) -> tuple[Knob, ...]:
        return tuple(
            Knob(
                f.name,
                f.default,
                str(f.type),
                **{k: f.metadata[k] for k in ("help", "unit", "low", "high", "choices")},
            )
            for f in dataclasses.fields(cls)
            if f.metadata
        )

    @classmethod
    def needs(cls) -> dict[str, bool]:
        """Argument name → whether it must be given."""
        parameters = list(inspect.signature(cls.compute).parameters.values())[1:]
        return {p.name: p.default is inspect.Parameter.empty for p in parameters}

    @classmethod
    def takes_pictures(cls) -> bool:
        """Whether pictures or a data set are among its needs, and so `fit` and `bands` mean something to it."""
        return any(name in cls.needs() for name in ("images", "style", "query", "data"))

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the docstring: what a reader learns from the picture."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        """The technique as one function of its needs and its knobs: `cs.occlusion(net, images, patch=8)`."""

        def call(*args: Any, **kwargs: Any) -> Result:
            names = {k.name for k in cls.knobs()}
            others = {*cls.needs(), *FOR_PICTURES} if cls.takes_pictures() else cls.needs()
            unknown = [name for name in kwargs if name not in names and name not in others]
            if unknown:
                known = [*cls.needs(), *sorted(names)]
                raise InputError(
                    f"{cls.name} has no knob {unknown[0]!r}",
                    given=unknown[0],
                    works=closest(unknown[0], known, 20),
                )
            method = cls(**{name: value for name, value in kwargs.items() if name in names})
            return method(*args, **{name: value for name, value in kwargs.items() if name not in names})

        call.__name__ = call.__qualname__ = cls.name
        call.__doc__ = cls.__doc__
        parameters = list(inspect.signature(cls.compute).parameters.values())[1:]
        kinds = inspect.Parameter
        knobs = [kinds(k.name, kinds.KEYWORD_ONLY, default=k.default) for k in cls.knobs()]
        if cls.takes_pictures():
            knobs += [kinds(name, kinds.KEYWORD_ONLY, default=value) for name, value in FOR_PICTURES.items()]
        call.__signature__ = inspect.Signature([*parameters, *knobs], return_annotation=cls.kind)  # type: ignore[attr-defined]
        return call


@contextlib.contextmanager
def _kept_random_states() -> Iterator[None]:
    """Restores Python's and numpy's global random states, which libraries draw from, also on import."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
