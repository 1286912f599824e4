"""How deep can plain 3×3 convolutions be stacked? VGG-11, 13, 16 and 19.

Simonyan and Zisserman 2014, arXiv 1409.1556, configurations A, B, D and E. Layer names and order are
torchvision's (`features.N`, `avgpool`, `classifier.N`), so that the public ImageNet weights load by name.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError

STAGES = {  # convolutions in each of the five stages, with the channels of the stage
    11: ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    13: ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512)),
    16: ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    19: ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}


class VGG(nn.Module):
    """Five stages of 3×3 convolutions, each closed by a 2×2 pool; then three linear layers with dropout.

    `depth` counts the layers with weights. VGG-16 for 224×224 colour pictures and 1000 classes has
    138,357,544 weights, nine tenths of them in the linear layers. Pictures need at least 32 pixels a side.
    """

    def __init__(
        self,
        n_classes: int = 1000,
        channels: int = 3,
        size: tuple[int, int] = (224, 224),
        *,
        depth: int = 16,
        batch_norm: bool = False,
    ):
        super().__init__()
        if min(size) < 32:
            raise InputError(
                f"VGG halves the picture five times and needs 32 pixels a side, got {size[0]}×{size[1]};"
                " enlarge the pictures with `size=(32, 32)` or take the network 'fast'"
            )
        self.features = nn.Sequential(*_convolutions(channels, depth, batch_norm))
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.5),
            nn.Linear(4096, n_classes),
        )
        self.apply(_start)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _convolutions(channels: int, depth: int, batch_norm: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for count, wide in STAGES[depth]:
        for _ in range(count):
            layers += [nn.Conv2d(channels, wide, 3, padding=1)]
            layers += [nn.BatchNorm2d(wide)] if batch_norm else []
            layers += [nn.ReLU(inplace=True)]
            channels = wide
        layers += [nn.MaxPool2d(2, 2)]
    return layers


def _start(layer: nn.Module) -> None:
    """He et al. 2015 (arXiv 1502.01852) for convolutions; without it sixteen plain layers do not train."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0, 0.01)
    if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)
