"""Supernets: networks that hold every architecture of a cell search space at once, their weights shared.

A forward pass is told what each edge of a cell does: one operation or none (a single path of the supernet), or several
at once, each with a weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks import cells, cost, nasbench201
from naslib_gennas.networks.cells import CellPlan, FactorizedReduce, Genotype, conv_bn
from naslib_gennas.networks.darts import OPERATIONS, reductions
from naslib_gennas.networks.nasbench201 import NasBench201Network

#: What an edge does: an operation by its name, or the weighted sum of several.
EdgeChoice = Union[str, Mapping[str, Union[float, torch.Tensor]]]
#: What each edge of one kind of cell does, in the supernet's order.
CellChoice = Sequence[EdgeChoice]
#: By kind of cell.
Choice = Mapping[str, CellChoice]


class SuperCell(nn.Module):
    """All operations on all edges of one cell.

    Attributes:
        kind: which kind of cell it is.
        edges: (source, target) nodes of every edge; the edges into a node follow those into earlier ones.
        inputs: its input nodes, and `outputs`, the nodes whose values leave it.
        banks: by edge, the modules of its operations by name; what computes nothing has none.
        channels: of every node.
    """

    kind: str
    edges: Sequence[Tuple[int, int]]
    inputs: Sequence[int]
    outputs: Sequence[int]
    banks: nn.ModuleList
    channels: int

    def nodes(self, values: Dict[int, torch.Tensor], choice: CellChoice) -> Dict[int, torch.Tensor]:
        """The values of all nodes; those that nothing reaches are left out."""
        rectified: Dict[int, torch.Tensor] = {}
        for index, (source, target) in enumerate(self.edges):
            edge = choice[index]
            for name in (edge,) if isinstance(edge, str) else edge:
                if name == "none" or source not in values:
                    continue
                value = values[source]
                if self.rectifies(index, name):
                    if source not in rectified:
                        rectified[source] = F.relu(value)
                    value = rectified[source]
                bank = self.banks[index]
                value = bank[name](value) if name in bank else value
                value = value if isinstance(edge, str) else value * edge[name]
                values[target] = values[target] + value if target in values else value
        return values

    def rectifies(self, index: int, name: str) -> bool:
        """Whether the operation starts with a ReLU, which is left to the cell."""
        raise NotImplementedError


class Supernet(nn.Module, ABC):
    """A supernet of a search space.

    Attributes:
        operations: what an edge may do, by name; "none" is one of them.
        kinds: the kinds of cell that an architecture decides.
        width: channels that the stem gives to the first cell.
    """

    operations: Tuple[str, ...]
    kinds: Tuple[str, ...]
    width: int

    @abstractmethod
    def cells(self) -> Iterator[SuperCell]:
        """Every cell of the network."""

    @abstractmethod
    def logits(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        """Class scores of a batch with what `choice` says every edge does."""

    @abstractmethod
    def first_cells(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        """What the first cell of each kind makes of (images, `width`, rows, columns), as the stem would give it."""

    @abstractmethod
    def choice(self, arch: Any) -> Choice:
        """The single path of an architecture."""

    def edges(self, kind: str) -> Sequence[Tuple[int, int]]:
        """The edges of a kind of cell."""
        return next(cell.edges for cell in self.cells() if cell.kind == kind)


def shares(supernet: Supernet, what: str, images: torch.Tensor) -> Dict[str, torch.Tensor]:
    """What each operation costs, as a share of what the most expensive architecture's operations do.

    Args:
        supernet: it is left in training mode.
        what: "params" or "flops" (multiply-adds).
        images: two or more, at the resolution that counts.

    Returns:
        By kind of cell: (edges, operations).
    """
    every = {kind: [dict.fromkeys(supernet.operations, 1.0) for _ in supernet.edges(kind)] for kind in supernet.kinds}
    found = {kind: torch.zeros(len(edges), len(supernet.operations)) for kind, edges in every.items()}
    met: Dict[nn.Module, torch.Tensor] = {}
    operations = [operation for cell in supernet.cells() for bank in cell.banks for operation in bank.values()]
    handles = [one.register_forward_pre_hook(lambda own, given: met.setdefault(own, given[0])) for one in operations]
    try:
        with torch.no_grad():
            supernet.train().logits(images, every)
    finally:
        for handle in handles:
            handle.remove()
    for cell in supernet.cells():
        for edge, bank in enumerate(cell.banks):
            for name, operation in bank.items():
                counted = (
                    cost.parameters(operation) if what == "params" else cost.multiply_adds(operation, met[operation])
                )
                found[cell.kind][edge, supernet.operations.index(name)] += counted
    supernet.train()
    most = sum(float(table.max(1).values.sum()) for table in found.values())
    return {kind: table / most for kind, table in found.items()}


# -------------------------------------------------------------------------------------------------------- NAS-Bench-201


class SuperCell201(SuperCell):
    kind, edges, inputs, outputs = "cell", nasbench201.EDGES, (0,), (3,)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        names = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
        self.banks = nn.ModuleList(
            nn.ModuleDict({name: nasbench201.operation(name, channels) for name in names}) for _ in self.edges
        )

    def forward(self, x: torch.Tensor, choice: CellChoice) -> torch.Tensor:
        found = self.nodes({0: x}, choice)
        return found.get(3, torch.zeros_like(x))

    def rectifies(self, index: int, name: str) -> bool:
        return name.startswith("nor_conv")


class Supernet201(Supernet):
    """The supernet of NAS-Bench-201: the benchmark's network with every operation on every edge."""

    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    kinds = ("cell",)

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10) -> None:
        super().__init__()
        self.width = channels
        # Stem, reductions and classifier as the benchmark has them, around cells without operations.
        self.frame = NasBench201Network(("none",) * 6, channels, cells, classes)
        widths = self.frame.stage_channels
        self.stages = nn.ModuleList(nn.ModuleList(SuperCell201(width) for _ in range(cells)) for width in widths)

    def cells(self) -> Iterator[SuperCell]:
        for stage in self.stages:
            yield from stage

    def logits(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        x = self.frame.stem(x)
        for index, stage in enumerate(self.stages):
            x = self.frame.reductions[index - 1](x) if index else x
            for cell in stage:
                x = cell(x, choice["cell"])
        return self.frame.classifier(self.frame.last(x).mean((2, 3)))

    def first_cells(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        return self.stages[0][0](x, choice["cell"])

    def choice(self, arch: Any) -> Choice:
        return {"cell": list(arch)}


# ---------------------------------------------------------------------------------------------------------------- DARTS


class SuperCellDarts(SuperCell):
    inputs, outputs = (0, 1), (2, 3, 4, 5)
    edges = tuple((source, target) for target in outputs for source in range(target))

    def __init__(self, channels_in: Tuple[int, int], channels: int, reduction: bool, shrink_first: bool) -> None:
        super().__init__()
        self.kind = "reduce" if reduction else "normal"
        older = FactorizedReduce(channels_in[0], channels) if shrink_first else conv_bn(channels_in[0], channels, 1)
        self.preprocess = nn.ModuleList([older, conv_bn(channels_in[1], channels, 1)])
        self.strides = [2 if reduction and source < 2 else 1 for source, _ in self.edges]
        self.banks = nn.ModuleList(
            nn.ModuleDict({name: cells.operation(name, channels, stride) for name in SupernetDarts.operations[1:]})
            for stride in self.strides
        )
        self.channels, self.stride = channels, 2 if reduction else 1

    def forward(self, older: torch.Tensor, newer: torch.Tensor, choice: CellChoice) -> torch.Tensor:
        """Takes rectified inputs, as `networks.cells.Cell` does."""
        found = self.nodes({0: self.preprocess[0](older), 1: self.preprocess[1](newer)}, choice)
        height, width = (-(-side // self.stride) for side in newer.shape[2:])
        empty = newer.new_zeros((newer.shape[0], self.channels, height, width))
        return torch.cat([found.get(node, empty) for node in self.outputs], 1)

    def rectifies(self, index: int, name: str) -> bool:
        return cells.takes_rectified(name, self.strides[index])


class SupernetDarts(Supernet):
    """The supernet of DARTS: every operation on each of the 14 edges of the normal and the reduction cell."""

    operations = OPERATIONS
    kinds = ("normal", "reduce")

    def __init__(self, channels: int = 16, depth: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.width = older = newer = 3 * channels
        self.stem = conv_bn(3, newer, 3)
        self.layers = nn.ModuleList()
        where, width = reductions(depth), channels
        for index in range(depth):
            width *= 2 if index in where else 1
            cell = SuperCellDarts((older, newer), width, index in where, index - 1 in where)
            self.layers.append(cell)
            older, newer = newer, width * len(cell.outputs)
        self.classifier = nn.Linear(newer, classes)

    def cells(self) -> Iterator[SuperCell]:
        yield from self.layers

    def logits(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        value = self.stem(x)
        older = newer = F.relu(value)
        for cell in self.layers:
            value = cell(older, newer, choice[cell.kind])
            older, newer = newer, F.relu(value)
        return self.classifier(value.mean((2, 3)))

    def first_cells(self, x: torch.Tensor, choice: Choice) -> torch.Tensor:
        older = newer = F.relu(x)
        value = x
        for cell in self.layers[: reductions(len(self.layers))[0] + 1]:
            value = cell(older, newer, choice[cell.kind])
            older, newer = newer, F.relu(value)
        return value

    def choice(self, arch: Any) -> Choice:
        assert isinstance(arch, Genotype)
        return {"normal": self._cell_choice(arch.normal), "reduce": self._cell_choice(arch.reduce)}

    def _cell_choice(self, plan: CellPlan) -> List[str]:
        found = ["none"] * len(SuperCellDarts.edges)
        for index, (name, source) in enumerate(plan.edges):
            found[SuperCellDarts.edges.index((source, 2 + index // 2))] = name
        return found
