"""Regression scoring of recurrent networks: many-to-many regression between synthetic sequences, without text.

Section 3.2 of arXiv:2108.01899 for RNNs; what `regression` is for CNNs.
"""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import derive, generator, isolated
from naslib_gennas.regression import tasks
from naslib_gennas.regression.maps import Regression, noisy_inputs, train
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.tasks import ProxyTask

# The encoder's and the decoder's weights start uniformly in +-0.1.
BOUND = 0.1


def regress_sequences(
    network: StagedNetwork,
    inputs: torch.Tensor,
    task: ProxyTask,
    profile: Profile,
    seed: int,
    device: Union[str, torch.device, None] = None,
) -> Regression:
    """Train `network` in place to regress synthetic sequences onto others; the network is used up.

    Args:
        network: (length, batch, embedding) in and out, `stage_channels` of one entry.
        inputs: (sequences, ...): only how many there are counts, the task makes them.
        task: a task of kind "rnn".
        profile: `sequence_steps`, records, dtype, and the learning rate; None: the task's divided by `width`. A step
            of Adam moves every entry of a matrix as far, so the outputs of one half as wide would move half as much
            (arXiv:2203.03466, table 3).
        seed: decides sequences, noise, dropout, and the initialisation of encoder and decoder.
        device: where to train; None: where the network is.
    """
    parameter = next(network.parameters())
    device = parameter.device if device is None else torch.device(device)
    dtype = getattr(torch, profile.dtype)
    source, target = tasks.sequences(task, inputs.shape[0], seed)
    source, target = source.to(device=device, dtype=dtype), target.to(device=device, dtype=dtype)
    dimension, embedding = source.shape[-1], network.stage_channels[0]
    with isolated(derive(seed, "heads")):
        encoder, decoder = nn.Linear(dimension, embedding), nn.Linear(embedding, dimension)
        for layer in (encoder, decoder):
            nn.init.uniform_(layer.weight, -BOUND, BOUND)
            nn.init.zeros_(layer.bias)
    modules = [module.to(device=device, dtype=dtype) for module in (network, encoder, decoder)]
    network.draws = generator(seed, "dropout", device=device)
    noisy = noisy_inputs(source, task.noise, seed)

    def loss() -> torch.Tensor:
        return F.mse_loss(decoder(network(encoder(next(noisy)))[0]), target)

    rate = profile.learning_rate or task.optimizer.learning_rate / profile.width
    steps = profile.sequence_steps or profile.steps
    return train(modules, loss, task, profile.replace(learning_rate=rate, relative=0.0), steps)
