"""NASLib as the plugin's tests see it: the real one where it is there, and small doubles of its classes."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np
import pytest
import torch

DOUBLES = Path(__file__).parent / "doubles"
# What holds on to NASLib's classes once it is imported.
HOLDERS = tuple(
    f"naslib_gennas.plugin.{name}"
    for name in ("predictor", "optimizer", "measure", "evaluators", "benchmark", "predictors", "zc", "nas", "run")
)


def _held() -> Dict[str, Any]:
    return {
        name: module
        for name, module in sys.modules.items()
        if name == "naslib" or name.startswith("naslib.") or name in HOLDERS
    }


@pytest.fixture
def _fresh_imports() -> Iterator[None]:
    """Forget NASLib and what was made of it for one test."""
    before = _held()
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in _held():
            del sys.modules[name]
        sys.modules.update(before)
        for name, module in before.items():
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)


@pytest.fixture
def doubles(_fresh_imports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small doubles of NASLib's classes in its place."""
    monkeypatch.syspath_prepend(str(DOUBLES))
    importlib.invalidate_caches()


@pytest.fixture
def no_naslib(_fresh_imports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without NASLib."""
    from naslib_gennas.plugin import compat

    monkeypatch.setattr(compat, "naslib_path", lambda: None)


@pytest.fixture
def generators() -> Callable[[], Tuple[Any, ...]]:
    """Tells the state of all global random generators."""

    def state() -> Tuple[Any, ...]:
        return (
            random.getstate(),
            np.random.get_state()[1].tobytes(),  # type: ignore[union-attr]
            torch.get_rng_state().numpy().tobytes(),
        )

    return state
