"""NASLib's search runner with ``optimizer: gennas_re`` beside its own optimizers; a killed search can be resumed.

python -m naslib_gennas.plugin.nas --config-file examples/configs/search_nasbench201.yaml [--resume]
"""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import benchmark as benchmarks
from naslib_gennas.plugin import compat, config, upstream, warm_start
from naslib_gennas.plugin.benchmark import Benchmark
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.measure import current, register
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.scoring import TASKS

OURS = "gennas_re"
OPTIMIZERS = ("rs", "re", "bananas", "npenas", "ls", "darts", "drnas", "gdas", OURS)

#: NASLib's optimizers whose population or history no checkpoint holds.
FORGETFUL = ("rs", "re", "bananas", "npenas", "ls")

#: What NASLib's nas configs have, for files that leave it out; the search is the paper's.
DEFAULTS: Mapping[str, Any] = {
    "seed": 0,
    "optimizer": OURS,
    "search_space": "nasbench201",
    "dataset": "cifar10",
    "out_dir": "run",
    "truth": "",
    "search": {
        "epochs": 450,
        "checkpoint_freq": 10,
        "population_size": 50,
        "sample_size": 10,
        "fidelity": -1,
        "predictor_type": "xgb",
        "num_init": 10,
        "k": 10,
        "num_ensemble": 3,
        "acq_fn_type": "its",
        "acq_fn_optimization": "mutation",
        "encoding_type": "adjacency_one_hot",
        "num_arches_to_mutate": 5,
        "max_mutations": 1,
        "num_candidates": 200,
        "debug_predictor": False,
        "batch_size": 256,
        "data_size": 25000,
        "cutout": False,
        "cutout_length": 16,
        "cutout_prob": 1.0,
        "train_portion": 0.7,
    },
    "evaluation": {"checkpoint_freq": 30, "epochs": 600},
}

logger = logging.getLogger(__name__)


def make(name: str, settings: Any) -> Any:
    """The optimizer of a key of the config."""
    compat.require_naslib()
    if name == OURS:
        from naslib_gennas.plugin.optimizer import GenNASRegularizedEvolution

        return GenNASRegularizedEvolution(settings)
    from naslib import optimizers as o

    makers: Dict[str, Callable[[Any], Any]] = {
        "rs": o.RandomSearch,
        "re": o.RegularizedEvolution,
        "bananas": o.Bananas,
        "npenas": o.Npenas,
        "ls": o.LocalSearch,
        "darts": o.DARTSOptimizer,
        "drnas": o.DrNASOptimizer,
        "gdas": o.GDASOptimizer,
    }
    return makers[name](settings)


def run(argv: Sequence[str]) -> Dict[str, Any]:
    """Run the search that a NASLib command line describes; gives the architecture found and what is known of it."""
    settings = config.read(argv, "nas", DEFAULTS, {"optimizer": OPTIMIZERS})
    task = config.value_of(settings, "gennas_task", "gennas_plus")
    if settings.optimizer == OURS and not (task in TASKS or str(task).endswith((".yaml", ".yml"))):
        from naslib_gennas.plugin.scoring import task_of

        task_of(task)
    ours = config.settings_of(settings)
    if settings.resume and settings.optimizer in FORGETFUL:
        raise InputError(
            f"--resume: NASLib's checkpoints leave out what '{settings.optimizer}' has learnt (its issue 153): start "
            "without --resume, or search with optimizer: gennas_re"
        )
    register(**{key: value for key, value in ours.items() if not (key == "steps" and not value)})
    config.check_measures(settings, compat.measures().registry)
    warm_start.check(settings)
    return search(settings, _benchmark(settings, ours.get("network", "native")), ours.get("inputs", "photos"))


