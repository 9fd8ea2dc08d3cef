"""What the results of all studies share: how a study says that it was stopped, and how its files are written."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any, Iterator, Optional

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
