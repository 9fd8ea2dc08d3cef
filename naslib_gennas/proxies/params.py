"""`params`: the number of parameters, the baseline that every proxy must beat."""

from __future__ import annotations

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.registry import proxy


@proxy("params", kinds=("cnn", "rnn"))
def params(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """The number of parameters (a baseline in arXiv:2210.03230, table 1), those that scoring leaves untrained too."""
    return float(sum(parameter.numel() for parameter in network.parameters()))
