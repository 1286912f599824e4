"""How fast, exact and small is the feature space? Beside scikit-learn, plain openTSNE and a bare forward pass.

    OMP_NUM_THREADS=1 python benchmarks/features.py [--quick] [--json FILE] [--model SOURCE --weights FILE]

Times are CPU-seconds of one thread (a loaded machine does not change them much); every section runs in a process
of its own, whose peak memory is reported. Data: all 70,000 pictures of Fashion-MNIST (--quick: 8,000) and made
vectors. Without --model a small network is trained for one epoch first.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peak_memory import peak_kib

import convsight as cs
from convsight.features.embedding import tsne
from convsight.features.exact import nearest
from convsight.features.extract import extract
from convsight.features.folder import MANIFEST, FeatureStore
from convsight.features.index import build_index
from convsight.features.quality import judge, label_agreement
from convsight.features.selection import Selection
from convsight.features.shards import Rows, shard_name, write_shard
from convsight.features.vectors import features_of, pixels_of
from convsight.network.classifier import Classifier
from convsight.storage import write_json

Row = dict[str, Any]


def claim(words: str, value: float, unit: str, target: str = "", ok: bool | None = None, n: int = 1) -> Row:
    return {
        "claim": words,
        "value": round(value, 4),
        "unit": unit,
        "target": target,
        "ok": ok,
        "n": n,
        "spread": None,
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(CPU-seconds, what came out)."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def peak(words: str, limit_gb: float) -> Row:
    gigabytes = peak_kib() * 1024 / 1e9
    return claim(f"peak memory, {words}", gigabytes, "GB", f"<= {limit_gb:g}", gigabytes <= limit_gb)


def setting(options: argparse.Namespace) -> tuple[Classifier, Any]:
    data = cs.dataset("fashion-mnist", limit=2700 if options.quick else None)
    own = {"weights": options.weights or None, "classes": data.classes, "input_size": 28, "channels": 1}
    return cs.load(
        options.model, **({} if Path(options.model).is_dir() else own)
    ), data  # a run knows its own


def extraction(options: argparse.Namespace) -> list[Row]:
    """One pass for features, logits and shards, beside the network alone on the same pixels."""
    net, data = setting(options)
    chosen = Selection.of(data)

    def bare() -> None:
        with torch.no_grad():
            for _, split in chosen.parts:
                for start in range(0, len(split), 1024):
                    net.module(split.pixels[start : start + 1024].float() / 255)

    bare()
    ratios, kept = [], []
    for _ in range(1 if options.quick else 3):
        alone = timed(bare)[0]
        net, data = setting(options)  # a fresh network: nothing is remembered
        with_features, vectors = timed(lambda net=net, data=data: features_of(net, Selection.of(data)))
        ratios.append(with_features / alone)
        kept.append(vectors)
    with tempfile.TemporaryDirectory() as folder:
        to_disk, store = timed(lambda: extract(net, data, folder, dtype="float16"))
        store.check()
        size = sum(path.stat().st_size for path in store.paths) / 1e6
    middle = sorted(ratios)[len(ratios) // 2]
    n = len(chosen)
    return [
        claim(f"features and logits of {n:,} pictures, beside the bare forward pass", middle, "x", "<= 1.15",
              middle <= 1.15, len(ratios)),
        claim("the same written as float16 shards, beside the bare forward pass", to_disk / alone, "x"),
        claim("size of those shards", size, "MB"),
        peak(f"extracting {n:,} pictures", 1.0),
    ]  # fmt: skip


def search(options: argparse.Namespace) -> list[Row]:
    """Exact top 10 of made vectors, beside scikit-learn's brute force."""
    from sklearn.neighbors import NearestNeighbors

    n, q = (8_000, 200) if options.quick else (70_000, 1_000)
    generator = torch.Generator().manual_seed(0)
    base, queries = torch.randn(n, 256, generator=generator), torch.randn(q, 256, generator=generator)
    rows = []
    for metric, peer in (("l2", "euclidean"), ("cosine", "cosine"), ("l1", "manhattan")):
        asked = queries[: q // 10] if metric == "l1" else queries
        ours, (_, found) = timed(lambda m=metric, a=asked: nearest(a, base, 10, m))
        index = NearestNeighbors(n_neighbors=10, algorithm="brute", metric=peer).fit(base.numpy())
        theirs, expected = timed(lambda i=index, a=asked: i.kneighbors(a.numpy(), return_distance=False))
        same = float((np.sort(found.numpy()) == np.sort(expected)).mean())
        words = f"exact top 10 of {len(asked):,} queries over {n:,} x 256, {metric}"
        goal = ("<= 1", ours <= 1) if metric == "l2" else ("", None)
        rows += [
            claim(f"{words}: convsight", ours, "CPU-s", *goal),
            claim(f"{words}: scikit-learn", theirs, "CPU-s"),
            claim(
                f"{words}: recall against scikit-learn", same, "share", ">= 0.999", same >= 0.999, len(asked)
            ),
        ]
    return rows


def first_map(options: argparse.Namespace) -> list[Row]:
    """The PCA map after the features are there: coordinates, quality and pictures."""
    net, data = setting(options)
    chosen = Selection.of(data)
    features = features_of(net, chosen)
    make = cs.Pca(split="all")  # finding the technique imports all of them, once
    ours, _ = timed(lambda: make(net, data))
    pixels = pixels_of(net, chosen)
    by_features, m = label_agreement(features.values, chosen.labels)
    by_pixels, _ = label_agreement(pixels.values, chosen.labels)
    return [
        claim(f"PCA map of {len(chosen):,} pictures after the features", ours, "CPU-s", "<= 2", ours <= 2),
        claim("label agreement of the 10 nearest, features", by_features, "share", "> pixels",
              by_features > by_pixels, m),
        claim("label agreement of the 10 nearest, pixels", by_pixels, "share", n=m),
        peak(f"maps and agreement of {len(chosen):,} pictures", 1.0),
    ]  # fmt: skip


def layout(options: argparse.Namespace) -> list[Row]:
    """t-SNE, beside openTSNE used plainly on the same vectors."""
    net, data = setting(options)
    chosen = Selection.of(data)
    values = features_of(net, chosen).values
    ours, made = timed(lambda: tsne(values))
    memory = peak(f"t-SNE of {len(chosen):,} pictures", 1.0)
    quality = judge(values, made.xy, chosen.labels)
    n = len(chosen)
    rows = [
        claim(f"t-SNE of {n:,} pictures: convsight", ours, "CPU-s", "<= 175", ours <= 175),
        claim("trustworthiness: convsight", quality.trustworthiness, "", ">= 0.995",
              quality.trustworthiness >= 0.995, quality.sampled),
        claim("10-neighbour preservation: convsight", quality.preservation, "share", n=quality.sampled),
        claim("label agreement on the map: convsight", quality.agreement or 0.0, "share", n=quality.sampled),
        memory,
    ]  # fmt: skip

    def plainly() -> torch.Tensor:
        from openTSNE import TSNE
        from sklearn.decomposition import PCA

        array = values.numpy()
        small = PCA(50, random_state=0).fit_transform(array) if array.shape[1] > 50 else array
        return torch.from_numpy(np.array(TSNE(random_state=0, n_jobs=1).fit(small))).float()

    theirs, xy = timed(plainly)
    quality = judge(values, xy, chosen.labels)
    return [
        *rows,
        claim(f"t-SNE of {n:,} pictures: plain openTSNE", theirs, "CPU-s"),
        claim("trustworthiness: plain openTSNE", quality.trustworthiness, "", n=quality.sampled),
        claim("10-neighbour preservation: plain openTSNE", quality.preservation, "share", n=quality.sampled),
        claim("t-SNE time, convsight / plain openTSNE", ours / theirs, "x", "<= 1", ours <= theirs),
    ]


def made_vectors(index: int, size: int) -> torch.Tensor:
    """Vectors as networks make them: 200 groups, in each of which 16 of 256 directions vary much."""
    fixed = torch.Generator().manual_seed(0)
    centres, spread = torch.randn(200, 256, generator=fixed), torch.randn(200, 16, 256, generator=fixed) / 4
    generator = torch.Generator().manual_seed(index + 1)
    group = torch.randint(0, 200, (size,), generator=generator)
    vectors = torch.empty(size, 256)
    for each in range(200):
        mine = group == each
        inside = torch.randn(int(mine.sum()), 16, generator=generator) @ spread[each]
        vectors[mine] = centres[each] + inside
    return vectors + 0.05 * torch.randn(size, 256, generator=generator)


def large_store(options: argparse.Namespace) -> list[Row]:
    """Made vectors through the format on disk, the exact search that reads it, and an index of it."""
    n, size = (50_000 if options.quick else 1_000_000), 20_000
    names = tuple("0123456789")
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), -(-n // size)
        write_json(folder / MANIFEST, {"pictures": n, "shards": count})

        def write() -> None:
            labels, logits = torch.arange(size) % 10, torch.zeros(size, 10)
            for index in range(count):
                ids = tuple(f"made/{index * size + i}" for i in range(size))
                vectors = made_vectors(index, size)
                rows = Rows(ids, ("made",) * size, labels, names, logits, labels, names, vectors)
                write_shard(folder / shard_name(index, count), rows, "float16")

        written, _ = timed(write)
        store = FeatureStore.open(folder)
        queries = next(store.chunks())[:100]
        found, (distances, ids) = timed(lambda: store.nearest(queries, 10))
        right = ids[0][0] == "made/0" and float(distances[:, 0].max()) == 0
        made, index = timed(lambda: build_index(store, str(folder / "index")))
        asked, hits = timed(lambda: index.search(queries, 10))
        pairs = zip(hits, ids, strict=True)
        recall = sum(len({hit.row["id"] for hit in each} & set(true)) for each, true in pairs) / 1000
    return [
        claim(f"{n:,} x 256 written as shards", written, "CPU-s"),
        claim(f"exact top 10 of 100 queries in those shards (each finds itself: {right})", found, "CPU-s"),
        claim(f"LanceDB index of {n:,} x 256 made from them", made, "CPU-s"),
        claim("top 10 of 100 queries in that index", asked, "CPU-s"),
        claim("its recall against the exact search", recall, "share", ">= 0.95", recall >= 0.95, 100),
        peak(f"{n:,} x 256 through shards, search and index", 4.0),
    ]


SECTIONS = (extraction, search, first_map, layout, large_store)


def trained(folder: str) -> str:
    """A run directory with a network trained for one epoch."""
    cs.train("fashion-mnist", recipe="fast", epochs=1, seed=0, out=folder)
    return folder


def one(section: str, options: argparse.Namespace) -> list[Row]:
    torch.set_num_threads(1)
    return next(s for s in SECTIONS if s.__name__ == section)(options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="8,000 pictures instead of 70,000")
    parser.add_argument("--json", type=Path, help="write the claims to this file")
    parser.add_argument("--model", default="", help="what convsight.load takes; default: trained here")
    parser.add_argument("--weights", default="", help="weights for --model")
    parser.add_argument("--only", default="", help=f"one section: {', '.join(s.__name__ for s in SECTIONS)}")
    options = parser.parse_args()
    device = f"{platform.processor() or platform.machine()}, 1 thread"
    command = "benchmarks/features.py" + (" --quick" if options.quick else "")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        options.model = options.model or trained(folder)
        for section in (s.__name__ for s in SECTIONS if options.only in ("", s.__name__)):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                found = pool.submit(one, section, options).result()
            for row in found:
                rows.append({**row, "device": device, "command": command})
                mark = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
                print(
                    f"{row['claim']:86} {row['value']:>10,.3f} {row['unit']:6} {row['target']:9} {mark}",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
