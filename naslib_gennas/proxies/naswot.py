"""`naswot`: how well a network's activation patterns tell images apart."""

from __future__ import annotations

import math

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.activations import images_of, visit
from naslib_gennas.proxies.registry import proxy


@proxy("naswot", least_images=2)
def naswot(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """log |det K|, K_ij the number of ReLU units that agree on images i and j (arXiv:2006.04647, equations 1 and 2)."""
    images = images_of(network, inputs)
    kernel = torch.zeros(images, images, dtype=torch.float64, device=inputs.device)

    def count(pattern: torch.Tensor) -> None:
        on = pattern.float()
        off = 1 - on
        kernel.add_((on @ on.T + off @ off.T).double())

    visit(network, inputs, count)
    sign, logarithm = torch.linalg.slogdet(kernel)
    return float(logarithm) if float(sign) else -math.inf
