"""What do all channels of a network's layers answer to a whole data set? One pass, memory bounded."""

from convsight.units.stream import Responses, gather

__all__ = ["Responses", "gather"]
