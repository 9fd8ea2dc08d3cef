"""A few labelled architectures, and how far an order of them can still agree with their labels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.stats import rankdata

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.randomness import derive
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import sampling, user_tables
from naslib_gennas.truth.find import find, load, split
from naslib_gennas.truth.table import Truth, number

FEWEST = 5


@dataclass(frozen=True)
class Labels:
    """A few architectures and their true values, higher is better; make them with `read` or `draw`.

    Attributes:
        about: what a reader should know of the table that they are from: which of its values are better and how that
            was decided, then `Truth.remarks`; empty without a table.
        doubt: what to say where scores contradict them strongly; empty where it is known which values are better.
    """

    name: str
    archs: Tuple[str, ...]
    values: Tuple[float, ...]
    about: Tuple[str, ...] = ()
    doubt: str = ""

    def ordered(self) -> Labels:
        """Best, worst, second best, second worst, ...: the order that shows soonest that a task is hopeless."""
        down = sorted(range(len(self.values)), key=lambda i: (-self.values[i], self.archs[i]))
        order = [down[i // 2] if i % 2 == 0 else down[-1 - i // 2] for i in range(len(down))]
        archs, values = tuple(self.archs[i] for i in order), tuple(self.values[i] for i in order)
        return replace(self, archs=archs, values=values)


def read(
    spec: Union[str, Path, Mapping[str, float], Truth, Labels],
    space: SearchSpace[Any],
    higher_is_better: Optional[bool] = None,
) -> Labels:
    """Labelled architectures from a file (``FILE``, ``FILE:COLUMN``, see `truth`), a table or a mapping.

    Args:
        higher_is_better: of a file or table; None: as the column's name says. Values of a mapping are as they are.

    Raises:
        InputError: fewer than 5, the same architecture twice, equal values only, a value that is no number, an
            architecture that is none of the space's; the message says which.
    """
    if isinstance(spec, Labels):
        return spec
    about: Tuple[str, ...] = ()
    doubt = ""
    if isinstance(spec, Mapping):
        name, sign, rows = "labels", 1.0, list(spec.items())
    else:
        table = load(spec, space, higher_is_better)
        name, sign = f"labels '{table.name}'", 1.0 if table.higher_is_better else -1.0
        rows, about, doubt = list(table.texts.items()), _about(table), table.doubt(-1.0)
        _check_rows(spec, table, space)
        if table.skipped:
            raise InputError(f"{name}: {table.skipped} rows have no finite number or no architecture of {space.name}")
    archs: Dict[str, str] = {}
    values = []
    for text, value in rows:
        arch = space.parse(text)
        key = space.key(arch)
        if not isinstance(value, (int, float, np.number)) or not math.isfinite(float(value)):
            raise InputError(f"{name}: the value of {text} is {value}; it takes a finite number")
        if key in archs:
            raise InputError(f"{name}: {text} is there twice (as {archs[key]}); each architecture once")
        archs[key] = space.format(arch)
        values.append(sign * float(value))
    if len(values) < FEWEST:
        raise InputError(f"{name}: {len(values)} architectures; at least {FEWEST} are needed, 20 are usual")
    if len(set(values)) == 1:
        raise InputError(f"{name}: all {len(values)} values are {values[0]:g}; there is nothing to order")
    return Labels(name, tuple(archs.values()), tuple(values), about, doubt)


def choose(
    space: Union[str, SearchSpace[Any]],
    file: Optional[str],
    truth: Optional[str],
    n: int,
    held_out: Optional[str],
    seed: int,
    higher_is_better: Optional[bool] = None,
) -> Tuple[Labels, Optional[Labels]]:
    """The labels to search with and those to check with, as the command line names them.

    Args:
        file: of the labels; or None:
        truth: a table to draw `n` from ("installed": the one installed for the space).
        held_out: a file of other labels, or how many more to draw from `truth`.
        higher_is_better: of all of them; None: as the columns' names say.
    """
    found = spaces.get(space)
    table = find(truth, found, higher_is_better)
    if file is None and table is None:
        raise InputError("a task search needs labels: --labels FILE, or --truth to draw them from")
    if file is not None:
        known = read(file, found, higher_is_better)
    else:
        known = draw(table, found, n, seed)  # type: ignore[arg-type]
    if held_out is None:
        return known, None
    if not re.fullmatch(r"[0-9]{1,9}", held_out):
        return known, read(held_out, found, higher_is_better)
    if table is None:
        raise InputError(f"held-out '{held_out}': drawing {held_out} labels needs --truth; or name a file")
    return known, draw(table, found, int(held_out), seed + 1, without=known.archs)


def _check_rows(spec: Any, table: Truth, space: SearchSpace[Any]) -> None:
    """Refuse a table with a row that is no label, or that is there twice; the message says which."""
    path = Path(split(table.name if isinstance(spec, Truth) else str(spec))[0])
    if not path.is_file() or user_tables.kind(path) not in (".csv", ".tsv", ".json"):
        return
    label, seen = split(table.name, [path.name])[1], set()
    for index, (group, raw, cells) in enumerate(user_tables.read_table(path), start=1):
        if group and not label.startswith(f"{group}."):
            continue
        where = f"labels '{table.name}': row {index}"
        try:
            text = space.format(space.parse(raw))
        except InputError as error:
            raise InputError(f"{where} has no architecture of {space.name}: {error}") from None
        value = cells.get(table.column)
        if number(value) is None:
            raise InputError(f"{where} has the value {value!r}; it takes a finite number")
        if text in seen:
            raise InputError(f"labels '{table.name}': {text} is there twice (row {index}); each architecture once")
        seen.add(text)


def draw(table: Truth, space: SearchSpace[Any], n: int, seed: int, without: Sequence[str] = ()) -> Labels:
    """`n` labelled architectures drawn from a table, none isomorphic to another or to one of `without`."""
    taken = {space.key(space.parse(text)) for text in without}
    archs: List[str] = []
    values: List[float] = []
    for arch in sampling.draw(space, min(n + 4 * len(taken), len(table.texts)), derive(seed, "labels"), table):
        value, key = table.of(space, arch), space.key(arch)
        if value is not None and key not in taken and len(archs) < n:
            taken.add(key)
            archs.append(space.format(arch))
            values.append(table.better(value))
    if len(archs) < n:
        raise InputError(f"truth '{table.name}' has only {len(archs)} architectures to draw; {n} were asked for")
    return Labels(f"{n} of {table.name}", tuple(archs), tuple(values), _about(table), table.doubt(-1.0))


def _about(table: Truth) -> Tuple[str, ...]:
    return (str(table.direction), *table.remarks)


def rho(scores: Sequence[float], truth: Sequence[float]) -> float:
    """Spearman's rank correlation; -1 where the scores are all the same."""
    return float(_rhos(np.asarray([scores], dtype=float), np.asarray(truth, dtype=float))[0])


