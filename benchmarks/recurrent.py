"""Recurrent networks: the cost of a training beside that of its matrix products, and trained against fixed matrices.

    python benchmarks/recurrent.py products --data FOLDER --count 10
    python benchmarks/recurrent.py matrices --data FOLDER --count 40 --profile fast
    python benchmarks/recurrent.py agreement --data FOLDER --scores nlp.jsonl

`products` trains NAS-Bench-NLP recipes, and runs the matrix products of the same training alone: same shapes, same
order, weight gradients of all time steps in one product. Short trainings and products alternate, so that a busy
machine slows both. `matrices` ranks the recipes with the matrices between nodes fixed, as they are by default, and
trained. `agreement` compares the final losses that `frontier.py score --space nasbenchnlp --subset reference` wrote
with the authors'. FOLDER holds `benchmarks/nasbench_nlp.json.gz` and `reference/authors_nasbench_nlp.json`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import torch
from scipy.stats import spearmanr

from naslib_gennas import proxies, spaces
from naslib_gennas.networks.recurrent import RecurrentNetwork
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.sequences import regress_sequences
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.truth.metrics import spearman

SPACE = spaces.get("nasbenchnlp")
#: A product's matrix, its rows, inner dimension and columns; products of one matrix share operands.
Product = Tuple[str, int, int, int]


def reference(data: Path, count: int) -> List[Dict[str, Any]]:
    """The recipes that the authors' code was run on, with its losses and core-seconds."""
    with gzip.open(data / "benchmarks" / "nasbench_nlp.json.gz", "rt") as file:
        recipes = {row["id"]: SPACE.parse(row["recipe"]) for row in json.load(file)}
    entries = json.loads((data / "reference" / "authors_nasbench_nlp.json").read_text())["architectures"][:count]
    return [{**entry, "recipe": recipes[entry["id"]]} for entry in entries]


def products(network: RecurrentNetwork, length: int, batch: int, dimension: int, backward: bool) -> List[Product]:
    """The matrix products of one step in the order that the recurrence imposes: forward, and backward if asked for."""
    rows = length * batch
    found: List[Product] = []

    def over_time(name: str, inputs: int, outputs: int, to_input: bool = True) -> None:
        found.append((name, rows, inputs, outputs))
        if backward:
            found.append((f"{name} weight", outputs, rows, inputs))
            found.extend([(f"{name} input", rows, outputs, inputs)] * to_input)

    over_time("encoder", dimension, network.embedding, to_input=False)
    over_time("decoder", network.embedding, dimension)
    for number, layer in enumerate(network.layers):
        for place, matrix in enumerate(layer.inputs):
            over_time(f"{number} x {place}", matrix.shape[1], matrix.shape[0])
        for _ in range(1 + backward):
            for moment in range(length):
                for step in layer.plan.steps:
                    for matrix, source in enumerate(step.sources, step.first) if step.op == "linear" else ():
                        # The first hidden states are zero: nothing is to be multiplied.
                        if moment or source >= layer.plan.states:
                            found.append((f"{number} {matrix}", batch, layer.width, layer.width))
    return found


def runner(step: List[Product], evaluation: List[Product], profile: Profile) -> Callable[[], None]:
    """Runs the products of a training into memory that is there already."""
    operands = {
        product: (torch.randn(product[1:3]), torch.randn(product[2:4]), torch.empty(product[1], product[3]))
        for product in (*step, *evaluation)
    }
    ready = [[operands[product] for product in wanted] for wanted in (step, evaluation)]

    def run() -> None:
        for index in range(1, profile.steps + 1):
            for which in (0, 1) if index % profile.record_every == 0 else (0,):
                for one, other, out in ready[which]:
                    torch.mm(one, other, out=out)

    return run


