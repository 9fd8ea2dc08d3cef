"""`l2_norm`: the size of the initial weights; no data."""

from __future__ import annotations

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import weights
from naslib_gennas.proxies.registry import proxy


@proxy("l2_norm", kinds=("cnn", "rnn"))
def l2_norm(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Sum over layers of the Euclidean norm of the weight (a control in the code of arXiv:2101.08134)."""
    return sum(float(weight.detach().norm()) for weight in weights(network))
