"""Modules from files that no package holds: examples, and what builds the site."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def module(path: Path) -> ModuleType:
    """The module that a file holds, run anew."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
