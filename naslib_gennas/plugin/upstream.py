"""Faults of NASLib that stop its own optimizers and runners, mended while a run of ours lasts."""

from __future__ import annotations

import contextlib
import importlib
import json
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import numpy as np

from naslib_gennas.plugin import compat
from naslib_gennas.plugin.graph_space import neighbour_macro


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Inside the block NASLib's Npenas, macro space, size space and result files work; then they are as before."""
    before: List[Tuple[Any, str, Any]] = []
    try:
        for module, owner, name, make in _MENDED:
            try:
                cls = getattr(importlib.import_module(module), owner)
            except (ImportError, AttributeError):  # older branches lack some
                continue
            before.append((cls, name, cls.__dict__.get(name)))
            setattr(cls, name, make(getattr(cls, name, None)))
        yield
    finally:
        for cls, name, original in before:
            if original is None:
                delattr(cls, name)
            else:
                setattr(cls, name, original)


def _best_candidates(theirs: Any) -> Callable[..., Any]:
    def get_best_candidates(self: Any, candidates: List[Any], acq_fn: Any) -> List[Any]:
        """The `k` candidates that the acquisition function likes best.

        NASLib's own asks for their zero-cost scores with arguments that its `query_zc_scores` does not take.
        """
        if not (self.zc and len(self.train_data) <= self.max_zerocost):
            return list(theirs(self, candidates, acq_fn))
        for model in candidates:
            model.zc_scores = self.query_zc_scores(model.arch)
        values = [acq_fn(model.arch, [{"zero_cost_scores": model.zc_scores}]) for model in candidates]
        return [candidates[index] for index in np.argsort(values)[-self.k :]]

    return get_best_candidates


def _macro_mutate(theirs: Any) -> Callable[..., Any]:
    def mutate(self: Any, parent: Any, dataset_api: Any = None) -> None:
        """NASLib's own raises TypeError for every parent."""
        rng = np.random.default_rng(np.random.randint(2**31))
        self.set_spec(neighbour_macro(compat.plain(parent.get_hash()), rng))

    return mutate


def _macro_set(theirs: Any) -> Callable[..., Any]:
    def set_op_indices(self: Any, op_indices: Any) -> None:
        """NASLib's neighbours index what it is given as an array, which tuples and lists are not."""
        theirs(self, np.array(op_indices))

    return set_op_indices


def _size_set(theirs: Any) -> Callable[..., Any]:
    def set_channels(self: Any, channels: Any) -> None:
        """NASLib's mutants copy what it is given as a list."""
        theirs(self, [int(width) for width in channels])

    return set_channels


def _log_to_json(theirs: Any) -> Callable[..., Any]:
    def log_to_json(self: Any) -> None:
        """NASLib's own fails on the numpy numbers of some predictors' settings."""
        folder = Path(self.config.save)
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self.results, separators=(",", ":"), default=plain_json)
        (folder / "errors.json").write_text(content, encoding="utf-8")

    return log_to_json


def plain_json(value: Any) -> Any:
    """What JSON can hold of a value that it cannot hold itself."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


# Module, class, method, and what makes the method that stands for it out of NASLib's own.
_MENDED = (
    ("naslib.optimizers.discrete.npenas.optimizer", "Npenas", "_get_best_candidates", _best_candidates),
    ("naslib.search_spaces.transbench101.graph", "TransBench101SearchSpaceMacro", "mutate", _macro_mutate),
    ("naslib.search_spaces.transbench101.graph", "TransBench101SearchSpaceMacro", "set_op_indices", _macro_set),
    ("naslib.search_spaces.natsbenchsize.graph", "NATSBenchSizeSearchSpace", "set_channels", _size_set),
    ("naslib.defaults.predictor_evaluator", "PredictorEvaluator", "_log_to_json", _log_to_json),
)
