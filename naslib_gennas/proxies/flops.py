"""`flops`: multiply-adds of one image's forward pass."""

from __future__ import annotations

import torch

from naslib_gennas.networks import cost
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.registry import proxy


@proxy("flops")
def flops(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Multiply-adds of one image: those of convolutions, linear layers, matrix products and attention, as papers count
    "FLOPs" (a baseline in arXiv:2210.03230, table 1)."""
    return cost.multiply_adds(Classifier(network), inputs[:1])
