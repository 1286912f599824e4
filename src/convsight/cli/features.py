"""`convsight features`: one streaming pass, resumable, also under torchrun."""

from __future__ import annotations

import argparse

from convsight.cli.console import bar, out
from convsight.cli.inputs import classifier, data_of
from convsight.features.extract import extract


def features(given: argparse.Namespace, rest: list[str]) -> int:
    net = classifier(given.model, given)
    data = data_of(given.data, given.model, net)
    with bar("Extracting features", quiet=given.quiet):
        store = extract(
            net,
            data,
            given.out,
            split=given.split,
            layer=given.layer,
            dtype=given.dtype,
            shard_size=given.shard_size,
            thumbnails=given.thumbnails,
        )
    out.print(f"{len(store):,} pictures in {given.out}", soft_wrap=True)
    return 0
