"""A staged network as a classifier, which is what one trains and exports."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork


class Classifier(nn.Module):
    """(images, 3, height, width) to class scores (images, classes): a staged network with its own classifier.

    Args:
        network: whose `logits` are given.

    Attributes:
        built_from: the name of the search space and the architecture that it was built from.
    """

    def __init__(self, network: StagedNetwork, built_from: Optional[Tuple[str, Any]] = None) -> None:
        super().__init__()
        self.network = network
        self.built_from = built_from

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.logits(x)
