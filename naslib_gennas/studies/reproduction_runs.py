"""What the rows of a reproduction are run with, and what comes out of it: figures, or a reason why not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from naslib_gennas import proxies, spaces
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression import profiles
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.studies import ranking
from naslib_gennas.studies.reproduction import Entry, Row
from naslib_gennas.truth import data_sets
from naslib_gennas.truth.benchmarks import Benchmark
from naslib_gennas.truth.metrics import Estimate
from naslib_gennas.truth.table import Truth

#: Called with the row that is at work, how many scores (or evaluations) are done, and how many there are.
Progress = Callable[[str, int, int], None]
# At the small scale, networks of NDS have their own width and depth: a smaller batch and fewer steps make up for it.
_SMALL_NDS = {"images": 4, "steps": 20}


@dataclass(frozen=True)
class Measured:
    """One row, measured.

    Attributes:
        row: of the entry.
        figures: by measure: ours, with the 95% interval over architectures; a count of evaluations or a time has none.
        n: architectures.
        truth: where the ground truth is from.
        seconds: core-seconds per architecture.
        problem: why there is no figure, and what would help; empty where there is one.
        points: score and truth of each architecture.
        curve: how something develops: (evaluations or steps, value).
        arch: what a search has found.
        picture: of it, as SVG.
        export: the command that writes its network.
    """

    row: Row
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    n: int = 0
    truth: str = ""
    seconds: float = math.nan
    problem: str = ""
    points: Tuple[Tuple[float, float], ...] = ()
    curve: Tuple[Tuple[float, float], ...] = ()
    arch: str = ""
    picture: str = field(default="", repr=False)
    export: str = ""


@dataclass(frozen=True)
class Run:
    """What the rows of an entry are run with.

    Attributes:
        place: a scorer, for its place and seed.
        found: ground truth by search space.
        size: architectures of a search space.
        profile: what `gennas-` proxies are scored at instead of the scale's profile.
        inputs: the input batch; None: the proxies' own.
        progress: told of every score.
    """

    entry: Entry
    scale: str
    place: Scorer
    found: Mapping[str, Benchmark]
    size: Callable[[str], int]
    profile: Any = None
    inputs: Optional[str] = None
    progress: Progress = lambda what, done, total: None

    @property
    def rows(self) -> Tuple[Row, ...]:
        """The rows of the scale."""
        return tuple(row for row in self.entry.rows if self.scale == "full" or not row.full)

    def proxy(self, row: Row) -> Proxy:
        """What a row is scored by, at the profile of the scale and of the row."""
        small_nds = self.scale == "small" and row.space.startswith("nds-")
        changes: Dict[str, Any] = {**(_SMALL_NDS if small_nds and self.profile is None else {})}
        changes.update(self.entry.profile.get(self.scale, {}) if self.profile is None else {})
        changes.update(row.profile)
        if row.proxy.startswith("gennas-") or row.proxy == "classification":
            base = profiles.get(self.profile or ("paper" if self.scale == "full" else "fast"))
        else:
            base = proxies.get(row.proxy).profile
            changes = {**({"images": 16} if small_nds else {}), **row.profile}
        changed = base.replace(name=f"{base.name}, changed", **changes) if changes else base
        return proxies.get(row.proxy, changed)

    def scorer(self, row: Row) -> Scorer:
        """The scorer of a row; its seed is that of the row, the sample's is that of the run."""
        seed = self.place.seed + row.seed
        return self.place.at(space=spaces.get(row.space), proxy=self.proxy(row), inputs=self.inputs, seed=seed)

    def advance(self, label: str, before: int, total: int) -> Callable[[int], None]:
        """Tells how far a row is, `before` scores being those of earlier rows."""
        return lambda done: self.progress(label, before + done, total)

    def truth(self, row: Row) -> Union[Truth, str]:
        """The ground truth of a row, or what is missing."""
        if row.absent:
            return row.absent
        benchmark = self.found.get(row.space)
        if benchmark is None:
            return f"no ground truth: {_install(row.space, row.data_set)}"
        for table in benchmark.truths.values():
            if not row.data_set or data_sets.of(table) == data_sets.plain(row.data_set):
                return table
        has = ", ".join(benchmark.truths)
        what = _install(row.space, row.data_set)
        return f"the table {benchmark.source} has {has}, no column for {row.data_set}: {what}"


def sample(run: Run, name: str) -> List[Any]:
    """Architectures that all data sets of a space have; the same for all rows."""
    benchmark = run.found[name]
    shared = benchmark.shared
    most = len(shared.texts) if shared.texts and not shared.complete else benchmark.space.count
    count = run.size(name) if most is None else min(run.size(name), most)
    return list(ranking.choose(benchmark.space, count, None, shared, run.place.seed)[1])


def scored(scorer: Scorer, archs: Sequence[Any], advance: Callable[[int], None]) -> List[Record]:
    """The records of a sample, in its order."""
    records: Dict[int, Record] = {}
    for record in scorer.many(archs):
        records[record.index] = record
        advance(len(records))
    return [records[index] for index in range(len(archs))]


def _install(space: str, data_set: str) -> str:
    """What gives the ground truth of a search space on a data set."""
    if space.startswith("nds-"):
        return "download the official NDS files and run `gennas truth add nds FOLDER`, or give --truth-folder"
    packaged = (space, data_set) == ("nasbench201", "cifar10")
    more = ", or `pip install analog-nasbench`" if packaged else ""
    return f"`gennas truth add {space} FILE` installs a table, or give --truth-folder{more}"
