"""NASLib's predictor runner with our predictors beside all of its own: same YAML, same files, nothing downloaded.

    python -m naslib_gennas.plugin.predictors --config-file examples/configs/predictors_nasbench201.yaml

``predictor: NAME`` runs one; ``predictors: [NAME, ...]`` runs several on the same architectures and compares them.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import benchmark as benchmarks
from naslib_gennas.plugin import compat, config
from naslib_gennas.plugin.benchmark import Benchmark
from naslib_gennas.plugin.measure import register
from naslib_gennas.plugin.scoring import FEW_SHOT, TASKS
from naslib_gennas.regression import tasks

logger = logging.getLogger("naslib_gennas.plugin")

#: What NASLib's predictor_config.yaml has, for files that leave it out.
DEFAULTS: Mapping[str, Any] = {
    "experiment_type": "single",
    "search_space": "nasbench201",
    "dataset": "cifar10",
    "predictor": "gennas_plus",
    "uniform_random": 1,
    "test_size": 40,
    "train_size_single": 10,
    "train_size_list": [5, 8, 14, 24, 42, 71, 121, 205],
    "fidelity_single": 5,
    "fidelity_list": [1, 2, 3, 5, 7, 9, 13, 19, 26, 37, 52, 73],
    "out_dir": "run",
    "max_hpo_time": 0,
    "hparams_from_file": False,
    "seed": 0,
    "truth": "",
    "search": {
        "batch_size": 256,
        "data_size": 25000,
        "cutout": False,
        "cutout_length": 16,
        "cutout_prob": 1.0,
        "train_portion": 0.7,
    },
}

ZERO_COST = "epe_nas fisher flops grad_norm grasp jacov l2_norm nwot params plain snip synflow synflow_bn zen".split()
OURS = tuple(TASKS)


def naslib_predictors(settings: Any) -> Dict[str, Callable[[], Any]]:
    """How to make each of NASLib's model-based and learning-curve predictors, by the keys of its runner."""
    from naslib import predictors as p
    from naslib.search_spaces.core.query_metrics import Metric
    from naslib.utils.encodings import EncodingType as E

    tuned = {"hparams_from_file": settings.hparams_from_file}
    one_hot = {"encoding_type": E.ADJACENCY_ONE_HOT}
    path = {"encoding_type": E.PATH}
    plain = {"hpo_wrapper": False}
    omni: Dict[str, Any] = {"config": settings}
    semi: Dict[str, Any] = {"encoding_type": E.SEMINAS, **plain}
    return {
        "bananas": lambda: p.Ensemble(predictor_type="bananas", num_ensemble=3, hpo_wrapper=True),
        "bayes_lin_reg": lambda: p.BayesianLinearRegression(**one_hot),
        "bohamiann": lambda: p.BOHAMIANN(**one_hot, **tuned),
        "bonas": lambda: p.BonasPredictor(encoding_type=E.BONAS, hpo_wrapper=True),
        "dngo": lambda: p.DNGOPredictor(**one_hot),
        "gcn": lambda: p.GCNPredictor(encoding_type=E.GCN, hpo_wrapper=True),
        "gp": lambda: p.GPPredictor(**one_hot, **tuned),
        "gpwl": lambda: p.GPWLPredictor(
            ss_type=settings.search_space, kernel_type="wloa", optimize_gp_hyper=True, h="auto"
        ),
        "lce": lambda: p.LCEPredictor(metric=Metric.VAL_ACCURACY),
        "lce_m": lambda: p.LCEMPredictor(metric=Metric.VAL_ACCURACY),
        "lcsvr": lambda: p.SVR_Estimator(metric=Metric.VAL_ACCURACY, all_curve=False, require_hyper=False),
        "lgb": lambda: p.LGBoost(**one_hot, **plain),
        "mlp": lambda: p.MLPPredictor(**one_hot, **plain, **tuned),
        "nao": lambda: p.SemiNASPredictor(**semi, semi=False, **tuned),
        "ngb": lambda: p.NGBoost(**one_hot, **plain),
        "rf": lambda: p.RandomForestPredictor(**one_hot, **plain, **tuned),
        "seminas": lambda: p.SemiNASPredictor(**semi, semi=True, **tuned),
        "sotl": lambda: p.SoLosspredictor(metric=Metric.TRAIN_LOSS, sum_option="SoTL"),
        "sotle": lambda: p.SoLosspredictor(metric=Metric.TRAIN_LOSS, sum_option="SoTLE"),
        "sotlema": lambda: p.SoLosspredictor(metric=Metric.TRAIN_LOSS, sum_option="SoTLEMA"),
        "sparse_gp": lambda: p.SparseGPPredictor(**one_hot, optimize_gp_hyper=True),
        "valacc": lambda: p.EarlyStopping(metric=Metric.VAL_ACCURACY),
        "valloss": lambda: p.EarlyStopping(metric=Metric.VAL_LOSS),
        "var_sparse_gp": lambda: p.VarSparseGPPredictor(**one_hot, optimize_gp_hyper=True),
        "xgb": lambda: p.XGBoost(**one_hot, **plain, **tuned),
        "bayes_lin_reg_path": lambda: p.BayesianLinearRegression(**path),
        "bohamiann_path": lambda: p.BOHAMIANN(**path),
        "dngo_path": lambda: p.DNGOPredictor(**path),
        "gp_path": lambda: p.GPPredictor(**path),
        "lgb_path": lambda: p.LGBoost(**path, **plain),
        "ngb_path": lambda: p.NGBoost(**path, **plain),
        "omni_ngb": lambda: p.OmniNGBPredictor(**one_hot, **omni, zero_cost=["jacov"], lce=["sotle"]),
        "omni_seminas": lambda: p.OmniSemiNASPredictor(
            **semi, **omni, semi=True, zero_cost=["jacov"], lce=["sotle"], jacov_onehot=True
        ),
        "omni_ngb_no_lce": lambda: p.OmniNGBPredictor(**one_hot, **omni, zero_cost=["jacov"], lce=[]),
        "omni_seminas_no_lce": lambda: p.OmniSemiNASPredictor(
            **semi, **omni, semi=True, zero_cost=["jacov"], lce=[], jacov_onehot=True
        ),
        "omni_ngb_no_zerocost": lambda: p.OmniNGBPredictor(**one_hot, **omni, zero_cost=[], lce=["sotle"]),
        "omni_ngb_no_encoding": lambda: p.OmniNGBPredictor(
            encoding_type=None, **omni, zero_cost=["jacov"], lce=["sotle"]
        ),
    }


