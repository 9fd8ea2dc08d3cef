"""A leaderboard: all proxies on the same architectures of all search spaces with ground truth, and their mean ranks."""

from __future__ import annotations

import fnmatch
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch

from naslib_gennas import reading
from naslib_gennas import spaces as _spaces
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import USUAL as DEFAULT
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.studies import comparison, ranking
from naslib_gennas.studies.asked import asked_for, computed
from naslib_gennas.studies.comparison import Column
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.truth import benchmarks, metrics, significance
from naslib_gennas.truth.benchmarks import Benchmark
from naslib_gennas.truth.significance import Ranks

#: The proxies of a leaderboard where none are named, cheap ones first.
USUAL = (
    *("params", "flops", "synflow", "logsynflow", "swap", "swap-cell", "zen", "meco", "naswot", "jacob_cov", "zico"),
    *("grad_norm", "snip", "az_nas", "gennas-combo", "gennas-nlp-combo", "gennas-search-N", "gennas-plus"),
)
#: So many architectures of each search space.
USUAL_N = 60
#: With all of the first so many scores failed, a proxy cannot score a space.
TRIES = 3
# Longer patterns of names are none.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class DataSet:
    """The proxies on one data set of a search space.

    Attributes:
        name: the column of the ground truth.
        truth: where it is from and how many of the architectures it has (`matched`).
        values: the truth of each architecture, None where it has none.
        columns: the agreement of each proxy, in the order asked for.
    """

    name: str
    truth: Mapping[str, Any]
    values: Tuple[Optional[float], ...]
    columns: Tuple[Column, ...]


@dataclass(frozen=True)
class Space:
    """The proxies on one search space: the same architectures for all of them and for all data sets.

    Attributes:
        name: of the search space.
        asked: what the caller called it, such as ``FILE.py:NAME``.
        architectures: in its own notation.
        columns: the scores, costs and problems of each proxy, in the order asked for.
        data_sets: their agreement with each truth.
    """

    name: str
    asked: str
    architectures: Tuple[str, ...]
    columns: Tuple[Column, ...]
    data_sets: Tuple[DataSet, ...]

    def rho(self, proxy: str) -> float:
        """Spearman's rho of a proxy, the mean over the data sets; NaN where it has none."""
        found = [column.spearman for one in self.data_sets for column in one.columns if column.name == proxy]
        values = [math.nan if estimate is None else estimate.value for estimate in found]
        return sum(values) / len(values) if values else math.nan


@dataclass(frozen=True)
class Standing:
    """One proxy over all search spaces.

    Attributes:
        rho: the mean over the spaces that it scores.
        spaces: how many these are.
        behind: by how much its rho is below that of the best proxy on the space where it is furthest behind, and where.
        seconds: core-seconds per architecture, the mean over the spaces that it scores.
        p: of its difference to the default proxy (`significance.against`); NaN for that itself, and without it.
    """

    proxy: str
    rho: float
    spaces: int
    behind: Tuple[float, str]
    seconds: float
    p: float = math.nan


@dataclass(frozen=True)
class Leaderboard:
    """Proxies beside each other on several search spaces.

    Attributes:
        spaces: one a search space.
        ranks: the mean ranks over the spaces, and which differ by more than chance; None where nothing was scored.
        standings: one a proxy, best mean rank first.
        folders, truths: where ground truth was looked for, beside what is installed.
        remarks: files that are no ground truth, and why.
        complete: False where the run was interrupted; proxies that were not done on a space are blank there.
    """

    spaces: Tuple[Space, ...]
    ranks: Optional[Ranks]
    standings: Tuple[Standing, ...]
    seed: int
    inputs: Optional[str]
    top_percent: float
    folders: Tuple[str, ...]
    truths: Tuple[str, ...]
    remarks: Tuple[str, ...]
    wall_seconds: float
    complete: bool = True

    @property
    def failure(self) -> str:
        """What went wrong, where no proxy scored any search space; empty otherwise."""
        if any(standing.spaces for standing in self.standings):
            return ""
        found = {column.name: column.failure for space in self.spaces for column in space.columns if column.failure}
        return "no proxy gave a score: " + "; ".join(f"{name}: {why}" for name, why in found.items())

    def to_json(self) -> Dict[str, Any]:
        """The leaderboard as plain data: what `result.json` and `--json` hold."""
        keys = ("seed", "inputs", "top_percent", "folders", "truths", "remarks", "complete", "wall_seconds")
        content: Dict[str, Any] = {key: getattr(self, key) for key in keys}
        content["version"], content["torch"] = __version__, torch.__version__
        content["ranks"] = None if self.ranks is None else _plain_ranks(self.ranks)
        content["standings"] = [
            {**vars(one), "behind": {"rho": one.behind[0], "space": one.behind[1]}} for one in self.standings
        ]
        content["spaces"] = [
            {
                "space": space.name,
                "architectures": [
                    {
                        "arch": arch,
                        "scores": {column.name: column.scores[i] for column in space.columns if column.scores},
                    }
                    for i, arch in enumerate(space.architectures)
                ],
                "data_sets": [
                    {
                        "truth": one.truth,
                        "values": one.values,
                        "proxies": [comparison.plain(column) for column in one.columns],
                    }
                    for one in space.data_sets
                ],
            }
            for space in self.spaces
        ]
        return content


