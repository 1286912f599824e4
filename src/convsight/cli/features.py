"""`convsight features`: one streaming pass, resumable, also under torchrun or on Ray; and an index of the result."""

from __future__ import annotations

import argparse
from functools import partial

from convsight.cli.console import bar, out
from convsight.cli.inputs import classifier, data_of
from convsight.datasets import Dataset
from convsight.features.extract import extract
from convsight.features.index import build_index
from convsight.features.on_ray import extract_on_ray
from convsight.network.classifier import Classifier


def features(given: argparse.Namespace, rest: list[str]) -> int:
    options = {
        "split": given.split,
        "layer": given.layer,
        "dtype": given.dtype,
        "shard_size": given.shard_size,
        "thumbnails": given.thumbnails,
    }
    with bar("Extracting features", quiet=given.quiet):
        if given.ray is not None:
            store = extract_on_ray(partial(_named, given), given.out, tasks=given.ray, **options)
        else:
            net, data = _named(given)
            store = extract(net, data, given.out, **options)
    out.print(f"{len(store):,} pictures in {given.out}", soft_wrap=True)
    if given.index:
        with bar("Making the index", quiet=given.quiet):
            index = build_index(store, given.index, metric=given.metric, overwrite=given.overwrite)
        out.print(f"an index of {len(index):,} rows at {given.index}", soft_wrap=True)
    return 0


def _named(given: argparse.Namespace) -> tuple[Classifier, Dataset]:
    """The network and the data set that the command names."""
    net = classifier(given.model, given)
    return net, data_of(given.data, given.model, net, given.fit)
