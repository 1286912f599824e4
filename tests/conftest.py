"""Where tests find real data and networks: `../shared` beside the checkout, or $CONVSIGHT_SHARED."""

import os

# Before torch is imported: threads that wait for each other cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")
from pathlib import Path

import pytest

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
