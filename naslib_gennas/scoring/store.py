"""Scores that survive a crash: one SQLite file, written in the transaction that reports a score."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import sqlite3
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import platformdirs

from naslib_gennas import files
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError
from naslib_gennas.scoring import database as databases
from naslib_gennas.scoring import rows as checks
from naslib_gennas.scoring.database import SCHEMA_VERSION
from naslib_gennas.scoring.rescue import rescued
from naslib_gennas.scoring.rows import IDENTITY, Row, Run

__all__ = ["SCHEMA_VERSION", "Row", "Run", "Store", "__version__", "default_path", "existing", "export"]

_SAME = f"({', '.join(IDENTITY)}) = ({', '.join('?' * len(IDENTITY))})"
_SCORE = ("key", "arch", "score", "status", "reason", "seconds", "details", "created")
_INSERT = f"INSERT INTO scores (run, {', '.join(_SCORE)}) VALUES ({', '.join('?' * (len(_SCORE) + 1))})"
_UPDATE = f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _SCORE[1:])}"


def default_path() -> Path:
    """The store in the user's data folder."""
    return Path(platformdirs.user_data_path("naslib-gennas")) / "scores.sqlite"


class Store:
    """Scores in a SQLite file that several processes may share; without a path, in memory.

    A store that is damaged is set aside, what it still holds is taken over, and a warning says so; a file that is no
    store is refused and left as it is. Every row has a check sum, so that one that was damaged is not read.

    A store that may only be read is read, and new scores are kept in memory. When the disk is full later on, the store
    goes on in memory, too. A warning says so, and `lost` says why.

    Raises:
        InputError: the file cannot be written, belongs to a newer version, or is not a store.
    """

    def __init__(self, path: Union[str, Path, None] = None) -> None:
        self.path: Optional[Path] = None if path is None else _absolute(path)
        self.lost = ""
        self._runs: Dict[Run, int] = {}
        self._file: Optional[sqlite3.Connection] = None  # what is still read of a file that cannot be written
        self._warned = False
        if self.path is None:
            self._database = databases.memory()
        elif databases.belongs(self.path) and not databases.may_write(self.path):
            self._only_read(f"the store '{self.path}' may only be read")
        else:
            self._database = _open(self.path)
            self._inode = _inode(self.path)

    def _only_read(self, reason: str) -> None:
        assert self.path is not None
        self._in_memory(databases.readable(self.path), reason)

    def _in_memory(self, file: sqlite3.Connection, reason: str) -> None:
        """Go on in memory; scores of the file are still found there, and its journals are taken over."""
        self._file, self._database, self._runs, self.lost = file, databases.memory(), {}, reason
        with contextlib.suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT INTO journals VALUES (?, ?, ?)", file.execute("SELECT * FROM journals"))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; everything reported is in it already."""
        self._database.close()
        if self._file is not None:
            self._file.close()

    def get(self, run: Run, key: str) -> Optional[Row]:
        """The score of an architecture in a run, or None; one that failed counts as none, so that it is tried again."""
        found: Optional[Row] = self._do(lambda: _score(self._database, run, key))
        if found is None and self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                found = _score(self._file, run, key)
        return None if found is None or found.status == "failed" else found

    def put(self, run: Run, key: str, row: Row) -> Row:
        """Write a score and commit; the score that another process has written meanwhile stays, and is given back."""
        about = {name: getattr(run, name) for name in ("proxy", *IDENTITY)}
        values = {"key": key, "arch": row.arch, "score": float(row.score), "status": row.status}
        values.update(reason=checks.text(row.reason), seconds=float(row.seconds), created=time.time())
        values["details"] = checks.seal(row.details, *checks.facts(about, values))

        def insert(where: str) -> None:
            with self._database:
                given = (self._run(run), *(values[name] for name in _SCORE))
                self._database.execute(f"{_INSERT} ON CONFLICT {_UPDATE}{where}", given)

        def write() -> Row:
            insert(" WHERE scores.status = 'failed'")
            kept = self.get(run, key)
            if kept is None and row.status != "failed":
                insert("")  # what stands there was damaged
            return kept or row

        return self._write(write)

    def append(self, journal: str, n: int, entry: Mapping[str, Any]) -> None:
        """Write entry `n` of a journal and commit.

        Raises:
            InputError: the journal has that entry already: another process is writing it.
        """
        text = checks.seal(json.dumps(entry), journal, n)

        def write() -> None:
            with self._database:
                query = "SELECT entry FROM journals WHERE name = ? AND n = ?"
                for (found,) in self._database.execute(query, (journal, n)).fetchall():
                    if checks.entry(journal, n, found) is None:  # damaged, and with it all that follows
                        self._database.execute("DELETE FROM journals WHERE name = ? AND n >= ?", (journal, n))
                self._database.execute("INSERT INTO journals VALUES (?, ?, ?)", (journal, n, text))

        try:
            self._write(write)
        except sqlite3.IntegrityError:
            raise InputError(
                f"store '{self.path}': another process is at the same search already; let it end, or choose another "
                "seed or store"
            ) from None

    def journal(self, name: str) -> List[Dict[str, Any]]:
        """The entries of a journal up to the first that is missing or damaged, in order."""
        query = "SELECT n, entry FROM journals WHERE name = ? ORDER BY n"
        found = self._do(lambda: self._database.execute(query, (name,)).fetchall())
        entries = []
        for place, (n, text) in enumerate(found):
            entry = checks.entry(name, n, text)
            if n != place or entry is None:
                self.forget(name, place)  # what follows can't be gone on from, and would be in the way
                break
            entries.append(entry)
        return entries

    def forget(self, name: str, first: int = 0) -> None:
        """Delete the entries of a journal from `first` on."""

        def delete() -> None:
            with self._database:
                self._database.execute("DELETE FROM journals WHERE name = ? AND n >= ?", (name, first))

        self._write(delete)

    def runs(self) -> List[Dict[str, Any]]:
        """One mapping a run: what it was, how many scores, how many of them not ok, when the last came."""
        query = (
            "SELECT id, space, proxy, fingerprint, inputs, seed, version, COUNT(key) AS scores,"
            " SUM(status <> 'ok') AS not_ok, SUM(seconds) AS seconds, MAX(created) AS last"
            " FROM runs LEFT JOIN scores ON run = id GROUP BY id ORDER BY id"
        )
        return [row for database in self._all() for row in _select(database, query, self.path)]

    def rows(self, **chosen: Any) -> Iterator[Dict[str, Any]]:
        """Every score, one mapping each, of the runs whose columns have the chosen values: ``rows(space="darts")``.

        Rows that were damaged are left out.
        """
        where, values = _where(chosen)
        query = (
            "SELECT space, proxy, inputs, seed, version, fingerprint, key, arch, score, status, reason, seconds,"
            f" details, created FROM scores JOIN runs ON run = id{where} ORDER BY id, key"
        )
        for database in self._all():
            for row in _select(database, query, self.path, values):
                found = checks.checked(row, row)
                if found is not None:
                    yield found

    def prune(self, **chosen: Any) -> int:
        """Delete the scores of the runs whose columns have the chosen values, and shrink the file.

        Args:
            chosen: columns of a run (`space`, `proxy`, `inputs`, `seed`, `version`); ``version_not`` keeps one version;
                ``status`` chooses scores by their status.

        Returns:
            How many scores were deleted.

        Raises:
            InputError: the file cannot be written.
        """
        if self.lost:
            raise InputError(f"{self.lost}: nothing was deleted")
        where, values = _where(chosen)
        which = f"SELECT run, key FROM scores JOIN runs ON run = id{where}"
        try:
            with self._database:
                query = f"DELETE FROM scores WHERE (run, key) IN ({which})"
                deleted = self._database.execute(query, values).rowcount
                self._database.execute("DELETE FROM runs WHERE id NOT IN (SELECT run FROM scores)")
            self._runs.clear()
            self._database.execute("VACUUM")
        except sqlite3.DatabaseError as error:
            raise InputError(f"store '{self.path}' cannot be written: {error}") from None
        return deleted

    def _all(self) -> List[sqlite3.Connection]:
        return [self._database] if self._file is None else [self._file, self._database]

    def _run(self, run: Run) -> int:
        if run not in self._runs:
            with self._database:
                self._database.execute(
                    f"INSERT OR IGNORE INTO runs ({', '.join(IDENTITY)}, proxy, settings) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*run.identity, run.proxy, run.settings),
                )
                found = self._database.execute(f"SELECT id FROM runs WHERE {_SAME}", run.identity).fetchone()
                self._runs[run] = int(found[0])
        return self._runs[run]

    def _write(self, action: Callable[[], Any]) -> Any:
        if self.path is not None and not self.lost and _inode(self.path) != self._inode:
            self._reopen()
        if self.lost and not self._warned:
            self._warned = True
            warnings.warn(f"{self.lost}; what is computed now is kept in memory only", RuntimeWarning, stacklevel=4)
        return self._do(action)

    def _reopen(self) -> None:
        """Another process has set the file aside, or the user has moved it: go on in the one at its place."""
        assert self.path is not None
        try:
            database = _open(self.path)
        except InputError as error:
            self._in_memory(self._database, str(error))
        else:
            self._database.close()
            self._database, self._inode, self._runs = database, _inode(self.path), {}

    def _do(self, action: Callable[[], Any]) -> Any:
        """Do it; where the file fails, go on in memory and say so."""
        try:
            return action()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            if self.path is None or self.lost:
                raise
            reason = f"the store '{self.path}' cannot be written any more: {error}"
            warnings.warn(f"{reason}; going on in memory, what comes now is not kept", RuntimeWarning, stacklevel=4)
            self._warned = True
            self._in_memory(self._database, reason)
            return action()


