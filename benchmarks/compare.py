"""Every proxy on every space with ground truth: the tables of docs/notebook/compare.md.

    python benchmarks/compare.py score --data FOLDER --out OUT [--space SPACE] [--n 300] [--proxies a,b,c]
    python benchmarks/compare.py table --data FOLDER --out OUT [--space SPACE]
    python benchmarks/compare.py plot --data FOLDER --out OUT

FOLDER holds `benchmarks/` (ground truth) and `reference/` (published figures). The architectures are the first ones of
the subset `report` of benchmarks/frontier.py, on which no setting was chosen. `score` keeps scores in
OUT/scores.sqlite: what is there is not computed again, an interrupted run goes on, and a proxy more costs no other.
`table` prints Markdown from what is there, with the published figures beside ours; each row says how many
architectures it is about. `plot` draws cost against rho for every space into OUT/proxies.png, with the Pareto front.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from frontier import subset
from matplotlib.ticker import NullFormatter

from naslib_gennas import scoring, spaces
from naslib_gennas.proxies import aggregation
from naslib_gennas.scoring.store import Store
from naslib_gennas.studies import plots
from naslib_gennas.truth import metrics

CNN = (
    "gennas-combo,gennas-plus,params,flops,l2_norm,synflow,logsynflow,jacob_cov,naswot,grad_norm,snip,fisher,plain,epe_nas,zen,zico,"
    "grasp,swap,swap_reg,az_expressivity,az_progressivity,az_trainability,az_complexity,az_nas,meco,ntk_cond,linear_regions,nasi"
)
RNN = "gennas-nlp-combo,gennas-nlp-search,gennas-plus,params,l2_norm,synflow,logsynflow,grad_norm,snip,plain,jacob_cov"
#: Space -> (architectures, proxies, data set -> its name in the paper's tables).
SPACES: Dict[str, Tuple[int, str, Dict[str, Tuple[str, str]]]] = {
    "nasbench201": (
        300,
        CNN + ",rlnas",
        {
            "cifar10": ("nasbench201", "CIFAR-10"),
            "cifar100": ("nasbench201", "CIFAR-100"),
            "ImageNet16-120": ("nasbench201", "ImageNet16-120"),
        },
    ),
    "nasbench101": (
        300,
        CNN,
        {"cifar10": ("nasbench101", "CIFAR-10"), "imagenet": ("nasbench101", "ImageNet")},
    ),
    "darts": (100, CNN + ",rlnas", {"cifar10": ("", "")}),
    "transnas-micro": (100, CNN, {"class_scene": ("", ""), "class_object": ("", "")}),
    "nasbenchnlp": (200, RNN, {"ptb": ("nasbench_nlp", "PTB")}),
}
#: Names of the paper's tables -> what they are here.
FIGURES = (("spearman", "rho"), ("kendall_tau", "tau"), ("retrieval_at_top10pct", "top"))


def published(figures: Dict[str, Any], where: Tuple[str, str], proxy: str) -> str:
    """What the GenNAS paper reports of a proxy, where it does."""
    name = proxy.replace("gennas-nlp-", "").replace("gennas-", "")
    found = [(short, figures[key].get(where[0], {}).get(where[1], {}).get(name)) for key, short in FIGURES]
    return ", ".join(f"{short} {value:.2f}" for short, value in found if value is not None)


def score(asked: argparse.Namespace) -> None:
    with Store(asked.out / "scores.sqlite") as store:
        for space in asked.space or SPACES:
            most, usual, _ = SPACES[space]
            archs = [row["arch"] for row in subset(space, "report", asked.data)][: asked.n or most]
            for name in (asked.proxies or usual).split(","):
                if aggregation.get(name) is not None:  # its parts are there
                    continue
                records = list(scoring.score_many(space, iter(archs), name, workers=asked.workers, store=store))
                new = [record.seconds for record in records if not record.reused and record.seconds]
                print(f"{space} {name}: {len(records)} scored, {len(new)} now, {sum(new):.1f} core-seconds", flush=True)


def stored(space: str, rows: List[Dict[str, Any]], name: str, store: Store) -> List[scoring.Record]:
    """The scores of the first architectures, as far as they are in the store; of an aggregate, those of its parts."""
    combined = aggregation.get(name)
    if combined is not None:
        parts = [stored(space, rows, part, store) for part in combined.parts]
        count = min(map(len, parts))
        values = combined.combine(np.array([[one.score for one in part[:count]] for part in parts])) if count else []
        return [
            dataclasses.replace(
                part[0],
                score=float(value) if math.isfinite(value) else -math.inf,
                seconds=sum(one.seconds for one in part),
            )
            for value, part in zip(values, zip(*parts))
        ]
    found = spaces.get(space)
    keys = {row["key"] for row in store.rows(space=space, proxy=name)}
    archs = []
    for row in rows:
        arch = found.parse(row["arch"])
        if found.key(arch) not in keys and not found.untrainable(arch):
            break
        archs.append(arch)
    if not keys:
        return []
    return list(scoring.score_many(found, iter(archs), name, workers=1, store=store))


def table(asked: argparse.Namespace) -> None:
    figures = json.loads((asked.data / "reference/paper_tables.json").read_text())
    with Store(asked.out / "scores.sqlite") as store:
        for space in asked.space or SPACES:
            most, usual, columns = SPACES[space]
            rows = subset(space, "report", asked.data)[:most]
            scored = {name: stored(space, rows, name, store) for name in (asked.proxies or usual).split(",")}
            for column, where in columns.items():
                print(f"\n### {space}, {column}\n")
                print("| proxy | n | Spearman rho | Kendall tau | top 10% | core-seconds | not ok | published |")
                print("| --- " * 8 + "|")
                for name, records in scored.items():
                    if records:
                        print(line(name, records, rows, column, published(figures, where, name)), flush=True)


def line(name: str, records: List[scoring.Record], rows: List[Dict[str, Any]], column: str, known: str) -> str:
    """A proxy's row of a table."""
    pairs = [(record.score, row["truth"].get(column)) for record, row in zip(records, rows)]
    scores, truth = zip(*[(score, value) for score, value in pairs if value is not None])
    costs = {record.key: record.seconds for record in records if record.status != "untrainable"}
    bad = Counter(record.status for record in records if record.status != "ok")
    measured = (metrics.spearman(scores, truth), metrics.kendall(scores, truth), metrics.retrieval(scores, truth, 10.0))
    cells: List[str] = [name, str(len(scores)), *map(two, measured), f"{sum(costs.values()) / len(costs):.2g}"]
    return "| " + " | ".join([*cells, ", ".join(f"{n} {status}" for status, n in bad.items()), known]) + " |"


