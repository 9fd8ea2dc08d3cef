"""What scoring costs, and how it agrees with the published code.

    python benchmarks/scoring.py --reference FOLDER/reference --space nasbench201 --profile paper
    python benchmarks/scoring.py --throughput --space nasbench201 --profile fast --n 32
    python benchmarks/scoring.py --share --space nasbench201 --profile fast --n 100

FOLDER/reference holds `authors_nasbench201.json`, `authors_nasbench101.json` (losses and seconds of the authors' code
on 60 architectures each, two seeds) and `authors_input_batch.npy`. Printed: core-seconds per architecture, ours and
theirs (their seconds were taken with two threads on two cores: twice that is core-seconds); the Spearman correlation of
our final losses with theirs, beside that of their two seeds; our rho with the trained accuracy beside theirs; the ratio
of the mean losses. `--throughput` compares one worker with two, on a machine with nothing else to do. `--share` takes
the time of whole scores, and of the forward passes, backward passes and updates that they are made of alone: what is
left is building networks, targets, evaluation's switches, records and the engine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

import torch

from naslib_gennas import files, proxies, scoring, spaces
from naslib_gennas.regression import maps, profiles, tasks
from naslib_gennas.regression.flat_sgd import FlatSGD
from naslib_gennas.truth import sampling
from naslib_gennas.truth.metrics import spearman

# In the reference files: the key of a task's losses, and of those of the second seed where there are any.
LOSSES = {"gennas-combo": ("combo_losses", "combo_losses_seed1"), "gennas-search-N": ("search_N_losses", None)}


def against_reference(options: argparse.Namespace) -> Dict[str, Any]:
    """Score the architectures of the reference file, one thread, one after another."""
    space = spaces.get(options.space)
    proxy = proxies.get(options.proxy, profiles.get(options.profile))
    batch = proxy.batch("cnn", str(options.reference / "authors_input_batch.npy"))
    content = json.loads((options.reference / f"authors_{options.space}.json").read_text(encoding="utf-8"))
    rows = content["architectures"][: options.n]
    key, second = LOSSES[options.proxy]
    ours, seconds = [], []
    for index, row in enumerate(rows, start=1):
        started = time.process_time()
        network = spaces.build(space, space.parse(row["arch"]), proxy.profile, options.seed)
        score = proxy.measure(network, batch, options.seed)
        seconds.append(time.process_time() - started)
        ours.append(-score.value)
        print(
            f"{index}/{len(rows)}: loss {ours[-1]:.4f}, theirs {row[key][-1]:.4f}, {seconds[-1]:.2f} core-seconds",
            flush=True,
        )
    theirs = [row[key][-1] for row in rows]
    truth = [row["cifar10_test_acc"] for row in rows]
    their_seconds = [2 * row["seconds_2_threads"] for row in rows if "seconds_2_threads" in row]
    result: Dict[str, Any] = {
        "space": options.space,
        "proxy": options.proxy,
        "profile": proxy.profile.name,
        "seed": options.seed,
        "n": len(rows),
        "core_seconds": statistics.mean(seconds),
        "authors_core_seconds": statistics.mean(their_seconds),
        "losses_agree": spearman(ours, theirs).to_json(),
        "rho": spearman([-loss for loss in ours], truth).to_json(),
        "authors_rho": spearman([-loss for loss in theirs], truth).to_json(),
        "mean_loss_ratio": statistics.mean(ours) / statistics.mean(theirs),
        "median_loss_ratio": statistics.median(a / b for a, b in zip(ours, theirs)),
    }
    if second is not None:
        other = [row[second][-1] for row in rows]
        result["authors_seeds_agree"] = spearman(theirs, other).to_json()
        result["authors_rho_second_seed"] = spearman([-loss for loss in other], truth).to_json()
    result["times_cheaper"] = result["authors_core_seconds"] / result["core_seconds"]
    return result


def throughput(options: argparse.Namespace) -> Dict[str, Any]:
    """Architectures a second with one and with two worker processes, their start not counted."""
    space = spaces.get(options.space)
    proxy = proxies.get(options.proxy, profiles.get(options.profile))
    drawn = sampling.draw(space, 2 * options.n, options.seed)
    archs = [arch for arch in drawn if space.untrainable(arch) is None][: options.n]
    rates: Dict[str, Any] = {"space": options.space, "proxy": options.proxy, "profile": proxy.profile.name}
    for workers in (1, 2):
        with scoring.Pool(workers) as pool:
            # Workers load torch and the input batch before the clock starts.
            list(scoring.score_many(space, archs[: 2 * workers], proxy, executor=pool, workers=workers, seed=10**6))
            started = time.perf_counter()
            records: List[scoring.Record] = list(
                scoring.score_many(space, archs, proxy, executor=pool, workers=workers, seed=options.seed)
            )
            wall = time.perf_counter() - started
        rates[f"workers_{workers}"] = len(records) / wall
        rates[f"core_seconds_{workers}"] = statistics.mean(record.seconds for record in records)
    rates["gain"] = rates["workers_2"] / rates["workers_1"]
    rates["n"] = len(archs)
    return rates


def share(options: argparse.Namespace) -> Dict[str, Any]:
    """What part of a score's time is not the network's own forward, backward and update. The two take turns."""
    space = spaces.get(options.space)
    proxy = proxies.get(options.proxy, profiles.get(options.profile))
    task = tasks.get(options.proxy[len("gennas-") :])
    batch = proxy.batch("cnn", "photos")
    drawn = sampling.draw(space, 2 * options.n, options.seed)
    archs = [arch for arch in drawn if space.untrainable(arch) is None][: options.n]
    whole, alone = [], []
    for arch in [archs[0], *archs]:  # the first one warms up
        started = time.process_time()
        list(scoring.score_many(space, [arch], proxy, workers=1, seed=options.seed))
        whole.append(time.process_time() - started)
        alone.append(_training_alone(space, arch, proxy.profile, task, batch.tensor, options.seed))
    return {
        "space": options.space,
        "profile": proxy.profile.name,
        "n": len(archs),
        "core_seconds": statistics.mean(whole[1:]),
        "core_seconds_of_training": statistics.mean(alone[1:]),
        "share_of_the_rest": 1 - sum(alone[1:]) / sum(whole[1:]),
    }


def _training_alone(space: Any, arch: Any, profile: Any, task: Any, batch: torch.Tensor, seed: int) -> float:
    network = spaces.build(space, arch, profile, seed)
    goals = tasks.targets(task, batch, profile.target_size, seed)
    heads = maps.Heads(network.stage_channels, goals, task.weights())
    goals = [goal.contiguous(memory_format=torch.channels_last) for goal in goals]
    for module in (network, heads):
        module.to(memory_format=torch.channels_last)
    batch = batch.contiguous(memory_format=torch.channels_last)
    steps = profile.steps_for(network.norm_depth, task.noise.level > 0)
    records = profile.average if profile.average > 1 else steps // profile.record_every

    def loss() -> torch.Tensor:
        pairs = zip(task.weights(), heads(network(batch)), goals)
        return sum(weight * torch.nn.functional.mse_loss(output, goal) for weight, output, goal in pairs)

    seconds = 0.0
    optimizer = None
    for _ in range(steps):
        started = time.process_time()
        loss().backward()
        seconds += time.process_time() - started
        if optimizer is None:
            reached = [p for module in (network, heads) for p in module.parameters() if p.grad is not None]
            optimizer = FlatSGD(reached, 0.1, 0.9, 4e-5)
        started = time.process_time()
        optimizer.step()
        seconds += time.process_time() - started
    network.eval(), heads.eval()
    with torch.no_grad():
        started = time.process_time()
        for _ in range(records):
            loss()
        return seconds + time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="folder with the authors' losses and input batch")
    parser.add_argument("--throughput", action="store_true", help="compare one worker with two instead")
    parser.add_argument("--share", action="store_true", help="what part of a score's time is not training")
    parser.add_argument("--space", default="nasbench201", choices=["nasbench201", "nasbench101"])
    parser.add_argument("--proxy", default="gennas-combo", choices=sorted(LOSSES))
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--n", type=int, default=60, help="architectures at the most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    if not (options.throughput or options.share) and options.reference is None:
        parser.error("--reference FOLDER is needed (or --throughput, or --share)")
    torch.set_num_threads(1)
    measure = throughput if options.throughput else share if options.share else against_reference
    result = measure(options)
    print(files.to_json(result))
    if options.json is not None:
        files.write_json(options.json, result)


if __name__ == "__main__":
    main()
