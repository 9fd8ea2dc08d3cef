"""The cell spaces of "On Network Design Spaces" (arXiv:1905.13214): NASNet, AmoebaNet, PNAS, ENAS and DARTS."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Hashable, Mapping, Optional, Sequence

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.networks.cells import CellPlan, Genotype, canonical
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.darts import OPERATIONS as DARTS_OPERATIONS
from naslib_gennas.networks.darts import CellNetwork, parameters
from naslib_gennas.spaces import darts
from naslib_gennas.spaces.nds import IMAGENET_PARAMETERS, USUAL_CHANNELS, USUAL_DEPTH, Nds, Shrink, read_net, whole
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import Size

NASNET_OPERATIONS = (
    "skip_connect",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
AMOEBA_OPERATIONS = (
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_sep_conv_3x3",
    "conv_7x1_1x7",
)
PNAS_OPERATIONS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_7x1_1x7",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
)
ENAS_OPERATIONS = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")

LEAST_DEPTH = 3


@dataclass(frozen=True)
class CellNet:
    """A network of cells, as a record states it."""

    genotype: Genotype
    width: int
    depth: int


class NdsCells(Nds):
    """NASNet, AmoebaNet, PNAS, ENAS and DARTS as NDS draws them: both inputs of a node are free, and width and depth.

    Attributes:
        operations: what an edge may do.
        nodes: nodes of a cell.
        loose: whether the nodes that no other reads are concatenated, or all (table 3 of the paper).
        widths, depths: what is drawn; a record may state others.
    """

    operations: Sequence[str]
    nodes = 5
    loose = False
    widths: Sequence[int] = (16, 24, 32)
    depths: Sequence[int] = (4, 8, 12, 16, 20)
    notation = (
        '{"genotype": {"normal": [["sep_conv_3x3", 0], ...], "normal_concat": [2, ...], "reduce": [...], '
        '"reduce_concat": [...]}, "width": 16, "depth": 20}'
    )
    mutation = "one edge of one cell gets another operation or source, or width or depth change"
    paper_size = Size(channels=USUAL_CHANNELS, cells=6)

    def __init__(self) -> None:
        self.count = self.cell_count**2 * len(self.widths) * len(self.depths)

    @property
    def cell_count(self) -> int:
        """Cells as they are written down, isomorphic ones included (table 3 of the paper)."""
        return math.prod((len(self.operations) * node) ** 2 for node in range(2, 2 + self.nodes))

    def sample(self, rng: np.random.Generator) -> CellNet:
        while True:
            genotype = Genotype(self._draw(rng), self._draw(rng))
            arch = CellNet(genotype, int(rng.choice(self.widths)), int(rng.choice(self.depths)))
            if self._fits(arch):
                return arch

    def _fits(self, arch: CellNet) -> bool:
        """Whether NDS would draw a network of this size."""
        return True

    def _draw(self, rng: np.random.Generator) -> CellPlan:
        edges = []
        for node in range(2, 2 + self.nodes):
            for _ in range(2):
                edges.append((self.operations[int(rng.integers(len(self.operations)))], int(rng.integers(node))))
        return self._concatenated(CellPlan(tuple(edges), ()))

    def _concatenated(self, plan: CellPlan) -> CellPlan:
        read = {source for _, source in plan.edges} if self.loose else set()
        return CellPlan(plan.edges, tuple(node for node in range(2, 2 + self.nodes) if node not in read))

    def concatenates(self, arch: CellNet) -> bool:
        """Whether the concatenated nodes of both cells are those that this space concatenates."""
        return all(self._concatenated(plan) == plan for plan in (arch.genotype.normal, arch.genotype.reduce))

    def mutate(self, arch: CellNet, rng: np.random.Generator) -> CellNet:
        key = self.key(arch)
        while True:
            mutant = arch
            choice = int(rng.integers(5))
            if choice == 0:
                mutant = CellNet(arch.genotype, int(rng.choice(self.widths)), arch.depth)
            elif choice == 1:
                mutant = CellNet(arch.genotype, arch.width, int(rng.choice(self.depths)))
            else:
                changed = darts.mutate_genotype(arch.genotype, self.operations, rng)
                genotype = Genotype(self._concatenated(changed.normal), self._concatenated(changed.reduce))
                mutant = CellNet(genotype, arch.width, arch.depth)
            if self.key(mutant) != key and (self._fits(mutant) or not self._fits(arch)):
                return mutant

    def features(self, arch: CellNet) -> Mapping[Hashable, int]:
        """The edges of both cells, the width and the depth."""
        return Counter([*darts.edges_by_node(arch.genotype), ("width", arch.width), ("depth", arch.depth)])

    def key(self, arch: CellNet) -> str:
        cells = f"{canonical(arch.genotype.normal)}/{canonical(arch.genotype.reduce)}"
        return f"{cells}/{arch.width}x{arch.depth}"

    def parse(self, text: Any) -> CellNet:
        if isinstance(text, CellNet):
            return text
        net = read_net(text, self.name, self.notation)
        if "genotype" not in net:
            kind = " (this is one of the ResNet family)" if "block_type" in net else ""
            raise InputError(f"{self.name}: the record has no 'genotype'{kind}; one looks like {self.notation}")
        width = whole(net, "width", 4, self.name)
        depth = whole(net, "depth", LEAST_DEPTH, self.name)
        if width % 2:
            raise InputError(f"{self.name}: 'width' is {width}; it takes an even number")
        fields = darts.genotype_fields(net["genotype"], self.name)
        return CellNet(darts.parse_genotype(fields, self.name, self.operations, self.nodes), width, depth)

    def format(self, arch: CellNet) -> str:
        values = darts.genotype_values(arch.genotype)
        return json.dumps({"genotype": values, "width": arch.width, "depth": arch.depth})

    def build(self, arch: CellNet, size: Shrink) -> CellNetwork:
        depth = arch.depth
        if size.cells is not None:
            # From the 4 cells of the shortest records to the usual 20, in even steps down to what the profile asks.
            slope = (darts.depth(size.cells) - LEAST_DEPTH) / (USUAL_DEPTH - min(NdsCells.depths))
            wanted = LEAST_DEPTH + round((depth - min(NdsCells.depths)) * slope)
            depth = max(LEAST_DEPTH, min(depth, wanted))
        return CellNetwork(arch.genotype, size.width(arch.width, 2), depth, self.imagenet)

    def published(self, arch: CellNet, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The width and the depth that the record states, with the stem of three strides for ImageNet."""
        network = CellNetwork(
            arch.genotype,
            arch.width,
            arch.depth,
            self.imagenet,
            classes or self.published_classes,
            stem_stride=2,
        )
        return Classifier(network, (self.name, arch))

    def untrainable(self, arch: CellNet) -> Optional[str]:
        return darts.unreachable(arch.genotype, arch.depth)


