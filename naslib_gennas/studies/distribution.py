"""A distribution over the architectures of a supernet: for each edge of each kind of cell, one over its operations."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import torch

from naslib_gennas import spaces
from naslib_gennas.networks.cells import CellPlan, Genotype
from naslib_gennas.networks.supernet import Choice, Supernet

# The temperature of relaxed one-hot vectors.
TEMPERATURE = 1.0


class Distribution:
    """Uniform when it is made; its logits are what an ascent moves.

    Attributes:
        logits: by kind of cell, (edges, operations).
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self.logits: Dict[str, torch.Tensor] = {
            kind: torch.zeros(len(supernet.edges(kind)), len(supernet.operations), requires_grad=True)
            for kind in supernet.kinds
        }

    def draw(self, noise: torch.Generator) -> Tuple[Choice, torch.Tensor]:
        """An architecture, and the logarithm of its probability, differentiable by the logits."""
        choice: Dict[str, List[str]] = {}
        logarithm = torch.zeros(())
        for kind, values in self.logits.items():
            picked = (values.detach() + _gumbel(values, noise)).argmax(1)
            choice[kind] = [self._supernet.operations[index] for index in picked.tolist()]
            logarithm = logarithm + values.log_softmax(1).gather(1, picked[:, None]).sum()
        return choice, logarithm

    def draw_relaxed(self, noise: torch.Generator) -> Choice:
        """The same architecture as a sum of all operations, whose weights are 1 for the drawn ones and 0 for the
        others, and have the gradient of the Gumbel-softmax (straight through; arXiv:1611.01144)."""
        choice: Dict[str, List[Dict[str, torch.Tensor]]] = {}
        for kind, values in self.logits.items():
            noisy = values + _gumbel(values, noise)
            soft = (noisy / TEMPERATURE).softmax(1)
            hard = torch.zeros_like(soft).scatter_(1, noisy.argmax(1, keepdim=True), 1.0)
            weights = (hard + soft - soft.detach()).to(next(self._supernet.parameters()).device)
            choice[kind] = [dict(zip(self._supernet.operations, row)) for row in weights]
        return choice

    def probabilities(self) -> Dict[str, List[List[float]]]:
        """By kind of cell: of each operation on each edge."""
        return {kind: values.detach().softmax(1).tolist() for kind, values in self.logits.items()}

    def expected(self, costs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The expected sum of the operations' costs, differentiable by the logits.

        Args:
            costs: by kind of cell, (edges, operations).
        """
        return torch.stack([(values.softmax(1) * costs[kind]).sum() for kind, values in self.logits.items()]).sum()


def _gumbel(values: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    uniform = torch.rand(values.shape, generator=noise).clamp_(1e-9, 1 - 1e-9)
    return -torch.log(-torch.log(uniform))


def likeliest(space: str, supernet: Supernet, probabilities: Mapping[str, Sequence[Sequence[float]]]) -> Any:
    """The architecture of the likeliest operations; DARTS keeps the two edges of a node whose operations are surest."""
    if space == "nasbench201":
        rows = [sorted(zip(row, supernet.operations), reverse=True) for row in probabilities["cell"]]
        arch = tuple(row[0][1] for row in rows)
        if spaces.get(space).untrainable(arch) is None:
            return arch
        return tuple(next(name for _, name in row if name != "none") for row in rows)
    return Genotype(*(_plan(supernet, kind, probabilities[kind]) for kind in ("normal", "reduce")))


def _plan(supernet: Supernet, kind: str, rows: Sequence[Sequence[float]]) -> CellPlan:
    best: Dict[int, List[Tuple[float, str, int]]] = {}
    for (source, target), row in zip(supernet.edges(kind), rows):
        probability, name = max((p, name) for p, name in zip(row, supernet.operations) if name != "none")
        best.setdefault(target, []).append((probability, name, source))
    edges = [edge for target in sorted(best) for edge in sorted(best[target], reverse=True)[:2]]
    return CellPlan(tuple((name, source) for _, name, source in edges), tuple(sorted(best)))
