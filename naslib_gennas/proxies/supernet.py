"""RLNAS (arXiv:2101.11834): train a supernet on random labels, then score architectures by how far their weights turn.

The paper trains DARTS's supernet for 250 epochs of CIFAR-10's 50,000 images in batches of 64: 195,500 steps of SGD at
0.025 with a cosine schedule, momentum 0.9, weight decay 3e-4, gradients clipped at 5. The settings here are the same
but for the number of steps, which a CPU can afford; `steps` of a profile sets it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import files, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.supernet import Choice, SuperCell, Supernet, Supernet201, SupernetDarts
from naslib_gennas.randomness import derive, generator, isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.darts import depth
from naslib_gennas.spaces.space import Size

RATE, LAST_RATE, MOMENTUM, DECAY, CLIP = 0.025, 0.001, 0.9, 3e-4, 5.0
BATCH = 64
CLASSES = 10

#: How to make the supernet of a search space from the size that a profile asks of it.
SUPERNETS: Mapping[str, Callable[[Any], Supernet]] = {
    "nasbench201": lambda size: Supernet201(size.channels, size.cells, CLASSES),
    "darts": lambda size: SupernetDarts(size.channels, depth(size.cells), CLASSES),
}

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Trained:
    """A supernet's weights before and after its training."""

    supernet: Supernet
    before: Weights
    after: Weights


def make(space: str, profile: Profile, seed: int) -> Supernet:
    """The untrained supernet of a search space, initialised under `seed`.

    Raises:
        InputError: there is no supernet of that space.
    """
    if space not in SUPERNETS:
        raise InputError(f"there is no supernet of {space}; there are those of {' and '.join(sorted(SUPERNETS))}")
    with isolated(derive(seed, "supernet")):
        return SUPERNETS[space](spaces.get(space).size(profile))


def thin(space: str, seed: int) -> Supernet:
    """The untrained supernet of one channel and one cell of a stage, whose linear regions can be counted (TE-NAS)."""
    with isolated(derive(seed, "supernet")):
        return SUPERNETS[space](Size(channels=1, cells=1))


def trained(space: str, profile: Profile, inputs: torch.Tensor, seed: int) -> Trained:
    """The supernet of a search space trained on random labels; trained once on a machine, then read from a file.

    Args:
        space: "nasbench201" or "darts".
        profile: size of the network, steps, learning rate.
        inputs: (images, 3, height, width): the data set, each image with a random label of its own.
        seed: of initialisation, labels, batches and paths.
    """
    settings = {
        "space": space,
        "profile": profile.identity(),
        "inputs": hashlib.sha256(inputs.detach().cpu().contiguous().numpy().tobytes()).hexdigest(),
        "seed": seed,
    }
    supernet = make(space, profile, seed)
    state = files.once("supernets", settings, lambda: _train(supernet, space, profile, inputs, seed))
    return Trained(supernet, state["before"], state["after"])


def _train(supernet: Supernet, space: str, profile: Profile, inputs: torch.Tensor, seed: int) -> Dict[str, Weights]:
    """Uniform path sampling (arXiv:2101.11834, section 3): each step draws an architecture and a batch."""
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet.to(device=inputs.device, memory_format=torch.channels_last).train()
    found, rng = spaces.get(space), np.random.default_rng(derive(seed, "paths"))
    labels = torch.randint(CLASSES, (len(inputs),), generator=generator(seed, "labels")).to(inputs.device)
    rate = profile.learning_rate or RATE
    optimizer = torch.optim.SGD(supernet.parameters(), rate, MOMENTUM, weight_decay=DECAY)
    for step, rows in enumerate(batches_of(len(inputs), min(BATCH, len(inputs)), profile.steps, rng)):
        progress = (1 + math.cos(math.pi * step / profile.steps)) / 2
        optimizer.param_groups[0]["lr"] = LAST_RATE + (rate - LAST_RATE) * progress
        arch = found.sample(rng)
        while found.untrainable(arch):
            arch = found.sample(rng)
        picture = inputs[rows].contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(supernet.logits(picture, supernet.choice(arch)), labels[rows])
        # None for what the path leaves out: neither momentum nor decay moves it in this step.
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(supernet.parameters(), CLIP)
        optimizer.step()
    return {"before": before, "after": {name: value.cpu().clone() for name, value in supernet.state_dict().items()}}


def batches_of(images: int, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`steps` batches of rows: every image once in an epoch, in a new order each time."""
    order: List[int] = []
    for _ in range(steps):
        if len(order) < size:
            order = rng.permutation(images).tolist()
        yield np.array([order.pop() for _ in range(size)])


def angle(net: Trained, arch: Any) -> float:
    """The angle between an architecture's weight vectors before and after the training, in radians.

    The vector stacks every path from a cell's inputs to its outputs, cell by cell: convolution weights as they are, a
    k x k pooling as k*k constants of 1/k^2 for each channel (the depthwise convolution that it is), a skip as nothing;
    a path through `none` is left out (arXiv:2101.11834, section 3). With nothing in the vector the angle is 0.
    """
    choice = net.supernet.choice(arch)
    joint = first = second = 0.0
    prefixes = {id(module): name for name, module in net.supernet.named_modules()}
    for cell in net.supernet.cells():
        for index, name, times in paths(cell, choice):
            bank = cell.banks[index]
            if name not in bank or isinstance(bank[name], nn.Identity):
                continue  # a skip
            module = bank[name]
            kernels = [key for key, part in module.named_modules() if isinstance(part, nn.Conv2d)]
            for key in kernels:
                whole = f"{prefixes[id(module)]}.{key}.weight" if key else f"{prefixes[id(module)]}.weight"
                a, b = net.before[whole].double().flatten(), net.after[whole].double().flatten()
                joint, first, second = (
                    total + times * float(x @ y) for total, x, y in ((joint, a, b), (first, a, a), (second, b, b))
                )
            if not kernels:
                # channels * k*k entries of 1/k^2, squared and summed
                constant = times * cell.channels / int(module.kernel_size) ** 2
                joint, first, second = joint + constant, first + constant, second + constant
    if first <= 0 or second <= 0:
        return 0.0
    return math.acos(min(1.0, max(-1.0, joint / math.sqrt(first * second))))


def paths(cell: SuperCell, choice: Choice) -> Iterator[Tuple[int, str, int]]:
    """(edge, operation, on how many of the cell's input-to-output paths it lies) of every edge on at least one, in the
    single path of an architecture."""
    live = [
        (index, source, target, name)
        for index, ((source, target), name) in enumerate(zip(cell.edges, choice[cell.kind]))
        if isinstance(name, str) and name != "none"
    ]
    into: Dict[int, int] = {node: 1 for node in cell.inputs}
    for _, source, target, _ in sorted(live, key=lambda edge: edge[2]):
        into[target] = into.get(target, 0) + into.get(source, 0)
    out: Dict[int, int] = {node: 1 for node in cell.outputs}
    for _, source, target, _ in sorted(live, key=lambda edge: -edge[1]):
        out[source] = out.get(source, 0) + out.get(target, 0)
    for index, source, target, name in live:
        times = into.get(source, 0) * out.get(target, 0)
        if times:
            yield index, name, times
