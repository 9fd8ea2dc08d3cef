"""A proxy of your own in ten lines, and how to compare it::

    gennas compare nasbench201 --proxies params,examples/05_your_own_proxy.py

The function gets an untrained network that it may use up, a batch of images and a seed; higher is better. A package
makes its proxies known to everyone who installs it by an entry point of the group ``naslib_gennas.proxies``.
"""

import torch

from naslib_gennas.proxies import proxy


@proxy("spread")
def spread(network: torch.nn.Module, inputs: torch.Tensor, seed: int) -> float:
    """How far apart the class scores of different images lie, before any training."""
    with torch.no_grad():
        return float(torch.pdist(network.logits(inputs)).mean().log())
