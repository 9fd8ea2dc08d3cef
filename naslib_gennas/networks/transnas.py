"""The networks of TransNAS-Bench-101 (arXiv:2105.11871, section 3): a stem and four to six modules of two cells."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.cells import conv_bn
from naslib_gennas.networks.nasbench101 import initialise
from naslib_gennas.networks.nasbench201 import EDGES, used_edges
from naslib_gennas.networks.staged import StagedNetwork

#: What the cells of a network are: the operation of each of NAS-Bench-201's edges, or the residual block.
CellKind = Union[str, Sequence[str]]
RESIDUAL = "basic"


class TransNasNetwork(StagedNetwork):
    """A stem and modules of `cells` cells each; three taps.

    Args:
        modules: a digit a module: 1 keeps, 2 doubles the channels, 3 halves the resolution, 4 does both.
        cell: "basic" for residual blocks, or the operations of a cell's edges.
        taps: the three modules that are followed by a tap, counted from 0.
        channels: channels of the stem.
        cells: cells a module; the first one has its stride and its change of channels.
        classes: of the classifier.
        stem_stride: of each of the stem's two convolutions. The benchmark's networks have 2, for images of 256x256
            pixels; 1 keeps three usable resolutions of an input of 32x32.
    """

    def __init__(
        self,
        modules: Sequence[int],
        cell: CellKind,
        taps: Sequence[int],
        channels: int = 64,
        cells: int = 2,
        classes: int = 10,
        stem_stride: int = 1,
    ) -> None:
        super().__init__()
        half = channels // 2
        self.stem = nn.Sequential(
            conv_bn(3, half, 3, stem_stride), nn.ReLU(inplace=True), conv_bn(half, channels, 3, stem_stride)
        )
        self.blocks = nn.ModuleList()
        self._taps = tuple(taps)
        self._channels = []
        for index, digit in enumerate(modules):
            previous, channels = channels, channels * (2 if digit in (2, 4) else 1)
            stride = 2 if digit in (3, 4) else 1
            self.blocks.append(
                nn.Sequential(
                    *(
                        make_cell(cell, channels if later else previous, channels, 1 if later else stride)
                        for later in range(cells)
                    )
                )
            )
            if index in self._taps:
                self._channels.append(channels)
        self.classifier = nn.Linear(channels, classes)
        initialise(self)

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        x = self.stem(x)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taps:
                maps.append(x)
        return maps

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward(x)[-1].mean((2, 3)))


def make_cell(kind: CellKind, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if isinstance(kind, str):
        return ResidualBlock(channels_in, channels_out, stride)
    return SumCell(kind, channels_in, channels_out, stride)


class ResidualBlock(nn.Module):
    """Two times ReLU, 3x3 convolution, BatchNorm, added to the input (projected where its shape changes)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(
            nn.ReLU(),
            conv_bn(channels_in, channels_out, 3, stride),
            nn.ReLU(inplace=True),
            conv_bn(channels_out, channels_out, 3),
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else conv_bn(channels_in, channels_out, 1, stride)
        if not same:
            # The benchmark's networks were trained so: its code passes two flags where eps and momentum belong.
            norm = self.shortcut[-1]
            norm.eps, norm.momentum = 1.0, 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.shortcut(x) + self.transform(x)
        return total


class SumCell(nn.Module):
    """Four nodes; a node is the sum of the operations on its incoming edges. Only edges that matter are built.

    Edges from the input have the cell's stride and its change of channels.
    """

    def __init__(self, operations: Sequence[str], channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleDict()
        self._plan: List[Tuple[int, int, str, bool]] = []
        for index in used_edges(operations):
            source, target = EDGES[index]
            first = source == 0
            width, step = (channels_in, stride) if first else (channels_out, 1)
            module = _operation(operations[index], width, channels_out, step)
            self.operations[str(index)] = module
            self._plan.append((source, target, str(index), not isinstance(module, nn.Identity)))
        self._channels, self._stride = channels_out, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes: List[Optional[torch.Tensor]] = [x, None, None, None]
        rectified: List[Optional[torch.Tensor]] = [None] * 4
        for source, target, name, wants_rectified in self._plan:
            value = nodes[source]
            assert value is not None
            if wants_rectified:
                # Every operation but the identity starts with a ReLU: one for all that read the node.
                known = rectified[source]
                value = rectified[source] = F.relu(value) if known is None else known
            value = self.operations[name](value)
            nodes[target] = value if nodes[target] is None else nodes[target] + value
        output = nodes[3]
        if output is None:
            height, width = (-(-side // self._stride) for side in x.shape[2:])
            return x.new_zeros((x.shape[0], self._channels, height, width))
        return output


def _operation(name: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The module of an operation, without the ReLU that all but the identity start with."""
    if name == "skip_connect":
        same = channels_in == channels_out and stride == 1
        return nn.Identity() if same else ShiftedReduce(channels_in, channels_out, stride)
    return conv_bn(channels_in, channels_out, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name], stride)


class ShiftedReduce(nn.Module):
    """Two 1x1 convolutions with a stride, the second on the input shifted by a pixel, and BatchNorm."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.straight = nn.Conv2d(channels_in, half, 1, stride, bias=False)
        self.shifted = nn.Conv2d(channels_in, channels_out - half, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.straight(x), self.shifted(shifted)], 1))
