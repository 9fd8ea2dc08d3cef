"""NAS-Bench-201 (arXiv:2001.00326): 15,625 cells of four nodes, an operation on each of six edges."""

from __future__ import annotations

from collections import Counter
from typing import Any, Hashable, List, Mapping, Optional, Tuple

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.nasbench201 import EDGES, NasBench201Network, used_edges
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

#: The operation of each edge, in the order of `EDGES`.
Cell = Tuple[str, str, str, str, str, str]


@search_space("nasbench201", also=["nb201", "nats-tss", "natsbench topology"])
class NasBench201(SearchSpace[Cell]):
    """The search space of NAS-Bench-201; an architecture is the tuple of its six operations."""

    fixed_skeleton = True
    count = 15625
    notation = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
    mutation = "one of the six edges gets another operation"
    rates = ("edge",)
    paper_children = "edge=1/5"
    paper_size = Size(channels=16, cells=5)

    def sample(self, rng: np.random.Generator) -> Cell:
        return _cell([OPERATIONS[i] for i in rng.integers(0, len(OPERATIONS), len(EDGES))])

    def mutate(self, arch: Cell, rng: np.random.Generator) -> Cell:
        edge = int(rng.integers(len(EDGES)))
        others = [operation for operation in OPERATIONS if operation != arch[edge]]
        return _cell([*arch[:edge], others[int(rng.integers(len(others)))], *arch[edge + 1 :]])

    def mutate_at(self, arch: Cell, rng: np.random.Generator, rates: Mapping[str, float]) -> Cell:
        """Each edge gets another operation with the probability "edge" (paper: 1/5); drawn again until one has."""
        rate = rates.get("edge", 1 / 5)
        while True:
            shifts = rng.integers(1, len(OPERATIONS), len(EDGES)) * (rng.random(len(EDGES)) < rate)
            if shifts.any():
                places = [OPERATIONS.index(operation) + int(shift) for operation, shift in zip(arch, shifts)]
                return _cell([OPERATIONS[place % len(OPERATIONS)] for place in places])

    def features(self, arch: Cell) -> Mapping[Hashable, int]:
        """The operation of each edge."""
        return Counter(zip(EDGES, arch))

    def key(self, arch: Cell) -> str:
        """The sum that node 3 computes, `skip_connect` resolved, "#" for an edge that gives nothing.

        Written as the benchmark's authors write it, since their order of the terms decides which of the 6,466 classes
        a cell falls into; a few cells in different classes compute the same.
        """
        nodes = ["0"]
        for node in (1, 2, 3):
            terms = []
            for (source, target), operation in zip(EDGES, arch):
                if target != node:
                    continue
                if operation == "none" or nodes[source] == "#":
                    terms.append("#")
                else:
                    terms.append(nodes[source] if operation == "skip_connect" else f"({nodes[source]})@{operation}")
            nodes.append("+".join(sorted(terms)))
        return nodes[3]

    def parse(self, text: Any) -> Cell:
        if isinstance(text, (tuple, list)) and len(text) == len(EDGES) and all(op in OPERATIONS for op in text):
            return _cell(list(text))
        if not isinstance(text, str):
            raise InputError(f"nasbench201: {text!r} is not an architecture; one looks like {self.notation}")
        text = text.strip()
        nodes = text.split("+")
        if len(nodes) != 3:
            raise InputError(f"nasbench201: '{text}' has {len(nodes)} nodes, not 3; one looks like {self.notation}")
        operations: List[str] = []
        for index, node in enumerate(nodes, start=1):
            edges = node.strip("|").split("|")
            if not (node.startswith("|") and node.endswith("|")) or len(edges) != index:
                raise InputError(
                    f"nasbench201: node {index} '{node}' in '{text}' must be {index} edge{'s' * (index > 1)} between "
                    f"bars; one looks like {self.notation}"
                )
            found = {}
            for edge in edges:
                operation, _, source = edge.partition("~")
                if operation not in OPERATIONS:
                    raise InputError(
                        f"nasbench201: edge '{edge}' of node {index} has an unknown operation"
                        f"{suggest(operation, OPERATIONS)}"
                    )
                if source not in map(str, range(index)) or int(source) in found:
                    raise InputError(
                        f"nasbench201: edge '{edge}' of node {index} must come from one of the nodes "
                        f"{', '.join(str(i) for i in range(index))}, each once, as in {edge.split('~')[0]}~0"
                    )
                found[int(source)] = operation
            operations.extend(found[source] for source in range(index))
        return _cell(operations)

    def format(self, arch: Cell) -> str:
        nodes = []
        for node in (1, 2, 3):
            edges = [f"{op}~{source}" for (source, target), op in zip(EDGES, arch) if target == node]
            nodes.append(f"|{'|'.join(edges)}|")
        return "+".join(nodes)

    def build(self, arch: Cell, size: Size) -> NasBench201Network:
        return NasBench201Network(arch, size.channels, size.cells)

    def published(self, arch: Cell, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """16 channels and 5 cells per stage (arXiv:2001.00326, section 2.1)."""
        return Classifier(
            NasBench201Network(arch, 16, 5, classes or self.published_classes, trained=True), (self.name, arch)
        )

    def norm_depth(self, size: Size) -> int:
        return 5  # the stem's and two a reduction block: those of the cells keep no running averages

    def untrainable(self, arch: Cell) -> Optional[str]:
        return None if used_edges(arch) else "no path leads from the cell's input to its output"


def _cell(operations: List[str]) -> Cell:
    a, b, c, d, e, f = operations
    return (a, b, c, d, e, f)
