"""A study that is killed at a random moment: what its store held then."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from forks import forked

Kept = Dict[Tuple[object, ...], Tuple[object, ...]]


def kept(store: Path) -> Kept:
    """All scores and steps in a store that another process may be writing, each with when it was written."""
    if not store.exists():
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)) as database:
            scores = database.execute("SELECT run, key, score, status, details, created FROM scores").fetchall()
            steps = database.execute("SELECT name, n, entry FROM journals").fetchall()
    except sqlite3.Error:  # it is just being made
        return {}
    return {row[:2]: row[2:] for row in [*scores, *steps]}


def kill(study: Callable[[], Any], store: Path, draw: random.Random, within: float = 0.1) -> Optional[Kept]:
    """Start a study, and kill it at a random moment after it has kept something new.

    Args:
        study: a function that runs it.
        store: its store.
        draw: decides the moment.
        within: so many seconds later at the most.

    Returns:
        What the store held when the signal was sent; None where the study had ended before.
    """
    before, process = len(kept(store)), forked(study)
    deadline = time.monotonic() + 120
    while len(kept(store)) <= before:
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1]
            return None
        assert time.monotonic() < deadline, "nothing is kept"
        time.sleep(0.01)
    time.sleep(draw.uniform(0, within))
    held = kept(store)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return held if process.returncode else None
