"""ResNet and ResNeXt as "On Network Design Spaces" (arXiv:1905.13214) draws them: every stage has a form of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.nasbench101 import initialise
from naslib_gennas.networks.staged import StagedNetwork

BLOCKS = ("res_basic_block", "res_bottleneck_block")


@dataclass(frozen=True)
class StagePlan:
    """One stage: `depth` blocks of `width` channels, the first with `stride`.

    Attributes:
        bottleneck: width of a bottleneck block's middle, as a factor on `width`.
        groups: of the bottleneck block's 3x3 convolution.
    """

    depth: int
    width: int
    stride: int
    bottleneck: float = 1.0
    groups: int = 1

    @property
    def middle(self) -> int:
        """Channels in the middle of a bottleneck block."""
        return int(round(self.width * self.bottleneck))


class AnyNetwork(StagedNetwork):
    """A stem and any stages; taps before the last ReLU of each of the last three stages.

    Args:
        block: one of `BLOCKS`.
        stages: one plan a stage.
        stem_width: channels of the stem.
        classes: of the classifier.
        imagenet: a stem of three 3x3 convolutions of stride 2, the first of half the channels, as the ImageNet
            records have it; without, one 3x3 convolution.
    """

    def __init__(
        self,
        block: str,
        stages: Sequence[StagePlan],
        stem_width: int = 12,
        classes: int = 10,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        widths = [3, stem_width // 2, stem_width, stem_width] if imagenet else [3, stem_width]
        layers: List[nn.Module] = []
        for before, after in zip(widths, widths[1:]):
            layers += [*conv_bn(before, after, 3, 2 if imagenet else 1), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)
        self.stages = nn.ModuleList()
        width = stem_width
        for plan in stages:
            blocks = []
            for index in range(plan.depth):
                blocks.append(Block(block, width, plan, 1 if index else plan.stride))
                width = plan.width
            self.stages.append(nn.ModuleList(blocks))
        self.classifier = nn.Linear(width, classes)
        self._channels = [plan.width for plan in stages][-3:]
        initialise(self)

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            for block in stage:
                raw = block(x)
                x = F.relu(raw)
            maps.append(raw)
        return maps[-3:]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(F.relu(self.forward(x)[-1]).mean((2, 3)))


class Block(nn.Module):
    """A residual block without its last ReLU: x (projected where its shape changes) plus two or three convolutions."""

    def __init__(self, kind: str, width_in: int, plan: StagePlan, stride: int) -> None:
        super().__init__()
        width, middle = plan.width, plan.middle
        layers: Tuple[nn.Module, ...]
        if kind == "res_basic_block":
            layers = (*conv_bn(width_in, width, 3, stride), nn.ReLU(inplace=True), *conv_bn(width, width, 3))
        else:
            layers = (
                *conv_bn(width_in, middle, 1),
                nn.ReLU(inplace=True),
                *conv_bn(middle, middle, 3, stride, plan.groups),
                nn.ReLU(inplace=True),
                *conv_bn(middle, width, 1),
            )
        self.transform = nn.Sequential(*layers)
        same = width_in == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(width_in, width, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.shortcut(x) + self.transform(x)
        return total


def conv_bn(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> Tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)


def complexity(block: str, stages: Sequence[StagePlan], resolution: int, stem_width: int) -> Tuple[int, int]:
    """Parameters of the convolutions and multiply-adds of one image, for an input of `resolution` pixels a side."""
    parameters = 27 * stem_width
    operations = parameters * resolution**2
    width, side = stem_width, resolution
    for plan in stages:
        for index in range(plan.depth):
            stride = 1 if index else plan.stride
            before, side = side**2, -(-side // stride)
            after = side**2
            shortcut = 0 if width == plan.width and stride == 1 else width * plan.width
            if block == "res_basic_block":
                counts = [(9 * width * plan.width, after), (9 * plan.width**2, after)]
            else:
                middle = plan.middle
                counts = [
                    (width * middle, before),
                    (9 * middle**2 // plan.groups, after),
                    (middle * plan.width, after),
                ]
            for count, pixels in [*counts, (shortcut, after)]:
                parameters += count
                operations += count * pixels
            width = plan.width
    return parameters, operations
