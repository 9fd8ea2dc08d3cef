"""What a training step of a network of the user's own costs, measured on a few examples."""

from __future__ import annotations

import time
from typing import Tuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from naslib_gennas.networks import calls
from naslib_gennas.networks.tapped import TappedNetwork

#: Seconds of a step that is not taken again.
SLOW = 2.0


def of(network: TappedNetwork, small: calls.Inputs, more: calls.Inputs, examples: int) -> Tuple[float, float]:
    """Multiply-additions of one example, and core-seconds of a training step on a whole batch.

    Args:
        network: its modes and gradients change.
        small, more: a few examples, and some more of them; the same where there are no more.
        examples: of the whole batch.
    """
    images = _images(network, small)
    counter = FlopCounterMode(display=False)
    # The counter looks for the history of what modules are given, which a parameter has none of.
    with torch.no_grad(), counter:
        network.eval().requires_grad_(False)(small)
    network.train().requires_grad_(True)
    seconds = _step(network, small)
    if seconds < SLOW:  # the first of a process does more than the others
        seconds = min(seconds, _step(network, small))
    grown = _images(network, more)
    each = seconds / images
    if grown > images and seconds < SLOW:  # what a step costs whatever its batch counts once
        each = min(max(0.0, _step(network, more) - seconds) / (grown - images), each)
    return counter.get_total_flops() / 2 / images, seconds + each * (examples - images)


def _images(network: TappedNetwork, inputs: calls.Inputs) -> int:
    first = calls.each(inputs)[0]
    return max(1, len(first) if network.batch_axis == 0 else first.shape[1])


def _step(network: TappedNetwork, inputs: calls.Inputs) -> float:
    """Core-seconds of a training step."""
    start = time.process_time()
    with torch.enable_grad():
        loss = sum(m.float().pow(2).mean() for m in network(inputs))
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            loss.backward()
    network.zero_grad()
    return time.process_time() - start
