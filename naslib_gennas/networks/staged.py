"""StagedNetwork: what every network that can be scored looks like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

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
        fixed_skeleton: `SearchSpace.fixed_skeleton` of that space.
        norm_depth: `SearchSpace.norm_depth` of that space at the network's size; None where it is not known.
        dimensions: of its stage feature maps besides images and channels: 2, or 1 for maps over time.
        arguments: what its class was called with, positions and keywords, so that it can be written down as source;
            of networks that wrap a module nothing is kept.
        memory_format: the layout that it is trained in. Channels last: average pooling in the other layout is many
            times slower on a CPU.
        dtype: that it is measured in; None: the profile's.
        batch_axis: the axis of its input that images (or sequences) lie along.
        reachable: parameters that are trained although the first gradients may not reach them.
    """

    dimensions: int = 2
    memory_format: torch.memory_format = torch.channels_last
    dtype: Optional[torch.dtype] = None
    batch_axis: int = 0
    reachable: Sequence[nn.Parameter] = ()
    built_from: Optional[Origin] = None
    fixed_skeleton: bool = False
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

    @property
    def stage_dimensions(self) -> List[int]:
        """The dimensions of each stage feature map besides images and channels."""
        return [self.dimensions] * len(self.stage_channels)

    def whole(self, x: Any) -> None:
        """Run all of the network, for proxies that look at what happens in it and need no class scores."""
        self.logits(x)

    def noise(self, inputs: Any, draws: torch.Generator, images: int, side: int) -> Any:
        """N(0, 1) numbers of a shape that the network takes.

        Args:
            inputs: a batch that it takes.
            draws: a generator on the CPU.
            images: how many.
            side: height and width, where they are free.
        """
        return torch.randn(images, 3, side, side, generator=draws).to(inputs)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (images, classes), for proxies that need a classifier.

        Raises:
            NotImplementedError: the network has no classifier.
        """
        raise NotImplementedError(f"{type(self).__name__} has no classifier")
