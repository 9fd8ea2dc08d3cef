"""`linear_regions`: into how many linear pieces a small network cuts its input space (TE-NAS's expressivity)."""

from __future__ import annotations

from typing import List

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.activations import visit
from naslib_gennas.proxies.initialisation import kaiming
from naslib_gennas.proxies.registry import proxy
from naslib_gennas.randomness import generator
from naslib_gennas.regression.profiles import Profile

LINES = 3
POINTS = 1000


@proxy("linear_regions", profile=Profile(name="thin", cells=1, channels=4, images=2, resolution=8), least_images=2)
def linear_regions(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """The number of distinct activation patterns on three random lines through the input space, 1,000 points each.

    TE-NAS (arXiv:2102.11535, section 3) counts the patterns of random images, and needs networks of one channel for
    that: in wider ones nearly every image has its own, and the number says nothing. On a line (arXiv:1901.09021) it
    goes on telling networks apart. A network of four channels and one cell per stage, 8x8 inputs, Kaiming's
    initialisation (fan in).
    """
    kaiming(network, "fan_in", generator(seed, "regions"))
    side = inputs.shape[-1]
    place = torch.linspace(-1, 1, POINTS)[:, None, None, None]
    total = 0
    for line in range(LINES):
        middle, direction = network.noise(inputs, generator(seed, "line", line), 2, side)
        patterns: List[torch.Tensor] = []
        visit(network, middle + place.to(middle).reshape(-1, *[1] * middle.dim()) * direction, patterns.append)
        total += torch.cat(patterns, 1).unique(dim=0).shape[0]
    return float(total)
