"""Which commands and options are there? The whole command line, without importing torch."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

from convsight import __version__

EXAMPLES = """\
start here:
  convsight demo                                       train on Fashion-MNIST, look inside, write the report
  convsight train photos/ --out runs/mine              a folder with one folder of pictures per class
  convsight show occlusion runs/mine cat.jpg -o cat.png
  convsight show gradcam torchvision:resnet50 cat.jpg --target tabby
"""
MODEL = "a run directory, torchvision:NAME, timm:NAME, file.py:function, program.pt2, or one of `convsight networks`"
DATA = "a name of `convsight datasets`, a folder of pictures or an .npz file"
PICTURE = "a picture file, a folder, or SPLIT:INDEX of the data set, such as test:17 or test:0-8"


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; each command's `run` is imported only when it is called."""
    parser = argparse.ArgumentParser(
        prog="convsight",
        description="Sight into convolutional networks: train an image classifier and see what it looks at.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"convsight {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_demo, _train, _test, _show, _lists, _space, _audit, _fix, _report, _studio, _doctor):
        add(commands)
    return parser


def _command(commands: Any, name: str, help: str, where: str, **more: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + ".", allow_abbrev=False, **more
    )
    made.set_defaults(run=_later(where))
    return made


def _later(where: str) -> Callable[[argparse.Namespace, list[str]], int | None]:
    """The function `module:name` of this package, imported when it is first called."""
    module, _, name = where.partition(":")

    def run(given: argparse.Namespace, rest: list[str]) -> int | None:
        return getattr(importlib.import_module(f"convsight.cli.{module}"), name)(given, rest)

    return run


def _demo(commands: Any) -> None:
    demo = _command(commands, "demo", "train on Fashion-MNIST, look inside and write a report", "train:demo")
    demo.add_argument("--out", default="runs/demo", help="the run's directory (default: %(default)s)")
    demo.add_argument("--recipe", default="fast", help="how to train (default: %(default)s)")
    demo.add_argument("--data", default="fashion-mnist", help=f"{DATA} (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="another seed, another training (default: 0)")
    demo.add_argument(
        "--limit", type=int, metavar="N", help="at most N pictures of each split, for a quick look"
    )


def _train(commands: Any) -> None:
    train = _command(commands, "train", "train a classifier (or locator) and test it", "train:train")
    train.add_argument("data", metavar="DATA", help=DATA)
    train.add_argument(
        "--recipe", default="fast", help="fast (a minute), quick, best, lesson-1, lesson-2, locate"
    )
    train.add_argument("--network", help="one of `convsight networks` (default: the recipe's)")
    train.add_argument("--task", choices=("classify", "locate"), help="classes, or positions in pixels")
    train.add_argument("--epochs", type=int, help="passes over the training pictures (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="same seed, same weights (default: 0)")
    train.add_argument("--out", help="the run's directory (default: a new one under runs/)")
    train.add_argument("--resume", action="store_true", help="go on with the unfinished run in --out")
    train.add_argument("--overwrite", action="store_true", help="throw away the run that is in --out")
    train.add_argument("--optimizer", help="sgd, momentum, nesterov, adam, adamw or muon")
    train.add_argument("--lr", type=float, help="peak learning rate")
    train.add_argument("--momentum", type=float, help="share of the last step that is repeated, 0 to 1")
    train.add_argument("--weight-decay", type=float, help="how strongly weights are pulled to zero")
    train.add_argument("--batch-size", type=int, help="pictures per update")
    train.add_argument("--schedule", help="constant, triangular or cosine")
    train.add_argument("--loss", help="cross-entropy, mse or smooth-l1")
    train.add_argument("--label-smoothing", type=float, help="share of the target spread over all classes")
    train.add_argument("--until-loss", type=float, help="stop when an epoch's mean loss is below this")
    train.add_argument(
        "--patience", type=int, help="stop after so many epochs without better validation loss"
    )
    train.add_argument("--size", help="height×width in pixels, such as 64 or 48x64 (default: the data's)")
    train.add_argument("--channels", type=int, choices=(1, 3), help="1 grey, 3 colour (default: the data's)")
    train.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each split")
    train.add_argument(
        "--validation", type=float, help="share (or number) of training pictures kept to choose by"
    )
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    train.add_argument("--report", action="store_true", help="also write report.html into the run")
    train.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")


def _test(commands: Any) -> None:
    test = _command(commands, "test", "measure a network on a data set, class by class", "evaluate:test")
    _model(test)
    test.add_argument("--data", help=f"{DATA} (default: the run's own)")
    test.add_argument(
        "--split", default="test", choices=("train", "validation", "test"), help="default: test"
    )
    test.add_argument("--limit", type=int, metavar="N", help="at most N pictures")
    test.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")
    compare = _command(
        commands, "compare", "runs side by side: curves and accuracy per class", "evaluate:compare"
    )
    compare.add_argument("runs", metavar="RUN", nargs="+", help="run directories, two or more")
    compare.add_argument("-o", "--out", help="also save the picture (.png) or the numbers (.json)")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON, and nothing else")


def _show(commands: Any) -> argparse.ArgumentParser:
    show = _command(
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
    show.add_argument("--style", help="the picture whose style is taken")
    show.add_argument("--query", help=f"the picture looked for: {PICTURE}")
    show.add_argument(
        "--trust",
        action="store_true",
        help="also say how far to trust the map: three checks, in words with numbers",
    )
    show.add_argument("--quiet", action="store_true", help="no progress")
    _bring(show)
    return show


def show_help() -> str:
    """The help of `show`, which answers --help itself because a technique may be named with it."""
    return _show(argparse.ArgumentParser(prog="convsight").add_subparsers()).format_help()


def _lists(commands: Any) -> None:
    methods = _command(commands, "methods", "every technique with its knobs and source", "listing:methods")
    methods.add_argument("name", nargs="?", help="one technique, in full")
    methods.add_argument("--json", action="store_true", help="print as JSON")
    layers = _command(
        commands, "layers", "a network's layers: shapes, parameters, MACs, receptive field", "listing:layers"
    )
    _model(layers)
    layers.add_argument("--json", action="store_true", help="print as JSON")
    networks = _command(commands, "networks", "the networks that can be built by name", "listing:networks")
    networks.add_argument("--json", action="store_true", help="print as JSON")
    datasets = _command(commands, "datasets", "the data sets known by name", "listing:datasets")
    datasets.add_argument("--json", action="store_true", help="print as JSON")


def _space(commands: Any) -> None:
    """The feature space: `neighbours` and `map` are `show` under names of their own."""
    features = _command(
        commands, "features", "write every picture's features as Parquet shards", "features:features"
    )
    _model(features)
    features.add_argument("--data", help=f"{DATA} (default: the run's own)")
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
    neighbours = _command(
        commands, "neighbours", "the pictures nearest to one, by features and pixels", "show:neighbours"
    )
    _model(neighbours)
    neighbours.add_argument("query", metavar="IMAGE", help=PICTURE)
    neighbours.add_argument("--index", metavar="URL", help="look in an index that `features` made, with --k")
    neighbours.set_defaults(takes_knobs=True)
    places = _command(
        commands, "map", "the data set as a map: PCA, t-SNE or UMAP of the last features", "show:map"
    )
    _model(places)
    places.add_argument("--method", default="tsne", choices=("pca", "tsne", "umap"), help="default: tsne")
    places.set_defaults(takes_knobs=True)
    for made in (neighbours, places):
        made.add_argument("--data", help=f"{DATA} (default: the run's own)")
        made.add_argument("-o", "--out", help="where to save: .png .npz .json .html")
        made.add_argument("--quiet", action="store_true", help="no progress")


def _audit(commands: Any) -> None:
    audit = _command(
        commands, "audit", "find what a network leans on beside the object, and prove it", "audit:audit"
    )
    _model(audit)
    audit.add_argument("--data", help=f"{DATA} (default: the run's own)")
    audit.add_argument(
        "--split", default="test", choices=("train", "validation", "test"), help="default: test"
    )
    audit.add_argument("--target", metavar="CLASS", help="audit this class only (default: all)")
    audit.add_argument(
        "--limit", type=int, metavar="N", help="at most N pictures of each class (default: 240)"
    )
    audit.add_argument("--seed", type=int, default=0, help="which pictures are used (default: 0)")
    audit.add_argument(
        "--own", type=int, metavar="N", help="verdict N is the object itself: remember that in the run"
    )
    audit.add_argument("--fail-on", choices=("found",), help="exit with 3 if something is found, for CI")
    audit.add_argument("--json", action="store_true", help="print the verdicts as JSON, and nothing else")
    audit.add_argument("-o", "--out", help="where to save the pictures: .png .html .json .npz")


def _fix(commands: Any) -> None:
    fix = _command(commands, "fix", "train a run on without the shortcut that its audit found", "fix:run")
    fix.add_argument("run_path", metavar="RUN", help="a run directory that was audited; it stays as it is")
    fix.add_argument(
        "--verdict", type=int, default=1, metavar="N", help="which of the audit's verdicts (default: 1)"
    )
    fix.add_argument("--data", help=f"{DATA} (default: the run's own)")
    fix.add_argument("--out", help="the new run's directory (default: RUN-fixed)")
    fix.add_argument("--epochs", type=int, help="passes over the training pictures (default: 2 or more)")
    fix.add_argument(
        "--share", type=float, default=1.0, help="of the training pictures that swap, 0 to 1 (default: 1)"
    )
    fix.add_argument("--seed", type=int, default=0, help="which pictures swap, and the order (default: 0)")
    fix.add_argument("--no-audit", action="store_true", help="do not audit the new network")
    fix.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    fix.add_argument("--json", action="store_true", help="print before and after as JSON, and nothing else")


def _report(commands: Any) -> None:
    report = _command(
        commands, "report", "write a run's report: one HTML file that needs nothing else", "report:report"
    )
    report.add_argument("run_path", metavar="RUN", help="a run directory")
    report.add_argument("-o", "--out", help="the HTML file (default: report.html in the run)")
    report.add_argument("--images", help=f"{PICTURE} (default: some of the test set, right and wrong)")
    report.add_argument(
        "--interactive",
        action="store_true",
        help="the studio's page as one file: maps, cards and tables to click",
    )


def _studio(commands: Any) -> None:
    studio = _command(
        commands, "studio", "open a page in which everything of a network can be clicked", "studio:studio"
    )
    studio.add_argument("model", metavar="MODEL", nargs="?", help=f"{MODEL} (default: the newest run)")
    studio.add_argument("--data", help=f"{DATA} (default: the run's own)")
    studio.add_argument("--port", type=int, help="default: 8765, or the next free one; 0: any")
    studio.add_argument(
        "--host", default="127.0.0.1", help="another address lets others in who have the URL's token"
    )
    studio.add_argument("--no-browser", action="store_true", help="only print the URL")
    studio.add_argument("--runs", help="where trainings are kept (default: where the run is, or runs)")
    _bring(studio)


def _doctor(commands: Any) -> None:
    doctor = _command(
        commands, "doctor", "what is installed, what is missing and how to get it", "listing:doctor"
    )
    doctor.add_argument("--json", action="store_true", help="print as JSON")


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    _bring(parser)


def _bring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a network that is not a run")
    group.add_argument("--weights", metavar="FILE", help="its weights (.safetensors .pth .pt), or random")
    group.add_argument("--classes", metavar="FILE", help="class names, one a line, or separated by commas")
    group.add_argument("--input-size", metavar="HxW", help="height×width in pixels, such as 224 or 48x64")
    group.add_argument("--input-channels", type=int, choices=(1, 3), help="1 grey, 3 colour")
    group.add_argument("--mean", help="subtracted per channel, such as 0.485,0.456,0.406")
    group.add_argument("--std", help="divided by per channel")
