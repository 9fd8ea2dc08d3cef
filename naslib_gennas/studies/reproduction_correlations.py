"""The correlations of a reproduction: scores of the same architectures against ground truth, under many settings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Dict, Iterator, List, Sequence, Tuple

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.scoring.record import Record
from naslib_gennas.studies.reproduction import Row
from naslib_gennas.studies.reproduction_runs import Measured, Run, sample, scored
from naslib_gennas.truth import metrics
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.table import Truth


def correlations(run: Run) -> Iterator[Measured]:
    """Scores of the same architectures of each search space, and their agreement with the truth."""
    samples = {space: sample(run, space) for space in run.entry.spaces if space in run.found}
    kept: Dict[Tuple[str, str, str, int], List[Record]] = {}
    jobs = {_job(row): len(samples[row.space]) for row in run.rows if isinstance(run.truth(row), Truth)}
    total, before = sum(jobs.values()), 0
    for row in run.rows:
        truth = run.truth(row)
        if isinstance(truth, str):
            yield Measured(row, problem=truth)
            continue
        drawn, job = samples[row.space], _job(row)
        try:
            if job not in kept:
                scorer = run.scorer(row)
                kept[job] = scored(scorer, drawn, run.advance(f"{row.column}, {row.line}", before, total))
                before += len(drawn)
        except InputError as error:
            before += len(drawn)
            yield Measured(row, problem=str(error))
            continue
        yield from _agreement(run, row, kept[job], truth)


def _job(row: Row) -> Tuple[str, str, str, int]:
    """What a row is scored by: rows of several data sets share it."""
    return row.space, row.proxy, str(sorted(row.profile.items())), row.seed


def _agreement(run: Run, row: Row, records: Sequence[Record], truth: Truth) -> Iterator[Measured]:
    """A row, and where it asks for it the same after fewer steps."""
    space = spaces.get(row.space)
    known = [(record, truth.of(space, record.architecture)) for record in records]
    pairs = [(record, truth.better(value)) for record, value in known if value is not None]
    costs = {record.key: record.seconds for record, _ in pairs if record.status != "untrainable"}
    made = Measured(
        row,
        n=len(pairs),
        truth=truth.name,
        seconds=sum(costs.values()) / len(costs) if costs else math.nan,
        points=tuple((record.score, value) for record, value in pairs),
    )
    if not any(math.isfinite(score) for score, _ in made.points):
        failed = next((f"{record.status} ({record.reason})" for record, _ in pairs if record.status != "ok"), "unknown")
        yield replace(made, problem=f"no architecture has a score: {failed}")
        return
    values = [value for _, value in made.points]
    figures = {name: _measure(name, [s for s, _ in made.points], values, run.place.seed) for name in run.entry.measures}
    yield replace(made, figures=figures)
    if row.steps:
        for step in _recorded(records):
            scores = [_after(record, step) for record, _ in pairs]
            figures = {name: _measure(name, scores, values, run.place.seed) for name in run.entry.measures}
            line = f"iterations, {row.column}"
            yield Measured(replace(row, line=line, column=f"{step} steps"), figures, len(pairs), truth.name)


def _measure(name: str, scores: Sequence[float], values: Sequence[float], seed: int) -> Estimate:
    if name.startswith("retrieval"):
        return metrics.retrieval(scores, values, float(name.split()[1].rstrip("%")), seed)
    return {"spearman": metrics.spearman, "kendall": metrics.kendall}[name](scores, values, seed)


def _recorded(records: Sequence[Record]) -> List[int]:
    """The steps at which a training recorded its loss: what it would have scored, had it ended there."""
    found = max((record.details.get("losses", ()) for record in records), key=len, default=())
    return [step for step, _ in found]


def _after(record: Record, step: int) -> float:
    loss = dict(map(tuple, record.details.get("losses", ()))).get(step)
    return -math.inf if loss is None else -loss
