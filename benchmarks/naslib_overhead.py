"""How the NASLib plugin does against real NASLib: agreement of its routes, cost of its graph path, memory.

    python benchmarks/naslib_overhead.py agreement --truth nasbench201.csv:cifar10_test_acc
    python benchmarks/naslib_overhead.py overhead
    python benchmarks/naslib_overhead.py memory --count 2000

Needs NASLib on the import path. Every figure is printed as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import torch
from scipy import stats

from naslib_gennas import proxies, spaces
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import benchmark as benchmarks
from naslib_gennas.plugin import compat, predictors, zc
from naslib_gennas.plugin.graph_network import staged_network
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.measure import register
from naslib_gennas.plugin.scoring import GraphScorer, Settings


def agreement(arguments: argparse.Namespace) -> Dict[str, Any]:
    """Rank the same architectures through ZeroCost, through GenNASPredictor and through our own network."""
    names = ["synflow", "jacov", "gennas_combo"]
    config: Dict[str, Any] = {
        "search_space": "nasbench201",
        "dataset": "cifar10",
        "predictors": names,
        "test_size": arguments.count,
        "train_size_single": 3,
        "truth": arguments.truth,
        "seed": 0,
        "gennas_profile": arguments.profile,
    }
    table = benchmarks.load("nasbench201", "cifar10", arguments.truth)
    specs = table.sample(arguments.count, 0)
    proxy = proxies.get("gennas-combo", arguments.profile)
    batch = proxy.batch("cnn", "photos")
    native = []
    for spec in specs:
        arch = table.space.to_native(spec)
        if table.space.untrainable(spec):
            native.append(-1e8)
        else:
            native.append(
                proxy.measure(spaces.build(spaces.get("nasbench201"), arch, proxy.profile, 0), batch, 0).value
            )
    scores: Dict[str, List[float]] = {"native": native}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config["out_dir"] = folder
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")
        evaluated = {row["predictor"]: row for row in zc.run(["--config-file", str(path)])}
        queried = {row["predictor"]: row for row in predictors.run(["--config-file", str(path)])}
    for name, rows in (("ZeroCost", evaluated), ("PredictorEvaluator", queried)):
        scores[name] = rows["gennas_combo"]["full_testpred"]
    if arguments.graph:
        scorer = GraphScorer(Settings(profile=arguments.profile, network="graph"))
        space = NaslibSpace(table.graph, "graph")
        scores["NASLib's graph"] = [max(-1e8, scorer.score_spec(space, spec, "combo").value) for spec in specs]
    routes = list(scores)
    between = {
        f"{a} / {b}": float(stats.spearmanr(scores[a], scores[b])[0])
        for i, a in enumerate(routes)
        for b in routes[i + 1 :]
    }
    figures = ("spearman", "kendalltau", "query_time")
    return {
        "architectures": arguments.count,
        "profile": arguments.profile,
        "between_routes": between,
        "with_truth": {name: {key: row[key] for key in figures} for name, row in evaluated.items()},
        "with_truth_predictor": {name: {key: row[key] for key in figures} for name, row in queried.items()},
        "with_truth_routes": {
            name: float(stats.spearmanr(values, evaluated["gennas_combo"]["full_ytest"])[0])
            for name, values in scores.items()
        },
    }


class Bare(StagedNetwork):
    """A parsed graph, run as it is; recorders set once note the stage feature maps."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        staged = staged_network(graph, 0)
        self.graph, self._channels = staged.graph, staged.stage_channels
        self._maps: List[torch.Tensor] = []
        for edge in ((6, 7), (12, 13), (18, 19)):
            module = self.graph.edges[edge].op
            module.forward = self._recorder(module.forward)

    def _recorder(self, forward: Any) -> Any:
        def record(*args: Any, **kwargs: Any) -> Any:
            self._maps.append(forward(*args, **kwargs))
            return self._maps[-1]

        return record

    @property
    def stage_channels(self) -> List[int]:
        return self._channels

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        self._maps.clear()
        self.graph(x)
        return list(self._maps)


