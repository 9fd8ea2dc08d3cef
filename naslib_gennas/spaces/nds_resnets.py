"""ResNet and ResNeXt as "On Network Design Spaces" (arXiv:1905.13214) draws them: every stage has a form of its own."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, Hashable, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.anynet import BLOCKS, AnyNetwork, StagePlan, complexity
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.spaces.nds import IMAGENET_OPERATIONS, IMAGENET_PARAMETERS, LARGEST, Nds, Shrink, read_net
from naslib_gennas.spaces.registry import search_space

CIFAR_PARAMETERS, CIFAR_OPERATIONS = 0.856e6, 0.129e9


@dataclass(frozen=True)
class StagedNet:
    """A network of ResNet's family, as a record states it: one plan a stage, the first stage belongs to the stem."""

    block: str
    stages: Tuple[StagePlan, ...]


class NdsFamily(Nds):
    """ResNet and ResNeXt as NDS draws them: depth, width, bottleneck and groups of three stages (table 1).

    Drawn are networks within the bounds of the paper's comparisons: for CIFAR the parameters and the multiply-adds of
    ResNet-56, for ImageNet 6 million parameters or 600 million multiply-adds, as the official records do. Records may
    be anything.

    Attributes:
        block: the block of every stage.
        depths, widths, ratios, groups: what is drawn for every stage; a ratio r makes a bottleneck of width / r.
    """

    block = "res_bottleneck_block"
    depths: Sequence[int] = (1, 2, 4, 8, 16)
    widths: Sequence[int]
    ratios: Sequence[int] = (1, 2, 4)
    groups: Sequence[int]
    notation = (
        '{"block_type": "res_bottleneck_block", "ds": [1, 2, 4, 2], "ws": [16, 64, 128, 256], "ss": [1, 1, 2, 2], '
        '"bot_muls": [0.0, 0.5, 0.25, 0.5], "num_gs": [1, 2, 4, 1]}'
    )
    mutation = "depth, width, bottleneck or groups of one stage change"
    paper_children = "nearest-of-200"

    def __init__(self) -> None:
        choices = (self.depths, self.widths, self.ratios, self.groups)
        self.count = math.prod(map(len, choices)) ** 3  # without the bounds (table 1 of the paper)

    @property
    def bounds(self) -> Tuple[float, float, int]:
        """Most parameters and multiply-adds of what is drawn, and the resolution of the first stage."""
        if self.imagenet:
            return IMAGENET_PARAMETERS, IMAGENET_OPERATIONS, 28
        return CIFAR_PARAMETERS, CIFAR_OPERATIONS, 32

    def sample(self, rng: np.random.Generator) -> StagedNet:
        while True:
            stages = [StagePlan(1, 64, 8) if self.imagenet else StagePlan(1, 16, 1)]
            for stride in (1, 2, 2):
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
        within = (parameters <= most_parameters, operations <= most_operations)
        return any(within) if self.imagenet else all(within)

    def mutate(self, arch: StagedNet, rng: np.random.Generator) -> StagedNet:
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

    def features(self, arch: StagedNet) -> Mapping[Hashable, int]:
        """The settings of each stage."""
        plans = [(plan.depth, plan.width, plan.stride, plan.bottleneck, plan.groups) for plan in arch.stages]
        return Counter(enumerate(setting for plan in plans for setting in plan))

    def key(self, arch: StagedNet) -> str:
        return self.format(arch)

    def parse(self, text: Any) -> StagedNet:
        if isinstance(text, StagedNet):
            return text
        net = read_net(text, self.name, self.notation)
        if "block_type" not in net:
            kind = " (this is one of a cell space)" if "genotype" in net else ""
            raise InputError(f"{self.name}: the record has no 'block_type'{kind}; one looks like {self.notation}")
        if not isinstance(net["block_type"], str) or net["block_type"] not in BLOCKS:
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


@search_space("nds-resnext-a-in")
class NdsResNeXtAImageNet(NdsResNeXtA):
    """ResNeXt, the narrow space, trained on ImageNet."""

    imagenet = True


@search_space("nds-resnext-b-in")
class NdsResNeXtBImageNet(NdsResNeXtB):
    """ResNeXt, the wide space, trained on ImageNet."""

    imagenet = True


# ------------------------------------------------------------------------------------------------------ reading records


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
        raise InputError(f"{where}: '{key}' is {values!r}; it takes a list of numbers from 0 up, one a stage")
    return list(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LARGEST