def shrinkage(scores: Sequence[Sequence[float]], truth: Sequence[float], seed: int) -> Tuple[float, float]:
    """What the correlations of some tasks with a few labels say of their correlations with many: the mean of the tasks,
    and the factor by which the distance of one from that mean is to be believed.

    Empirical Bayes: the correlations of random tasks vary because the tasks differ and because the labels are few. The
    second part is estimated by drawing the labels anew (300 bootstrap draws, the same for all tasks, since what a draw
    does to all of them alike does not change their order); the factor is the first part's share of the variance.

    Args:
        scores: of each task, one a label; -inf for what could not be scored.
        truth: the labels.
    """
    table, values = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)
    own = _rhos(table, values)
    draws = np.random.default_rng(derive(seed, "shrinkage")).integers(0, len(truth), (300, len(truth)))
    moved = np.array([_rhos(table[:, draw], values[draw]) for draw in draws]) - own
    noise = float(np.mean((moved - moved.mean(axis=1, keepdims=True)) ** 2))
    spread = float(own.var(ddof=1))
    return float(own.mean()), max(0.0, 1 - noise / spread) if spread > 0 else 0.0


def _rhos(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`rho` of each row."""
    x, y = rankdata(scores, axis=1), rankdata(truth)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
    scale = np.sqrt((x * x).sum(axis=1) * (y @ y))
    return np.where(scale > 0, (x @ y) / np.where(scale > 0, scale, 1), -1.0)


def upper_bound(scores: Sequence[Optional[float]], truth: Sequence[float]) -> float:
    """The highest Spearman correlation that is left when some scores (None) are still to come, tied with no other.

    The order of the known ones is fixed; the best order of all interleaves them with the others, which stand in the
    order of their truth: dynamic programming over how many of both are placed. Tied ones are placed together.
    """
    count = len(truth)
    ranks = rankdata(truth) - (count + 1) / 2
    known = [index for index in range(count) if scores[index] is not None]
    levels = sorted({scores[index] for index in known})  # type: ignore[type-var]
    groups = [[index for index in known if scores[index] == level] for level in levels]
    rest = sorted((index for index in range(count) if scores[index] is None), key=lambda index: ranks[index])
    before = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(int)
    best = np.full((len(groups) + 1, len(rest) + 1), -np.inf)
    best[0, 0] = 0.0
    for i in range(len(groups) + 1):
        for j in range(len(rest) + 1):
            if i:
                place = before[i - 1] + j + (len(groups[i - 1]) - 1) / 2 - (count - 1) / 2
                best[i, j] = best[i - 1, j] + place * ranks[groups[i - 1]].sum()
            if j:
                place = before[i] + j - 1 - (count - 1) / 2
                best[i, j] = max(best[i, j], best[i, j - 1] + place * ranks[rest[j - 1]])
    ties = sum(len(group) ** 3 - len(group) for group in groups)
    scale = math.sqrt((count**3 - count - ties) / 12 * float(ranks @ ranks))
    return float(best[-1, -1]) / scale if scale > 0 else -1.0
