"""`gennas-fewshot` from 10, 20 and 50 labels, beside every single proxy and NASLib's predictors with the same labels.

    python benchmarks/fewshot.py describe --data FOLDER --out OUT [--space SPACE]
    python benchmarks/fewshot.py rivals --data FOLDER --out OUT [--space SPACE]    # with NASLib on the import path
    python benchmarks/fewshot.py report --data FOLDER --out OUT [--space SPACE] [--scores SCORES.sqlite]

Tested on the subset `report` of benchmarks/frontier.py, on which nothing was chosen; labels are drawn from up to 300
other architectures of the benchmark's sample, none of them isomorphic to a tested one, ten times. `describe` appends
the features of an architecture a line to OUT/features.jsonl and `rivals` a predictor's figures a line to
OUT/rivals.jsonl: what is there already is not computed again. `report` prints Markdown; SCORES is the store of
benchmarks/compare.py.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from compare import SPACES
from frontier import read, subset

from naslib_gennas import spaces
from naslib_gennas.proxies import ranker as rankers
from naslib_gennas.regression import batches, profiles
from naslib_gennas.scoring.store import Store
from naslib_gennas.truth import metrics
from naslib_gennas.truth.labels import rho

POOL, REPEATS, LABELS = 300, 10, (10, 20, 50)
#: The spaces that are compared, and what NASLib calls those whose architectures its predictors encode.
NASLIB = {"nasbench201": "nasbench201", "nasbench101": "nasbench101", "darts": None, "transnas-micro": None}
RIVALS = ("xgb", "gp", "seminas")


def tested(space: str, data: Path) -> List[Dict[str, Any]]:
    return subset(space, "report", data)[: SPACES[space][0]]


def pool(space: str, data: Path) -> List[Dict[str, Any]]:
    """The architectures that labels are drawn from: those that nothing was chosen on first."""
    found = spaces.get(space)
    seen = {found.key(found.parse(row["arch"])) for row in tested(space, data)}
    rest = [subset(space, "others", data), subset(space, "report", data)[SPACES[space][0] :]]
    rows = [row for part in (*rest, *(subset(space, name, data) for name in ("choose", "reference"))) for row in part]
    kept = []
    for row in rows:
        key = found.key(found.parse(row["arch"]))
        if key not in seen and len(kept) < POOL:
            seen.add(key)
            kept.append(row)
    return kept


def draws(rows: Sequence[Dict[str, Any]], dataset: str) -> Iterator[List[Dict[str, Any]]]:
    """The labelled architectures of each repeat; fewer labels are the first ones of more."""
    known = [row for row in rows if row["truth"].get(dataset) is not None]
    for repeat in range(REPEATS):
        order = np.random.default_rng((201, repeat)).permutation(len(known))
        yield [known[index] for index in order[: max(LABELS)]]


def describe(asked: argparse.Namespace) -> None:
    profile = profiles.get()
    assert profile.images is not None
    batch = batches.get("photos", profile.images, profile.resolution)
    path = asked.out / "features.jsonl"
    done = {(row["space"], row["arch"]) for row in read(path)}
    for space in asked.space or NASLIB:
        found = spaces.get(space)
        for row in [*tested(space, asked.data), *pool(space, asked.data)]:
            if (space, row["arch"]) in done:
                continue
            arch, start = found.parse(row["arch"]), time.process_time()
            features: Optional[Dict[str, float]] = None
            if not found.untrainable(arch):
                score = rankers.describe(spaces.build(found, arch, profile, 0), batch, 0, profile)
                features = dict(score.details) if score.status == "ok" else None
            line = {"space": space, "arch": row["arch"], "seconds": time.process_time() - start, "features": features}
            with open(path, "a") as file:
                file.write(json.dumps(line) + "\n")


def rivals(asked: argparse.Namespace) -> None:
    """NASLib's predictors, trained on 20 labels and tested as ours."""
    from naslib_gennas.plugin import compat, predictors
    from naslib_gennas.plugin.graph_space import NaslibSpace
    from naslib_gennas.plugin.notations import cell_101, spec_101

    compat.require_naslib()
    from naslib import utils

    path = asked.out / "rivals.jsonl"
    done = {(row["space"], row["predictor"], row["repeat"]) for row in read(path)}
    for space, name in NASLIB.items():
        if name is None or space not in (asked.space or NASLIB):
            continue
        theirs, own = NaslibSpace(name), spaces.get(space)

        def graph(row: Dict[str, Any], theirs: Any = theirs, own: Any = own) -> Any:
            spec = theirs.row.from_native(own.parse(row["arch"]))
            if own.name == "nasbench101":
                # NASLib encodes cells of seven vertices only: the others get vertices without edges.
                cell = cell_101(spec)
                matrix, ops = np.array(cell["matrix"]), list(cell["ops"])
                while len(ops) < 7:
                    matrix = np.insert(np.insert(matrix, -1, 0, axis=0), -1, 0, axis=1)
                    ops.insert(-1, "maxpool3x3")
                spec = spec_101(matrix, ops)
            return theirs.light_graph(spec)

        rows = tested(space, asked.data)
        truth, test = [row["truth"]["cifar10"] for row in rows], [graph(row) for row in rows]
        makers = predictors.naslib_predictors(SimpleNamespace(hparams_from_file=False, search_space=name))
        for repeat, drawn in enumerate(draws(pool(space, asked.data), "cifar10")):
            labelled = drawn[:20]
            for key in RIVALS:
                if (space, key, repeat) in done:
                    continue
                start = time.process_time()
                utils.set_seed(repeat)
                predictor = makers[key]()
                predictor.set_ss_type(name)
                train, rng = [graph(row) for row in labelled], np.random.default_rng(repeat)
                needs = predictor.get_data_reqs()
                count = len(train) * needs["unlabeled_factor"] if needs["unlabeled"] else 0
                predictor.pre_compute(train, test, [theirs.light_graph(theirs.sample(rng)) for _ in range(count)])
                predictor.fit(train, np.array([row["truth"]["cifar10"] for row in labelled]), [None] * len(train))
                predictions = np.asarray(predictor.query(test, [None] * len(test)), dtype=float).reshape(-1)
                value = rho(predictions, truth) if np.ptp(predictions) else 0.0
                line = {
                    "space": space,
                    "predictor": key,
                    "repeat": repeat,
                    "rho": value,
                    "seconds": time.process_time() - start,
                }
                with open(path, "a") as file:
                    file.write(json.dumps(line) + "\n")


