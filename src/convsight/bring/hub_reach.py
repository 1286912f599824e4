"""Is the Hugging Face hub to be reached from here? Asked once and briefly, so that nobody waits to be told that it is not.

Without a network the hub's client tries each file six times, 23 seconds in all, before it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from convsight.errors import required

SECONDS = 10.0  # that the one question may take


@contextmanager
def hub_asked_once() -> Iterator[None]:
    """Inside, the hub's client works offline, from what it fetched before, where the hub cannot be reached."""
    hub = required("huggingface_hub", "hf", "the Hugging Face hub")
    constants = hub.constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(hub)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(hub: object) -> bool:
    """Whether the hub answers at all, whatever it answers."""
    try:
        hub.get_session().head(hub.constants.ENDPOINT, timeout=SECONDS)  # type: ignore[attr-defined]
    except Exception:  # every kind of failure that a client and its proxies have; each means: not from here
        return False
    return True
