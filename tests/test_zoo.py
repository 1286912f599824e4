"""A dozen of the zoo's networks in the test suite: every technique is right, and the network is left as it was."""

import importlib.util
from pathlib import Path

import pytest

from convsight.bring.torchvision_shim import import_torchvision

import_torchvision()  # timm imports it, and must find it able to work
pytest.importorskip("timm")
FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "zoo.py"
_spec = importlib.util.spec_from_file_location("benchmarks_zoo", FILE)
assert _spec is not None and _spec.loader is not None
zoo = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(zoo)

NAMES = (
    "timm:test_resnet", "timm:test_efficientnet", "timm:test_convnext", "timm:test_byobnet", "timm:test_nfnet", "timm:test_vit",
    "timm:test_vit2", "timm:test_vit4", "timm:test_mambaout", "torchvision:squeezenet1_1", "torchvision:shufflenet_v2_x0_5",
    "torchvision:mobilenet_v3_small",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")  # of the networks' own libraries
def test_every_technique_is_right_on(name: str) -> None:
    found = zoo.tried(name, 600)["found"]
    assert set(found) == set(zoo.TECHNIQUES)
    assert {technique: words for technique, words in found.items() if words != "right"} == {}


def test_what_is_wrong_is_told_from_what_is_refused() -> None:
    import convsight as cs

    def refuse() -> float:
        raise cs.ConvsightError("has no maps")

    assert zoo.judged(lambda: 0.0) == "right"
    assert zoo.judged(lambda: 1.0).startswith("wrong")
    assert zoo.judged(refuse) == "refused: has no maps"
    assert zoo.judged(lambda: 1 / 0).startswith("crash: ZeroDivisionError")
