"""`flops`: multiply-additions of one image's forward pass."""

from __future__ import annotations

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.registry import proxy


@proxy("flops")
def flops(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Multiply-additions of one image, as fvcore counts them (convolutions, linear layers, BatchNorm)."""
    from fvcore.nn import FlopCountAnalysis  # imported when used: it takes a while

    image = inputs[:1]
    counted = FlopCountAnalysis(_Classifier(network).eval(), image)
    return float(counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


class _Classifier(nn.Module):
    """A network whose forward gives class scores, which is what fvcore traces."""

    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.logits(x)
