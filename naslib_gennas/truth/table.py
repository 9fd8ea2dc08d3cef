"""Ground truth: trained performance of architectures, one column of a table, matched by what architectures compute.

An architecture is looked up as it is written first, then by `SearchSpace.key`, so that isomorphic architectures match.
Where a table has several rows of one architecture (seeds, reruns), their mean counts, and `Truth.remarks` says so.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from naslib_gennas.errors import InputError
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import direction as directions
from naslib_gennas.truth import metrics
from naslib_gennas.truth.direction import Direction

# What a table is read for when no column is asked for: the first of these that it has, else its only column.
USUAL_COLUMNS = (
    "accuracy",
    "cifar10_test_acc",
    "cifar10_valid_acc",
    "class_scene",
    "ptb_test_loss",
    "baseline_accuracy",
    "eval_acc1es",
    "final_test_accuracy",
    "test_acc",
    "valid_acc",
    "acc",
)
#: Below this rank correlation a direction that was only assumed is doubted, if it is no chance: its interval lies below
#: zero, or it is below the second, at which few architectures have an interval that says nothing.
STRONGLY_NEGATIVE = -0.5
NEARLY_REVERSED = -0.9
# Longer texts are no numbers; regular expressions and int() are slow on them.
_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SHOWN = 12


@dataclass(frozen=True)
class Truth:
    """One column of a table, for one search space.

    Attributes:
        name: what results call it, e.g. ``nasbench201.csv:cifar10_test_acc``.
        column: the column's name.
        higher_is_better: False for losses and the like.
        texts: value by an architecture as `SearchSpace.format` writes it: the mean of its rows.
        keys: value by `SearchSpace.key`: the mean over isomorphic architectures.
        skipped: rows without a usable value or architecture.
        complete: whether it holds the whole search space.
        decided: how `higher_is_better` was decided: "asked", "name" or "assumed" (see `direction.Direction`).
        word: the word of the column's name that decided it; empty where none did.
        repeated: architectures of several rows.
        remarks: what was done to the rows, a sentence each: left out, averaged, one set of several taken.
        reference: what a search's regret is measured against, and its value, where the benchmark has such a one (see
            `SearchSpace.references`); None: the best of the table.
    """

    name: str
    column: str
    higher_is_better: bool
    texts: Mapping[str, float]
    keys: Mapping[str, float] = field(repr=False)
    skipped: int = 0
    complete: bool = False
    decided: str = "asked"
    word: str = ""
    repeated: int = 0
    remarks: Tuple[str, ...] = ()
    reference: Optional[Tuple[str, float]] = None

    @property
    def direction(self) -> Direction:
        """Which values are better, and how that was decided; its text is what results print."""
        return Direction(self.higher_is_better, self.decided, self.word)

    def directed(self, higher_is_better: Optional[bool]) -> Truth:
        """The same truth with the direction that is asked for; None: as it is."""
        if higher_is_better is None:
            return self
        return replace(self, higher_is_better=higher_is_better, decided="asked", word="")

    def of(self, space: SearchSpace[Any], arch: Any) -> Optional[float]:
        """The true value of `arch`, as the table has it; None where it has none."""
        value = self.texts.get(space.format(arch))
        return self.keys.get(space.key(arch)) if value is None else value

    def better(self, value: float) -> float:
        """`value` with the sign that makes higher better, for correlations."""
        return value if self.higher_is_better else -value

    def doubt(self, rho: float, high: float = math.nan) -> str:
        """A hint where a direction that was only assumed looks wrong; empty where it does not.

        Args:
            rho: the rank correlation of scores with this truth, higher is better in both.
            high: the upper end of its interval; NaN where there is none.
        """
        if self.decided != "assumed" or not rho <= STRONGLY_NEGATIVE or (high >= 0 and rho > NEARLY_REVERSED):
            return ""
        return (
            f"rho is strongly negative, and the name '{self.column}' does not say which values are better: if lower "
            "ones are, add --lower-is-better"
        )

    def doubt_by(self, scores: Iterable[Tuple[Optional[float], Optional[float]]]) -> str:
        """The hint of `doubt` by pairs of a score and a true value; pairs without one of the two do not count."""
        known = [(score, value) for score, value in scores if score is not None and value is not None]
        known = [pair for pair in known if math.isfinite(pair[0])]
        if self.decided != "assumed" or len(known) < 3:
            return ""
        rho = metrics.spearman([score for score, _ in known], [self.better(value) for _, value in known])
        return self.doubt(rho.value, rho.high)

    @property
    def best(self) -> float:
        """The best value of the table."""
        values = self.keys.values() if not self.texts else self.texts.values()
        return max(values) if self.higher_is_better else min(values)

    @property
    def goal(self) -> Tuple[str, float]:
        """What a search's regret is measured against, and its value."""
        return self.reference or ("the best of the table", self.best)

    def regret(self, value: float) -> float:
        """How much worse a value is than the goal; negative where it is better."""
        return self.better(self.goal[1]) - self.better(value)

    def to_json(self) -> Dict[str, Any]:
        return {
            "name": self.name,
            "column": self.column,
            "higher_is_better": self.higher_is_better,
            "direction": str(self.direction),
            "decided": self.decided,
            "architectures": len(self.texts) or len(self.keys),
            "repeated": self.repeated,
            "skipped": self.skipped,
            "remarks": list(self.remarks),
            "best": self.best,
            "regret_to": dict(zip(("name", "value"), self.goal)),
        }


