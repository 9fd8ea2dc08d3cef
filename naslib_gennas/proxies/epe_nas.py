"""`epe_nas`: `jacob_cov` class by class."""

from __future__ import annotations

import math
from typing import Optional

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import input_jacobian, random_labels
from naslib_gennas.proxies.registry import proxy

FLOOR = 1e-5
# From this many classes on, differences between classes count instead of the classes themselves.
MANY_CLASSES = 100


@proxy("epe_nas", least_images=2)
def epe_nas(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over classes of |sum of log(|c| + k)|, c the correlations between the input gradients of the class's images.

    EPE-NAS (arXiv:2102.08099, section III), k is 1e-5; above 100 classes the mean over classes of the differences to
    the others. Without `labels`, the classes are drawn from the seed, so that some have several images.

    Raises:
        ValueError: each class has one image, or there is one class where differences count: nothing to compare.
    """
    classes = network.logits(inputs[:2]).shape[1]
    jacobian = input_jacobian(network, inputs)
    if labels is None:
        drawn = classes if classes < len(inputs) else len(inputs) // 2
        labels = random_labels(len(inputs), drawn, seed, inputs.device)
    found = len(labels.unique())
    if found == len(inputs) or (found == 1 and classes > MANY_CLASSES):
        raise ValueError("epe_nas compares several classes of several images each, and has none here; use more images")
    sums = []
    for label in labels.cpu().unique():
        correlations = torch.corrcoef(jacobian[labels.cpu() == label]).reshape(-1)
        if not bool(torch.isfinite(correlations).all()):
            return math.nan
        total = float((correlations.abs() + FLOOR).log().sum())
        sums.append(total / math.isqrt(len(correlations)) if classes > MANY_CLASSES else total)
    if classes <= MANY_CLASSES:
        return sum(abs(total) for total in sums)
    return sum(abs(one - other) for one in sums for other in sums) / len(sums)
