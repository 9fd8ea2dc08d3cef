"""SearchSpace: what the rest of the package may ask of a search space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Hashable, Optional, TypeVar

import numpy as np

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression.profiles import Profile

Arch = TypeVar("Arch", bound=Hashable)


@dataclass(frozen=True)
class Size:
    """How large a network a search space builds.

    Attributes:
        channels: channels of the first stage.
        cells: cells a stage.
    """

    channels: int
    cells: int


class SearchSpace(ABC, Generic[Arch]):
    """A set of architectures: small immutable values, drawn, varied, written down and built into networks.

    Attributes:
        name: what `gennas` and `get` call it.
        kind: "cnn" or "rnn": which proxy tasks fit it.
        stages: number of stage feature maps of its networks (None where it varies).
        count: number of architectures, None where nobody counts them.
        notation: one line on how an architecture is written, with an example.
        mutation: one line on what a mutation changes.
        paper_size: the size that the paper's published correlations come from.
    """

    name: str
    kind: str = "cnn"
    stages: Optional[int] = 3
    count: Optional[int] = None
    notation: str = ""
    mutation: str = ""
    paper_size: Size = Size(channels=16, cells=1)

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly (or as the benchmark draws)."""

    @abstractmethod
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A neighbour of `arch`, never `arch` itself."""

    @abstractmethod
    def key(self, arch: Arch) -> str:
        """A text that is equal for isomorphic architectures (they compute the same), different for others."""

    @abstractmethod
    def parse(self, text: Any) -> Arch:
        """The architecture that a text in the benchmark's notation describes.

        Raises:
            InputError: the text is malformed; the message shows where.
        """

    @abstractmethod
    def format(self, arch: Arch) -> str:
        """The benchmark's notation; ``parse(format(arch)) == arch``."""

    @abstractmethod
    def build(self, arch: Arch, size: Any) -> StagedNetwork:
        """A new network with only the operations that `arch` uses, initialised from torch's global generator."""

    def size(self, profile: Profile) -> Any:
        """How large a network `profile` asks of this space: the one place that says how the space shrinks."""
        paper = self.paper_size
        return Size(
            channels=profile.channels or paper.channels,
            cells=min(profile.cells or paper.cells, paper.cells),
        )

    def norm_depth(self, size: Any) -> Optional[int]:
        """BatchNorms with running averages on the longest path through the space's deepest network of that size.

        One number for all architectures of a space, so that they train for the same number of steps where the profile
        counts steps by it (`Profile.steps_for`). None: unknown.
        """
        return None

    def untrainable(self, arch: Arch) -> Optional[str]:
        """Why `arch` cannot be trained although it is valid (no path from input to output), or None."""
        return None


def build(space: SearchSpace[Any], arch: Any, profile: Profile, seed: int) -> StagedNetwork:
    """The network of `arch` at the size of `profile`, initialised under `seed`; global generators stay untouched."""
    size = space.size(profile)
    with isolated(derive(seed, "initialisation")):
        network = space.build(arch, size)
    network.built_from, network.norm_depth = (space.name, arch), space.norm_depth(size)
    return network
