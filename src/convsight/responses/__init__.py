"""What do all channels of a network's layers answer to a whole data set? One pass, memory bounded."""

from convsight.responses.stream import Responses, gather
from convsight.responses.sample import sample

__all__ = ["Responses", "gather", "sample"]
