"""What the results of all studies share: how a study says that it was stopped, and how its files are written."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from naslib_gennas.errors import InputError


class Interrupted(KeyboardInterrupt):
    """A study was stopped (Ctrl-C, SIGTERM).

    Attributes:
        result: what was done; every score of it is in the store, and the same call goes on from there.
        done: how much that is, in words.
    """

    def __init__(self, result: Any, done: str) -> None:
        super().__init__(f"stopped after {done}")
        self.result, self.done = result, done


@contextlib.contextmanager
def writing(folder: Optional[Path]) -> Iterator[Optional[Path]]:
    """Write the files of a result in the block; a full disk loses these files, not the result."""
    try:
        yield folder
    except (OSError, InputError) as error:
        warnings.warn(f"the results in '{folder}' are not complete: {error}", RuntimeWarning, stacklevel=4)


def nothing_scored(rows: Sequence[Any]) -> str:
    """Why none of some architectures has a score, by the commonest `status` and `reason`; empty where one has."""
    bad = [row for row in rows if row.status in ("failed", "diverged")]
    if not bad or any(row.status == "ok" for row in rows):
        return ""
    (status, reason), _ = Counter((row.status, row.reason) for row in bad).most_common(1)[0]
    return f"none of {len(rows)} architectures could be scored: {status}" + (f" ({reason})" if reason else "")
