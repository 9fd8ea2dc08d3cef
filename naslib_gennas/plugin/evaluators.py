"""NASLib's two predictor evaluators, made to hold little, to download nothing and to correlate correctly."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import logging
import math
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import cloudpickle
import numpy as np
import torch
from scipy import stats

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.benchmark import Benchmark
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.measure import register
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.scoring import TASKS
from naslib_gennas.plugin.upstream import plain_json
from naslib_gennas.randomness import derive, isolated

compat.require_naslib()

from naslib.defaults.predictor_evaluator import PredictorEvaluator  # noqa: E402 - after the shims
from naslib.evaluators import ZeroCostPredictorEvaluator  # noqa: E402
from naslib.predictors import ZeroCost  # noqa: E402
from naslib.predictors.predictor import Predictor  # noqa: E402

logger = logging.getLogger(__name__)


def agreement(truth: Sequence[float], scores: Sequence[float]) -> Dict[str, Any]:
    """NASLib's figures of a predictor, under its names: errors, correlations, precision of the best 10 and 20.

    A figure that the sample cannot give (constant scores, infinite ones) is NaN alone, with the reason in the log;
    NASLib's own function makes all of them NaN when one fails.
    """
    y, x = np.asarray(truth, dtype=float), np.asarray(scores, dtype=float)
    figures: Dict[str, Any] = {
        "mae": float(np.mean(np.abs(x - y))),
        "rmse": float(np.sqrt(np.mean((x - y) ** 2))),
        "pearson": abs(_correlation(lambda a, b: np.corrcoef(a, b)[0, 1], x, y)),
        "spearman": _correlation(stats.spearmanr, x, y),
        "kendalltau": _correlation(stats.kendalltau, x, y),
        "kt_2dec": _correlation(stats.kendalltau, np.round(x, 2), y),
        "kt_1dec": _correlation(stats.kendalltau, np.round(x, 1), y),
    }
    for k in (10, 20):
        best_x, best_y = (values > np.sort(values)[max(-len(values), -k - 1)] for values in (x, y))
        figures[f"precision_{k}"] = float(np.sum(best_x & best_y) / k)
    figures["full_ytest"], figures["full_testpred"] = y.tolist(), x.tolist()
    return figures


def _correlation(function: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 2 or len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2 or not np.isfinite([x, y]).all():
        logger.warning("no correlation: scores or accuracies are constant, infinite, or fewer than two")
        return math.nan
    result = function(x, y)
    return float(result[0] if isinstance(result, tuple) else result)


def write_results(path: Path, config: Any, results: Sequence[Mapping[str, Any]]) -> None:
    """Write ``[config, results...]`` as NASLib does, under both names that it uses: scores.json and errors.json."""
    content = json.dumps([config, *results], separators=(",", ":"), default=plain_json)
    for name in ("scores.json", "errors.json"):
        (path / name).write_text(content, encoding="utf-8")


def require_network(benchmark: Benchmark) -> None:
    """Refuse a space whose graphs have no network: NASLib's ZeroCost cannot take them.

    Raises:
        InputError: it is one of those.
    """
    row = benchmark.space.row
    if not row.stages:
        raise InputError(
            f"{row.name}: NASLib has encodings of its architectures only, and ZeroCost needs networks; "
            "naslib_gennas.plugin.predictors with predictor: gennas_combo scores ours of the same architectures"
        )


class LightPredictorEvaluator(PredictorEvaluator):
    """NASLib's PredictorEvaluator on graphs without networks.

    NASLib's own keeps a full network of every architecture of the test and training sets, and thousands of them
    exhaust memory (its issue 142). Architectures are all different here, and drawn from those with known accuracy.

    Args:
        predictor: any predictor of NASLib, or ours.
        config: NASLib's configuration.
        benchmark: the search space with its accuracies.
    """

    def __init__(self, predictor: Any, config: Any, benchmark: Benchmark) -> None:
        super().__init__(predictor, config=config)
        self.benchmark = benchmark

    def adapt_search_space(
        self, search_space: Any, load_labeled: bool, scope: Any = None, dataset_api: Any = None
    ) -> None:
        """As NASLib's, for the TransNAS spaces and others too, which its own refuses."""
        self.search_space = search_space.clone()
        self.scope = scope if scope else search_space.OPTIMIZER_SCOPE
        self.predictor.set_ss_type(self.search_space.get_type())
        self.load_labeled = load_labeled
        self.dataset_api = dataset_api
        self.full_lc = self.hyperparameters = self.search_space.get_type() != "nasbench101"

    def load_dataset(self, load_labeled: bool = False, data_size: int = 10, arch_hash_map: Any = None) -> Any:
        """Different architectures with their accuracies, none of them in `arch_hash_map`."""
        if load_labeled:
            return super().load_dataset(load_labeled, data_size, {} if arch_hash_map is None else arch_hash_map)
        seen: Dict[Spec, bool] = {} if arch_hash_map is None else arch_hash_map
        # The draw goes on from the numbers of the sets before it, as NASLib's does, without their generator's state.
        specs = [s for s in self.benchmark.sample(data_size + len(seen), int(self.config.seed)) if s not in seen]
        rows: List[Any] = []
        for spec in specs[:data_size]:
            seen[spec] = True
            graph = self.search_space.clone()
            self.benchmark.space.set(graph, spec)
            rows.append((graph, *self.get_full_arch_info(graph)))
        graphs, accuracies, seconds, infos = (list(column) for column in zip(*rows)) if rows else ([], [], [], [])
        return [graphs, accuracies, infos, seconds], seen

    def compare(self, ytest: Sequence[float], test_pred: Sequence[float]) -> Dict[str, Any]:
        """Our own figures under NASLib's names."""
        return agreement(ytest, test_pred)

    def _log_to_json(self) -> None:
        write_results(Path(self.config.save), self.config, self.results[1:])


