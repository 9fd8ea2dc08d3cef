"""Find an architecture without labels: regularized evolution on scores, and random search beside it.

Section 4.4 of arXiv:2108.01899: population 50, tournament 10, 400 cycles, fitness = the score. The best of them are
scored anew by larger networks before one is returned (see `finalists`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import math
import re
import time
import warnings
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from naslib_gennas import __version__, files, spaces
from naslib_gennas import truth as truths
from naslib_gennas.errors import EngineError, InputError, suggest
from naslib_gennas.identity import canonical
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring import engine
from naslib_gennas.scoring.engine import Record
from naslib_gennas.scoring.scorer import proxy_for
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import constraints, plots
from naslib_gennas.studies import race as finals
from naslib_gennas.studies.constraints import Constrained, Constraint
from naslib_gennas.studies.evolution import Evolution, Individual, RandomSearch, Search
from naslib_gennas.studies.race import Finalist
from naslib_gennas.truth.table import Truth

USUAL_EVALUATIONS = 450
METHODS = ("evolution", "random")
# When so many architectures fail and none has been scored, the search ends.
_HOPELESS = 10
COLUMNS = (
    "evaluation",
    "arch",
    "score",
    "truth",
    "status",
    "parent",
    "birth",
    "seconds",
    "wall",
    "best_score",
    "best_truth",
    "regret",
)


@dataclass(frozen=True)
class Step:
    """One evaluation of a search.

    Attributes:
        id, parent, birth: as in `evolution.Individual`.
        arch: in the benchmark's notation.
        score: its fitness; -inf ranks last.
        truth: its true value, where the truth has one.
        status, reason: as in `engine.Record`.
        seconds: core-seconds of the score.
        wall: seconds since the search began, those before an interruption included.
    """

    id: int
    arch: str
    score: float
    truth: Optional[float]
    status: str
    reason: str
    seconds: float
    wall: float
    parent: Optional[int]
    birth: int


@dataclass(frozen=True)
class Course:
    """What one method did.

    Attributes:
        method: "evolution" or "random".
        steps: all its steps, in the order in which they were done.
        finalists: the best of them, raced anew, the winner first; empty where there was no such step.
        final_seconds: how long that took.
    """

    method: str
    steps: Tuple[Step, ...]
    finalists: Tuple[Finalist, ...] = ()
    final_seconds: float = 0.0

    @property
    def best(self) -> Optional[Step]:
        """What the search found: the best finalist, else the step of the highest score, the first of equals."""
        if self.finalists and self.finalists[0].status == "ok":
            return next(step for step in self.steps if step.id == self.finalists[0].id)
        return max(self.steps, key=lambda step: step.score, default=None)

    @property
    def wall_seconds(self) -> float:
        return (self.steps[-1].wall if self.steps else 0.0) + self.final_seconds

    @property
    def core_seconds(self) -> float:
        """Core-seconds of all scores; architectures that were looked at again cost nothing the second time."""
        once = {(step.score, step.seconds) for step in self.steps}
        return sum(seconds for _, seconds in once) + sum(one.seconds for one in self.finalists)

    def incumbents(self) -> Iterator[Step]:
        """After each step, the best one up to there."""
        best: Optional[Step] = None
        for step in self.steps:
            best = step if best is None or step.score > best.score else best
            yield best


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        settings: what decides the search; the same settings and store go on with it.
        course: the search itself; `control` is random search with the same budget, where asked for.
        final: profile and seed of the finalists' scores; None where there were none.
        truth: where the truth is from, and its best value.
        resumed: evaluations that an earlier, interrupted run had done.
        complete: False where the run was interrupted.
        folder: where it was written, if anywhere.
    """

    settings: Mapping[str, Any]
    course: Course
    control: Optional[Course] = None
    truth: Optional[Truth] = None
    resumed: int = 0
    complete: bool = True
    folder: Optional[Path] = None
    final: Optional[Mapping[str, Any]] = None

    @property
    def best(self) -> Optional[Step]:
        return self.course.best

    @property
    def evaluations(self) -> int:
        return len(self.course.steps)

    def to_json(self) -> Dict[str, Any]:
        """The search as plain data: what `result.json` and `--json` hold."""
        return {
            **{key: self.settings[key] for key in ("space", "proxy", "inputs", "seed", "method")},
            "settings": self.settings,
            "final": self.final,
            **_plain(self.course, self.truth),
            "control": None if self.control is None else _plain(self.control, self.truth),
            "truth": None if self.truth is None else self.truth.to_json(),
            "resumed": self.resumed,
            "complete": self.complete,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


class Interrupted(KeyboardInterrupt):
    """A search was stopped (Ctrl-C, SIGTERM); `found` has what was done, and the same call goes on from there."""

    def __init__(self, found: Found) -> None:
        super().__init__(f"stopped after {found.evaluations} evaluations")
        self.found = found


#: Called after each step: the method, the step, the best one so far, how many are done; "finalists" is the method of
#: the last step, whose best one is the best finalist so far.
Progress = Callable[[str, Step, Step, int], None]


def search(
    space: Union[str, SearchSpace[Any]],
    proxy: Union[str, Proxy, None] = None,
    *,
    evaluations: Optional[int] = None,
    budget: Optional[float] = None,
    method: str = "evolution",
    population: int = 50,
    tournament: int = 10,
    constraint: Sequence[Union[str, Constraint]] = (),
    finalists: Optional[int] = None,
    control: bool = True,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    higher_is_better: Optional[bool] = None,
    inputs: Optional[str] = None,
    seed: int = 0,
    profile: Union[str, Mapping[str, Any], Profile, None] = None,
    workers: Optional[int] = None,
    executor: Optional[Executor] = None,
    store: Union[str, Path, Store, None] = None,
    device: str = "cpu",
    out: Union[str, Path, None] = None,
    progress: Progress = lambda method, step, best, done: None,
) -> Found:
    """Search for the architecture of the highest score.

    With one worker the same settings always give the same search. A search is kept in the store step by step: called
    again with the same settings, it goes on where it was, with more evaluations or more time, too.

    Args:
        space: a search space or its name.
        proxy: a proxy or its name; None: the usual one of the space's kind.
        evaluations: how many architectures are looked at (450 where there is no budget of time either).
        budget: seconds after which no new architecture is looked at; those of an interrupted run count.
        method: "evolution" (regularized) or "random".
        population, tournament: of the evolution.
        constraint: bounds on the whole network, such as ``params<1.5M``; what does not meet them is drawn again.
        finalists: how many of the best race at the full depth of the space (see `finalists`), and the best of these is
            returned; 0: none; None: a fifth of the evaluations, where the profile shrinks the networks. Of a budget of
            time they get a third.
        control: let random search look at as many architectures (for the same time, under a budget) afterwards.
        truth: "installed" (the table that is there for the space, if any), None, or what `truth.load` takes. It is
            only looked at: the search does not know it.
        higher_is_better: of the truth; None: as the column's name says.
        inputs: the input batch; None: the proxy's usual one.
        seed: of the search and of the scores.
        profile: size and cost of the scoring.
        workers, executor, store, device: see `engine.score_many`.
        out: a folder for result.json, history.csv and search.png; None: nothing is written.
        progress: called after each step.

    Raises:
        InputError: an unknown name, an impossible constraint, a budget of nothing, a folder of another search.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    found_space = spaces.get(space)
    chosen = proxy_for(found_space, proxy, profile)
    evaluations = _budget(evaluations, budget)
    if method not in METHODS:
        raise InputError(f"unknown search method '{method}'{suggest(method, METHODS)}")
    bounds = tuple(constraints.parse(bound) if isinstance(bound, str) else bound for bound in constraint)
    table = truths.find(truth, found_space, higher_is_better)
    final_proxy = _final_proxy(found_space, proxy, chosen, finalists)
    judge = None if final_proxy is None else finals.judge(found_space, proxy, chosen.profile)
    looking = budget if budget is None or final_proxy is None else budget * finals.TIME_SHARE
    settings = {
        "space": found_space.name,
        "proxy": chosen.name,
        "proxy_settings": chosen.settings,
        "profile": dataclasses.asdict(chosen.profile),
        "inputs": inputs or chosen.inputs,
        "seed": seed,
        "method": method,
        "population": population,
        "tournament": tournament,
        "constraints": [str(bound) for bound in bounds],
        "device": device,
    }
    folder = None if out is None else files.search_folder(out, settings)
    candidates = Constrained(found_space, bounds)
    with contextlib.ExitStack() as stack:
        kept = store if isinstance(store, Store) else stack.enter_context(Store(store))
        executor = stack.enter_context(engine.one_pool(executor, workers, device))
        scored = functools.partial(
            engine.score_many,
            found_space,
            inputs=inputs,
            workers=workers,
            executor=executor,
            store=kept,
            device=device,
        )
        score = functools.partial(scored, proxy=chosen, seed=seed)
        final_score = functools.partial(scored, seed=finals.seed_for(seed))
        courses = {method: Course(method, ())}
        resumed = 0

        def result(complete: bool) -> Found:
            made = Found(settings, courses[method], courses.get("control"), table, resumed, complete, folder)
            if final_proxy is not None:
                about = {"profile": dataclasses.asdict(final_proxy.profile), "seed": finals.seed_for(seed)}
                made = dataclasses.replace(made, final=about)
            if folder is not None:
                _write(made, folder)
            return made

        def go(name: str, label: str) -> None:
            nonlocal resumed
            searcher = _searcher(name, candidates, population, tournament, seed)
            run = _Run(found_space, searcher, kept, {**settings, "method": name}, table, score)
            if label == method:
                resumed = min(len(run.saved), evaluations or len(run.saved))
            courses[label] = run.course(name)
            try:
                for step, best in run.go(evaluations, looking):
                    progress(name, step, best, len(run.steps))
            finally:
                courses[label] = run.course(name)
            if final_proxy is not None:
                count = max(1, len(run.steps) // finals.SHARE) if finalists is None else finalists
                left = math.inf if budget is None else budget - courses[label].wall_seconds
                for course, step in _final(
                    courses[label], count, left, found_space, table, final_proxy, judge, final_score
                ):
                    courses[label], best_so_far = course, course.best
                    assert best_so_far is not None
                    progress("finalists", step, best_so_far, len(course.finalists))

        try:
            go(method, method)
            if control and method != "random":
                go("random", "control")
        except KeyboardInterrupt:
            raise Interrupted(result(complete=False)) from None
        return result(complete=True)


def _final_proxy(
    space: SearchSpace[Any], proxy: Union[str, Proxy, None], chosen: Proxy, count: Optional[int]
) -> Optional[Proxy]:
    """The proxy that scores the finalists; None where there are none."""
    if count is not None and count < 0:
        raise InputError(f"finalists is {count}; it takes a whole number from 0 up, 0 for none")
    usual = finals.usual(space, chosen.profile) and not isinstance(proxy, Proxy)
    if count == 0 or (count is None and not usual):
        return None
    return finals.deep_proxy(space, proxy, chosen.profile)


def _final(
    course: Course,
    count: int,
    left: float,
    space: SearchSpace[Any],
    table: Optional[Truth],
    proxy: Proxy,
    judge: Optional[Proxy],
    score: Callable[[Iterator[Any], Proxy], Iterator[Record]],
) -> Iterator[Tuple[Course, Step]]:
    """Let the best of a course race for `left` seconds; gives the course after each score, and the best finalist."""
    started = time.perf_counter()
    steps = {step.id: step for step in course.steps}
    chosen = finals.entrants(((one.id, space.parse(one.arch), one.score) for one in course.steps), space, count)
    for found in finals.race(chosen, space, table, proxy, score, started + left, judge=judge):
        made = dataclasses.replace(course, finalists=tuple(found), final_seconds=time.perf_counter() - started)
        yield made, steps[found[0].id]


def _searcher(method: str, candidates: Constrained, population: int, tournament: int, seed: int) -> Search[Any]:
    space = candidates.space
    # Fails here, before any work, where nothing meets the constraints.
    candidates.sample(np.random.default_rng(seed))
    if method == "random":
        return RandomSearch(candidates.sample, seed, space.format, space.parse)
    return Evolution(candidates.sample, candidates.mutate, population, tournament, seed, space.format, space.parse)


class _Run:
    """A search under way, kept in a journal of the store step by step."""

    def __init__(
        self,
        space: SearchSpace[Any],
        searcher: Search[Any],
        store: Store,
        settings: Mapping[str, Any],
        table: Optional[Truth],
        score: Callable[[Iterator[Any]], Iterator[Record]],
    ) -> None:
        self.space, self.searcher, self.store, self.table, self.score = space, searcher, store, table, score
        digest = hashlib.sha256(canonical({**settings, "version": __version__}).encode()).hexdigest()
        self.journal = f"search {settings['space']} {digest[:16]}"
        self.saved = store.journal(self.journal)
        self.steps: List[Step] = []

    def go(self, evaluations: Optional[int], budget: Optional[float]) -> Iterator[Tuple[Step, Step]]:
        """Take over what the journal has, then evaluate up to the budget; gives each new step and the best so far."""
        for entry in self.saved[:evaluations]:
            if budget is not None and entry["wall"] > budget:
                break
            self._step(self.searcher.replay(entry["individual"]), wall=entry["wall"], **entry["record"])
        self.saved = []
        before, started = (self.steps[-1].wall if self.steps else 0.0), time.perf_counter()
        best = max(self.steps, key=lambda step: step.score, default=None)
        asked: List[Individual[Any]] = []

        def elapsed() -> float:
            return before + time.perf_counter() - started

        def candidates() -> Iterator[Any]:
            while self.searcher.asked < (evaluations or math.inf) and elapsed() < (budget or math.inf):
                asked.append(self.searcher.ask())
                yield asked[-1].genome

        for record in self.score(candidates()):
            individual = self.searcher.tell(asked[record.index], record.score)
            facts: Dict[str, Any] = {"status": record.status, "reason": record.reason, "seconds": record.seconds}
            wall = elapsed()
            entry = {"individual": self.searcher.plain(individual), "record": facts, "wall": wall}
            self.store.append(self.journal, len(self.steps), entry)
            step = self._step(individual, wall=wall, **facts)
            if len(self.steps) == _HOPELESS and all(step.status == "failed" for step in self.steps):
                self.store.forget(self.journal)
                raise EngineError(f"the first {_HOPELESS} architectures all failed: {record.reason}")
            best = step if best is None or step.score > best.score else best
            yield step, best

    def course(self, method: str) -> Course:
        return Course(method, tuple(self.steps))

    def _step(self, individual: Individual[Any], wall: float, status: str, reason: str, seconds: float) -> Step:
        value = None if self.table is None else self.table.of(self.space, individual.genome)
        score = -math.inf if individual.fitness is None else individual.fitness
        step = Step(
            individual.id,
            self.space.format(individual.genome),
            score,
            value,
            status,
            reason,
            seconds,
            wall,
            individual.parent,
            individual.birth,
        )
        self.steps.append(step)
        return step


def _budget(evaluations: Optional[int], budget: Optional[float]) -> Optional[int]:
    if evaluations is not None and evaluations < 1:
        raise InputError(f"evaluations is {evaluations}; it takes a whole number from 1 up")
    if budget is not None and not budget > 0:
        raise InputError(f"budget is {budget:g} seconds; it takes a time above 0, such as 10m")
    return USUAL_EVALUATIONS if evaluations is None and budget is None else evaluations


def seconds(text: str) -> float:
    """The seconds that a text such as ``90``, ``90s``, ``10m`` or ``1.5h`` means.

    Raises:
        InputError: it is no time, or none at all.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([smhd]?)\s*", text)
    try:
        amount = float(found.group(1)) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found.group(2)] if found else 0
    except ValueError:
        amount = 0
    if not amount > 0:
        raise InputError(f"budget '{text}': it takes a time above 0, such as 90s, 10m or 2h")
    return float(amount)


