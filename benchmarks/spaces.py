"""How well scores agree with a benchmark's ground truth: one line a column of the truth, appended to a CSV.

    python benchmarks/spaces.py darts darts.csv --n 100 --profile fast --proxy gennas-combo --out spaces.csv
    python benchmarks/spaces.py transnas-micro transnas101_micro.csv --n 200 --profile fast --out spaces.csv

Without a column in the truth (FILE:COLUMN) every column of the table is compared; the architectures are scored once.
Scores are kept in --store, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any, Dict, List

from naslib_gennas import spaces, truth
from naslib_gennas.studies import ranking

COLUMNS = (
    "space",
    "proxy",
    "profile",
    "seed",
    "n",
    "truth",
    "spearman",
    "low",
    "high",
    "kendall",
    "kendall_low",
    "kendall_high",
    "not_ok",
    "core_seconds_each",
)


def main() -> None:
    options = arguments()
    space = spaces.get(options.space)
    truths = [truth.load(spec, space) for spec in columns(options.truth)]
    for proxy in options.proxy:
        for seed in options.seed:
            ranked = ranking.rank(
                space,
                proxy,
                options.n,
                truth=truths[0],
                seed=seed,
                profile=options.profile,
                workers=options.workers,
                store=options.store,
            )
            for table in truths:
                write(options.out, row(ranked, table, space, options.profile))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space")
    parser.add_argument("truth", help="a table, FILE or FILE:COLUMN")
    parser.add_argument("--n", type=int, default=100, help="architectures, drawn from the table")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--proxy", nargs="+", default=["gennas-combo"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store", type=Path, help="keeps the scores")
    parser.add_argument("--out", type=Path, default=Path("spaces.csv"), help="rows are appended")
    return parser.parse_args()


def columns(spec: str) -> List[str]:
    """FILE:COLUMN for every column of a table, or the one that `spec` names."""
    path = Path(spec)
    if not path.is_file():
        return [spec]
    return [f"{spec}:{column}" for column in truth.columns(truth.read_table(path))]


def row(ranked: ranking.Ranking, table: truth.Truth, space: Any, profile: str) -> Dict[str, Any]:
    matched = [
        ranking.Ranked(a.arch, a.score, table.of(space, space.parse(a.arch)), a.seconds, a.status)
        for a in ranked.architectures
    ]
    with_truth = ranking.agreement(dataclasses.replace(ranked, architectures=tuple(matched)), table)
    rho, tau = with_truth.spearman, with_truth.kendall
    assert rho is not None and tau is not None
    return {
        "space": ranked.space,
        "proxy": ranked.proxy,
        "profile": profile,
        "seed": ranked.seed,
        "n": ranked.n,
        "truth": table.name,
        **{"spearman": rho.value, "low": rho.low, "high": rho.high},
        **{"kendall": tau.value, "kendall_low": tau.low, "kendall_high": tau.high},
        "not_ok": sum(a.status != "ok" for a in ranked.architectures),
        "core_seconds_each": ranked.core_seconds / max(ranked.n, 1),
    }


def write(path: Path, content: Dict[str, Any]) -> None:
    fresh = not path.is_file()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in content.items()})
    print(
        "  ".join(
            f"{key}={content[key]:.3f}" if isinstance(content[key], float) else str(content[key]) for key in content
        )
    )


if __name__ == "__main__":
    main()
