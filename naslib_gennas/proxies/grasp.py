"""`grasp`: how cutting single weights would change the gradient flow."""

from __future__ import annotations

from typing import Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import loss
from naslib_gennas.proxies.gradients import weights as weights_of
from naslib_gennas.proxies.registry import proxy


@proxy("grasp")
def grasp(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over weights of -w * (Hg), H the loss's Hessian and g its gradient (GraSP, arXiv:2002.07376, equation 8;
    as a score of the whole network arXiv:2101.08134, equation 1)."""
    weights = weights_of(network)
    value = loss(network, inputs, seed, labels)
    gradients = torch.autograd.grad(value, weights, create_graph=True, allow_unused=True)
    used = [(weight, gradient) for weight, gradient in zip(weights, gradients) if gradient is not None]
    # The Hessian times the gradient is the gradient of g * stop(g): no second matrix is stored.
    product = sum((gradient.detach() * gradient).sum() for _, gradient in used)
    curvatures = torch.autograd.grad(product, [weight for weight, _ in used], allow_unused=True)
    return sum(
        float(-(weight.detach() * curvature).sum())
        for (weight, _), curvature in zip(used, curvatures)
        if curvature is not None
    )
