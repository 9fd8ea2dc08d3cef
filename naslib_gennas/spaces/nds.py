"""The search spaces of "On Network Design Spaces" (NDS, arXiv:1905.13214): five of cells, three of ResNet's family.

An architecture is what a record of the official files calls ``net``; `parse` takes the record, its ``net``, or either
as JSON. The records state width and depth, so that both are part of the architecture.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.anynet import BLOCKS, AnyNetwork, StagePlan, complexity
from naslib_gennas.networks.cells import CellPlan, Genotype, canonical
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.darts import OPERATIONS as DARTS_OPERATIONS
from naslib_gennas.networks.darts import CellNetwork
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces import darts
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

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

#: Widths are stated for networks of 16 channels, depths for the 20 cells that the cell spaces' networks usually have.
USUAL_CHANNELS = 16
USUAL_DEPTH = 20
LEAST_DEPTH = 3


@dataclass(frozen=True)
class Shrink:
    """How much smaller than its record a network is built.

    Attributes:
        channels: what 16 channels of a record become; None: 16.
        cells: normal cells a stage that a network of the usual depth keeps; None: as the record states.
    """

    channels: Optional[int] = None
    cells: Optional[int] = None

    def width(self, width: int, step: int) -> int:
        """A record's width, as a multiple of `step`; widths that differ stay apart as far as that allows."""
        factor = 1.0 if self.channels is None else self.channels / USUAL_CHANNELS
        return step * max(1, round(width * factor / step))


class _Nds(SearchSpace[Any]):
    """What all spaces of NDS share: widths and depths are the architecture's, so a profile shrinks in proportion."""

    imagenet = False

    @property
    def published_classes(self) -> int:  # type: ignore[override]
        return 1000 if self.imagenet else 10

    @property
    def published_resolution(self) -> int:  # type: ignore[override]
        return 224 if self.imagenet else 32

    def size(self, profile: Profile) -> Shrink:
        return Shrink(profile.channels, profile.cells)


# ------------------------------------------------------------------------------------------------------ spaces of cells


@dataclass(frozen=True)
class CellNet:
    """A network of cells, as a record states it."""

    genotype: Genotype
    width: int
    depth: int


class NdsCells(_Nds):
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
        genotype = Genotype(self._draw(rng), self._draw(rng))
        return CellNet(genotype, int(rng.choice(self.widths)), int(rng.choice(self.depths)))

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
            if self.key(mutant) != key:
                return mutant

    def key(self, arch: CellNet) -> str:
        cells = f"{canonical(arch.genotype.normal)}/{canonical(arch.genotype.reduce)}"
        return f"{cells}/{arch.width}x{arch.depth}"

    def parse(self, text: Any) -> CellNet:
        if isinstance(text, CellNet):
            return text
        net = _net(text, self.name, self.notation)
        if "genotype" not in net:
            kind = " (this is one of the ResNet family)" if "block_type" in net else ""
            raise InputError(f"{self.name}: the record has no 'genotype'{kind}; one looks like {self.notation}")
        width = _whole(net, "width", 4, self.name)
        depth = _whole(net, "depth", LEAST_DEPTH, self.name)
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


# ------------------------------------------------------------------------------------------------------ ResNet's family


@dataclass(frozen=True)
class StagedNet:
    """A network of ResNet's family, as a record states it: one plan a stage, the first stage belongs to the stem."""

    block: str
    stages: Tuple[StagePlan, ...]


FamilyType = TypeVar("FamilyType", bound="NdsFamily")


