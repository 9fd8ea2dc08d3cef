"""Table 1 of arXiv:2108.01899: which single signal, at which stage, ranks NAS-Bench-101 architectures.

    python benchmarks/table1.py --data FOLDER/benchmarks/nasbench101.json --n 100 --stage 3

The file has the set `gennas_500`, the architectures of the paper's experiments. Printed: Spearman's rho of each signal
with the CIFAR-10 accuracy, with its interval, best first. The paper's order at stage 3: sin1d-H and dot-100 far above
gdot-100 and sin1d-L. Scores are kept in `--store`, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from naslib_gennas import files
from naslib_gennas.regression import tasks
from naslib_gennas.studies import ranking
from naslib_gennas.truth.metrics import difference

USUAL = ("dot-100", "sin1d-H", "gdot-100", "sin1d-L")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="nasbench101.json with the set gennas_500")
    parser.add_argument("--signals", nargs="+", default=list(USUAL), choices=tasks.SINGLE_SIGNALS, metavar="SIGNAL")
    parser.add_argument("--stage", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--store", type=Path, help="keep scores in this file")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    found = {}
    for signal in options.signals:
        found[signal] = ranking.rank(
            "nasbench101",
            f"gennas-{signal}@{options.stage}",
            options.n,
            truth=f"{options.data}:gennas_500.cifar10_test_acc",
            seed=options.seed,
            profile=options.profile,
            workers=options.workers,
            store=options.store,
        )
        print(f"{signal}@{options.stage}: rho {found[signal].spearman}", flush=True)
    ordered = sorted(found, key=lambda signal: -found[signal].spearman.value)
    rows = {signal: {row.arch: row for row in found[signal].architectures} for signal in ordered}
    archs = sorted(rows[ordered[0]])
    truth = [rows[ordered[0]][arch].truth for arch in archs]
    best = [rows[ordered[0]][arch].score for arch in archs]
    content = []
    print(f"\nStage {options.stage}, {options.profile} profile, n = {len(archs)}, seed {options.seed}")
    for signal in ordered:
        ranked = found[signal]
        behind = difference("spearman", best, [rows[signal][arch].score for arch in archs], truth)
        cost = ranked.core_seconds / ranked.n
        print(f"{signal:10s} rho {ranked.spearman}  tau {ranked.kendall}  behind the first {behind}  {cost:.2f} core-s")
        about = {"signal": signal, "spearman": ranked.spearman.to_json(), "kendall": ranked.kendall.to_json()}
        content.append({**about, "behind_first": behind.to_json(), "core_seconds": cost})
    if options.json is not None:
        settings = {key: getattr(options, key) for key in ("stage", "n", "profile", "seed")}
        files.write_json(options.json, {**settings, "signals": content})


if __name__ == "__main__":
    main()