def report(asked: argparse.Namespace) -> None:
    features = {(row["space"], row["arch"]): row["features"] for row in read(asked.out / "features.jsonl")}
    beside = list(read(asked.out / "rivals.jsonl"))
    for space in asked.space or NASLIB:
        rows, others = tested(space, asked.data), pool(space, asked.data)
        if any((space, row["arch"]) not in features for row in (*rows, *others)):
            print(f"\n{space}: not described yet")
            continue
        for dataset in rows[0]["truth"] if space in ("nasbench201", "nasbench101") else SPACES[space][2]:
            print(f"\n### {space}, {dataset}: {len(rows)} tested, {len(others)} to draw labels from\n")
            print("| ranking | labels | Spearman rho | deviation | least, most | less gennas-plus's | above it |")
            print("| --- " * 7 + "|")
            for line in lines(space, dataset, rows, others, features, beside):
                print(line)
            if asked.scores:
                print(f"\nsingle proxies: {singles(space, dataset, rows, asked.scores)}")
    costs = [row["seconds"] for row in read(asked.out / "features.jsonl") if row["features"]]
    print(f"\n{np.mean(costs):.2f} core-seconds per architecture, {len(costs)} architectures")


def lines(
    space: str,
    dataset: str,
    rows: Sequence[Dict[str, Any]],
    others: Sequence[Dict[str, Any]],
    features: Dict[Tuple[str, str], Any],
    beside: Sequence[Dict[str, Any]],
) -> Iterator[str]:
    rows = [row for row in rows if row["truth"].get(dataset) is not None]
    truth, known = [row["truth"][dataset] for row in rows], [features[space, row["arch"]] for row in rows]
    plain = [entry[rankers.PRIOR] if entry else -math.inf for entry in known]
    free = rho(plain, truth)
    estimate = metrics.spearman(plain, truth)
    yield f"| gennas-plus | 0 | {free:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] | | | | |"
    for count in LABELS:
        orders = []
        for drawn in draws(others, dataset):
            usable = [row for row in drawn[:count] if features[space, row["arch"]]]
            values = [row["truth"][dataset] for row in usable]
            ranker = rankers.fit([features[space, row["arch"]] for row in usable], values)
            predictions = iter(ranker.predict([entry for entry in known if entry]))
            orders.append([next(predictions) if entry else -math.inf for entry in known])
        yield _line("gennas-fewshot", count, [rho(order, truth) for order in orders], free, gain(orders, plain, truth))
    for key in RIVALS if dataset == "cifar10" else ():
        found = [row["rho"] for row in beside if (row["space"], row["predictor"]) == (space, key)]
        if found:
            yield _line(f"NASLib's {key}", 20, found, free)


