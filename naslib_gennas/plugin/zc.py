"""NASLib's zero-cost runner: ZeroCost through ZeroCostPredictorEvaluator, with our measures among NASLib's.

    python -m naslib_gennas.plugin.zc --config-file examples/configs/zc_nasbench201.yaml

``predictor: NAME`` runs one measure; ``predictors: [NAME, ...]`` runs several on the same architectures.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from concurrent.futures import Executor
from typing import Any, Dict, List, Mapping, Optional, Sequence

from naslib_gennas.plugin import config
from naslib_gennas.plugin.benchmark import Benchmark
from naslib_gennas.plugin.predictors import OURS, ZERO_COST, compare
from naslib_gennas.scoring import pool

DEFAULTS: Mapping[str, Any] = {
    "config_type": "zc",
    "search_space": "nasbench201",
    "dataset": "cifar10",
    "predictor": "gennas_plus",
    "test_size": 40,
    "train_portion": 0.7,
    "batch_size": 256,
    "cutout": False,
    "cutout_length": 16,
    "cutout_prob": 1.0,
    "out_dir": "run",
    "seed": 0,
    "truth": "",
    "gennas_workers": 0,
}


def run(argv: Sequence[str]) -> List[Dict[str, Any]]:
    """Run what a NASLib command line describes; gives the figures of each measure."""
    known = sorted([*OURS, *ZERO_COST])
    settings = config.read(argv, "zc", DEFAULTS, {"predictor": known, "predictors": known})
    names = list(getattr(settings, "predictors", [])) or [settings.predictor]
    workers = config.value_of(settings, "gennas_workers", 0) or pool.cores()
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(pool.Pool(workers)) if workers > 1 else None
        return compare(names, settings, functools.partial(evaluate, executor=executor))


def evaluate(name: str, settings: Any, benchmark: Benchmark, executor: Optional[Executor] = None) -> Dict[str, Any]:
    """Run one measure through NASLib's ZeroCost and zero-cost evaluator; gives its figures."""
    from naslib import utils
    from naslib.predictors import ZeroCost

    from naslib_gennas.plugin.evaluators import LightZeroCostEvaluator

    specs = benchmark.sample(settings.test_size, settings.seed)
    utils.set_seed(settings.seed)
    evaluator = LightZeroCostEvaluator(
        ZeroCost(method_type=name), settings, benchmark, specs, executor, config.settings_of(settings)
    )
    evaluator.adapt_search_space(benchmark.light_graph(), load_labeled=False, dataset_api=benchmark.dataset_api)
    results: List[Dict[str, Any]] = evaluator.evaluate(None)
    return results[-1]


def main() -> int:
    """`python -m naslib_gennas.plugin.zc`."""
    return config.command(run)


if __name__ == "__main__":
    sys.exit(main())
