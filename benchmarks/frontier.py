"""Cost against rank correlation: score fixed subsets of a benchmark's sample under many settings, plot the frontier.

    python benchmarks/frontier.py score --space nasbench201 --subset choose --proxy gennas-combo \\
        --profile paper --set steps=50 --seed 0 --data FOLDER --out frontier.jsonl
    python benchmarks/frontier.py report --data FOLDER --out frontier.jsonl --plot docs/notebook/frontier.png

`score` appends a line an architecture (resumable: what is there already is not scored again); `report` prints a row a
setting: core-seconds per architecture and Spearman's rho with its 95% interval for every data set. FOLDER holds
`benchmarks/` (ground truth) and `reference/` (the authors' own losses and times).

Subsets never overlap: settings are chosen on `choose`, figures are reported on `report`; `reference` are the
architectures that the authors' code was run on, `others` are the rest.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch

from naslib_gennas import proxies, spaces
from naslib_gennas.regression import profiles

#: How many architectures of a benchmark's sample settings are chosen on, and figures reported on.
SUBSETS = {"nasbench201": (150, 300), "nasbench101": (120, 300), "nasbenchnlp": (100, 200)}


def subset(space: str, which: str, data: Path) -> List[Dict[str, Any]]:
    """The architectures of a subset: ``{"arch": text, "truth": {data set: value, higher is better}}`` each."""
    rows = _sample(space, data)
    reference = _reference(space, data)
    keys = {entry["arch"] for entry in reference}
    if which == "reference":
        known = {row["arch"]: row["truth"] for row in rows}
        return [{**entry, "truth": {**known.get(entry["arch"], {}), **entry["truth"]}} for entry in reference]
    others = [row for row in rows if row["arch"] not in keys]
    order = np.random.default_rng(2108).permutation(len(others))
    chosen, reported = SUBSETS.get(space, (0, len(others)))
    parts = {
        "choose": order[:chosen],
        "report": order[chosen : chosen + reported],
        "others": order[chosen + reported :],
    }
    indices = parts[which]
    return [others[i] for i in indices]


def _sample(space: str, data: Path) -> List[Dict[str, Any]]:
    folder = data / "benchmarks"
    if space == "nasbench201":
        names = ("cifar10", "cifar100", "ImageNet16-120")
        with open(folder / "nasbench201.csv", newline="") as file:
            return [
                {"arch": row["arch"], "truth": {name: float(row[f"{name}_test_acc"]) for name in names}}
                for row in csv.DictReader(file)
            ]
    if space == "nasbench101":
        table = json.loads((folder / "nasbench101.json").read_text())
        return [
            {"arch": _specification(matrix, ops), "truth": {"cifar10": accuracy, "imagenet": imagenet}}
            for matrix, ops, accuracy, imagenet in table["gennas_500"]
        ]
    if space.startswith("transnas"):
        with open(folder / f"transnas101_{space.split('-')[1]}.csv", newline="") as file:
            return [
                {"arch": row.pop("arch"), "truth": {name: float(value) for name, value in row.items()}}
                for row in csv.DictReader(file)
            ]
    if space == "darts":
        with open(folder / "darts.csv", newline="") as file:
            return [
                {"arch": row["genotype"], "truth": {"cifar10": float(row["cifar10_valid_acc"])}}
                for row in csv.DictReader(file)
            ]
    if space == "nasbenchnlp":
        with gzip.open(folder / "nasbench_nlp.json.gz", "rt") as file:
            return [
                {"arch": json.dumps(row["recipe"]), "truth": {"ptb": -row["ptb_test_loss"]}} for row in json.load(file)
            ]
    raise SystemExit(f"no sample of {space} at hand")


def _reference(space: str, data: Path) -> List[Dict[str, Any]]:
    path = data / "reference" / f"authors_{space.replace('nasbenchnlp', 'nasbench_nlp')}.json"
    if space == "nasbenchnlp":
        with gzip.open(data / "benchmarks" / "nasbench_nlp.json.gz", "rt") as file:
            recipes = {row["id"]: json.dumps(row["recipe"]) for row in json.load(file)}
        return [
            {"arch": recipes[entry["id"]], "truth": {"ptb": -entry["ptb_test_loss"]}, "authors": entry}
            for entry in json.loads(path.read_text())["architectures"]
        ]
    if space not in ("nasbench201", "nasbench101"):
        return []
    return [
        {
            "arch": entry["arch"]
            if isinstance(entry["arch"], str)
            else _specification(entry["arch"]["matrix"], entry["arch"]["ops"]),
            "truth": {"cifar10": entry["cifar10_test_acc"]},
            "authors": entry,
        }
        for entry in json.loads(path.read_text())["architectures"]
    ]


def _specification(matrix: Any, ops: Any) -> str:
    return json.dumps({"matrix": matrix, "ops": ops})


def score(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    space = spaces.get(arguments.space)
    profile: Optional[profiles.Profile] = None
    if arguments.profile:
        profile = profiles.get(arguments.profile)
        changes = dict(entry.split("=", 1) for entry in arguments.set)
        if changes:
            values = {key: json.loads(value) if value != "None" else None for key, value in changes.items()}
            profile = profile.replace(**values)
    proxy = proxies.get(arguments.proxy, profile)
    name = arguments.name or " ".join([arguments.proxy, arguments.profile or "", *arguments.set]).strip()
    batch = proxy.batch(space.kind, arguments.inputs.replace("DATA", str(arguments.data)))
    rows = subset(arguments.space, arguments.subset, arguments.data)[: arguments.n]
    done = {(row["space"], row["subset"], row["name"], row["seed"], row["arch"]) for row in read(Path(arguments.out))}
    with open(arguments.out, "a") as out:
        for row in rows:
            identity = (arguments.space, arguments.subset, name, arguments.seed, row["arch"])
            if identity in done:
                continue
            arch = space.parse(row["arch"])
            start, wall = time.process_time(), time.perf_counter()
            fault = space.untrainable(arch)
            result = None
            if not fault:
                network = spaces.build(space, arch, proxy.profile, arguments.seed)
                result = proxy.measure(network, batch, arguments.seed)
            line = {
                **dict(zip(("space", "subset", "name", "seed", "arch"), identity)),
                "score": result.value if result and np.isfinite(result.value) else None,
                "losses": list(result.details.get("losses", [])) if result else [],
                "trace": list(result.details.get("trace", [])) if result else [],
                "seconds": time.process_time() - start,
                "wall": time.perf_counter() - wall,
                "truth": row["truth"],
            }
            out.write(json.dumps(line) + "\n")
            out.flush()


def read(path: Path) -> Iterator[Dict[str, Any]]:
    if path.exists():
        with open(path) as file:
            for line in file:
                yield json.loads(line)


def correlation(scores: Sequence[Optional[float]], truth: Sequence[float]) -> Tuple[float, float, float]:
    """Spearman's rho and its 95% bootstrap interval; a missing score ranks last."""
    values = np.array([-np.inf if score is None else score for score in scores])
    target = np.asarray(truth, dtype=float)
    draws = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    with np.errstate(invalid="ignore"):
        low, high = np.nanpercentile([_rho(values[d], target[d]) for d in draws], [2.5, 97.5])
    return _rho(values, target), float(low), float(high)


