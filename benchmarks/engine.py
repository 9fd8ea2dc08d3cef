"""What the engine adds to the scoring itself: in this process, on two workers, on a local Dask cluster.

    python benchmarks/engine.py --profile fast --n 64

On a machine with nothing else to do. Printed, for each way: seconds an architecture, what it adds to the scoring
itself (a plain loop in one process), in milliseconds and percent; and the throughput of two workers over that of one.
Workers are started, and have scored some architectures, before the clock runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Dict, List, Optional

import torch

from naslib_gennas import engine, images, proxies, ranking, spaces


def plain(space: Any, archs: List[Any], proxy: Any) -> float:
    """Seconds that a plain loop takes."""
    batch = images.load("photos", proxy.images, proxy.profile.resolution)
    started = time.perf_counter()
    for arch in archs:
        proxy.measure(spaces.build(space, arch, proxy.profile, 0), batch.clone(), 0)
    return time.perf_counter() - started


def through_engine(space: Any, archs: List[Any], proxy: Any, executor: Optional[Executor]) -> float:
    """Seconds that the engine takes, with a new store."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        workers = 1 if executor is None else None
        store = Path(folder) / "scores.sqlite"
        records = list(engine.score_many(space, archs, proxy, workers=workers, executor=executor, store=store))
        seconds = time.perf_counter() - started
    assert len(records) == len(archs) and all(record.status == "ok" for record in records)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--proxy", default="gennas-combo")
    parser.add_argument("--profile", default=None)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--dask", action="store_true", help="also on a local Dask cluster of two processes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, proxy = spaces.get(options.space), proxies.get(options.proxy, options.profile)
    drawn = ranking.draw(space, 2 * options.n + 8, 0)
    archs = [arch for arch in drawn if not space.untrainable(arch)][: options.n]
    few = archs[:6]
    plain(space, few, proxy)
    alone = [plain(space, archs, proxy)]
    here = [through_engine(space, archs, proxy, None)]
    alone.append(plain(space, archs, proxy))
    here.append(through_engine(space, archs, proxy, None))
    base = min(alone) / len(archs)
    result: Dict[str, Any] = {"profile": proxy.profile.name, "n": len(archs), "plain_seconds": base}
    ways = {"in this process": min(here)}
    with engine.Pool(1) as pool:
        through_engine(space, few, proxy, pool)
        ways["1 worker"] = through_engine(space, archs, proxy, pool)
    with engine.Pool(2) as pool:
        through_engine(space, few, proxy, pool)
        ways["2 workers"] = through_engine(space, archs, proxy, pool)
    if options.dask:
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
            with engine.cluster(local.scheduler_address) as executor:
                through_engine(space, few, proxy, executor)
                ways["Dask, 2 workers"] = through_engine(space, archs, proxy, executor)
    print(
        f"{proxy.name} ({proxy.profile.name}), {len(archs)} of {space.name}: {base * 1000:.1f} ms each in a plain loop"
    )
    for way, seconds in ways.items():
        at_once = 2 if "2 workers" in way else 1
        added = seconds * at_once / len(archs) - base
        result[way] = {"seconds": seconds / len(archs), "added_ms": added * 1000, "added_percent": 100 * added / base}
        print(f"{way}: {seconds / len(archs) * 1000:.1f} ms, {added * 1000:+.1f} ms ({100 * added / base:+.1f}%)")
    result["speedup"] = ways["1 worker"] / ways["2 workers"]
    print(f"two workers do {result['speedup']:.2f} times the work of one")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
