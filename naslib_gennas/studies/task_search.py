"""Few-shot proxy-task search: evolve the task whose scores order a few labelled architectures best.

Section 3.4 of arXiv:2108.01899: about 20 architectures of known accuracy, population 50, tournament 10, 400 cycles,
fitness = the rank correlation of scores and accuracy. The sign of the correlation counts here: a task that orders
architectures backwards is of no use as a proxy. Unlike there, the usual task is the first individual: 20 labels are
few, and what is known to work on other spaces is a better guess than a random one.

For the same reason the best task of a search replaces the usual one only where it is better by more than luck: the best
of hundreds of correlations with 20 labels is too high. How much too high is told by the random tasks of the first
population (see `labels.shrinkage`), and what is left of it must be above the usual task's correlation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import math
import time
import warnings
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, Union

import numpy as np

from naslib_gennas import __version__, files, spaces
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.identity import canonical
from naslib_gennas.proxies import gennas
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.randomness import derive
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.genes import Genome, from_task, mutate, sample, to_task
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.scoring import engine
from naslib_gennas.scoring.engine import Record
from naslib_gennas.scoring.scorer import USUAL_PROXY
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import plots
from naslib_gennas.studies.evolution import Evolution, Individual, RandomSearch, Search
from naslib_gennas.truth import labels as labelling
from naslib_gennas.truth import metrics
from naslib_gennas.truth.labels import Labels, rho, shrinkage, upper_bound
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.table import Truth

USUAL_EVALUATIONS = 450
# The tasks of the highest fitness are scored under so many more seeds before one is chosen: 20 labels are few, and
# the best of hundreds of noisy figures is mostly lucky.
FINALISTS, SEEDS = 8, 2
#: The fewest random tasks that tell how much of a correlation is luck.
FOUNDERS = 8


@dataclass(frozen=True)
class Trial:
    """One task that was tried.

    Attributes:
        id, parent, birth: as in `evolution.Individual`.
        genome: its genes.
        rho: correlation of its scores with the labels; where it was stopped early, the highest that was left.
        scored: architectures that were scored before it ended.
        stopped: it was given up as hopeless.
        seconds: core-seconds of its scores.
        wall: seconds since the search began, those before an interruption included.
    """

    id: int
    genome: Genome = field(repr=False)
    rho: float
    scored: int
    stopped: bool
    seconds: float
    wall: float
    parent: Optional[int]
    birth: int


@dataclass(frozen=True)
class Course:
    """All that one method tried, in the order in which it was done."""

    method: str
    trials: Tuple[Trial, ...]

    def incumbents(self) -> List[Trial]:
        """After each trial, the best one up to there."""
        found: List[Trial] = []
        for trial in self.trials:
            found.append(trial if not found or trial.rho > found[-1].rho else found[-1])
        return found

    def finalists(self, count: int) -> List[Trial]:
        return sorted((t for t in self.trials if not t.stopped), key=lambda t: (-t.rho, t.id))[:count]


@dataclass(frozen=True)
class Found:
    """What a task search found.

    Attributes:
        task: what to use: the candidate where it is expected to be better than the usual task, else that one;
            `gennas-PATH` of its YAML file scores with it.
        candidate: the best task of the search.
        rho: the candidate's correlation with the labels, the mean over several seeds.
        expected: what of it is expected on other architectures; None: too few random tasks were tried to tell.
        reference: the correlation of the usual task (`combo`) with the same labels.
        held_out: correlations with other labelled architectures, by task: "found" (the candidate), "usual", "random"
            (that of random search); empty without any.
        held_out_curve: (trial id, held-out correlation) of every incumbent of the search.
        course, control: the search, and random search with the same budget where asked for.
        resumed: trials that an earlier, interrupted run had done.
        complete: False where the run was interrupted.
    """

    settings: Mapping[str, Any]
    task: Optional[ProxyTask]
    candidate: Optional[ProxyTask]
    rho: Optional[float]
    expected: Optional[float]
    reference: Optional[float]
    course: Course
    control: Optional[Course] = None
    held_out: Mapping[str, Estimate] = field(default_factory=dict)
    held_out_curve: Tuple[Tuple[int, float], ...] = ()
    resumed: int = 0
    complete: bool = True
    folder: Optional[Path] = None

    @property
    def taken(self) -> bool:
        """Whether the candidate is expected to be better than the usual task."""
        return self.expected is not None and self.reference is not None and self.expected > self.reference

    def to_json(self) -> Dict[str, Any]:
        """The search as plain data: what `result.json` and `--json` hold."""
        return {
            "space": self.settings["space"],
            "seed": self.settings["seed"],
            "settings": self.settings,
            "task": None if self.task is None else tasks.dump(self.task),
            "candidate": None if self.candidate is None else tasks.dump(self.candidate),
            "taken": self.taken,
            "rho": self.rho,
            "expected": self.expected,
            "reference": {"task": self.settings["reference"], "rho": self.reference},
            "held_out": {name: estimate.to_json() for name, estimate in self.held_out.items()},
            "held_out_curve": [list(point) for point in self.held_out_curve],
            **_plain(self.course),
            "control": None if self.control is None else _plain(self.control),
            "resumed": self.resumed,
            "complete": self.complete,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


class Interrupted(KeyboardInterrupt):
    """A search was stopped (Ctrl-C, SIGTERM); `found` has what was done, and the same call goes on from there."""

    def __init__(self, found: Found) -> None:
        super().__init__(f"stopped after {len(found.course.trials)} tasks")
        self.found = found


#: Called after each trial: the method, the trial, the best rho so far, how many are done.
Progress = Callable[[str, Trial, float, int], None]


def search(
    space: Union[str, SearchSpace[Any]],
    labelled: Union[str, Path, Mapping[str, float], Truth, Labels],
    *,
    evaluations: Optional[int] = None,
    budget: Optional[float] = None,
    population: int = 50,
    tournament: int = 10,
    control: bool = True,
    held_out: Union[str, Path, Mapping[str, float], Truth, Labels, None] = None,
    name: str = "searched",
    inputs: str = "photos",
    seed: int = 0,
    profile: Union[str, Mapping[str, Any], Profile, None] = None,
    workers: Optional[int] = None,
    executor: Optional[Executor] = None,
    store: Union[str, Path, Store, None] = None,
    device: str = "cpu",
    out: Union[str, Path, None] = None,
    progress: Progress = lambda method, trial, best, done: None,
) -> Found:
    """Search for the proxy task that orders some labelled architectures of a space best.

    With one worker the same settings always give the same search. It is kept in the store: called again with the same
    settings, it goes on where it was.

    Args:
        space: a search space or its name.
        labelled: about 20 architectures of known accuracy (see `labels.read`).
        evaluations: tasks to try (450 where there is no budget of time either).
        budget: seconds after which no new task is tried.
        population, tournament: of the evolution.
        control: let random search try as many tasks (for the same time, under a budget) afterwards.
        held_out: other labelled architectures; what the search does not see shows how far it fits its labels only.
        name: of the task.
        inputs, seed, profile, workers, executor, store, device: see `engine.score_many`.
        out: a folder for task.yaml, targets.png, convergence.png and result.json; None: nothing is written.
        progress: called after each trial.

    Raises:
        InputError: labels that cannot be used, a budget of nothing, a folder of another search.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    chosen = spaces.get(space)
    known = labelling.read(labelled, chosen).ordered()
    others = None if held_out is None else labelling.read(held_out, chosen)
    if evaluations is not None and evaluations < 1:
        raise InputError(f"evaluations is {evaluations}; it takes a whole number from 1 up")
    if budget is not None and not budget > 0:
        raise InputError(f"budget is {budget:g} seconds; it takes a time above 0, such as 60m")
    size = profiles.get(profile)
    settings = {
        "space": chosen.name,
        "labels": dict(zip(known.archs, known.values)),
        "profile": dataclasses.asdict(size),
        "inputs": inputs,
        "seed": seed,
        "method": "evolution",
        "population": population,
        "tournament": tournament,
        "reference": USUAL_PROXY[chosen.kind],
        "start": USUAL_PROXY[chosen.kind],
        "device": device,
    }
    folder = None if out is None else files.search_folder(out, settings)
    with contextlib.ExitStack() as stack:
        kept = store if isinstance(store, Store) else stack.enter_context(Store(store))
        executor = stack.enter_context(engine.one_pool(executor, workers, device))
        score = functools.partial(
            engine.score_pairs,
            chosen,
            inputs=inputs,
            workers=workers,
            executor=executor,
            store=kept,
            device=device,
        )
        made = _Search(chosen, known, others, size, name, seed, settings, kept, score)
        try:
            made.evolve("evolution", evaluations, budget, progress)
            made.confirm("evolution")
            if control:
                made.evolve("random", evaluations, budget, progress)
                made.confirm("random")
            made.validate()
        except KeyboardInterrupt:
            raise Interrupted(made.found(folder, complete=False)) from None
        return made.found(folder, complete=True)


