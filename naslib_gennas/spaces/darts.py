"""DARTS (arXiv:1806.09055), as NAS-Bench-301 has it too: a normal and a reduction cell of four nodes."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any, Dict, Hashable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from torch import nn

from naslib_gennas import reading
from naslib_gennas.errors import InputError, check_whole, suggest
from naslib_gennas.networks.cells import CellPlan, Genotype, canonical, output_depends_on_input
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.darts import OPERATIONS, CellNetwork, reductions
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

NODES = 4
#: Pixels a side up to which the network for CIFAR is meant, not the one for ImageNet.
SMALL_IMAGES = 64
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
EXAMPLE = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=[...])"


@search_space("darts", also=["nasbench301", "nb301"])
class Darts(SearchSpace[Genotype]):
    """The search space of DARTS; an architecture is a `Genotype`.

    Sampling and mutation stay among cells whose nodes read two different nodes and have no ``none``, which is what
    NAS-Bench-301 holds; `parse` takes the others as well.
    """

    fixed_skeleton = True
    # Two cells; node i = 2..5 reads two of i nodes, each through one of seven operations: 180 * 7**8 cells.
    count = (180 * 7**8) ** 2
    notation = EXAMPLE
    mutation = "one edge of one cell gets another operation or another source"
    paper_size = Size(channels=16, cells=2)

    def __init__(self, cells: Optional[int] = None, channels: Optional[int] = None) -> None:
        """
        Args:
            cells: depth of the published network, in cells; None: 20, and 14 for ImageNet.
            channels: its width, channels of a node of the first cells; None: 36, and 48 for ImageNet.

        Raises:
            InputError: fewer than three cells, or a width that is odd or below 4.
        """
        if cells is not None:
            check_whole("darts: cells", cells, 3)
        if channels is not None and (not _is_whole(channels) or channels < 4 or channels % 2):
            raise InputError(f"darts: channels is {channels!r}; it takes an even number from 4 up")
        given = {"cells": cells, "channels": channels}
        self.published_settings = {name: value for name, value in given.items() if value is not None}
        # Which architectures meet a constraint depends on them.
        self.domain = {"published": self.published_settings} if self.published_settings else {}

    def sample(self, rng: np.random.Generator) -> Genotype:
        return Genotype(_sample_cell(rng), _sample_cell(rng))

    def mutate(self, arch: Genotype, rng: np.random.Generator) -> Genotype:
        key = self.key(arch)
        while True:
            mutant = mutate_genotype(arch, OPERATIONS[1:], rng, distinct=True)
            if self.key(mutant) != key:
                return mutant

    def features(self, arch: Genotype) -> Mapping[Hashable, int]:
        """The edges of both cells."""
        return Counter(edges_by_node(arch))

    def key(self, arch: Genotype) -> str:
        return f"{canonical(arch.normal)}/{canonical(arch.reduce)}"

    def parse(self, text: Any) -> Genotype:
        if isinstance(text, Genotype):
            return text
        return parse_genotype(genotype_fields(text, "darts"), "darts", OPERATIONS, NODES)

    def format(self, arch: Genotype) -> str:
        values = genotype_values(arch)
        return f"Genotype({', '.join(f'{field}={values[field]}' for field in FIELDS)})"

    def build(self, arch: Genotype, size: Size) -> CellNetwork:
        return CellNetwork(arch, size.channels, depth(size.cells))

    def published(self, arch: Genotype, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """20 cells of 36 channels, or for images of more than 64 pixels the ImageNet network: 14 cells of 48 channels
        after a stem of three convolutions of stride 2 (arXiv:1806.09055, section 3.3 and appendix A)."""
        imagenet = (resolution or self.published_resolution) > SMALL_IMAGES
        cells, channels = (14, 48) if imagenet else (20, 36)
        network = CellNetwork(
            arch,
            self.published_settings.get("channels", channels),
            self.published_settings.get("cells", cells),
            imagenet,
            classes or (1000 if imagenet else self.published_classes),
            stem_stride=2,
        )
        return Classifier(network, (self.name, arch))

    def norm_depth(self, size: Size) -> int:
        # The stem's; in a cell the input's, and two for each of four nodes in a row (a separable convolution has two).
        return 1 + depth(size.cells) * (1 + 2 * NODES)

    def untrainable(self, arch: Genotype) -> Optional[str]:
        return unreachable(arch, depth(self.paper_size.cells))


def depth(cells: int) -> int:
    """Cells of a network with `cells` normal cells per stage and the two reduction cells between stages."""
    return 3 * cells + 2


def unreachable(arch: Genotype, cells: int) -> Optional[str]:
    """Why a network of `cells` cells cannot be trained, or None."""
    if output_depends_on_input(arch, reductions(cells), cells):
        return None
    return "no path leads from the network's input to its output"


# --------------------------------------------------------------------------------------------- drawing and varying


def _sample_cell(rng: np.random.Generator) -> CellPlan:
    edges = []
    for node in range(2, 2 + NODES):
        for source in rng.choice(node, 2, replace=False):
            edges.append((OPERATIONS[1 + int(rng.integers(len(OPERATIONS) - 1))], int(source)))
    return CellPlan(tuple(edges), tuple(range(2, 2 + NODES)))


def mutate_genotype(
    arch: Genotype, operations: Sequence[str], rng: np.random.Generator, distinct: bool = False
) -> Genotype:
    """`arch` with another operation or another source on one edge of one cell; the concatenated nodes stay.

    Args:
        arch: the parent.
        operations: what an edge may do.
        rng: where the draws come from.
        distinct: whether the two edges of a node read different nodes.
    """
    plans = [arch.normal, arch.reduce]
    which = int(rng.integers(2))
    edges = list(plans[which].edges)
    index = int(rng.integers(len(edges)))
    name, source = edges[index]
    sources = [node for node in range(2 + index // 2) if node != source]
    if distinct:
        sources = [node for node in sources if node != edges[index ^ 1][1]]
    if sources and rng.integers(2):
        edges[index] = (name, sources[int(rng.integers(len(sources)))])
    else:
        others = [operation for operation in operations if operation != name]
        edges[index] = (others[int(rng.integers(len(others)))], source)
    plans[which] = CellPlan(tuple(edges), plans[which].concat)
    return Genotype(plans[0], plans[1])


def edges_by_node(arch: Genotype) -> Iterator[Tuple[str, int, str, int]]:
    """(cell, node, operation, source) of every edge."""
    for cell, plan in (("normal", arch.normal), ("reduce", arch.reduce)):
        for index, (name, source) in enumerate(plan.edges):
            yield cell, 2 + index // 2, name, source


# ------------------------------------------------------------------------------------------------ reading and writing


def genotype_fields(content: Any, where: str) -> Mapping[str, Any]:
    """The four fields of a genotype from its text (``Genotype(...)`` or JSON), a mapping or a named tuple.

    Raises:
        InputError: the text is neither, or a field is missing or unknown.
    """
    if isinstance(content, str):
        content = _read_text(content.strip(), where)
    elif all(hasattr(content, field) for field in FIELDS):
        content = {field: getattr(content, field) for field in FIELDS}
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: {content!r} is not a genotype; one looks like {EXAMPLE}")
    for field in content:
        if field not in FIELDS:
            raise InputError(f"{where}: unknown field '{field}' in the genotype{suggest(str(field), FIELDS)}")
    for field in FIELDS:
        if field not in content:
            raise InputError(f"{where}: the genotype has no field '{field}'; one looks like {EXAMPLE}")
    return content


def parse_genotype(fields: Mapping[str, Any], where: str, operations: Sequence[str], nodes: int) -> Genotype:
    """The genotype that four fields describe, checked edge by edge.

    Args:
        fields: what `genotype_fields` gives.
        where: how messages call the architecture.
        operations: the operations of the search space.
        nodes: nodes of a cell, two edges each.

    Raises:
        InputError: the message names cell, node and edge.
    """
    cells = []
    for cell in ("normal", "reduce"):
        edges = _edges(fields[cell], f"{where}: {cell} cell", operations, nodes)
        key = f"{cell}_concat"
        concat = fields[key]
        first = 2 if cell == "reduce" else 0
        if (
            not isinstance(concat, (list, tuple, range))
            or len(concat) > nodes + 2
            or not all(_is_whole(node) for node in concat)
            or not concat
        ):
            raise InputError(f"{where}: {key} is {concat!r}; it takes a list of nodes such as {[*range(2, 2 + nodes)]}")
        for node in concat:
            if not first <= node < 2 + nodes or list(concat).count(node) > 1:
                raise InputError(
                    f"{where}: {key} names node {node}; it takes nodes from {first} to {1 + nodes}, each once"
                )
        cells.append(CellPlan(edges, tuple(sorted(concat))))
    return Genotype(cells[0], cells[1])


def genotype_values(arch: Genotype) -> Dict[str, List[Any]]:
    """The four fields of a genotype as plain lists."""
    return {
        "normal": list(arch.normal.edges),
        "normal_concat": list(arch.normal.concat),
        "reduce": list(arch.reduce.edges),
        "reduce_concat": list(arch.reduce.concat),
    }


def _edges(content: Any, where: str, operations: Sequence[str], nodes: int) -> Tuple[Tuple[str, int], ...]:
    if not isinstance(content, (list, tuple)) or len(content) != 2 * nodes:
        count = len(content) if isinstance(content, (list, tuple)) else 0
        raise InputError(f"{where} has {count} edges; {nodes} nodes have {2 * nodes}, each ('sep_conv_3x3', 0)")
    edges = []
    for index, edge in enumerate(content):
        node = 2 + index // 2
        place = f"{where}, node {node}, edge {1 + index % 2}"
        if not isinstance(edge, (list, tuple)) or len(edge) != 2:
            raise InputError(f"{place} is {edge!r}; an edge is an operation and a node, as ('sep_conv_3x3', 0)")
        name, source = edge
        if name not in operations:
            raise InputError(f"{place} has the unknown operation {name!r}{suggest(str(name), operations)}")
        if not _is_whole(source) or not 0 <= source < node:
            raise InputError(f"{place} reads node {source!r}; node {node} may read nodes 0 to {node - 1}")
        edges.append((name, source))
    return tuple(edges)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_text(text: str, where: str) -> Any:
    if text.startswith("{"):
        return reading.from_json(text, where, EXAMPLE)
    try:
        with reading.quiet():
            call = ast.parse(text, mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype":
            names = [*FIELDS[: len(call.args)], *(str(keyword.arg) for keyword in call.keywords)]
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            return {name: _literal(value) for name, value in zip(names, values)}
    except (SyntaxError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        pass
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise InputError(f"{where}: '{shown}' is not a genotype; one looks like {EXAMPLE}")


def _literal(node: ast.expr) -> Any:
    """The value of a literal; ``range(2, 6)`` counts as one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
        return range(*(ast.literal_eval(argument) for argument in node.args))
    return ast.literal_eval(node)