def search(settings: Any, benchmark: Benchmark, inputs: str = "photos") -> Dict[str, Any]:
    """Search with NASLib's Trainer and write architecture.json beside what the Trainer writes."""
    from naslib import utils

    folder = Path(settings.save)
    resume_from = _checkpoint(folder / "search") if settings.resume else ""
    with config.logging_to(folder / "log.log"), benchmarks.loaders_of_ours(inputs), upstream.mended():
        utils.set_seed(settings.seed)
        optimizer = make(settings.optimizer, settings)
        begin = warm_start.best(benchmark, settings, current())
        if begin:
            warm_start.begin_with(benchmark, begin)
        try:
            optimizer.adapt_search_space(benchmark.graph, dataset_api=benchmark.dataset_api)
        except AssertionError as error:
            raise InputError(f"optimizer '{settings.optimizer}': {error}") from error
        trainer = _trainer(optimizer, settings)
        try:
            trainer.search(resume_from=resume_from)
        except InputError:
            raise
        except Exception as error:
            if settings.optimizer == OURS:
                raise
            logger.debug("optimizer %s", settings.optimizer, exc_info=True)
            raise InputError(
                f"optimizer '{settings.optimizer}' does not work on {settings.search_space}: {compat.blame(error)}"
            ) from error
        graph = optimizer.get_final_architecture()
        found: Dict[str, Any] = {"optimizer": settings.optimizer, "architecture": str(compat.plain(graph.get_hash()))}
        if settings.optimizer == OURS:
            found.update(optimizer.test_statistics())
        statistics = optimizer.train_statistics(True)
        for name, value in zip(("train_accuracy", "valid_accuracy", "test_accuracy", "train_seconds"), statistics):
            found[name] = float(value) if value is not None and math.isfinite(value) else None
        logger.info("found: %s", found)
    (folder / "architecture.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    _exportable(folder, benchmark.space, benchmark.space.of(graph), found)
    print(json.dumps(found))
    return found


def _exportable(folder: Path, space: NaslibSpace, spec: Spec, found: Mapping[str, Any]) -> None:
    """Write what was found as `gennas search` does, for `gennas export`, where we have these architectures."""
    if space.row.to_native is None:
        return
    own = space.own_space()
    best = {"arch": own.format(own.parse(space.row.to_native(spec))), "score": found.get("score")}
    (folder / "result.json").write_text(json.dumps({"space": own.name, "best": best}, indent=2), encoding="utf-8")
    logger.info("gennas export %s %s --to model.py writes its network", own.name, folder)


def _trainer(optimizer: Any, settings: Any) -> Any:
    """NASLib's Trainer; one that resumes keeps the figures of the epochs before."""
    from naslib.defaults.trainer import Trainer

    class KeepingTrainer(Trainer):
        def _setup_checkpointers(self, resume_from: str = "", *args: Any, **kwargs: Any) -> int:
            start: int = super()._setup_checkpointers(resume_from, *args, **kwargs)
            path = Path(settings.save) / "errors.json"
            if resume_from and path.is_file():
                try:
                    _, before = json.loads(path.read_text(encoding="utf-8"))
                except ValueError:  # a kill cut it short
                    logger.warning("%s cannot be read; it will have the epochs from %d on", path, start)
                    return start
                for key, values in before.items():
                    if isinstance(values, list):
                        self.search_trajectory[key] = values[:start]
            return start

    return KeepingTrainer(optimizer, settings, lightweight_output=True)


def _benchmark(settings: Any, network: str) -> Benchmark:
    """The accuracies that NASLib's optimizers need; ours searches without them where they are absent."""
    graph = benchmarks.prototype(settings.search_space, settings.dataset)
    try:
        return benchmarks.load(settings.search_space, settings.dataset, settings.truth, network)
    except InputError as error:
        if settings.optimizer != OURS or settings.truth:
            raise
        logger.warning("%s; searching without true accuracies", error)
        return Benchmark(NaslibSpace(graph, network), graph, None)


def _checkpoint(folder: Path) -> str:
    """The newest checkpoint that can be read, noted as the last one, which is where NASLib's Trainer looks.

    Raises:
        InputError: there is none.
    """
    import torch

    note = folder / "last_checkpoint"
    noted: Optional[str] = note.read_text(encoding="utf-8").strip() if note.is_file() else None
    found = sorted(folder.glob("*.pth"), key=lambda path: path.stat().st_mtime, reverse=True)
    found.sort(key=lambda path: path.name != noted)
    for path in found:
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001 - a file that a kill cut short may raise anything
            logger.warning("checkpoint %s cannot be read, an older one is taken", path)
            continue
        note.write_text(path.name, encoding="utf-8")
        return str(path)
    raise InputError(
        f"--resume: no readable checkpoint in '{folder}'; start without --resume, or set checkpoint_freq: 1"
    )


def main() -> int:
    """`python -m naslib_gennas.plugin.nas`."""
    return config.command(run)


if __name__ == "__main__":
    sys.exit(main())
