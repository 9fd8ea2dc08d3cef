"""Memory between two scores: what the last network held goes back to the system.

glibc keeps what is freed in pieces below 32 MB. After a few large networks a worker would hold as much as they all
needed, 5 GB where the next one needs a hundredth, and so would each of the others.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Callable, Optional

#: Resident bytes above which memory is given back: below, doing so costs more than it saves.
MOST = 1 << 30


def give_back() -> None:
    """Return freed memory to the system, where a large process can (Linux with glibc)."""
    trim = _trim()
    if trim is not None and resident() > MOST:
        trim(0)


def resident() -> int:
    """Bytes of memory that this process occupies; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _page()
    except (OSError, ValueError, IndexError):
        return 0


@lru_cache(maxsize=1)
def _page() -> int:
    import resource  # not on Windows, which has no /proc either

    return resource.getpagesize()


@lru_cache(maxsize=1)
def _trim() -> Optional[Callable[[int], int]]:
    if not sys.platform.startswith("linux"):
        return None
    trim: Optional[Callable[[int], int]] = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
