"""Every NDS space: sampled networks build, train 100 steps, and give finite, distinct scores; memory of a worker.

    python benchmarks/nds.py --n 20 --profile fast --steps 100 --out nds.csv      all spaces
    python benchmarks/nds.py --n 20 --largest 1 --steps 2 --out memory.csv        memory at the paper's setting

A process a space trains its networks one after another, as a worker does. One row a network: score, core-seconds and
the peak memory of the process so far. It ends with code 1 where a space falls short.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from naslib_gennas import proxies, spaces
from naslib_gennas.regression import profiles
from naslib_gennas.spaces.nds_cells import CellNet
from naslib_gennas.spaces.space import build

COLUMNS = ("space", "index", "score", "status", "core_seconds", "peak_megabytes", "parameters", "arch")
MOST_MEGABYTES = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="networks a space")
    parser.add_argument("--largest", type=int, help="train only so many of them, those with the largest feature maps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="training steps, instead of the profile's")
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--space", nargs="+", default=[name for name in spaces.names() if name.startswith("nds-")])
    parser.add_argument("--out", type=Path, default=Path("nds.csv"), help="rows are appended")
    options = parser.parse_args()
    profile = profiles.get(options.profile)
    if options.steps:
        profile = profile.replace(name=f"{profile.name}-{options.steps}", steps=options.steps)
    failed = False
    for name in options.space:
        space = spaces.get(name)
        rng = np.random.default_rng(options.seed)
        archs = [space.sample(rng) for _ in range(options.n)]
        if options.largest:
            archs = sorted(archs, key=activations, reverse=True)[: options.largest]
        rows = []
        with multiprocessing.get_context("spawn").Pool(1) as worker:
            for index, text in enumerate(map(space.format, archs)):
                measured = worker.apply(measure, (name, text, profile))
                rows.append({"space": name, "index": index, **measured, "arch": text})
                write(options.out, rows[-1])
        failed |= not report(name, rows)
    return int(failed)


def activations(arch: Any) -> float:
    """What the size of the feature maps of a network grows with."""
    if isinstance(arch, CellNet):
        return arch.width * arch.depth
    return sum(plan.depth * plan.width / 4**stage for stage, plan in enumerate(arch.stages))


def measure(name: str, text: str, profile: profiles.Profile) -> Dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    space = spaces.get(name)
    proxy = proxies.get("gennas-combo", profile)
    inputs = proxy.batch("cnn", "photos")
    arch = space.parse(text)
    reason = space.untrainable(arch)
    network = build(space, arch, profile, 0)
    started = time.process_time()
    score = proxy.measure(network, inputs, 0)
    return {
        "score": score.value,
        "status": "untrainable" if reason else score.status,
        "core_seconds": round(time.process_time() - started, 2),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def report(name: str, rows: List[Dict[str, Any]]) -> bool:
    scores = [row["score"] for row in rows if row["status"] == "ok"]
    megabytes = max(row["peak_megabytes"] for row in rows)
    untrainable = sum(row["status"] == "untrainable" for row in rows)
    fine = len(scores) + untrainable == len(rows) and np.isfinite(scores).all() and len(set(scores)) == len(scores)
    fine = bool(fine) and megabytes < MOST_MEGABYTES
    seconds = np.mean([row["core_seconds"] for row in rows])
    print(
        f"{name:18s} {len(rows)} networks, {len(set(scores))} distinct finite scores, {untrainable} untrainable, "
        f"at most {megabytes} MB, {seconds:.1f} core-seconds each: {'ok' if fine else 'FALLS SHORT'}",
        flush=True,
    )
    return fine


def write(path: Path, content: Dict[str, Any]) -> None:
    fresh = not path.is_file()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow(content)


if __name__ == "__main__":
    sys.exit(main())
