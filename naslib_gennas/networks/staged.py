"""StagedNetwork: what every network that can be scored looks like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import torch
from torch import nn


@dataclass(frozen=True)
class Origin:
    """What a network was built from: a search space and an architecture of it. Copies of the network share it."""

    space: Any
    arch: Any

    def __deepcopy__(self, memo: Any) -> Origin:
        return self


class StagedNetwork(nn.Module, ABC):
    """A network whose forward gives its stage feature maps, early stages first.

    ``forward(x)`` takes (images, 3, height, width) and gives one (images, channels_i, height_i, width_i) a stage;
    a recurrent network takes (length, batch, dimension) and gives one (length, batch, dimension).

    Attributes:
        built_from: the search space and the architecture that it was built from, where `spaces.build` did.
        norm_depth: `SearchSpace.norm_depth` of that space at the network's size; None where it is not known.
        dimensions: of its stage feature maps besides images and channels: 2, or 1 for maps over time.
        arguments: what its class was called with, positions and keywords, so that it can be written down as source;
            of networks that wrap a module nothing is kept.
    """

    dimensions: int = 2
    built_from: Optional[Origin] = None
    norm_depth: Optional[int] = None
    arguments: Tuple[Tuple[Any, ...], Dict[str, Any]] = ((), {})

    def __new__(cls, *args: Any, **kwargs: Any) -> StagedNetwork:
        network = super().__new__(cls)
        # A copy or a pickle calls this without arguments, and has them among its attributes.
        if not any(isinstance(value, nn.Module) for value in (*args, *kwargs.values())):
            object.__setattr__(network, "arguments", (args, kwargs))
        return network

    @property
    @abstractmethod
    def stage_channels(self) -> List[int]:
        """Channels of each stage feature map, in the order that forward gives them."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        """The stage feature maps."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (images, classes), for proxies that need a classifier.

        Raises:
            NotImplementedError: the network has no classifier.
        """
        raise NotImplementedError(f"{type(self).__name__} has no classifier")