def plot(asked: argparse.Namespace) -> None:
    """Cost against rho, a panel a space (its first data set): what no other beats at its cost is named and joined."""
    made, axes = plots.figure(4.6, 3.8, 2, 3)
    with Store(asked.out / "scores.sqlite") as store:
        for axis, (space, (most, usual, columns)) in zip(axes.ravel(), SPACES.items()):
            rows = subset(space, "report", asked.data)[:most]
            column = next(iter(columns))
            points: List[Tuple[float, float, str]] = []
            for name in usual.split(","):
                records = stored(space, rows, name, store)
                known = [(r.score, row["truth"][column]) for r, row in zip(records, rows) if column in row["truth"]]
                if len(known) < 30:
                    continue
                costs = {record.key: record.seconds for record in records if record.status != "untrainable"}
                rho = metrics.spearman(*zip(*known)).value
                points.append((sum(costs.values()) / len(costs), rho, name))
            best = -math.inf
            front = []
            for cost, rho, name in sorted(points):
                if rho > best:
                    best = rho
                    front.append((cost, rho))
                ours, ahead = name.startswith("gennas"), (cost, rho) in front
                axis.plot(cost, rho, "o" if ours else ".", color="tab:red" if ours else "tab:blue" if ahead else "0.6")
                axis.annotate(
                    name, (cost, rho), xytext=(3, 3), textcoords="offset points", fontsize=7 if ours or ahead else 5
                )
            if front:
                axis.step(*zip(*front), where="post", color="tab:blue", linewidth=0.8, linestyle="--")
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.margins(x=0.2)  # names stand to the right of their points
            axis.set_title(f"{space}, {column}, n up to {most}", fontsize=10)
            axis.set_xlabel("core-seconds per architecture")
            axis.set_ylabel("Spearman rho")
            axis.grid(alpha=0.3)
    for axis in axes.ravel()[len(SPACES) :]:
        axis.set_axis_off()
    print(plots.save(made, asked.out / "proxies.png"))


def two(estimate: metrics.Estimate) -> str:
    """An estimate with two digits, as the published figures have."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("score", "table", "plot"):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--out", type=Path, required=True)
        if name != "plot":
            command.add_argument("--space", nargs="+", choices=list(SPACES))
            command.add_argument("--proxies")
        if name == "score":
            command.add_argument("--n", type=int)
            command.add_argument("--workers", type=int)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    {"score": score, "table": table, "plot": plot}[asked.command](asked)


if __name__ == "__main__":
    main()
