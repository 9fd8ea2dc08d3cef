"""Find an architecture without labels: regularized evolution on scores, and random search beside it.

Section 4.4 of arXiv:2108.01899: population 50, tournament 10, 400 cycles, fitness = the score. The best of them are
scored anew by larger networks before one is returned (see `race`). Other methods are in `methods`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from naslib_gennas import files
from naslib_gennas import truth as truths
from naslib_gennas.errors import EngineError, InputError, check_whole
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import alone, constraints, methods, race
from naslib_gennas.studies.budget import USUAL_EVALUATIONS, evaluations_of, seconds
from naslib_gennas.studies.constraints import Constrained, Constraint
from naslib_gennas.studies.course import Course, Found, Step
from naslib_gennas.studies.evolution import Evolution, Individual, RandomSearch, Search
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.methods import Method
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.studies.search_report import write
from naslib_gennas.studies.variation import MUTATION, Variation, variation
from naslib_gennas.truth.table import Truth

__all__ = ["USUAL_EVALUATIONS", "Course", "Found", "Interrupted", "Step", "search", "seconds"]

#: So many architectures may fail with none scored before a search ends.
MAX_INITIAL_FAILURES = 10
# Settings of a method that `variation` turns into how architectures are drawn and varied.
_VARIED = ("children", "among")

#: Called after each step: the method, the step, the best one so far, how many are done and how many there will be (None
#: under a budget of time); "finalists" is the method of the race, whose steps are scores and whose best one is the best
#: finalist so far.
Progress = Callable[[str, Step, Step, int, Optional[int]], None]


def search(
    space: Union[str, SearchSpace[Any], Scorer],
    *,
    method: Union[str, Method] = "evolution",
    evaluations: Optional[int] = None,
    budget: Optional[float] = None,
    constraint: Sequence[Union[str, Constraint]] = (),
    finalists: Optional[int] = None,
    control: Optional[bool] = None,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    out: Union[str, Path, None] = None,
    progress: Progress = lambda method, step, best, done, total: None,
    **scoring: Any,
) -> Found:
    """Search for the architecture of the highest score.

    With one worker the same settings always give the same search. A search is kept in the store step by step: called
    again with the same settings, it continues where it stopped, with more evaluations or more time, too.

    Args:
        space: a search space, its name, or a scorer.
        method: a name of `methods.METHODS`.
        evaluations: how many architectures are looked at (450 where there is no budget of time either).
        budget: seconds after which no new architecture is looked at; those of an interrupted run count.
        constraint: bounds on the network that is trained in the end, such as ``params<1.5M`` (see `constraints`); what
            does not meet them is drawn again.
        finalists: how many of the best race at the full depth of the space (see `race`), and the best of these is
            returned; 0: none; None: a fifth of the evaluations, where the profile shrinks the networks. Of a budget of
            time they get a third.
        control: let random search look at as many architectures afterwards (under a budget of time: at as many as cost
            the same core-seconds); None: where the method is another one and has a use for it.
        truth: "installed" (the table installed for the space, if any), None, or what `truth.load` takes. It is
            only looked at: the search does not know it.
        out: a folder for result.json, history.csv and search.png (.svg, .pdf); None: nothing is written.
        progress: called after each step.
        scoring: `proxy`, `inputs`, `profile`, `seed`, `workers`, ...: see `Scorer.of`; and the method's own settings:
            `population`, `tournament`, `nu`, `estimator`, `price`, `repeats`; `children` and `among` (see `variation`).

    Raises:
        InputError: an unknown name, an impossible constraint, an empty budget, a folder of another search, or
            something that the method has no use for.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    chosen = methods.chosen(method, scoring)
    given: Dict[str, Any] = {"constraint": constraint, "finalists": finalists, "control": control}
    given.update({name: scoring.get(name) for name in ("proxy", "workers", "executor")})
    limit = evaluations_of(evaluations, budget)
    methods.refuse(chosen, **given, evaluations=evaluations, budget=budget)
    scorer = _scorer(space, chosen, scoring)
    table = truths.find(truth, scorer.space)
    bounds = tuple(constraints.parse(bound) if isinstance(bound, str) else bound for bound in constraint)
    study: Dict[str, Any] = {"constraints": [str(bound) for bound in bounds]}
    code = [bound.identity["code"] for bound in bounds if "code" in bound.identity]
    if code:  # of functions of the user's: another code is another search
        study["constraint_code"] = code
    own = {name: value for name, value in chosen.settings.items() if name not in _VARIED}
    varied = _variation(scorer.space, chosen, table)
    settings = {
        **scorer.about,
        "proxy_settings": scorer.proxy.settings,
        "device": scorer.place.device,
        "method": chosen.name,
        **own,
        **study,
        **varied.about,
    }
    folder = None if out is None else files.search_folder(out, settings)
    if not chosen.searcher:
        limits = {"evaluations": evaluations, "budget": budget}
        return alone.search(chosen, scorer, limits, table, settings, folder, progress)
    deep = _deep(scorer, chosen, finalists)
    judge = None if deep is None else race.judge(scorer)
    looking = budget if budget is None or deep is None else budget * race.TIME_SHARE
    courses = {chosen.name: Course(chosen.name, ())}
    resumed = 0

    def result(complete: bool) -> Found:
        control = courses.get("control")
        made = Found(settings, courses[chosen.name], control, table, resumed, complete, folder)
        if deep is not None:
            made = dataclasses.replace(made, final={"profile": deep.about["profile"], "seed": deep.seed})
        if folder is not None:
            write(made, folder)
        return made

    def go(how: Method, label: str, about: Mapping[str, Any], searcher: Search[Any], store: Store) -> None:
        nonlocal resumed
        journal = Journal(store, "search", scorer, {"method": how.name, **about, **study})
        run = _Run(scorer, searcher, journal, table)
        if label == chosen.name:
            resumed = min(len(journal.saved), limit or len(journal.saved))
            most = math.inf
        else:  # scores that the search has paid for are not free here
            most = math.inf if budget is None else courses[chosen.name].looking_seconds
        courses[label] = run.course(how.name)
        try:
            for step, best in run.go(limit, looking, most):
                progress(how.name, step, best, len(run.steps), limit)
        finally:
            courses[label] = run.course(how.name)
        if deep is not None and courses[label].best is not None:
            count = max(1, len(run.steps) // race.SHARE) if finalists is None else finalists
            left = math.inf
            if budget is not None and looking is not None:
                left = budget - (looking if label == "control" else courses[label].wall_seconds)
            races = _final(courses[label], count, left, table, deep, judge)
            for done, (course, step, total) in enumerate(races, start=1):
                courses[label], best_so_far = course, course.best
                assert best_so_far is not None
                progress("finalists", step, best_so_far, done, total)

    with scorer.place as (_, store):
        try:
            candidates = Constrained(scorer.space, bounds, store, varied)
            searcher = _searcher(chosen, own, candidates, scorer.seed)
            go(chosen, chosen.name, {**own, **varied.about}, searcher, store)
            if control is not False and chosen.name != "random":
                random = methods.get("random")
                among = {name: value for name, value in varied.about.items() if name == "among"}
                go(random, "control", among, _searcher(random, {}, candidates, scorer.seed), store)
        except KeyboardInterrupt:
            done = result(complete=False)
            raise Interrupted(done, f"{done.evaluations} evaluations") from None
    return result(complete=True)


def _variation(space: SearchSpace[Any], method: Method, table: Optional[Truth]) -> Variation:
    """How a method draws architectures and makes children of them."""
    asked = method.settings
    return variation(space, asked.get("children", MUTATION), asked.get("among"), table)


def _scorer(space: Union[str, SearchSpace[Any], Scorer], method: Method, scoring: Mapping[str, Any]) -> Scorer:
    """What a method scores by."""
    if method.proxy is None and method.searcher:
        return Scorer.of(space, **scoring)
    if scoring.get("proxy") not in (None, method.proxy):
        raise InputError(f"search method '{method.name}' scores by {method.proxy} alone; leave proxy out")
    if not method.searcher:
        return alone.scorer(method, space, **scoring)
    return Scorer.of(space, **{**scoring, "proxy": method.proxy})


def _deep(scorer: Scorer, method: Method, count: Optional[int]) -> Optional[Scorer]:
    """The scorer of the finalists; None where there are none."""
    if count is not None:
        check_whole("finalists", count, 0)
    usual = method.finalists and race.usual(scorer.space, scorer.proxy.profile) and not scorer.fixed
    if count == 0 or (count is None and not usual):
        return None
    return race.deep(scorer)


def _final(
    course: Course, count: int, left: float, table: Optional[Truth], deep: Scorer, judge: Optional[Scorer]
) -> Iterator[Tuple[Course, Step, int]]:
    """Let the best of a course race for `left` seconds; gives the course after each score, the best finalist, and how
    many scores there are.
    """
    started, space = time.perf_counter(), deep.space
    steps = {step.id: step for step in course.steps}
    chosen = race.entrants(((one.id, space.parse(one.arch), one.score) for one in course.steps), space, count)
    for found, total in race.race(chosen, deep, table, started + left, judge=judge):
        made = dataclasses.replace(course, finalists=tuple(found), final_seconds=time.perf_counter() - started)
        yield made, steps[found[0].id], total


def _searcher(method: Method, settings: Mapping[str, Any], candidates: Constrained, seed: int) -> Search[Any]:
    space = candidates.space
    # Fails here, before any work, where nothing meets the constraints.
    candidates.sample(np.random.default_rng(seed))
    if method.searcher == "random":
        return RandomSearch(candidates.sample, seed, space.format, space.parse)
    return Evolution(
        candidates.sample, candidates.mutate, seed=seed, encode=space.format, decode=space.parse, **settings
    )


class _Run:
    """A search under way, kept in its journal step by step."""

    def __init__(self, scorer: Scorer, searcher: Search[Any], journal: Journal, table: Optional[Truth]) -> None:
        self.scorer, self.searcher, self.journal, self.table = scorer, searcher, journal, table
        self.steps: List[Step] = []
        self.spent = 0.0
        self._paid: Set[str] = set()

    def go(
        self, evaluations: Optional[int], budget: Optional[float], most: float = math.inf
    ) -> Iterator[Tuple[Step, Step]]:
        """Take over what the journal has, then evaluate up to the budget; gives each new step and the best so far.

        Args:
            evaluations: at most.
            budget: seconds after which nothing new is looked at.
            most: core-seconds of scores, wherever they are from, after which nothing new is looked at.
        """
        spent = False  # an earlier run had more time than this one
        for entry in self.journal.saved[:evaluations]:
            # What was begun in time counts, as it did then; entries of before say when they ended.
            begun, paid = entry.get("begun", (entry["wall"], self.spent))
            spent = paid >= most or (budget is not None and begun >= budget)
            if spent:
                break
            self._step(self.searcher.replay(entry["individual"]), wall=entry["wall"], **entry["record"])
        before, started = (self.steps[-1].wall if self.steps else 0.0), time.perf_counter()
        best = max(self.steps, key=lambda step: step.score, default=None)
        asked: List[Tuple[Individual[Any], float, float]] = []

        def elapsed() -> float:
            return before + time.perf_counter() - started

        def candidates() -> Iterator[Any]:
            while (
                not spent
                and self.searcher.asked < (evaluations or math.inf)
                and elapsed() < (budget or math.inf)
                and self.spent < most
            ):
                begun, paid = elapsed(), self.spent
                asked.append((self.searcher.ask(), begun, paid))
                yield asked[-1][0].genome

        with contextlib.closing(self.scorer.many(candidates())) as records:
            for record in records:
                individual, *begun = asked[record.index]
                individual = self.searcher.tell(individual, record.score)
                facts: Dict[str, Any] = {"status": record.status, "reason": record.reason, "seconds": record.seconds}
                wall = elapsed()
                plain = self.searcher.plain(individual)
                entry = {"individual": plain, "record": facts, "wall": wall, "begun": begun}
                take = functools.partial(self._step, individual, wall=wall, **facts)
                step = self.journal.keep(len(self.steps), entry, take, self.steps)
                if len(self.steps) == MAX_INITIAL_FAILURES and all(step.status == "failed" for step in self.steps):
                    self.journal.forget()
                    raise EngineError(f"the first {MAX_INITIAL_FAILURES} architectures all failed: {record.reason}")
                best = step if best is None or step.score > best.score else best
                yield step, best

    def course(self, method: str) -> Course:
        return Course(method, tuple(self.steps))

    def _step(self, individual: Individual[Any], wall: float, status: str, reason: str, seconds: float) -> Step:
        space = self.scorer.space
        value = None if self.table is None else self.table.of(space, individual.genome)
        score = -math.inf if individual.fitness is None else individual.fitness
        key = space.key(individual.genome)
        if key not in self._paid:
            self._paid.add(key)
            self.spent += seconds
        about = (status, reason, seconds, wall, self.spent, individual.parent, individual.birth)
        step = Step(individual.id, space.format(individual.genome), score, value, *about)
        self.steps.append(step)
        return step