#: One row of a table: its set ("" where there are none), its architecture in any form that `parse` takes, its cells.
Row = Tuple[str, Any, Mapping[str, Any]]


def collect(
    name: str, rows: Iterable[Row], wanted: str, space: SearchSpace[Any], higher_is_better: Optional[bool] = None
) -> Truth:
    """The truth that a table's rows hold for a search space.

    Args:
        name: of the table, for results and messages.
        wanted: ``COLUMN``, ``SET``, ``SET.COLUMN``, or "" for the first of `USUAL_COLUMNS` or the only column.
        higher_is_better: None: as the column's name says (see `direction.of`).

    Raises:
        InputError: no rows, no such column or several to choose from, no architecture of `space`.
    """
    table = list(rows)
    if not table:
        raise InputError(f"truth '{name}' has no rows")
    chosen_set, column, remarks = _choose(name, table, wanted)
    values: Dict[str, List[float]] = {}
    arches: Dict[str, Any] = {}
    total, blank, cell, foreign, problem = 0, 0, "", 0, ""
    for group, raw, cells in table:
        if chosen_set and group != chosen_set:
            continue
        total += 1
        value = number(cells.get(column))
        if value is None:
            blank, cell = blank + 1, cell or _cut(cells.get(column))
            continue
        try:
            arch = space.parse(raw)
        except InputError as error:
            foreign, problem = foreign + 1, problem or str(error)
            continue
        text = space.format(arch)
        arches[text] = arch
        values.setdefault(text, []).append(value)
    if not values:
        first = f" (the first row has {cell!r})" if cell else ""
        why = f"; the first is: {problem[:160]}" if problem else f": column '{_cut(column)}' holds no numbers{first}"
        raise InputError(f"truth '{name}' has no architecture of {space.name}{why}")
    if blank:
        first = f" (the first of them: {cell!r})" if cell else ""
        remarks.append(f"{blank:,} of {total:,} rows are no numbers in column '{_cut(column)}'{first} and are left out")
    if foreign:
        what = f"{foreign:,} of {total:,} rows are no architectures of {space.name}"
        remarks.append(f"{what} and are left out; the first is: {problem[:160]}")
    several = [row for row in values.values() if len(row) > 1]
    if several:
        which = f"{len(several):,} of {len(values):,} architectures have repeated rows"
        apart = max(max(row) - min(row) for row in several)
        remarks.append(f"{which} ({sum(map(len, several)):,} in all, at most {apart:.4g} apart): their means count")
    texts = {text: _mean(row) for text, row in values.items()}
    better = directions.of(column, higher_is_better)
    return Truth(
        f"{name}:{chosen_set}.{column}" if chosen_set else f"{name}:{column}",
        column,
        better.higher_is_better,
        texts,
        _Keys(space, arches, texts),
        skipped=blank + foreign,
        complete=space.count is not None and len(texts) >= space.count,
        decided=better.decided,
        word=better.word,
        repeated=len(several),
        remarks=tuple(remarks),
        reference=space.references.get(column),
    )


class _Keys(Mapping[str, float]):
    """Means over isomorphic architectures by their key, made when they are asked for: some spaces take long to tell."""

    def __init__(self, space: SearchSpace[Any], arches: Mapping[str, Any], texts: Mapping[str, float]) -> None:
        self._of = space, arches, texts

    @cached_property
    def _means(self) -> Dict[str, float]:
        space, arches, texts = self._of
        groups: Dict[str, List[float]] = {}
        for text, arch in arches.items():
            groups.setdefault(space.key(arch), []).append(texts[text])
        return {key: _mean(row) for key, row in groups.items()}

    def __getitem__(self, key: str) -> float:
        return self._means[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._means)

    def __len__(self) -> int:
        return len(self._means)