def _rows(course: Course, table: Optional[Truth]) -> List[Dict[str, Any]]:
    rows = []
    for number, (step, best) in enumerate(zip(course.steps, course.incumbents()), start=1):
        gap = None if table is None or best.truth is None else abs(table.best - best.truth)
        so_far = {"best_score": best.score, "best_truth": best.truth, "regret": gap}
        rows.append({"evaluation": number, **dataclasses.asdict(step), **so_far})
    return rows


def _plain(course: Course, table: Optional[Truth]) -> Dict[str, Any]:
    best = course.best
    found = None if best is None else {key: getattr(best, key) for key in ("arch", "score", "truth", "id")}
    if found is not None:
        found["final_score"] = course.finalists[0].final_score if course.finalists else None
    return {
        "best": found,
        "regret": None if table is None or best is None or best.truth is None else abs(table.best - best.truth),
        "evaluations": len(course.steps),
        "wall_seconds": course.wall_seconds,
        "core_seconds": course.core_seconds,
        "finalists": [dataclasses.asdict(finalist) for finalist in course.finalists],
        "history": _rows(course, table),
    }


def _write(found: Found, folder: Path) -> None:
    """Write result.json, history.csv and, of a search that is done, search.png (stopping must not wait for a plot).

    A full disk loses these files, not the search.
    """
    try:
        files.write_json(folder / "result.json", found.to_json())
        with files.Rows(folder / "history.csv", COLUMNS) as file:
            for row in _rows(found.course, found.truth):
                file.write(row)
        if found.course.steps and found.complete:
            plot(found, folder / "search.png")
    except (OSError, InputError) as error:
        warnings.warn(f"the results in '{folder}' are not complete: {error}", RuntimeWarning, stacklevel=3)