def _score(database: sqlite3.Connection, run: Run, key: str) -> Optional[Row]:
    query = f"SELECT {', '.join(_SCORE)} FROM scores JOIN runs ON run = id WHERE {_SAME} AND key = ?"
    found = database.execute(query, (*run.identity, key)).fetchone()
    if found is None:
        return None
    about = {name: getattr(run, name) for name in ("proxy", *IDENTITY)}
    row = checks.checked(about, dict(zip(_SCORE, found)))
    names = ("arch", "score", "status", "reason", "seconds", "details")
    return None if row is None else Row(**{name: row[name] for name in names})


def existing(path: Union[str, Path]) -> Store:
    """The store in a file that must be there; where the disk is full, it can still be read.

    Raises:
        InputError: there is none, or it is not a store.
    """
    try:
        if not databases.belongs(_absolute(path)):
            raise InputError(f"there is no store '{path}' yet; scoring makes one")
        return Store(path)
    except databases.Unwritable as error:
        store = Store()
        store.path = _absolute(path)
        store._only_read(str(error))
        return store


def export(store: Store, file: Union[str, Path], **chosen: Any) -> int:
    """Write scores (see `Store.rows`) into a .csv or .json file; gives how many.

    Raises:
        InputError: another ending, or the file cannot be written.
    """
    path = Path(file)
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"export file '{path}': it must end in .csv or .json")
    rows = list(store.rows(**{key: value for key, value in chosen.items() if value is not None}))
    for row in rows:
        row["score"] = row["score"] if math.isfinite(row["score"]) else None
        row["details"] = json.loads(row["details"])
    if path.suffix == ".json":
        text = json.dumps(rows, indent=1)
    else:
        columns = [name for name in (rows[0] if rows else {"arch": "", "score": ""}) if name != "details"]
        target = io.StringIO(newline="")
        writer = csv.DictWriter(target, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: files.cell(value) for name, value in row.items()} for row in rows)
        text = target.getvalue()
    try:
        files.write(path, text)
    except OSError as error:
        raise InputError(f"export file '{path}' cannot be written: {error.strerror}") from None
    return len(rows)