class _Search:
    """A task search under way."""

    def __init__(
        self,
        space: SearchSpace[Any],
        known: Labels,
        others: Optional[Labels],
        profile: Profile,
        name: str,
        seed: int,
        settings: Mapping[str, Any],
        store: Store,
        score: Callable[..., Iterator[Record]],
    ) -> None:
        self.space, self.known, self.others, self.profile, self.name = space, known, others, profile, name
        self.seed, self.settings, self.store, self.score = seed, settings, store, score
        self.archs = [space.parse(text) for text in known.archs]
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
        digest = hashlib.sha256(
            canonical({**self.settings, "method": method, "version": __version__}).encode()
        ).hexdigest()
        journal = f"search-task {self.space.name} {digest[:16]}"
        limit = USUAL_EVALUATIONS if evaluations is None and budget is None else evaluations or math.inf
        trials: List[Trial] = []
        for entry in self.store.journal(journal):
            if len(trials) >= limit or (budget is not None and entry["wall"] > budget):
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
            while searcher.asked < limit and elapsed() < (budget or math.inf):
                attempt = _Attempt(searcher.ask(), len(self.archs))
                proxy = self.proxy(attempt.individual.genome)
                for place, arch in enumerate(self.archs):
                    if attempt.stopped:
                        break
                    under_way.append((attempt, place))
                    yield arch, proxy

        try:
            for record in self.score(pairs(), seed=self.seed):
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
                self.store.append(journal, len(trials), {"individual": searcher.plain(individual), **facts})
                trials.append(trial)
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
        for record in self.score(((arch, proxy) for arch in archs), seed=seed):
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


