"""Rows of the store: what they hold, and how one that was damaged is told from one that was written."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence

from naslib_gennas._version import __version__

SCHEMA = """
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
STATUSES = ("ok", "diverged", "untrainable", "failed")
#: The columns that find a run again.
IDENTITY = ("space", "fingerprint", "inputs", "seed", "version")

_DIGITS = 16  # of a check sum, in hex
_KEY = '"check": "'
_LENGTH = len(_KEY) + _DIGITS + len('"}')


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
        return _fingerprint(self.proxy, self.settings)

    @property
    def identity(self) -> Sequence[Any]:
        """The values of the columns `IDENTITY`."""
        return (self.space, self.fingerprint, self.inputs, self.seed, self.version)


@dataclass(frozen=True)
class Row:
    """One score as the store keeps it; `details` is JSON."""

    arch: str
    score: float
    status: str
    reason: str
    seconds: float
    details: str = "{}"


def _fingerprint(proxy: str, settings: str) -> str:
    return hashlib.sha256(f"{proxy}\n{settings}".encode()).hexdigest()


def seal(text: str, *facts: Any) -> str:
    """A JSON object with a check sum over itself and the facts as its last key, "check"."""
    head = text.rstrip()[:-1]
    return f"{head}{'' if head.strip() == '{' else ', '}{_end(_sum(text, facts))}"


def unsealed(text: str, *facts: Any) -> Optional[str]:
    """What `seal` was given; a text without a check sum (of an earlier version) as it is; None for a damaged one."""
    head, end = text[:-_LENGTH], text[-_LENGTH:]
    if sum(one == other for one, other in zip(end, _end("-" * _DIGITS))) < len(_KEY) * 2 // 3:
        return text
    plain = f"{head[:-2] if head.endswith(', ') else head}}}"
    return plain if end == _end(_sum(plain, facts)) else None


def _end(digits: str) -> str:
    return f'{_KEY}{digits}"}}'


def _sum(text: str, facts: Sequence[Any]) -> str:
    content = json.dumps([text.rstrip(), *facts])
    return hashlib.blake2b(content.encode(), digest_size=_DIGITS // 2).hexdigest()


def facts(run: Mapping[str, Any], row: Mapping[str, Any]) -> Sequence[Any]:
    """What the check sum of a score covers beside its details: all of its run's columns and its own."""
    shared = [run[name] for name in ("proxy", *IDENTITY)]
    return [*shared, *(row[name] for name in ("key", "arch", "score", "status", "reason", "seconds", "created"))]


def checked(run: Mapping[str, Any], row: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The score as it was written, without its check sum; None for one that never was.

    Args:
        run: the columns of its run.
        row: the columns of the score.
    """
    if not _plausible(row):
        return None
    details = unsealed(row["details"], *facts(run, row))
    return None if details is None or _object(details) is None else {**row, "details": details}


def _plausible(row: Mapping[str, Any]) -> bool:
    """Whether the types and values are such that they can have been written."""
    numbers = all(isinstance(row[name], float) for name in ("score", "seconds", "created"))
    texts = all(isinstance(row[name], str) for name in ("key", "arch", "status", "reason", "details"))
    if not numbers or not texts or row["status"] not in STATUSES or not row["key"] or not row["arch"]:
        return False
    score = math.isfinite(row["score"]) if row["status"] == "ok" else row["score"] == -math.inf
    times = math.isfinite(row["seconds"]) and math.isfinite(row["created"])
    return score and times and all(_readable(row[name]) for name in ("key", "arch", "reason"))


def plausible_run(run: Mapping[str, Any]) -> bool:
    """Whether a row of `runs` can have been written: right types, and a fingerprint that is that of its settings."""
    names = ("space", "proxy", "fingerprint", "inputs", "version", "settings")
    return (
        isinstance(run["id"], int)
        and isinstance(run["seed"], int)
        and all(isinstance(run[name], str) and run[name] and _readable(run[name]) for name in names)
        and _object(run["settings"]) is not None
        and run["fingerprint"] == _fingerprint(run["proxy"], run["settings"])
    )


def entry(name: Any, n: Any, text: Any) -> Optional[Dict[str, Any]]:
    """An entry of a journal as it was appended; None for one that never was."""
    if not isinstance(name, str) or not isinstance(n, int) or not isinstance(text, str):
        return None
    plain = unsealed(text, name, n)
    return None if plain is None else _object(plain)


def text(content: str) -> str:
    """A text that SQLite takes: what is no Unicode (bytes of a file name, say) is escaped."""
    return content.encode("utf-8", "backslashreplace").decode()


def decoded(content: bytes) -> str:
    """A text of a database, damaged or not; bytes that are no UTF-8 become U+FFFD, and are not `_readable`."""
    return content.decode("utf-8", "replace")


def _readable(content: str) -> bool:
    return "\0" not in content and "\ufffd" not in content


def _object(content: str) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