def _where(chosen: Mapping[str, Any]) -> Tuple[str, List[Any]]:
    columns = ("space", "proxy", "inputs", "seed", "version", "fingerprint", "status")
    terms, values = [], []
    for name, value in chosen.items():
        column = name[: -len("_not")] if name.endswith("_not") else name
        if column not in columns:
            raise ValueError(f"a score has no column '{column}'")
        terms.append(f"{column} {'<>' if name.endswith('_not') else '='} ?")
        values.append(value)
    return (f" WHERE {' AND '.join(terms)}" if terms else ""), values


def _select(
    database: sqlite3.Connection, query: str, path: Optional[Path], values: Sequence[Any] = ()
) -> Iterator[Dict[str, Any]]:
    try:
        cursor = database.execute(query, values)
        names = [column[0] for column in cursor.description]
        for found in cursor:
            yield dict(zip(names, found))
    except sqlite3.DatabaseError as error:
        raise InputError(f"store '{path}' cannot be read: {error}") from None


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"store '{path}': the folder cannot be made: {error.strerror}") from None
    databases.belongs(path)
    try:
        return databases.writable(path)
    except databases.Damaged as error:
        return rescued(path, error)


def _absolute(path: Union[str, Path]) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"store '{path}' cannot be opened: {error}") from None


def _inode(path: Path) -> Tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
