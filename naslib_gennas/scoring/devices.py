"""Devices to compute on, checked before any work starts."""

from __future__ import annotations

from typing import Any

import torch

from naslib_gennas.errors import InputError

#: What a device may be, as PyTorch calls it.
KINDS = ("cpu", "cuda", "mps", "xpu")


def device_of(name: Any) -> torch.device:
    """The device of a name such as ``cuda:1``.

    Raises:
        InputError: there is no such kind of device.
    """
    try:
        found = torch.device(name)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in KINDS:
        raise InputError(f"device '{name}' is unknown; it takes {', '.join(KINDS[:2])}, cuda:1, {', '.join(KINDS[2:])}")
    return found


def check_device(name: Any) -> torch.device:
    """The device of a name, which this machine has.

    Raises:
        InputError: it has not.
    """
    found = device_of(name)
    have = _count(found.type)
    if (found.index or 0) >= have:
        there = f"this machine has {have}" if have else "PyTorch finds none here"
        raise InputError(f"device '{name}' is not there: {there}; --device cpu works everywhere")
    return found


def _count(kind: str) -> int:
    """How many devices of a kind PyTorch finds."""
    if kind == "cpu":
        return 1
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module = getattr(torch, kind, None)
    return int(module.device_count()) if module is not None and module.is_available() else 0
