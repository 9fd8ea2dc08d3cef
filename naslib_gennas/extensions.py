"""What a registry holds: what is in the files of a package, and what other packages add through entry points."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import pkgutil
from typing import Any, Dict


@functools.lru_cache(maxsize=None)
def import_all(package: str) -> None:
    """Import every file of a package, once: each registers what it holds. They are light beside torch."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def entry_points(group: str) -> Dict[str, importlib.metadata.EntryPoint]:
    """The entry points that installed packages have in a group, by name."""
    found: Any = importlib.metadata.entry_points()
    # Python 3.9 gives a mapping.
    entries = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return {entry.name: entry for entry in entries}
