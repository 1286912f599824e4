"""Which map is asked about, and how is it made again for other weights, another class, another picture?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.errors import ConvsightError, InputError
from convsight.images import Images
from convsight.method import Method
from convsight.methods import find_method
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier, as_classifier
from convsight.network.targets import Target
from convsight.results.draw import limit_of, overlay
from convsight.results.kinds import Map, Pictures
from convsight.trust_checks.likeness import ranks
from convsight.trust_checks.measured import Memo, fingerprint

Make = Callable[..., Map]
_scores = Memo[Tensor](8)


@dataclass(frozen=True, eq=False)
class JudgedMap:
    """The maps of n pictures, and what made them (`make` is None for a map that came without its technique)."""

    net: Classifier
    images: Images
    aim: Target
    map: Map
    make: Make | None
    name: str

    @property
    def title(self) -> str:
        return self.map.title or self.name

    @functools.cached_property
    def identity(self) -> str:
        """A key for what is cached about the network."""
        return identity(self.net)

    @functools.cached_property
    def asked(self) -> str:
        """A key for what is cached about network, pictures and target, which every map of them shares."""
        pixels, aim = self.images.pixels, self.aim
        about = aim.outputs if aim.outputs is not None and aim.through is None else repr(aim)
        return f"{self.identity}{fingerprint(pixels, about)}"

    @functools.cached_property
    def scores(self) -> Float[Tensor, "n k"]:
        """What the network, read as the target reads it, says of the pictures."""
        return _scores(self.asked, lambda: (self.aim.through or self.net).explained(self.images))

    @functools.cached_property
    def ranks(self) -> Float[Tensor, "n h w"]:
        """The ranks of the map's values."""
        return ranks(self.map.values.float())

    def remade(self, net: Classifier, images: Images, aim: Target) -> Map:
        """The same technique's maps for something else; a ConvsightError where it cannot be."""
        if self.make is None:
            raise ConvsightError("only the finished map was given, not the technique that made it")
        return self.make(net, images, aim)

    def shown(self, values: Float[Tensor, "h w"], i: int) -> Float[Tensor, "3 h w"]:
        """`values` drawn over picture i in the style of the given map."""
        limit = limit_of(values, self.map.full_colour)
        return tiled(overlay(self.images.pixels[i], values, self.map.signed, limit=limit))


def tiled(rgb: Any) -> Float[Tensor, "3 h w"]:
    """An 8-bit drawing h w 3 as a picture in [0, 1]."""
    return torch.from_numpy(rgb).permute(2, 0, 1) / 255


def one_picture(pixels: Float[Tensor, "c h w"], caption: str) -> Pictures:
    """A picture that a light shows, with a caption."""
    return Pictures(images=pixels[None], captions=(caption,), columns=1)


def subject_of(net: Any, images: Any, of: Any, target: Any, arguments: dict[str, Any]) -> JudgedMap:
    """The subject from what a user wrote; InputError where it is no map of these pictures."""
    net = as_classifier(net)
    images = net.fit(images)
    found = of if isinstance(of, Map) else None
    make, name, said = _maker(of, arguments)
    aim = net.target(said if target is None else target, images)
    if found is None:
        assert make is not None
        found = make(net, images, aim)
    if not isinstance(found, Map):
        raise InputError(f"trust lights are for maps; {name} answers with a {type(found).__name__}")
    if found.values.shape != (len(images), *images.size):
        given, wanted = (tuple(found.values.shape), (len(images), *images.size))
        raise InputError(f"the map has shape {given}; for these pictures it would be {wanted}")
    if isinstance(of, Map) and not _about(found, aim):
        raise InputError(f"the map is about {found.labels_of[0]!r}, not {aim.labels[0]!r}; give target=")
    return JudgedMap(net, images, aim, found, make, name)


def _maker(of: Any, arguments: dict[str, Any]) -> tuple[Make | None, str, Any]:
    """How to make such maps, what the technique is called, and the target it was given in words."""
    said = None
    if isinstance(of, Map):
        if of.provenance is None:
            return None, of.title or "map", None
        words = dict(of.provenance.arguments)
        said = words.pop("target", None)
        arguments = {**words, **arguments}
        knobs = dict(of.provenance.knobs)
        of = find_method(of.provenance.method)(**knobs)
    elif isinstance(of, str):
        of = find_method(of)()
    elif isinstance(of, type) and issubclass(of, Method):
        of = of()
    if not callable(of):
        raise InputError(f"trust takes a Map, a technique or its name, not a {type(of).__name__}")
    technique = of
    if isinstance(technique, Method) and "target" not in technique.needs():
        raise InputError(f"{technique.name} is about no class and no unit, so there is nothing to check")

    def make(net: Classifier, images: Images, aim: Target) -> Map:
        return cast(Map, technique(net, images, target=aim, **arguments))

    return make, getattr(technique, "name", getattr(technique, "__name__", "map")), said


def _about(found: Map, aim: Target) -> bool:
    pairs = zip(found.labels_of, aim.labels, strict=False)
    return all(shown.startswith(label) for shown, label in pairs)


def identity(net: Classifier) -> str:
    """Which network this is: its weights, its code and its normalisation."""
    return f"{net.weights_hash}{id(net.module)}{net.mean}{net.std}"


def pick(aim: Target, index: Int[Tensor, " m"]) -> Target:
    """The target of the pictures `index`, in that order and as often."""
    labels = tuple(aim.labels[i] for i in index.tolist())
    outputs = None if aim.outputs is None else aim.outputs[index]
    return dataclasses.replace(aim, labels=labels, outputs=outputs)


def scored(net: Classifier, aim: Target, pixels: Float[Tensor, "m c h w"]) -> Float[Tensor, " m"]:
    """The target's value for each picture, in one pass without gradients."""
    with torch.no_grad():
        return aim.score(net, pixels).float().cpu()


def clean_scores(net: Classifier, aim: Target, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """The target's value for each picture as it is, in as many passes as memory asks for."""
    size = chunk_size(pixels.shape[1:])
    return torch.cat(in_chunks(lambda part: scored(net, aim[part], pixels[part]), len(pixels), size))
