"""The weights that some proxies give a network before they measure it, where their paper says so."""

from __future__ import annotations

import torch
from torch import nn

from naslib_gennas.proxies.gradients import LAYERS


@torch.no_grad()
def gaussian(network: nn.Module, draws: torch.Generator) -> None:
    """N(0, 1) weights, zero biases, BatchNorm as new (Zen-NAS, SWAP-NAS); the network changes in place."""
    for module in network.modules():
        if isinstance(module, LAYERS):
            _normal(module.weight, 1.0, draws)
        _reset(module)


@torch.no_grad()
def kaiming(network: nn.Module, mode: str, draws: torch.Generator) -> None:
    """Kaiming's normal weights for ReLU, zero biases, BatchNorm as new (TE-NAS, AZ-NAS); it changes in place.

    Args:
        mode: "fan_in" or "fan_out".
    """
    for module in network.modules():
        if isinstance(module, LAYERS):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            _normal(module.weight, (2.0 / (fan_in if mode == "fan_in" else fan_out)) ** 0.5, draws)
        _reset(module)


def _normal(weight: torch.Tensor, std: float, draws: torch.Generator) -> None:
    weight.copy_(torch.empty(weight.shape).normal_(0.0, std, generator=draws))


def _reset(module: nn.Module) -> None:
    """Zero biases of layers; BatchNorm and GroupNorm with weight 1 and bias 0."""
    if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) and module.weight is not None:
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, LAYERS) and module.bias is not None:
        nn.init.zeros_(module.bias)
