"""AZ-NAS's measures (arXiv:2403.19232): `az_expressivity`, `az_progressivity`, `az_trainability`, `az_complexity`.

`az_nas` aggregates their ranks over a sample (see `naslib_gennas.proxies.aggregation`). They look at the output of
every block: the stem's and each cell's (or residual block's), in the order in which they run, on N(0, 1) inputs and
after Kaiming's initialisation (fan in). Blocks may give feature maps of any number of dimensions, with channels first
or last, or tokens.
"""

from __future__ import annotations

import math
from typing import Any, List, NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.layouts import channels_last
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.networks.tapped import TappedNetwork
from naslib_gennas.proxies.flops import flops
from naslib_gennas.proxies.initialisation import kaiming
from naslib_gennas.proxies.registry import proxy
from naslib_gennas.randomness import generator

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@proxy("az_expressivity", inputs="noise")
def az_expressivity(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Sum over blocks of the entropy of their feature maps' principal components (arXiv:2403.19232, section 3)."""
    with torch.no_grad():
        return sum(_entropies(_block_outputs(network, inputs, seed)))


@proxy("az_progressivity", inputs="noise")
def az_progressivity(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """The least growth of that entropy from a block to the next (arXiv:2403.19232, section 3)."""
    with torch.no_grad():
        entropies = _entropies(_block_outputs(network, inputs, seed))
    return min(after - before for before, after in zip(entropies, entropies[1:]))


@proxy("az_trainability", inputs="noise")
def az_trainability(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """Mean over blocks of 2 - s - 1/s, s the spectral norm of the block's Jacobian as random signs show it
    (arXiv:2403.19232, section 3): 0 at the best, where gradients neither vanish nor explode."""
    outputs = _block_outputs(network, inputs, seed)
    draws = generator(seed, "signs")
    scores = []
    for before, after in reversed(list(zip(outputs, outputs[1:]))):
        if before.value.dim() != after.value.dim():
            continue  # from a map to tokens: which pixels are whose is not known
        signs = torch.randint(0, 2, after.value.shape, generator=draws).to(after.value) * 2 - 1
        (gradient,) = torch.autograd.grad(after.value, before.value, signs, retain_graph=True, allow_unused=True)
        if gradient is None or (gradient.shape == signs.shape and bool((gradient == signs).all())):
            return -math.inf  # a block that passes nothing, or everything as it is, has nothing to train
        # Where the size changes, the pixels that become one (or that one becomes) are channels of their own.
        gradient, signs = before.channels_first(gradient), after.channels_first(signs)
        gradient, signs = _folded(gradient, signs.shape[2:]), _folded(signs, gradient.shape[2:])
        jacobian = _pixels(gradient).T @ _pixels(signs) / _pixels(signs).shape[0]
        norm = float(torch.linalg.matrix_norm(jacobian, 2))
        scores.append(2 - norm - 1 / (norm + 1e-6))
    if not scores:
        raise ValueError("no block of the network gives what it takes: feature maps, or tokens")
    return sum(scores) / len(scores)


@proxy("az_complexity", inputs="noise")
def az_complexity(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> float:
    """The network's multiply-additions (arXiv:2403.19232, section 3): see `flops`."""
    return flops(network, inputs, seed)


def blocks(network: StagedNetwork) -> List[nn.Module]:
    """The cells or residual blocks of a network: its outermost modules that have parts and are no mere containers."""
    found: List[nn.Module] = []
    for child in network.children():
        if isinstance(child, CONTAINERS):
            found.extend(blocks(child))
        elif any(True for _ in child.children()):
            found.append(child)
    return found


class _Output(NamedTuple):
    """What a block takes or gives, as it is: (images, channels, places...), or with channels last."""

    value: torch.Tensor
    channels_last: bool

    def channels_first(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.movedim(-1, 1) if self.channels_last else tensor


def _block_outputs(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> List[_Output]:
    """What enters the first block, and what comes out of each, in the order of execution."""
    kaiming(network, "fan_in", generator(seed, "az"))
    outputs: List[_Output] = []

    def enter(module: nn.Module, arguments: Any) -> None:
        if not outputs:
            outputs.append(_output(module, arguments[-1]))

    def leave(module: nn.Module, arguments: Any, output: Any) -> None:
        outputs.append(_output(module, output[0] if isinstance(output, (tuple, list)) else output))

    found = blocks(network.module if isinstance(network, TappedNetwork) else network)
    handles = [module.register_forward_pre_hook(enter) for module in found]
    handles += [module.register_forward_hook(leave) for module in found]
    network(inputs.detach().clone().requires_grad_(True))
    for handle in handles:
        handle.remove()
    if len(outputs) < 3:
        raise ValueError("the network has fewer than two blocks that AZ-NAS could compare")
    return outputs


def _entropies(outputs: List[_Output]) -> List[float]:
    entropies = []
    for output in outputs:
        features = _pixels(output.channels_first(output.value.detach()))
        features = features - features.mean(0)
        eigenvalues = torch.linalg.eigvalsh(features.T @ features / len(features)).clamp_min(0)
        part = eigenvalues / eigenvalues.sum()
        entropies.append(float(-(part * (part + 1e-8).log()).sum()))
    return entropies


def _output(block: nn.Module, value: Any) -> _Output:
    if not isinstance(value, torch.Tensor) or value.dim() < 3:
        raise ValueError("a block of the network takes or gives neither a feature map nor tokens")
    return _Output(value, channels_last(block.modules(), value))


def _folded(maps: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    """Maps as large as `sides` where these are smaller: neighbours become channels; an odd rest is cut or zero."""
    for axis, side in enumerate(sides, start=2):
        shrink = round(maps.shape[axis] / side)
        if shrink <= 1 and maps.shape[axis] <= side:
            continue
        shrink, before = max(shrink, 1), maps.shape[axis]
        missing = shrink * side - before
        if missing > 0:
            maps = F.pad(maps, (0, 0) * (maps.dim() - 1 - axis) + (0, missing))
        maps = maps.narrow(axis, 0, shrink * side).unflatten(axis, (side, shrink)).movedim(axis + 1, 2).flatten(1, 2)
    return maps


def _pixels(maps: torch.Tensor) -> torch.Tensor:
    """(images, channels, places...) as (images * places, channels)."""
    return maps.movedim(1, -1).flatten(0, -2)
