"""The course of an architecture search: its steps, its finalists, and what it found, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from naslib_gennas._version import __version__
from naslib_gennas.studies.race import Finalist
from naslib_gennas.studies.result import nothing_scored
from naslib_gennas.truth.table import Truth


@dataclass(frozen=True)
class Step:
    """One evaluation of a search.

    Attributes:
        id, parent, birth: as in `evolution.Individual`.
        arch: in the benchmark's notation.
        score: its fitness; -inf ranks last.
        truth: its true value, where the truth has one.
        status, reason: as in `record.Record`.
        seconds: core-seconds of the score.
        wall: seconds since the search began, those before an interruption included.
        spent: core-seconds of all scores of the search up to here, those of isomorphic architectures once. This is its
            cost whether a score was computed for it or was in the store, and with any number of workers.
    """

    id: int
    arch: str
    score: float
    truth: Optional[float]
    status: str
    reason: str
    seconds: float
    wall: float
    spent: float
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
        evaluations: how many architectures it looked at, where these are not its steps.
    """

    method: str
    steps: Tuple[Step, ...]
    finalists: Tuple[Finalist, ...] = ()
    final_seconds: float = 0.0
    evaluations: Optional[int] = None

    @property
    def count(self) -> int:
        """How many architectures it looked at."""
        return len(self.steps) if self.evaluations is None else self.evaluations

    @property
    def best(self) -> Optional[Step]:
        """What the search found: the best finalist, else the step of the highest score, the first of equals; None where
        no step has a score."""
        if self.finalists and self.finalists[0].status == "ok":
            return next(step for step in self.steps if step.id == self.finalists[0].id)
        return max((step for step in self.steps if step.status == "ok"), key=lambda step: step.score, default=None)

    @property
    def wall_seconds(self) -> float:
        return (self.steps[-1].wall if self.steps else 0.0) + self.final_seconds

    @property
    def looking_seconds(self) -> float:
        """Core-seconds of all its scores without those of finalists."""
        return self.steps[-1].spent if self.steps else 0.0

    @property
    def core_seconds(self) -> float:
        """Core-seconds of all scores; architectures that were looked at again cost nothing the second time."""
        return self.looking_seconds + sum(one.seconds for one in self.finalists)

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
        details: what else its method recorded, ready for JSON.
    """

    settings: Mapping[str, Any]
    course: Course
    control: Optional[Course] = None
    truth: Optional[Truth] = None
    resumed: int = 0
    complete: bool = True
    folder: Optional[Path] = None
    final: Optional[Mapping[str, Any]] = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Optional[Step]:
        return self.course.best

    @property
    def evaluations(self) -> int:
        return self.course.count

    @property
    def failure(self) -> str:
        """Why nothing was found, where no architecture could be scored; empty otherwise."""
        return nothing_scored(self.course.steps)

    @property
    def remarks(self) -> List[str]:
        """What is to be known of how it searched, a sentence each."""
        found = []
        among, population = self.settings.get("among"), self.settings.get("population")
        if among is not None:
            found.append(f"Searched among {among['architectures']:,} architectures of {among['of']}")
        if population is not None and self.complete and 0 < len(self.course.steps) <= population:
            found.append(
                f"All {len(self.course.steps)} architectures were drawn at random, since a population has "
                f"{population}: this was random search"
            )
        if self.truth is not None:
            found.append(self.truth.doubt_by((step.score, step.truth) for step in self.course.steps))
        return list(filter(None, found))

    def to_json(self) -> Dict[str, Any]:
        """The search as plain data: what `result.json` and `--json` hold."""
        return {
            **{key: self.settings[key] for key in ("space", "proxy", "inputs", "seed", "method")},
            "settings": self.settings,
            "final": self.final,
            "details": dict(self.details),
            **plain(self.course, self.truth),
            "control": None if self.control is None else plain(self.control, self.truth),
            "truth": None if self.truth is None else self.truth.to_json(),
            "remarks": self.remarks,
            "resumed": self.resumed,
            "complete": self.complete,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


def rows(course: Course, table: Optional[Truth]) -> List[Dict[str, Any]]:
    """A row a step, with the best one up to there: what history.csv holds."""
    found = []
    for number, (step, best) in enumerate(zip(course.steps, course.incumbents()), start=1):
        gap = None if table is None or best.truth is None else table.regret(best.truth)
        so_far = {"best_score": best.score, "best_truth": best.truth, "regret": gap}
        found.append({"evaluation": number, **dataclasses.asdict(step), **so_far})
    return found


def plain(course: Course, table: Optional[Truth]) -> Dict[str, Any]:
    """A course as plain data."""
    best = course.best
    found = None if best is None else {key: getattr(best, key) for key in ("arch", "score", "truth", "id")}
    if found is not None:
        found["final_score"] = course.finalists[0].final_score if course.finalists else None
    return {
        "best": found,
        "regret": None if table is None or best is None or best.truth is None else table.regret(best.truth),
        "evaluations": course.count,
        "wall_seconds": course.wall_seconds,
        "core_seconds": course.core_seconds,
        "finalists": [dataclasses.asdict(finalist) for finalist in course.finalists],
        "history": rows(course, table),
    }
