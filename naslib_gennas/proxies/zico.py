"""`zico`: large gradients that hardly differ from batch to batch."""

from __future__ import annotations

import math
from typing import List, Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import loss
from naslib_gennas.proxies.gradients import weights as weights_of
from naslib_gennas.proxies.registry import WHOLE, proxy

# Two batches of 64, as the paper's NAS-Bench-201 experiments use.
BATCHES = 2


@proxy("zico", profile=WHOLE.replace(name="zico", images=64 * BATCHES), least_images=2)
def zico(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over layers of the logarithm of the sum over weights of mean|g| / std(g), over batches (arXiv:2301.11300,
    section 3); the batch is halved to make two."""
    weights = weights_of(network)
    found: List[List[torch.Tensor]] = []
    for index, part in enumerate(inputs.chunk(BATCHES)):
        start = index * len(part)
        truth = None if labels is None else labels[start : start + len(part)]
        value = loss(network, part, seed + index, truth)
        gradients = torch.autograd.grad(value, weights, allow_unused=True)
        found.append([torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients)])
    score = 0.0
    for batches in zip(*found):
        gradients_of_layer = torch.stack(batches)
        deviation = gradients_of_layer.std(0, correction=0)
        if not bool(torch.isfinite(deviation).all()):
            return math.nan
        varies = deviation > 0
        total = float((gradients_of_layer.abs().mean(0)[varies] / deviation[varies]).sum())
        if total > 0:
            score += math.log(total)
    return score
