"""The weight of units beside progress in `gennas-plus`: found on all spaces but one and judged on that one, in turn.

    python benchmarks/progress_and_units.py FOLDER --spaces nds-darts-in,nds-pnas-in,transnas-macro [--n 24] [--seed 1]

For each search space whose networks differ in width or depth: Spearman's rho of progress, of units, of both with the
weight that is best for the mean of the other spaces, and with the weight that the package has.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, List, Tuple

import numpy as np

from naslib_gennas import spaces
from naslib_gennas.proxies import aggregation
from naslib_gennas.proxies.gennas_plus import LEAST_PROGRESS, UNITS_WEIGHT
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.truth import benchmarks
from naslib_gennas.truth.sampling import draw

WEIGHTS = np.arange(0, 3.05, 0.05)


def main() -> None:
    options = arguments()
    asked = [spaces.get(name) for name in options.spaces.split(",")]
    found, _ = benchmarks.find(asked, options.folders)
    rows = {one.space.name: measured(one, options) for one in found}
    table = np.array([[rho(one, weight) for weight in WEIGHTS] for one in rows.values()])
    print("| left out | n | progress | units | weight of the others | its rho | as it is |")
    print("| --- " * 7 + "|")
    judged = []
    for place, (name, one) in enumerate(rows.items()):
        best = int((table.sum(0) - table[place]).argmax())
        judged.append([rho(one, 0), rho(one, math.inf), table[place, best], rho(one, UNITS_WEIGHT)])
        first, second, *others = (f"{value:.2f}" for value in judged[-1])
        print(f"| {name} | {len(one[0])} | {first} | {second} | {WEIGHTS[best]:.2f} | {' | '.join(others)} |")
    first, second, *others = (f"{value:.3f}" for value in np.mean(judged, 0))
    print(f"| mean | | {first} | {second} | | {' | '.join(others)} |")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of ground truth")
    parser.add_argument("--spaces", required=True)
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="scores that are there are not computed again")
    return parser.parse_args()


def measured(benchmark: Any, options: argparse.Namespace) -> Tuple[np.ndarray, np.ndarray, List[np.ndarray]]:
    """log progress and log units of each architecture, and the truths, higher is better."""
    truths = list(benchmark.truths.values())
    archs = list(draw(benchmark.space, options.n, options.seed, benchmark.shared))
    scorer = Scorer.of(benchmark.space, "gennas-plus", seed=options.seed, store=options.store)
    records = [record for record in scorer.many(archs) if record.status == "ok"]
    progress = [math.log(max(record.details["progress"], LEAST_PROGRESS)) for record in records]
    units = [math.log(record.details["units"]) for record in records]
    better = [np.array([truth.better(truth.texts[record.arch]) for record in records]) for truth in truths]
    return np.array(progress), np.array(units), better


def rho(one: Tuple[np.ndarray, np.ndarray, List[np.ndarray]], weight: float) -> float:
    """Spearman's rho of progress and units, the mean over the data sets."""
    progress, units, truths = one
    scores = units if math.isinf(weight) else progress + weight * units
    ranks = [(aggregation.ranks(scores), aggregation.ranks(truth)) for truth in truths]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in ranks]))


if __name__ == "__main__":
    main()
