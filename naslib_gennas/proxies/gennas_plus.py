"""`gennas-plus`: a few trainings and what the untrained network shows, as one score of one architecture."""

from __future__ import annotations

import copy
import math
from typing import List, Optional

import torch

from naslib_gennas.networks import structure
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.meco import meco
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.proxies.registry import register
from naslib_gennas.proxies.swap import swap
from naslib_gennas.proxies.zen import zen
from naslib_gennas.randomness import derive
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.maps import regress
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.sequences import regress_sequences

#: The proxy tasks that a network is trained on, each from the same initial weights, onto signals of its own drawing.
TASKS = ("combo", "combo", "single")
#: About so many training steps in all: three trainings of 24 steps, or one of 60. Deep networks are trained for longer,
#: and a second time tells no more of them.
STEPS = 72
#: What one unit of each counts beside one unit of the mean loss (found on three spaces, see docs/notebook/speed.md).
WEIGHTS = {"zen": 1 / 400, "log meco": 0.03, "longest path": 0.004, "shortest path": -0.006, "log2 patterns": 0.6}
#: Images that activation patterns are told apart by: more would tell nearly all units of these networks apart.
PATTERN_IMAGES = 8

#: The same for recurrent networks, which have no feature maps to look at untrained.
SEQUENCE_TASKS = ("nlp-search", "nlp-search", "nlp-search")


@register("gennas-plus")
def gennas_plus(rest: str, asked: Optional[Profile] = None) -> Proxy:
    """Minus the mean of one to three regression losses, plus what the untrained network shows, by `WEIGHTS`; of a
    recurrent network minus the highest of three regression losses.

    The regression loss (arXiv:2108.01899) says how well a network trains, the Zen-score (arXiv:2102.01063) how
    expressive it is untrained, MeCo (NeurIPS 2023) how independent its channels are, the distinct activation patterns
    of eight images (arXiv:2403.04161) whether it tells inputs apart, and the convolutions on its longest and on its
    shortest path whether it is deep and has shortcuts: they err in different ways. Several draws of signals lessen the
    noise of one. It needs no other architectures to compare with, unlike a sum of ranks.
    """
    chosen = asked or profiles.get()
    settings = {
        "tasks": list(TASKS),
        "steps": STEPS,
        "weights": WEIGHTS,
        "pattern_images": PATTERN_IMAGES,
        "sequence_tasks": list(SEQUENCE_TASKS),
    }

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        inputs = batch.tensor
        recurrent = not inputs.numel()
        names = SEQUENCE_TASKS if recurrent else TASKS[: max(1, round(STEPS / chosen.steps_for(network.norm_depth)))]
        train = regress_sequences if recurrent else regress
        losses: List[float] = []
        for index, name in enumerate(names):
            # The first training is that of the plain proxy of its task.
            drawn = derive(seed, "plus", index) if index else seed
            result = train(copy.deepcopy(network), inputs, tasks.get(name), chosen, drawn)
            if not math.isfinite(result.loss):
                return Score(-math.inf, "diverged", f"training {index + 1}, on {name}: {result.reason}")
            losses.append(result.loss)
        # A good recurrent cell learns all of them: the worst says more than the mean.
        if recurrent:
            return Score(-max(losses), details={"regressions": losses})
        return _with_untrained(losses, network, inputs, seed)

    sequences = chosen.sequences or tasks.get(SEQUENCE_TASKS[0]).batch_size
    return Proxy(
        *("gennas-plus", measure, chosen, chosen.images or 16, settings, ("cnn", "rnn")),
        sequences=sequences,
        least_images=2,
    )


def _with_untrained(losses: List[float], network: StagedNetwork, inputs: torch.Tensor, seed: int) -> Score:
    """Minus the mean loss, plus what the network shows before it is trained."""
    untrained = {
        "meco": float(meco(copy.deepcopy(network).train(), inputs, seed)),
        "zen": float(zen(copy.deepcopy(network).train(), inputs, seed)),
    }
    try:
        untrained["patterns"] = float(swap(copy.deepcopy(network).train(), inputs[:PATTERN_IMAGES], seed))
    except ValueError as error:  # a part that cannot be measured has no number that could stand for it
        return Score(-math.inf, "failed", f"activation patterns cannot be counted: {error}")
    for name, number in untrained.items():
        if not math.isfinite(number):
            return Score(-math.inf, "diverged", f"{name} is {number}")
    made_of = structure.read(network, inputs)
    paths = {name: made_of[name] for name in ("longest path", "shortest path")}
    parts = {
        **paths,
        "zen": untrained["zen"],
        # MeCo is a sum of least eigenvalues, which rounding can make a little negative.
        "log meco": math.log(max(untrained["meco"], 1e-9)),
        "log2 patterns": math.log2(untrained["patterns"]),
    }
    value = sum(WEIGHTS[name] * part for name, part in parts.items()) - sum(losses) / len(losses)
    return Score(value, details={"regressions": losses, **untrained, **paths})
