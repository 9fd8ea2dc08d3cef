"""`gennas-plus`: three trainings and the Zen-score, for one architecture at a time."""

from __future__ import annotations

import copy
import math
from typing import Optional, Sequence

import torch

from naslib_gennas import profiles, tasks
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.profiles import Profile
from naslib_gennas.proxies.base import Proxy, Score, register
from naslib_gennas.proxies.zen import zen
from naslib_gennas.randomness import derive
from naslib_gennas.regression import regress

#: The proxy tasks that a network is trained on, each from the same initial weights, onto signals of its own drawing.
TASKS = ("combo", "combo", "single")
#: What one unit of the Zen-score counts beside the logarithm of the loss (found on two spaces, see docs/speed.md).
ZEN_WEIGHT = 1 / 400


@register("gennas-plus")
def gennas_plus(rest: str, asked: Optional[Profile] = None) -> Proxy:
    """Minus the mean logarithm of three regression losses, plus the Zen-score over 400.

    The regression loss (arXiv:2108.01899) says how well a network trains, the Zen-score (arXiv:2102.01063) how
    expressive it is untrained: they err in different ways. Three draws of signals, two of `combo` and one of `single`,
    halve the noise of one. It needs no other architectures to compare with, unlike a sum of ranks.
    """
    chosen = asked or profiles.get()
    trained = [tasks.get(name) for name in TASKS]

    def measure(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> Score:
        losses = []
        for index, task in enumerate(trained):
            # The first one is the score of `gennas-combo` itself.
            result = regress(
                copy.deepcopy(network), inputs, task, chosen, derive(seed, "plus", index) if index else seed
            )
            if not math.isfinite(result.loss):
                return Score(-math.inf, "diverged", f"training {index + 1}, on {task.name}: {result.reason}")
            losses.append(result.loss)
        expressivity = float(zen(network.train(), inputs, seed))
        if not math.isfinite(expressivity):
            return Score(-math.inf, "diverged", f"the Zen-score is {expressivity}")
        details = {"regressions": losses, "zen": expressivity}
        return Score(_combined(losses, expressivity), details=details)

    settings = {"tasks": list(TASKS), "zen_weight": ZEN_WEIGHT}
    return Proxy("gennas-plus", measure, chosen, chosen.images or 16, settings)


def _combined(losses: Sequence[float], expressivity: float) -> float:
    return ZEN_WEIGHT * expressivity - sum(math.log(loss) for loss in losses) / len(losses)
