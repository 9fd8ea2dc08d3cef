"""`swap-cell`: SWAP as its authors compute it, on one small cell and over several draws of weights."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import nn

from naslib_gennas.networks import cells, darts, nasbench101, nasbench201, transnas
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.activations import NoActivations
from naslib_gennas.proxies.proxy import Score, finite_score
from naslib_gennas.proxies.registry import WHOLE, proxy
from naslib_gennas.proxies.swap import swap
from naslib_gennas.randomness import derive

#: Draws of the weights whose mean counts.
DRAWS = 16
#: Channels of the cell: those of the image that it reads.
CHANNELS = 3
#: For networks that are not made of one cell: as small as their search space makes them.
SMALL = WHOLE.replace(name="swap-cell", images=16, cells=1, channels=4)


@proxy("swap-cell", profile=SMALL, draws=DRAWS, channels=CHANNELS, least_images=2)
def swap_cell(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> Score:
    """The mean of `swap` over 16 draws of the weights, on one cell of three channels that reads the image itself.

    As the authors' code does (arXiv:2403.04161): it makes DARTS networks of one layer, which is the reduction cell, and
    repeats. So here for all spaces of one or two cells: the reduction cell where there is one, the cell otherwise.
    Networks that have no such cell are taken whole, as small as their space makes them. It is not regularised.
    """
    cell = _cell(network)
    counts = _counts(network, inputs, seed) if cell is None else patterns(cell, inputs, seed)
    return finite_score(sum(counts) / DRAWS, patterns=counts, cell=cell is not None)


def patterns(cell: nn.Module, inputs: torch.Tensor, seed: int) -> List[float]:
    """What `swap` counts under each draw of the weights of a cell of three channels that reads the image itself; zeros
    where it is made of poolings and shortcuts, which have no patterns."""
    try:
        return _counts(_Alone(cell).to(inputs).train(), inputs, seed)
    except NoActivations:
        return [0.0] * DRAWS


def normal_cell(network: darts.CellNetwork) -> nn.Module:
    """The normal cell of a network of two kinds of cells, of three channels, with the image as both inputs."""
    return _cell_of(network, reduction=False)


def _counts(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> List[float]:
    return [swap(network, inputs, derive(seed, "draw", draw)) for draw in range(DRAWS)]


def _cell(network: StagedNetwork) -> Optional[nn.Module]:
    """The cell that the network consists of, of three channels; None where it is not made of one."""
    # What the network was built from, by name or in the order of its class's parameters.
    positions, names = network.arguments
    if isinstance(network, darts.CellNetwork):
        return _cell_of(network, reduction=True)
    if isinstance(network, nasbench201.NasBench201Network):
        operations = _argument(positions, names, 0, "operations")
        return nasbench201.Cell(operations, nasbench201.used_edges(operations), CHANNELS)
    if isinstance(network, nasbench101.NasBench101Network):
        matrix, operations = (_argument(positions, names, i, name) for i, name in enumerate(("matrix", "operations")))
        # Three channels for every vertex whose output is concatenated.
        feeders = sum(bool(row[-1]) for row in matrix[1:-1])
        return nasbench101.Cell(matrix, operations, CHANNELS, CHANNELS * max(1, feeders))
    if isinstance(network, transnas.TransNasNetwork):
        kind = _argument(positions, names, 1, "cell")
        return None if isinstance(kind, str) else transnas.make_cell(kind, CHANNELS, CHANNELS, 2)
    return None


def _cell_of(network: darts.CellNetwork, reduction: bool) -> nn.Module:
    positions, names = network.arguments
    genotype = _argument(positions, names, 0, "genotype")
    plan = genotype.reduce if reduction else genotype.normal
    return _Twice(cells.Cell(plan, (CHANNELS, CHANNELS), CHANNELS, reduction, shrink_first=False))


def _argument(positions: Sequence[Any], names: Dict[str, Any], place: int, name: str) -> Any:
    return names[name] if name in names else positions[place]


class _Twice(nn.Module):
    """A cell of two inputs that gets the image as both."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.cell(x, x)
        return output


class _Alone(StagedNetwork):
    """A cell as a network of one stage."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    @property
    def stage_channels(self) -> List[int]:
        return [CHANNELS]

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        return [self.cell(x)]

    def whole(self, x: torch.Tensor) -> None:
        self.forward(x)
