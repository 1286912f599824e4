"""Which numbers should an optimiser change, so that a picture comes out smooth instead of noisy?

Olah, Mordvintsev & Schubert 2017 ("Feature Visualization", doi:10.23915/distill.00007) optimise the
coefficients of the picture's Fourier transform, each scaled by 1 ÷ frequency as in natural pictures, in
colours whose channels are independent. Gradient ascent in these coordinates is steepest ascent under another
metric: it has the same optimum but takes another path, which does not prefer high frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.dreaming.colour import correlated, decorrelated

CONTRAST = 0.25  # factor before the sigmoid, as in Lucid


def frequencies(height: int, width: int) -> Float[Tensor, "h w2"]:
    """Length of each 2-d frequency of a real picture, in cycles a pixel: 0 at [0, 0], at most √½."""
    y, x = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    return (y[:, None] ** 2 + x[None] ** 2).sqrt()


def from_spectrum(
    spectrum: Float[Tensor, "n c h w2 two"], size: tuple[int, int], decay: float = 1.0
) -> Float[Tensor, "n c h w"]:
    """The picture of these coefficients: the inverse transform of coefficient ÷ frequency^decay.

    The transform is orthonormal, so that with decay 0 equal coefficients give equal variance. The constant
    wave is scaled like one of length max(h, w).
    """
    waves = torch.view_as_complex(spectrum.contiguous()) * _scale(size, decay).to(spectrum)
    return torch.fft.irfft2(waves, s=size, norm="ortho")


def to_spectrum(picture: Float[Tensor, "n c h w"], decay: float = 1.0) -> Float[Tensor, "n c h w2 two"]:
    """The coefficients that `from_spectrum` makes this picture of."""
    size = (picture.shape[2], picture.shape[3])
    waves = torch.fft.rfft2(picture, norm="ortho") / _scale(size, decay).to(picture)
    return torch.view_as_real(waves).contiguous()


def _scale(size: tuple[int, int], decay: float) -> Float[Tensor, "h w2"]:
    return frequencies(*size).clamp(min=1 / max(size)) ** -decay


@dataclass(frozen=True)
class Canvas:
    """A batch of pictures held as Fourier coefficients in independent colours."""

    spectrum: Float[Tensor, "n c h w2 two"]
    size: tuple[int, int]
    decay: float

    @classmethod
    def noise(
        cls, n: int, channels: int, size: tuple[int, int], decay: float, generator: torch.Generator
    ) -> Canvas:
        """An almost even grey: coefficients drawn with standard deviation 0.01, as in Lucid."""
        shape = (n, channels, size[0], size[1] // 2 + 1, 2)
        return cls(0.01 * torch.randn(shape, generator=generator), size, decay)

    @classmethod
    def of(cls, pixels: Float[Tensor, "n c h w"], decay: float) -> Canvas:
        """The given pictures, with values kept 1/512 away from 0 and 1."""
        picture = decorrelated(pixels.clamp(1 / 512, 511 / 512).logit())
        size = (pixels.shape[2], pixels.shape[3])
        return cls(to_spectrum(picture / CONTRAST, decay), size, decay)

    def pixels(self) -> Float[Tensor, "n c h w"]:
        """The pictures, in (0, 1) through a sigmoid, differentiable in the spectrum."""
        picture = CONTRAST * from_spectrum(self.spectrum, self.size, self.decay)
        return correlated(picture).sigmoid()
