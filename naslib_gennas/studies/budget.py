"""What a search may cost: a number of evaluations, or a time."""

from __future__ import annotations

import re
from typing import Optional

from naslib_gennas.errors import InputError, check_whole

USUAL_EVALUATIONS = 450
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def evaluations_of(evaluations: Optional[int], budget: Optional[float]) -> Optional[int]:
    """How many evaluations there are at most: 450 where neither is given, as in the paper; None: no limit.

    Raises:
        InputError: there would be none.
    """
    if evaluations is not None:
        check_whole("evaluations", evaluations)
    if budget is not None and not budget > 0:
        raise InputError(f"budget is {budget:g} seconds; it takes a time above 0, such as 10m")
    return USUAL_EVALUATIONS if evaluations is None and budget is None else evaluations


def seconds(text: str) -> float:
    """The seconds that a text such as ``90``, ``90s``, ``10m`` or ``1.5h`` means.

    Raises:
        InputError: it is no time, or none at all.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([smhd]?)\s*", text, re.ASCII)
    try:
        amount = float(found.group(1)) * _SECONDS[found.group(2)] if found else 0
    except ValueError:
        amount = 0
    if not 0 < amount < float("inf"):
        raise InputError(f"budget '{text}': it takes a time above 0, such as 90s, 10m or 2h")
    return float(amount)
