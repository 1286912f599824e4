"""Which options do the commands demo, train, test, compare and fix have?"""

from __future__ import annotations

from typing import Any

from convsight.cli.arguments import DATA, channels, command, takes_model, takes_pictures


def demo(commands: Any) -> None:
    demo = command(commands, "demo", "train on Fashion-MNIST, look inside and write a report", "train:demo")
    demo.add_argument("--out", default="runs/demo", help="the run's directory (default: %(default)s)")
    demo.add_argument("--recipe", default="fast", help="how to train (default: %(default)s)")
    demo.add_argument("--data", default="fashion-mnist", help=f"{DATA} (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="another seed, another training (default: 0)")
    demo.add_argument(
        "--limit", type=int, metavar="N", help="at most N pictures of each split, for a quick look"
    )


def story(commands: Any) -> None:
    story = command(
        commands, "story", "check the pictures, train, test, audit and report, in one command", "story:run"
    )
    story.add_argument("data", metavar="DATA", help=DATA)
    story.add_argument("--recipe", help="as in `train` (default: the one that suits the network)")
    story.add_argument("--network", help="as in `train`; labels are judged by its features too")
    story.add_argument("--weights", metavar="FILE", help="of a network from elsewhere")
    story.add_argument("--epochs", type=int, help="passes over the training pictures (default: the recipe's)")
    story.add_argument("--seed", type=int, default=0, help="same seed, same weights (default: 0)")
    story.add_argument("--out", help="the run's directory, also to go on with (default: runs/NAME-story)")
    story.add_argument("--relabel", metavar="FILE", help="correct labels by this CSV, as `check` writes it")
    story.add_argument("--size", help="height×width in pixels, such as 64 or 48x64 (default: the data's)")
    story.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each split")
    takes_pictures(story)
    story.add_argument("--json", action="store_true", help="print the verdict as JSON, and nothing else")


def train(commands: Any) -> None:
    train = command(commands, "train", "train a classifier (or locator) and test it", "train:train")
    train.add_argument("data", metavar="DATA", help=DATA)
    train.add_argument(
        "--recipe",
        help="fast (a minute), quick, best, lesson-1, lesson-2, locate; of a network that has seen other pictures probe"
        " (a head only, seconds after one pass) or finetune (all layers, minutes) (default: fast, or probe, or finetune"
        " for many pictures; said)",
    )
    train.add_argument(
        "--network",
        help="one of `convsight networks` (default: the recipe's), or one that has seen other pictures:"
        " torchvision:NAME, timm:NAME, hf:NAME, file.py:function, or the directory of an earlier run",
    )
    train.add_argument(
        "--weights",
        metavar="FILE",
        help="of a network from elsewhere: a file of weights, published (the default) or random",
    )
    train.add_argument(
        "--task",
        choices=("classify", "multilabel", "binary", "regress", "locate"),
        help="one class a picture, several labels, two classes by one score, numbers, or positions in pixels",
    )
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
    train.add_argument(
        "--balance",
        choices=("none", "weights", "auto"),
        help="rare classes weigh more: always, or (auto) where one has three times as many pictures as another",
    )
    train.add_argument("--mixup", type=float, help="mix pairs of pictures, shares from Beta(MIXUP, MIXUP)")
    train.add_argument(
        "--pieces",
        type=int,
        help="a batch goes through in so many pieces, to save memory (0: as many as it takes)",
    )
    train.add_argument(
        "--first-rate",
        type=float,
        help="the first layer's learning rate as a share of the head's, when fine-tuning",
    )
    train.add_argument(
        "--norms",
        choices=("train", "frozen"),
        help="batch normalisation by the statistics of each batch, or by those that the network came with",
    )
    train.add_argument("--label-smoothing", type=float, help="share of the target spread over all classes")
    train.add_argument("--until-loss", type=float, help="stop when an epoch's mean loss is below this")
    train.add_argument(
        "--patience", type=int, help="stop after so many epochs without better validation loss"
    )
    train.add_argument("--size", help="height×width in pixels, such as 64 or 48x64 (default: the data's)")
    train.add_argument(
        "--channels",
        type=channels,
        metavar="N",
        help="1 grey, 3 colour, or any other number (default: the data's)",
    )
    takes_pictures(train, own_crop=False)
    train.add_argument(
        "--bands",
        metavar="R,G,B",
        help="channels shown as red, green, blue where there are not 1 or 3; or 'pages'",
    )
    train.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each split")
    train.add_argument(
        "--relabel",
        metavar="FILE",
        help="correct labels by this CSV, as `convsight check` writes it; no file is touched",
    )
    train.add_argument(
        "--validation", type=float, help="share (or number) of training pictures kept to choose by"
    )
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    train.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        help="number format in which layers compute while they learn; auto takes bfloat16 where the hardware"
        " multiplies it quickly (default: the recipe's, which is auto but for the lesson's)",
    )
    train.add_argument(
        "--report",
        action="store_true",
        help="check the pictures first, audit the network afterwards, and write report.html: as `story` does",
    )
    train.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")


def test(commands: Any) -> None:
    test = command(commands, "test", "measure a network on a data set, class by class", "evaluate:test")
    takes_model(test)
    test.add_argument("--data", help=f"{DATA} (default: the run's own)")
    takes_pictures(test)
    test.add_argument(
        "--split", default="test", choices=("train", "validation", "test"), help="default: test"
    )
    test.add_argument("--limit", type=int, metavar="N", help="at most N pictures")
    test.add_argument("--json", action="store_true", help="print the metrics as JSON, and nothing else")
    compare = command(
        commands, "compare", "runs side by side: curves and accuracy per class", "evaluate:compare"
    )
    compare.add_argument("runs", metavar="RUN", nargs="+", help="run directories, two or more")
    compare.add_argument("-o", "--out", help="also save the picture (.png) or the numbers (.json)")
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON, and nothing else")


def fix(commands: Any) -> None:
    fix = command(commands, "fix", "train a run on without the shortcut that its audit found", "fix:run")
    fix.add_argument("run_path", metavar="RUN", help="a run directory that was audited; it stays as it is")
    fix.add_argument(
        "--verdict", type=int, default=1, metavar="N", help="which of the audit's verdicts (default: 1)"
    )
    fix.add_argument("--data", help=f"{DATA} (default: the run's own)")
    fix.add_argument("--out", help="the new run's directory (default: RUN-fixed)")
    fix.add_argument(
        "--epochs",
        type=int,
        help="passes over the training pictures (default: 2 or more; a fitted head alone is fitted anew)",
    )
    fix.add_argument(
        "--share", type=float, default=1.0, help="of the training pictures that swap, 0 to 1 (default: 1)"
    )
    fix.add_argument("--seed", type=int, default=0, help="which pictures swap, and the order (default: 0)")
    fix.add_argument("--no-audit", action="store_true", help="do not audit the new network")
    fix.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    fix.add_argument("--json", action="store_true", help="print before and after as JSON, and nothing else")
