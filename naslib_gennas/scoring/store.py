"""Scores that survive a crash: one SQLite file, written in the transaction that reports a score."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import platformdirs

from naslib_gennas import files
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError

SCHEMA_VERSION = 1
_APPLICATION = 0x474E4E53  # marks the file as ours, in SQLite's header
_MEMORY = ":memory:"
_LARGEST = 2**40  # bytes; a header that states more is wrong itself
_WAIT = 30.0  # seconds that a writer waits for another process

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, space TEXT NOT NULL, proxy TEXT NOT NULL, fingerprint TEXT NOT NULL,
    inputs TEXT NOT NULL, seed INTEGER NOT NULL, version TEXT NOT NULL, settings TEXT NOT NULL,
    UNIQUE (space, fingerprint, inputs, seed, version)
);
CREATE TABLE IF NOT EXISTS scores (
    run INTEGER NOT NULL REFERENCES runs (id), key TEXT NOT NULL, arch TEXT NOT NULL, score REAL NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL, details TEXT NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journals (
    name TEXT NOT NULL, n INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (name, n)
) WITHOUT ROWID;
"""
# What a damaged file is searched for: tables and the order of their rows.
_TABLES = {"runs": ("id",), "scores": ("run", "key"), "journals": ("name", "n")}


@dataclass(frozen=True)
class Run:
    """What all scores of one call share; together with an architecture's key it is a score's identity.

    Attributes:
        space: name of the search space.
        proxy: name of the proxy.
        settings: everything else that decides the scores, as `canonical` JSON: the proxy's settings, profile, device.
        inputs: identity of the input batch (see `batches.identity`).
        seed: of the scores.
        version: of this package.
    """

    space: str
    proxy: str
    settings: str
    inputs: str
    seed: int
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """sha256 over the proxy's name and its settings."""
        return hashlib.sha256(f"{self.proxy}\n{self.settings}".encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One score as the store keeps it; `details` is JSON."""

    arch: str
    score: float
    status: str
    reason: str
    seconds: float
    details: str = "{}"


def default_path() -> Path:
    """The store in the user's data folder."""
    return Path(platformdirs.user_data_path("naslib-gennas")) / "scores.sqlite"


class Store:
    """Scores in a SQLite file that several processes may share; without a path, in memory.

    A file that is damaged is set aside, what it still holds is taken over, and a warning says so. When the disk is
    full later on, the store goes on in memory and warns; `lost` then says why.

    Raises:
        InputError: the file cannot be written, belongs to a newer version, or is not a store.
    """

    def __init__(self, path: Union[str, Path, None] = None) -> None:
        self.path: Optional[Path] = None if path is None else Path(path).expanduser().absolute()
        self.lost = ""
        self._runs: Dict[Run, int] = {}
        self._file: Optional[sqlite3.Connection] = None  # still read, when it can no longer be written
        self._file_runs: Dict[Run, int] = {}
        self._database = _memory() if self.path is None else _open(self.path)

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
        found: Optional[Row] = self._do(lambda: _score(self._database, self._run(run), key))
        if found is None and self._file is not None and run in self._file_runs:
            with contextlib.suppress(sqlite3.Error):
                found = _score(self._file, self._file_runs[run], key)
        return None if found is None or found.status == "failed" else found

    def put(self, run: Run, key: str, row: Row) -> Row:
        """Write a score and commit; the score that another process has written meanwhile stays, and is given back."""

        def write() -> Row:
            with self._database:
                self._database.execute(
                    "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " arch = excluded.arch, score = excluded.score, status = excluded.status,"
                    " reason = excluded.reason, seconds = excluded.seconds, details = excluded.details,"
                    " created = excluded.created WHERE scores.status = 'failed'",
                    (
                        *(self._run(run), key, row.arch, row.score),
                        *(row.status, row.reason, row.seconds, row.details, time.time()),
                    ),
                )
            return self.get(run, key) or row

        return self._do(write)

    def append(self, journal: str, n: int, entry: Mapping[str, Any]) -> None:
        """Write entry `n` of a journal and commit.

        Raises:
            InputError: the journal has that entry already: another process is writing it.
        """

        def write() -> None:
            with self._database:
                self._database.execute("INSERT INTO journals VALUES (?, ?, ?)", (journal, n, json.dumps(entry)))

        try:
            self._do(write)
        except sqlite3.IntegrityError:
            raise InputError(
                f"store '{self.path}': another process is at the same search already; let it end, or choose another "
                "seed or store"
            ) from None

    def journal(self, name: str) -> List[Dict[str, Any]]:
        """The entries of a journal up to the first that is missing, in order."""
        query = "SELECT n, entry FROM journals WHERE name = ? ORDER BY n"
        found = self._do(lambda: self._database.execute(query, (name,)).fetchall())
        return [json.loads(entry) for place, (n, entry) in enumerate(found) if n == place]

    def forget(self, name: str, first: int = 0) -> None:
        """Delete the entries of a journal from `first` on."""

        def delete() -> None:
            with self._database:
                self._database.execute("DELETE FROM journals WHERE name = ? AND n >= ?", (name, first))

        self._do(delete)

    def runs(self) -> List[Dict[str, Any]]:
        """One mapping a run: what it was, how many scores, how many of them not ok, when the last came."""
        query = (
            "SELECT id, space, proxy, fingerprint, inputs, seed, version, COUNT(key) AS scores,"
            " SUM(status <> 'ok') AS not_ok, SUM(seconds) AS seconds, MAX(created) AS last"
            " FROM runs LEFT JOIN scores ON run = id GROUP BY id ORDER BY id"
        )
        return [dict(zip(_names(cursor), values)) for cursor in [self._database.execute(query)] for values in cursor]

    def rows(self, **chosen: Any) -> Iterator[Dict[str, Any]]:
        """Every score, one mapping each, of the runs whose columns have the chosen values: ``rows(space="darts")``."""
        where, values = _where(chosen)
        query = (
            "SELECT space, proxy, inputs, seed, version, fingerprint, key, arch, score, status, reason, seconds,"
            f" details, created FROM scores JOIN runs ON run = id{where} ORDER BY id, key"
        )
        cursor = self._database.execute(query, values)
        for found in cursor:
            yield dict(zip(_names(cursor), found))

    def prune(self, **chosen: Any) -> int:
        """Delete the scores of the runs whose columns have the chosen values, and shrink the file.

        Args:
            chosen: columns of a run (`space`, `proxy`, `inputs`, `seed`, `version`); ``version_not`` keeps one version;
                ``status`` chooses scores by their status.

        Returns:
            How many scores were deleted.
        """
        where, values = _where(chosen)
        with self._database:
            deleted = self._database.execute(
                f"DELETE FROM scores WHERE (run, key) IN (SELECT run, key FROM scores JOIN runs ON run = id{where})",
                values,
            ).rowcount
            self._database.execute("DELETE FROM runs WHERE id NOT IN (SELECT run FROM scores)")
        self._runs.clear()
        self._database.execute("VACUUM")
        return deleted

    def _run(self, run: Run) -> int:
        if run not in self._runs:
            identity = (run.space, run.fingerprint, run.inputs, run.seed, run.version)
            with self._database:
                self._database.execute(
                    "INSERT OR IGNORE INTO runs (space, fingerprint, inputs, seed, version, proxy, settings)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*identity, run.proxy, run.settings),
                )
                found = self._database.execute(
                    "SELECT id FROM runs WHERE (space, fingerprint, inputs, seed, version) = (?, ?, ?, ?, ?)", identity
                )
                self._runs[run] = int(found.fetchone()[0])
        return self._runs[run]

    def _do(self, action: Callable[[], Any]) -> Any:
        """Do it; where the file fails, go on in memory and say so."""
        try:
            return action()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            if self.path is None or self.lost:
                raise
            self.lost = f"the store '{self.path}' cannot be written any more: {error}"
            warnings.warn(f"{self.lost}; going on in memory, what comes now is not kept", RuntimeWarning, stacklevel=4)
            self._file, self._file_runs = self._database, self._runs
            self._database, self._runs = _memory(), {}
            return action()


def _score(database: sqlite3.Connection, run: int, key: str) -> Optional[Row]:
    query = "SELECT arch, score, status, reason, seconds, details FROM scores WHERE run = ? AND key = ?"
    found = database.execute(query, (run, key)).fetchone()
    return None if found is None else Row(*found)


def existing(path: Union[str, Path]) -> Store:
    """The store in a file that must be there.

    Raises:
        InputError: there is none.
    """
    if not Path(path).expanduser().is_file():
        raise InputError(f"there is no store '{path}' yet; scoring makes one")
    return Store(path)


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
    try:
        with open(path, "w", newline="", encoding="utf-8") as target:
            if path.suffix == ".json":
                json.dump(rows, target, indent=1)
            else:
                columns = [name for name in (rows[0] if rows else {"arch": "", "score": ""}) if name != "details"]
                writer = csv.DictWriter(target, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows({name: files.cell(value) for name, value in row.items()} for row in rows)
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


def _names(cursor: sqlite3.Cursor) -> List[str]:
    return [column[0] for column in cursor.description]


def _memory() -> sqlite3.Connection:
    database = sqlite3.connect(_MEMORY, check_same_thread=False)
    database.executescript(_SCHEMA)
    return database


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"store '{path}': the folder cannot be made: {error.strerror}") from None
    try:
        return _connect(path)
    except sqlite3.OperationalError as error:
        raise InputError(
            f"store '{path}' cannot be written: {error}; give another file with --store, or free the disk"
        ) from None
    except sqlite3.DatabaseError as error:
        return _rescued(path, error)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(str(path), timeout=_WAIT, check_same_thread=False)
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        application = database.execute("PRAGMA application_id").fetchone()[0]
        if application not in (0, _APPLICATION) or (application == 0 and _tables(database)):
            raise InputError(f"store '{path}' is a database of another program; give another file with --store")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"store '{path}' has format {version}, made by a newer version of this package (this one, "
                f"{__version__}, reads up to {SCHEMA_VERSION}); update the package or give another file with --store"
            )
        if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")
        database.execute("PRAGMA journal_mode = WAL")
        # With WAL a commit survives the death of the process; only a power cut can undo the last ones.
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {_APPLICATION};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        with database:  # a full disk or a read-only file shows now, before any work is done
            database.execute("CREATE TABLE IF NOT EXISTS probe (x BLOB)")
            database.execute("INSERT INTO probe VALUES (zeroblob(65536))")
            database.execute("DROP TABLE probe")
        return database
    except BaseException:
        database.close()
        raise