class LightZeroCostEvaluator(ZeroCostPredictorEvaluator):
    """NASLib's ZeroCostPredictorEvaluator on given architectures; a process has one network alive at a time.

    Args:
        predictor: NASLib's ZeroCost, or a predictor that answers as it does.
        config: NASLib's configuration.
        benchmark: the search space with its accuracies.
        specs: the architectures to score.
        executor: processes that query; None: this one does. The scores are the same.
        settings: of our measures, as for `register`, for those processes.
    """

    def __init__(
        self,
        predictor: Any,
        config: Any,
        benchmark: Benchmark,
        specs: Sequence[Spec],
        executor: Optional[Executor] = None,
        settings: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(predictor, config=config, use_zc_api=False)
        require_network(benchmark)
        self.benchmark = benchmark
        self.specs = list(specs)
        self.executor = executor
        self.settings = settings

    def load_test_data(self) -> Any:
        """The given architectures and their accuracies."""
        accuracies = [self.benchmark.accuracy(spec, self.dataset) for spec in self.specs]
        return [self.specs, accuracies, None, None]

    def single_evaluate(self, test_data: Any, zc_api: Any = None) -> None:
        """Query the predictor for one parsed graph after the other, as NASLib's evaluator does."""
        specs, accuracies, _, _ = test_data
        query = _Query(self.predictor, self.benchmark.space, self.train_loader, int(self.config.seed), self.settings)
        if self.executor is None:
            with settled():
                found = [query(spec) for spec in specs]
        else:
            pickled = cloudpickle.dumps(query)
            waiting = [self.executor.submit(_queried, pickled, spec) for spec in specs]
            found = [future.result() for future in waiting]
        figures = agreement(accuracies, [score for score, _ in found])
        figures["query_time"] = sum(seconds for _, seconds in found) / max(1, len(specs))
        logger.info(
            "dataset: %s, predictor: %s, spearman %.4f, kendalltau %.4f, %.3f s an architecture",
            self.dataset,
            self.predictor.method_type,
            figures["spearman"],
            figures["kendalltau"],
            figures["query_time"],
        )
        self.results.append(figures)

    def _log_to_json(self) -> None:
        write_results(Path(self.config.save), self.config, self.results[1:])


@dataclass(frozen=True)
class _Query:
    """One predictor's question about an architecture, to be asked in any process."""

    predictor: Any
    space: NaslibSpace
    loader: Any
    seed: int
    settings: Optional[Mapping[str, Any]]

    def __call__(self, spec: Spec) -> Tuple[float, float]:
        """The score of the parsed graph of `spec`, and the core-seconds that it took (on a GPU: seconds)."""
        clock = time.perf_counter if torch.cuda.is_available() else time.process_time
        started = clock()
        # Measures that draw numbers must draw the same ones in whatever order and process the architectures come.
        with isolated(derive(self.seed, str(spec))):
            if self.predictor.method_type in TASKS:  # ours need the architecture alone
                score = float(self.predictor.query(self.space.light_graph(spec), dataloader=self.loader))
            else:
                graph = self.space.graph(spec)
                graph.parse()
                score = float(self.predictor.query(graph, dataloader=self.loader))
                del graph
                gc.collect()  # NASLib's graphs are full of cycles, and Python would let many of them pile up
        return max(-1e9, min(1e9, score)), clock() - started


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """One torch thread, and a garbage collector that leaves alone what was there before the block.

    NASLib collects garbage at every query; among all that importing it leaves behind, that takes longer than most of
    its measures.
    """
    threads, mine = torch.get_num_threads(), gc.get_freeze_count() == 0
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if mine:
            gc.unfreeze()


@functools.lru_cache(maxsize=None)
def _settle_worker() -> contextlib.AbstractContextManager[None]:
    block = settled()
    block.__enter__()
    return block  # kept as long as the worker lives


def _queried(pickled: bytes, spec: Spec) -> Tuple[float, float]:
    """What a worker process does."""
    query = _unpacked(pickled)
    _settle_worker()
    return query(spec)


@functools.lru_cache(maxsize=1)
def _unpacked(pickled: bytes) -> _Query:
    """The query, made once for all architectures: making the search space takes longer than most measures."""
    query: _Query = cloudpickle.loads(pickled)
    if query.settings is not None:
        register(**query.settings)
    return query


class ZeroCostOfLists(Predictor):
    """NASLib's ZeroCost for PredictorEvaluator, which asks for a list of unparsed graphs (its own crashes: issue 185).

    Args:
        method_type: a zero-cost measure of NASLib's registry, or flops or params.
        benchmark: makes the network of an architecture.
        loader: what the measure is computed on.
    """

    def __init__(self, method_type: str, benchmark: Benchmark, loader: Any) -> None:
        super().__init__()
        require_network(benchmark)
        self.method_type = method_type
        self.benchmark = benchmark
        self.loader = loader
        self.hpo_wrapper = False
        self.hyperparams = None

    def query(self, xtest: Sequence[Any], info: Any = None) -> np.ndarray:
        """The measure of each graph of a list."""
        return np.array([self._query(self.benchmark.space.of(graph)) for graph in xtest])

    def _query(self, spec: Spec) -> float:
        graph = self.benchmark.space.graph(spec)
        graph.parse()
        score = float(ZeroCost(self.method_type).query(graph, dataloader=self.loader))
        del graph
        gc.collect()
        return score