@search_space("nds-darts")
class NdsDarts(NdsCells):
    """DARTS in NDS; cells may have ``none`` edges and read one node twice."""

    operations = DARTS_OPERATIONS
    nodes = 4


@search_space("nds-darts-fix")
class NdsDartsFix(NdsDarts):
    """The records of DARTS that share one width and depth."""

    widths, depths = (16,), (20,)


@search_space("nds-amoeba")
class NdsAmoeba(NdsCells):
    """AmoebaNet (arXiv:1802.01548) in NDS."""

    operations = AMOEBA_OPERATIONS
    loose = True


@search_space("nds-enas")
class NdsEnas(NdsCells):
    """ENAS (arXiv:1802.03268) in NDS."""

    operations = ENAS_OPERATIONS
    loose = True


@search_space("nds-enas-fix")
class NdsEnasFix(NdsEnas):
    """The records of ENAS that share one width and depth."""

    widths, depths = (16,), (20,)


@search_space("nds-nasnet")
class NdsNasnet(NdsCells):
    """NASNet (arXiv:1707.07012) in NDS."""

    operations = NASNET_OPERATIONS
    loose = True


@search_space("nds-pnas")
class NdsPnas(NdsCells):
    """PNAS (arXiv:1712.00559) in NDS."""

    operations = PNAS_OPERATIONS


@search_space("nds-pnas-fix")
class NdsPnasFix(NdsPnas):
    """The records of PNAS that share one width and depth."""

    widths, depths = (16,), (20,)


# ----------------------------------------------------------------------------------------------------- ImageNet records


class _ImageNet(NdsCells):
    """Networks for ImageNet, with the widths and depths of the official records, of at most 6 million parameters."""

    imagenet = True
    widths = (32, 48, 64, 80, 96)
    depths = (6, 10, 14, 18, 22)

    def _fits(self, arch: CellNet) -> bool:
        return parameters(arch.genotype, arch.width, arch.depth, True, self.published_classes) <= IMAGENET_PARAMETERS


@search_space("nds-darts-in")
class NdsDartsImageNet(_ImageNet, NdsDarts):
    """DARTS in NDS, trained on ImageNet."""


@search_space("nds-darts-fix-in")
class NdsDartsFixImageNet(NdsDarts):
    """The records of DARTS for ImageNet that share one width and depth."""

    imagenet = True
    widths, depths = (32,), (22,)


@search_space("nds-amoeba-in")
class NdsAmoebaImageNet(_ImageNet, NdsAmoeba):
    """AmoebaNet in NDS, trained on ImageNet."""


@search_space("nds-enas-in")
class NdsEnasImageNet(_ImageNet, NdsEnas):
    """ENAS in NDS, trained on ImageNet."""


@search_space("nds-nasnet-in")
class NdsNasnetImageNet(_ImageNet, NdsNasnet):
    """NASNet in NDS, trained on ImageNet."""


@search_space("nds-pnas-in")
class NdsPnasImageNet(_ImageNet, NdsPnas):
    """PNAS in NDS, trained on ImageNet."""
