"""`fisher`: how much the loss changes when single channels are cut."""

from __future__ import annotations

from typing import List, Optional, Tuple

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import layers, loss
from naslib_gennas.proxies.registry import proxy


@proxy("fisher")
def fisher(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """Sum over channels of the mean over images of (sum over pixels of a * dL/da)^2 / 2, a the channel's activation.

    Fisher pruning (arXiv:1801.05787, section 2.1) as a score of the whole network (arXiv:2101.08134, equation 2). A
    channel counts once for each weight that makes it, as in that paper's experiments.
    """
    seen: List[Tuple[nn.Module, torch.Tensor]] = []

    def keep(module: nn.Module, arguments: tuple, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()  # what follows may work in place
        output.retain_grad()
        seen.append((module, output))
        return output

    handles = [layer.register_forward_hook(keep) for layer in layers(network)]
    loss(network, inputs, seed, labels).backward()
    for handle in handles:
        handle.remove()
    total = 0.0
    for module, activation in seen:
        if activation.grad is not None:
            product = activation.detach() * activation.grad
            saliency = product.flatten(2).sum(2) if product.dim() > 2 else product
            channels = saliency.pow(2).mean(0) / 2
            total += float(channels.sum()) * module.weight[0].numel()
    return total