def _tables(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])


def _rescued(path: Path, error: Exception) -> sqlite3.Connection:
    """A new store in place of a damaged one, with all that can still be read; the damaged file is kept beside it."""
    # One process at a time: the second one finds the new store.
    with contextlib.closing(sqlite3.connect(f"{path}.rescue", timeout=_WAIT, isolation_level=None)) as turn:
        turn.execute("BEGIN EXCLUSIVE")
        with contextlib.suppress(sqlite3.DatabaseError):
            return _connect(path)
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{ending}", f"{aside}{ending}")
        database = _connect(path)
        saved = 0
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".rescue-") as folder:
            copy = Path(folder) / "copy"
            for ending in ("", "-wal"):
                with contextlib.suppress(OSError):
                    shutil.copyfile(f"{aside}{ending}", f"{copy}{ending}")
            if copy.exists():
                saved = _salvage(copy, database)
    with contextlib.suppress(OSError):
        os.unlink(f"{path}.rescue")
    warnings.warn(
        f"the store '{path}' was damaged ({error}); {saved} scores were rescued into a new one, the damaged file is "
        f"kept as '{aside.name}'",
        RuntimeWarning,
        stacklevel=4,
    )
    return database


def _salvage(damaged: Path, database: sqlite3.Connection) -> int:
    """Copy every row that can still be read, from both ends of each table up to what is damaged; count the scores."""
    saved = 0
    _pad(damaged)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(str(damaged))) as source, database:
        for table, columns in _TABLES.items():
            for direction in ("", " DESC"):
                order = ", ".join(column + direction for column in columns)
                for row in _readable(source, f"SELECT * FROM {table} ORDER BY {order}"):
                    marks = ", ".join("?" * len(row))
                    # Wrong bytes may still be read as a row; it is left out where it makes no sense.
                    with contextlib.suppress(sqlite3.IntegrityError):
                        found = database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount
                        saved += found if table == "scores" else 0
    return saved


def _pad(file: Path) -> None:
    """Give a file that was cut off the length that its header states; SQLite reads nothing of it otherwise."""
    with open(file, "r+b") as content:
        header = content.read(32)
        page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
        length = (65536 if page == 1 else page) * pages
        if header.startswith(b"SQLite format 3") and content.seek(0, os.SEEK_END) < length <= _LARGEST:
            content.truncate(length)


def _readable(source: sqlite3.Connection, query: str) -> Iterator[Tuple[Any, ...]]:
    with contextlib.suppress(sqlite3.DatabaseError):
        yield from source.execute(query)
