"""convsight: sight into convolutional networks."""

__version__ = "0.1.0"
