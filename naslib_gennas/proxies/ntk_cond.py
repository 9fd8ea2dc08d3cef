"""`ntk_cond`: how evenly gradient descent learns in all directions (TE-NAS's trainability)."""

from __future__ import annotations

import math
from typing import Sequence

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.initialisation import kaiming
from naslib_gennas.proxies.registry import WHOLE, proxy
from naslib_gennas.randomness import generator


@proxy("ntk_cond", profile=WHOLE.replace(name="ntk", images=16), least_images=2)
def ntk_cond(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Minus the condition number of the neural tangent kernel on the batch (TE-NAS, arXiv:2102.11535, section 3).

    The kernel of the summed class scores of each image by all weights, in training mode, after Kaiming's initialisation
    (fan out); 16 images rather than the paper's 64, since each costs a backward pass.
    """
    kaiming(network, "fan_out", generator(seed, "ntk"))
    weights = [parameter for name, parameter in network.named_parameters() if name.endswith("weight")]
    return -condition(network.logits(inputs), weights)


def condition(logits: torch.Tensor, weights: Sequence[torch.Tensor]) -> float:
    """The condition number of the neural tangent kernel of each image's summed class scores: 1 or more, maybe inf.

    Args:
        logits: (images, classes), of a network in training mode.
        weights: what the kernel's gradients are by; those that no score depends on count as zeros.
    """
    rows = []
    for score in logits.sum(1):
        gradients = torch.autograd.grad(score, list(weights), retain_graph=True, allow_unused=True)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]))
    gradient_matrix = torch.stack(rows).double()
    eigenvalues = torch.linalg.eigvalsh(gradient_matrix @ gradient_matrix.T)
    least, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / least if least > 0 else math.inf
