"""The last step of a search: its best architectures are scored anew, as deep as the benchmark trains them.

A search looks at hundreds of architectures through small networks and one seed. That has two costs: the highest of
hundreds of noisy scores is a lucky one, and what only a deep network profits from (shortcuts past a cell, say) does not
show in a shallow one. So the best few are scored once more, by networks of the space's full depth and under a seed of
their own, and the search returns the best of these.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple

from naslib_gennas.engine import Record
from naslib_gennas.profiles import Profile
from naslib_gennas.randomness import derive
from naslib_gennas.spaces.base import SearchSpace
from naslib_gennas.truth import Truth

#: One finalist for so many evaluations, where the caller does not say how many.
SHARE = 10
#: Of a budget of time, what the evaluations get; the finalists have the rest.
TIME_SHARE = 2 / 3
# A deep network needs some steps until its loss says anything; its running averages lag behind for far longer, so
# evaluation is by the batch's own statistics.
STEPS = 24


@dataclass(frozen=True)
class Finalist:
    """An architecture of the last step.

    Attributes:
        id: of the search's step that found it.
        arch: in the benchmark's notation.
        score: the search's own.
        final_score: of the full depth, comparable with those of other finalists only.
        truth: its true value, where the truth has one.
        status, reason: as in `engine.Record`.
        seconds: core-seconds of the final score.
    """

    id: int
    arch: str
    score: float
    final_score: float
    truth: Optional[float]
    status: str
    reason: str
    seconds: float


def profile_for(space: SearchSpace[Any], profile: Profile) -> Profile:
    """A profile's input, and the full size of a space's networks; the profile itself where they have it already."""
    full = profile.replace(
        name=f"{profile.name}-deep",
        cells=None,
        channels=None,
        layers=None,
        width=1.0,
        steps=STEPS if profile.steps_per_norm is not None else max(profile.steps, STEPS),
        steps_per_norm=None,
        record_every=max(profile.steps, STEPS),
        average=1,
        statistics="batch",
    )
    return full if space.size(profile) != space.size(full) else profile


def seed_for(seed: int) -> int:
    """The seed of the final scores: not that of the search, by whose luck its best ones are the best."""
    return derive(seed, "finalists") % 2**31


def usual(space: SearchSpace[Any], profile: Profile) -> bool:
    """Whether a search has finalists unless told: where its networks are not of their full size, and for images."""
    return space.kind == "cnn" and profile_for(space, profile) != profile


def rank(
    chosen: Sequence[Tuple[int, Any, float]],
    space: SearchSpace[Any],
    table: Optional[Truth],
    score: Callable[[Iterator[Any]], Iterator[Record]],
    until: float,
) -> Iterator[Finalist]:
    """Score the chosen architectures anew, in their order; those that are not begun in time are left out.

    Args:
        chosen: the id, the architecture and the search's score of each.
        score: scores architectures as `engine.score_many` does.
        until: what `time.perf_counter` may say at the latest when a score is begun.
    """

    def begun() -> Iterator[Any]:
        for _, arch, _ in chosen:
            if time.perf_counter() >= until:
                return
            yield arch

    for record in score(begun()):
        number, arch, before = chosen[record.index]
        value = None if table is None else table.of(space, arch)
        yield Finalist(number, record.arch, before, record.score, value, record.status, record.reason, record.seconds)
