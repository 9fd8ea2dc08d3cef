"""`jacob_cov`: how differently a network reacts to different images."""

from __future__ import annotations

import math

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import input_jacobian
from naslib_gennas.proxies.registry import proxy

# Keeps the logarithm and the inverse of a zero eigenvalue finite, as in the paper.
FLOOR = 1e-5


@proxy("jacob_cov", kinds=("cnn", "rnn"), least_images=2)
def jacob_cov(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """-sum of log(e + k) + 1 / (e + k) over the eigenvalues e of the correlation matrix of the images' input gradients.

    The first version of "Neural Architecture Search without Training" (arXiv:2006.04647v1, section 3); k is 1e-5.
    """
    correlations = torch.corrcoef(input_jacobian(network, inputs))
    if not bool(torch.isfinite(correlations).all()):
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(correlations) + FLOOR
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
