"""The size space of NATS-Bench (arXiv:2009.00437): one fixed cell and 32,768 choices of its five widths."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.natssize import SizeNetwork
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace, Size

#: How many channels a layer may have.
WIDTHS = tuple(range(8, 65, 8))
LAYERS = 5
# Each of stem, three cells of three convolutions on the longest path, and two residual blocks of two.
_NORM_DEPTH = 1 + 3 * 3 + 2 * 2

Widths = Tuple[int, ...]


@search_space("nats-size", also=["nats-sss", "natsbench size"])
class NatsSize(SearchSpace[Widths]):
    """The size space of NATS-Bench; an architecture is its five numbers of channels."""

    count = len(WIDTHS) ** LAYERS
    notation = "16:32:24:64:48"
    mutation = "one of the five layers gets another number of channels"
    paper_size = Size(channels=64, cells=1)

    def sample(self, rng: np.random.Generator) -> Widths:
        return tuple(int(width) for width in rng.choice(WIDTHS, LAYERS))

    def mutate(self, arch: Widths, rng: np.random.Generator) -> Widths:
        layer = int(rng.integers(LAYERS))
        others = [width for width in WIDTHS if width != arch[layer]]
        return (*arch[:layer], others[int(rng.integers(len(others)))], *arch[layer + 1 :])

    def key(self, arch: Widths) -> str:
        return self.format(arch)

    def parse(self, text: Any) -> Widths:
        parts = text.strip().split(":") if isinstance(text, str) else text
        example = f"one looks like {self.notation}"
        if not isinstance(parts, (list, tuple)) or len(parts) != LAYERS:
            raise InputError(f"nats-size: {text!r} is not {LAYERS} numbers of channels; {example}")
        for place, part in enumerate(parts, start=1):
            if str(part) not in map(str, WIDTHS):
                raise InputError(
                    f"nats-size: layer {place} of {text!r} has {part!r} channels; it may have "
                    f"{', '.join(map(str, WIDTHS))}; {example}"
                )
        return tuple(int(part) for part in parts)

    def format(self, arch: Widths) -> str:
        return ":".join(map(str, arch))

    def build(self, arch: Widths, size: Size) -> SizeNetwork:
        return SizeNetwork(arch)

    def published(self, arch: Widths, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The five channels as they are, one cell per stage (arXiv:2009.00437, section 3.2)."""
        return Classifier(SizeNetwork(arch, classes or self.published_classes), (self.name, arch))

    def size(self, profile: Profile) -> Size:
        """One for all profiles: the channels are what is searched for, and there is one cell per stage."""
        return self.paper_size

    def norm_depth(self, size: Size) -> int:
        return _NORM_DEPTH
