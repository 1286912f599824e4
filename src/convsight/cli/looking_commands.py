"""Which options do the commands show, layers, neighbours, map, audit and the lists have?"""

from __future__ import annotations

import argparse
from typing import Any

from convsight.cli.arguments import DATA, MODEL, PICTURE, command, takes_model, takes_network, takes_pictures

FRESH = "compute again what the run has stored"


def show(commands: Any) -> argparse.ArgumentParser:
    show = command(
        commands,
        "show",
        "run one technique and save or show its picture",
        "show:show",
        usage="convsight show METHOD [MODEL] [IMAGE ...] [--KNOB VALUE ...] [--target T] [--layer L] [-o FILE]",
        epilog="`convsight show METHOD --help` lists the knobs of one technique; `convsight methods` lists them all.",
        add_help=False,
    )
    show.set_defaults(takes_knobs=True)
    show.add_argument("method", metavar="METHOD", nargs="?", help="one of `convsight methods`")
    show.add_argument("inputs", metavar="MODEL IMAGE", nargs="*", help=f"{MODEL}; then {PICTURE}")
    show.add_argument(
        "-o", "--out", help="where to save: .png .npz .json .html (.csv .svg .gif where it fits)"
    )
    show.add_argument("-h", "--help", action="store_true", help="this help, or that of METHOD")
    show.add_argument(
        "--target", help="class name, output index, or layer:channel[:y:x] (default: predicted class)"
    )
    show.add_argument("--layer", help="a name of `convsight layers MODEL`")
    show.add_argument("--data", help=f"{DATA} (default: the run's own)")
    takes_pictures(show)
    show.add_argument("--style", help="the picture whose style is taken")
    show.add_argument("--query", help=f"the picture looked for: {PICTURE}")
    show.add_argument(
        "--trust",
        action="store_true",
        help="also say how far to trust the map: three checks, in words with numbers",
    )
    show.add_argument("--fresh", action="store_true", help=FRESH)
    show.add_argument("--quiet", action="store_true", help="no progress")
    takes_network(show)
    return show


def show_help() -> str:
    """The help of `show`. The command handles --help itself, because a technique may be named beside it."""
    return show(argparse.ArgumentParser(prog="convsight").add_subparsers()).format_help()


def lists(commands: Any) -> None:
    methods = command(commands, "methods", "every technique with its knobs and source", "listing:methods")
    methods.add_argument("name", nargs="?", help="one technique, in full")
    methods.add_argument("--json", action="store_true", help="print as JSON")
    layers = command(
        commands, "layers", "a network's layers: shapes, parameters, MACs, receptive field", "listing:layers"
    )
    takes_model(layers)
    layers.add_argument("--json", action="store_true", help="print as JSON")
    networks = command(commands, "networks", "the networks that can be built by name", "listing:networks")
    networks.add_argument("--json", action="store_true", help="print as JSON")
    datasets = command(commands, "datasets", "the data sets known by name", "listing:datasets")
    datasets.add_argument("--json", action="store_true", help="print as JSON")


def space(commands: Any) -> None:
    """`neighbours` and `map`, which are `show` for certain techniques."""
    features = command(
        commands, "features", "write every picture's features as Parquet shards", "features:features"
    )
    takes_model(features)
    features.add_argument("--data", help=f"{DATA} (default: the run's own)")
    takes_pictures(features)
    features.add_argument("-o", "--out", required=True, help="the folder; shards that are there already stay")
    features.add_argument(
        "--split", default="all", choices=("all", "train", "validation", "test"), help="default: all"
    )
    features.add_argument(
        "--layer", help="a name of `convsight layers MODEL` (default: what feeds the scores)"
    )
    features.add_argument(
        "--dtype", default="float32", choices=("float32", "float16"), help="default: float32"
    )
    features.add_argument("--shard-size", type=int, default=4096, help="pictures a file (default: 4096)")
    features.add_argument("--thumbnails", action="store_true", help="keep a small picture of each")
    features.add_argument(
        "--ray", type=int, metavar="TASKS", help="share the work among so many tasks of a Ray cluster"
    )
    features.add_argument(
        "--index",
        metavar="URL",
        help="also make an index: a folder or bucket (LanceDB), or http://HOST:6333/NAME (Qdrant)",
    )
    features.add_argument("--metric", default="l2", help="of the index: l2, cosine or mse (default: l2)")
    features.add_argument("--overwrite", action="store_true", help="replace the index that is there")
    features.add_argument("--quiet", action="store_true", help="no progress")
    neighbours = command(
        commands, "neighbours", "the pictures nearest to one, by features and pixels", "show:neighbours"
    )
    takes_model(neighbours)
    neighbours.add_argument("query", metavar="IMAGE", help=PICTURE)
    neighbours.add_argument("--index", metavar="URL", help="look in an index that `features` made, with --k")
    neighbours.set_defaults(takes_knobs=True)
    places = command(
        commands, "map", "the data set as a map: PCA, t-SNE or UMAP of the last features", "show:map"
    )
    takes_model(places)
    places.add_argument("--method", default="tsne", choices=("pca", "tsne", "umap"), help="default: tsne")
    places.set_defaults(takes_knobs=True)
    for made in (neighbours, places):
        made.add_argument("--fresh", action="store_true", help=FRESH)
        made.add_argument("--data", help=f"{DATA} (default: the run's own)")
        takes_pictures(made)
        made.add_argument("-o", "--out", help="where to save: .png .npz .json .html")
        made.add_argument("--quiet", action="store_true", help="no progress")


