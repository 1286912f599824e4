"""Compiled kernels, which make the engine of `occluding` quicker where this processor can run them."""
