"""Rank a sample of architectures without labels, and compare the ranking with the truth (tables 3 to 8)."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from naslib_gennas import files
from naslib_gennas import truth as truths
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import plots, race
from naslib_gennas.studies.race import Finalist
from naslib_gennas.studies.result import Interrupted, nothing_scored, writing
from naslib_gennas.truth import metrics
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.sampling import draw
from naslib_gennas.truth.table import Truth
from naslib_gennas.truth.user_tables import parse_json, read_text

USUAL_N = 64
COLUMNS = ("arch", "score", "truth", "status", "seconds", "reason")


@dataclass(frozen=True)
class Ranked:
    """One architecture of a ranking; `truth` is None where the table has none, `seconds` are core-seconds."""

    arch: str
    score: float
    truth: Optional[float]
    seconds: float
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Ranking:
    """A ranking, best score first; the estimates are None without ground truth.

    Attributes:
        spearman, kendall, retrieval: agreement with the truth, higher is better (see `metrics`); `retrieval` is that
            of the top `top_percent`. None without truth, and where nothing could be scored.
        regret: the best truth of the sample less that of the architecture ranked first.
        truth: where the truth is from, and how many of the architectures it has (`matched`).
        wall_seconds: of this call.
        core_seconds: of all scores, whenever they were computed; isomorphic architectures count once.
        reused: scores that were in the store already, or those of an isomorphic architecture.
        finalists: those that raced at full depth, the winner first; empty without a race.
        best: how many of them were asked for.
        complete: False where the run was interrupted.
        folder: where the run was written, if anywhere.
    """

    space: str
    proxy: str
    profile: Mapping[str, Any]
    inputs: str
    seed: int
    architectures: Tuple[Ranked, ...]
    wall_seconds: float
    core_seconds: float
    reused: int = 0
    truth: Optional[Mapping[str, Any]] = None
    spearman: Optional[Estimate] = None
    kendall: Optional[Estimate] = None
    retrieval: Optional[Estimate] = None
    regret: Optional[Estimate] = None
    top_percent: float = 10.0
    finalists: Tuple[Finalist, ...] = ()
    best: int = 0
    complete: bool = True
    folder: Optional[Path] = None

    @property
    def n(self) -> int:
        return len(self.architectures)

    @property
    def failure(self) -> str:
        """Why there is no ranking: what is wrong with most of the architectures, where none could be scored."""
        return nothing_scored(self.architectures)

    def to_json(self) -> Dict[str, Any]:
        """The ranking as plain data: what `result.json` and `--json` hold."""
        content = {key: getattr(self, key) for key in ("space", "proxy", "profile", "inputs", "seed", "n", "complete")}
        for name in ("spearman", "kendall", "retrieval", "regret"):
            estimate = getattr(self, name)
            content[name] = None if estimate is None else estimate.to_json()
        content["top_percent"] = self.top_percent
        content["best"] = [dataclasses.asdict(one) for one in self.finalists[: self.best]]
        content["finalists"] = len(self.finalists)
        content["truth"] = self.truth
        for name in ("wall_seconds", "core_seconds", "reused"):
            content[name] = getattr(self, name)
        content["version"] = __version__
        content["folder"] = None if self.folder is None else str(self.folder)
        content["architectures"] = [dataclasses.asdict(ranked) for ranked in self.architectures]
        return content


def rank(
    space: Union[str, SearchSpace[Any], Scorer],
    proxy: Union[str, Proxy, None] = None,
    n: Optional[int] = None,
    *,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    archs: Union[str, Path, Sequence[Any], None] = None,
    out: Union[str, Path, None] = None,
    top_percent: float = 10.0,
    best: int = 0,
    higher_is_better: Optional[bool] = None,
    progress: Callable[[Optional[Record], int, int], None] = lambda record, done, total: None,
    **scoring: Any,
) -> Ranking:
    """Score a sample of architectures, best first, and say how well the order agrees with the truth.

    Args:
        space: a search space, its name, or a scorer.
        proxy: a proxy or its name; None: `proxies.USUAL`.
        n: architectures to draw (64), none twice; isomorphic ones only where there are no others left. They come
            from the truth's table where that has a part of the space only.
        truth: "installed" (the table installed for the space, if any), None, or what `truth.load` takes.
        archs: architectures to rank instead of drawing any: a list, or a file of `read_architectures`.
        out: a folder for scores.csv (written as the scores come), result.json and scatter.png; None: nothing is
            written.
        top_percent: the top X% that the retrieval metric is about.
        best: so many of the best are wanted: those of the highest scores race for it at the full depth of the space's
            networks (see `race`); 0: there is no race.
        higher_is_better: of the truth; None: as the column's name says.
        progress: called with every record, how many are done and how many there are; then with None for every score
            of the finalists.
        scoring: `inputs`, `profile`, `seed` (for sampling and scoring), `workers`, `executor`, `store`,
            `device`: see `Scorer.of`.

    Raises:
        InputError: an unknown name, more architectures asked for than there are, a truth without any of them.
        Interrupted: Ctrl-C or SIGTERM; everything scored is on disk.
    """
    started = time.perf_counter()
    scorer = Scorer.of(space, proxy, **scoring)
    found = scorer.space
    check_whole("best", best, 0)
    deep = race.deep(scorer) if best else None
    metrics.check_percent(top_percent)
    table = truths.find(truth, found, higher_is_better)
    total, sample = choose(found, n, archs, table, scorer.seed)
    rows: List[Tuple[int, Any, Ranked]] = []
    reused = 0
    cost: Dict[str, float] = {}
    finalists: List[Finalist] = []

    def ranking(complete: bool) -> Ranking:
        ordered = sorted(rows, key=lambda row: (-row[2].score, row[0]))
        made = Ranking(
            **scorer.about,
            architectures=tuple(row for _, _, row in ordered),
            wall_seconds=time.perf_counter() - started,
            core_seconds=sum(cost.values()) + sum(one.seconds for one in finalists),
            reused=reused,
            finalists=tuple(finalists),
            best=best,
            top_percent=top_percent,
            complete=complete,
            folder=folder,
        )
        made = made if table is None else agreement(made, table)
        if folder is not None:
            _write(made, folder)
        return made

    with contextlib.ExitStack() as stack:
        stack.enter_context(scorer)
        records = scorer.many(sample)  # which checks its arguments
        folder = None if out is None else files.folder(out)
        file = stack.enter_context(files.Rows(folder / "scores.csv", COLUMNS)) if folder is not None else None
        try:
            for record in records:
                value = None if table is None else table.of(found, record.architecture)
                row = Ranked(record.arch, record.score, value, record.seconds, record.status, record.reason)
                rows.append((record.index, record.architecture, row))
                reused += record.reused
                cost[record.key] = record.seconds
                if file is not None:
                    file.write(dataclasses.asdict(row))
                progress(record, len(rows), total)
            if deep is not None:
                count = max(4 * best, -(-len(rows) // race.SHARE))
                scored = ((index, arch, row.score) for index, arch, row in rows)
                entrants = race.entrants(scored, found, count)
                races = race.race(entrants, deep, table, math.inf, best, race.judge(scorer))
                for raced_scores, (raced, of) in enumerate(races, start=1):
                    finalists = raced
                    progress(None, raced_scores, of)
        except KeyboardInterrupt:
            done = ranking(complete=False)
            raise Interrupted(done, f"{done.n} architectures") from None
    return ranking(complete=True)


def agreement(ranking: Ranking, table: Truth) -> Ranking:
    """The ranking with its agreement with the truth, over the architectures that the table has.

    Where none of them has a score there is none.
    """
    known = [row for row in ranking.architectures if row.truth is not None]
    scores = [row.score for row in known]
    values = [table.better(row.truth) for row in known if row.truth is not None]
    facts = {**table.to_json(), "matched": len(known)}
    found = metrics.agreement(scores, values, ranking.top_percent, ranking.seed)
    if found is None:
        return dataclasses.replace(ranking, truth=facts, spearman=None, kendall=None, retrieval=None, regret=None)
    doubt = table.doubt(found.spearman.value, found.spearman.high)
    return dataclasses.replace(
        ranking,
        truth={**facts, "remarks": [*facts["remarks"], *filter(None, [doubt])]},
        spearman=found.spearman,
        kendall=found.kendall,
        retrieval=found.retrieval,
        regret=found.regret,
    )


def choose(
    space: SearchSpace[Any],
    n: Optional[int],
    archs: Union[str, Path, Sequence[Any], None],
    table: Optional[Truth],
    seed: int,
) -> Tuple[int, Iterator[Any]]:
    """The architectures that a ranking or a comparison is about, and how many there are (see `rank`)."""
    if archs is not None:
        listed = _given(space, archs, table)
        total = _size(n, len(listed), "are given", len(listed))
        return total, iter(listed[:total])
    total = _size(n, *_supply(space, table), USUAL_N)
    return total, draw(space, total, seed, table)


def read_architectures(path: Union[str, Path], space: SearchSpace[Any]) -> List[Any]:
    """The architectures of a file: a table as `truth` reads them, a JSON list, or a text with one per line.

    Raises:
        InputError: the file cannot be read or holds something else; the message names the line or entry.
    """
    path = Path(path)
    entries: List[Tuple[str, Any]]
    if path.suffix in (".csv", ".tsv", ".gz"):
        entries = [(f"row {i}", arch) for i, (_, arch, _) in enumerate(truths.read_table(path), start=1)]
    else:
        where = f"architectures '{path}'"
        text = read_text(path, where)
        content = parse_json(text, where) if path.suffix == ".json" else None
        if path.suffix != ".json":
            lines = ((i, line.strip()) for i, line in enumerate(text.splitlines(), start=1))
            entries = [(f"line {i}", line) for i, line in lines if line and not line.startswith("#")]
        elif isinstance(content, list) and not any(isinstance(e, dict) and _is_row(e) for e in content):
            entries = [(f"entry {i}", entry) for i, entry in enumerate(content, start=1)]
        else:
            entries = [(f"row {i}", arch) for i, (_, arch, _) in enumerate(truths.read_table(path), start=1)]
    found = []
    for place, raw in entries:
        try:
            found.append(space.parse(raw))
        except InputError as error:
            raise InputError(f"architectures '{path}', {place}: {error}") from None
    if not found:
        raise InputError(f"architectures '{path}': the file has none")
    return found


def _is_row(entry: Mapping[str, Any]) -> bool:
    return any(column in entry for column in truths.ARCHITECTURE_COLUMNS)


def _given(space: SearchSpace[Any], archs: Union[str, Path, Sequence[Any]], table: Optional[Truth]) -> List[Any]:
    """The architectures that the caller names, each once."""
    listed = read_architectures(archs, space) if isinstance(archs, (str, Path)) else [space.parse(a) for a in archs]
    listed = list({space.format(arch): arch for arch in listed}.values())
    if not listed:
        raise InputError("no architectures are given")
    if table is not None and not any(table.of(space, arch) is not None for arch in listed):
        raise InputError(f"truth '{table.name}' has none of the {len(listed)} architectures (0 matched)")
    return listed


def _supply(space: SearchSpace[Any], table: Optional[Truth]) -> Tuple[Optional[int], str]:
    """How many architectures there are to draw, and how a message says so."""
    if table is not None and not table.complete and table.texts:
        return len(table.texts), f"are in the truth '{table.name}'"
    return space.count, f"are in {space.name}"


def _size(n: Optional[int], most: Optional[int], where: str, usual: int) -> int:
    if n is None:
        return usual if most is None else min(usual, most)
    check_whole("n", n)
    if most is not None and n > most:
        raise InputError(f"n is {n}, but only {most:,} architectures {where}")
    return n


def _write(ranking: Ranking, folder: Path) -> None:
    """Write result.json and, where something is known, scatter.png."""
    with writing(folder):
        files.write_json(folder / "result.json", ranking.to_json())
        known = [(row.score, row.truth) for row in ranking.architectures if row.truth is not None]
        if ranking.truth is None or ranking.spearman is None:
            return
        plots.scatter(
            folder / "scatter.png",
            [score for score, _ in known],
            [value for _, value in known],
            f"{ranking.proxy} on {ranking.space}, n = {len(known)}: rho {ranking.spearman}",
            f"{ranking.proxy} ({ranking.profile['name']} profile)",
            str(ranking.truth["name"]),
        )
