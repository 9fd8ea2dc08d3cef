"""Our scores as the tables that NASLib's users know: the format of its published ``zc_nasbench201.json``."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterable, Mapping, Optional

from naslib_gennas.errors import InputError
from naslib_gennas.plugin.taps import TABLE, Taps
from naslib_gennas.scoring.record import Record
from naslib_gennas.spaces.space import SearchSpace

#: What NASLib has for a score that is not finite.
LOWEST = -1e8


def row_for(space: SearchSpace[Any]) -> Taps:
    """The row of NASLib's search space of the same architectures.

    Raises:
        InputError: there is none.
    """
    for row in TABLE:
        if row.native == space.name and row.from_native is not None:
            return row
    known = ", ".join(sorted({row.native for row in TABLE if row.from_native is not None}))
    raise InputError(f"{space.name}: NASLib has no notation of these architectures; it has those of {known}")


def table(
    space: SearchSpace[Any],
    dataset: str,
    scores: Mapping[str, Iterable[Record]],
    truth: Callable[[Any], Optional[float]] = lambda arch: None,
) -> Dict[str, Dict[str, Dict[str, Any]]]:
    """``{dataset: {hash: {measure: {"score": ..., "time": ...}, "val_accuracy": ...}}}``, as NASLib looks it up.

    Args:
        space: of the architectures.
        dataset: the name that NASLib's `get_zc_benchmark_api` is asked with.
        scores: records by proxy; a measure has its proxy's name with underscores, as in NASLib.
        truth: the accuracy of an architecture; None where it is not known, which is then left out.
    """
    row = row_for(space)
    assert row.from_native is not None
    found: Dict[str, Dict[str, Any]] = {}
    for proxy, records in scores.items():
        for record in records:
            arch = record.architecture if record.architecture is not None else space.parse(record.arch)
            entry = found.setdefault(str(row.from_native(arch)), {"id": len(found)})
            score = record.score if math.isfinite(record.score) else LOWEST
            entry[proxy.replace("-", "_")] = {"score": score, "time": record.seconds}
            accuracy = truth(arch)
            if accuracy is not None:
                entry["val_accuracy"] = accuracy
    return {dataset: found}