def gain(orders: Sequence[Sequence[float]], plain: Sequence[float], truth: Sequence[float]) -> str:
    """By how much the draws' mean rho is above that of `plain`, with its 95% bootstrap interval over architectures."""
    x, y = np.array([plain, *orders]), np.array(truth)
    picks = np.random.default_rng(0).integers(0, len(y), (500, len(y)))
    drawn = [[rho(row, y[pick]) for row in x[:, pick]] for pick in (np.arange(len(y)), *picks)]
    differences = [float(np.mean(rhos[1:])) - rhos[0] for rhos in drawn]
    low, high = np.percentile(differences[1:], [2.5, 97.5])
    return f"{differences[0]:+.3f} [{low:+.3f}, {high:+.3f}]"


def _line(name: str, count: int, found: Sequence[float], free: float, gained: str = "") -> str:
    mean, deviation = float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else math.nan
    above = sum(value > free for value in found)
    return (
        f"| {name} | {count} | {mean:.3f} | {deviation:.3f} | {min(found):.3f}, {max(found):.3f} | {gained} | "
        f"{above} of {len(found)} |"
    )


def singles(space: str, dataset: str, rows: Sequence[Dict[str, Any]], path: Path) -> str:
    """Spearman's rho of every proxy that has a score of each of these architectures in a store, best first."""
    found, truth = spaces.get(space), [row["truth"][dataset] for row in rows if row["truth"].get(dataset) is not None]
    archs = [found.parse(row["arch"]) for row in rows if row["truth"].get(dataset) is not None]
    by_proxy: Dict[str, Dict[str, float]] = {}
    with Store(path) as store:
        for row in store.rows(space=space):
            by_proxy.setdefault(row["proxy"], {})[row["key"]] = row["score"] if row["status"] == "ok" else -math.inf
    figures = {}
    for name, scores in by_proxy.items():
        values = [scores.get(found.key(arch), -math.inf if found.untrainable(arch) else math.nan) for arch in archs]
        if not any(math.isnan(value) for value in values):
            figures[name] = rho(values, truth)
    return ", ".join(f"{name} {value:.3f}" for name, value in sorted(figures.items(), key=lambda entry: -entry[1]))


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("describe", describe), ("rivals", rivals), ("report", report)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--space", nargs="+", choices=list(NASLIB))
        if name == "report":
            command.add_argument("--scores", type=Path)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.run(asked)


if __name__ == "__main__":
    main()
