"""GenNASPredictor: regression scoring as a predictor of NASLib, without labels or with a few."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.scoring import FEW_SHOT, GraphScorer, Settings, cnn_tasks, finite, task_of
from naslib_gennas.proxies import gennas_fewshot
from naslib_gennas.proxies import ranker as rankers
from naslib_gennas.proxies.ranker import Ranker
from naslib_gennas.randomness import derive
from naslib_gennas.regression import tasks
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.studies import task_search
from naslib_gennas.truth.labels import FEWEST, rho

compat.require_naslib()

from naslib.predictors.predictor import Predictor  # noqa: E402 - after the shims

logger = logging.getLogger(__name__)

# Below this many labels a rank correlation says nothing.
LEAST_LABELS = 3
#: What a task is called that `fit` has found.
SEARCHED = "searched"
#: What stands for a task's name where `gennas-fewshot` scores.
RANKED = "fewshot"
HYPERPARAMETERS = ("task", "task_search_seconds")
# Seeds under which a searched task and a shipped one are compared.
CHECKS = (1, 2)


class GenNASPredictor(Predictor):
    """Scores NASLib's graphs by regression; it needs no data set, no dataloader and no labels.

    With labels, `fit` of ``gennas`` and ``gennas_fewshot`` fits the ranker of `naslib_gennas.proxies.ranker`. With
    another key, or with candidates or time to search, it takes the shipped task whose scores rank the labelled
    architectures best and, given time, searches for a new one that ranks them better (section 3.4 of arXiv:2108.01899).

    Args:
        method_type: ``gennas`` or another key of `TASKS`, or a proxy task's name or YAML file; or ``gennas_fewshot``,
            whose score without labels is `gennas-plus`.
        ss_type: the search space, as NASLib sets it.
        encoding_type: not used; NASLib's predictors take one.
        candidates: the tasks that `fit` chooses from; empty: `fit` changes nothing.
        task_search_seconds: what `fit` may spend on the search for a new task; 0: it searches none.
        settings: the fields of `Settings`, such as ``profile="fast"`` or ``network="graph"``.

    Attributes:
        task: the name of the task in use; `SEARCHED` where `fit` found a better one than those that ship, `RANKED`
            where `gennas-fewshot` scores.
        ranker: what `fit` made of the labels; None: nothing, so that `gennas-plus` itself scores.
        searched: the task that was found; `naslib_gennas.regression.tasks.dump` writes it as YAML.
        correlations: Spearman correlation with the labels of `fit`, by task.
    """

    def __init__(
        self,
        method_type: str = "gennas",
        ss_type: Optional[str] = None,
        encoding_type: Any = None,
        candidates: Optional[Sequence[str]] = None,
        task_search_seconds: float = 0,
        **settings: Any,
    ) -> None:
        super().__init__(ss_type=ss_type)
        self.encoding_type = encoding_type  # older branches of NASLib do not take it above
        self.method_type = method_type
        self.task = self._unlabelled()
        self.candidates = [task_of(name) for name in (cnn_tasks() if candidates is None else candidates)]
        self.task_search_seconds = _seconds(task_search_seconds)
        if method_type == FEW_SHOT and (candidates or task_search_seconds):
            raise InputError("gennas_fewshot has no task to choose or to search; method_type 'gennas' has")
        self._ranks = method_type == FEW_SHOT or (method_type == "gennas" and candidates is None)
        self.scorer = GraphScorer(Settings(**settings))
        self._described = gennas_fewshot.described(self.scorer.settings.resolved())
        self.ranker: Optional[Ranker] = None
        self.searched: Optional[ProxyTask] = None
        self.correlations: Dict[str, float] = {}
        self._pace = 0.0  # seconds a score took
        self.hpo_wrapper = False
        self.hyperparams: Optional[Dict[str, Any]] = None

    @property
    def default_hyperparams(self) -> Dict[str, Any]:
        """The task that is used without labels."""
        return {"task": self._unlabelled()}

    def _unlabelled(self) -> str:
        return RANKED if self.method_type == FEW_SHOT else task_of(self.method_type)

    def fit(self, xtrain: Sequence[Any], ytrain: Sequence[float], info: Any = None) -> None:
        """Learn from the labels `ytrain`, higher is better: a ranker, or which task to take (see the class).

        A ranker takes five architectures or more. The task that is taken is the one whose scores have the highest
        Spearman correlation with the labels; a task that was searched for is taken only where it beats the best of the
        shipped ones on the labels, under the same seed and under others that neither of them was chosen by. With
        fewer than three different labels the task of `method_type` stays.
        """
        self._reset()
        labels = np.asarray([] if ytrain is None else ytrain, dtype=float).tolist()
        if len(labels) != len(xtrain if xtrain is not None else []):
            raise InputError(f"gennas: fit got {len(xtrain)} architectures and {len(labels)} labels; one label each")
        infinite = sum(not math.isfinite(label) for label in labels)
        if infinite:
            raise InputError(f"gennas: {infinite} of the labels of fit are not finite")
        ranked = self._ranks and not self.task_search_seconds and len(labels) > 0
        if ranked and self.scorer.kind(xtrain[0]) in self._described.kinds:
            self._rank(xtrain, labels)
            return
        if self.method_type == FEW_SHOT:
            logger.info("gennas: no ranker for these %d labels; the label-free score stays", len(labels))
            return
        if len(set(labels)) < LEAST_LABELS or not self.candidates:
            logger.info("gennas: %d labels choose no task; %s stays", len(labels), self.task)
            return
        started, before = time.perf_counter(), self.scorer.scored
        for task in self.candidates:
            self.correlations[task] = _rho(self.scorer, xtrain, labels, task)
        new = self.scorer.scored - before
        if new:
            self._pace = (time.perf_counter() - started) / new
        self.task = max(self.correlations, key=lambda task: self.correlations[task])
        logger.info("gennas: task %s chosen on %d labels, rho by task: %s", self.task, len(labels), self.correlations)
        if self.task_search_seconds:
            self._search(xtrain, labels)

    def _reset(self) -> None:
        self.task, self.ranker, self.searched, self.correlations = self._unlabelled(), None, None, {}

    def _rank(self, graphs: Sequence[Any], values: Sequence[float]) -> None:
        """Fit the ranker to the labelled graphs that can be scored."""
        scores = [self.scorer.score(graph, self._described) for graph in graphs]
        usable = [(score.details, value) for score, value in zip(scores, values) if score.status == "ok"]
        if len(usable) < FEWEST or len({value for _, value in usable}) < LEAST_LABELS:
            logger.info("gennas: %d labels of graphs that can be scored are too few; %s stays", len(usable), self.task)
            return
        rows, known = zip(*usable)
        self.ranker, self.task = rankers.fit(rows, known), RANKED
        logger.info("gennas: ranker fitted to %d labels; %s", len(known), self.ranker.hyperparameters)

    def _search(self, graphs: Sequence[Any], values: Sequence[float]) -> None:
        """Search for a task that ranks the labelled graphs better."""
        labelled = self._labelled(graphs, values)
        if labelled is None:
            return
        space, labels = labelled
        a_task = self._pace * len(labels)  # what trying one takes, in seconds
        settings = self.scorer.settings
        # What the search spends after its last trial is taken off before: the best ones are scored again under other
        # seeds, the usual task under three, and two tasks under two, one under its own for the comparison below.
        tries = self.task_search_seconds / a_task
        again = task_search.FINALISTS * task_search.SEEDS
        fixed = (1 + task_search.SEEDS) + 2 * len(CHECKS) + 1
        tries = tries - fixed - again if tries > fixed + again * 1.5 else (tries - fixed) / (1 + task_search.SEEDS)
        if tries < 1:
            least = math.ceil((fixed + 1 + task_search.SEEDS) * a_task)
            logger.warning("gennas: no task searched: task_search_seconds would have to be at least %d here", least)
            return
        found = task_search.search(
            space,
            labels,
            budget=tries * a_task,
            control=False,
            name=SEARCHED,
            inputs=settings.inputs,
            seed=settings.seed,
            profile=settings.resolved(),
            workers=1,
        )
        if found.candidate is None or not found.taken:
            logger.info(
                "gennas: %d tasks searched, none better than combo beyond what chance explains",
                len(found.course.trials),
            )
            return
        checks = [
            GraphScorer(dataclasses.replace(settings, seed=derive(settings.seed, "check", n) % 2**31, seeds=1))
            for n in CHECKS
        ]
        better, best = (
            float(np.mean([_rho(scorer, graphs, values, task) for scorer in checks]))
            for task in (found.candidate, self.task)
        )
        logger.info(
            "gennas: %d tasks searched; under new seeds the best of them has rho %.3f with the labels, %s has %.3f",
            len(found.course.trials),
            better,
            self.task,
            best,
        )
        own = _rho(self.scorer, graphs, values, found.candidate)
        if better > best and own > self.correlations[self.task]:
            self.task, self.searched = SEARCHED, found.candidate
            self.correlations[SEARCHED] = own
            logger.info("gennas: task %s chosen; as YAML:\n%s", SEARCHED, tasks.dump(found.candidate))

    def _labelled(
        self, graphs: Sequence[Any], values: Sequence[float]
    ) -> Optional[Tuple[NaslibSpace, Dict[str, float]]]:
        """The graphs' space and their labels by text, isomorphic ones with their mean; None: too few to search."""
        try:
            space = self.scorer.space(graphs[0])
            specs = [space.of(graph) for graph in graphs]
            texts = {space.key(spec): space.format(spec) for spec in specs}
        except InputError as error:
            logger.warning("gennas: no task searched: %s", error)
            return None
        known: Dict[str, List[float]] = {}
        for spec, value in zip(specs, values):
            known.setdefault(texts[space.key(spec)], []).append(float(value))
        labels = {text: float(np.mean(found)) for text, found in known.items()}
        if len(labels) < FEWEST or len(set(labels.values())) < 2:
            logger.warning("gennas: no task searched: %d different architectures are too few", len(labels))
            return None
        return space, labels

    def query(self, xtest: Union[Any, List[Any]], info: Any = None, dataloader: Any = None) -> Union[float, np.ndarray]:
        """The score of one graph (a float), or of each graph of a list (an array); higher is better.

        Args:
            xtest: a graph or a list of graphs, parsed or not; they stay as they were.
            info: what NASLib knows of them besides; not used.
            dataloader: not used.
        """
        if isinstance(xtest, (list, tuple, np.ndarray)):
            return np.array([self._score(graph) for graph in xtest], dtype=float)
        return self._score(xtest)

    def _score(self, graph: Any) -> float:
        if self.task == RANKED:
            found = self.scorer.score(graph, self._described)
            return finite(found if self.ranker is None else gennas_fewshot.ranked(self.ranker, found))
        return finite(self.scorer.score(graph, self.searched if self.searched is not None else self.task))

    def set_hyperparams(self, hyperparams: Optional[Mapping[str, Any]]) -> None:
        """Take ``{"task": NAME, "task_search_seconds": NUMBER}`` or one of them; None goes back to the task of
        `method_type`."""
        given = dict(self.default_hyperparams if hyperparams is None else hyperparams)
        unknown = sorted(set(given) - set(HYPERPARAMETERS))
        if unknown:
            raise InputError(f"gennas: unknown hyperparameter '{unknown[0]}'{suggest(unknown[0], HYPERPARAMETERS)}")
        if "task_search_seconds" in given:
            self.task_search_seconds = _seconds(given["task_search_seconds"])
        kept = [SEARCHED] * (self.searched is not None) + [RANKED] * (self.task == RANKED)
        if "task" in given and given["task"] not in kept:
            self._reset()
            self.task = given["task"] if given["task"] == self._unlabelled() else task_of(given["task"])
        self.hyperparams = {"task": self.task, "task_search_seconds": self.task_search_seconds}

    def get_hyperparams(self) -> Dict[str, Any]:
        """The task in use, and what it is trained with."""
        settings = self.scorer.settings
        return {"task": self.task, "profile": settings.resolved().name, "seeds": settings.seeds}

    def reset_hyperparams(self) -> None:
        """Go back to the task of `method_type`."""
        self._reset()
        self.hyperparams = None


def _rho(scorer: GraphScorer, graphs: Sequence[Any], labels: Sequence[float], task: Union[str, ProxyTask]) -> float:
    """Spearman correlation of the scores of labelled graphs with their labels."""
    return rho([finite(scorer.score(graph, task)) for graph in graphs], labels)


def _seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise InputError(f"gennas: task_search_seconds is {value!r}; it takes seconds from 0 up (0: no search)")
    return float(value)