def columns(rows: Iterable[Row]) -> List[str]:
    """The columns of a table that hold at least one number, in their order."""
    found: Dict[str, bool] = {}
    for _, _, cells in rows:
        for column, value in cells.items():
            if not found.get(column):
                found[column] = number(value) is not None
    return [column for column, holds in found.items() if holds]


def number(value: Any) -> Optional[float]:
    """A cell as a finite number; None for anything else, such as a blank, "nan" or True."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and (len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value.strip())):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def unknown_column(name: str, column: str, known: Sequence[str]) -> InputError:
    """The error of a column that a table does not have; it names the nearest and the first ones."""
    near = difflib.get_close_matches(column.lower(), [other.lower() for other in known[:1000]], n=1, cutoff=0.5)
    close = next((other for other in known if near and other.lower() == near[0]), None)
    hint = f"; did you mean '{_cut(close)}'?" if close else ";"
    return InputError(f"truth '{name}': no column '{_cut(column)}'{hint} Known: {listed(known)}")


def listed(names: Sequence[str]) -> str:
    """Names for a message: on one line, the first ones where there are many."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return (", ".join(_cut(name) for name in names[:_SHOWN]) or "none") + more


def _cut(value: Any) -> str:
    text = "" if value is None else " ".join(str(value)[:200].split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mean(values: Sequence[float]) -> float:
    total = sum(values)
    return total / len(values) if math.isfinite(total) else sum(value / len(values) for value in values)


def _choose(name: str, table: Sequence[Row], wanted: str) -> Tuple[str, str, List[str]]:
    """The set ("" for all rows) and the column that `wanted` names; a remark where one set of several is taken."""
    sets = list(dict.fromkeys(group for group, _, _ in table))
    named = [(group, wanted[len(group) + 1 :]) for group in sets if group and f"{wanted}.".startswith(f"{group}.")]
    everywhere = columns(table)
    remarks: List[str] = []
    for group, column in sorted(named, key=lambda pair: -len(pair[0])):
        own = columns(row for row in table if row[0] == group)
        if not column or _find(column, own) is not None:
            return group, _usual(name, own) if not column else _find(column, own) or "", remarks
    column = _find(wanted, everywhere) or "" if wanted else _usual(name, everywhere)
    if not column:
        if any(wanted in cells for _, _, cells in table):
            cell = next((_cut(cells[wanted]) for _, _, cells in table if cells.get(wanted) not in (None, "")), "")
            first = f"; the first cell is {cell!r}" if cell else ""
            raise InputError(f"truth '{name}': column '{_cut(wanted)}' holds no numbers{first}")
        known = [*everywhere, *(f"{group}.{other}" for group in sets if group for other in everywhere)]
        raise unknown_column(name, wanted, known)
    if len(sets) > 1 and sets_disagree(table, column):
        named_sets = [group for group in sets if group]
        which = f"the table has the sets {listed(named_sets)}: '{_cut(named_sets[0])}' is taken"
        remarks.append(f"{which}; {name}:SET.{_cut(column)} takes another")
        return named_sets[0], column, remarks
    return "", column, remarks


def _find(wanted: str, known: Sequence[str]) -> Optional[str]:
    """The column of this name; failing that, the only one that differs in capitals alone."""
    if wanted in known:
        return wanted
    alike = [column for column in known if column.lower() == wanted.lower()]
    return alike[0] if len(alike) == 1 else None


def _usual(name: str, known: Sequence[str]) -> str:
    found = next((column for usual in USUAL_COLUMNS for column in known if column.lower() == usual), None)
    if found is None and len(known) != 1:
        if not known:
            raise InputError(f"truth '{name}' has no column with numbers")
        raise InputError(f"truth '{name}': choose a column as {name}:COLUMN; it has {listed(known)}")
    return found or known[0]


def sets_disagree(table: Sequence[Row], column: str) -> bool:
    """Whether the sets say different things of one architecture, as the data sets of a benchmark do."""
    values: Dict[str, Dict[str, List[float]]] = {}
    for group, raw, cells in table:
        value = number(cells.get(column))
        if value is not None:
            values.setdefault(str(raw), {}).setdefault(group, []).append(value)
    return any(len({_mean(row) for row in of_sets.values()}) > 1 for of_sets in values.values())
