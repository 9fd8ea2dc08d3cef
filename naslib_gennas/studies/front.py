"""A Pareto front and how it was found, as plain data."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from naslib_gennas._version import __version__
from naslib_gennas.studies import nsga2
from naslib_gennas.studies.objectives import SCORE, Objective
from naslib_gennas.studies.result import nothing_scored
from naslib_gennas.truth.table import Truth

#: How far beyond the worst values of the front the reference point lies, as a share of the front's range
#: (Ishibuchi et al., "How to Specify a Reference Point in Hypervolume Calculation", 2018).
MARGIN = 0.1


@dataclass(frozen=True)
class Evaluation:
    """One architecture with the values of all objectives.

    Attributes:
        id: from 0 up, in the order in which the architectures were proposed.
        generation: from 0 up; those of the first were drawn at random.
        arch: in the benchmark's notation.
        values: by the names of the objectives; None where there is none, such as the score of an architecture that
            cannot be trained; numbers where the status is "ok".
        truth: its true value, where the truth has one.
        status, reason: as in `record.Record`; "failed" also where a cost is infinite.
        seconds: core-seconds of the score.
        wall: seconds since the search began, those before an interruption included.
    """

    id: int
    generation: int
    arch: str
    values: Mapping[str, Optional[float]]
    truth: Optional[float]
    status: str
    reason: str
    seconds: float
    wall: float


@dataclass(frozen=True)
class Hypervolume:
    """How good a front is: the share of the box between two points that it dominates.

    Attributes:
        ideal: the best value of each objective in the front of all evaluations, those of random search included.
        reference: the worst one there, and a tenth of the range between them beyond.
        found: after each evaluation of the search.
        control: after each evaluation of random search; empty where there was none.
    """

    ideal: Mapping[str, float]
    reference: Mapping[str, float]
    found: Tuple[float, ...]
    control: Tuple[float, ...] = ()


@dataclass(frozen=True)
class Front:
    """What a search for a trade-off found.

    Attributes:
        settings: what decides the search; the same settings and store go on with it.
        objectives: what was traded off.
        history: all evaluations of the search; `control` is random search with as many, where asked for.
        truth: where the truth is from, and its best value.
        resumed: evaluations that an earlier, interrupted run had done.
        complete: False where the run was interrupted.
        exhausted: nothing new was left to evaluate.
        folder: where it was written, if anywhere.
    """

    settings: Mapping[str, Any]
    objectives: Tuple[Objective, ...]
    history: Tuple[Evaluation, ...]
    control: Tuple[Evaluation, ...] = ()
    truth: Optional[Truth] = None
    resumed: int = 0
    complete: bool = True
    exhausted: bool = False
    folder: Optional[Path] = None

    @property
    def evaluations(self) -> int:
        return len(self.history)

    @functools.cached_property
    def front(self) -> Tuple[Evaluation, ...]:
        """The architectures that no other one dominates, the best in the first objective first."""
        return front(self.history, self.objectives)

    @functools.cached_property
    def hypervolume(self) -> Optional[Hypervolume]:
        """The front's hypervolume as it grew; None where the front is empty."""
        union = front((*self.history, *self.control), self.objectives)
        if not union:
            return None
        points = np.array([costs(one, self.objectives) for one in union])
        ideal, worst = points.min(axis=0), points.max(axis=0)
        # Where all are equal, any range will do.
        extent = np.where(worst > ideal, worst - ideal, 1.0)
        reference = ideal + np.where(worst > ideal, 1 + MARGIN, MARGIN) * extent
        names = [one.name for one in self.objectives]
        back = np.array([-1.0 if one.maximised else 1.0 for one in self.objectives])

        def grown(history: Sequence[Evaluation]) -> Tuple[float, ...]:
            rows = np.array([costs(one, self.objectives) for one in history]).reshape(-1, len(names))
            return nsga2.hypervolumes((rows - ideal) / (reference - ideal))

        return Hypervolume(
            dict(zip(names, (back * ideal).tolist())),
            dict(zip(names, (back * reference).tolist())),
            grown(self.history),
            grown(self.control),
        )

    @property
    def failure(self) -> str:
        """Why there is no front, where no architecture could be measured; empty otherwise."""
        return nothing_scored(self.history)

    @property
    def remarks(self) -> List[str]:
        """What is to be known of how it searched, a sentence each."""
        found = []
        if self.exhausted:
            found.append("Nothing new was left to evaluate")
        elif self.evaluations <= self.settings["population"]:
            found.append(f"All were drawn at random: a generation has {self.settings['population']}")
        if self.truth is not None and any(one.name == SCORE for one in self.objectives):
            found.append(self.truth.doubt_by((one.values[SCORE], one.truth) for one in self.history))
        return list(filter(None, found))

    def to_json(self) -> Dict[str, Any]:
        """The trade-off as plain data: what `result.json` and `--json` hold."""
        volume = self.hypervolume
        return {
            **{key: self.settings[key] for key in ("space", "proxy", "inputs", "seed", "method")},
            "settings": self.settings,
            "objectives": [
                {"name": one.name, "measured": str(one), "better": "higher" if one.maximised else "lower"}
                for one in self.objectives
            ],
            "front": [dataclasses.asdict(one) for one in self.front],
            "evaluations": self.evaluations,
            "history": [dataclasses.asdict(one) for one in self.history],
            "control": [dataclasses.asdict(one) for one in self.control] or None,
            "hypervolume": None if volume is None else dataclasses.asdict(volume),
            "truth": None if self.truth is None else self.truth.to_json(),
            "remarks": self.remarks,
            "resumed": self.resumed,
            "complete": self.complete,
            "exhausted": self.exhausted,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


def costs(evaluation: Evaluation, objectives: Sequence[Objective]) -> List[float]:
    """The values of an evaluation, all to be minimised; NaN where its status is not "ok"."""
    if evaluation.status != "ok":
        return [math.nan] * len(objectives)
    return [one.cost(evaluation.values[one.name] or 0.0) for one in objectives]


def front(evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> Tuple[Evaluation, ...]:
    """Those evaluations that no other one dominates, the best in the first objective first.

    An evaluation dominates another one if it is worse in no objective and better in one. One whose status is not
    "ok" is dominated by all others, and never in the front.
    """
    rows = np.array([costs(one, objectives) for one in evaluations]).reshape(-1, len(objectives))
    chosen = [evaluations[index] for index in nsga2.non_dominated(rows)]
    return tuple(sorted(chosen, key=lambda one: (costs(one, objectives), one.id)))
