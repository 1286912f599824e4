"""Where tests find real data and networks: `../shared` beside the checkout, or $CONVSIGHT_SHARED."""

import os

# Before torch is imported: threads that wait for each other cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.far_device import far_device

pytest_plugins = ["tests.browser_fixture", "tests.studio.page_fixture"]

CHECKOUT = Path(__file__).resolve().parents[1]


def _shared(part: str) -> Path:
    path = Path(os.environ.get("CONVSIGHT_SHARED", CHECKOUT.parent / "shared")) / part
    if not path.is_dir():
        pytest.skip(f"needs real data at {path}; set CONVSIGHT_SHARED to a folder with data/ and models/")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets: fashion-mnist, cifar10-folder, photos."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Real trained networks, each with its architecture file."""
    return _shared("models")


@pytest.fixture(
    params=["pretended", *[pytest.param("cuda", marks=pytest.mark.gpu)] * torch.cuda.is_available()]
)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A device that is not this processor: one that only says so (see `far_device`), and a GPU where there is one."""
    if request.param == "cuda":
        yield torch.device("cuda")
    else:
        with far_device() as device:
            yield device
