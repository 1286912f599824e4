"""Compiled convolutions, which read their input cells where they lie instead of from a copied window.

The whole interface is here: `why_not` says whether this machine can run the kernels, and `convolution` gives a
layer, which picks the quickest kernel for windows of a given size. Numba compiles the kernels (`*_kernel.py`) once
on each machine, in some seconds, and keeps them on disk. Only `convsight.occluding.compiled` uses this package, and
where the package is missing, it uses torch's convolutions instead.
"""

from convsight.accelerate.convolution import Convolution, Layer, convolution
from convsight.accelerate.trial import why_not

__all__ = ["Convolution", "Layer", "convolution", "why_not"]