def core_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare_products(arguments: argparse.Namespace) -> None:
    profile = profiles.get(arguments.profile).replace(steps=arguments.steps, sequence_steps=None, record_every=10)
    ratios = []
    for entry in reference(arguments.data, arguments.count):
        for name in ("nlp-search", "nlp-combo"):
            task = tasks.get(name)
            batch = proxies.get(f"gennas-{name}", profile).images
            network = spaces.build(SPACE, entry["recipe"], profile, 0)
            assert isinstance(network, RecurrentNetwork)
            sizes = (task.length, batch, task.stages[0].channels)
            alone = runner(products(network, *sizes, True), products(network, *sizes, False), profile)
            pairs = []
            for _ in range(arguments.rounds):
                fresh = spaces.build(SPACE, entry["recipe"], profile, 0)
                training = partial(regress_sequences, fresh, torch.empty(batch, 0), task, profile, 0)
                pairs.append((core_seconds(training), core_seconds(alone)))
            trained, multiplied = (min(times) for times in zip(*pairs))
            ratios.append(trained / multiplied)
            print(
                f"{entry['id']:5d} {name:11s} training {trained:.2f} s, products {multiplied:.2f} s, "
                f"ratio {ratios[-1]:.2f} ({profile.steps} steps of {batch} sequences)",
                flush=True,
            )
    print(f"ratio: median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}")


def loss(recipe: Any, task: ProxyTask, profile: Profile, batch: int, train_matrices: bool = False) -> float:
    network = spaces.build(SPACE, recipe, profile, 0)
    if train_matrices:
        network.requires_grad_(True)
    return regress_sequences(network, torch.empty(batch, 0), task, profile, 0).loss


def compare_matrices(arguments: argparse.Namespace) -> None:
    profile = profiles.get(arguments.profile)
    entries = reference(arguments.data, arguments.count)
    truth = [entry["ptb_test_loss"] for entry in entries]
    for name in ("nlp-search", "nlp-combo"):
        task, batch = tasks.get(name), proxies.get(f"gennas-{name}", profile).images
        authors = [entry[f"{name.replace('-', '_')}_losses"][-1] for entry in entries]
        print(f"{name}: {len(entries)} recipes; authors: rho {spearmanr(authors, truth)[0]:.3f}", flush=True)
        for train in (False, True):
            start = time.process_time()
            ours = [loss(entry["recipe"], task, profile, batch, train) for entry in entries]
            print(
                f"  matrices {'trained' if train else 'fixed'}: rho {spearmanr(ours, truth)[0]:.3f}, with the authors' "
                f"losses {spearmanr(ours, authors)[0]:.3f}, {(time.process_time() - start) / len(ours):.2f} "
                f"core-seconds a recipe (authors: {statistics.mean(e['core_seconds'] for e in entries):.1f})",
                flush=True,
            )


def compare_authors(arguments: argparse.Namespace) -> None:
    authors = {SPACE.key(entry["recipe"]): entry for entry in reference(arguments.data, 40)}
    truth = {key: entry["ptb_test_loss"] for key, entry in authors.items()}
    groups: Dict[str, Dict[str, Any]] = {}
    for line in arguments.scores.read_text().splitlines():
        row = json.loads(line)
        key = SPACE.key(SPACE.parse(row["arch"]))
        if row["subset"] == "reference" and key in authors:
            groups.setdefault(row["name"], {})[key] = row
    for name, rows in sorted(groups.items()):
        task = "nlp_search_losses" if "nlp-search" in name else "nlp_combo_losses"
        keys = list(rows)
        columns = {
            "the authors' losses": ([-rows[k]["score"] for k in keys], [authors[k][task][-1] for k in keys]),
            "Penn Treebank": ([-rows[k]["score"] for k in keys], [truth[k] for k in keys]),
            "Penn Treebank, authors": ([authors[k][task][-1] for k in keys], [truth[k] for k in keys]),
        }
        seconds = statistics.mean(rows[k]["seconds"] for k in keys)
        print(f"{name}: {len(keys)} recipes, {seconds:.2f} core-seconds each")
        for label, (one, other) in columns.items():
            rho = spearman(one, other)
            print(f"  rho with {label}: {rho.value:.3f} [{rho.low:.3f}, {rho.high:.3f}]")


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["products", "matrices", "agreement"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--steps", type=int, default=40, help="steps of a short training (products)")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the quickest counts (products)")
    parser.add_argument("--scores", type=Path, help="what frontier.py wrote (agreement)")
    arguments = parser.parse_args()
    commands = {"products": compare_products, "matrices": compare_matrices, "agreement": compare_authors}
    commands[arguments.what](arguments)


if __name__ == "__main__":
    main()
