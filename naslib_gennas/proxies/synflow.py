"""`synflow` and `logsynflow`: how much signal flows through all paths of a network; no data."""

from __future__ import annotations

import math
from typing import Iterator, Tuple

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import weights
from naslib_gennas.proxies.registry import proxy


@proxy("synflow", kinds=("cnn", "rnn"))
def synflow(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """log of the sum over weights of |w * dR/dw| (arXiv:2006.05467, algorithm 1; arXiv:2101.08134, equation 1).

    R is the summed output of the network with |w| for w and without BatchNorm, for one image of ones. The logarithm
    keeps the order and makes the number one that can be read.
    """
    total = sum(float((weight * gradient).abs().sum()) for weight, gradient in _flow(network, inputs))
    return math.log(total) if total > 0 else -math.inf


@proxy("logsynflow", kinds=("cnn", "rnn"))
def logsynflow(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Sum over weights of |w| * log(dR/dw + 1): synflow, its gradients tamed (FreeREA, arXiv:2207.05135, section 3)."""
    return sum(float((weight.abs() * gradient.log1p()).sum()) for weight, gradient in _flow(network, inputs))


def _flow(network: StagedNetwork, inputs: torch.Tensor) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
    """(weight, dR/dw) of every layer, in float64: R grows beyond float32 in deep networks."""
    for name, module in list(network.named_modules()):
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            network.set_submodule(name, nn.Identity())
    network.double()
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            value.abs_()
    of_layers = weights(network)
    # One image, or one word: in longer sequences of ones the gates of recurrent cells are saturated, and nothing flows.
    ones = torch.ones_like(inputs[:1, :1] if inputs.dim() == 3 else inputs[:1], dtype=torch.float64)
    flow = torch.autograd.grad(network.logits(ones).sum(), of_layers, allow_unused=True)
    for weight, gradient in zip(of_layers, flow):
        if gradient is not None:
            yield weight.detach(), gradient
