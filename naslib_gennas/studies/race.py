"""The last step of a search: its best architectures race at the full depth of the benchmark's networks.

A search looks at hundreds of architectures through small networks and one seed. That has two costs: the highest of
hundreds of noisy scores is a lucky one, and what only a deep network profits from (shortcuts past a cell, say) does not
show in a shallow one. So the best of them are scored once more, by networks of the space's full depth and under a seed
of their own, and the search returns the best of these.

Deep networks cost several times as much as small ones, so it is a race by successive halving (arXiv:1502.07943): all
are trained for a part of the steps, the better half goes on to twice as many, and so on up to all of them. Those that
are promoted go on with their training, they do not start again. How rarely the best one is lost on the way is in
docs/notebook/search.md. Among the few that reach the end, `gennas-plus` has as much to say as the last loss.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from naslib_gennas.errors import InputError
from naslib_gennas.randomness import derive
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace, Size
from naslib_gennas.truth.table import Truth

#: One finalist for so many evaluations, where the caller does not say how many.
SHARE = 5
#: Of a budget of time, what the evaluations get; the finalists have the rest.
TIME_SHARE = 2 / 3
# A deep network needs some steps until its loss says anything (more where it has more norms in a row, see
# `Profile.steps_for`); its running averages lag behind for longer, so evaluation is by the batch's own statistics.
STEPS = 24
# In the last rung the search's own score counts, too, half as much: it errs differently (docs/notebook/search.md).
BEFORE = 0.5
#: So many of the last rung are scored by `gennas-plus`, too.
JUDGED = 12
# What is raced by where the search's own score is made of several trainings.
RACED = "gennas-combo"
SEVERAL = ("gennas-plus", "gennas-fewshot")
# Before so many steps for each norm in a row, the loss of a deep network says nothing, or the opposite of the truth
# (docs/notebook/search.md).
FIRST_RUNG = 0.5


@dataclass(frozen=True)
class Finalist:
    """An architecture of the last step.

    Attributes:
        id: of the search's step that found it.
        arch: in the benchmark's notation.
        score: the search's own.
        final_score: of the full depth, comparable with those of finalists of the same rung only.
        rung: how far it got, the last rung being the number of rungs; 1: it left the race first.
        truth: its true value, where the truth has one.
        status, reason: as in `record.Record`.
        seconds: core-seconds of its final scores.
        judged: the score that the judge gave it (see `judge`); None: it was not asked.
    """

    id: int
    arch: str
    score: float
    final_score: float
    rung: int
    truth: Optional[float]
    status: str
    reason: str
    seconds: float
    judged: Optional[float] = None


def profile_for(space: SearchSpace[Any], profile: Profile) -> Profile:
    """A profile's input and channels, and the full depth of a space's networks; the profile itself if that is its own
    or a greater one.

    It is the depth that small networks lack, and more channels would cost far more (TransNAS-Bench-101 with its 64
    instead of 16: 8 core-seconds for 20 steps).
    """
    own = space.size(profile)
    if isinstance(own, Size) and own.cells > space.paper_size.cells:
        return profile
    full = profile.replace(
        name=f"{profile.name}-deep",
        cells=None,
        channels=getattr(space.size(profile), "channels", profile.channels),
        average=1,
        statistics="batch",
    )
    steps = max(STEPS, full.steps_for(space.norm_depth(space.size(full))))
    full = full.replace(steps=steps, steps_per_norm=None, record_every=steps)
    return full if space.size(profile) != space.size(full) else profile


def deep(scorer: Scorer) -> Scorer:
    """The scorer of the final scores: the search's own proxy at the full depth of the space's networks, another seed.

    Args:
        scorer: the search's.

    Raises:
        InputError: the search's proxy has a profile of its own, so that it has no other size.
    """
    size, seed = profile_for(scorer.space, scorer.proxy.profile), seed_for(scorer.seed)
    if size == scorer.proxy.profile:
        return scorer.at(seed=seed)
    if scorer.fixed:
        raise InputError(f"proxy '{scorer.proxy.name}' has a profile of its own; finalists need the name of a proxy")
    several = scorer.proxy.name.startswith(SEVERAL)
    return scorer.at(proxy=RACED if several else None, profile=size, seed=seed)


def judge(scorer: Scorer) -> Optional[Scorer]:
    """Who is asked about those that reach the last rung: `gennas-plus` at the search's profile, or the search's own
    proxy where that is `gennas-plus` with labels; nobody where the search is by another kind of score.

    Args:
        scorer: the search's.
    """
    proxy = scorer.proxy
    if scorer.fixed or not proxy.name.startswith("gennas-"):
        return None
    if profile_for(scorer.space, proxy.profile) == proxy.profile:
        return None
    return scorer.at(proxy=None if proxy.name.startswith(SEVERAL) else "gennas-plus", seed=seed_for(scorer.seed))


def seed_for(seed: int) -> int:
    """The seed of the final scores: not that of the search, by whose luck its best ones are the best."""
    return derive(seed, "finalists") % 2**31


def usual(space: SearchSpace[Any], profile: Profile) -> bool:
    """Whether a search has finalists unless told: where its networks are not of their full depth, and that is known."""
    size = profile_for(space, profile)
    return space.kind == "cnn" and size != profile and space.norm_depth(space.size(size)) is not None


def entrants(
    scored: Iterable[Tuple[int, Any, float]], space: SearchSpace[Any], count: int
) -> List[Tuple[int, Any, float]]:
    """Who races: the highest of (id, architecture, score), isomorphic architectures once, the first of equals first."""
    distinct: Dict[str, Tuple[int, Any, float]] = {}
    for one in sorted(scored, key=lambda one: (-one[2], one[0])):
        if math.isfinite(one[2]):
            distinct.setdefault(space.key(one[1]), one)
    return list(distinct.values())[:count]


def race(
    chosen: Sequence[Tuple[int, Any, float]],
    scorer: Scorer,
    table: Optional[Truth],
    until: float,
    best: int = 1,
    judge: Optional[Scorer] = None,
) -> Iterator[Tuple[List[Finalist], int]]:
    """Score the chosen architectures anew, in rungs; gives the finalists, the best first, after every score, and how
    many scores there are in all (fewer where time runs out).

    Who got further is better, and of those who got as far the one with the higher final score; in the last rung, with
    the higher sum of the standardised final score and half of the standardised score of the search. The best `JUDGED`
    of these are asked the judge about: their order is that of the sum of its score and the final one, both
    standardised. A rung that is not begun in time for all is gone through from the best one down.

    Args:
        chosen: the id, the architecture and the search's score of each (see `entrants`).
        scorer: of the final scores (see `deep`); by a proxy that cannot be cut short there is one rung.
        table: of true values, where there are any.
        until: what `time.perf_counter` may say at the latest when a score is begun.
        best: how many of the best matter: at least twice as many stay in the race.
        judge: see `judge`; None: nobody is asked.
    """
    found: Dict[int, Finalist] = {}
    done = 0
    judged_most = 0 if judge is None else max(2 * best, JUDGED)
    space, proxy = scorer.space, scorer.proxy
    with tempfile.TemporaryDirectory(prefix="gennas-race-") as folder:
        depth = space.norm_depth(space.size(proxy.profile))
        rungs = [proxy] if proxy.rungs is None or depth is None else proxy.rungs(Path(folder), FIRST_RUNG * depth)
        alive = list(range(len(chosen)))

        def begun(places: Sequence[int]) -> Iterator[Any]:
            for place in places:
                if time.perf_counter() >= until:
                    return
                yield chosen[place][1]

        def standing() -> List[Finalist]:
            return _ordered([found[place] for place in sorted(found)], len(rungs))

        def later(count: int, rungs: int) -> int:
            """The scores that follow a rung of so many, before as many other rungs."""
            if not rungs:
                return min(count, judged_most)
            count = _promoted(count, best)
            return count + later(count, rungs - 1)

        for rung, cut in enumerate(rungs, start=1):
            total = done + len(alive) + later(len(alive), len(rungs) - rung)
            for record in scorer.at(proxy=cut).many(begun(alive)):
                place = alive[record.index]
                number, arch, before = chosen[place]
                value = None if table is None else table.of(space, arch)
                spent = found[place].seconds if place in found else 0.0
                found[place] = Finalist(
                    number,
                    record.arch,
                    before,
                    record.score,
                    rung,
                    value,
                    record.status,
                    record.reason,
                    spent + record.seconds,
                )
                done += 1
                yield standing(), total
            passed = [p for p in alive if p in found and found[p].rung == rung and found[p].status == "ok"]
            passed.sort(key=lambda place: -found[place].final_score)
            alive = passed[: _promoted(len(alive), best)]
    if judge is None:
        return
    places = {one[0]: place for place, one in enumerate(chosen)}
    last = [places[one.id] for one in standing() if one.rung == len(rungs) and one.status == "ok"]
    last = last[:judged_most]
    total = done + len(last)
    for record in judge.many(begun(last)):
        one = found[last[record.index]]
        judged = record.score if record.status == "ok" else None
        found[last[record.index]] = dataclasses.replace(one, judged=judged, seconds=one.seconds + record.seconds)
        yield standing(), total


def _promoted(count: int, best: int) -> int:
    """How many of a rung's go on."""
    return min(count, max(2 * best, -(-count // 2)))


def _ordered(found: Sequence[Finalist], rungs: int) -> List[Finalist]:
    # What diverged or failed has shown nothing, however far it got.
    last = [one for one in found if one.rung == rungs and one.status == "ok"]
    values: Dict[int, float] = {}
    for group, weight in (
        ([one for one in last if one.judged is not None], 1.0),
        ([one for one in last if one.judged is None], BEFORE),
    ):
        second = [one.score if one.judged is None else one.judged for one in group]
        sums = _standardised([one.final_score for one in group]) + weight * _standardised(second)
        # Of two that are liked by one each, the sums differ by rounding alone: then the final score decides.
        values.update({one.id: round(value, 9) for one, value in zip(group, sums)})

    def place(one: Finalist) -> Tuple[int, bool, float, float]:
        if one.status != "ok":
            return 0, True, -one.score, 0.0
        return -one.rung, one.judged is None, -values.get(one.id, 0.0), -one.final_score

    return sorted(found, key=place)


def _standardised(values: Sequence[float]) -> np.ndarray:
    numbers = np.array(values, dtype=float)
    spread = numbers.std() if len(numbers) else 0.0
    return (numbers - numbers.mean()) / spread if spread > 0 else np.zeros(len(numbers))
