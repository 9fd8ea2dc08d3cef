"""How NASLib writes the architectures of its benchmarks down, and what that is in the benchmarks' own notations.

NASLib is not imported here: a spec is its hash of an architecture with every number made a plain int.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from naslib_gennas.errors import InputError

#: An architecture: NASLib's own hash with every number made a plain int.
Spec = Tuple[Any, ...]

# NASLib numbers NAS-Bench-201's operations and edges in another order than the benchmark does.
OPERATIONS_201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
EDGES_201 = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
BENCHMARK_EDGES_201 = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS_101 = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
OPERATIONS_301 = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def operations_201(spec: Spec) -> Tuple[str, ...]:
    """The operations of a NAS-Bench-201 spec in the order of the benchmark's edges."""
    found = dict(zip(EDGES_201, spec))
    return tuple(OPERATIONS_201[found[edge]] for edge in BENCHMARK_EDGES_201)


def spec_201(operations: Tuple[str, ...]) -> Spec:
    """NASLib's spec of six operations in the order of the benchmark's edges."""
    found = dict(zip(BENCHMARK_EDGES_201, operations))
    return tuple(OPERATIONS_201.index(found[edge]) for edge in EDGES_201)


def cell_101(spec: Spec) -> Dict[str, Any]:
    """The matrix and operations of a NAS-Bench-101 spec."""
    size = _vertices_101(len(spec))
    matrix = [list(spec[row * size : (row + 1) * size]) for row in range(size)]
    return {"matrix": matrix, "ops": [OPERATIONS_101[index] for index in spec[size * size :]]}


def spec_101(matrix: Any, operations: Any) -> Spec:
    """NASLib's spec of a NAS-Bench-101 cell."""
    flat = [int(value) for row in matrix for value in row]
    return tuple(flat + [OPERATIONS_101.index(operation) for operation in operations])


def genotype_301(spec: Spec) -> Dict[str, Any]:
    """The four fields of the genotype of a NAS-Bench-301 spec.

    Where both edges of a node read the same node, NASLib's graph has the second one only.
    """
    cells = []
    for cell in spec:
        edges = [(OPERATIONS_301[operation], source) for source, operation in cell]
        for first in range(0, len(edges), 2):
            if edges[first][1] == edges[first + 1][1]:
                edges[first] = ("none", edges[first][1])
        cells.append(edges)
    nodes = [2, 3, 4, 5]
    return {"normal": cells[0], "normal_concat": nodes, "reduce": cells[1], "reduce_concat": nodes}


def spec_301(genotype: Any) -> Spec:
    """NASLib's spec of a DARTS genotype.

    Raises:
        InputError: an edge is ``none``, which NASLib's specs cannot say.
    """
    plans = (genotype.normal, genotype.reduce)
    if any(name == "none" for plan in plans for name, _ in plan.edges):
        raise InputError("nasbench301: NASLib has no operation 'none'; such a genotype has no graph in NASLib")
    return tuple(tuple((source, OPERATIONS_301.index(name)) for name, source in plan.edges) for plan in plans)


def _vertices_101(length: int) -> int:
    return next((size for size in range(2, 8) if size * size + size == length), 0)


def digits(length: int, choices: int) -> Callable[[Any], bool]:
    """A check that a spec has `length` whole numbers below `choices`."""
    return lambda spec: len(spec) == length and all(_is_int(value, 0, choices - 1) for value in spec)


def _is_int(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and least <= value <= most


def valid_101(spec: Any) -> bool:
    """Whether a tuple is the matrix and the operations of a NAS-Bench-101 cell."""
    size = _vertices_101(len(spec))
    edges, operations = spec[: size * size], spec[size * size :]
    return (
        size > 0
        and all(_is_int(value, 0, 1) for value in edges)
        and all(_is_int(value, 2, 4) for value in operations[1:-1])
        and (operations[0], operations[-1]) == (0, 1)
    )


def valid_301(spec: Any) -> bool:
    """Whether a tuple has two cells of eight (node, operation) pairs, as NAS-Bench-301 does."""
    return len(spec) == 2 and all(
        isinstance(cell, tuple)
        and len(cell) == 8
        and all(
            isinstance(pair, tuple) and len(pair) == 2 and _is_int(pair[0], 0, 1 + i // 2) and _is_int(pair[1], 0, 6)
            for i, pair in enumerate(cell)
        )
        for cell in spec
    )


def valid_macro(spec: Any) -> bool:
    """Whether a tuple has the 4 to 6 modules of a TransNAS-Bench-101 macro architecture, zeros behind them or not."""
    if not all(_is_int(value, 0, 4) for value in spec):
        return False
    modules = macro_modules(spec)
    padded = padded_macro(modules)
    strides, doublings = sum(m > 2 for m in modules), sum(m % 2 == 0 for m in modules)
    return spec in (modules, padded) and 4 <= len(modules) <= 6 and 1 <= strides <= 4 and 1 <= doublings <= 3


def macro_modules(spec: Spec) -> Spec:
    """A macro spec without the zeros that fill it up."""
    return tuple(value for value in spec if value)


def padded_macro(modules: Spec) -> Spec:
    """A macro spec with the zeros that fill it up."""
    return tuple(modules) + (0,) * (6 - len(modules))


def valid_asr(spec: Any) -> bool:
    """Whether a tuple has three nodes of one operation and their skip connections, as NAS-Bench-ASR does."""
    return len(spec) == 3 and all(
        isinstance(node, tuple) and len(node) == 2 + i and _is_int(node[0], 0, 5) and set(node[1:]) <= {0, 1}
        for i, node in enumerate(spec)
    )


def valid_nlp(spec: Any) -> bool:
    """Whether a tuple has the edges, operations and hidden states of a NAS-Bench-NLP recipe."""
    return len(spec) == 3 and all(isinstance(part, tuple) for part in spec) and all(len(edge) == 2 for edge in spec[0])


def valid_size(spec: Any) -> bool:
    """Whether a tuple has the five widths of NATS-Bench's size space."""
    return len(spec) == 5 and all(isinstance(value, int) and value in range(8, 65, 8) for value in spec)
