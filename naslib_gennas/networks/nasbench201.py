"""The NAS-Bench-201 network (arXiv:2001.00326, section 2.1): three stages of cells with residual blocks between."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork

#: The edges of a cell, (from node, to node), in the order of an architecture's operations.
EDGES: Tuple[Tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


class NasBench201Network(StagedNetwork):
    """Stem, three stages of `cells` cells with `channels`, 2x and 4x `channels`, a residual block between stages.

    Args:
        operations: the operation of each of `EDGES`, as NAS-Bench-201 calls them.
        channels: channels of the first stage.
        cells: cells per stage.
        classes: of the classifier.
        trained: the BatchNorms that the benchmark's trained networks have in their cells, with affine parameters and
            running averages; without, those of its untrained cells, which scoring takes.
    """

    def __init__(
        self,
        operations: Sequence[str],
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        trained: bool = False,
    ) -> None:
        super().__init__()
        edges = used_edges(operations)
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.ModuleList()
        self.reductions = nn.ModuleList()
        widths = [channels, 2 * channels, 4 * channels]
        for index, width in enumerate(widths):
            if index:
                self.reductions.append(Reduction(widths[index - 1], width))
            self.stages.append(nn.Sequential(*(Cell(operations, edges, width, trained) for _ in range(cells))))
        self.last = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
        self.classifier = nn.Linear(widths[-1], classes)
        self._channels = widths

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        x = self.stages[0](self.stem(x))
        maps = [x]
        for reduction, stage in zip(self.reductions, list(self.stages)[1:]):
            x = stage(reduction(x))
            maps.append(x)
        return maps

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.last(self.forward(x)[-1]).mean((2, 3)))


def used_edges(operations: Sequence[str]) -> List[int]:
    """The indices of the edges that carry information from node 0 to node 3: on a path, and not ``none``."""
    live = [index for index in range(len(EDGES)) if operations[index] != "none"]
    reached, needed = {0}, {3}
    for index in live:
        if EDGES[index][0] in reached:
            reached.add(EDGES[index][1])
    for index in reversed(live):
        if EDGES[index][1] in needed:
            needed.add(EDGES[index][0])
    return [index for index in live if EDGES[index][0] in reached and EDGES[index][1] in needed]


class Cell(nn.Module):
    """Four nodes; a node is the sum of the operations on its incoming edges. Only edges that matter are built."""

    def __init__(self, operations: Sequence[str], edges: Sequence[int], channels: int, trained: bool = False) -> None:
        super().__init__()
        self.operations = nn.ModuleDict()
        # For each node: its incoming edges as (from node, module's name or None for skip_connect, starts with ReLU).
        self._plan: List[List[Tuple[int, Optional[str], bool]]] = [[], [], [], []]
        for index in edges:
            source, target = EDGES[index]
            name = operations[index]
            if name == "skip_connect":
                self._plan[target].append((source, None, False))
            else:
                self.operations[str(index)] = operation(name, channels, trained)
                self._plan[target].append((source, str(index), name.startswith("nor_conv")))
        for terms in self._plan:
            # Fresh tensors first: the others are added to them in place.
            terms.sort(key=lambda term: term[1] is None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes: List[Optional[torch.Tensor]] = [x, None, None, None]
        # Every convolution starts with a ReLU of its source node: computed once a node.
        rectified: List[Optional[torch.Tensor]] = [None] * 4
        for target in (1, 2, 3):
            total, fresh = None, False
            for source, name, rectify in self._plan[target]:
                value = nodes[source]
                assert value is not None
                if rectify:
                    if rectified[source] is None:
                        rectified[source] = torch.relu(value)
                    value = rectified[source]
                if name is not None:
                    value = self.operations[name](value)
                if total is None:
                    total, fresh = value, name is not None
                else:
                    total = total.add_(value) if fresh else total + value
                    fresh = True
            nodes[target] = total
        output = nodes[3]
        # A cell without a path from input to output gives zeros, as its `none` operations do.
        return torch.zeros_like(x) if output is None else output


def operation(name: str, channels: int, trained: bool = False) -> nn.Module:
    """The module of an operation that keeps `channels` channels; a convolution's leading ReLU is left to the cell."""
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    kernel = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name]
    # Untrained: statistics of the batch in evaluation too, and no affine parameters.
    norm = nn.BatchNorm2d(channels, affine=trained, track_running_stats=trained)
    return nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False), norm)


class Reduction(nn.Module):
    """The residual block between stages: halves the resolution and changes the channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x) + self.shortcut(F.avg_pool2d(x, 2))
