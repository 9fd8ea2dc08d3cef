"""Search for a trade-off between several objectives, such as the score and the latency: a Pareto front by NSGA-II.

The score is maximised, what a network costs is minimised; there are no weights to choose. See `nsga2` for the method
and `objectives` for what can be traded off.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from naslib_gennas import files
from naslib_gennas import truth as truths
from naslib_gennas.errors import EngineError, InputError, check_whole
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import constraints, front_report, nsga2
from naslib_gennas.studies import objectives as aims
from naslib_gennas.studies.budget import evaluations_of
from naslib_gennas.studies.constraints import Constrained, Constraint
from naslib_gennas.studies.front import Evaluation, Front, costs
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.nsga2 import Candidate, Proposals
from naslib_gennas.studies.objectives import SCORE, Objective
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.studies.search import MAX_INITIAL_FAILURES
from naslib_gennas.truth.table import Truth

__all__ = ["Evaluation", "Front", "Interrupted", "trade_off"]

NSGA2, RANDOM = "nsga2", "random"
#: Called after each evaluation: the method, the evaluation, how many are done.
Progress = Callable[[str, Evaluation, int], None]
# What decides scores alone.
_SCORING = ("proxy", "inputs", "profile", "initialise")


def trade_off(
    space: Union[str, SearchSpace[Any], Scorer],
    objectives: Sequence[Union[str, Objective]],
    *,
    evaluations: Optional[int] = None,
    budget: Optional[float] = None,
    population: int = 50,
    constraint: Sequence[Union[str, Constraint]] = (),
    control: bool = False,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    out: Union[str, Path, None] = None,
    progress: Progress = lambda method, evaluation, done: None,
    **scoring: Any,
) -> Front:
    """Search for the architectures that are best in none or another way: the Pareto front of several objectives.

    The same settings always give the same search, with any number of workers. It is kept in the store evaluation by
    evaluation: called again with the same settings, it goes on where it was, with more evaluations or more time, too.
    No architecture is evaluated twice, nor is an isomorphic one.

    Args:
        space: a search space, its name, or a scorer.
        objectives: two or more of "score", "params", "flops", "memory", "latency" and ``FILE.py:FUNCTION`` (see
            `objectives.parse`). The costs are those of the network that is trained in the end.
        evaluations: how many architectures are looked at (450 where there is no budget of time either).
        budget: seconds after which no new architecture is looked at; those of an interrupted run count.
        population: architectures in a generation; the first is drawn at random.
        constraint: bounds as for `search.search`, within which the front is searched.
        control: let random search look at as many architectures afterwards, for comparison.
        truth: "installed" (the table that is there for the space, if any), None, or what `truth.load` takes. It is
            only looked at: the search does not know it.
        out: a folder for result.json, front.csv, history.csv and front.png; None: nothing is written.
        progress: called after each evaluation.
        scoring: `proxy`, `inputs`, `profile`, `seed`, `workers`, ...: see `Scorer.of`.

    Raises:
        InputError: an unknown name, fewer than two objectives, an impossible constraint, a budget of nothing, a folder
            of another search, or pymoo is not installed.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    pymoo = nsga2.check()
    limit = evaluations_of(evaluations, budget)
    check_whole("population", population, 2)
    scorer = Scorer.of(space, **scoring)
    traded = aims.together(objectives, scorer.space)
    _check_scoring(traded, scoring)
    table = truths.find(truth, scorer.space)
    bounds = tuple(constraints.parse(bound) if isinstance(bound, str) else bound for bound in constraint)
    study = {
        "objectives": [one.identity for one in traded],
        "constraints": [one.identity for one in bounds],
        "population": population,
        # Another version may propose others.
        "pymoo": pymoo,
    }
    settings = {
        **scorer.about,
        "proxy_settings": scorer.proxy.settings,
        "device": scorer.place.device,
        "method": NSGA2,
        **study,
    }
    folder = None if out is None else files.search_folder(out, settings)
    runs: Dict[str, _Run] = {}

    def result(complete: bool) -> Front:
        main, beside = runs.get(NSGA2), runs.get(RANDOM)
        made = Front(
            settings,
            traded,
            () if main is None else main.history,
            () if beside is None else beside.history,
            table,
            0 if main is None else main.resumed,
            complete,
            main is not None and main.exhausted,
            folder,
        )
        if folder is not None:
            front_report.write(made, folder)
        return made

    def go(method: str, proposals: Proposals, store: Store, limit: Optional[int], budget: Optional[float]) -> None:
        journal = Journal(store, "trade-off", scorer, {"method": method, **study})
        runs[method] = _Run(scorer, traded, proposals, journal, table)
        for evaluation in runs[method].go(limit, budget):
            progress(method, evaluation, len(runs[method].history))

    with scorer.place as (_, store):
        try:
            candidates = Constrained(scorer.space, bounds, store)
            # Fails here, before any work, where nothing meets the constraints.
            candidates.sample(np.random.default_rng(scorer.seed))
            go(NSGA2, nsga2.NSGA2(candidates, population, scorer.seed, len(traded)), store, limit, budget)
            if control:
                done = len(runs[NSGA2].history)
                go(RANDOM, nsga2.RandomDraws(candidates, population, scorer.seed), store, done, None)
        except KeyboardInterrupt:
            stopped = result(complete=False)
            raise Interrupted(stopped, f"{stopped.evaluations} evaluations") from None
    return result(complete=True)


