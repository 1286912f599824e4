"""Which options do report, studio and doctor have?"""

from __future__ import annotations

import argparse
from typing import Any

from convsight.cli.arguments import DATA, MODEL, PICTURE, command, takes_model, takes_network


def report(commands: Any) -> None:
    report = command(
        commands, "report", "write a run's report: one HTML file that needs nothing else", "report:report"
    )
    report.add_argument("run_path", metavar="RUN", help="a run directory")
    report.add_argument("-o", "--out", help="the HTML file (default: report.html in the run)")
    report.add_argument("--images", help=f"{PICTURE} (default: some of the test set, right and wrong)")
    report.add_argument(
        "--audit",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="look for shortcuts first if that was not done yet; takes minutes (default: --no-audit)",
    )
    report.add_argument(
        "--interactive",
        action="store_true",
        help="the studio's page as one file: maps, cards and tables to click",
    )
    report.add_argument(
        "--live",
        action="store_true",
        help="one file in which the network itself runs, offline: bring pictures, hide parts, see every layer follow",
    )


def studio(commands: Any) -> None:
    studio = command(
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
    takes_network(studio)


def doctor(commands: Any) -> None:
    doctor = command(
        commands, "doctor", "what is installed, what is missing and how to get it", "listing:doctor"
    )
    doctor.add_argument("--json", action="store_true", help="print as JSON")


def export(commands: Any) -> None:
    export = command(
        commands, "export", "write a network as a file for other programs, with a model card", "export:run"
    )
    takes_model(export)
    export.add_argument(
        "-o", "--out", required=True, metavar="FILE",
        help="net.onnx (runs anywhere), net.pt2 (a PyTorch program) or net.safetensors (weights); pictures in [0, 1] go in",
    )  # fmt: skip
    export.add_argument(
        "--layers", metavar="NAMES", help="layers whose values come out too, with commas (.onnx)"
    )
    export.add_argument("--half", action="store_true", help="weights as float16: half the file (.onnx)")
    export.add_argument(
        "--card", action=argparse.BooleanOptionalAction, default=True,
        help="of a run: also FILE's name with .card.md, a model card with what was measured (default: --card)",
    )  # fmt: skip