def overhead(arguments: argparse.Namespace) -> Dict[str, Any]:
    """Seconds of a score of a NASLib graph, beside the training of the same module alone and our own network's.

    Bare and graph are timed next to each other, twice, in the order bare-graph-graph-bare: what else the machine does
    falls on both. What a run makes once (the search space, the batch, the targets) is made before the clock starts.
    """
    proxy = proxies.get("gennas-combo", arguments.profile)
    batch = proxy.batch("cnn", "photos")
    space = NaslibSpace("nasbench201", "graph")
    scorers = {name: GraphScorer(Settings(profile=arguments.profile, network=name)) for name in ("graph", "native")}
    quick = proxies.get("gennas-combo", proxy.profile.replace(steps=1))
    for scorer in scorers.values():
        scorer.space(space.fresh())
    quick.measure(staged_network(space.graph((2, 0, 4, 3, 0, 2)), 0), batch, 0)
    rng = np.random.default_rng(0)
    rows = []
    while len(rows) < arguments.count:
        spec = space.sample(rng)
        if space.own_space().untrainable(space.own_space().parse(space.row.to_native(spec))):
            continue
        graph = space.graph(spec)
        row: Dict[str, Any] = {"bare": 0.0, "graph": 0.0, "native": 0.0}
        for name in ("bare", "graph", "graph", "bare", "native"):
            bare = Bare(graph)
            for scorer in scorers.values():
                scorer.forget()
            start = time.thread_time()
            if name == "bare":
                score = proxy.measure(bare, batch, 0)
            else:
                score = scorers[name].score(graph, "combo")
            row[name] += (time.thread_time() - start) / (1 if name == "native" else 2)
            if name != "native":
                assert row.setdefault("score", score.value) == score.value, "both train the same module"
        rows.append(row)
        print(json.dumps({"arch": str(spec), **row}), flush=True)
    names = ("bare", "graph", "native")
    total = {name: sum(row[name] for row in rows) for name in names}
    each = [row["graph"] / row["bare"] - 1 for row in rows]
    draws = np.random.default_rng(0).integers(0, len(rows), (2000, len(rows)))
    sums = [sum(rows[i]["graph"] for i in draw) / sum(rows[i]["bare"] for i in draw) - 1 for draw in draws]
    return {
        "graphs": len(rows),
        "profile": arguments.profile,
        "median_core_seconds": {name: statistics.median(row[name] for row in rows) for name in names},
        "overhead_of_the_sums": total["graph"] / total["bare"] - 1,
        "interval_95": [float(value) for value in np.percentile(sums, [2.5, 97.5])],
        "median_overhead": statistics.median(each),
        "highest_overhead": max(each),
    }


def memory(arguments: argparse.Namespace) -> Dict[str, Any]:
    """Growth of the resident memory over a run of many graphs, after the first fifty."""
    from naslib.predictors import ZeroCost

    from naslib_gennas.plugin.evaluators import LightPredictorEvaluator, LightZeroCostEvaluator
    from naslib_gennas.plugin.predictor import GenNASPredictor

    # One step a score: what a run keeps does not depend on how long each network trains.
    settings = {"profile": "fast", "steps": 1, "network": arguments.network}
    register(**settings)
    space = NaslibSpace("nasbench201", arguments.network)
    graph = space.fresh()
    table = {spec: float(i) for i, spec in enumerate(_distinct(space, arguments.count))}
    benchmarks.answer_from(space, graph, table)
    benchmark = benchmarks.Benchmark(space, graph, None, list(table))
    config: Any = argparse.Namespace(
        **{**predictors.DEFAULTS, "test_size": arguments.count, "train_size_single": 0, "test_data_file": None}
    )
    seen: List[int] = []

    def note() -> None:
        seen.append(_resident())
        if len(seen) % 100 == 0:
            print(json.dumps({"graphs": len(seen), "resident_mb": seen[-1] / 1e6}), flush=True)

    class WatchedZeroCost(ZeroCost):
        def query(self, graph: Any, dataloader: Any = None, info: Any = None) -> float:
            score = super().query(graph, dataloader, info)
            note()
            return float(score)

    class WatchedPredictor(GenNASPredictor):
        def query(self, xtest: Any, info: Any = None, dataloader: Any = None) -> Any:
            if not isinstance(xtest, list):
                score = super().query(xtest)
                note()
                return score
            return np.array([self.query(graph) for graph in xtest])

    with benchmarks.loaders_of_ours(), contextlib.redirect_stderr(io.StringIO()):
        evaluator: Any
        if arguments.route == "zerocost":
            evaluator = LightZeroCostEvaluator(WatchedZeroCost("gennas_combo"), config, benchmark, list(table))
            evaluator.log_results_to_json = False
        else:
            evaluator = LightPredictorEvaluator(
                WatchedPredictor("gennas_combo", candidates=(), **settings), config, benchmark
            )
            evaluator._log_to_json = lambda: None
        evaluator.adapt_search_space(benchmark.light_graph(), load_labeled=False)
        evaluator.evaluate(*([None] if arguments.route == "zerocost" else []))
    return {
        "graphs": len(seen),
        "route": arguments.route,
        "network": arguments.network,
        "after_50_mb": seen[min(49, len(seen) - 1)] / 1e6,
        "at_the_end_mb": seen[-1] / 1e6,
        "growth_mb": (max(seen) - seen[min(49, len(seen) - 1)]) / 1e6,
        "growth_from_the_first_mb": (max(seen) - seen[0]) / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def _distinct(space: NaslibSpace, count: int) -> List[Any]:
    rng, found = np.random.default_rng(0), {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    """Parse the command line and print one figure's JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["agreement", "overhead", "memory"])
    parser.add_argument("--count", type=int, default=None, help="architectures (40, 8 or 2000)")
    parser.add_argument("--truth", default="analog-nasbench", help="table of accuracies, for agreement")
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--network", default="native", choices=["native", "graph"], help="for memory")
    parser.add_argument("--route", default="predictor", choices=["predictor", "zerocost"], help="for memory")
    parser.add_argument("--graph", action="store_true", help="agreement: NASLib's own graphs as a fourth route")
    arguments = parser.parse_args()
    arguments.count = arguments.count or {"agreement": 40, "overhead": 8, "memory": 2000}[arguments.what]
    torch.set_num_threads(1)
    compat.require_naslib()
    print(json.dumps({"agreement": agreement, "overhead": overhead, "memory": memory}[arguments.what](arguments)))


if __name__ == "__main__":
    main()
