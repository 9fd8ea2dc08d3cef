"""NePS searches an own space by our score: nothing is trained, no labels are needed; a ranking is its warm start.

python examples/neps_study.py 20 10 neps-runs

scores 10 random networks, gives NePS the best 5 of them with their scores, and lets it try 20 more. Ran with
neural-pipeline-search 0.17.0 and torch 2.13. NePS takes networkx below 3, so install it without this repository's
constraints.txt, in an environment of its own: pip install . neural-pipeline-search
"""

import logging
import math
import random
import sys

import neps
from torch import nn

import naslib_gennas
from naslib_gennas.errors import InputError

WIDTHS, KERNELS = (8, 16, 24, 32), (1, 3, 5)
STAGES = ["stage_0", "stage_1", "stage_2"]


class Networks(neps.PipelineSpace):
    width = neps.Categorical(WIDTHS)
    kernel_0, kernel_1, kernel_2 = (neps.Categorical(KERNELS) for _ in STAGES)


def build(width, **kernels):
    """The network of one choice, its stages by name."""
    network, before = nn.Sequential(), 3
    for i, stage in enumerate(STAGES):
        kernel, channels = kernels[f"kernel_{i}"], width * 2**i
        convolution = nn.Conv2d(before, channels, kernel, 2, kernel // 2)
        network.add_module(stage, nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU()))
        before = channels
    network.add_module("head", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)))
    return network


def evaluate_pipeline(**choices):
    """NePS minimises, and a higher score is better.

    A function that builds the network is scored, so that its weights are drawn anew under one seed; and by named
    stages, since scores over other numbers of stages do not compare. A network that has none of that name, or that
    cannot be scored, has failed: with `ignore_errors` NePS then counts `objective_value_on_error` and goes on.
    """
    try:
        found = naslib_gennas.score_network(lambda: build(**choices), STAGES, profile="fast")
    except InputError as error:
        return error
    return -found.score if math.isfinite(found.score) else ValueError(found.reason)


def ranking(count, seed=0):
    """Different random choices with their scores, the best first."""
    rng = random.Random(seed)
    drawn = {(rng.choice(WIDTHS), *(rng.choice(KERNELS) for _ in STAGES)) for _ in range(count)}
    scored = []
    for width, *kernels in sorted(drawn):
        choices = {"width": width, **{f"kernel_{i}": kernel for i, kernel in enumerate(kernels)}}
        value = evaluate_pipeline(**choices)
        if not isinstance(value, Exception):
            scored.append((choices, -value))
    return sorted(scored, key=lambda pair: pair[1], reverse=True)


def warm_start(ranked, folder):
    """Begin a run with (choices, score) pairs."""
    evaluated = [(choices, {"objective_to_minimize": -score}) for choices, score in ranked]
    neps.import_trials(evaluated, folder, Networks(), optimizer="random_search")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    trials, count, folder = (sys.argv[1:] + ["20", "10", "neps-runs"][len(sys.argv) - 1 :])[:3]
    given = ranking(int(count))[: max(1, int(count) // 2)]
    warm_start(given, folder)
    neps.run(
        evaluate_pipeline,
        Networks(),
        root_directory=folder,
        optimizer="random_search",
        total_evaluations_to_spend=int(trials) + len(given),
        ignore_errors=True,
        objective_value_on_error=1e8,
    )
    full, best = neps.status(folder)
    chosen = {key: best[key] for key in best.index if key == "width" or key.startswith("kernel")}
    print(f"{len(full)} scored; the best score is {-best['best_objective_to_minimize']:.4f}, of {chosen}")