#: The keys of `naslib_predictors`, known before NASLib is imported.
MODEL_BASED = (
    "bananas bayes_lin_reg bayes_lin_reg_path bohamiann bohamiann_path bonas dngo dngo_path gcn gp gp_path gpwl lce "
    "lce_m lcsvr lgb lgb_path mlp nao ngb ngb_path omni_ngb omni_ngb_no_encoding omni_ngb_no_lce omni_ngb_no_zerocost "
    "omni_seminas omni_seminas_no_lce rf seminas sotl sotle sotlema sparse_gp valacc valloss var_sparse_gp xgb"
).split()


def make(name: str, settings: Any, benchmark: Benchmark, loader: Any) -> Any:
    """The predictor of a key of the config.

    ``gennas`` and ``gennas_fewshot`` learn from the training set's labels; with `gennas_search_seconds` ``gennas``
    chooses its task on them instead, and searches for one; a key with a task's name keeps that task.
    """
    if name in (*OURS, FEW_SHOT):
        return make_ours(name, settings)
    if name in ZERO_COST:
        from naslib_gennas.plugin.evaluators import ZeroCostOfLists

        return ZeroCostOfLists(name, benchmark, loader)
    return naslib_predictors(settings)[name]()


def make_ours(name: str, settings: Any) -> Any:
    """The predictor of one of our keys, as `make`."""
    from naslib_gennas.plugin.predictor import GenNASPredictor

    return GenNASPredictor(
        name,
        candidates=None if name in ("gennas", FEW_SHOT) else (),
        task_search_seconds=config.value_of(settings, "gennas_search_seconds", 0) if name != FEW_SHOT else 0,
        **config.settings_of(settings),
    )


