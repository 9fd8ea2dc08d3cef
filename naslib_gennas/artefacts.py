"""What is costly to make and used many times, such as a trained supernet: made once on a machine, then read."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Mapping

import platformdirs
import torch
from filelock import FileLock

from naslib_gennas import __version__
from naslib_gennas.store import canonical


def once(kind: str, settings: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """What `make` gives for these settings: tensors, numbers, texts and containers of them.

    It is kept in a file of the user's cache folder. Processes that want the same one at a time wait for the first that
    makes it; a file that cannot be read is made anew.

    Args:
        kind: the name of the subfolder, e.g. "supernets".
        settings: everything that decides the outcome, ready for JSON.
        make: makes it; must depend on nothing but the settings.
    """
    path = place(kind, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            try:
                return _read(path, path.stat().st_mtime_ns)
            except Exception:  # damaged: torch says so in many ways
                path.unlink()
        made = make()
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        torch.save(made, fresh)
        os.replace(fresh, path)
        return made


def place(kind: str, settings: Mapping[str, Any]) -> Path:
    """The file that `once` uses."""
    digest = hashlib.sha256(canonical({**settings, "version": __version__}).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_path("naslib-gennas")) / kind / f"{digest}.pt"


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)
