"""Regression scoring, GenNAS itself: train the stage feature maps for some steps to regress onto synthetic signals.

Section 3 of arXiv:2108.01899; the settings are those of the published runs (see `profiles.PAPER`).
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.calls import Inputs as Tensors
from naslib_gennas.networks.calls import changed as change
from naslib_gennas.networks.calls import each as each_tensor
from naslib_gennas.networks.initialise import initialise
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import derive, generator, isolated
from naslib_gennas.regression import checkpoint, tasks
from naslib_gennas.regression.flat_sgd import FlatSGD
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.tasks import Noise, ProxyTask

LossFunction = Callable[[], torch.Tensor]

# Pixels of a batch (images * height * width) up to which PyTorch's own convolutions beat oneDNN's on a CPU; grouped
# ones never do.
SMALL_BATCH = 1024


@dataclass(frozen=True)
class Regression:
    """What a training on a proxy task gave.

    Attributes:
        loss: evaluation-mode loss after the last step, or the geometric mean of the last records where the profile
            averages, divided by a power of an early training-mode loss where the profile is `relative`; inf where the
            training diverged.
        losses: (step, evaluation-mode loss) every `record_every` steps.
        trace: the training-mode loss of every step, before its update.
        reason: why training ended early, empty where it did not.
    """

    loss: float
    losses: Tuple[Tuple[int, float], ...]
    trace: Tuple[float, ...] = ()
    reason: str = ""


#: The layers of a head for maps of that many axes.
_LAYERS = {3: (nn.BatchNorm1d, nn.Conv1d), 4: (nn.BatchNorm2d, nn.Conv2d), 5: (nn.BatchNorm3d, nn.Conv3d)}


class Heads(nn.Module):
    """One head a stage: resize to the target's size (nearest), BatchNorm2d, 1x1 convolution with bias.

    A stage that has no weight in the loss gets no head. Maps over time, (images, channels, length), and volumes get the
    same in their number of dimensions.
    """

    def __init__(self, channels: Sequence[int], targets: Sequence[torch.Tensor], weights: Sequence[float]) -> None:
        super().__init__()
        self.stages = [index for index, weight in enumerate(weights) if weight]
        self.heads = nn.ModuleList()
        for i in self.stages:
            norm, convolution = _LAYERS[targets[i].dim()]
            self.heads.append(nn.Sequential(norm(channels[i]), convolution(channels[i], targets[i].shape[1], 1)))
        self._sizes = [tuple(target.shape[2:]) for target in targets]

    def forward(self, maps: Sequence[torch.Tensor]) -> List[torch.Tensor]:
        outputs = []
        for index, head in zip(self.stages, self.heads):
            x, size = maps[index], self._sizes[index]
            outputs.append(head(x if tuple(x.shape[2:]) == size else F.interpolate(x, size)))
        return outputs


def set_momentum(profile: Profile, *networks: nn.Module) -> None:
    """Let the running averages of BatchNorms follow as fast as a profile asks for."""
    if profile.norm_momentum:
        for module in (one for network in networks for one in network.modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = profile.norm_momentum


def regress(
    network: StagedNetwork,
    inputs: Tensors,
    task: ProxyTask,
    profile: Profile,
    seed: int,
    device: Union[str, torch.device, None] = None,
    kept: Optional[Path] = None,
) -> Regression:
    """Train `network` on `task` in place, and say how well it regresses.

    Args:
        network: it is used up: trained, moved to `device`, in the profile's dtype.
        inputs: (images, 3, height, width), the clean batch; or what a network of the user's own takes, of which
            floating numbers get the task's noise.
        task: a task of kind "cnn"; it is fitted to the network's number of stages.
        profile: steps, size of the targets, dtype.
        seed: of the heads' initialisation, the targets and the noise; the global generators stay as they were.
        device: where to train; None: where `inputs` are.
        kept: a file in which this training leaves its state, to be gone on with by a longer one of the same network,
            batch, task and seed. What an earlier, shorter one has left there is where this one begins; the result is
            that of a training from the start.
    """
    shown = _shown(inputs).movedim(network.batch_axis, 0)
    device = torch.device(device) if device is not None else shown.device
    dtype = network.dtype or getattr(torch, profile.dtype)
    channels = network.stage_channels
    task = task.for_stages(len(channels))
    weights = task.weights()
    goals = _goals(
        task,
        tuple(shown.shape),
        shown.detach().float().cpu().numpy().tobytes(),
        profile.target_size,
        seed,
        tuple(network.stage_dimensions),
    )
    with isolated(derive(seed, "heads")):
        heads = Heads(channels, goals, weights)
    initialise(heads, profile.initialise, derive(seed, "head weights"))
    set_momentum(profile, network, heads)
    network.to(device=device, dtype=dtype, memory_format=network.memory_format)
    heads.to(device=device, dtype=dtype, memory_format=network.memory_format)
    batch = change(inputs, lambda tensor: _placed(tensor, device, dtype, network.memory_format))
    placed = []
    for i in heads.stages:
        layout = network.memory_format if goals[i].dim() == 4 else torch.preserve_format
        placed.append((weights[i], goals[i].to(device=device, dtype=dtype).contiguous(memory_format=layout)))
    noisy = noisy_inputs(batch, task.noise, seed)

    def loss() -> torch.Tensor:
        outputs = heads(network(next(noisy)))
        total = placed[0][0] * F.mse_loss(outputs[0], placed[0][1])
        for (weight, goal), output in zip(placed[1:], outputs[1:]):
            total = total + weight * F.mse_loss(output, goal)
        return total

    steps = profile.steps_for(network.norm_depth, task.noise.level > 0)
    before = None if kept is None else checkpoint.load(kept, device, steps)
    if before is not None:
        done = before["step"]
        # Each step and each record of a training from the start has drawn once by then.
        for _ in range(done + sum(_is_recorded(step, steps, profile) for step in range(1, done + 1))):
            next(noisy)
    grouped = any(getattr(module, "groups", 1) != 1 for module in network.modules())
    with _without_onednn(_shown(batch), grouped):
        return train([network, heads], loss, task, profile, steps, before, kept, network.reachable)


def _shown(inputs: Tensors) -> torch.Tensor:
    """The part of an input that targets may show and that says how many images there are: its first of floats."""
    tensors = each_tensor(inputs)
    return next((tensor for tensor in tensors if tensor.is_floating_point()), tensors[0])


def _placed(
    tensor: torch.Tensor, device: torch.device, dtype: torch.dtype, layout: torch.memory_format
) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor.to(device=device)
    return tensor.to(device=device, dtype=dtype).to(
        memory_format=layout if tensor.dim() == 4 else torch.preserve_format
    )


@lru_cache(maxsize=4)
def _goals(
    task: ProxyTask, shape: Tuple[int, ...], pixels: bytes, size: int, seed: int, dimensions: Tuple[int, ...]
) -> Tuple[torch.Tensor, ...]:
    """The targets of a batch, kept: one after another, many networks regress onto the same ones."""
    inputs = torch.frombuffer(bytearray(pixels), dtype=torch.float32).view(shape)
    return tuple(tasks.targets(task, inputs, size, seed, dimensions))


def train(
    modules: Sequence[nn.Module],
    loss: LossFunction,
    task: ProxyTask,
    profile: Profile,
    steps: int,
    before: Optional[Mapping[str, Any]] = None,
    kept: Optional[Path] = None,
    reachable: Sequence[nn.Parameter] = (),
) -> Regression:
    """Minimise `loss` over the parameters of `modules`.

    Args:
        modules: what is trained; they are put into training mode for a step and evaluation mode for a record.
        loss: computes the loss of the modules as they are, on a noisy batch of its own drawing.
        task: its optimiser settings.
        profile: which steps are recorded, learning rate.
        steps: how many there are.
        before: the state of a training to go on with (see `checkpoint.load`).
        kept: a file to leave the state at the end in.
        reachable: parameters that are trained although the first gradients may not reach them: of blocks that a step
            may skip.
    """
    settings = task.optimizer
    rate = profile.learning_rate or settings.learning_rate
    optimizer: Union[FlatSGD, torch.optim.Optimizer, None] = None
    if settings.name == "adam":
        every = [parameter for module in modules for parameter in module.parameters()]
        optimizer = torch.optim.Adam(every, lr=rate, weight_decay=settings.weight_decay, fused=True)
    trace: List[torch.Tensor] = []
    losses: List[Tuple[int, float]] = []
    first = 1
    if before is not None:
        for module, weights in zip(modules, before["modules"]):
            module.load_state_dict(weights)
        if optimizer is not None:
            optimizer.load_state_dict(before["optimizer"])
        trace, first = list(before["trace"]), before["step"] + 1
        losses = [(step, loss) for step, loss in before["losses"] if _is_recorded(step, steps, profile)]
    _training_mode(modules)
    for step in range(first, steps + 1):
        value = loss()
        trace.append(value.detach())
        value.backward()
        if optimizer is None:
            # The first gradients tell which parameters the loss depends on; a classifier, say, is left alone.
            also = {id(parameter) for parameter in reachable}
            parameters = [p for module in modules for p in module.parameters()]
            reached = [p for p in parameters if p.grad is not None or id(p) in also]
            optimizer = FlatSGD(reached, rate, settings.momentum, settings.weight_decay)
            if before is not None:
                optimizer.load_state_dict(before["optimizer"])
        optimizer.step()
        if not isinstance(optimizer, FlatSGD):
            optimizer.zero_grad(set_to_none=True)
        if _is_recorded(step, steps, profile):
            _evaluation_mode(modules, profile.statistics)
            with torch.no_grad():
                losses.append((step, float(loss())))
            _training_mode(modules)
            if not math.isfinite(losses[-1][1]):
                reason = f"the loss was {losses[-1][1]} after {step} steps"
                return Regression(math.inf, tuple(losses), _numbers(trace), reason)
    if kept is not None and optimizer is not None:
        checkpoint.save(kept, steps, modules, optimizer, trace, losses)
    last = [value for _, value in losses[-profile.average :]]
    # A mean of logarithms: the losses of early records differ by orders of magnitude.
    final = (
        math.exp(sum(math.log(value) for value in last) / len(last)) if len(last) > 1 and min(last) > 0 else last[-1]
    )
    if profile.relative:
        early = float(trace[max(1, round(steps / 3)) - 1])
        if not math.isfinite(early):  # dividing by it would make the best of all scores
            reason = f"the loss was {early} after a third of the steps"
            return Regression(math.inf, tuple(losses), _numbers(trace), reason)
        final = final / early**profile.relative if early > 0 else final
    return Regression(final, tuple(losses), _numbers(trace))


def _is_recorded(step: int, steps: int, profile: Profile) -> bool:
    left = steps - step
    if profile.average > 1:
        return left % profile.record_every == 0 and left < profile.average * profile.record_every
    return not left or step % profile.record_every == 0


def noisy_inputs(batch: Any, noise: Noise, seed: int) -> Iterator[Any]:
    """The batch with fresh noise at every step, without end; the batch itself where the level is 0.

    Only floating numbers get noise.
    """
    draws = generator(seed, "noise", device=each_tensor(batch)[0].device)

    def with_noise(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        if noise.distribution == "gaussian":
            return tensor + torch.empty_like(tensor).normal_(0.0, noise.level, generator=draws)
        return tensor + torch.empty_like(tensor).uniform_(-noise.level, noise.level, generator=draws)

    while True:
        yield change(batch, with_noise) if noise.level else batch


def _training_mode(modules: Sequence[nn.Module]) -> None:
    for module in modules:
        module.train()


def _evaluation_mode(modules: Sequence[nn.Module], statistics: str) -> None:
    for module in modules:
        module.eval()
        if statistics == "batch":
            for part in module.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.train()


def _numbers(values: Sequence[torch.Tensor]) -> Tuple[float, ...]:
    return tuple(torch.stack(list(values)).tolist())


_switch = threading.Condition()
_users = {"small": 0, "large": 0}
_switched = [True]


@contextmanager
def _without_onednn(batch: torch.Tensor, grouped: bool) -> Iterator[None]:
    """Leave oneDNN aside for small batches on a CPU: PyTorch's own convolutions are quicker (docs/notebook/speed.md),
    unless they are grouped (depthwise): 15 times slower.

    The switch is the whole process's: a thread with a batch of the other kind waits, so that no score depends on what
    other threads do.
    """
    if batch.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        yield
        return
    pixels = batch.numel() // max(1, batch.shape[1] if batch.dim() > 1 else 1)
    small = pixels <= SMALL_BATCH and not grouped
    mine, others = ("small", "large") if small else ("large", "small")
    with _switch:
        _switch.wait_for(lambda: not _users[others])
        if small and not _users[mine]:
            _switched[0] = torch.backends.mkldnn.set_flags(_enabled=False)[0]
        _users[mine] += 1
    try:
        yield
    finally:
        with _switch:
            _users[mine] -= 1
            if small and not _users[mine]:
                torch.backends.mkldnn.set_flags(_enabled=_switched[0])
            _switch.notify_all()
