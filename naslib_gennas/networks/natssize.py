"""The network of NATS-Bench's size space (arXiv:2009.00437, section 3.2): one cell, five numbers of channels."""

from __future__ import annotations

from typing import List, Sequence

import torch
from torch import nn

from naslib_gennas.networks.cells import conv_bn
from naslib_gennas.networks.nasbench201 import Reduction
from naslib_gennas.networks.staged import StagedNetwork


class SizeNetwork(StagedNetwork):
    """A stem, then cell, residual block, cell, residual block, cell; each cell ends a stage.

    Args:
        channels: what each of the five puts out; the stem has as many as the first cell.
        classes: of the classifier.
    """

    def __init__(self, channels: Sequence[int], classes: int = 10) -> None:
        super().__init__()
        first, second, third, fourth, last = channels
        self.stem = conv_bn(3, first, 3)
        self.cells = nn.ModuleList([SizeCell(first, first), SizeCell(second, third), SizeCell(fourth, last)])
        self.reductions = nn.ModuleList([Reduction(first, second), Reduction(third, fourth)])
        self.last = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU())
        self.classifier = nn.Linear(last, classes)
        self._channels = [first, third, last]

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        maps = [self.cells[0](self.stem(x))]
        for reduction, cell in zip(self.reductions, list(self.cells)[1:]):
            maps.append(cell(reduction(maps[-1])))
        return maps

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.last(self.forward(x)[-1]).mean((2, 3)))


class SizeCell(nn.Module):
    """The cell of the whole space: the best one of the topology space on CIFAR-100.

    Written as NAS-Bench-201 does:
    ``|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|``;
    a `skip_connect` that changes the number of channels is a 1x1 convolution.
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.from_input = nn.ModuleList(conv_bn(channels_in, channels, 3) for _ in (1, 2))
        self.between = conv_bn(channels, channels, 3)
        self.to_output = nn.ModuleList(conv_bn(channels, channels, 3) for _ in (1, 2))
        self.skip: nn.Module = nn.Identity() if channels == channels_in else conv_bn(channels_in, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rectified = torch.relu(x)
        one = torch.relu(self.from_input[0](rectified))
        two = torch.relu(self.from_input[1](rectified) + self.between(one))
        return self.skip(x) + self.to_output[0](one) + self.to_output[1](two)
