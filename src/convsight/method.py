"""What is a technique, which knobs does it have, and what is checked before and said after it runs?

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
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convsight.datasets import as_dataset
from convsight.errors import InputError, closest
from convsight.images import Images
from convsight.imaging.choosing import Bands, as_bands, bands_in_words
from convsight.imaging.fitting import as_fit
from convsight.network.classifier import Classifier, as_classifier
from convsight.network.identity import identity_of
from convsight.network.interventions import interventions, undisturbed
from convsight.network.targets import resolve_target
from convsight.results.draw import showing
from convsight.results.provenance import Provenance, inputs_hash, rest_of
from convsight.results.result import Result

_MISSING = dataclasses.MISSING
HASHED = ("net", "images", "style", "query", "data")  # arguments that count by what they hold
WORDED = ("target", "layer", "layers")  # arguments whose words say all; of others they may be a file's name
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
        said = (*(net.told if net else ()), *_said_of_inputs(given, result, shown))
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
            arguments=_words(given),
            network=net.name if net else "",
            weights=net.weights_hash if net else "",
            inputs=inputs_hash(given),
            seconds=round(seconds, 4),
            source=self.source,
            rest=_rest(type(self), net, given, bands),
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


def _said_of_inputs(given: Mapping[str, Any], result: Result, bands: Bands) -> tuple[str, ...]:
    """What the pictures' own notes say, such as that a part was cut away, and which channels are shown."""
    notes = [note for value in given.values() if isinstance(value, Images) for note in value.notes]
    channels = next((each.channels for each in _with_channels(given)), 3)
    if channels not in (1, 3) and _shows(result, channels):
        notes.append(bands_in_words(bands, channels))
    return tuple(dict.fromkeys(notes))


def _shows(result: Result, channels: int) -> bool:
    """Whether pictures of so many channels are drawn somewhere in the result."""
    for name in ("pictures", "images", "query", "examples"):
        value = getattr(result, name, None)
        pixels = value.pixels if isinstance(value, Images) else value
        if isinstance(pixels, torch.Tensor) and pixels.ndim >= 4 and pixels.shape[-3] == channels:
            return True
    return any(_shows(part, channels) for part in result.parts)


def _with_channels(given: Mapping[str, Any]) -> list[Any]:
    net = given.get("net")
    return [*(v for v in given.values() if isinstance(v, Images)), *([net] if net is not None else [])]


def shown_bands(given: Mapping[str, Any], bands: Sequence[int] | str | None = None) -> Bands:
    """Which channels a result shows: those asked for, or those of its pictures, or those of its network."""
    known = _with_channels(given)
    if bands is not None:
        return as_bands(bands, min((each.channels for each in known), default=len(bands)))
    return next((each.bands for each in known if each.bands is not None), None)


def _words(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are text or numbers, for the provenance line."""
    plain = (str, int, float, list, tuple)
    return {k: v for k, v in given.items() if k in ("target", "layer", "layers") and isinstance(v, plain)}


def _rest(method: type[Method], net: Classifier | None, given: Mapping[str, Any], bands: Bands) -> str:
    """`Provenance.rest` of a call: everything that no other field of the provenance holds."""
    if net is not None and interventions(net):
        return ""
    named = {name: _named(value, name, net, given) for name, value in given.items() if name not in HASHED}
    known = [value for value in named.values() if value is None]
    said = [note for value in given.values() if isinstance(value, Images) for note in value.notes]
    shown = "" if bands is None and not said else (bands, said)
    return rest_of(
        _source(method),
        "" if net is None else identity_of(net),
        None if known else sorted(named.items()),
        str(shown),
    )


def _source(method: type[Method]) -> str | None:
    """The code of a technique from outside of this package, "" for ours; None if it cannot be read."""
    if method.__module__.split(".")[0] == __name__.split(".")[0]:
        return ""
    with contextlib.suppress(OSError, TypeError):
        return f"{method.__module__} {inspect.getsource(method)}"
    return None


def _named(value: Any, name: str, net: Classifier | None, given: Mapping[str, Any]) -> str | None:
    """An argument in words that are the same wherever it is meant; None if it has none."""
    if name == "target" and net is not None and value is not None and _is_plain(value):
        images = given.get("images")
        with contextlib.suppress(InputError):
            aim = resolve_target(net, value, 1 if images is None else len(images))
            if aim.through is None:
                outputs = None if aim.outputs is None else aim.outputs.tolist()
                return repr((outputs, aim.layer, aim.channel, aim.cell))
    if isinstance(value, (Images, Tensor, np.ndarray)):  # its numbers are in `inputs`
        return "array"
    return repr(value) if _is_plain(value) and (name in WORDED or not isinstance(value, str)) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
