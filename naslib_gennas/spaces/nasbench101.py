"""NAS-Bench-101 (arXiv:1902.09635): 423,624 cells of at most 7 vertices and 9 edges, an operation on each vertex."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Hashable, List, Mapping, Optional, Tuple

import numpy as np
from torch import nn

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.nasbench101 import NasBench101Network
from naslib_gennas.networks.subtrees import subtrees
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES = 7
MAX_EDGES = 9

_LARGEST = 100  # rows of a matrix, vertices without a path among them

Matrix = Tuple[Tuple[int, ...], ...]


@dataclass(frozen=True)
class Specification:
    """A cell: upper triangular adjacency matrix and the operation of each vertex ("input" first, "output" last)."""

    matrix: Matrix
    ops: Tuple[str, ...]


@search_space("nasbench101", also=["nb101"])
class NasBench101(SearchSpace[Specification]):
    """The search space of NAS-Bench-101."""

    fixed_skeleton = True
    count = 423624
    notation = '{"matrix": [[0, 1, 1], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv3x3-bn-relu", "output"]}'
    mutation = "each edge and each vertex changes with probability 1 / vertices"
    rates = ("edge", "vertex")
    paper_children = "edge=1/7,vertex=1/7"
    paper_size = Size(channels=16, cells=3)

    def sample(self, rng: np.random.Generator) -> Specification:
        """A valid specification of 7 vertices, each edge present with probability 1/2, drawn again until valid."""
        while True:
            matrix = np.triu(rng.integers(0, 2, (MAX_VERTICES, MAX_VERTICES)), 1)
            ops = [OPERATIONS[i] for i in rng.integers(0, len(OPERATIONS), MAX_VERTICES - 2)]
            arch = _specification(matrix, ["input", *ops, "output"])
            if _fault(arch) is None:
                return arch

    def mutate(self, arch: Specification, rng: np.random.Generator) -> Specification:
        return self.mutate_at(arch, rng, {})

    def mutate_at(self, arch: Specification, rng: np.random.Generator, rates: Mapping[str, float]) -> Specification:
        """Each edge comes or goes with the probability "edge", each vertex gets another operation with "vertex"; drawn
        again until that gives another valid cell (both are 1/7 in the paper)."""
        matrix, ops = _padded(arch, rng)
        edge_rate, vertex_rate = (rates.get(kind, 1 / MAX_VERTICES) for kind in self.rates)
        key = self.key(arch)
        upper = np.triu(np.ones_like(matrix), 1).astype(bool)
        while True:
            flips = (rng.random(matrix.shape) < edge_rate) & upper
            changed = list(ops)
            for vertex in range(1, MAX_VERTICES - 1):
                if rng.random() < vertex_rate:
                    others = [operation for operation in OPERATIONS if operation != ops[vertex]]
                    changed[vertex] = others[int(rng.integers(len(others)))]
            mutant = _specification(np.where(flips, 1 - matrix, matrix), changed)
            if _fault(mutant) is None and self.key(mutant) != key:
                return mutant

    def features(self, arch: Specification) -> Mapping[Hashable, int]:
        """Subtrees of the pruned cell's graph (see `subtrees`)."""
        cell = prune(arch)
        edges = [(u, v) for u, row in enumerate(cell.matrix) for v, there in enumerate(row) if there]
        return subtrees(dict(enumerate(cell.ops)), edges)

    def key(self, arch: Specification) -> str:
        """The benchmark's module hash of the pruned cell."""
        cell = prune(arch)
        codes = [-1, *(OPERATIONS.index(operation) for operation in cell.ops[1:-1]), -2]
        return _module_hash(cell.matrix, codes)

    def parse(self, text: Any) -> Specification:
        content = text
        if isinstance(text, str):
            content = reading.from_json(text, "nasbench101", self.notation)
        if isinstance(content, Specification):
            content = {"matrix": content.matrix, "ops": content.ops}
        if not isinstance(content, Mapping) or not {"matrix", "ops"} <= set(content):
            raise InputError(f"nasbench101: an architecture needs the keys 'matrix' and 'ops', as {self.notation}")
        rows = content["matrix"]
        if not isinstance(rows, (list, tuple)) and not (isinstance(rows, np.ndarray) and rows.ndim == 2):
            raise InputError("nasbench101: 'matrix' must be a list of rows")
        if any(not isinstance(row, (list, tuple, np.ndarray)) for row in rows):
            raise InputError("nasbench101: each row of 'matrix' must be a list of 0 and 1")
        if len(rows) > _LARGEST:
            raise InputError(f"nasbench101: 'matrix' has {len(rows)} rows; it takes at most {_LARGEST}")
        try:
            matrix = np.asarray(rows)
        except (ValueError, OverflowError):
            raise InputError("nasbench101: 'matrix' has rows of different lengths; it must be square") from None
        ops = content["ops"]
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise InputError(f"nasbench101: 'matrix' has shape {matrix.shape}; it must be square")
        if not isinstance(ops, (list, tuple)) or not all(isinstance(op, str) for op in ops) or len(ops) != len(matrix):
            raise InputError(f"nasbench101: 'ops' must name one operation for each of the {len(matrix)} vertices")
        if matrix.dtype.kind not in "iufb" or not np.isin(matrix, (0, 1)).all():
            raise InputError("nasbench101: 'matrix' must hold only 0 and 1")
        below = np.argwhere(np.tril(matrix))
        if len(below):
            row, column = below[0]
            raise InputError(f"nasbench101: 'matrix' must be upper triangular; row {row}, column {column} is 1")
        arch = _specification(matrix, ops)
        fault = _fault(arch)
        if fault:
            raise InputError(f"nasbench101: {fault}")
        return arch

    def format(self, arch: Specification) -> str:
        return json.dumps({"matrix": [list(row) for row in arch.matrix], "ops": list(arch.ops)})

    def build(self, arch: Specification, size: Size) -> NasBench101Network:
        cell = prune(arch)
        return NasBench101Network(cell.matrix, cell.ops, size.channels, size.cells)

    def published(
        self, arch: Specification, classes: Optional[int] = None, resolution: Optional[int] = None
    ) -> nn.Module:
        """128 channels and 3 cells a stack (arXiv:1902.09635, section 2.2)."""
        cell = prune(arch)
        network = NasBench101Network(cell.matrix, cell.ops, 128, 3, classes or self.published_classes)
        return Classifier(network, (self.name, arch))

    def norm_depth(self, size: Size) -> int:
        return 1 + 3 * size.cells * 6  # the stem's; in a cell a projection's and one for each of five vertices


