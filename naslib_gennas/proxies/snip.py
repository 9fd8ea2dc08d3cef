"""`snip`: how much the loss changes when single weights are cut."""

from __future__ import annotations

from typing import Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import weight_gradients
from naslib_gennas.proxies.registry import proxy


@proxy("snip", kinds=("cnn", "rnn"))
def snip(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over weights of |w * dL/dw|: SNIP's connection sensitivity (arXiv:1810.02340, section 4.1) as a score of the
    whole network (arXiv:2101.08134, equation 1)."""
    return sum(float((weight * g).abs().sum()) for weight, g in weight_gradients(network, inputs, seed, labels))
