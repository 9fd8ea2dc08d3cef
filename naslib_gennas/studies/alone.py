"""Search methods that find one architecture by themselves, not the best of many that were scored: NASI and TE-NAS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Union

from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import nasi, te_nas
from naslib_gennas.studies.course import Course, Found, Step
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.methods import Method
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.studies.search_report import write
from naslib_gennas.truth.table import Truth

#: Called after each step of a method: how many are done, how many there are (0: not known), its value.
Steps = Callable[[int, int, float], None]


def scorer(method: Method, space: Union[str, SearchSpace[Any], Scorer], **scoring: Any) -> Scorer:
    """The scorer that says which supernet, batch and seed a method has."""
    return (nasi if method.name == "nasi" else te_nas).scorer(space, **scoring)


def search(
    method: Method,
    scorer: Scorer,
    limits: Mapping[str, Any],
    table: Optional[Truth],
    settings: Mapping[str, Any],
    folder: Optional[Path],
    progress: Callable[[str, Step, Step, int, Optional[int]], None],
) -> Found:
    """A search by such a method: its result has one step, that of what it found.

    Args:
        limits: `evaluations` and `budget`, as `search.search` takes them.
        settings: what decides the search, for people.

    Raises:
        InputError: what the method cannot do.
        Interrupted: Ctrl-C or SIGTERM; the same search goes on from there.
    """
    started = time.perf_counter()

    def found(searched: Union[nasi.Searched, te_nas.Searched], complete: bool) -> Found:
        spent = time.perf_counter() - started
        steps: Tuple[Step, ...] = ()
        if searched.arch:
            value = None if table is None else table.of(scorer.space, scorer.space.parse(searched.arch))
            steps = (Step(0, searched.arch, searched.score, value, "ok", "", spent, spent, spent, None, 0),)
        course = Course(method.name, steps, evaluations=searched.evaluations)
        details: Dict[str, Any] = {k: v for k, v in searched.to_json().items() if k not in ("method", "arch")}
        made = Found(settings, course, None, table, searched.resumed, complete, folder, details=details)
        if folder is not None:
            write(made, folder)
        return made

    def show(done: int, total: int, value: float) -> None:
        spent = time.perf_counter() - started
        step = Step(done - 1, "", value, None, "ok", "", spent, spent, spent, None, 0)
        progress(method.name, step, step, done, total or None)

    with scorer.place as (_, store):
        journal = Journal(store, "search", scorer, {"method": method.name, **method.settings})
        try:
            searched = _run(method, scorer, limits, journal, show)
        except Interrupted as stopped:
            done = found(stopped.result, complete=False)
            raise Interrupted(done, f"{done.evaluations} evaluations") from None
    return found(searched, complete=True)


def _run(
    method: Method, scorer: Scorer, limits: Mapping[str, Any], journal: Journal, show: Steps
) -> Union[nasi.Searched, te_nas.Searched]:
    if method.name == "nasi":
        ascent = nasi.Ascent(*(method.settings[name] for name in ("nu", "estimator", "price")))
        steps, budget = limits["evaluations"], limits["budget"]
        return nasi.run(scorer, ascent, steps, journal, budget, lambda done, total, draw: show(done, total, draw.value))
    return te_nas.run(
        scorer, method.settings["repeats"], journal, lambda done, total, trial: show(done, total, trial.condition)
    )
