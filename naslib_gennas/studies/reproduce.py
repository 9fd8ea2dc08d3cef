"""Run a table or figure of arXiv:2108.01899 again, against the ground truth at hand.

A row without ground truth says what to install; it fails nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from naslib_gennas import spaces
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.studies import leaderboard
from naslib_gennas.studies import reproduction_searches as searches
from naslib_gennas.studies.reproduction import ENTRIES, SCALES, Entry
from naslib_gennas.studies.reproduction_correlations import correlations
from naslib_gennas.studies.reproduction_costs import costs
from naslib_gennas.studies.reproduction_runs import Measured, Progress, Run
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.truth import benchmarks


@dataclass(frozen=True)
class Reproduction:
    """A table or figure that was run again.

    Attributes:
        entry: what it is.
        scale: "small" or "full".
        measured: its rows, in the order of the entry; those that an interrupted run did not reach are left out.
        n: architectures of each search space, as asked for.
        folders, truths: where ground truth was looked for, beside what is installed.
        given: profile and inputs, where the caller gave others than those of the scale by name.
        complete: False where the run was interrupted.
    """

    entry: Entry
    scale: str
    measured: Tuple[Measured, ...]
    seed: int
    n: str
    device: str
    folders: Tuple[str, ...]
    truths: Tuple[str, ...]
    wall_seconds: float
    complete: bool = True
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """Why nothing was measured; empty where something was."""
        ours = [one for one in self.measured if not one.row.absent]
        if not self.complete or not ours or any(one.figures for one in ours):
            return ""
        reasons = dict.fromkeys(one.problem for one in ours)
        return f"nothing of {self.entry.name} could be measured: {'; '.join(reasons)}"

    def to_json(self) -> Dict[str, Any]:
        """The reproduction as plain data: what `result.json` and `--json` hold."""
        keys = ("scale", "seed", "n", "device", "folders", "truths", "complete", "wall_seconds")
        content: Dict[str, Any] = {key: getattr(self, key) for key in keys}
        content.update(name=self.entry.name, title=self.entry.title, version=__version__)
        content["rows"] = [
            {
                **{key: getattr(one.row, key) for key in ("line", "column", "space", "proxy", "data_set", "seed")},
                "profile": dict(one.row.profile),
                "figures": {measure: estimate.to_json() for measure, estimate in one.figures.items()},
                "published": dict(one.row.published),
                **{
                    key: getattr(one, key)
                    for key in ("n", "truth", "seconds", "problem", "arch", "export", "curve", "points")
                },
            }
            for one in self.measured
        ]
        return content


def reproduce(
    name: str,
    scale: str = "small",
    *,
    folders: Sequence[Union[str, Path]] = (),
    truths: Sequence[str] = (),
    higher_is_better: Optional[bool] = None,
    n: Optional[str] = None,
    progress: Progress = lambda what, done, total: None,
    **scoring: Any,
) -> Reproduction:
    """Run a table or figure of the paper again.

    Every score is in the store before the next one begins, and searches keep their journals there: the same call goes
    on where it was stopped, killed processes included.

    Args:
        name: of `reproduction.ENTRIES`.
        scale: "small" (minutes on two cores) or "full" (as published).
        folders, truths: where ground truth is, beside what is installed: `benchmarks.find`.
        higher_is_better: of the columns of ground truth whose names do not say; None: it is assumed to be.
        n: architectures of each search space, as `leaderboard.sizes` takes them; None: those of the scale.
        progress: called at the beginning, and after every score.
        scoring: `inputs`, `profile` (of the `gennas-` proxies), `seed`, `workers`, `executor`, `store`, `device`: see
            `Scorer.of`.

    Raises:
        InputError: an unknown name or scale, a table that cannot be read.
        Interrupted: Ctrl-C or SIGTERM; what was done is in it, and every score in the store.
    """
    started = time.perf_counter()
    if name.lower() not in ENTRIES:
        raise InputError(f"unknown table or figure '{name}'{suggest(name, ENTRIES)}")
    if scale not in SCALES:
        raise InputError(f"unknown scale '{scale}'{suggest(scale, SCALES)}")
    entry = ENTRIES[name.lower()]
    if scoring.pop("initialise", None) is not None:
        raise InputError(f"{entry.name} says itself how weights are drawn; it takes no initialisation")
    if n is not None and not entry.n:
        raise InputError(
            f"{entry.name} draws no sample of architectures, so it takes no n; its size is that of the scale"
        )
    profile, inputs = scoring.pop("profile", None), scoring.pop("inputs", None)
    sizes = n or entry.n.get(scale, "16")
    size = leaderboard.sizes(sizes)
    wanted = [spaces.get(space) for space in entry.spaces]
    available = benchmarks.available(wanted, folders, truths)[0]
    found = {space: benchmarks.directed(one, higher_is_better) for space, one in available.items()}
    place = Scorer.of(wanted[0], "params", **scoring)
    run = Run(entry, scale, place, found, size, profile, inputs, progress)
    given = {
        name: str(value) for name, value in (("profile", profile), ("inputs", inputs)) if isinstance(value, (str, Path))
    }
    kinds: Mapping[str, Callable[[Run], Iterator[Measured]]] = {
        "correlations": correlations,
        "searches": searches.searches,
        "designs": searches.designs,
        "task searches": searches.task_searches,
        "costs": costs,
    }
    measured: List[Measured] = []

    def result(complete: bool) -> Reproduction:
        rows = run.rows
        order = {id(row): index for index, row in enumerate(rows)}
        return Reproduction(
            entry,
            scale,
            tuple(sorted(measured, key=lambda one: order.get(id(one.row), len(rows)))),
            place.seed,
            sizes,
            place.place.device,
            tuple(map(str, folders)),
            tuple(truths),
            time.perf_counter() - started,
            complete,
            given,
        )

    with place:
        try:
            for one in kinds[entry.kind](run):
                measured.append(one)
        except KeyboardInterrupt:
            raise Interrupted(result(complete=False), f"{len(measured)} of {len(run.rows)} rows") from None
    return result(complete=True)
