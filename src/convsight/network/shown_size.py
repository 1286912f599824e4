"""At which size are pictures shown to a network, where they are smaller than those it was trained on?"""

from __future__ import annotations

from convsight.errors import InputError
from convsight.network.classifier import Classifier

SMALLEST_PX = 128  # smaller pictures are enlarged to it: stages of a network for photos halve them five times


def size_for(net: Classifier, pictures: tuple[int, int]) -> tuple[int, int]:
    """The size at which to show pictures of this size: the network's own, or theirs if that is smaller.

    Enlarging small pictures costs time and shows nothing new, so they keep their short side where the network
    takes it (down to 128 pixels, as a multiple of 32).
    """
    own = net.input_size
    short = max(SMALLEST_PX, 32 * round(min(pictures) / 32))
    if short >= min(own) or not _runs_at(net, short):
        return own
    return short, short


def _runs_at(net: Classifier, px: int) -> bool:
    """Whether the network takes pictures of this side: those with positions of their own (ViT) do not."""
    try:
        Classifier(net.module, input_size=px, channels=net.channels, output=net.reader.name or None)
    except (InputError, RuntimeError, ValueError):
        return False
    return True
