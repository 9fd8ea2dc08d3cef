"""SearchSpace: what the rest of the package may ask of a search space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Hashable, Mapping, Optional, Sequence, Tuple, TypeVar

import numpy as np
import torch
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.identity import code
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.initialise import initialise
from naslib_gennas.networks.staged import Origin, StagedNetwork
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression.profiles import Profile

Arch = TypeVar("Arch", bound=Hashable)


@dataclass(frozen=True)
class Size:
    """How large a network a search space builds.

    Attributes:
        channels: channels of the first stage.
        cells: cells per stage.
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
        rates: what can change with a probability of its own in a mutation (see `mutate_at`), such as "edge".
        paper_children: how the searches of arXiv:2108.01899 make children in this space (section 4.4), as `--children`
            says it; empty where the paper has no search of it.
        paper_size: the size that the paper's published correlations come from.
        fixed_skeleton: whether all its networks have one skeleton, whose width and depth a profile sets, so that they
            differ in their cells alone.
        settings: what else decides which networks it builds, such as depth and width where they are free; part of a
            score's identity.
        published_settings: what else decides the network that is trained in the end (`published`), and no score.
        inputs: the shape of one input, such as (1, 1000) for time series; None: images of three channels.
        domain: what restricts which architectures are drawn, ready for JSON; part of a search's identity.
        references: by column of the benchmark's table, what others compare searches with, and its value.
        published_classes: classes of the data set that its networks were published for.
        published_resolution: height and width of that data set's images, in pixels.
    """

    name: str
    kind: str = "cnn"
    stages: Optional[int] = 3
    count: Optional[int] = None
    notation: str = ""
    mutation: str = ""
    rates: Tuple[str, ...] = ()
    paper_children: str = ""
    paper_size: Size = Size(channels=16, cells=1)
    fixed_skeleton: bool = False
    settings: Mapping[str, Any] = {}
    published_settings: Mapping[str, Any] = {}
    domain: Mapping[str, Any] = {}
    references: Mapping[str, Tuple[str, float]] = {}
    inputs: Optional[Tuple[int, ...]] = None
    published_classes: int = 10
    published_resolution: int = 32

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly (or as the benchmark draws)."""

    @abstractmethod
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A neighbour of `arch`, never `arch` itself."""

    def mutate_at(self, arch: Arch, rng: np.random.Generator, rates: Mapping[str, float]) -> Arch:
        """A neighbour of `arch`, in which each part has changed with the probability of its kind, at least one of them.

        Args:
            arch: an architecture of this space.
            rng: where the draws come from.
            rates: a probability for each of the attribute `rates`; those left out have the paper's.

        Raises:
            InputError: the space's mutation has no rates.
        """
        raise InputError(f"{self.name}: a mutation has no rates; in one {self.mutation}")

    def features(self, arch: Arch) -> Mapping[Hashable, int]:
        """What an architecture consists of, and how often: two are the more alike the fewer of these differ.

        Raises:
            InputError: the space does not say.
        """
        raise InputError(f"{self.name}: it does not say how alike two of its architectures are; choose other children")

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

    def published(self, arch: Arch, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The network that one trains in the end: at its full published size, a new module whose forward gives logits.

        Scores come from shrunken networks (`build` at the `size` of a profile); constraints and exports are about this
        one. Auxiliary heads and drop path are left out, and so are operations that cannot reach the output. Forward
        takes what `example` gives: (images, 3, height, width) to logits (images, classes). It is initialised from
        torch's global generator, and on the meta device it allocates nothing.

        Args:
            arch: an architecture of this space.
            classes: number of classes; None: `published_classes`.
            resolution: height and width of the images that it is for, in pixels; None: `published_resolution`. It
                decides which network is meant where there are several (DARTS: another stem, width and depth for
                ImageNet); the network takes images of other sizes too.

        Raises:
            InputError: `classes` is asked for, and the space's networks have no classifier to change.
        """
        network = self.build(arch, self.paper_size)
        if classes is not None:
            last = getattr(network, "classifier", None)
            if not isinstance(last, nn.Linear):
                raise InputError(f"{self.name}: its networks have no 'classifier' whose number of classes could change")
            network.classifier = nn.Linear(last.in_features, classes)
        return Classifier(network, (self.name, arch))

    def example(self, count: int = 1, resolution: Optional[int] = None) -> torch.Tensor:
        """A batch of the shape that `published` networks take: (count, 3, resolution, resolution), standard normal."""
        side = resolution or self.published_resolution
        return torch.randn(count, 3, side, side)

    def size(self, profile: Profile) -> Any:
        """How large a network `profile` asks of this space: the one place that says how the space shrinks."""
        paper = self.paper_size
        return Size(channels=profile.channels or paper.channels, cells=profile.cells or paper.cells)

    def norm_depth(self, size: Any) -> Optional[int]:
        """BatchNorms with running averages on the longest path through the space's deepest network of that size.

        One number for all architectures of a space, so that they train for the same number of steps where the profile
        counts steps by it (`Profile.steps_for`). None: unknown.
        """
        return None

    def sources(self) -> Sequence[Any]:
        """Functions and classes that networks are made by, besides the space's own class; part of the identity."""
        return ()

    def untrainable(self, arch: Arch) -> Optional[str]:
        """Why `arch` cannot be trained although it is valid (no path from input to output), or None."""
        return None


def identity(space: SearchSpace[Any]) -> Mapping[str, Any]:
    """What decides which networks a search space builds, ready for JSON."""
    settings = {"settings": dict(space.settings)} if space.settings else {}
    return {"name": space.name, **settings, **code(type(space), *space.sources())}


def build(space: SearchSpace[Any], arch: Any, profile: Profile, seed: int) -> StagedNetwork:
    """The network of `arch` at the size of `profile`, initialised under `seed`; global generators stay untouched."""
    size = space.size(profile)
    with isolated(derive(seed, "initialisation")):
        network = space.build(arch, size)
    initialise(network, profile.initialise, derive(seed, "weights"))
    network.built_from, network.norm_depth = Origin(space, arch), space.norm_depth(size)
    network.fixed_skeleton = space.fixed_skeleton
    return network
