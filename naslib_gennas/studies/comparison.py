"""Compare proxies on the same architectures: agreement with the truth, cost, and agreement among them."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from naslib_gennas import spaces
from naslib_gennas import truth as truths
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.extensions import entry_points
from naslib_gennas.proxies import aggregation
from naslib_gennas.proxies.aggregation import Aggregate
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression import batches
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import ranking
from naslib_gennas.studies.asked import asked_for, computed
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.truth import metrics, significance
from naslib_gennas.truth.metrics import Difference, Estimate
from naslib_gennas.truth.table import Truth

#: The proxies that are compared where none are named, by kind of search space.
USUAL = {
    "cnn": ("gennas-plus", "gennas-combo", "synflow", "jacob_cov", "naswot", "params"),
    "rnn": ("gennas-plus", "gennas-nlp-combo", "params"),
}
#: Another package's entry points of this group, each named as `via` calls it, are functions
#: ``f(space, names) -> {name: (space, proxy)}``: its own measures, and where each is computed.
RIVALS = "naslib_gennas.rivals"
#: With fewer architectures than this an interval says little, and the report says so.
FEW = 10


@dataclass(frozen=True)
class Column:
    """One proxy of a comparison.

    Attributes:
        name: what the caller calls it, its profile included where one was named.
        scores: in the order of `Comparison.architectures`; -inf ranks last; empty where it cannot score the space.
        seconds: core-seconds per architecture, the mean over those scored; NaN where none was.
        settings: profile, input batch and the proxy's own settings, or the parts of an aggregate.
        not_ok: how many scores have which status other than "ok", and `reasons` the commonest reason of each.
        spearman, kendall, retrieval: agreement with the truth; None without truth or scores.
        difference: Spearman's rho less that of the first proxy, paired bootstrap; None for the first itself.
        p: the p-value of that difference, Holm-corrected over all proxies of the comparison; None without one.
        problem: why it cannot score the space; empty where it can.
    """

    name: str
    scores: Tuple[float, ...] = ()
    seconds: float = math.nan
    settings: Mapping[str, Any] = field(default_factory=dict)
    not_ok: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    spearman: Optional[Estimate] = None
    kendall: Optional[Estimate] = None
    retrieval: Optional[Estimate] = None
    difference: Optional[Difference] = None
    p: Optional[float] = None
    problem: str = ""

    @property
    def scored(self) -> bool:
        """Whether any architecture has a score."""
        return any(math.isfinite(score) for score in self.scores)

    @property
    def failure(self) -> str:
        """Why no architecture has a score, where the proxy failed; empty otherwise."""
        if self.scored or self.problem:
            return self.problem
        failed = (status for status in ("failed", "diverged") if status in self.not_ok)
        return "; ".join(f"{self.not_ok[status]} {status} ({self.reasons[status]})" for status in failed)

    @property
    def significant(self) -> Optional[bool]:
        """Whether the difference to the first proxy is more than chance explains: `p` is below 0.05."""
        return None if self.p is None else self.p < significance.LEVEL


@dataclass(frozen=True)
class Comparison:
    """Proxies beside each other on the same architectures.

    Attributes:
        architectures: in the benchmark's notation.
        values: their true values, None where the table has none.
        columns: one per proxy, in the order asked for.
        agreement: Spearman's rho between the scores of each two columns (NaN where one says nothing).
        inputs: the input batch of all; None: each proxy's usual one.
        truth: where the truth is from, and how many of the architectures it has (`matched`).
        complete: False where the run was interrupted; then the proxies that were not done are left out.
        given: options of `gennas compare` that were given as texts or files, by their names: what repeats it.
    """

    space: str
    architectures: Tuple[str, ...]
    values: Tuple[Optional[float], ...]
    columns: Tuple[Column, ...]
    agreement: Tuple[Tuple[float, ...], ...]
    inputs: Optional[str]
    seed: int
    top_percent: float
    truth: Optional[Mapping[str, Any]]
    wall_seconds: float
    complete: bool = True
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.architectures)

    @property
    def front(self) -> Tuple[str, ...]:
        """The proxies that no other beats in both rho and cost, cheapest first."""
        known = [c for c in self.columns if c.spearman is not None and not math.isnan(c.spearman.value)]
        found: List[Column] = []
        for column in sorted(known, key=lambda c: (c.seconds, -c.spearman.value if c.spearman else 0.0)):
            if not found or _rho(column) > max(map(_rho, found)):
                found.append(column)
        return tuple(column.name for column in found)

    @property
    def failure(self) -> str:
        """What went wrong, where every proxy failed on every architecture; empty otherwise."""
        failures = [f"{column.name}: {column.failure}" for column in self.columns if column.failure]
        everything = bool(failures) and len(failures) == len(self.columns)
        return f"no proxy gave a score: {'; '.join(failures)}" if everything else ""

    def to_json(self) -> Dict[str, Any]:
        """The comparison as plain data: what `result.json` and `--json` hold."""
        keys = ("space", "n", "seed", "inputs", "top_percent", "truth", "complete", "wall_seconds", "front")
        content: Dict[str, Any] = {key: getattr(self, key) for key in keys}
        content["version"], content["torch"] = __version__, torch.__version__
        content["proxies"] = [plain(column) for column in self.columns]
        content["agreement"] = self.agreement
        content["architectures"] = [
            {"arch": arch, "truth": value, "scores": {c.name: c.scores[i] for c in self.columns if c.scores}}
            for i, (arch, value) in enumerate(zip(self.architectures, self.values))
        ]
        return content


#: Called with the proxy's name, how many of its scores are done, and how many there are.
Progress = Callable[[str, int, int], None]


def compare(
    space: Union[str, SearchSpace[Any]],
    names: Optional[Sequence[str]] = None,
    n: Optional[int] = None,
    *,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    archs: Union[str, Path, Sequence[Any], None] = None,
    via: Optional[str] = None,
    top_percent: float = 10.0,
    higher_is_better: Optional[bool] = None,
    progress: Progress = lambda name, done, total: None,
    **scoring: Any,
) -> Comparison:
    """Score the same architectures with several proxies and say how well each agrees with the truth, at what cost.

    Args:
        space: a search space or its name.
        names: proxies (``NAME``, ``NAME@PROFILE``), aggregates (``vote:a+b``, ``ranksum:a+b``, ``az_nas``) or python
            files with proxies of the user's own; the first is what the others are compared with. None: `USUAL`.
        n, truth, archs, higher_is_better: as in `ranking.rank`.
        via: "naslib" adds NASLib's own measures of the same names, computed on NASLib's graphs; other packages add
            rivals of their own through entry points (`RIVALS`).
        top_percent: the top X% that the retrieval metric is about.
        progress: called after every score.
        scoring: `inputs` (None: each proxy's usual batch), `profile` (of the proxies that name none), `seed`,
            `workers`, `executor`, `store`, `device`: see `Scorer.of`.

    Raises:
        InputError: an unknown name, a broken proxy file, a truth without any of the architectures.
        Interrupted: Ctrl-C or SIGTERM; what was done is in it, and every score in the store.
    """
    started = time.perf_counter()
    found = spaces.get(space)
    metrics.check_percent(top_percent)
    settings = {name: scoring.pop(name, None) for name in ("profile", "initialise")}
    inputs = scoring.get("inputs")
    given = _texts({"truth": truth, "archs": archs, "top": top_percent, **settings})
    if names is not None and all(isinstance(name, str) for name in names):
        given["proxies"] = ",".join(names)
    asked = asked_for(USUAL[found.kind] if names is None else names, **settings)
    rivals = _rivals(via, found, asked)
    table = truths.find(truth, found, higher_is_better)
    simple = computed(asked, **settings)
    # What cannot score the space is a column of its own below; here the place and the seed are checked.
    scorer = Scorer.of(found, "params", **{**scoring, "inputs": None})
    sample = list(ranking.choose(found, n, archs, table, scorer.seed)[1])
    values = tuple(None if table is None else table.of(found, arch) for arch in sample)
    texts = tuple(found.format(arch) for arch in sample)
    scored: Dict[str, Column] = {}

    def result(complete: bool) -> Comparison:
        columns = [finished(name, what, scored) for name, what in asked.items()]
        columns += [scored[name] for name in rivals if name in scored]
        done = judged([column for column in columns if column is not None], values, table, top_percent, scorer.seed)
        facts = None if table is None else facts_of(table, done, values)
        return Comparison(
            found.name,
            texts,
            values,
            tuple(done),
            _agreement(done),
            batches.SYNTHETIC if found.kind == "rnn" else inputs,
            scorer.seed,
            top_percent,
            facts,
            time.perf_counter() - started,
            complete,
            given,
        )

    with scorer:
        try:
            for name, chosen in simple.items():
                scored[name] = scored_by(name, found, chosen, sample, scorer, inputs, progress)
            for name, (their_space, chosen) in rivals.items():
                scored[name] = scored_by(name, their_space, chosen, sample, scorer, inputs, progress)
        except KeyboardInterrupt:
            done = result(complete=False)
            raise Interrupted(done, f"{len(done.columns)} proxies") from None
    return result(complete=True)


def _texts(options: Mapping[str, Any]) -> Dict[str, str]:
    """Those options of a command that a text or a file can give."""
    found = {name: str(value) for name, value in options.items() if isinstance(value, (str, Path, float))}
    return {**found, **({"archs": "FILE"} if options["archs"] is not None and "archs" not in found else {})}


def _rivals(
    via: Optional[str], space: SearchSpace[Any], asked: Mapping[str, Any]
) -> Dict[str, Tuple[SearchSpace[Any], Proxy]]:
    if via is None:
        return {}
    found = entry_points(RIVALS)
    if via not in found:
        known = suggest(via, found) if found else "; no installed package has rivals (install naslib-gennas anew)"
        raise InputError(f"--via: unknown rival '{via}'{known}")
    try:
        measures = found[via].load()
    except Exception as error:  # another package's fault, said in a line
        raise InputError(
            f"--via {via}: '{found[via].value}' cannot be loaded: {type(error).__name__}: {error}"
        ) from None
    rivals: Dict[str, Tuple[SearchSpace[Any], Proxy]] = measures(space, list(asked))
    return rivals


def scored_by(
    name: str,
    space: SearchSpace[Any],
    chosen: Proxy,
    sample: Sequence[Any],
    place: Scorer,
    inputs: Optional[str],
    progress: Progress,
    hopeless: Callable[[Sequence[Record]], str] = lambda records: "",
) -> Column:
    """All scores of one proxy; one that cannot score the space is a column that says why.

    Args:
        hopeless: says after every score why there shall be no more; the column then has this problem.
    """
    settings = {
        "profile": {key: value for key, value in chosen.profile.plain().items() if value is not None},
        "images": chosen.count(space.kind),
        **chosen.settings,
    }
    records: Dict[int, Record] = {}
    try:
        scorer = place.at(space=space, proxy=chosen, inputs=inputs)
        settings["inputs"] = scorer.batch.name
        for record in scorer.many(sample):
            records[record.index] = record
            progress(name, len(records), len(sample))
            problem = hopeless(list(records.values()))
            if problem:
                return Column(name, settings=settings, problem=problem)
    except InputError as error:
        return Column(name, settings=settings, problem=str(error))
    ordered = [records[index] for index in range(len(sample))]
    costs = {record.key: record.seconds for record in ordered if record.status != "untrainable"}
    bad = [record for record in ordered if record.status != "ok"]
    counted = Counter(record.status for record in bad)
    reasons = {
        status: Counter(record.reason for record in bad if record.status == status).most_common(1)[0][0]
        for status in counted
    }
    return Column(
        name,
        tuple(record.score for record in ordered),
        sum(costs.values()) / len(costs) if costs else math.nan,
        settings,
        dict(counted),
        reasons,
    )


def finished(name: str, what: Union[Proxy, Aggregate], scored: Mapping[str, Column]) -> Optional[Column]:
    """The column of a name, once all that it needs is there."""
    if isinstance(what, Proxy):
        return scored.get(name)
    parts = [scored.get(part) for part in what.parts]
    if any(part is None for part in parts):
        return None
    columns = [part for part in parts if part is not None]
    for column in columns:
        if not column.scored:
            reason = column.problem or f"{column.name} has no score: {column.failure or 'all untrainable'}"
            return Column(name, settings={"parts": list(what.parts)}, problem=f"its part {reason}")
    combined = what.combine(np.array([column.scores for column in columns], dtype=float))
    scores = tuple(float(value) if math.isfinite(value) else -math.inf for value in combined)
    return Column(name, scores, sum(column.seconds for column in columns), {"parts": list(what.parts)})


def judged(
    columns: Sequence[Column],
    values: Sequence[Optional[float]],
    table: Optional[Truth],
    top_percent: float,
    seed: int,
) -> List[Column]:
    """The columns with their agreement with the truth, over the architectures that the table has."""
    if table is None:
        return list(columns)
    known = [index for index, value in enumerate(values) if value is not None]
    truth = [table.better(value) for value in values if value is not None]
    first = next((column for column in columns if column.scored), None)
    found = []
    for column in columns:
        if column.scored:
            scores = [column.scores[index] for index in known]
            gap = None
            if first is not None and column is not first:
                gap = metrics.difference("spearman", scores, [first.scores[index] for index in known], truth, seed)
            column = dataclasses.replace(
                column,
                spearman=metrics.spearman(scores, truth, seed),
                kendall=metrics.kendall(scores, truth, seed),
                retrieval=metrics.retrieval(scores, truth, top_percent, seed),
                difference=gap,
            )
        found.append(column)
    raw = [math.nan if column.difference is None else column.difference.p for column in found]
    return [
        column if math.isnan(p) else dataclasses.replace(column, p=p)
        for column, p in zip(found, significance.holm(raw))
    ]


def facts_of(table: Truth, columns: Sequence[Column], values: Sequence[Optional[float]]) -> Dict[str, Any]:
    """What a comparison says of its truth; that its direction looks wrong where most proxies say so."""
    facts = {**table.to_json(), "matched": sum(value is not None for value in values)}
    found = [column.spearman for column in columns if column.spearman and not math.isnan(column.spearman.value)]
    rho, high = (float(np.median([getattr(one, part) for one in found] or [math.nan])) for part in ("value", "high"))
    doubt = table.doubt(rho, high)
    return {**facts, "remarks": [*facts["remarks"], *filter(None, [doubt])]}


def _agreement(columns: Sequence[Column]) -> Tuple[Tuple[float, ...], ...]:
    """Spearman's rho between the scores of each two columns."""
    rows = [aggregation.ranks(column.scores) if column.scores else None for column in columns]

    def rho(a: Optional[np.ndarray], b: Optional[np.ndarray]) -> float:
        if a is None or b is None or len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
            return math.nan
        return float(np.corrcoef(a, b)[0, 1])

    return tuple(tuple(rho(a, b) for b in rows) for a in rows)


def _rho(column: Column) -> float:
    return column.spearman.value if column.spearman is not None else math.nan


def plain(column: Column) -> Dict[str, Any]:
    content = {key: getattr(column, key) for key in ("name", "seconds", "settings", "not_ok", "reasons", "problem")}
    for key in ("spearman", "kendall", "retrieval", "difference"):
        estimate = getattr(column, key)
        content[key] = None if estimate is None else estimate.to_json()
    content["p"], content["significant"] = column.p, column.significant
    return content
