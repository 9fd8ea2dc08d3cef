"""Few-shot proxy-task search: evolve the task whose scores order a few labelled architectures best.

Section 3.4 of arXiv:2108.01899: about 20 architectures of known accuracy, population 50, tournament 10, 400 cycles,
fitness = the rank correlation of scores and accuracy. The sign of the correlation counts here: a task that orders
architectures backwards is of no use as a proxy. Unlike there, the usual task is the first individual: 20 labels are
few, and what is known to work on other spaces is a better guess than a random one.

For the same reason the best task of a search replaces the usual one only where it is better than chance explains: the
best of hundreds of correlations with 20 labels is too high. How much too high is told by the random tasks of the first
population (see `labels.shrinkage`), and what is left of it must be above the usual task's correlation.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, Union

import numpy as np

from naslib_gennas import files
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.proxies import gennas
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.randomness import derive
from naslib_gennas.regression import tasks
from naslib_gennas.regression.genes import Genome, from_task, mutate, sample, to_task
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import methods
from naslib_gennas.studies.budget import USUAL_EVALUATIONS, evaluations_of
from naslib_gennas.studies.evolution import Evolution, Individual, RandomSearch, Search
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.methods import Method
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.studies.task_course import Course, Found, Trial
from naslib_gennas.studies.task_report import write
from naslib_gennas.truth import labels as labelling
from naslib_gennas.truth import metrics
from naslib_gennas.truth.labels import Labels, rho, shrinkage, upper_bound
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.table import Truth

__all__ = ["Course", "Found", "Interrupted", "Trial", "search"]

# The tasks of the highest fitness are scored under so many more seeds before one is chosen: 20 labels are few, and
# the best of hundreds of noisy figures is mostly lucky.
FINALISTS, SEEDS = 8, 2
#: The proxy of the task that a search starts from and is compared with.
USUAL_TASK = {"cnn": "gennas-combo", "rnn": "gennas-nlp-combo"}
#: The fewest random tasks that tell how much of a correlation is luck.
FOUNDERS = 8

#: Called after each trial: the method, the trial, the best rho so far, how many are done.
Progress = Callable[[str, Trial, float, int], None]


def search(
    space: Union[str, SearchSpace[Any], Scorer],
    labelled: Union[str, Path, Mapping[str, float], Truth, Labels],
    *,
    evaluations: Optional[int] = None,
    budget: Optional[float] = None,
    method: Union[str, Method] = "evolution",
    control: bool = True,
    held_out: Union[str, Path, Mapping[str, float], Truth, Labels, None] = None,
    name: str = "searched",
    out: Union[str, Path, None] = None,
    progress: Progress = lambda method, trial, best, done: None,
    **scoring: Any,
) -> Found:
    """Search for the proxy task that orders some labelled architectures of a space best.

    With one worker the same settings always give the same search. It is kept in the store: called again with the same
    settings, it continues where it stopped.

    Args:
        space: a search space, its name, or a scorer.
        labelled: about 20 architectures of known accuracy (see `labels.read`).
        evaluations: tasks to try (450 where there is no budget of time either).
        budget: seconds after which no new task is tried.
        method: "evolution".
        control: let random search try as many tasks (for the same time, under a budget) afterwards.
        held_out: other labelled architectures; what the search does not see shows how far it fits its labels only.
        name: of the task.
        out: a folder for task.yaml, targets.png, convergence.png and result.json; None: nothing is written.
        progress: called after each trial.
        scoring: `inputs`, `profile`, `seed`, `workers`, ...: see `Scorer.of`; `population` and `tournament`.

    Raises:
        InputError: labels that cannot be used, an empty budget, a folder of another search.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    ageing = methods.chosen(method, scoring).settings
    said = [name for name in ("children", "among") if ageing.get(name) is not None]
    if said:
        raise InputError(f"a task search has no use for {', '.join(said)}: tasks mutate by their genes; leave it out")
    evaluations_of(evaluations, budget)
    scorer = Scorer.of(space, **scoring)
    chosen = scorer.space
    known = labelling.read(labelled, chosen).ordered()
    others = None if held_out is None else labelling.read(held_out, chosen)
    settings = {
        **{key: value for key, value in scorer.about.items() if key != "proxy"},
        "labels": dict(zip(known.archs, known.values)),
        "method": "evolution",
        "population": ageing["population"],
        "tournament": ageing["tournament"],
        "reference": USUAL_TASK[chosen.kind],
        "start": USUAL_TASK[chosen.kind],
        "device": scorer.place.device,
    }
    folder = None if out is None else files.search_folder(out, settings)
    with scorer.place as (_, store):
        made = _Search(scorer, known, others, name, settings, store)
        try:
            made.evolve("evolution", evaluations, budget, progress)
            made.confirm("evolution")
            if control:
                made.evolve("random", evaluations, budget, progress)
                made.confirm("random")
            made.validate()
        except KeyboardInterrupt:
            done = made.found(folder, complete=False)
            raise Interrupted(done, f"{len(done.course.trials)} tasks") from None
        return made.found(folder, complete=True)


