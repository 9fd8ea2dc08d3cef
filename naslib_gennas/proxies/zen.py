"""`zen`: how strongly a network reacts to a small change of a random input; no data."""

from __future__ import annotations

from typing import List

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.initialisation import gaussian
from naslib_gennas.proxies.registry import WHOLE, proxy
from naslib_gennas.randomness import generator

STEP = 1e-2


@proxy("zen", profile=WHOLE.replace(name="zen", images=16))
def zen(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """log E|f(x) - f(x + 0.01 e)| + sum over BatchNorms of log sqrt(mean variance) (arXiv:2102.01063, algorithm 1).

    f is the last stage's feature map (the absolute differences are summed over it), x and e are N(0, 1) in the
    shape of the batch, the weights are N(0, 1), and a BatchNorm's variances are those of the batch x.
    """
    if not inputs.is_floating_point():
        raise ValueError("it looks at small changes of the input, and there are none of token numbers")
    draws = generator(seed, "zen")
    gaussian(network, draws)
    x = torch.randn(inputs.shape, generator=draws)
    moved = (x + STEP * torch.randn(inputs.shape, generator=draws)).to(inputs)
    scales: List[float] = []

    def see(module: nn.Module, arguments: tuple) -> None:
        scales.append(float(arguments[0].var((0, 2, 3)).mean().sqrt().log()))

    with torch.no_grad():
        handles = [m.register_forward_pre_hook(see) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        before = network(x.to(inputs))[-1]
        for handle in handles:
            handle.remove()
        change = (before - network(moved)[-1]).abs().flatten(1).sum(1).mean()
    return float(change.log()) + sum(scales)
