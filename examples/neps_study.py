"""NePS searches an own space by our score: nothing is trained, no labels are needed; and a warm start for it.

python examples/neps_study.py 20 neps-runs

Ran with neural-pipeline-search 0.17.0 and torch 2.13. NePS takes networkx below 3, so install it without this
repository's constraints.txt, in an environment of its own: pip install . neural-pipeline-search
"""

import logging
import math
import sys

import neps
from torch import nn

import naslib_gennas

STAGES = 3


class Networks(neps.PipelineSpace):
    width = neps.Categorical((8, 16, 24, 32))
    kernel_0, kernel_1, kernel_2 = (neps.Categorical((1, 3, 5)) for _ in range(STAGES))


def build(width, **kernels):
    """Every choice has the same number of stages: scores over different numbers of stages do not compare."""
    layers, before = [], 3
    for i in range(STAGES):
        kernel, channels = kernels[f"kernel_{i}"], width * 2**i
        layers += [nn.Conv2d(before, channels, kernel, 2, kernel // 2), nn.BatchNorm2d(channels), nn.ReLU()]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def evaluate_pipeline(**choices):
    """NePS minimises, and a higher score is better. Weights are drawn anew for every score, under one seed."""
    value = naslib_gennas.score_network(lambda: build(**choices), profile="fast").score
    # What cannot be scored has failed; NePS then counts `objective_value_on_error`.
    return -value if math.isfinite(value) else ValueError("this network cannot be scored")


def warm_start(trials, folder):
    """Begin a run with (choices, score) pairs, such as the best of a ranking."""
    evaluated = [(choices, {"objective_to_minimize": -value}) for choices, value in trials]
    neps.import_trials(evaluated, folder, Networks(), optimizer="random_search")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    trials, folder = (sys.argv[1:] + ["20", "neps-runs"][len(sys.argv) - 1 :])[:2]
    first = {"width": 32, "kernel_0": 3, "kernel_1": 3, "kernel_2": 3}
    warm_start([(first, -evaluate_pipeline(**first))], folder)
    neps.run(
        evaluate_pipeline,
        Networks(),
        root_directory=folder,
        optimizer="random_search",
        total_evaluations_to_spend=int(trials) + 1,
        objective_value_on_error=1e8,
    )
    full, best = neps.status(folder)
    chosen = {key: best[key] for key in best.index if key == "width" or key.startswith("kernel")}
    print(f"{len(full)} scored; the best score is {-best['best_objective_to_minimize']:.4f}, of {chosen}")
