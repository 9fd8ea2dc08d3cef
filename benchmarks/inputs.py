"""Rank correlation by input batch, on every space with ground truth: the tables of docs/inputs.md.

    python benchmarks/inputs.py --data FOLDER --out OUT [--space SPACE ...] [--proxies a,b] [--inputs a,b] \\
        [--batches 3] [--n 40] [--workers 1]

FOLDER holds `benchmarks/` and `reference/`. The architectures are the first ones of the subset `report` of
benchmarks/frontier.py. An input is a kind of image (photos, noise, dead-leaves, ...): its batches are those of seeds
0, 1, ...; a folder or a file has one. Each row has the mean of rho over the batches, the lowest and the highest, and
by how much the mean differs from that of the first input, with the 95% interval of a bootstrap over architectures.
Scores are kept in OUT/scores.sqlite: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List

import numpy as np
from frontier import subset
from scipy import stats

from naslib_gennas import scoring
from naslib_gennas.regression import batches
from naslib_gennas.scoring.store import Store

#: Space -> the data set of its truth.
SPACES = {
    "nasbench201": "cifar10",
    "nasbench101": "cifar10",
    "transnas-micro": "class_object",
    "darts": "cifar10",
}
DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--space", action="append", choices=sorted(SPACES))
    parser.add_argument("--proxies", default="gennas-combo")
    parser.add_argument("--inputs", default=",".join(batches.MADE))
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print("| space | proxy | input | rho, mean of the batches | lowest to highest | less the first input's |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    with Store(asked.out / "scores.sqlite") as store:
        for space in asked.space or SPACES:
            rows = subset(space, "report", asked.data)[: asked.n]
            truth = np.array([row["truth"][SPACES[space]] for row in rows])
            for proxy in asked.proxies.split(","):
                scores: Dict[str, List[np.ndarray]] = {}
                for name in asked.inputs.split(","):
                    made = name in batches.MADE
                    each = [f"{name}:{seed}" for seed in range(asked.batches)] if made else [name]
                    scores[name] = [_scores(space, rows, proxy, one, store, asked.workers) for one in each]
                    print(_row(space, proxy, name, scores, truth), flush=True)


def _scores(space: str, rows: List[Dict], proxy: str, inputs: str, store: Store, workers: int) -> np.ndarray:
    archs = [row["arch"] for row in rows]
    records = list(scoring.score_many(space, archs, proxy, inputs=inputs, workers=workers, store=store))
    return np.array([record.score for record in sorted(records, key=lambda record: record.index)])


def _row(space: str, proxy: str, name: str, scores: Dict[str, List[np.ndarray]], truth: np.ndarray) -> str:
    first = next(iter(scores))
    found = [_rho(one, truth) for one in scores[name]]
    less = ""
    if name != first:
        draws = np.random.default_rng(0).integers(0, len(truth), (DRAWS, len(truth)))
        differences = [_mean(scores[name], truth, draw) - _mean(scores[first], truth, draw) for draw in draws]
        low, high = np.nanpercentile(differences, [2.5, 97.5])
        less = f"{np.mean(found) - _mean(scores[first], truth, np.arange(len(truth))):+.3f} [{low:+.3f}, {high:+.3f}]"
    cells = (space, proxy, name, f"{np.mean(found):.3f}", f"{min(found):.3f} to {max(found):.3f}", less)
    return "| " + " | ".join(cells) + " |"


def _mean(scores: List[np.ndarray], truth: np.ndarray, draw: np.ndarray) -> float:
    return float(np.mean([_rho(one[draw], truth[draw]) for one in scores]))


def _rho(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(stats.spearmanr(scores, truth).statistic)


if __name__ == "__main__":
    main()