class _Search:
    """A task search under way."""

    def __init__(
        self,
        scorer: Scorer,
        known: Labels,
        others: Optional[Labels],
        name: str,
        settings: Mapping[str, Any],
        store: Store,
    ) -> None:
        self.scorer, self.known, self.others, self.name = scorer, known, others, name
        self.space, self.profile, self.seed = scorer.space, scorer.proxy.profile, scorer.seed
        self.settings, self.store = settings, store
        self.archs = [self.space.parse(text) for text in known.archs]
        self.courses: Dict[str, Course] = {"evolution": Course("evolution", ())}
        self.best: Dict[str, Tuple[Trial, float]] = {}
        self.reference: Optional[float] = None
        self.expected: Optional[float] = None
        self.held_out: Dict[str, Estimate] = {}
        self.curve: List[Tuple[int, float]] = []
        self.given_up: Set[int] = set()
        self.resumed = 0

    def proxy(self, genome: Genome) -> Proxy:
        return gennas.from_task(to_task(genome, "candidate", self.space.kind), self.profile)

    def evolve(self, method: str, evaluations: Optional[int], budget: Optional[float], progress: Progress) -> None:
        """Try tasks until the budget is spent; those that the journal has first."""
        searcher = self._searcher(method)
        study = {key: self.settings[key] for key in ("labels", "start", "population", "tournament")}
        journal = Journal(self.store, "search-task", self.scorer, {**study, "method": method})
        limit = USUAL_EVALUATIONS if evaluations is None and budget is None else evaluations or math.inf
        trials: List[Trial] = []
        spent = False  # an earlier run had more time than this one
        for entry in journal.saved:
            spent = budget is not None and entry["wall"] > budget
            if len(trials) >= limit or spent:
                break
            individual = searcher.replay(entry["individual"])
            trials.append(_trial(individual, entry["scored"], entry["stopped"], entry["seconds"], entry["wall"]))
        if method == "evolution":
            self.resumed = len(trials)
        self.given_up = {trial.id for trial in trials if trial.stopped}
        before, started = (trials[-1].wall if trials else 0.0), time.perf_counter()

        def elapsed() -> float:
            return before + time.perf_counter() - started

        under_way: List[Tuple[_Attempt, int]] = []

        def pairs() -> Iterator[Tuple[Any, Proxy]]:
            while not spent and searcher.asked < limit and elapsed() < (budget or math.inf):
                attempt = _Attempt(searcher.ask(), len(self.archs))
                proxy = self.proxy(attempt.individual.genome)
                for place, arch in enumerate(self.archs):
                    if attempt.stopped:
                        break
                    under_way.append((attempt, place))
                    yield arch, proxy

        try:
            for record in self.scorer.pairs(pairs()):
                attempt, place = under_way[record.index]
                attempt.scores[place] = record.score
                attempt.seconds += record.seconds
                attempt.failed += record.status == "failed"
                if attempt.failed == len(self.archs):
                    raise EngineError(f"all {attempt.failed} labelled architectures failed: {record.reason}")
                if not attempt.ended:
                    self._judge(attempt, searcher)
                if not attempt.ended:
                    continue
                if attempt.told:
                    continue
                attempt.told = True
                individual = searcher.tell(attempt.individual, attempt.bound)
                trial = _trial(individual, attempt.scored, attempt.stopped, attempt.seconds, elapsed())
                facts = {key: getattr(trial, key) for key in ("scored", "stopped", "seconds", "wall")}
                entry = {"individual": searcher.plain(individual), **facts}
                journal.keep(len(trials), entry, functools.partial(trials.append, trial), trials)
                if trial.stopped:
                    self.given_up.add(trial.id)
                assert searcher.best is not None and searcher.best.fitness is not None
                progress(method, trial, searcher.best.fitness, len(trials))
        finally:
            self.courses[method] = Course(method, tuple(trials))

    def _searcher(self, method: str) -> Search[Genome]:
        kind = self.space.kind
        draw = functools.partial(sample, kind=kind)
        if method == "random":
            return RandomSearch(draw, self.seed)
        settings = self.settings
        change = functools.partial(mutate, kind=kind)
        usual = tasks.get(settings["start"][len(gennas.PREFIX) :])
        start = [from_task(usual, np.random.default_rng(derive(self.seed, "start")))]
        return Evolution(draw, change, settings["population"], settings["tournament"], self.seed, start=start)

    def _judge(self, attempt: _Attempt, searcher: Search[Genome]) -> None:
        """End an attempt that has all its scores, or that can no longer reach the worst of the population."""
        if attempt.scored == len(self.archs):
            attempt.bound = rho([score if score is not None else 0.0 for score in attempt.scores], self.known.values)
            attempt.ended = True
            return
        size = self.settings["population"]
        if len(searcher.history) < size:
            return
        # Those that were given up have an upper bound for fitness: to count them would lower the bar for ever.
        alive = [individual for individual in searcher.history[-size:] if individual.id not in self.given_up]
        worst = min((individual.fitness or 0.0 for individual in alive), default=-1.0)
        bound = upper_bound(attempt.scores, self.known.values)
        if bound < worst:
            attempt.bound, attempt.stopped, attempt.ended = bound, True, True

    def correlation(self, proxy: Proxy, known: Labels, seed: int) -> Tuple[float, List[float]]:
        """How a proxy orders labelled architectures: rho and the scores."""
        scores = [0.0] * len(known.archs)
        archs = [self.space.parse(text) for text in known.archs]
        for record in self.scorer.at(seed=seed).pairs((arch, proxy) for arch in archs):
            scores[record.index] = record.score
        return rho(scores, known.values), scores

    def confirm(self, method: str) -> None:
        """Choose among the tasks of the highest fitness by their mean correlation over more seeds."""
        finalists = self.courses[method].finalists(FINALISTS)
        seeds = [derive(self.seed, "confirm", number) % 2**31 for number in range(SEEDS)]
        means = []
        for trial in finalists:
            proxy = self.proxy(trial.genome)
            means.append(np.mean([trial.rho, *(self.correlation(proxy, self.known, seed)[0] for seed in seeds)]))
        if finalists:
            place = int(np.argmax(means))
            self.best[method] = finalists[place], float(means[place])
            if method == "evolution":
                self.expected = self._expected(float(means[place]))
        if self.reference is None:
            usual = self._usual()
            self.reference = float(
                np.mean([self.correlation(usual, self.known, seed)[0] for seed in [self.seed, *seeds]])
            )

    def _expected(self, found: float) -> Optional[float]:
        """What a correlation with the labels is worth on other architectures, as the random tasks tell."""
        founders = [
            trial
            for trial in self.courses["evolution"].trials
            if trial.parent is None and trial.id and not trial.stopped
        ]
        if len(founders) < FOUNDERS:
            return None
        scores = [self.correlation(self.proxy(trial.genome), self.known, self.seed)[1] for trial in founders]
        mean, factor = shrinkage(scores, self.known.values, self.seed)
        return mean + factor * (found - mean)

    def _usual_task(self) -> ProxyTask:
        return tasks.get(self.settings["reference"][len(gennas.PREFIX) :])

    def _usual(self) -> Proxy:
        return gennas.from_task(self._usual_task(), self.profile)

    def validate(self) -> None:
        """Correlations with the labelled architectures that the search has not seen."""
        if self.others is None or "evolution" not in self.best:
            return

        def estimate(proxy: Proxy) -> Estimate:
            assert self.others is not None
            scores = self.correlation(proxy, self.others, self.seed)[1]
            return metrics.spearman(scores, self.others.values, self.seed)

        self.held_out["found"] = estimate(self.proxy(self.best["evolution"][0].genome))
        self.held_out["usual"] = estimate(self._usual())
        if "random" in self.best:
            self.held_out["random"] = estimate(self.proxy(self.best["random"][0].genome))
        for trial in {trial.id: trial for trial in self.courses["evolution"].incumbents()}.values():
            self.curve.append((trial.id, self.correlation(self.proxy(trial.genome), self.others, self.seed)[0]))

    def found(self, folder: Optional[Path], complete: bool) -> Found:
        chosen = self.best.get("evolution")
        if chosen is None and self.courses["evolution"].finalists(1):
            trial = self.courses["evolution"].finalists(1)[0]
            chosen = (trial, trial.rho)
        candidate = None if chosen is None else to_task(chosen[0].genome, self.name, self.space.kind)
        made = Found(
            self.settings,
            candidate,
            candidate,
            None if chosen is None else chosen[1],
            self.expected,
            self.reference,
            self.courses["evolution"],
            self.courses.get("random"),
            self.held_out,
            tuple(self.curve),
            self.resumed,
            complete,
            folder,
        )
        if complete and not made.taken:
            made = dataclasses.replace(made, task=self._usual_task())
        if folder is not None:
            write(made, folder)
        return made


@dataclass
class _Attempt:
    """A task under way."""

    individual: Individual[Genome]
    count: int
    failed: int = 0
    seconds: float = 0.0
    bound: float = -1.0
    stopped: bool = False
    ended: bool = False
    told: bool = False

    def __post_init__(self) -> None:
        self.scores: List[Optional[float]] = [None] * self.count

    @property
    def scored(self) -> int:
        return sum(score is not None for score in self.scores)


def _trial(individual: Individual[Genome], scored: int, stopped: bool, seconds: float, wall: float) -> Trial:
    fitness = -1.0 if individual.fitness is None else max(individual.fitness, -1.0)
    return Trial(
        individual.id, individual.genome, fitness, scored, stopped, seconds, wall, individual.parent, individual.birth
    )
