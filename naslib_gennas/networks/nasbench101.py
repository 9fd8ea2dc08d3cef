"""The NAS-Bench-101 network (arXiv:1902.09635, section 2): three stacks of cells, max-pooling between them."""

from __future__ import annotations

import math
from typing import List, Sequence

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork

Matrix = Sequence[Sequence[int]]


class NasBench101Network(StagedNetwork):
    """Stem, three stacks of `cells` cells with `channels`, 2x and 4x `channels`; taps before pooling and at the end.

    Args:
        matrix: upper triangular adjacency matrix without vertices that lie on no path from input to output.
        operations: the operation of each vertex, "input" and "output" included.
        channels: channels of the first stack.
        cells: cells a stack.
        classes: of the classifier.
    """

    def __init__(
        self, matrix: Matrix, operations: Sequence[str], channels: int = 16, cells: int = 3, classes: int = 10
    ) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, channels, 3)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.stages = nn.ModuleList()
        previous = channels
        for width in (channels, 2 * channels, 4 * channels):
            stack = []
            for _ in range(cells):
                stack.append(Cell(matrix, operations, previous, width))
                previous = width
            self.stages.append(nn.Sequential(*stack))
        self.classifier = nn.Linear(previous, classes)
        self._channels = [channels, 2 * channels, 4 * channels]
        initialise(self)

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        x = self.stem(x)
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(self.pool(x) if index else x)
            maps.append(x)
        return maps

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward(x)[-1].mean((2, 3)))


class Cell(nn.Module):
    """A vertex works on the sum of its inputs; the output concatenates its vertices and adds the projected input."""

    def __init__(self, matrix: Matrix, operations: Sequence[str], channels_in: int, channels_out: int) -> None:
        super().__init__()
        last = len(matrix) - 1
        widths = vertex_channels(channels_in, channels_out, matrix)
        self.vertices = nn.ModuleDict({str(v): operation(operations[v], widths[v]) for v in range(1, last)})
        self.projections = nn.ModuleDict(
            {str(v): conv_bn_relu(channels_in, widths[v], 1) for v in range(1, last + 1) if matrix[0][v]}
        )
        self._inputs = [[u for u in range(1, v) if matrix[u][v]] for v in range(last + 1)]
        self._widths = widths

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        last = len(self._inputs) - 1
        for vertex in range(1, last):
            # Vertices that feed the output may be one channel wider than others: the extra channel is dropped.
            terms = [values[u][:, : self._widths[vertex]] for u in self._inputs[vertex]]
            if str(vertex) in self.projections:
                terms.append(self.projections[str(vertex)](x))
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            values.append(self.vertices[str(vertex)](total))
        parts = [values[u] for u in self._inputs[last]]
        if not parts:
            return self.projections[str(last)](x)
        output = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return output + self.projections[str(last)](x) if str(last) in self.projections else output


def vertex_channels(channels_in: int, channels_out: int, matrix: Matrix) -> List[int]:
    """Channels of every vertex: the output's are divided among the vertices that feed it, remainders to the first;
    the others have as many as the widest vertex that they feed."""
    last = len(matrix) - 1
    widths = [channels_in] + [0] * (last - 1) + [channels_out]
    feeders = [v for v in range(1, last) if matrix[v][last]]
    for index, vertex in enumerate(feeders):
        widths[vertex] = channels_out // len(feeders) + (index < channels_out % len(feeders))
    for vertex in range(last - 1, 0, -1):
        if vertex not in feeders:
            widths[vertex] = max(widths[w] for w in range(vertex + 1, last) if matrix[vertex][w])
    return widths


def operation(name: str, channels: int) -> nn.Module:
    """The module of a vertex's operation."""
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return conv_bn_relu(channels, channels, {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}[name])


def conv_bn_relu(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def initialise(network: nn.Module) -> None:
    """Convolutions N(0, 2 / (k*k*channels_out)), the classifier N(0, 0.01^2): what the published runs use."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