def _check_scoring(objectives: Sequence[Objective], scoring: Mapping[str, Any]) -> None:
    """Refuse what decides scores where there are none."""
    said = [name for name in _SCORING if scoring.get(name) is not None]
    if said and all(one.name != SCORE for one in objectives):
        named = ", ".join(one.name for one in objectives)
        raise InputError(f"objectives {named}: nothing is scored, {', '.join(said)} has no use; add objective score")


class _Run:
    """A search under way, kept in its journal evaluation by evaluation."""

    def __init__(
        self,
        scorer: Scorer,
        objectives: Tuple[Objective, ...],
        proposals: Proposals,
        journal: Journal,
        table: Optional[Truth],
    ) -> None:
        self.scorer, self.objectives, self.proposals = scorer, objectives, proposals
        self.journal, self.table = journal, table
        self.resumed, self.exhausted = 0, False
        self._done: Dict[int, Evaluation] = {}
        self._kept = len(journal.saved)

    @property
    def history(self) -> Tuple[Evaluation, ...]:
        """All evaluations, as they were proposed."""
        return tuple(self._done[number] for number in sorted(self._done))

    def go(self, evaluations: Optional[int], budget: Optional[float]) -> Iterator[Evaluation]:
        """Take over what the journal has, then evaluate up to the budget; gives each new evaluation."""
        most, seconds = evaluations or math.inf, budget or math.inf
        saved = {entry["key"]: entry for entry in self.journal.saved if entry["wall"] <= seconds}
        spent = len(saved) < self._kept  # an earlier run had more time than this one
        before, started = max((entry["wall"] for entry in saved.values()), default=0.0), time.perf_counter()

        def elapsed() -> float:
            return math.inf if spent else before + time.perf_counter() - started

        first = generation = 0
        while first < most:
            asked = self.proposals.ask()
            self.exhausted = not asked
            new: List[Tuple[int, Candidate]] = []
            for number, one in enumerate(asked, start=first):
                if number >= most:
                    break
                if one.key in saved:
                    self._take(number, generation, saved[one.key])
                    self.resumed += 1
                else:
                    new.append((number, one))
            for number, one, record, values in self._evaluated(new, lambda: elapsed() < seconds):
                entry = self._entry(one, record, values, before + time.perf_counter() - started)
                take = functools.partial(self._take, number, generation, entry)
                evaluation = self.journal.keep(self._kept, entry, take, self._done)
                self._kept += 1
                yield evaluation
                self._check(record)
            told = [self._done.get(number) for number in range(first, first + len(asked))]
            whole = [one for one in told if one is not None]
            if not asked or len(whole) < len(told):
                return
            self.proposals.tell(np.array([costs(one, self.objectives) for one in whole]))
            first, generation = first + len(asked), generation + 1

    def _evaluated(
        self, new: Sequence[Tuple[int, Candidate]], in_time: Callable[[], bool]
    ) -> Iterator[Tuple[int, Candidate, Record, Mapping[str, float]]]:
        """Candidates with their scores and what they cost, as they finish.

        All is measured before anything is scored: the workers would disturb the latency.
        """
        measured: List[Mapping[str, float]] = []
        for _, one in new:
            if not in_time():
                break
            taken = self.proposals.candidates.measurements
            measured.append({aim.name: aim.value(one.arch, taken) for aim in self.objectives if not aim.maximised})
        archs = (one.arch for _, one in new[: len(measured)] if in_time())
        with contextlib.closing(self._records(archs)) as records:
            for record in records:
                yield (*new[record.index], record, measured[record.index])

    def _records(self, archs: Iterable[Any]) -> Any:
        if any(one.maximised for one in self.objectives):
            return self.scorer.many(archs)
        return self._unscored(archs)

    def _unscored(self, archs: Iterable[Any]) -> Iterator[Record]:
        """Records without a score, where that is no objective."""
        space = self.scorer.space
        for index, arch in enumerate(archs):
            reason = space.untrainable(arch)
            status = "ok" if reason is None else "untrainable"
            yield Record(space.format(arch), space.key(arch), math.nan, status, reason or "", index=index)

    def _entry(self, one: Candidate, record: Record, values: Mapping[str, float], wall: float) -> Dict[str, Any]:
        """An evaluation as the journal keeps it."""
        all_values = {aim.name: record.score if aim.maximised else values[aim.name] for aim in self.objectives}
        status, reason = record.status, record.reason
        wrong = [f"{name} is {value}" for name, value in all_values.items() if not math.isfinite(value)]
        if status == "ok" and wrong:
            status, reason = "failed", ", ".join(wrong)
        known = {name: value if math.isfinite(value) else None for name, value in all_values.items()}
        return {
            "key": one.key,
            "arch": self.scorer.space.format(one.arch),
            "values": known,
            "status": status,
            "reason": reason,
            "seconds": record.seconds,
            "wall": wall,
        }

    def _take(self, number: int, generation: int, entry: Mapping[str, Any]) -> Evaluation:
        """Add an evaluation from the journal's entry."""
        arch = entry["arch"]
        value = None if self.table is None else self.table.of(self.scorer.space, self.scorer.space.parse(arch))
        facts = {name: entry[name] for name in ("status", "reason", "seconds", "wall")}
        self._done[number] = Evaluation(number, generation, arch, dict(entry["values"]), value, **facts)
        return self._done[number]

    def _check(self, record: Record) -> None:
        if len(self._done) == MAX_INITIAL_FAILURES and all(one.status == "failed" for one in self._done.values()):
            self.journal.forget()
            raise EngineError(f"the first {MAX_INITIAL_FAILURES} architectures all failed: {record.reason}")