def audit(commands: Any) -> None:
    audit = command(
        commands, "audit", "find what a network leans on beside the object, and prove it", "audit:audit"
    )
    takes_model(audit)
    audit.add_argument("--data", help=f"{DATA} (default: the run's own)")
    takes_pictures(audit)
    audit.add_argument(
        "--split",
        choices=("all", "train", "validation", "test"),
        help="default: test, or all where no two classes have 12 test pictures",
    )
    audit.add_argument("--target", metavar="CLASS", help="audit this class only (default: all)")
    audit.add_argument(
        "--limit", type=int, metavar="N", help="at most N pictures of each class (default: 240)"
    )
    audit.add_argument("--seed", type=int, default=0, help="which pictures are used (default: 0)")
    audit.add_argument(
        "--own", type=int, metavar="N", help="verdict N is the object itself: remember that in the run"
    )
    audit.add_argument(
        "--masks",
        metavar="FOLDER",
        nargs="?",
        const=True,
        help="masks named like the pictures, white where the object is (default: found); without FOLDER those that"
        " the studio kept in the run",
    )
    audit.add_argument("--fail-on", choices=("found",), help="exit with 3 if something is found, for CI")
    audit.add_argument("--json", action="store_true", help="print the verdicts as JSON, and nothing else")
    audit.add_argument("-o", "--out", help="where to save the pictures: .png .html .json .npz")


def check(commands: Any) -> None:
    check = command(
        commands,
        "check",
        "find what is wrong with the pictures: labels, copies, leaks, odd ones",
        "check:run",
    )
    check.add_argument(
        "data", metavar="DATA", help=f"{DATA}; or a run directory, whose pictures are looked at"
    )
    check.add_argument(
        "--network",
        metavar="MODEL",
        help=f"judge labels by the features of this network, best one trained on other pictures: {MODEL} (default: a "
        "run's own; else simple features learnt from the pictures)",
    )
    takes_network(check)
    takes_pictures(check)
    check.add_argument(
        "--sure",
        type=float,
        default=0.8,
        help="list labels that are wrong with so much, 0 to 1 (default: 0.8)",
    )
    check.add_argument(
        "--most", type=int, default=20_000, metavar="N", help="look at most at N pictures (default: 20000)"
    )
    check.add_argument("--seed", type=int, default=0, help="of folds and samples (default: 0)")
    check.add_argument(
        "--fail-on",
        metavar="PROBLEMS",
        help="exit with 3 if there is one of these, for CI: leak,mislabelled,duplicate,statistic,few,odd",
    )
    check.add_argument("--relabel", metavar="FILE", help="where suggested labels go (default: relabel.csv)")
    check.add_argument("--fresh", action="store_true", help="look again, also if the same was asked before")
    check.add_argument("--json", action="store_true", help="print the findings as JSON, and nothing else")
    check.add_argument("-o", "--out", help="where to save them: .csv .parquet .html .png .json .npz")


def compare_maps(commands: Any) -> None:
    made = command(
        commands,
        "compare-maps",
        "measure which technique's map is best for a network",
        "compare_maps:compare_maps",
    )
    takes_model(made)
    made.add_argument("images", metavar="IMAGE", nargs="+", help=PICTURE)
    made.add_argument(
        "--methods", metavar="NAMES", help="techniques with commas (default: every map that takes no minutes)"
    )
    made.add_argument(
        "--target", help="class name, output index, or layer:channel[:y:x] (default: predicted class)"
    )
    made.add_argument("--data", help=f"{DATA}, whose pixels are put in (default: the run's own)")
    takes_pictures(made)
    made.add_argument(
        "--cue", metavar="MASK",
        help="a picture of the network's size, white where the pixels are that are known to count: how often each map "
        "points at it",
    )  # fmt: skip
    made.add_argument(
        "--passes", type=int, default=1000, help="of the Shapley reference for each picture (default: 1000)"
    )
    made.add_argument("--seed", type=int, default=0, help="draws fillings, noise and coalitions (default: 0)")
    made.add_argument("--json", action="store_true", help="print as JSON, and nothing else")
    made.add_argument("--quiet", action="store_true", help="no progress")
    made.add_argument("-o", "--out", help="where to save: .png .html .json .csv .npz")
