"""`meco`: how independent the channels of a network's feature maps are, from one random image."""

from __future__ import annotations

import math
from typing import Dict, List

import torch
from torch import nn

from naslib_gennas.networks.layouts import channels_last
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.registry import proxy
from naslib_gennas.randomness import generator

SIDE = 64
# Numbers whose squares float32 cannot hold.
OVERFLOW = 1e18


@proxy("meco")
def meco(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Sum over feature maps of the least eigenvalue of the correlation matrix of their channels.

    MeCo (NeurIPS 2023, "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of
    Correlation", section 4). One N(0, 1) image of 64x64; every module's output is a feature map, correlations that are
    not finite count as 0. Maps whose channels are last (Swin, the inside of ConvNeXt's blocks) are told by the linear
    and normalising layers that make them.
    """
    values: List[float] = []
    others = 0  # layers whose outputs are tokens or sequences
    last: Dict[torch.Size, bool] = {}  # of each shape, whether the newest layer that made it has its channels last

    def see(module: nn.Module, arguments: tuple, output: object) -> None:
        nonlocal others
        if next(module.parameters(recurse=False), None) is not None:
            others += isinstance(output, torch.Tensor) and output.dim() == 3
            if isinstance(output, torch.Tensor):
                last[output.shape] = channels_last([module], output)
        for maps in output if isinstance(output, (list, tuple)) else [output]:
            if not isinstance(maps, torch.Tensor) or maps.dim() != 4:
                continue
            maps = maps.movedim(-1, 1) if last.get(maps.shape) else maps
            # Channels of one pixel have no correlation.
            if maps.shape[1] > 1 and maps[0, 0].numel() > 1:
                if not bool((maps[0].abs() < OVERFLOW).all()):
                    values.append(math.nan)  # its correlations cannot be computed: it is not one without any
                    continue
                maps = maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps
                correlations = torch.corrcoef(maps[0].flatten(1)).nan_to_num(0.0, 0.0, 0.0)
                values.append(float(torch.linalg.eigvalsh(correlations)[0]))

    handles = [module.register_forward_hook(see) for module in network.modules()]
    image = network.noise(inputs, generator(seed, "meco"), 1, SIDE)
    with torch.no_grad():
        network.whole(image)
    for handle in handles:
        handle.remove()
    if len(values) < others or not values:
        raise ValueError(
            "it looks at maps (images, channels, height, width), and most layers give tokens or sequences; gennas "
            "proxies take these"
        )
    return sum(values)
