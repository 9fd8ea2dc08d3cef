"""GenNASPredictor: regression scoring as a predictor of NASLib, zero-cost or chosen on a few labels."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np
from scipy import stats

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.scoring import GraphScorer, Settings, cnn_tasks, finite, task_of

compat.require_naslib()

from naslib.predictors.predictor import Predictor  # noqa: E402 - after the shims

logger = logging.getLogger(__name__)

# Below this many labels a rank correlation says nothing.
LEAST_LABELS = 3


class GenNASPredictor(Predictor):
    """Scores NASLib's graphs by regression; it needs no data set, no dataloader and no labels.

    With labels, `fit` takes the shipped task whose scores rank the labelled architectures best.

    Args:
        method_type: ``gennas_combo`` or another key of `TASKS`, or a proxy task's name or YAML file.
        ss_type: the search space, as NASLib sets it.
        encoding_type: not used; NASLib's predictors take one.
        candidates: the tasks that `fit` chooses from; empty: `fit` changes nothing.
        settings: the fields of `Settings`, such as ``profile="fast"`` or ``network="graph"``.
    """

    def __init__(
        self,
        method_type: str = "gennas_combo",
        ss_type: Optional[str] = None,
        encoding_type: Any = None,
        candidates: Optional[Sequence[str]] = None,
        **settings: Any,
    ) -> None:
        super().__init__(ss_type=ss_type, encoding_type=encoding_type)
        self.method_type = method_type
        self.task = task_of(method_type)
        self.candidates = [task_of(name) for name in (cnn_tasks() if candidates is None else candidates)]
        self.scorer = GraphScorer(Settings(**settings))
        self.correlations: Dict[str, float] = {}
        self.hpo_wrapper = False
        self.hyperparams: Optional[Dict[str, Any]] = None

    @property
    def default_hyperparams(self) -> Dict[str, Any]:
        """The task that is used without labels."""
        return {"task": task_of(self.method_type)}

    def fit(self, xtrain: Sequence[Any], ytrain: Sequence[float], info: Any = None) -> None:
        """Choose the task whose scores have the highest Spearman correlation with the labels `ytrain`.

        Without labels, or with fewer than three different ones, the task of `method_type` stays.
        """
        self.task = task_of(self.method_type)
        self.correlations = {}
        labels = np.asarray([] if ytrain is None else ytrain, dtype=float)
        if len(labels) != len(xtrain if xtrain is not None else []):
            raise InputError(f"gennas: fit got {len(xtrain)} architectures and {len(labels)} labels; one label each")
        if len(labels) and not np.isfinite(labels).all():
            raise InputError(f"gennas: {int((~np.isfinite(labels)).sum())} of the labels of fit are not finite")
        if len(set(labels.tolist())) < LEAST_LABELS or not self.candidates:
            logger.info("gennas: %d labels choose no task; %s stays", len(labels), self.task)
            return
        for task in self.candidates:
            scores = [finite(self.scorer.score(graph, task)) for graph in xtrain]
            rho = float(stats.spearmanr(scores, labels)[0]) if len(set(scores)) > 1 else 0.0
            self.correlations[task] = rho
        self.task = max(self.correlations, key=lambda task: self.correlations[task])
        logger.info("gennas: task %s chosen on %d labels, rho by task: %s", self.task, len(labels), self.correlations)

    def query(self, xtest: Union[Any, List[Any]], info: Any = None, dataloader: Any = None) -> Union[float, np.ndarray]:
        """The score of one graph (a float), or of each graph of a list (an array); higher is better.

        Args:
            xtest: a graph or a list of graphs, parsed or not; they stay as they were.
            info: what NASLib knows of them besides; not used.
            dataloader: not used.
        """
        if isinstance(xtest, (list, tuple, np.ndarray)):
            return np.array([finite(self.scorer.score(graph, self.task)) for graph in xtest], dtype=float)
        return finite(self.scorer.score(xtest, self.task))

    def set_hyperparams(self, hyperparams: Optional[Mapping[str, Any]]) -> None:
        """Take ``{"task": NAME}``; None goes back to the task of `method_type`."""
        given = dict(self.default_hyperparams if hyperparams is None else hyperparams)
        unknown = sorted(set(given) - {"task"})
        if unknown:
            raise InputError(f"gennas: unknown hyperparameter '{unknown[0]}'; it takes 'task'")
        self.task = task_of(given.get("task", self.task))
        self.hyperparams = {"task": self.task}

    def get_hyperparams(self) -> Dict[str, Any]:
        """The task in use, and what it is trained with."""
        settings = self.scorer.settings
        return {"task": self.task, "profile": settings.resolved().name, "seeds": settings.seeds}

    def reset_hyperparams(self) -> None:
        """Go back to the task of `method_type`."""
        self.task = task_of(self.method_type)
        self.hyperparams = None