def run(argv: Sequence[str]) -> List[Dict[str, Any]]:
    """Run what a NASLib command line describes; gives the figures of each predictor."""
    known = sorted([*OURS, FEW_SHOT, *ZERO_COST, *MODEL_BASED])
    settings = config.read(argv, "predictor", DEFAULTS, {"predictor": known, "predictors": known})
    names = list(getattr(settings, "predictors", [])) or [settings.predictor]
    return compare(names, settings, evaluate)


def evaluate(name: str, settings: Any, benchmark: Benchmark) -> Dict[str, Any]:
    """Run one predictor through NASLib's PredictorEvaluator; gives the figures of its last experiment."""
    from naslib import utils

    from naslib_gennas.plugin.evaluators import LightPredictorEvaluator

    loader, *_ = utils.get_train_val_loaders(settings)
    utils.set_seed(settings.seed)
    predictor = make(name, settings, benchmark, loader)
    evaluator = LightPredictorEvaluator(predictor, settings, benchmark)
    evaluator.adapt_search_space(
        benchmark.light_graph(),
        load_labeled=benchmark.specs is None and settings.search_space in ("nasbench301", "nlp"),
        dataset_api=benchmark.dataset_api,
    )
    results: List[Dict[str, Any]] = evaluator.evaluate()
    searched = getattr(predictor, "searched", None)
    if searched is not None:
        path = Path(settings.save) / "task.yaml"
        path.write_text(tasks.dump(searched), encoding="utf-8")
        logger.info("the task that was searched: %s", path)
    return results[-1]


def compare(
    names: Sequence[str], settings: Any, evaluate: Callable[[str, Any, Benchmark], Dict[str, Any]]
) -> List[Dict[str, Any]]:
    """Run several predictors on the same architectures, each in NASLib's folder for it, and write a comparison.

    Args:
        names: keys of predictors; more than one gives a comparison.json beside their folders.
        settings: NASLib's configuration.
        evaluate: runs one of them.

    Raises:
        InputError: predictors failed; the figures of the others were printed and written.
    """
    ours = config.settings_of(settings)
    register(**ours)
    table = benchmarks.load(settings.search_space, settings.dataset, settings.truth, ours.get("network", "native"))
    usual, figures = settings.save, []
    refused: Dict[str, str] = {}
    path = Path(usual).parent.parent / f"comparison-{Path(usual).name}.json"
    for name in names:
        settings.predictor = name
        settings.save = str(Path(usual).parent.parent / name / Path(usual).name)
        folder = Path(settings.save)
        folder.mkdir(parents=True, exist_ok=True)
        with config.logging_to(folder / "log.log"), benchmarks.loaders_of_ours(ours.get("inputs", "photos")):
            logger.info("predictor %s, results in %s", name, folder)
            try:
                figures.append({"predictor": name, **evaluate(name, settings, table)})
            except InputError as error:
                refused[name] = str(error)
            except Exception as error:  # whatever NASLib's own code raises must not cost the others their figures
                logger.debug("predictor %s", name, exc_info=True)
                refused[name] = f"it does not work on {settings.search_space}: {compat.blame(error)}"
        if len(names) > 1:
            path.write_text(json.dumps(figures, default=str), encoding="utf-8")
    if figures:
        print(summary(figures))
    if refused:
        named = "; ".join(f"predictor '{name}': {reason}" for name, reason in refused.items())
        raise InputError(named if len(names) == 1 else f"{len(refused)} of {len(names)} predictors failed: {named}")
    return figures


def summary(figures: Sequence[Mapping[str, Any]]) -> str:
    """The comparison as a few lines of text."""
    lines = [f"{'predictor':<22}{'spearman':>10}{'kendall':>10}{'pearson':>10}{'s/query':>10}"]
    for row in figures:
        cells = [row["spearman"], row["kendalltau"], row["pearson"], row["query_time"]]
        lines.append(f"{row['predictor']:<22}" + "".join(f"{value:>10.3f}" for value in cells))
    return "\n".join(lines)


def main() -> int:
    """`python -m naslib_gennas.plugin.predictors`."""
    return config.command(run)


if __name__ == "__main__":
    sys.exit(main())
