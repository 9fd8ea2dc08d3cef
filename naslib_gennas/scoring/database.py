"""The SQLite file of a store: whose it is, and opening it to write or only to read."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, Tuple

from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError
from naslib_gennas.scoring.rows import SCHEMA, decoded

SCHEMA_VERSION = 1
ADVICE = "give another file with --store"
_APPLICATION = 0x474E4E53  # marks the file as ours, in SQLite's header
_MEMORY = ":memory:"
_WAIT = 30.0  # seconds that a writer waits for another process
# What SQLite says where the machine is at fault and not the content of the file.
_PLACE = ("locked", "is full", "disk I/O", "unable to open", "readonly", "permission", "locking protocol")


class Unwritable(InputError):
    """The store cannot be written now: the disk is full, or another process holds it."""


class Damaged(Exception):
    """The file is a store, and its content is broken."""


def memory() -> sqlite3.Connection:
    """An empty store that lives as long as its connection."""
    return _prepared(sqlite3.connect(_MEMORY, check_same_thread=False))


def belongs(path: Path) -> bool:
    """Whether there is a store at `path`; False where a new one may be made. Nothing is written.

    Raises:
        InputError: there is anything else: no regular file, another program's database, a note.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise InputError(f"store '{path}' cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise InputError(f"store '{path}' is {kind}; {ADVICE}")
    if found.st_size == 0:
        if _size(f"{path}-wal"):
            raise InputError(
                f"store '{path}' is empty, but '{path.name}-wal' beside it is not; restore it, or {ADVICE}"
            )
        return False
    try:
        application, tables = _marks(path)
    except sqlite3.OperationalError as error:
        raise InputError(f"store '{path}' cannot be read: {error}; {ADVICE}") from None
    except sqlite3.DatabaseError:
        raise InputError(
            f"file '{path}' is no store and was left as it is; {ADVICE}, or, if it was a store, restore a copy: its "
            "beginning is damaged"
        ) from None
    if application == _APPLICATION or (application == 0 and _in_log(Path(f"{path}-wal"))):
        return True
    if application == 0 and not tables and not _size(f"{path}-wal"):
        return False  # of a process that was killed while it made the store
    raise InputError(f"store '{path}' is a database of another program, and was left as it is; {ADVICE}")


def writable(path: Path) -> sqlite3.Connection:
    """The store at `path`, made where there is none, ready to be written by several processes.

    Raises:
        InputError: it is of a newer version.
        Unwritable: the disk is full, or the file is locked.
        Damaged: its content is broken.
    """
    with _translated(path, "written"):
        database = sqlite3.connect(str(path), timeout=_WAIT, check_same_thread=False)
        try:
            _check_version(database, path)
            _check_content(database)
            _prepared(database)
            _check_order(database)
            database.execute("PRAGMA journal_mode = WAL")
            # With WAL a commit survives the death of the process; only a power cut can undo the last ones.
            database.execute("PRAGMA synchronous = NORMAL")
            with database:  # a full disk or a read-only file shows now, before any work is done
                database.execute("CREATE TABLE IF NOT EXISTS probe (x BLOB)")
                database.execute("INSERT INTO probe VALUES (zeroblob(65536))")
                database.execute("DROP TABLE probe")
            return database
        except BaseException:
            database.close()
            raise


def readable(path: Path) -> sqlite3.Connection:
    """The store at `path`, to be read only: of a file or folder without the right to write, or a full disk.

    Raises:
        InputError: it is of a newer version, damaged, or cannot be read either.
    """
    try:
        with _translated(path, "read"):
            return _read_only(path)
    except Damaged as error:
        raise InputError(
            f"store '{path}' is damaged ({error}) and can't be mended where it is; copy it first"
        ) from None