#: Called with the space and the proxy that are at work, how many scores are done, and how many there are at most.
Progress = Callable[[str, int, int], None]


def leaderboard(
    spaces: Optional[Sequence[Any]] = None,
    names: Optional[Sequence[str]] = None,
    n: Union[int, str] = USUAL_N,
    *,
    folders: Sequence[Union[str, Path]] = (),
    truths: Sequence[str] = (),
    limit: float = math.inf,
    top_percent: float = 10.0,
    higher_is_better: Optional[bool] = None,
    progress: Progress = lambda what, done, total: None,
    **scoring: Any,
) -> Leaderboard:
    """Score the same architectures of every search space with every proxy, and rank the proxies over the spaces.

    A proxy is scored on all spaces before the next one begins. With a store the same call goes on where it was stopped.
    Data sets of one space share the scores, and count as one space in the mean ranks: their agreement is averaged.

    Args:
        spaces: search spaces or their names; None: all that have ground truth.
        names: proxies, as in `comparison.compare`; None: `USUAL`.
        n: architectures a space, a number; or a text such as ``"60,darts=40,nds-*=40"``. A space whose truth has fewer
            gives all of them.
        folders, truths, higher_is_better: where ground truth is, beside what is installed, and which values are better
            in columns whose names do not say: `benchmarks.find`.
        limit: core-seconds; a proxy one of whose first scores on a space takes longer is left out there.
        top_percent: the top X% that the retrieval metric is about.
        progress: called at the beginning, and after every score.
        scoring: as in `comparison.compare`.

    Raises:
        InputError: see `benchmarks.find` and `comparison.compare`.
        Interrupted: Ctrl-C or SIGTERM; what was done is in it, and every score in the store.
    """
    started = time.perf_counter()
    metrics.check_percent(top_percent)
    if not limit > 0:
        raise InputError(f"the limit is {limit}; it takes core-seconds above 0")
    size = sizes(n)
    settings = {name: scoring.pop(name, None) for name in ("profile", "initialise")}
    inputs = scoring.get("inputs")
    asked = asked_for(USUAL if names is None else names, **settings)
    chosen = computed(asked, **settings)
    found, remarks = benchmarks.find(spaces, folders, truths, higher_is_better)
    # What cannot score a space is blank there; here the place and the seed are checked.
    scorer = Scorer.of(found[0].space, "params", **{**scoring, "inputs": None})
    called = {_spaces.get(space).name: space for space in spaces or () if isinstance(space, str)}
    samples = {one.space.name: _sample(one, size, scorer.seed) for one in found}
    scored: Dict[str, Dict[str, Column]] = {one.space.name: {} for one in found}
    total = sum(map(len, samples.values())) * len(chosen)
    before = 0
    progress("", 0, total)

    def result(complete: bool) -> Leaderboard:
        boards = []
        for one in found:
            columns = []
            for name, what in asked.items():
                column = comparison.finished(name, what, scored[one.space.name])
                columns.append(column or Column(name, problem="the run was stopped before it was done"))
            asked_as = called.get(one.space.name, one.space.name)
            boards.append(_space(one, asked_as, samples[one.space.name], columns, top_percent, scorer.seed))
        ranks, standings = _ranked(boards, list(asked), scorer.seed)
        wall = time.perf_counter() - started
        return Leaderboard(
            tuple(boards),
            ranks,
            standings,
            scorer.seed,
            inputs,
            top_percent,
            tuple(map(str, folders)),
            tuple(truths),
            tuple(remarks),
            wall,
            complete,
        )

    with scorer:
        try:
            for name, proxy in chosen.items():
                for one in found:
                    sample = samples[one.space.name]

                    def done(name: str, count: int, of: int, space: str = one.space.name, first: int = before) -> None:
                        progress(f"{name} on {space}", first + count, total)

                    scored[one.space.name][name] = comparison.scored_by(
                        name, one.space, proxy, sample, scorer, inputs, done, lambda records: _hopeless(records, limit)
                    )
                    before += len(sample)
        except KeyboardInterrupt:
            stopped = result(complete=False)
            raise Interrupted(stopped, f"{sum(map(len, scored.values()))} proxies on a space each") from None
    return result(complete=True)


