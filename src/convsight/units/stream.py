"""One pass over pictures that gathers, for every channel of the layers asked for, what excites it and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.errors import InputError
from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.progress import report_count
from convsight.units.map_texture import correlation, eta_squared, morans_i
from convsight.units.running import ByClass, Histogram, Strongest


@dataclass(frozen=True, eq=False)
class Responses:
    """What the c channels of one layer answered to n pictures; a map's mean and maximum are over its cells.

    `top_values` c k, `top_images` c k (number in the split) and `top_cells` c k 2 (y, x) name the k pictures with
    the largest maximum, each once, and the first cell where the picture's map is largest. `class_means` k c are
    NaN for a class without pictures, and None where the labels are positions. `eta2` is None unless there are two
    classes, one of them with two pictures. `silent` is the share of pictures on which the channel is nowhere above
    zero, `smoothness` the mean of Moran's I over the maps that vary (NaN if none does). `histogram` counts one
    maximum a picture. `correlations` c c are Pearson's r over all cells of all pictures, None unless asked for.
    """

    layer: str
    images: int
    top_values: Float[Tensor, "c k"]
    top_images: Int64[Tensor, "c k"]
    top_cells: Int64[Tensor, "c k 2"]
    means: Float[Tensor, " c"]
    lowest: Float[Tensor, " c"]
    silent: Float[Tensor, " c"]
    smoothness: Float[Tensor, " c"]
    histogram: Histogram
    class_counts: Float[Tensor, " k"] | None
    class_means: Float[Tensor, "k c"] | None
    eta2: Float[Tensor, " c"] | None
    correlations: Float[Tensor, "c c"] | None


@dataclass(frozen=True)
class ChunkSummary:
    """What is kept of one layer's value for one chunk of pictures."""

    maxima: Float[Tensor, "n c"]
    cells: Int64[Tensor, "n c"]
    means: Float[Tensor, "n c"]
    smoothness: Float[Tensor, "n c"]
    lowest: Float[Tensor, " c"]
    histogram: Histogram
    gram: Float[Tensor, "c c"] | None
    sums: Float[Tensor, " c"]
    count: int  # cells of one channel over all pictures

    @classmethod
    def of(cls, value: Tensor, alike: bool) -> ChunkSummary:
        value = value.detach().float().cpu()
        maps = value if value.ndim == 4 else value[..., None, None]
        maxima, cells = maps.flatten(2).max(2)
        values = maps.transpose(0, 1).flatten(1)
        exact = values.double()
        gram = exact @ exact.T if alike else None
        means = maps.double().mean((2, 3))
        return cls(
            maxima, cells, means, morans_i(maps), values.amin(1), Histogram.of(maxima.T), gram, exact.sum(1),
            values.shape[1],
        )  # fmt: skip


