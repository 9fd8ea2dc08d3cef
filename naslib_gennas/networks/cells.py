"""Cells with two inputs, as NASNet, AmoebaNet, PNAS, ENAS and DARTS share them, and their operations.

The operations are those of DARTS (arXiv:1806.09055) and of "On Network Design Spaces" (arXiv:1905.13214).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import nn

#: An operation and the node that it reads: 0 and 1 are the cell's inputs (0 the older one), its nodes follow.
Edge = Tuple[str, int]


@dataclass(frozen=True)
class CellPlan:
    """One cell: two edges a node, added up, and the nodes whose values are concatenated to the cell's output."""

    edges: Tuple[Edge, ...]
    concat: Tuple[int, ...]


@dataclass(frozen=True)
class Genotype:
    """The two cells of a network: `normal` keeps the resolution, `reduce` halves it and doubles the channels."""

    normal: CellPlan
    reduce: CellPlan


def live_edges(plan: CellPlan) -> Tuple[List[int], List[int]]:
    """What carries information in a cell: indices of its edges, and which of its inputs (0, 1) reach its output.

    An edge counts where it is not ``none``, reads an input or a node that something reaches, and leads to the output.
    A node without such an edge is all zeros.
    """
    reached = {0, 1}
    live = []
    for index, (name, source) in enumerate(plan.edges):
        if name != "none" and source in reached:
            live.append(index)
            reached.add(2 + index // 2)
    needed = set(plan.concat)
    for index in reversed(live):
        if 2 + index // 2 in needed:
            needed.add(plan.edges[index][1])
    return [index for index in live if 2 + index // 2 in needed], [i for i in (0, 1) if i in needed]


class Cell(nn.Module):
    """A cell: both inputs are brought to `channels`, then every node adds the operations on its two edges.

    It takes rectified inputs, since every use of a cell's output starts with a ReLU: taken once, not once a use.
    Only operations that reach the output are built.

    Args:
        plan: edges and concatenated nodes.
        channels_in: channels of the two inputs, the older one first.
        channels: channels of a node.
        reduction: whether operations on the inputs have stride 2.
        shrink_first: whether the older input has twice the resolution of the newer one.
    """

    def __init__(
        self, plan: CellPlan, channels_in: Tuple[int, int], channels: int, reduction: bool, shrink_first: bool
    ) -> None:
        super().__init__()
        edges, inputs = live_edges(plan)
        shrinks = (shrink_first, False)
        self.preprocess = nn.ModuleDict(
            {
                str(i): FactorizedReduce(channels_in[i], channels)
                if shrinks[i]
                else conv_bn(channels_in[i], channels, 1)
                for i in inputs
            }
        )
        self.operations = nn.ModuleDict()
        self._steps = []
        for index in edges:
            name, source = plan.edges[index]
            stride = 2 if reduction and source < 2 else 1
            self.operations[str(index)] = operation(name, channels, stride)
            self._steps.append((str(index), source, 2 + index // 2, takes_rectified(name, stride)))
        self._concat = plan.concat
        self.channels, self._stride = channels, 2 if reduction else 1
        self.channels_out = len(plan.concat) * channels

    def forward(self, older: torch.Tensor, newer: torch.Tensor) -> torch.Tensor:
        nodes: Dict[int, torch.Tensor] = {int(i): m((older, newer)[int(i)]) for i, m in self.preprocess.items()}
        rectified: Dict[int, torch.Tensor] = {}
        for name, source, target, wants_rectified in self._steps:
            value = nodes[source]
            if wants_rectified:
                if source not in rectified:
                    rectified[source] = F.relu(value)
                value = rectified[source]
            value = self.operations[name](value)
            nodes[target] = nodes[target] + value if target in nodes else value
        absent = None
        if any(node not in nodes for node in self._concat):
            height, width = (-(-side // self._stride) for side in newer.shape[2:])
            absent = newer.new_zeros((newer.shape[0], self.channels, height, width))
        parts = [nodes.get(node, absent) for node in self._concat]
        return torch.cat([part for part in parts if part is not None], 1)


def operation(name: str, channels: int, stride: int) -> nn.Module:
    """The module of an operation that keeps `channels` channels; see `takes_rectified` for what it is given."""
    if name == "skip_connect" and stride == 1:
        return nn.Identity()
    return _MAKERS[name](channels, stride)


def takes_rectified(name: str, stride: int) -> bool:
    """Whether an operation starts with a ReLU (its caller's): all but poolings and the identity."""
    return not (name.startswith(("avg_pool", "max_pool")) or (name == "skip_connect" and stride == 1))


def conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def separable(channels: int, kernel: int, stride: int, dilation: int = 1, repeats: int = 2) -> nn.Sequential:
    """`repeats` times a depthwise and a 1x1 convolution with BatchNorm, a ReLU between; the first has the stride."""
    padding = dilation * (kernel // 2)
    layers: List[nn.Module] = []
    for repeat in range(repeats):
        if repeat:
            layers.append(nn.ReLU(inplace=True))
            stride = 1
        layers += [
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
    return nn.Sequential(*layers)


def factorized(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """A 1 x k and a k x 1 convolution with one BatchNorm."""
    half = kernel // 2
    return nn.Sequential(
        nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, half), bias=False),
        nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (half, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


class FactorizedReduce(nn.Module):
    """Halves the resolution: two 1x1 convolutions of stride 2, one of them shifted by a pixel, and BatchNorm."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifted = x[:, :, 1:, 1:]
        # Beyond an odd side there is nothing to read: zeros.
        below, right = x.shape[2] % 2, x.shape[3] % 2
        if below or right:
            shifted = F.pad(shifted, (0, right, 0, below))
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))


def _average(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda channels, stride: nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)


def _maximum(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda channels, stride: nn.MaxPool2d(kernel, stride, kernel // 2)


_MAKERS: Dict[str, Callable[[int, int], nn.Module]] = {
    "skip_connect": lambda channels, stride: FactorizedReduce(channels, channels),
    "avg_pool_3x3": _average(3),
    "max_pool_3x3": _maximum(3),
    "max_pool_5x5": _maximum(5),
    "max_pool_7x7": _maximum(7),
    "conv_1x1": lambda channels, stride: conv_bn(channels, channels, 1, stride),
    "conv_3x3": lambda channels, stride: conv_bn(channels, channels, 3, stride),
    "conv_3x1_1x3": lambda channels, stride: factorized(channels, 3, stride),
    "conv_7x1_1x7": lambda channels, stride: factorized(channels, 7, stride),
    "sep_conv_3x3": lambda channels, stride: separable(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: separable(channels, 5, stride),
    "sep_conv_7x7": lambda channels, stride: separable(channels, 7, stride),
    "dil_conv_3x3": lambda channels, stride: separable(channels, 3, stride, dilation=2, repeats=1),
    "dil_conv_5x5": lambda channels, stride: separable(channels, 5, stride, dilation=2, repeats=1),
    "dil_sep_conv_3x3": lambda channels, stride: separable(channels, 3, stride, dilation=2),
}

#: Every operation that a cell may name.
OPERATIONS: Tuple[str, ...] = ("none", *_MAKERS)


def output_depends_on_input(genotype: Genotype, reductions: Sequence[int], depth: int) -> bool:
    """Whether information gets from a network's stem through its `depth` cells."""
    inputs = {True: live_edges(genotype.reduce)[1], False: live_edges(genotype.normal)[1]}
    older, newer = True, True
    for index in range(depth):
        read = inputs[index in reductions]
        older, newer = newer, (0 in read and older) or (1 in read and newer)
    return newer


def canonical(plan: CellPlan) -> str:
    """A text that is equal for cells that differ only in the numbering of nodes, in the order of edges, or in what
    does not reach the output."""
    edges, _ = live_edges(plan)
    incoming: Dict[int, List[Edge]] = {}
    for index in edges:
        incoming.setdefault(2 + index // 2, []).append(plan.edges[index])
    rows = []
    for order in _orders(incoming, plan.concat):
        numbers = {0: 0, 1: 1, **{node: 2 + place for place, node in enumerate(order)}}
        rows.append([_row(incoming[node], numbers) + "*" * (node in plan.concat) for node in order])
    return f"{'|'.join(min(rows))}#{len(plan.concat)}"


def _row(edges: Sequence[Edge], names: Mapping[int, object]) -> str:
    return "+".join(sorted(f"{name}~{names[source]}" for name, source in edges))


def _orders(incoming: Mapping[int, List[Edge]], concat: Sequence[int]) -> Iterator[List[int]]:
    """Orders of the nodes in which each comes after those that it reads, the same for every numbering of a cell.

    Nodes are sorted by their level and by what they compute, written out down to the inputs; nodes that compute the
    same come in every order.
    """
    written = {0: "0", 1: "1"}
    groups: Dict[Tuple[int, str, bool], List[int]] = {}
    level = {0: 0, 1: 0}
    for node in sorted(incoming):
        written[node] = f"({_row(incoming[node], written)})"
        level[node] = 1 + max(level[source] for _, source in incoming[node])
        groups.setdefault((level[node], written[node], node in concat), []).append(node)
    for choice in product(*(permutations(groups[group]) for group in sorted(groups))):
        yield [node for group in choice for node in group]
