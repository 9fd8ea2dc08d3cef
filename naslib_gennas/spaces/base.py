"""SearchSpace: what the rest of the package may ask of a search space, and the registry of all of them."""

from __future__ import annotations

import importlib
import importlib.metadata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, Hashable, List, Optional, Type, TypeVar

import numpy as np

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.profiles import Profile
from naslib_gennas.randomness import derive, isolated

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


# Each search space's module, imported when it is first asked for: starting up stays quick.
_MODULES = {
    "nasbench201": "naslib_gennas.spaces.nasbench201",
    "nasbench101": "naslib_gennas.spaces.nasbench101",
    "nasbenchnlp": "naslib_gennas.spaces.nasbenchnlp",
    "nats-size": "naslib_gennas.spaces.natssize",
    "darts": "naslib_gennas.spaces.darts",
    "transnas-micro": "naslib_gennas.spaces.transnas",
    "transnas-macro": "naslib_gennas.spaces.transnas",
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("darts", "darts-fix", "darts-in", "darts-fix-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("amoeba", "amoeba-in", "nasnet", "nasnet-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("enas", "enas-fix", "enas-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("pnas", "pnas-fix", "pnas-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("resnet", "resnext-a", "resnext-a-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("resnext-b", "resnext-b-in")},
}
_REGISTRY: Dict[str, Type[SearchSpace[Any]]] = {}

#: Another package's entry points of this group, each named as its space, are imported when it is asked for.
GROUP = "naslib_gennas.spaces"


def search_space(name: str) -> Callable[[Type[SearchSpace[Any]]], Type[SearchSpace[Any]]]:
    """Register a `SearchSpace` class under `name`."""

    def register(cls: Type[SearchSpace[Any]]) -> Type[SearchSpace[Any]]:
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return register


def names() -> List[str]:
    """Every search space that `get` knows."""
    return sorted({*_MODULES, *_REGISTRY, *_foreign()})


def _foreign() -> Dict[str, importlib.metadata.EntryPoint]:
    found: Any = importlib.metadata.entry_points()
    # Python 3.9 gives a mapping.
    entries = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, ())
    return {entry.name: entry for entry in entries}


def get(space: Any) -> SearchSpace[Any]:
    """The search space of a name; a `SearchSpace` is given back as it is.

    Raises:
        InputError: no search space has that name; the nearest one is suggested.
    """
    if isinstance(space, SearchSpace):
        return space
    if space not in _REGISTRY and space in _MODULES:
        importlib.import_module(_MODULES[space])
    elif space not in _REGISTRY and space in _foreign():
        try:
            _foreign()[space].load()
        except Exception as error:  # another package's fault, said in a line
            raise InputError(
                f"search space '{space}' of another package cannot be loaded: {type(error).__name__}: {error}"
            ) from None
    if space not in _REGISTRY:
        raise InputError(f"unknown search space '{space}'{suggest(str(space), names())}")
    return _REGISTRY[space]()
