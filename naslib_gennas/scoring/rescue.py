"""A damaged store is set aside, and every row that still is what was written goes into a new one."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Set, Tuple

from filelock import FileLock, Timeout

from naslib_gennas.errors import InputError
from naslib_gennas.scoring import database as databases
from naslib_gennas.scoring import rows

_LARGEST = 2**36  # bytes; a header that states more is wrong itself
_WAIT = 60.0  # seconds for another process that is rescuing the same store
_SMALLEST = 8  # bytes of a row; damage that gives more rows than fit into the file is walked no further
_COLUMNS = {
    "runs": ("id", "space", "proxy", "fingerprint", "inputs", "seed", "version", "settings"),
    "scores": ("run", "key", "arch", "score", "status", "reason", "seconds", "details", "created"),
    "journals": ("name", "n", "entry"),
}
_ORDER = {"runs": ("id",), "scores": ("run", "key"), "journals": ("name", "n")}


def rescued(path: Path, error: Exception) -> sqlite3.Connection:
    """A new store in place of a damaged one, with all that can still be read; the damaged file is kept beside it.

    Raises:
        InputError: the folder cannot be written, or another process takes too long over the same store.
    """
    lock = path.with_name(f"{path.name}.rescue")
    try:
        with FileLock(str(lock), timeout=_WAIT):
            # One process at a time: the second one finds the new store.
            with contextlib.suppress(databases.Damaged):
                return databases.writable(path)
            aside, new, saved = _replaced(path)
            os.unlink(lock)
    except (OSError, Timeout) as fault:
        why = getattr(fault, "strerror", None) or "another process is rescuing it"
        raise InputError(f"store '{path}' is damaged ({error}) and cannot be rescued: {why}") from None
    warnings.warn(
        f"the store '{path}' was damaged ({error}); {saved} scores were rescued into a new one, the damaged file is "
        f"kept as '{aside.name}'",
        RuntimeWarning,
        stacklevel=5,
    )
    return new


def _replaced(path: Path) -> Tuple[Path, sqlite3.Connection, int]:
    aside = _free(path)
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{aside}{ending}")
    new = databases.writable(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".rescue-") as folder:
        copy = databases.copied(aside, Path(folder))
        most = os.path.getsize(copy) // _SMALLEST
        _pad(copy)
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(str(copy))) as source, new:
            source.text_factory = rows.decoded
            runs = _salvaged_runs(source, new, most)
            saved = _salvaged_scores(source, new, runs, most)
            _salvaged_journals(source, new, most)
            new.execute("DELETE FROM runs WHERE id NOT IN (SELECT run FROM scores)")
            return aside, new, saved
    return aside, new, 0


def _free(path: Path) -> Path:
    """A name for the damaged file that nothing has yet."""
    name = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(aside for aside in map(path.with_name, names) if not aside.exists())


def _salvaged_runs(source: sqlite3.Connection, new: sqlite3.Connection, most: int) -> Dict[int, Mapping[str, Any]]:
    runs: Dict[int, Mapping[str, Any]] = {}
    for run in _readable(source, "runs", most):
        if rows.plausible_run(run) and run["id"] not in runs and _insert(new, "runs", run):
            runs[run["id"]] = run
    return runs


def _salvaged_scores(
    source: sqlite3.Connection, new: sqlite3.Connection, runs: Mapping[int, Mapping[str, Any]], most: int
) -> int:
    saved = 0
    for row in _readable(source, "scores", most):
        run = runs.get(row["run"]) if isinstance(row["run"], int) else None
        if run is not None and rows.checked(run, row) is not None:
            saved += _insert(new, "scores", row)
    return saved


def _salvaged_journals(source: sqlite3.Connection, new: sqlite3.Connection, most: int) -> None:
    """The entries of every journal up to the first that is damaged: a search goes on from there."""
    kept: Dict[str, Set[int]] = {}
    for found in _readable(source, "journals", most):
        whole = rows.entry(found["name"], found["n"], found["entry"]) is not None
        if whole and _insert(new, "journals", found):
            kept.setdefault(found["name"], set()).add(found["n"])
    for name, numbers in kept.items():
        first = next(n for n in itertools.count() if n not in numbers)
        new.execute("DELETE FROM journals WHERE name = ? AND (n < 0 OR n >= ?)", (name, first))


def _insert(new: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    marks = ", ".join("?" * len(row))
    values = [row[column] for column in _COLUMNS[table]]
    try:
        return new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values).rowcount
    except (sqlite3.IntegrityError, OverflowError):
        return 0


def _readable(source: sqlite3.Connection, table: str, most: int) -> Iterator[Dict[str, Any]]:
    """Every row that can still be read, from both ends of a table up to what is damaged."""
    columns = _COLUMNS[table]
    for direction in ("", " DESC"):
        order = ", ".join(f"{column}{direction}" for column in _ORDER[table])
        # Damage shows in many ways: no such table, a text that is too long, a page that is none.
        with contextlib.suppress(sqlite3.Error, UnicodeError, OverflowError, MemoryError):
            found = source.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
            for values in itertools.islice(found, most):
                yield dict(zip(columns, values))


def _pad(file: Path) -> None:
    """Give a file that was cut off the length that its header states; SQLite reads nothing of it otherwise."""
    with contextlib.suppress(OSError), open(file, "r+b") as content:
        header = content.read(32)
        page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
        length = (65536 if page == 1 else page) * pages
        if content.seek(0, os.SEEK_END) < length <= _LARGEST:
            content.truncate(length)
