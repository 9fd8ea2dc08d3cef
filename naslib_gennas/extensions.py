"""What other installed packages add: search spaces, proxies and rivals, through entry points."""

from __future__ import annotations

import importlib.metadata
from typing import Any, Dict


def entry_points(group: str) -> Dict[str, importlib.metadata.EntryPoint]:
    """The entry points that installed packages have in a group, by name."""
    found: Any = importlib.metadata.entry_points()
    # Python 3.9 gives a mapping.
    entries = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {entry.name: entry for entry in entries}
