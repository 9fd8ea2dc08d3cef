"""How far a search is, read from its store while another process writes it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def entries(path: Path) -> int:
    """Steps in the journals of a store; 0 where there is no store yet, or none that can be read."""
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute("SELECT COUNT(*) FROM journals").fetchone()[0]
    except sqlite3.Error:
        return 0