def plot(found: Found, path: Union[str, Path]) -> Path:
    """Draw the score, true value and regret of the best so far by evaluations and by seconds; a star: the finalist."""
    quantities = [("best_score", "score of the best")]
    if found.truth is not None and any(step.truth is not None for step in found.course.steps):
        quantities += [("best_truth", found.truth.column), ("regret", f"regret to {found.truth.best:.2f}")]
    made, axes = plots.figure(4.5, 2.6, len(quantities), 2)
    courses = [course for course in (found.course, found.control) if course is not None and course.steps]
    for line, (key, label) in zip(axes, quantities):
        for axis, along in zip(line, ("evaluation", "wall")):
            for course, colour in zip(courses, ("tab:blue", "tab:gray")):
                rows = [row for row in _rows(course, found.truth) if row[key] is not None and math.isfinite(row[key])]
                x, y = [row[along] for row in rows], [row[key] for row in rows]
                axis.step(x, y, where="post", color=colour, label=course.method)
                chosen = _plain(course, found.truth)
                end = {"best_truth": chosen["best"]["truth"], "regret": chosen["regret"]}.get(key)
                if course.finalists and end is not None:
                    place = len(course.steps) if along == "evaluation" else course.wall_seconds
                    axis.plot(place, end, "*", color=colour, markersize=10, label=f"{course.method}, finalist")
            axis.grid(alpha=0.3)
            axis.set_xlabel("evaluations" if along == "evaluation" else "seconds")
        line[0].set_ylabel(label, fontsize=9)
    axes[-1, 0].legend(frameon=False, fontsize=9)
    made.suptitle(f"{found.settings['proxy']} on {found.settings['space']}, seed {found.settings['seed']}", fontsize=10)
    return plots.save(made, path)
