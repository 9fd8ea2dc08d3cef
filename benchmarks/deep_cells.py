"""What tells deep cells of one width and depth apart: DARTS, and the records of NDS that have the same of both.

    python benchmarks/deep_cells.py FOLDER [--spaces darts,nds-darts-in] [--n 45] [--seed 0]

FOLDER holds ground truth. Prints Spearman's rho of the regression loss, of both formulas of `gennas-plus`, of what an
untrained network shows without and with the patterns of its normal cell, and of these. Architectures of one width and
depth are a group, the largest first until there are `n`; rho is the mean over the groups, weighted by their size.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from typing import Any, Dict, Hashable, List

import numpy as np

from naslib_gennas import proxies, spaces
from naslib_gennas.proxies.gennas_plus import CELL_WEIGHT
from naslib_gennas.regression import profiles
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.truth import benchmarks
from naslib_gennas.truth.labels import rho
from naslib_gennas.truth.sampling import draw

#: A group of fewer has no order to speak of.
LEAST = 5
SPACES = "darts,nds-darts-in,nds-pnas-in,nds-amoeba-in,nds-nasnet-in"
COLUMNS = ("loss", "cells, trained", "untrained", "untrained and cell", "progress and units", "normal cell")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of ground truth")
    parser.add_argument("--spaces", default=SPACES)
    parser.add_argument("--n", type=int, default=45)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| space | n | " + " | ".join(COLUMNS) + " |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for one in benchmarks.find(options.spaces.split(","), options.folders)[0]:
        truth = next(iter(one.truths.values()))
        groups: Dict[Hashable, List[Any]] = defaultdict(list)
        for arch in draw(one.space, len(one.shared.texts), options.seed, one.shared):
            groups[getattr(arch, "width", None), getattr(arch, "depth", None)].append(arch)
        found: List[List[float]] = []
        sizes: List[int] = []
        for archs in sorted(groups.values(), key=len, reverse=True):
            archs = archs[: options.n - sum(sizes)] if len(groups) == 1 else archs
            if sum(sizes) < options.n and len(archs) >= LEAST:
                rows = [scores(one.space, arch, options.seed) for arch in archs]
                values = [truth.better(truth.texts[one.space.format(arch)]) for arch in archs]
                found.append([rho([row[name] for row in rows], values) for name in COLUMNS])
                sizes.append(len(archs))
        means = np.average(found, axis=0, weights=[size - 1 for size in sizes])
        print(f"| {one.space.name} | {sum(sizes)} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |", flush=True)


def scores(space: Any, arch: Any, seed: int) -> Dict[str, float]:
    """The columns of an architecture."""
    profile = profiles.get()
    chosen = proxies.get("gennas-plus", profile)
    batch = Scorer.of(space, "gennas-plus", seed=seed).batch
    network = spaces.build(space, arch, profile, seed)
    loss = -proxies.get("gennas-combo", profile).score(network, batch, seed).value
    network.fixed_skeleton = True
    untrained = chosen.score(network, batch, seed)
    network.fixed_skeleton = False
    differing = chosen.score(network, batch, seed)
    patterns = untrained.details["cell patterns"]
    without = untrained.value - CELL_WEIGHT * math.log(max(patterns, 1.0))
    return {
        "loss": -loss,
        "cells, trained": without - loss,
        "untrained": without,
        "untrained and cell": untrained.value,
        "progress and units": differing.value,
        "normal cell": patterns,
    }


if __name__ == "__main__":
    main()
