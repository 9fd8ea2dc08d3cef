"""The costs of a reproduction: time and memory of a training step, by search space and batch size (table 10)."""

from __future__ import annotations

import itertools
import math
from typing import Any, Iterator

import numpy as np

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import training_cost
from naslib_gennas.randomness import derive
from naslib_gennas.regression import profiles
from naslib_gennas.scoring.pool import Pool
from naslib_gennas.scoring.scorer import Place, Scorer
from naslib_gennas.studies.reproduction_runs import Measured, Run, scored
from naslib_gennas.truth.metrics import Estimate

#: Architectures of each search space whose training is timed.
COSTED = {"small": 1, "full": 2}


def costs(run: Run) -> Iterator[Measured]:
    """What a training step costs, each row in a new process; no ground truth is needed."""
    count = COSTED[run.scale]
    total = len(run.rows) * count
    run.progress("", 0, total)
    for index, row in enumerate(run.rows):
        space = spaces.get(row.space)
        rng = np.random.default_rng(derive(run.place.seed, "costs"))
        drawn = list(itertools.islice((arch for arch in _drawn(space, rng) if not space.untrainable(arch)), count))
        try:
            base = profiles.get(run.profile or "paper")
            changed = base.replace(name=f"{base.name}, changed", **{**run.entry.profile[run.scale], **row.profile})
            proxy = training_cost.of(proxies.get(row.proxy, changed))
            with run.place.place as (_, store), Pool(1) as pool:
                place = Place(None, pool, store, run.place.place.device)
                scorer = Scorer(space, proxy, run.inputs, run.place.seed, place, proxy)
                advance = run.advance(f"{row.line}, {row.column}", index * count, total)
                records = scored(scorer, drawn, advance)
        except InputError as error:
            yield Measured(row, problem=str(error))
            continue
        good = [record.details for record in records if record.status == "ok"]
        if not good:
            yield Measured(row, problem=f"{records[0].status} ({records[0].reason})")
            continue
        columns = {"seconds an iteration": "seconds", "peak memory (MB)": "megabytes"}
        figures = {
            name: Estimate(sum(details[key] for details in good) / len(good), math.nan, math.nan)
            for name, key in columns.items()
        }
        yield Measured(row, figures, n=len(good))


def _drawn(space: Any, rng: np.random.Generator) -> Iterator[Any]:
    while True:
        yield space.sample(rng)
