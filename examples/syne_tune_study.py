"""Syne Tune on NAS-Bench-201, started from the best architectures of a ranking that needs no labels.

python examples/syne_tune_study.py 200 10

scores 200 architectures and gives Syne Tune's evolution the best 10 as its `points_to_evaluate`. Its objective here is
a table of accuracies (pip install analog-nasbench); yours is a training. Ran with syne-tune 0.16.0 and torch 2.13, in
an environment of its own: pip install '.[demo]' syne-tune
"""

import sys

import numpy as np
from syne_tune.config_space import choice
from syne_tune.optimizer.baselines import REA
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

from naslib_gennas import spaces, truth
from naslib_gennas.scoring.scorer import score_many

OPERATIONS = ["avg_pool_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_1x1", "none"]
#: The configurations of Syne Tune's own blackbox "nasbench201": the operations in the order of the benchmark's text.
CONFIGURATIONS = {f"hp_x{i}": choice(OPERATIONS) for i in range(6)}


def to_architecture(configuration):
    """NAS-Bench-201's text of a configuration of Syne Tune."""
    a, b, c, d, e, f = (configuration[f"hp_x{i}"] for i in range(6))
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def to_configuration(architecture):
    """The configuration of a text of NAS-Bench-201."""
    operations = [edge.split("~")[0] for edge in architecture.split("|") if "~" in edge]
    return {f"hp_x{i}": operation for i, operation in enumerate(operations)}


def best_of(count, keep, seed=0):
    """The best `keep` of `count` random architectures by our score, as configurations."""
    space, rng = spaces.get("nasbench201"), np.random.default_rng(seed)
    drawn = {space.key(arch): space.format(arch) for arch in (space.sample(rng) for _ in range(count))}
    found = score_many(space, list(drawn.values()), profile="fast")
    ranked = sorted(found, key=lambda record: record.score, reverse=True)
    return [to_configuration(record.arch) for record in ranked[:keep]]


def started_from(configurations):
    """Syne Tune's evolution, to be asked and told, which tries these first."""
    evolution = REA(
        CONFIGURATIONS,
        metric="accuracy",
        do_minimize=False,
        random_seed=0,
        population_size=10,
        sample_size=5,
        points_to_evaluate=configurations,
    )
    return AskTellScheduler(evolution)


if __name__ == "__main__":
    count, keep = (int(word) for word in (sys.argv[1:] + ["200", "10"][len(sys.argv) - 1 :])[:2])
    space = spaces.get("nasbench201")
    accuracies = truth.load("analog-nasbench", space)
    search, seen = started_from(best_of(count, keep)), []
    for _ in range(2 * keep):
        trial = search.ask()
        accuracy = accuracies.of(space, space.parse(to_architecture(trial.config)))
        search.tell(trial, {"accuracy": 0.0 if accuracy is None else accuracy})
        seen.append(accuracy or 0.0)
    given = f"best accuracy of the {keep} trials it was given: {max(seen[:keep]):.2f}"
    print(f"{given}; of all {len(seen)}: {max(seen):.2f}")