class NdsFamily(_Nds):
    """ResNet and ResNeXt as NDS draws them: depth, width, bottleneck and groups of three stages (table 1).

    Drawn are networks of at most the parameters and multiply-adds that the paper bounds its comparisons by. Records
    may be anything. `among` gives the space of given records, in which mutation takes the most similar of 200, as
    the paper's search does.

    Attributes:
        block: the block of every stage.
        depths, widths, ratios, groups: what is drawn for every stage; a ratio r makes a bottleneck of width / r.
    """

    block = "res_bottleneck_block"
    depths: Sequence[int] = (1, 2, 4, 8, 16)
    widths: Sequence[int]
    ratios: Sequence[int] = (1, 2, 4)
    groups: Sequence[int]
    records: Tuple[StagedNet, ...] = ()
    notation = (
        '{"block_type": "res_bottleneck_block", "ds": [1, 2, 4, 2], "ws": [16, 64, 128, 256], "ss": [1, 1, 2, 2], '
        '"bot_muls": [0.0, 0.5, 0.25, 0.5], "num_gs": [1, 2, 4, 1]}'
    )
    mutation = "depth, width, bottleneck or groups of one stage change; among records, the most similar of 200"

    def __init__(self) -> None:
        choices = (self.depths, self.widths, self.ratios, self.groups)
        self.count = math.prod(map(len, choices)) ** 3  # without the bounds (table 1 of the paper)

    @property
    def bounds(self) -> Tuple[float, float, int]:
        """Most parameters and multiply-adds of what is drawn, and the resolution of the first stage."""
        return (6.0e6, 0.6e9, 28) if self.imagenet else (0.856e6, 0.129e9, 32)

    def among(self: FamilyType, records: Sequence[StagedNet]) -> FamilyType:
        """This space restricted to `records`: they are what is drawn, and what a mutation leads to.

        Raises:
            InputError: there are fewer than two different records.
        """
        unique = tuple({self.key(record): record for record in records}.values())
        if len(unique) < 2:
            raise InputError(f"{self.name}: a search among records needs at least 2 different ones, not {len(unique)}")
        restricted = copy.copy(self)
        restricted.records = unique
        return restricted

    def sample(self, rng: np.random.Generator) -> StagedNet:
        if self.records:
            return self.records[int(rng.integers(len(self.records)))]
        strides = (8 if self.imagenet else 1, 1, 2, 2)
        while True:
            stages = [StagePlan(1, 16, strides[0])]
            for stride in strides[1:]:
                depth, width = int(rng.choice(self.depths)), int(rng.choice(self.widths))
                stages.append(StagePlan(depth, width, stride, 1 / int(rng.choice(self.ratios)), self._group(rng)))
            arch = StagedNet(self.block, tuple(stages))
            if self._fits(arch):
                return arch

    def _group(self, rng: np.random.Generator) -> int:
        return int(rng.choice(self.groups))

    def _fits(self, arch: StagedNet) -> bool:
        most_parameters, most_operations, resolution = self.bounds
        stem, *stages = arch.stages
        parameters, operations = complexity(arch.block, stages, resolution, stem.width)
        return parameters <= most_parameters and operations <= most_operations

    def mutate(self, arch: StagedNet, rng: np.random.Generator) -> StagedNet:
        if self.records:
            return most_similar(arch, self.records, rng)
        while True:
            index = int(rng.integers(1, len(arch.stages)))
            plan = arch.stages[index]
            choice = int(rng.integers(4))
            depth = int(rng.choice(self.depths)) if choice == 0 else plan.depth
            width = int(rng.choice(self.widths)) if choice == 1 else plan.width
            bottleneck = 1 / int(rng.choice(self.ratios)) if choice == 2 else plan.bottleneck
            groups = self._group(rng) if choice == 3 else plan.groups
            changed = StagePlan(depth, width, plan.stride, bottleneck, groups)
            mutant = StagedNet(arch.block, (*arch.stages[:index], changed, *arch.stages[index + 1 :]))
            divides = changed.middle % groups == 0
            if changed != plan and divides and (self._fits(mutant) or not self._fits(arch)):
                return mutant

    def key(self, arch: StagedNet) -> str:
        return self.format(arch)

    def parse(self, text: Any) -> StagedNet:
        if isinstance(text, StagedNet):
            return text
        net = _net(text, self.name, self.notation)
        if "block_type" not in net:
            kind = " (this is one of a cell space)" if "genotype" in net else ""
            raise InputError(f"{self.name}: the record has no 'block_type'{kind}; one looks like {self.notation}")
        if net["block_type"] not in BLOCKS:
            raise InputError(f"{self.name}: unknown 'block_type' {net['block_type']!r}{suggest(self.block, BLOCKS)}")
        if net["block_type"] != self.block:
            raise InputError(f"{self.name}: 'block_type' is {net['block_type']!r}; this space has '{self.block}'")
        return StagedNet(self.block, _stages(net, self.name, self.block))

    def format(self, arch: StagedNet) -> str:
        content: Dict[str, Any] = {
            "block_type": arch.block,
            "ds": [plan.depth for plan in arch.stages],
            "ws": [plan.width for plan in arch.stages],
            "ss": [plan.stride for plan in arch.stages],
            "bot_muls": [],
            "num_gs": [],
        }
        if arch.block == "res_bottleneck_block":
            content["bot_muls"] = [plan.bottleneck for plan in arch.stages]
            content["num_gs"] = [plan.groups for plan in arch.stages]
        return json.dumps(content)

    def build(self, arch: StagedNet, size: Shrink) -> AnyNetwork:
        stages = []
        for plan in _at_32(arch.stages):
            # The narrowest step of width by which the bottleneck's channels still split into the groups.
            step = max(1, round(plan.groups / plan.bottleneck))
            width = plan.width if size.channels is None else size.width(plan.width, step)
            depth = plan.depth if size.cells is None else max(1, min(plan.depth, round(plan.depth * size.cells / 4)))
            stages.append(StagePlan(depth, width, plan.stride, plan.bottleneck, plan.groups))
        return AnyNetwork(arch.block, stages)

    def published(self, arch: StagedNet, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The stages that the record states; the first of them says how wide the stem is, and is no more than it."""
        stem, *stages = arch.stages
        network = AnyNetwork(arch.block, stages, stem.width, classes or self.published_classes, self.imagenet)
        return Classifier(network, (self.name, arch))


def most_similar(
    arch: StagedNet, records: Sequence[StagedNet], rng: np.random.Generator, count: int = 200
) -> StagedNet:
    """Of `count` records drawn at random the one that differs from `arch` in the fewest settings, never `arch` itself.

    The mutation of the paper's search in the ResNet family (section 4.3 of arXiv:2108.01899).
    """
    while True:
        drawn = rng.choice(len(records), min(count, len(records)), replace=False)
        others = [records[int(index)] for index in drawn if records[int(index)] != arch]
        if others:
            return min(others, key=lambda record: _differences(arch, record))


def _differences(a: StagedNet, b: StagedNet) -> int:
    settings = [
        [(plan.depth, plan.width, plan.stride, plan.bottleneck, plan.groups) for plan in x.stages] for x in (a, b)
    ]
    longer = abs(len(a.stages) - len(b.stages))
    return 5 * longer + sum(p != q for one, other in zip(*settings) for p, q in zip(one, other))


def _at_32(stages: Sequence[StagePlan]) -> List[StagePlan]:
    """The stages for an input of 32x32 pixels: the first one, which belongs to the stem, keeps the resolution."""
    first = stages[0]
    return [StagePlan(first.depth, first.width, 1, first.bottleneck, first.groups), *stages[1:]]


@search_space("nds-resnet")
class NdsResNet(NdsFamily):
    """ResNet (arXiv:1512.03385) in NDS: basic blocks."""

    block = "res_basic_block"
    notation = (
        '{"block_type": "res_basic_block", "ds": [1, 2, 4, 2], "ws": [16, 44, 93, 256], "ss": [1, 1, 2, 2], '
        '"bot_muls": [], "num_gs": []}'
    )
    # Nine depths from 1 to 24 and twelve widths from 16 to 256, evenly spaced in their logarithm.
    depths = (1, 2, 3, 4, 5, 8, 11, 17, 24)
    widths = tuple(round(16 ** (1 + i / 11)) for i in range(12))
    ratios, groups = (1,), (1,)


@search_space("nds-resnext-a")
class NdsResNeXtA(NdsFamily):
    """ResNeXt (arXiv:1611.05431) in NDS, the narrow space."""

    widths = (16, 32, 64, 128, 256)
    groups = (1, 2, 4)


@search_space("nds-resnext-b")
class NdsResNeXtB(NdsFamily):
    """ResNeXt (arXiv:1611.05431) in NDS, the wide space."""

    widths = (64, 128, 256, 512, 1024)
    groups = (1, 2, 4, 8, 16)


# ----------------------------------------------------------------------------------------------------- ImageNet records


def _imagenet(cls: Any) -> None:
    """Register the space of the records that NDS trained on ImageNet: the same choices, wider networks."""
    changes: Dict[str, Any] = {"imagenet": True, "__doc__": f"{cls.__name__}: the records trained on ImageNet."}
    if issubclass(cls, NdsCells):
        # About the 0.6 billion multiply-adds that NDS bounds its ImageNet comparisons by.
        widths, depths = ((32, 48), (6, 10, 14)) if len(cls.widths) > 1 else ((32,), (14,))
        changes.update(widths=widths, depths=depths)
    search_space(f"{cls.name}-in")(type(f"{cls.__name__}ImageNet", (cls,), changes))


for _cls in (NdsDarts, NdsDartsFix, NdsAmoeba, NdsEnas, NdsNasnet, NdsPnas, NdsResNeXtA, NdsResNeXtB):
    _imagenet(_cls)


# ------------------------------------------------------------------------------------------------------ reading records


def _net(content: Any, where: str, notation: str) -> Mapping[str, Any]:
    """The ``net`` of a record, of its ``net`` or of either as JSON."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: not JSON at character {error.pos}; one looks like {notation}") from None
    if isinstance(content, Mapping) and isinstance(content.get("net"), Mapping):
        content = content["net"]
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: {str(content)[:60]!r} is no record; one looks like {notation}")
    return content


