"""Regression scoring, GenNAS itself: train the stage feature maps for some steps to regress onto synthetic signals.

Section 3 of arXiv:2108.01899; the settings are those of the published runs (see `profiles.PAPER`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Iterator, List, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import tasks
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.profiles import Profile
from naslib_gennas.randomness import derive, generator, isolated
from naslib_gennas.tasks import Noise, ProxyTask

LossFunction = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Regression:
    """What a training on a proxy task gave.

    Attributes:
        loss: evaluation-mode loss after the last step; inf where the training diverged.
        losses: (step, evaluation-mode loss) every `record_every` steps.
        reason: why training ended early, empty where it did not.
    """

    loss: float
    losses: Tuple[Tuple[int, float], ...]
    reason: str = ""


class Heads(nn.Module):
    """One head a stage: resize to the target's size (nearest), BatchNorm2d, 1x1 convolution with bias.

    A stage that has no weight in the loss gets no head. Sequences, (images, channels, length) maps, are regressed
    onto in one dimension.
    """

    def __init__(self, channels: Sequence[int], targets: Sequence[torch.Tensor], weights: Sequence[float]) -> None:
        super().__init__()
        self.stages = [index for index, weight in enumerate(weights) if weight]
        flat = targets[0].dim() == 3
        norm, convolution = (nn.BatchNorm1d, nn.Conv1d) if flat else (nn.BatchNorm2d, nn.Conv2d)
        self.heads = nn.ModuleList(
            nn.Sequential(norm(channels[i]), convolution(channels[i], targets[i].shape[1], 1)) for i in self.stages
        )
        self._sizes = [tuple(target.shape[2:]) for target in targets]

    def forward(self, maps: Sequence[torch.Tensor]) -> List[torch.Tensor]:
        outputs = []
        for index, head in zip(self.stages, self.heads):
            x, size = maps[index], self._sizes[index]
            outputs.append(head(x if tuple(x.shape[2:]) == size else F.interpolate(x, size)))
        return outputs


def regress(
    network: StagedNetwork,
    inputs: torch.Tensor,
    task: ProxyTask,
    profile: Profile,
    seed: int,
    device: Union[str, torch.device, None] = None,
) -> Regression:
    """Train `network` on `task` in place, and say how well it regresses.

    Args:
        network: it is used up: trained, moved to `device`, in the profile's dtype.
        inputs: (images, 3, height, width), the clean batch.
        task: a task of kind "cnn"; it is fitted to the network's number of stages.
        profile: steps, size of the targets, dtype.
        seed: of the heads' initialisation, the targets and the noise; the global generators stay as they were.
        device: where to train; None: where `inputs` are.
    """
    device = torch.device(device) if device is not None else inputs.device
    dtype = getattr(torch, profile.dtype)
    channels = network.stage_channels
    task = task.for_stages(len(channels))
    weights = task.weights()
    goals = tasks.targets(task, inputs, profile.target_size, seed)
    with isolated(derive(seed, "heads")):
        heads = Heads(channels, goals, weights)
    # Channels last: average pooling in the other layout is many times slower on a CPU.
    network.to(device=device, dtype=dtype, memory_format=torch.channels_last)
    heads.to(device=device, dtype=dtype, memory_format=torch.channels_last)
    batch = inputs.to(device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    placed = [
        (weights[i], goals[i].to(device=device, dtype=dtype).contiguous(memory_format=torch.channels_last))
        for i in heads.stages
    ]
    noisy = noisy_inputs(batch, task.noise, seed)

    def loss() -> torch.Tensor:
        outputs = heads(network(next(noisy)))
        total = placed[0][0] * F.mse_loss(outputs[0], placed[0][1])
        for (weight, goal), output in zip(placed[1:], outputs[1:]):
            total = total + weight * F.mse_loss(output, goal)
        return total

    return train([network, heads], loss, task, profile)


def train(modules: Sequence[nn.Module], loss: LossFunction, task: ProxyTask, profile: Profile) -> Regression:
    """Minimise `loss` over the parameters of `modules` for the profile's steps.

    Args:
        modules: what is trained; they are put into training mode for a step and evaluation mode for a record.
        loss: computes the loss of the modules as they are, on a noisy batch of its own drawing.
        task: its optimiser settings.
        profile: steps, steps between records, learning rate.
    """
    settings = task.optimizer
    rate = profile.learning_rate or settings.learning_rate
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if settings.name == "adam":
        optimizer = torch.optim.Adam(parameters, lr=rate, weight_decay=settings.weight_decay, fused=True)
    else:
        matrices = [p for p in parameters if p.dim() > 1]
        others = [p for p in parameters if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, fused=True)
    losses: List[Tuple[int, float]] = []
    _set_mode(modules, training=True)
    for step in range(1, profile.steps + 1):
        value = loss()
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if step % profile.record_every == 0 or step == profile.steps:
            _set_mode(modules, training=False)
            with torch.no_grad():
                losses.append((step, float(loss())))
            _set_mode(modules, training=True)
            if not math.isfinite(losses[-1][1]):
                reason = f"the loss was {losses[-1][1]} after {step} steps"
                return Regression(math.inf, tuple(losses), reason)
    return Regression(losses[-1][1], tuple(losses))


def noisy_inputs(batch: torch.Tensor, noise: Noise, seed: int) -> Iterator[torch.Tensor]:
    """The batch with fresh noise at every step, without end; the batch itself where the level is 0."""
    draws = generator(seed, "noise", device=batch.device)
    while True:
        if not noise.level:
            yield batch
        elif noise.distribution == "gaussian":
            yield batch + torch.empty_like(batch).normal_(0.0, noise.level, generator=draws)
        else:
            yield batch + torch.empty_like(batch).uniform_(-noise.level, noise.level, generator=draws)


def _set_mode(modules: Sequence[nn.Module], training: bool) -> None:
    for module in modules:
        module.train(training)
