"""The searches of a reproduction: of architectures (tables 3 and 4) and of proxy tasks (figure 6)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import torch

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.proxies import gennas
from naslib_gennas.regression import profiles
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import constraints, drawing, published, search, task_search
from naslib_gennas.studies.course import Course
from naslib_gennas.studies.reproduction import Row
from naslib_gennas.studies.reproduction_runs import Measured, Run, sample
from naslib_gennas.studies.variation import TRUTH
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.table import Truth

#: Evaluations and the settings of regularized evolution by scale; at the full one those of the paper.
EVALUATIONS = {"small": 36, "full": 450}
_AGEING: Mapping[str, Mapping[str, Any]] = {"small": {"population": 12, "tournament": 4}, "full": {}}
#: The networks of table 4: 14 cells, as wide as these bounds allow at 224 pixels.
CELLS, RESOLUTION = 14, 224
BOUNDS = ("flops>=500M", "flops<=600M")
# What a task of search-D14 is tried on at the small scale.
_QUICK = {"images": 4, "steps": 20}


def searches(run: Run) -> Iterator[Measured]:
    """Architecture searches, and the true value of what each has found; of data sets of one space one search."""
    found: Dict[Tuple[str, str, int], Course] = {}
    jobs = {_job(row) for row in run.rows if row.proxy and isinstance(run.truth(row), Truth)}
    total = len(jobs) * EVALUATIONS[run.scale]
    run.progress("", 0, total)
    for row in run.rows:
        truth = run.truth(row)
        if isinstance(truth, str):
            yield Measured(row, problem=truth)
        elif not row.proxy:
            yield Measured(row, {"found": _exactly(truth.best)}, truth=truth.name)
        else:
            try:
                if _job(row) not in found:
                    found[_job(row)] = _course(run, row, truth, len(found) * EVALUATIONS[run.scale], total)
                yield _judged(row, found[_job(row)], truth)
            except (InputError, EngineError) as error:
                yield Measured(row, problem=str(error))


def _job(row: Row) -> Tuple[str, str, int]:
    return row.space, row.proxy, row.seed


def _course(
    run: Run, row: Row, truth: Optional[Truth], before: int, total: int, scorer: Optional[Scorer] = None
) -> Course:
    """A search by a scorer, that of the row as a rule.

    Its journal is in the store, so that it goes on where it was stopped. Children are made as the paper makes them.
    Where the table has a part of the space, that part is searched.
    """
    scorer = scorer or run.scorer(row)
    children = "paper" if scorer.space.paper_children else None
    among = TRUTH if truth is not None and truth.texts and not truth.complete else None
    label, limit = f"{row.column}, {row.line}, seed {scorer.seed}", EVALUATIONS[run.scale]

    def advance(method: str, step: Any, best: Any, count: int, of: Optional[int]) -> None:
        if method == "finalists":
            run.progress(f"{label}, finalist {count} of {of}", before + limit, total)
        else:
            run.progress(label, before + count, total)

    done = search.search(
        scorer,
        evaluations=limit,
        truth=truth,
        finalists=0 if run.scale == "small" else None,
        children=children,
        among=among,
        control=False,
        progress=advance,
        **_AGEING[run.scale],
    )
    return done.course


def _judged(row: Row, course: Course, truth: Truth) -> Measured:
    """The true value of what a search has found; where the table has none, of the next best that it has."""
    space = spaces.get(row.space)
    ordered: List[Any] = [*course.finalists, *sorted(course.steps, key=lambda step: -step.score)]
    values = [(step.arch, truth.of(space, space.parse(step.arch))) for step in ordered]
    known = [(arch, value) for arch, value in values if value is not None]
    made = Measured(row, n=course.count, truth=truth.name, seconds=course.core_seconds / max(1, course.count))
    if not known:
        return replace(made, problem=f"{truth.name} has none of the {len(values)} architectures that were looked at")
    arch, value = known[0]
    best, curve = -math.inf, []
    so_far: Optional[float] = None
    for number, step in enumerate(course.steps, start=1):
        real = truth.of(space, space.parse(step.arch))
        if step.score > best and real is not None:
            best, so_far = step.score, real
        if so_far is not None:
            curve.append((float(number), abs(truth.best - so_far)))
    figures = {"found": _exactly(value), "regret": _exactly(abs(truth.best - value))}
    return replace(made, figures=figures, curve=tuple(curve), arch=arch)


def designs(run: Run) -> Iterator[Measured]:
    """Searches of cells, each then made into a network of ImageNet's size: parameters, multiply-additions, picture."""
    steps = [1 + row.few_shot for row in run.rows]
    total = sum(steps) * EVALUATIONS[run.scale]
    run.progress("", 0, total)
    for index, row in enumerate(run.rows):
        before = sum(steps[:index]) * EVALUATIONS[run.scale]
        scorer, truth = run.scorer(row), run.truth(row)
        if row.few_shot:
            if isinstance(truth, str):
                yield Measured(row, problem=truth)
                continue
            try:
                scorer = _few_shot(run, scorer, truth, before, total)
            except (InputError, EngineError) as error:
                yield Measured(row, problem=str(error))
                continue
            before += EVALUATIONS[run.scale]
        course = _course(run, row, None, before, total, scorer)
        best = course.best
        if best is None or not math.isfinite(best.score):
            yield Measured(row, problem="no architecture has a score")
            continue
        made = Measured(row, n=course.count, seconds=course.core_seconds / course.count, arch=best.arch)
        try:
            yield replace(made, **_sized(row, best.arch))
        except InputError as error:
            yield replace(made, problem=str(error))


