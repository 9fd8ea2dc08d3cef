"""How good the architectures are that a search finds, beside random search with the same budget.

    python benchmarks/search.py --space nasbench201 --truth analog-nasbench --seeds 5 --store scores.sqlite
    python benchmarks/search.py --space nasbench101 --truth FOLDER/nasbench101.json:uniform_1500 --seeds 5

Printed for each seed, and as means: the true value of the architecture found, the best of the table, the quantile that
it reaches in the table, what the search would have found without finalists, the seconds of search; for evolution and
for random search. Where the table holds only a part of the space, the architecture found is often not in it; then the
truth of the best one that is stands in for it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from naslib_gennas import spaces
from naslib_gennas import truth as truths
from naslib_gennas.studies import search


def judged(course: Any, table: Any) -> Optional[Dict[str, Any]]:
    """What a course found, or its next best that the table has: its truth, its quantile, its place; and the cost.

    `before` is the truth of what the search would have returned without finalists.
    """
    by_score = sorted(course.steps, key=lambda step: -step.score)
    ordered = [*course.finalists, *by_score]
    known = next((one for one in ordered if one.truth is not None), None)
    if known is None:
        return None
    values = np.array([table.better(value) for value in (table.texts or table.keys).values()])
    return {
        "arch": known.arch,
        "truth": known.truth,
        "quantile": float((values <= table.better(known.truth)).mean()),
        "place": ordered.index(known) + 1,
        "before": next(step.truth for step in by_score if step.truth is not None),
        "finalists": len(course.finalists),
        "seconds": course.wall_seconds,
        "core_seconds": course.core_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--truth", default="analog-nasbench")
    parser.add_argument("--proxy", default=None)
    parser.add_argument("--profile", default=None)
    parser.add_argument("--evaluations", type=int, default=450)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--finalists", type=int, help="how many; None: a fifth of the evaluations")
    parser.add_argument("--no-control", action="store_true", help="without random search")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    space = spaces.get(options.space)
    table = truths.load(options.truth, space)
    results: Dict[str, List[Dict[str, Any]]] = {"evolution": [], "random": []}
    for seed in range(options.seeds):
        found = search.search(
            space,
            proxy=options.proxy,
            evaluations=options.evaluations,
            finalists=options.finalists,
            control=not options.no_control,
            seed=seed,
            profile=options.profile,
            workers=options.workers,
            truth=table,
            store=options.store,
        )
        for course in (found.course, found.control):
            one = None if course is None else judged(course, table)
            if one is not None and course is not None:
                results[course.method].append({"seed": seed, **one})
                print(
                    f"seed {seed}, {course.method}: {one['truth']:.3f} of {table.best:.3f} (quantile "
                    f"{one['quantile']:.4f}; its choice {one['place']}; without finalists {one['before']:.3f}), "
                    f"{one['seconds']:.0f} s",
                    flush=True,
                )
    for method, rows in results.items():
        if rows:
            values, seconds = [row["truth"] for row in rows], [row["seconds"] for row in rows]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            before = statistics.mean(row["before"] for row in rows)
            print(
                f"{method}: {statistics.mean(values):.3f} +- {spread:.3f}, regret "
                f"{abs(table.best - statistics.mean(values)):.3f} (without finalists "
                f"{abs(table.best - before):.3f}), {statistics.mean(seconds):.0f} s a search"
            )
    if options.json:
        content = {"best": table.best, "evaluations": options.evaluations, **results}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
