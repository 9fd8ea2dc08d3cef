"""Networks of two-input cells: those of DARTS (arXiv:1806.09055, section 3.2) and of the NDS cell spaces."""

from __future__ import annotations

import functools
from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.cells import Cell, Genotype, conv_bn, live_edges, operation
from naslib_gennas.networks.staged import StagedNetwork

#: What an edge of a DARTS cell may do (arXiv:1806.09055, section 3.1).
OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def reductions(depth: int) -> Tuple[int, int]:
    """The indices of the two reduction cells among `depth` cells: at a third and at two thirds."""
    return depth // 3, 2 * depth // 3


class CellNetwork(StagedNetwork):
    """A stem and `depth` cells, two of them reduction cells; taps before each reduction cell and after the last cell.

    No auxiliary head and no drop path: neither takes part in scoring.

    Args:
        genotype: the two cells.
        channels: channels of a node of the first cells.
        depth: number of cells.
        imagenet: the stem of two parts that the ImageNet networks have.
        classes: of the classifier.
        stem_stride: of each of the ImageNet stem's three convolutions. The published networks have 2; 1 keeps three
            usable resolutions of an input of 32x32 pixels.
    """

    def __init__(
        self,
        genotype: Genotype,
        channels: int = 16,
        depth: int = 8,
        imagenet: bool = False,
        classes: int = 10,
        stem_stride: int = 1,
    ) -> None:
        super().__init__()
        self.stems = nn.ModuleList()
        if imagenet:
            half = conv_bn(3, channels // 2, 3, stem_stride)
            whole = conv_bn(channels // 2, channels, 3, stem_stride)
            self.stems.append(nn.Sequential(half, nn.ReLU(inplace=True), whole))
            self.stems.append(conv_bn(channels, channels, 3, stem_stride))
            older = newer = channels
        else:
            older = newer = 3 * channels
            self.stems.append(conv_bn(3, newer, 3))
        self.cells = nn.ModuleList()
        self._reductions = reductions(depth)
        self._channels = []
        width = channels
        for index in range(depth):
            reduction = index in self._reductions
            if reduction:
                # A network of few cells may reduce in its first one: then the stem is its first stage.
                self._channels.append(newer)
                width *= 2
            plan = genotype.reduce if reduction else genotype.normal
            # The first cell reads both parts of the ImageNet stem.
            shrink_first = imagenet and stem_stride == 2 if index == 0 else index - 1 in self._reductions
            cell = Cell(plan, (older, newer), width, reduction, shrink_first)
            self.cells.append(cell)
            older, newer = newer, cell.channels_out
        self._channels.append(newer)
        self.classifier = nn.Linear(newer, classes)

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        maps = []
        value = self.stems[0](x)
        older = newer = F.relu(value)
        for stem in list(self.stems)[1:]:
            value = stem(newer)
            older, newer = newer, F.relu(value)
        for index, cell in enumerate(self.cells):
            if index in self._reductions:
                maps.append(value)
            value = cell(older, newer)
            older, newer = newer, F.relu(value)
        return [*maps, value]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward(x)[-1].mean((2, 3)))


def parameters(genotype: Genotype, channels: int, depth: int, imagenet: bool, classes: int) -> int:
    """How many parameters a `CellNetwork` has, without building it."""
    if imagenet:
        total = _conv_bn(3, channels // 2, 3) + _conv_bn(channels // 2, channels, 3) + _conv_bn(channels, channels, 3)
        older = newer = channels
    else:
        older = newer = 3 * channels
        total = _conv_bn(3, newer, 3)
    width = channels
    live = {plan: live_edges(plan) for plan in (genotype.normal, genotype.reduce)}
    for index in range(depth):
        reduction = index in reductions(depth)
        plan = genotype.reduce if reduction else genotype.normal
        width *= 2 if reduction else 1
        edges, inputs = live[plan]
        total += sum(_conv_bn((older, newer)[i], width, 1) for i in inputs)
        for name, source in (plan.edges[edge] for edge in edges):
            total += _operation(name, width, 2 if reduction and source < 2 else 1)
        older, newer = newer, len(plan.concat) * width
    return total + (newer + 1) * classes


def _conv_bn(channels_in: int, channels_out: int, kernel: int) -> int:
    return kernel**2 * channels_in * channels_out + 2 * channels_out


@functools.lru_cache(maxsize=None)
def _operation(name: str, channels: int, stride: int) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in operation(name, channels, stride).parameters())