def _rho(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def table(arguments: argparse.Namespace) -> List[Dict[str, Any]]:
    groups: Dict[Tuple[str, str, str, int], List[Dict[str, Any]]] = {}
    for row in read(Path(arguments.out)):
        groups.setdefault((row["space"], row["subset"], row["name"], row["seed"]), []).append(row)
    found = []
    for (space, which, name, seed), rows in sorted(groups.items()):
        if arguments.subset and which != arguments.subset or arguments.space and space != arguments.space:
            continue
        for dataset in rows[0]["truth"]:
            known = [row for row in rows if row["truth"].get(dataset) is not None]
            rho = correlation([row["score"] for row in known], [row["truth"][dataset] for row in known])
            found.append(
                {
                    "space": space,
                    "subset": which,
                    "name": name,
                    "seed": seed,
                    "dataset": dataset,
                    "n": len(known),
                    "seconds": float(np.mean([row["seconds"] for row in rows])),
                    "rho": rho,
                }
            )
    return found


def report(arguments: argparse.Namespace) -> None:
    rows = table(arguments)
    for row in rows:
        low, high = row["rho"][1:]
        print(
            f"{row['space']:12} {row['subset']:9} {row['name']:60} seed {row['seed']} "
            f"{row['dataset']:15} n={row['n']:<4}"
            f" {row['seconds']:8.3f} core-s  rho {row['rho'][0]:.3f} [{low:.3f}, {high:.3f}]"
        )
    if arguments.plot:
        plot(rows, arguments)


def plot(rows: List[Dict[str, Any]], arguments: argparse.Namespace) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = sorted({(row["space"], row["dataset"]) for row in rows})
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * lines + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    names = sorted({row["name"] for row in rows})
    handles: Dict[str, Any] = {}
    for axes, (space, dataset) in zip(grid, panels):
        for index, name in enumerate(names):
            mine = [r for r in rows if (r["space"], r["dataset"], r["name"]) == (space, dataset, name)]
            if mine:
                rho = [row["rho"][0] for row in mine]
                seconds = [row["seconds"] for row in mine]
                axes.errorbar(
                    np.mean(seconds),
                    np.mean(rho),
                    yerr=[
                        [np.mean([r["rho"][0] - r["rho"][1] for r in mine])],
                        [np.mean([r["rho"][2] - r["rho"][0] for r in mine])],
                    ],
                    fmt="os^Dv"[index // 10 % 5],
                    color=f"C{index % 10}",
                    label=name,
                    capsize=2,
                    markersize=5,
                )
        if arguments.data and dataset == "cifar10" and space in ("nasbench201", "nasbench101"):
            entries = _reference(space, arguments.data)
            cost = np.mean([2 * entry["authors"]["seconds_2_threads"] for entry in entries])
            truth = [entry["truth"]["cifar10"] for entry in entries]
            for key in ("combo_losses", "combo_losses_seed1"):
                value = _rho(np.array([-entry["authors"][key][-1] for entry in entries]), np.array(truth))
                axes.plot(
                    cost,
                    value,
                    "k*",
                    markersize=9,
                    label="authors' code, combo (60 architectures)" if key == "combo_losses" else None,
                )
        axes.set_xscale("log")
        axes.set_xlabel("core-seconds per architecture")
        axes.set_ylabel("Spearman rho")
        axes.set_title(f"{space}, {dataset}", fontsize=10)
        axes.grid(alpha=0.3)
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=7)
    figure.savefig(arguments.plot, dpi=110)


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("score")
    scoring.add_argument("--space", default="nasbench201")
    scoring.add_argument("--subset", choices=("choose", "report", "others", "reference"), default="choose")
    scoring.add_argument("--proxy", default="gennas-combo")
    scoring.add_argument("--profile")
    scoring.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="fields of the profile to change")
    scoring.add_argument("--seed", type=int, default=0)
    scoring.add_argument("--n", type=int)
    scoring.add_argument("--inputs", default="photos")
    scoring.add_argument("--name")
    reporting = commands.add_parser("report")
    reporting.add_argument("--plot")
    reporting.add_argument("--space")
    reporting.add_argument("--subset")
    for command in (scoring, reporting):
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--out", default="frontier.jsonl")
    parsed = parser.parse_args(arguments)
    (score if parsed.command == "score" else report)(parsed)


if __name__ == "__main__":
    main(sys.argv[1:])