def sizes(n: Union[int, str]) -> Callable[[str], int]:
    """How many architectures of a search space, from ``60`` or ``"60,darts=40,nds-*=40"``; later parts go first.

    >>> size = sizes("60,nds-*=40")
    >>> size("nds-darts-in"), size("darts")
    (40, 60)

    Raises:
        InputError: a part is neither a number nor SPACE=NUMBER.
    """
    parts: List[Tuple[str, int]] = [("*", USUAL_N)]
    for part in str(n).split(","):
        name, _, number = part.strip().rpartition("=")
        if not reading.whole(number, 1, 10**9) or len(name) > _LONGEST_NAME:
            raise InputError(
                f"n is '{' '.join(str(n)[:60].split())}'; it takes a number from 1 up, or as in 60,darts=40,nds-*=40"
            )
        parts.append((name or "*", int(number)))
    return lambda space: next(count for name, count in reversed(parts) if fnmatch.fnmatchcase(space, name))


def _sample(benchmark: Benchmark, size: Callable[[str], int], seed: int) -> List[Any]:
    """Architectures that all data sets of a space have; a larger sample begins with the smaller one."""
    space, shared = benchmark.space, benchmark.shared
    most = len(shared.texts) if shared.texts and not shared.complete else space.count
    count = size(space.name) if most is None else min(size(space.name), most)
    return list(ranking.choose(space, count, None, shared, seed)[1])


def _hopeless(records: Sequence[Record], limit: float) -> str:
    """Why a proxy is not to score more of a space, going by its first scores; empty where it is."""
    first = records[:TRIES]
    if len(records) > TRIES:
        return ""
    slow = max(record.seconds for record in first)
    if slow > limit:
        return f"a score takes {slow:.3g} core-seconds, above the limit of {limit:g}"
    if len(first) == TRIES and all(record.status == "failed" for record in first):
        return f"it failed on the first {TRIES} architectures: {first[0].reason}"
    return ""


def _space(
    benchmark: Benchmark,
    asked: str,
    sample: Sequence[Any],
    columns: Sequence[Column],
    top_percent: float,
    seed: int,
) -> Space:
    data_sets = []
    for name, table in benchmark.truths.items():
        values = tuple(table.of(benchmark.space, arch) for arch in sample)
        found = comparison.judged(columns, values, table, top_percent, seed)
        facts = comparison.facts_of(table, found, values)
        data_sets.append(DataSet(name, facts, values, tuple(found)))
    texts = tuple(benchmark.space.format(arch) for arch in sample)
    return Space(benchmark.space.name, asked, texts, tuple(columns), tuple(data_sets))


def _ranked(boards: Sequence[Space], names: Sequence[str], seed: int) -> Tuple[Optional[Ranks], Tuple[Standing, ...]]:
    """The mean ranks over the spaces that any proxy scores, and each proxy's standing."""
    table = {space.name: {name: space.rho(name) for name in names} for space in boards}
    table = {space: rhos for space, rhos in table.items() if not all(map(math.isnan, rhos.values()))}
    ranks = significance.ranks_over(table, seed) if table else None
    differs = significance.against(table, DEFAULT) if DEFAULT in names else {}
    costs = {
        name: [
            column.seconds
            for space in boards
            for column in space.columns
            if column.name == name and not math.isnan(column.seconds)
        ]
        for name in names
    }
    standings = []
    for name in ranks.methods if ranks is not None else names:
        known = {space: rhos[name] for space, rhos in table.items() if not math.isnan(rhos[name])}
        gaps = [
            (max(rho for rho in table[space].values() if not math.isnan(rho)) - rho, space)
            for space, rho in known.items()
        ]
        standings.append(
            Standing(
                name,
                sum(known.values()) / len(known) if known else math.nan,
                len(known),
                max(gaps, default=(math.nan, "")),
                sum(costs[name]) / len(costs[name]) if costs[name] else math.nan,
                differs.get(name, math.nan),
            )
        )
    return ranks, tuple(standings)


def _plain_ranks(ranks: Ranks) -> Dict[str, Any]:
    content = {key: getattr(ranks, key) for key in ("spaces", "methods", "ranks", "missing", "groups")}
    content["friedman"], content["critical_difference"] = ranks.friedman, ranks.critical_difference
    content["mean_ranks"] = [rank.to_json() for rank in ranks.mean_ranks]
    content["p_values"] = [{"better": a, "worse": b, "p_holm": p} for (a, b), p in ranks.p_values.items()]
    return content