class LayerAccount:
    """What is known of one layer's channels after the chunks that were added so far."""

    def __init__(self, layer: Layer, k: int, classes: int, alike: bool):
        c, self.layer, self.alike = layer.output_shape[0], layer, alike
        self.columns = layer.output_shape[2] if layer.is_map else 1
        self.images = self.cells = 0
        self.top, self.by_class, self.histogram = Strongest(c, k), ByClass(classes, c), Histogram(c)
        self.sums, self.silent, self.smooth, self.varying = torch.zeros(4, c, dtype=torch.float64)
        self.lowest = torch.full((c,), torch.inf)
        self.gram = torch.zeros(c if alike else 0, c if alike else 0, dtype=torch.float64)

    def add(self, chunk: ChunkSummary, labels: Tensor | None) -> None:
        n = len(chunk.maxima)
        numbers = torch.arange(self.images, self.images + n).expand(chunk.maxima.shape[1], -1)
        self.top.add(chunk.maxima.T, torch.stack([numbers, chunk.cells.T], 2))
        if labels is not None:
            self.by_class.add(chunk.means, labels)
        self.histogram.add(chunk.histogram)
        self.sums += chunk.sums
        self.silent += (chunk.maxima <= 0).sum(0)
        self.smooth += chunk.smoothness.nansum(0)
        self.varying += chunk.smoothness.isfinite().sum(0)
        self.lowest = torch.minimum(self.lowest, chunk.lowest)
        if chunk.gram is not None:
            self.gram += chunk.gram
        self.images += n
        self.cells += chunk.count

    def responses(self) -> Responses:
        kept, of = self.by_class, self.top.tags
        labelled = bool(kept.counts.sum())
        cells = torch.stack([of[..., 1] // self.columns, of[..., 1] % self.columns], 2)
        seen = kept.counts > 0
        class_means = torch.where(seen[:, None], kept.sums / kept.counts.clamp(min=1)[:, None], torch.nan)
        return Responses(
            self.layer.name, self.images, self.top.values, of[..., 0], cells, (self.sums / self.cells).float(),
            self.lowest, (self.silent / self.images).float(), (self.smooth / self.varying).float(),
            self.histogram, kept.counts if labelled else None, class_means if labelled else None,
            eta_squared(kept.counts, kept.sums, kept.squares) if self.images > int(seen.sum()) > 1 else None,
            correlation(self.gram, self.sums, self.cells) if self.alike else None,
        )  # fmt: skip


def gather(
    net: Classifier, pictures: Split | Images, layers: Sequence[str], *, k: int = 9, alike: bool = False
) -> dict[str, Responses]:
    """`Responses` of the named layers by name, from one pass that stops behind the deepest of them.

    `k` is how many strongest pictures of each channel are kept, `alike` also gathers correlations (c² numbers
    a layer). Only one chunk of pictures and one layer's maps of it are in memory at a time.
    """
    asked = {name: _described(net, name) for name in layers}
    chosen = {layer.name: layer for layer in asked.values()}
    labels = pictures.labels if pictures.labels is not None and pictures.labels.ndim == 1 else None
    classes = int(labels.max()) + 1 if labels is not None and len(labels) else 0
    accounts = {name: LayerAccount(layer, k, classes, alike) for name, layer in chosen.items()}
    deepest = max(chosen, key=lambda name: chosen[name].index)
    size = chunk_size((net.channels, *net.input_size), 128)
    batches = pictures.batches(size) if isinstance(pictures, Split) else [pictures]
    done = 0
    for batch in batches:
        fitted = net.fit(batch)

        def run(part: slice, fitted: Images = fitted) -> None:
            chunks = _pass(net, fitted.pixels[part], accounts, deepest)
            for name, account in accounts.items():
                account.add(chunks[name], None if labels is None else fitted.labels[part])  # type: ignore[index]

        in_chunks(run, len(fitted), size)
        done += len(fitted)
        report_count(done, len(pictures), "pictures")
    found = {name: account.responses() for name, account in accounts.items()}
    return {name: found[layer.name] for name, layer in asked.items()}


def _pass(
    net: Classifier, pixels: Tensor, accounts: dict[str, LayerAccount], deepest: str
) -> dict[str, ChunkSummary]:
    chunks: dict[str, ChunkSummary] = {}

    def look(name: str, value: Tensor) -> Tensor:
        chunks[name] = ChunkSummary.of(value, accounts[name].alike)
        return value

    looks = {name: lambda value, name=name: look(name, value) for name in accounts}
    with torch.no_grad(), net.edit(looks), net.record(deepest, stop=True):
        net.forward(pixels)
    return chunks


def _described(net: Classifier, name: str) -> Layer:
    layer = net.layers[name]
    if not layer.is_map and len(layer.output_shape) != 1:
        shape = "×".join(map(str, layer.output_shape))
        known = ", ".join(a.name for a in net.layers.maps()[:12])
        raise InputError(f"layer {name!r} gives {shape}, neither maps nor a vector; these give maps: {known}")
    return layer
