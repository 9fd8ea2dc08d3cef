"""`swap` and `swap_reg`: the number of different patterns that single units show over the batch."""

from __future__ import annotations

import math
from typing import List

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.activations import visit
from naslib_gennas.proxies.initialisation import gaussian
from naslib_gennas.proxies.proxy import Score, finite_score
from naslib_gennas.proxies.registry import WHOLE, proxy
from naslib_gennas.randomness import generator

SWAP_PROFILE = WHOLE.replace(name="swap", images=16)
# Bits that one integer holds.
WORD = 62
# The size, and the spread of sizes, that the regularisation favours, in thousands of parameters: both are the user's
# to choose (arXiv:2403.04161, section 3); these let the factor rise up to the largest cells of NAS-Bench-201.
CENTRE, SPREAD = 1500.0, 1e6


@proxy("swap", profile=SWAP_PROFILE, least_images=2)
def swap(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """The number of distinct sample-wise activation patterns: a ReLU unit's pattern is its sign on every image of the
    batch (arXiv:2403.04161, section 3). The weights are N(0, 1), the batch has 16 images."""
    gaussian(network, generator(seed, "swap"))
    found: List[torch.Tensor] = []
    visit(network, inputs, lambda pattern: found.append(_distinct(_packed(pattern))))
    return float(_distinct(torch.cat(found, 1)).shape[1])


@proxy("swap_reg", profile=SWAP_PROFILE, centre=CENTRE, spread=SPREAD, least_images=2)
def swap_reg(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> Score:
    """`swap` times exp(-(P - centre)^2 / spread), P the parameters in thousands (arXiv:2403.04161, section 3)."""
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e3
    patterns = swap(network, inputs, seed)
    return finite_score(patterns * math.exp(-((size - CENTRE) ** 2) / SPREAD), patterns=patterns, thousands=size)


def _packed(pattern: torch.Tensor) -> torch.Tensor:
    """(images, units) of booleans as (words, units) of integers, an image a bit."""
    words = []
    for bits in pattern.split(WORD):
        values = 2 ** torch.arange(len(bits), device=bits.device)
        words.append((bits * values[:, None]).sum(0))
    return torch.stack(words)


def _distinct(words: torch.Tensor) -> torch.Tensor:
    return words.unique()[None] if len(words) == 1 else words.unique(dim=1)
