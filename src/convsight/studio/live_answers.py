"""What does a page that runs its network itself take along from Python: pictures, filters, the audit?"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import torch

from convsight.errors import InputError
from convsight.exporting import Exported
from convsight.exporting.backward import GRADIENT, GUIDED
from convsight.images import Images
from convsight.results import draw
from convsight.studio import schemas
from convsight.studio.edits import of_data
from convsight.studio.export import Answer
from convsight.studio.inside import addresses, in_a_thread
from convsight.studio.session import Studio
from convsight.studio.stamps import stamps_of

COMPUTED = {"occlusion": ("patch", "stride", "fill")}  # techniques of the page, with the knobs that it has
BY_GRADIENT = {
    "saliency": GRADIENT,
    "gradient_x_input": GRADIENT,
    "guided_backprop": GUIDED,
}  # what each needs
NEIGHBOURS = 120  # pictures of the data set whose vectors come along
SMALL = 96 * 96  # pixels up to which pictures are kept without loss
LARGEST_FILTERS = 400_000  # bytes of filter sheets after which no more are kept


@dataclass
class Contents:
    """What is put into the page. responses: answers by address; state: where it opens; panels: which it shows."""

    images: Images
    names: list[str]
    responses: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    panels: list[str] = field(default_factory=lambda: ["play", "network", "image", "playground"])
    state: str = json.dumps({"hash": "#/play", "made": []})
    near: dict[str, Any] | None = None
    stamps: list[dict[str, Any]] = field(default_factory=list)
    unstamped: list[str] = field(default_factory=list)
    feature_layer: str | None = None


def collected(studio: Studio, most: int, ask: Answer) -> Contents:
    """The pictures to begin with, and the audit if one was made."""
    names = studio.info.samples[:most]
    if not names:
        raise InputError(
            "a page to play with needs pictures: live_page(net, images) or live_page(net, data=...)"
        )
    kept = Contents(studio.pictures.some(names), names)
    for name, image in zip(names, kept.images, strict=True):
        _keep_picture(studio, kept, name, image)
    _near(studio, kept)
    if _keep(kept, ask, "/api/audit")["verdicts"]:
        kept.panels.append("audit")
        _stamps(studio, kept)
    return kept


def _near(studio: Studio, kept: Contents) -> None:
    """Pictures of the data set, evenly chosen, with their vectors and the plane in which these differ most.

    Left out for a network of large pictures, which would make the page too heavy.
    """
    net, data = studio.net, studio.data
    rows, columns = net.input_size
    name = studio.first_split
    if data is None or name is None or rows * columns > SMALL or not net.layers.nodes:
        return
    split = data.splits[name]
    places = torch.linspace(0, len(split) - 1, min(NEIGHBOURS, len(split))).round().long().unique().tolist()
    kept.feature_layer = net.feature_layer
    ids = [f"{name}:{i}" for i in places]
    vectors = net.features(studio.pictures.some(ids)).double()
    centre = vectors.mean(0)
    axes = torch.linalg.svd(vectors - centre, full_matrices=False).Vh[:2]
    for each in ids:
        _keep_picture(studio, kept, each, studio.pictures.some([each]))
    kept.near = {
        "ids": ids,
        "labels": [kept.labels.get(each) for each in ids],
        "dims": vectors.shape[1],
        "vectors": base64.b64encode(vectors.half().numpy().tobytes()).decode(),
        "centre": centre.tolist(),
        "axes": axes.tolist(),
        "of": f"{len(ids)} of the {len(split):,} {name} pictures of {data.name}",
    }


def _stamps(studio: Studio, kept: Contents) -> None:
    """Cues that the audit found, as two pictures of bytes each: what a stamp keeps of a pixel, and what it adds."""
    with torch.no_grad():
        stamps, kept.unstamped = stamps_of(studio, kept.images.pixels)
    for stamp in stamps:
        told = {name: getattr(stamp, name) for name in ("number", "target", "cue", "turned", "of")}
        bytes_of = {
            name: (255 * getattr(stamp, name)).round().byte().numpy().tobytes() for name in ("keep", "add")
        }
        packed = {name: base64.b64encode(gzip.compress(each, 9)).decode() for name, each in bytes_of.items()}
        kept.stamps.append(told | packed)


def _keep_picture(studio: Studio, kept: Contents, name: str, image: Images) -> None:
    kept.responses[f"/api/pictures/{quote(name, safe=':')}.png"] = _picture(image)
    known = of_data(studio, name)
    if known is not None and known.label is not None:
        kept.labels[name] = known.label


def _picture(image: Images) -> dict[str, str]:
    """One picture at the network's size: small ones exactly, large ones as WebP."""
    pixels = draw.rgb(image.pixels[0])
    exact = pixels.shape[0] * pixels.shape[1] <= SMALL
    content = draw.png(pixels) if exact else draw.webp(pixels, 92)
    return {"type": "image/png" if exact else "image/webp", "base64": base64.b64encode(content).decode()}


def keep_session(studio: Studio, kept: Contents, exported: Exported) -> None:
    """The session that the page opens with: it offers what the page computes itself, nothing else."""
    can_do = {*COMPUTED, *(name for name, needed in BY_GRADIENT.items() if needed in exported.gradients)}
    methods = [_computed(each) for each in studio.info.methods if each.name in can_do]
    can = schemas.Can(train=False, audit="audit" in kept.panels, map="map" in kept.panels, no_audit="")
    notes = [*studio.info.model.notes, *exported.notes, *exported.lacks]
    model = studio.info.model.model_copy(update={"source": "", "notes": notes})
    told = studio.info.model_copy(
        update={
            "methods": methods, "can": can, "samples": kept.names, "log": None, "metrics": None, "model": model,
        }
    )  # fmt: skip
    kept.responses["/api/session"] = {"type": "application/json", "body": told.model_dump_json()}


def _computed(method: schemas.MethodInfo) -> schemas.MethodInfo:
    knobs = [knob for knob in method.knobs if knob.name in COMPUTED.get(method.name, ())]
    needs = {"net": True, "images": True, "target": False}
    return method.model_copy(update={"knobs": knobs, "needs": needs})


def keep_filters(studio: Studio, kept: Contents, ask: Answer, drawn: Collection[str]) -> None:
    """The filters of convolutions, but of those `drawn` by the page itself."""
    size = 0
    for layer in studio.info.layers:
        if layer.convolution and layer.name not in drawn and size < LARGEST_FILTERS:
            told = _keep(kept, ask, f"/api/layers/{quote(layer.name, safe='')}/filters")
            for url in addresses(told):
                _keep(kept, ask, url)
                size += len(kept.responses[url]["base64"])


def _keep(kept: Contents, ask: Answer, url: str) -> Any:
    """Keep the studio's own answer to a GET, with the pictures that it names; returns its content if it is JSON."""
    status, media, body = in_a_thread(lambda: ask(url))
    if status != 200:
        return None
    is_json = media.startswith("application/json")
    packed = {"body": body.decode()} if is_json else {"base64": base64.b64encode(body).decode()}
    kept.responses[url] = {"type": media, **packed}
    if not is_json:
        return None
    told = json.loads(body)
    if url == "/api/audit":
        for inner in addresses(told):
            _keep(kept, ask, inner)
    return told