def prune(arch: Specification) -> Specification:
    """The cell without the vertices that lie on no path from input to output."""
    count = len(arch.matrix)
    reached, needed = {0}, {count - 1}
    for vertex in range(1, count):
        if any(arch.matrix[u][vertex] for u in reached if u < vertex):
            reached.add(vertex)
    for vertex in range(count - 2, -1, -1):
        if any(arch.matrix[vertex][w] for w in needed if w > vertex):
            needed.add(vertex)
    kept = [vertex for vertex in range(count) if vertex in reached and vertex in needed]
    matrix = tuple(tuple(arch.matrix[u][v] for v in kept) for u in kept)
    return Specification(matrix, tuple(arch.ops[v] for v in kept))


def _fault(arch: Specification) -> Any:
    """Why the benchmark does not hold `arch`, or None."""
    ops = arch.ops
    if len(ops) < 2 or ops[0] != "input" or ops[-1] != "output":
        return "'ops' must start with 'input' and end with 'output'"
    for vertex, name in enumerate(ops[1:-1], start=1):
        if name not in OPERATIONS:
            return f"vertex {vertex} has the unknown operation '{name}'{suggest(name, OPERATIONS)}"
    cell = prune(arch)
    if len(cell.ops) < 2 or cell.ops[0] != "input" or cell.ops[-1] != "output":
        return "no path leads from the input to the output"
    if len(cell.matrix) > MAX_VERTICES:
        return f"the cell has {len(cell.matrix)} vertices on a path; at most {MAX_VERTICES} are allowed"
    edges = sum(map(sum, cell.matrix))
    if edges > MAX_EDGES:
        return f"the cell has {edges} edges; at most {MAX_EDGES} are allowed"
    return None


def _padded(arch: Specification, rng: np.random.Generator) -> Tuple[np.ndarray, List[str]]:
    """The cell with unconnected vertices before its output, up to 7, so that a mutation can make it grow."""
    count = len(arch.matrix)
    if count >= MAX_VERTICES:
        arch = arch if count == MAX_VERTICES else prune(arch)
        count = len(arch.matrix)
    places = [*range(count - 1), MAX_VERTICES - 1]
    matrix = np.zeros((MAX_VERTICES, MAX_VERTICES), dtype=int)
    matrix[np.ix_(places, places)] = arch.matrix
    added = [OPERATIONS[i] for i in rng.integers(0, len(OPERATIONS), MAX_VERTICES - count)]
    return matrix, [*arch.ops[:-1], *added, "output"]


def _specification(matrix: Any, ops: Any) -> Specification:
    return Specification(tuple(tuple(int(entry) for entry in row) for row in matrix), tuple(ops))


def _module_hash(matrix: Matrix, labels: List[int]) -> str:
    """NAS-Bench-101's graph hash: MD5 of each vertex's degrees and label, refined over its neighbours."""
    count = len(matrix)
    into = [[u for u in range(count) if matrix[u][v]] for v in range(count)]
    out = [[w for w in range(count) if matrix[v][w]] for v in range(count)]
    hashes = [_md5(str((len(out[v]), len(into[v]), labels[v]))) for v in range(count)]
    for _ in range(count):
        hashes = [
            _md5(
                "".join(sorted(hashes[u] for u in into[v]))
                + "|"
                + "".join(sorted(hashes[w] for w in out[v]))
                + "|"
                + hashes[v]
            )
            for v in range(count)
        ]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
