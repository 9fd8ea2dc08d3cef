"""The course of a task search: the tasks that were tried, and what was found, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from naslib_gennas._version import __version__
from naslib_gennas.regression import tasks
from naslib_gennas.regression.genes import Genome
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.truth.metrics import Estimate


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
            **plain(self.course),
            "control": None if self.control is None else plain(self.control),
            "resumed": self.resumed,
            "complete": self.complete,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


def plain(course: Course) -> Dict[str, Any]:
    """A course as plain data."""
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