def _plain(course: Course) -> Dict[str, Any]:
    history = [
        {"evaluation": number, **dataclasses.asdict(trial), "best_rho": best.rho}
        for number, (trial, best) in enumerate(zip(course.trials, course.incumbents()), start=1)
    ]
    return {
        "evaluations": len(course.trials),
        "stopped_early": sum(trial.stopped for trial in course.trials),
        "wall_seconds": course.trials[-1].wall if course.trials else 0.0,
        "core_seconds": sum(trial.seconds for trial in course.trials),
        "history": history,
    }


def write(found: Found, folder: Path) -> None:
    """Write task.yaml, candidate.yaml, result.json and, of a search that is done, targets.png and convergence.png.

    A full disk loses these files, not the search.
    """
    try:
        if found.task is not None:
            (folder / "task.yaml").write_text(tasks.dump(found.task), encoding="utf-8")
        if found.candidate is not None:
            (folder / "candidate.yaml").write_text(tasks.dump(found.candidate), encoding="utf-8")
        files.write_json(folder / "result.json", found.to_json())
        if found.task is not None and found.complete:  # stopping must not wait for plots
            plots.plot_task(found.task, folder / "targets.png")
            plot(found, folder / "convergence.png")
    except (OSError, InputError) as error:
        warnings.warn(f"the results in '{folder}' are not complete: {error}", RuntimeWarning, stacklevel=3)


def plot(found: Found, path: Union[str, Path]) -> Path:
    """Draw the best correlation against tasks tried and against seconds (figure 6 of arXiv:2108.01899)."""
    made, axes = plots.figure(4.5, 3.2, 1, 2)
    courses = [course for course in (found.course, found.control) if course is not None and course.trials]
    for axis, along in zip(axes[0], ("tasks tried", "seconds")):
        for course, colour in zip(courses, ("tab:blue", "tab:gray")):
            best = course.incumbents()
            x = [trial.wall for trial in course.trials] if along == "seconds" else list(range(1, len(best) + 1))
            axis.step(x, [trial.rho for trial in best], where="post", color=colour, label=course.method)
            if course is found.course and found.held_out_curve:
                places = {trial.id: value for trial, value in zip(course.trials, x)}
                held = [(places[number], value) for number, value in found.held_out_curve]
                axis.plot(*zip(*held), "o--", color="tab:red", markersize=3, linewidth=1, label="on held-out labels")
        if found.reference is not None:
            axis.axhline(
                found.reference, color="black", linewidth=0.8, linestyle=":", label=found.settings["reference"]
            )
        axis.set_xlabel(along)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("Spearman rho with the labels")
    axes[0, 0].legend(frameon=False, fontsize=8)
    made.suptitle(f"task search on {found.settings['space']}, {len(found.settings['labels'])} labels", fontsize=10)
    return plots.save(made, path)