def _few_shot(run: Run, scorer: Scorer, truth: Truth, before: int, total: int) -> Scorer:
    """The scorer with the best task of a search on a few labelled architectures, at the scorer's own profile.

    At the small scale the search scores on a small batch: a task is tried on all labelled architectures.
    """
    profile = scorer.proxy.profile
    cheap = profile if run.scale == "full" else profile.replace(name=f"{profile.name}, quick", **_QUICK)

    def advance(method: str, trial: Any, best: Any, count: int) -> None:
        run.progress("tasks of search-D14", before + count, total)

    found = task_search.search(
        scorer.at(proxy=proxies.get("gennas-combo", cheap)),
        _labelled(run, scorer.space, truth),
        evaluations=EVALUATIONS[run.scale],
        control=False,
        progress=advance,
        **_AGEING[run.scale],
    )
    return scorer if found.candidate is None else scorer.at(proxy=gennas.from_task(found.candidate, profile))


def _sized(row: Row, arch: str) -> Dict[str, Any]:
    """What the network of an architecture costs at the width that the bounds allow, its picture, and how to get it."""
    space = spaces.get(row.space, cells=CELLS)
    parsed = space.parse(arch)
    bounds = [constraints.parse(bound, resolution=RESOLUTION) for bound in BOUNDS]
    width = constraints.fit_width(space, parsed, bounds, most=128)
    space = spaces.get(row.space, cells=CELLS, channels=width)
    with torch.device("meta"):  # counted and drawn, not computed
        network = published.network(space, parsed, classes=1000, resolution=RESOLUTION)
        cost = published.cost(space, network, RESOLUTION)
    figures = {"params (M)": _exactly(cost.params / 1e6)}
    if cost.flops is not None:
        figures["multiply-additions (M)"] = _exactly(cost.flops / 1e6)
    wanted = {"cells": CELLS, "channels": width, "resolution": RESOLUTION}
    options = " ".join(f"--{name} {value}" for name, value in wanted.items())
    export = f'gennas export {row.space} "{arch}" {options} --to {row.column}.py'
    return {"figures": figures, "picture": drawing.draw(space, parsed, network), "export": export}


def task_searches(run: Run) -> Iterator[Measured]:
    """Searches of a proxy task on a few labelled architectures, and random search beside each."""
    pairs: Dict[Tuple[str, int], List[Row]] = {}
    for row in run.rows:
        pairs.setdefault((row.space, row.seed), []).append(row)
    total = len(pairs) * 2 * EVALUATIONS[run.scale]
    run.progress("", 0, total)
    for index, rows in enumerate(pairs.values()):
        truth = run.truth(rows[0])
        if isinstance(truth, str):
            yield from (Measured(row, problem=truth) for row in rows)
            continue
        yield from _task_search(run, rows, truth, index * 2 * EVALUATIONS[run.scale], total)


def _task_search(run: Run, rows: List[Row], truth: Truth, before: int, total: int) -> Iterator[Measured]:
    space, seed = spaces.get(rows[0].space), run.place.seed + rows[0].seed
    labelled = _labelled(run, space, truth)
    profile = profiles.get(run.profile or ("paper" if run.scale == "full" else "fast"))
    scorer = run.place.at(space=space, proxy=proxies.get("gennas-combo", profile), inputs=run.inputs, seed=seed)
    limit = EVALUATIONS[run.scale]

    def advance(method: str, trial: Any, best: Any, count: int) -> None:
        run.progress(f"{method}, seed {seed}", before + count + (limit if method == "random" else 0), total)

    try:
        found = task_search.search(scorer, labelled, evaluations=limit, progress=advance, **_AGEING[run.scale])
    except (InputError, EngineError) as error:
        yield from (Measured(row, problem=str(error)) for row in rows)
        return
    for row in rows:
        course = found.course if row.column == "evolution" else found.control
        bests = [] if course is None else [trial.rho for trial in course.incumbents()]
        if not bests:
            yield Measured(row, problem="no task was tried")
            continue
        curve = tuple((float(number), rho) for number, rho in enumerate(bests, start=1))
        figures = {"rho on the labels": _exactly(bests[-1])}
        yield Measured(row, figures, n=len(labelled), truth=truth.name, curve=curve)


def _labelled(run: Run, space: SearchSpace[Any], truth: Truth) -> Dict[str, float]:
    """The sample of a space with its true values, higher is better."""
    values = {space.format(arch): truth.of(space, arch) for arch in sample(run, space.name)}
    return {arch: truth.better(value) for arch, value in values.items() if value is not None}


def _exactly(value: Union[int, float]) -> Estimate:
    """A figure of one run, which has no interval."""
    return Estimate(float(value), math.nan, math.nan)