def may_write(path: Path) -> bool:
    """Whether this process has the right to write the file and, for what SQLite keeps beside it, its folder."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _read_only(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(sqlite3.OperationalError):
        return _looked_at(path, "mode=ro")
    if not _size(f"{path}-wal"):
        return _looked_at(path, "mode=ro&immutable=1")
    # Scores that wait in the log beside the file can be read where SQLite may write: in a copy.
    with tempfile.TemporaryDirectory(prefix="gennas-store-") as folder:
        with contextlib.closing(_looked_at(copied(path, Path(folder)), "mode=rw")) as copy:
            whole = sqlite3.connect(_MEMORY, check_same_thread=False)
            whole.text_factory = decoded
            copy.backup(whole)
    return whole


def _looked_at(path: Path, options: str) -> sqlite3.Connection:
    database = _by_uri(path, options)
    try:
        _check_version(database, path)
        _check_content(database)
        return database
    except BaseException:
        database.close()
        raise


def copied(path: Path, folder: Path) -> Path:
    """A copy of a database and its log in a folder."""
    copy = folder / "copy"
    for ending in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
    return copy


@contextlib.contextmanager
def _translated(path: Path, verb: str) -> Iterator[None]:
    """Tell what is wrong with the place from what is wrong with the content."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not any(words in str(error) for words in _PLACE):
            raise Damaged(str(error)) from None
        raise Unwritable(f"store '{path}' cannot be {verb}: {error}; {ADVICE}, or free the disk") from None
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        raise Damaged(" ".join(str(error).split())[:200]) from None


def _check_version(database: sqlite3.Connection, path: Path) -> None:
    version = _rows(database, "PRAGMA user_version")[0][0]
    if version > SCHEMA_VERSION:
        raise InputError(
            f"store '{path}' has format {version}, made by a newer version of this package (this one, "
            f"{__version__}, reads up to {SCHEMA_VERSION}); update the package or {ADVICE}"
        )


def _check_content(database: sqlite3.Connection) -> None:
    if _rows(database, "PRAGMA integrity_check(1)")[0][0] != "ok":
        raise sqlite3.DatabaseError("database disk image is malformed")
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'probe'"
    with contextlib.closing(memory()) as new:
        if not set(_rows(database, query)) <= set(_rows(new, query)):
            raise sqlite3.DatabaseError("its tables are not those of a store")


def _check_order(database: sqlite3.Connection) -> None:
    """Refuse journals with a page in another's place, which SQLite's own check does not see."""
    before = "SELECT name, n, LAG(name) OVER w AS name_before, LAG(n) OVER w AS n_before FROM journals"
    query = (
        f"SELECT 1 FROM ({before} WINDOW w AS (ORDER BY name, n)) WHERE (name_before, n_before) >= (name, n) LIMIT 1"
    )
    if _rows(database, query):
        raise sqlite3.DatabaseError("its journals are out of order")


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    database.text_factory = decoded
    database.executescript(
        f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {_APPLICATION};"
        f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )
    return database


def _marks(path: Path) -> Tuple[int, int]:
    """The application id in a database's header, and how many tables it has; no lock, no file beside it."""
    # Not by opening the file ourselves: closing it would give up the locks of a store that this process has open.
    with contextlib.closing(_by_uri(path, "mode=ro&immutable=1")) as database:
        database.execute("PRAGMA writable_schema = ON")  # so that a file that was cut off has a header, too
        application = _rows(database, "PRAGMA application_id")[0][0]
        if application == _APPLICATION:
            return application, 0
        return application, _rows(database, "SELECT COUNT(*) FROM sqlite_master")[0][0]


def _in_log(log: Path) -> bool:
    """Whether a write-ahead log holds a first page with our application id, which the database then lacks still."""
    with contextlib.suppress(OSError), open(log, "rb") as file:
        size = int.from_bytes(file.read(32)[8:12], "big")
        while 512 <= size <= 65536:
            frame = file.read(24 + size)
            if len(frame) < 24 + size:
                break
            if frame[:4] == b"\0\0\0\1" and frame[24 + 68 : 24 + 72] == _APPLICATION.to_bytes(4, "big"):
                return True
    return False


def _by_uri(path: Path, options: str) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=_WAIT, check_same_thread=False)
    database.text_factory = decoded
    return database


def _rows(database: sqlite3.Connection, query: str) -> List[Tuple[Any, ...]]:
    return database.execute(query).fetchall()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
