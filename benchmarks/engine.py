"""What the engine adds to the scoring itself: in this process, on two workers, on a local Dask cluster.

    python benchmarks/engine.py --profile fast --n 64

Printed, for each way: seconds an architecture, and what it adds to the scoring itself, in milliseconds and percent: of
the clock (against a plain loop in one process; only on a machine with nothing else to do), and of the cores' time (all
processes of the way, less what the scores themselves took; also on a busy machine, on Linux). And the throughput of two
workers over that of one. Workers are started, and have scored some architectures, before the clock runs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import torch

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.scoring import cluster
from naslib_gennas.truth import sampling


def plain(space: Any, archs: List[Any], proxy: Any) -> float:
    """Seconds that a plain loop takes."""
    batch = proxy.batch("cnn", "photos")
    started = time.perf_counter()
    for arch in archs:
        proxy.measure(spaces.build(space, arch, proxy.profile, 0), batch.to("cpu"), 0)
    return time.perf_counter() - started


def children(pid: int) -> List[int]:
    """All descendants of a process."""
    try:
        lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    found = [int(child) for text in lists for child in text.split()]
    return found + [one for child in found for one in children(child)]


def core_seconds() -> float:
    """Processor time of this process and its descendants so far."""
    ticks = 0
    for pid in children(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def through_engine(
    space: Any, archs: List[Any], proxy: Any, executor: Optional[Executor]
) -> Tuple[float, float, float]:
    """Seconds that the engine takes with a new store; core-seconds of the scores, and those beyond."""
    with tempfile.TemporaryDirectory() as folder:
        before, started = core_seconds(), time.perf_counter()
        workers = 1 if executor is None else None
        store = Path(folder) / "scores.sqlite"
        records = list(scoring.score_many(space, archs, proxy, workers=workers, executor=executor, store=store))
        seconds, used = time.perf_counter() - started, core_seconds() - before
    assert len(records) == len(archs) and all(record.status == "ok" for record in records)
    scored = sum(record.seconds for record in records)
    return seconds, scored, used - scored


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
    drawn = sampling.draw(space, 2 * options.n + 8, 0)
    archs = [arch for arch in drawn if not space.untrainable(arch)][: options.n]
    few = archs[:6]
    plain(space, few, proxy)
    alone = [plain(space, archs, proxy)]
    here = [through_engine(space, archs, proxy, None)]
    alone.append(plain(space, archs, proxy))
    here.append(through_engine(space, archs, proxy, None))
    base = min(alone) / len(archs)
    result: Dict[str, Any] = {"profile": proxy.profile.name, "n": len(archs), "plain_seconds": base}
    ways: Dict[str, Tuple[float, float, float]] = {"in this process": min(here)}
    with scoring.Pool(1) as pool:
        through_engine(space, few, proxy, pool)
        ways["1 worker"] = through_engine(space, archs, proxy, pool)
    with scoring.Pool(2) as pool:
        through_engine(space, few, proxy, pool)
        ways["2 workers"] = through_engine(space, archs, proxy, pool)
    if options.dask:
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
            with cluster.executor(local.scheduler_address) as executor:
                through_engine(space, few, proxy, executor)
                ways["Dask, 2 workers"] = through_engine(space, archs, proxy, executor)
    print(
        f"{proxy.name} ({proxy.profile.name}), {len(archs)} of {space.name}: {base * 1000:.1f} ms each in a plain loop"
    )
    for way, (seconds, scored, extra) in ways.items():
        at_once = 2 if "2 workers" in way else 1
        added, more = seconds * at_once / len(archs) - base, extra / len(archs)
        result[way] = {
            "seconds": seconds / len(archs),
            "added_ms": added * 1000,
            "added_percent": 100 * added / base,
            "added_core_ms": more * 1000,
            "added_core_percent": 100 * extra / scored,
        }
        print(
            f"{way}: {seconds / len(archs) * 1000:.1f} ms, {added * 1000:+.1f} ms ({100 * added / base:+.1f}%); "
            f"core time {more * 1000:+.2f} ms ({100 * extra / scored:+.2f}%)"
        )
    result["speedup"] = ways["1 worker"][0] / ways["2 workers"][0]
    print(f"two workers do {result['speedup']:.2f} times the work of one")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
