"""`plain`: the signed version of `snip`."""

from __future__ import annotations

from typing import Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import weight_gradients
from naslib_gennas.proxies.registry import proxy


@proxy("plain", kinds=("cnn", "rnn"))
def plain(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over weights of w * dL/dw: skeletonization (Mozer and Smolensky 1988), "plain" in arXiv:2101.08134's code."""
    return sum(float((weight * g).sum()) for weight, g in weight_gradients(network, inputs, seed, labels))
