"""`classification`: minus the loss of a classifier trained on one batch, for comparison with regression."""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gennas import to_score
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.proxies.registry import register
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.labelled import labels
from naslib_gennas.regression.maps import set_momentum, train
from naslib_gennas.regression.profiles import Profile


@register("classification")
def classification(rest: str, asked: Optional[Profile] = None) -> Proxy:
    """Minus the cross-entropy that a network reaches on the labels of its input batch: what regression replaces.

    Section A.3.1 of arXiv:2108.01899. Images, optimiser and number of steps are those of `gennas-combo`; the network
    has its own classifier, of the benchmark's number of classes, instead of heads.
    """
    chosen = asked or profiles.get()
    task = tasks.get("combo")

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        inputs = batch.tensor
        network = network.to(
            device=inputs.device, dtype=getattr(torch, chosen.dtype), memory_format=network.memory_format
        )
        set_momentum(chosen, network)
        images = inputs.to(dtype=getattr(torch, chosen.dtype), memory_format=network.memory_format)
        goal = labels(batch.name, len(images)).to(images.device)
        steps = chosen.steps_for(network.norm_depth)
        result = train([network], lambda: F.cross_entropy(network.logits(images).double(), goal), task, chosen, steps)
        return to_score(result)

    return Proxy("classification", measure, chosen, chosen.images or task.batch_size, {"labels": "of the batch"})
