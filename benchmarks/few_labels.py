"""`gennas-fewshot` beside `gennas-plus` on every search space with ground truth: what some labels are worth.

    python benchmarks/few_labels.py FOLDER [--spaces nasbench201,darts] [--n 60] [--labels 10 20] [--seed 1]

Of each space `n` architectures are drawn. Some of them have labels, eight times anew; Spearman's rho is that of all
others. Prints the means of both, the mean of a ranking that takes the labels only where they rank the labelled
architectures better, each left out in turn, and the worst of the eight.
"""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from naslib_gennas.proxies import gennas_fewshot
from naslib_gennas.proxies import ranker as rankers
from naslib_gennas.regression import profiles
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.truth import benchmarks
from naslib_gennas.truth.labels import rho
from naslib_gennas.truth.sampling import draw

REPEATS = 8
#: Architectures that are ranked; fewer say nothing.
LEAST = 10
Row = Tuple[Dict[str, Any], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of ground truth")
    parser.add_argument("--spaces", help="some of them; all that have ground truth where nothing is said")
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--labels", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="scores that are there are not computed again")
    options = parser.parse_args()
    found, _ = benchmarks.find(options.spaces.split(",") if options.spaces else None, options.folders)
    print("| space, data set | n | labels | no labels | gennas-fewshot | the better on the labels | worst loss |")
    print("| --- " * 7 + "|")
    for one in found:
        scorer = Scorer.of(one.space, gennas_fewshot.described(profiles.get()), seed=options.seed, store=options.store)
        archs = list(draw(one.space, options.n, options.seed, one.shared))
        records = [record for record in scorer.many(archs) if record.status == "ok"]
        for name, truth in one.truths.items():
            rows = [(dict(record.details), truth.better(truth.texts[record.arch])) for record in records]
            for count in options.labels:
                if len(rows) >= count + LEAST:
                    report(f"{one.space.name}, {name}", rows, count)


def report(name: str, rows: Sequence[Row], count: int) -> None:
    """One line of the table."""
    found = np.array([once(rows, count, repeat) for repeat in range(REPEATS)])
    means = " | ".join(f"{value:.3f}" for value in found.mean(0))
    print(f"| {name} | {len(rows)} | {count} | {means} | {(found[:, 1] - found[:, 0]).min():+.3f} |", flush=True)


def once(rows: Sequence[Row], count: int, repeat: int) -> List[float]:
    """Rho of the unlabelled by the label-free score, by the ranker, and by the one that is better on the labels."""
    order = np.random.default_rng((5, repeat)).permutation(len(rows))
    known, others = [rows[i] for i in order[:count]], [rows[i] for i in order[count:]]
    free, learned = plain(others), predicted(known, others)
    left_out = [predicted([*known[:i], *known[i + 1 :]], [row])[0] for i, row in enumerate(known)]
    better = agreement(left_out, known) > agreement(plain(known), known)
    rhos = [agreement(free, others), agreement(learned, others)]
    return [*rhos, rhos[1] if better else rhos[0]]


def plain(rows: Sequence[Row]) -> List[float]:
    return [features[rankers.PRIOR] for features, _ in rows]


def predicted(known: Sequence[Row], rows: Sequence[Row]) -> List[float]:
    ranker = rankers.fit([features for features, _ in known], [value for _, value in known])
    return list(ranker.predict([features for features, _ in rows]))


def agreement(scores: Sequence[float], rows: Sequence[Row]) -> float:
    return rho(scores, [value for _, value in rows])


if __name__ == "__main__":
    main()
