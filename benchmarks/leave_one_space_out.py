"""One rule for all search spaces: weights of proxies, found on all spaces but one and judged on that one, in turn.

    gennas leaderboard --truth-folder FOLDER --proxies gennas-plus,gennas-combo,swap,meco --out board
    python benchmarks/leave_one_space_out.py board/result.json --parts gennas-plus,gennas-combo,swap,meco

A rule is a weighted sum of scores, each standardised over the sample (what ``zsum:A+B`` does with equal weights). All
weights of the grid are tried; what is tried is counted. Spaces that a part cannot score are left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from naslib_gennas.proxies import aggregation
from naslib_gennas.truth import significance


def main() -> None:
    options = arguments()
    parts = options.parts.split(",")
    content = json.loads(options.result.read_text(encoding="utf-8"))
    spaces = {space["space"]: read(space, parts) for space in content["spaces"]}
    spaces = {name: found for name, found in spaces.items() if found is not None}
    grid = [float(level) for level in options.levels.split(",")]
    rules = np.array([weights for weights in itertools.product(grid, repeat=len(parts)) if any(weights)])
    table = np.array([[rho(weights @ scores, truths) for weights in rules] for scores, truths in spaces.values()])
    print(f"{len(rules)} rules, {len(spaces)} spaces; parts {', '.join(parts)}")
    equal = [rho(scores.sum(0), truths) for scores, truths in spaces.values()]
    first = [rho(scores[0], truths) for scores, truths in spaces.values()]
    found = []
    print(f"| left out | n | rule of the others | its rho | equal weights | {parts[0]} |")
    print("| --- " * 6 + "|")
    for place, (name, (scores, _)) in enumerate(spaces.items()):
        best = int((table.sum(0) - table[place]).argmax())
        found.append(float(table[place, best]))
        rule = ", ".join(f"{weight:g}" for weight in rules[best])
        print(f"| {name} | {scores.shape[1]} | {rule} | {found[-1]:.2f} | {equal[place]:.2f} | {first[place]:.2f} |")
    print(f"| mean | | | {np.mean(found):.3f} | {np.mean(equal):.3f} | {np.mean(first):.3f} |")
    for name, rhos in (("rule of the others", found), ("equal weights", equal)):
        won = sum(a > b for a, b in zip(rhos, first))
        p = significance.wilcoxon(rhos, first)
        print(f"{name} above {parts[0]} on {won} of {len(first)} spaces; Wilcoxon p = {p:.2f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="result.json of a leaderboard")
    parser.add_argument("--parts", required=True, help="proxies, the first is what the rules are compared with")
    parser.add_argument("--levels", default="0,0.5,1", help="weights that a part may have")
    return parser.parse_args()


def read(space: Dict[str, Any], parts: Sequence[str]) -> Any:
    """Standardised scores (parts, architectures), and the truths, higher is better; None without one of the parts."""
    rows = [one["scores"] for one in space["architectures"]]
    if not all(part in row for row in rows for part in parts):
        return None
    raw = [[-math.inf if row[part] is None else row[part] for row in rows] for part in parts]
    scores = np.array([standardised(np.array(one, dtype=float)) for one in raw])
    truths: List[Tuple[np.ndarray, np.ndarray]] = []
    for one in space["data_sets"]:
        sign = 1.0 if one["truth"]["higher_is_better"] else -1.0
        known = [index for index, value in enumerate(one["values"]) if value is not None]
        truths.append((np.array(known), np.array([sign * one["values"][index] for index in known])))
    return scores, truths


def standardised(scores: np.ndarray) -> np.ndarray:
    """In standard deviations; what ranks last is well below the lowest."""
    finite = scores[np.isfinite(scores)]
    if not len(finite) or finite.std() == 0:
        return np.where(np.isfinite(scores), 0.0, -10.0)
    return np.where(np.isfinite(scores), (scores - finite.mean()) / finite.std(), -10.0)


def rho(scores: np.ndarray, truths: Sequence[Tuple[np.ndarray, np.ndarray]]) -> float:
    """Spearman's rho, the mean over the data sets."""
    found = []
    for known, truth in truths:
        a, b = aggregation.ranks(scores[known]), aggregation.ranks(truth)
        found.append(float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0)
    return float(np.mean(found))


if __name__ == "__main__":
    main()