def _whole(net: Mapping[str, Any], key: str, least: int, where: str) -> int:
    value = net.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{where}: '{key}' is {value!r}; it takes a whole number from {least} up")
    return value


def _stages(net: Mapping[str, Any], where: str, block: str) -> Tuple[StagePlan, ...]:
    depths, widths, strides = (_numbers(net, key, where) for key in ("ds", "ws", "ss"))
    count = len(depths)
    if count < 3:
        raise InputError(f"{where}: 'ds' has {count} stages; the networks of this space have the stem's and three more")
    ones = [1.0] * count
    bottlenecks, groups = ones, ones
    if block == "res_bottleneck_block":
        bottlenecks = _numbers(net, "bot_muls" if "bot_muls" in net else "bms", where) or ones
        groups = _numbers(net, "num_gs" if "num_gs" in net or "gws" not in net else "gws", where) or ones
    for key, values in (("ws", widths), ("ss", strides), ("bot_muls", bottlenecks), ("num_gs", groups)):
        if len(values) != count:
            raise InputError(f"{where}: '{key}' has {len(values)} numbers for the {count} stages of 'ds'")
    stages = []
    for index, (d, w, s, b, g) in enumerate(zip(depths, widths, strides, bottlenecks, groups)):
        # The stem's stage has no bottleneck: records say 0 there.
        plan = StagePlan(int(d), int(w), int(s), float(b or 1.0), 1)
        if "num_gs" in net or "gws" not in net:
            number = int(g) or 1
        else:
            number = max(1, plan.middle // (int(g) or plan.middle))  # `gws` states the width of a group
        if min(d, w, s) < 1 or plan.middle < 1:
            raise InputError(
                f"{where}: stage {index} has {d:g} blocks of width {w:g} and stride {s:g}; all must be 1 up"
            )
        if plan.middle % number:
            raise InputError(
                f"{where}: stage {index} splits the {plan.middle} channels of its bottleneck into {number} groups, "
                "which does not divide them"
            )
        stages.append(StagePlan(plan.depth, plan.width, plan.stride, plan.bottleneck, number))
    return tuple(stages)


def _numbers(net: Mapping[str, Any], key: str, where: str) -> List[float]:
    values = net.get(key, None if key in ("ds", "ws", "ss") else [])
    if not isinstance(values, (list, tuple)) or not all(_is_number(value) for value in values):
        raise InputError(f"{where}: '{key}' is {values!r}; it takes a list of numbers, one a stage")
    return list(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
