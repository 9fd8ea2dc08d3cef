"""`gennas-plus`: three trainings, the Zen-score and MeCo, as one score of one architecture."""

from __future__ import annotations

import copy
import math
from typing import Optional

import torch

from naslib_gennas import profiles, tasks
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.profiles import Profile
from naslib_gennas.proxies.base import Proxy, Score, register
from naslib_gennas.proxies.meco import meco
from naslib_gennas.proxies.zen import zen
from naslib_gennas.randomness import derive
from naslib_gennas.regression import regress

#: The proxy tasks that a network is trained on, each from the same initial weights, onto signals of its own drawing.
TASKS = ("combo", "combo", "single")
#: What one unit of the Zen-score counts beside the logarithm of the loss (found on two spaces, see docs/speed.md).
ZEN_WEIGHT = 1 / 400
#: What the logarithm of MeCo counts, likewise.
MECO_WEIGHT = 0.03


@register("gennas-plus")
def gennas_plus(rest: str, asked: Optional[Profile] = None) -> Proxy:
    """Minus the mean logarithm of three regression losses, plus Zen-score / 400, plus 0.03 log(MeCo).

    The regression loss (arXiv:2108.01899) says how well a network trains, the Zen-score (arXiv:2102.01063) how
    expressive it is untrained, MeCo (NeurIPS 2023) how independent its channels are: they err in different ways. Three
    draws of signals, two of `combo` and one of `single`, lessen the noise of one. It needs no other architectures to
    compare with, unlike a sum of ranks.
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
        untrained = {"meco": float(meco(copy.deepcopy(network).train(), inputs, seed))}
        untrained["zen"] = float(zen(network.train(), inputs, seed))
        for name, number in untrained.items():
            if not math.isfinite(number):
                return Score(-math.inf, "diverged", f"{name} is {number}")
        regression = sum(math.log(loss) for loss in losses) / len(losses)
        # MeCo is a sum of least eigenvalues, which rounding can make a little negative.
        independence = math.log(max(untrained["meco"], 1e-9))
        value = ZEN_WEIGHT * untrained["zen"] + MECO_WEIGHT * independence - regression
        return Score(value, details={"regressions": losses, **untrained})

    settings = {"tasks": list(TASKS), "zen_weight": ZEN_WEIGHT, "meco_weight": MECO_WEIGHT}
    return Proxy("gennas-plus", measure, chosen, chosen.images or 16, settings)
