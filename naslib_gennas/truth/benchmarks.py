"""Which ground truth there is for which search space: found among installed tables, in folders, or given by name.

A benchmark is one table of one search space with all its data sets; `find` puts them together for a leaderboard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from naslib_gennas import reading, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import nds, table, user_tables
from naslib_gennas.truth.find import folder as installed_folder
from naslib_gennas.truth.find import installed, load, split
from naslib_gennas.truth.table import Row, Truth

#: A column with one of these words in its name says something else than how well an architecture performs.
OTHER_WORDS = frozenset(
    "params parameters flops macs size std stdev sd id index seed seeds epoch epochs time seconds latency memory "
    "energy isomorphism rank".split()
)
#: Scores of training-free proxies that others publish as tables: such a file is no ground truth.
SCORE_COLUMNS = frozenset(
    "naswot nwot synflow logsynflow jacob_cov jacov snip grasp fisher grad_norm zen zico swap nregions epe_nas".split()
)
# So many architectures of a file are read to tell which search space it belongs to.
_LOOKED_AT = 5
_ENDINGS = (".csv", ".tsv", ".json")
_UNREAD = "none of the search spaces reads its architectures"


@dataclass(frozen=True)
class Benchmark:
    """One search space with its ground truth.

    Attributes:
        space: the search space.
        truths: one a data set, by the name of its column.
        shared: the architectures that all data sets have, as a truth of its own, for drawing a sample; where they share
            none, those of the first.
        source: the file, for messages.
    """

    space: SearchSpace[Any]
    truths: Mapping[str, Truth]
    shared: Truth
    source: str


def find(
    wanted: Optional[Sequence[Any]] = None,
    folders: Sequence[Union[str, Path]] = (),
    named: Sequence[str] = (),
    higher_is_better: Optional[bool] = None,
) -> Tuple[List[Benchmark], List[str]]:
    """The benchmarks of search spaces, and a remark for each file that is none.

    What is named goes before what lies in a folder, and that before what is installed.

    Args:
        wanted: search spaces, or their names or ``FILE.py:NAME``; None: all registered ones that have ground truth.
        folders: folders with tables, looked through with the folders in them; which search space a table belongs to is
            found by reading its first architectures.
        named: ``SPACE=FILE`` (all its data sets) or ``SPACE=FILE:COLUMN``.
        higher_is_better: of the columns whose names do not say (see `direction.of`); None: it is assumed to be.

    Raises:
        InputError: an unknown space, a space that is asked for and has no ground truth, no ground truth at all, a
            folder that is none, a table that cannot be read.
    """
    asked = [] if wanted is None else [spaces.get(space) for space in wanted]
    candidates = asked or [spaces.get(name) for name in spaces.names()]
    found, remarks = available(candidates, folders, named, wanted is None)
    missing = [space.name for space in asked if space.name not in found]
    if missing:
        raise InputError(
            f"no ground truth for {', '.join(missing)}: give a folder of tables, or {missing[0]}=FILE; `gennas truth "
            "add` installs a table"
        )
    if not found:
        raise InputError("no ground truth: give a folder of tables, or SPACE=FILE; `gennas truth add` installs a table")
    order = [space.name for space in candidates] + list(found)
    # Of spaces that were not asked for, tables may lie about.
    said = [remark for remark in remarks if wanted is None or not remark.endswith(_UNREAD)]
    told = [directed(one, higher_is_better) for one in found.values()]
    return sorted(told, key=lambda one: order.index(one.space.name)), said


def directed(benchmark: Benchmark, higher_is_better: Optional[bool]) -> Benchmark:
    """The same benchmark with this direction for the columns whose names do not say one; None: as it is."""

    def told(truth: Truth) -> Truth:
        return truth.directed(higher_is_better) if truth.decided == "assumed" else truth

    truths = {name: told(truth) for name, truth in benchmark.truths.items()}
    return replace(benchmark, truths=truths, shared=told(benchmark.shared))


def available(
    candidates: Sequence[SearchSpace[Any]],
    folders: Sequence[Union[str, Path]] = (),
    named: Sequence[str] = (),
    others: bool = False,
) -> Tuple[Dict[str, Benchmark], List[str]]:
    """The benchmarks of those search spaces that have ground truth, by name, and a remark for each file that is none.

    Args:
        candidates: search spaces.
        folders, named: as in `find`.
        others: whether what is named for another search space counts, too.

    Raises:
        InputError: see `find`, and a table that is named for a search space that has no part; not that there is none.
    """
    found: Dict[str, Benchmark] = {}
    for text in named:
        name, equals, spec = text.partition("=")
        if not equals or not name or not spec:
            raise InputError(f"truth '{text}' is not SPACE=FILE or SPACE=FILE:COLUMN")
        space = next((one for one in candidates if one.name == name), None) or spaces.get(name)
        if not others and all(one.name != space.name for one in candidates):
            known = ", ".join(one.name for one in candidates)
            raise InputError(f"truth '{text}' has no use here: the search spaces are {known}; leave it out")
        found[space.name] = _given(space, spec, found.get(space.name))
    remarks: List[str] = []
    for folder in folders:
        for benchmark in _in_folder(Path(folder), [one for one in candidates if one.name not in found], remarks):
            found.setdefault(benchmark.space.name, benchmark)
    for space in candidates:
        for name in installed(space):
            if space.name not in found:
                found[space.name] = _given(space, name, None)
    return found, remarks


def performance(columns: Sequence[str]) -> List[str]:
    """The columns that say how well an architecture performs, each data set once.

    Sizes, costs and spreads are left out, validation figures where there are test figures of the same name, and
    ``best_X`` beside ``X``.

    >>> performance(["params", "cifar10_valid_acc", "cifar10_test_acc", "ptb_test_loss", "ptb_test_loss_std"])
    ['cifar10_test_acc', 'ptb_test_loss']
    """
    kept = []
    for column in columns:
        words = re.findall(r"[a-z]+|\d+", column.lower())
        twin = re.sub(r"valid(ation)?|val(?![a-z])", "test", column)
        doubled = (twin != column and twin in columns) or column.replace("best_", "", 1) in set(columns) - {column}
        if not doubled and not OTHER_WORDS & set(words):
            kept.append(column)
    return kept


def _given(space: SearchSpace[Any], spec: str, before: Optional[Benchmark]) -> Benchmark:
    """What a name or file with or without a column gives; beside what was named `before`, another data set."""
    name, column = split(spec, installed(space))
    path = Path(name) if reading.is_file(name) else installed_folder() / space.name / name
    if column or not reading.is_file(path) or not path.name.endswith((*_ENDINGS, ".gz")):
        truth = load(spec, space)
        truths = {**(before.truths if before else {}), truth.column: truth}
        return Benchmark(space, truths, _shared(list(truths.values())), path.name)
    found = _of_rows(space, path.name, user_tables.read_table(path))
    if found is None:
        raise InputError(f"truth '{path.name}' has no column that says how well an architecture performs")
    return found


def _in_folder(folder: Path, candidates: Sequence[SearchSpace[Any]], remarks: List[str]) -> List[Benchmark]:
    if not folder.is_dir():
        raise InputError(f"truth folder '{folder}': no such folder")
    names = {f"{name}.json": space for space, name in nds.FILES.items()}
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or user_tables.kind(path) not in _ENDINGS:
            continue
        try:
            if path.name in names:
                home = [space for space in candidates if space.name == names[path.name]]
                official = nds.read(path, names[path.name])
                rows: List[Row] = [("", row[0], dict(zip(nds.COLUMNS[1:], row[1:]))) for row in official]
            else:
                rows = user_tables.read_table(path)
                home = [space for space in candidates if _reads(space, rows)]
            if len(home) == 1:
                benchmark = _of_rows(home[0], path.name, rows)
                if benchmark is None:
                    remarks.append(f"{path.name} is left out: it has no column with performance of architectures")
                else:
                    found.append(benchmark)
            elif home:
                fits = " and ".join(space.name for space in home)
                remarks.append(f"{path.name} is left out: it fits {fits}; name one as {home[0].name}=FILE")
            else:
                remarks.append(f"{path.name} is left out: {_UNREAD}")
        except InputError as error:
            remarks.append(f"{path.name} is left out: {error}")
    return found


def _reads(space: SearchSpace[Any], rows: Sequence[Row]) -> bool:
    """Whether the first architectures of a table are of a search space."""
    try:
        for _, arch, _ in rows[:_LOOKED_AT]:
            space.parse(arch)
    except InputError:
        return False
    return bool(rows)


def _of_rows(space: SearchSpace[Any], name: str, rows: Sequence[Row]) -> Optional[Benchmark]:
    """The benchmark of a table's rows; None where no column is about performance."""
    columns = table.columns(rows)
    if SCORE_COLUMNS & {column.lower() for column in columns}:
        return None
    truths: Dict[str, Truth] = {}
    for column in performance(columns):
        groups = list(dict.fromkeys(group for group, _, cells in rows if table.number(cells.get(column)) is not None))
        apart = len(groups) > 1 and table.sets_disagree(rows, column)
        for group in groups if apart else [""]:
            wanted = f"{group}.{column}" if group else column
            truths[wanted] = table.collect(name, rows, wanted, space)
    return Benchmark(space, truths, _shared(list(truths.values())), name) if truths else None


def _shared(truths: Sequence[Truth]) -> Truth:
    """The first truth, of the architectures that all of them have."""
    first = truths[0]
    if len(truths) == 1 or (first.complete and not first.texts):
        return first
    common = {text: value for text, value in first.texts.items() if all(text in other.texts for other in truths[1:])}
    return replace(first, texts=common, complete=all(one.complete for one in truths)) if common else first
