"""RLNAS on search spaces of layers (arXiv:2101.11834, section 4.3: MobileNet-like): one path through shared layers.

A supernet of a space that a function makes from choices: parameters of the same name and shape are the same ones in all
networks. Where a choice decides what a layer is, its options have weights of their own, as in single-path one-shot
supernets (arXiv:1904.00420); where it decides a width, each width has. The training is that of the cell spaces (see
`supernet`).
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import files
from naslib_gennas.errors import InputError
from naslib_gennas.proxies.supernet import BATCH, CLASSES, CLIP, DECAY, LAST_RATE, MOMENTUM, RATE, batches_of
from naslib_gennas.randomness import derive, generator, isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.functions import FunctionSpace
from naslib_gennas.spaces.space import identity

#: Weights by the name and shape of the parameter.
Weights = Mapping[str, torch.Tensor]
#: The weights before the training and after it, and how many networks had each.
Trained = Tuple[Weights, Weights, Mapping[str, int]]


def trained(space: FunctionSpace, profile: Profile, inputs: torch.Tensor, seed: int) -> Trained:
    """The shared weights before and after training on random labels; trained once on a machine, then read from a file.

    Args:
        space: of a function.
        profile: `steps` and learning rate of the training.
        inputs: the data set, each image with a random label of its own.
        seed: of initialisation, labels, batches and paths.

    Raises:
        InputError: the networks have no classifier.
    """
    settings = {
        "space": identity(space),
        "profile": profile.identity(),
        "inputs": hashlib.sha256(inputs.detach().cpu().contiguous().numpy().tobytes()).hexdigest(),
        "seed": seed,
    }
    state = files.once("path-supernets", settings, lambda: _train(space, profile, inputs, seed))
    return state["before"], state["after"], state["networks"]


def angle(space: FunctionSpace, arch: Any, trained: Trained) -> Optional[float]:
    """The angle between the weight vectors of an architecture's path before and after the training, in radians.

    The vector stacks the weights of its convolutions and linear layers; an identity adds nothing, and what all networks
    have (the stem, the classifier) tells none from another and is left out. With nothing in the vector the angle is 0.

    Returns:
        None where the training met none of the networks that have some of its weights.
    """
    before, after, networks = trained
    joint = first = second = 0.0
    for key in _parameters(_network(space, arch, 0)):
        if key not in before:
            return None
        if networks[key] == networks[_ALL] or before[key].dim() < 2:
            continue
        a, b = before[key].double().flatten(), after[key].double().flatten()
        joint, first, second = joint + float(a @ b), first + float(a @ a), second + float(b @ b)
    if first <= 0 or second <= 0:
        return 0.0
    return math.acos(min(1.0, max(-1.0, joint / math.sqrt(first * second))))


# The key of the number of all networks.
_ALL = ""


def _train(space: FunctionSpace, profile: Profile, inputs: torch.Tensor, seed: int) -> Dict[str, Any]:
    """Uniform path sampling: each step draws an architecture and a batch, and trains the weights on its path."""
    rng = np.random.default_rng(derive(seed, "paths"))
    labels = torch.randint(CLASSES, (len(inputs),), generator=generator(seed, "labels")).to(inputs.device)
    rate = profile.learning_rate or RATE
    shared: Dict[str, nn.Parameter] = {}
    before: Dict[str, torch.Tensor] = {}
    networks: Dict[str, int] = {_ALL: 0}
    optimizer: Optional[torch.optim.SGD] = None
    for step, rows in enumerate(batches_of(len(inputs), min(BATCH, len(inputs)), profile.steps, rng)):
        network = _network(space, space.sample(rng), seed).to(inputs.device).train()
        fresh: List[nn.Parameter] = []
        networks[_ALL] += 1
        for key, (part, name, parameter) in _parameters(network).items():
            if key not in shared:
                shared[key], before[key] = parameter, parameter.detach().cpu().clone()
                fresh.append(parameter)
            setattr(part, name, shared[key])
            networks[key] = networks.get(key, 0) + 1
        if optimizer is None:
            optimizer = torch.optim.SGD(fresh, rate, MOMENTUM, weight_decay=DECAY)
        elif fresh:
            optimizer.add_param_group({"params": fresh})
        progress = (1 + math.cos(math.pi * step / profile.steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = LAST_RATE + (rate - LAST_RATE) * progress
        loss = F.cross_entropy(_scores(space, network, inputs[rows]), labels[rows])
        # None for what the path leaves out: neither momentum nor decay moves it in this step.
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(shared.values(), CLIP)
        optimizer.step()
    return {
        "before": before,
        "after": {key: parameter.detach().cpu().clone() for key, parameter in shared.items()},
        "networks": networks,
    }


def _network(space: FunctionSpace, arch: Any, seed: int) -> nn.Module:
    with isolated(derive(seed, "supernet")):
        return space.published(arch, CLASSES)


def _parameters(network: nn.Module) -> Dict[str, Tuple[nn.Module, str, nn.Parameter]]:
    """By name and shape: the module that has a parameter, what it calls it, and the parameter."""
    return {
        f"{path}.{name} {tuple(parameter.shape)}": (part, name, parameter)
        for path, part in network.named_modules()
        for name, parameter in part.named_parameters(recurse=False)
    }


def _scores(space: FunctionSpace, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    scores = network(images)
    if not isinstance(scores, torch.Tensor) or scores.shape != (len(images), CLASSES):
        raise InputError(f"rlnas needs networks that give class scores (images, classes); those of {space.name} do not")
    return scores
