"""`grad_norm`: the size of the loss's gradient at initialisation."""

from __future__ import annotations

from typing import Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import weight_gradients
from naslib_gennas.proxies.registry import proxy


@proxy("grad_norm", kinds=("cnn", "rnn"))
def grad_norm(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over layers of the norm of the loss's gradient by the layer's weight (arXiv:2101.08134, section 3.2)."""
    return sum(float(gradient.norm()) for _, gradient in weight_gradients(network, inputs, seed, labels))
