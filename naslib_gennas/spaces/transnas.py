"""TransNAS-Bench-101 (arXiv:2105.11871): a micro space of 4,096 cells and a macro space of 3,256 skeletons."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from itertools import combinations
from typing import Any, Hashable, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.nasbench201 import EDGES, used_edges
from naslib_gennas.networks.transnas import RESIDUAL, TransNasNetwork
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

#: The operations that the digits 0 to 3 of a micro string stand for.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
MICRO_MODULES = (4, 1, 4, 1, 4)

#: The digit of each edge, in the order of NAS-Bench-201's `EDGES`.
Cell = Tuple[int, ...]
#: A digit a module.
Skeleton = Tuple[int, ...]


class _TransNas(SearchSpace[Any]):
    """What both spaces share: how their networks shrink, and how large they were published."""

    paper_size = Size(channels=64, cells=2)
    # Of the task of object classification.
    published_classes = 75
    published_resolution = 256

    def published(self, arch: Any, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """64 channels, two cells a module and a stem that quarters the resolution (arXiv:2105.11871, section 3)."""
        network = self._network(arch, self.paper_size, classes or self.published_classes, stem_stride=2)
        return Classifier(network, (self.name, arch))

    def build(self, arch: Any, size: Size) -> TransNasNetwork:
        return self._network(arch, size)

    @abstractmethod
    def _network(self, arch: Any, size: Size, classes: int = 10, stem_stride: int = 1) -> TransNasNetwork: ...

    def size(self, profile: Profile) -> Size:
        """`cells` are the cells of a module. The benchmark's 64 channels are four times those of other benchmarks: a
        profile that asks for fewer cells gets a quarter of them too, unless it states its channels."""
        usual = super().size(profile)
        fewer = profile.channels is None and usual.cells < self.paper_size.cells
        return Size(channels=usual.channels // 4 if fewer else usual.channels, cells=usual.cells)


@search_space("transnas-micro", also=["transbench101 micro", "transnasbench101 micro"])
class TransNasMicro(_TransNas):
    """The micro space: the cell of NAS-Bench-201 without its pooling, in a fixed skeleton of five modules."""

    fixed_skeleton = True
    count = 4096
    notation = "64-41414-3_02_131"
    mutation = "one of the six edges gets another operation"
    rates = ("edge",)

    def sample(self, rng: np.random.Generator) -> Cell:
        return tuple(int(digit) for digit in rng.integers(0, len(OPERATIONS), len(EDGES)))

    def mutate(self, arch: Cell, rng: np.random.Generator) -> Cell:
        edge = int(rng.integers(len(EDGES)))
        shift = int(rng.integers(1, len(OPERATIONS)))
        return (*arch[:edge], (arch[edge] + shift) % len(OPERATIONS), *arch[edge + 1 :])

    def mutate_at(self, arch: Cell, rng: np.random.Generator, rates: Mapping[str, float]) -> Cell:
        """Each edge gets another operation with the probability "edge" (usually 1/5); drawn again until one has."""
        rate = rates.get("edge", 1 / 5)
        while True:
            shifts = rng.integers(1, len(OPERATIONS), len(EDGES)) * (rng.random(len(EDGES)) < rate)
            if shifts.any():
                return tuple((digit + int(shift)) % len(OPERATIONS) for digit, shift in zip(arch, shifts))

    def features(self, arch: Cell) -> Mapping[Hashable, int]:
        """The operation of each edge."""
        return Counter(zip(EDGES, arch))

    def key(self, arch: Cell) -> str:
        """The edges that matter, the smaller of the two where the two middle nodes may change places."""
        texts = [_live(arch)]
        if "12" not in texts[0]:
            # Without an edge between nodes 1 and 2 they may be swapped: 0-1 with 0-2, and 1-3 with 2-3.
            a, b, _, d, e, f = arch
            texts.append(_live((b, a, 0, d, f, e)))
        return min("".join(f"{edge}:{digit};" for edge, digit in text.items()) for text in texts)

    def parse(self, text: Any) -> Cell:
        if isinstance(text, tuple) and len(text) == len(EDGES) and all(digit in range(4) for digit in text):
            return text
        _, cell = _split(text, self.name, self.notation)
        parts = cell.split("_")
        if cell == RESIDUAL:
            raise InputError(f"{self.name}: '{text}' is a macro architecture; a micro one looks like {self.notation}")
        if text.strip().split("-")[1] != "41414":
            raise InputError(f"{self.name}: the skeleton of '{text}' must be 41414, as in {self.notation}")
        if [len(part) for part in parts] != [1, 2, 3]:
            raise InputError(f"{self.name}: cell '{cell}' of '{text}' must have 1, 2 and 3 digits, as {self.notation}")
        for node, part in enumerate(parts, start=1):
            for digit in part:
                if digit not in "0123":
                    raise InputError(
                        f"{self.name}: node {node} '{part}' of '{text}' has the unknown operation '{digit}'; "
                        "0 is none, 1 skip, 2 a 1x1 and 3 a 3x3 convolution"
                    )
        return tuple(int(digit) for part in parts for digit in part)

    def format(self, arch: Cell) -> str:
        a, b, c, d, e, f = arch
        return f"64-41414-{a}_{b}{c}_{d}{e}{f}"

    def _network(self, arch: Cell, size: Size, classes: int = 10, stem_stride: int = 1) -> TransNasNetwork:
        return TransNasNetwork(MICRO_MODULES, _names(arch), (1, 3, 4), size.channels, size.cells, classes, stem_stride)

    def norm_depth(self, size: Size) -> int:
        return 2 + len(MICRO_MODULES) * size.cells * 3  # the stem's two; three edges lead through a cell

    def untrainable(self, arch: Cell) -> Optional[str]:
        return None if used_edges(_names(arch)) else "no path leads from the cell's input to its output"


@search_space("transnas-macro", also=["transbench101 macro", "transnasbench101 macro"])
class TransNasMacro(_TransNas):
    """The macro space: four to six modules of residual blocks, one to three of them double the channels and one to
    four halve the resolution.

    Networks differ in their number of resolutions, but the loss grows with the number of stages: all have three taps,
    so that their scores compare.
    """

    count = 3256
    notation = "64-123142-basic"
    mutation = "a module gets another digit, or a module comes or goes"

    def sample(self, rng: np.random.Generator) -> Skeleton:
        places = _all_places()
        doubled, halved, length = places[int(rng.integers(len(places)))]
        return tuple(1 + (index in doubled) + 2 * (index in halved) for index in range(length))

    def mutate(self, arch: Skeleton, rng: np.random.Generator) -> Skeleton:
        while True:
            index, choice = int(rng.integers(len(arch))), int(rng.integers(4))
            digit = int(rng.integers(1, 5))
            if choice == 0:
                mutant = (*arch[:index], digit, *arch[index:])
            elif choice == 1:
                mutant = (*arch[:index], *arch[index + 1 :])
            else:
                mutant = (*arch[:index], digit, *arch[index + 1 :])
            if mutant != arch and _fault(mutant) is None:
                return mutant

    def key(self, arch: Skeleton) -> str:
        return self.format(arch)

    def parse(self, text: Any) -> Skeleton:
        if isinstance(text, tuple) and all(isinstance(digit, int) for digit in text):
            modules: Sequence[int] = text
        else:
            skeleton, cell = _split(text, self.name, self.notation)
            if cell != RESIDUAL:
                raise InputError(
                    f"{self.name}: '{text}' is a micro architecture; a macro one looks like {self.notation}"
                )
            for index, digit in enumerate(skeleton, start=1):
                if digit not in "1234":
                    raise InputError(
                        f"{self.name}: module {index} of '{text}' is '{digit}'; 1 keeps, 2 doubles the channels, "
                        "3 halves the resolution, 4 does both"
                    )
            modules = [int(digit) for digit in skeleton]
        fault = _fault(modules)
        if fault:
            raise InputError(f"{self.name}: '{text}' {fault}")
        return tuple(modules)

    def format(self, arch: Skeleton) -> str:
        return f"64-{''.join(map(str, arch))}-{RESIDUAL}"

    def _network(self, arch: Skeleton, size: Size, classes: int = 10, stem_stride: int = 1) -> TransNasNetwork:
        last = len(arch) - 1
        taps = (last - 2, last - 1, last)
        return TransNasNetwork(arch, RESIDUAL, taps, size.channels, size.cells, classes, stem_stride)

    def norm_depth(self, size: Size) -> int:
        return 2 + 6 * size.cells * 2  # the stem's two; up to six modules of blocks of two convolutions


def _names(arch: Cell) -> List[str]:
    return [OPERATIONS[digit] for digit in arch]


def _live(arch: Cell) -> Any:
    return {f"{EDGES[index][0]}{EDGES[index][1]}": arch[index] for index in used_edges(_names(arch))}


def _split(text: Any, where: str, example: str) -> Tuple[str, str]:
    """The skeleton and the cell of ``64-SKELETON-CELL``."""
    parts = text.strip().split("-") if isinstance(text, str) else []
    if len(parts) != 3 or not parts[1]:
        raise InputError(f"{where}: {str(text)[:60]!r} is not an architecture; one looks like {example}")
    if parts[0] != "64":
        raise InputError(f"{where}: '{text}' has {parts[0]} base channels; the benchmark's networks have 64")
    return parts[1], parts[2]


def _fault(modules: Sequence[int]) -> Optional[str]:
    """Why the benchmark does not hold a skeleton, or None."""
    doubled, halved = (sum(digit in digits for digit in modules) for digits in ((2, 4), (3, 4)))
    if not 4 <= len(modules) <= 6:
        return f"has {len(modules)} modules; it takes 4 to 6"
    if not set(modules) <= {1, 2, 3, 4}:
        return f"has the digits {sorted(set(modules))}; it takes 1 to 4"
    if not 1 <= doubled <= 3:
        return f"doubles the channels in {doubled} modules (digits 2 and 4); it takes 1 to 3"
    if not 1 <= halved <= 4:
        return f"halves the resolution in {halved} modules (digits 3 and 4); it takes 1 to 4"
    return None


def _all_places() -> List[Tuple[Tuple[int, ...], Tuple[int, ...], int]]:
    """For every skeleton: the modules that double the channels, those that halve the resolution, their number."""
    return [
        (doubled, halved, length)
        for length in (4, 5, 6)
        for doublings in (1, 2, 3)
        for doubled in combinations(range(length), doublings)
        for halvings in (1, 2, 3, 4)
        for halved in combinations(range(length), halvings)
    ]
