"""Record: the score of one architecture, as every study gets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping


@dataclass(frozen=True)
class Record:
    """The score of one architecture.

    Attributes:
        arch: in the benchmark's notation.
        key: equal for isomorphic architectures.
        score: higher is better; -inf where the status is not "ok".
        status: "ok", "diverged", "untrainable" or "failed" (see `proxies.Score`).
        reason: one line, empty where the status is "ok".
        seconds: core-seconds that computing the score took, whenever that was.
        details: what else the proxy recorded, ready for JSON.
        index: position of the architecture in what was given.
        reused: the score was not computed for this record: it comes from the store or from an isomorphic architecture.
        architecture: the architecture itself, a value of its search space.
    """

    arch: str
    key: str
    score: float
    status: str = "ok"
    reason: str = ""
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0
    reused: bool = False
    architecture: Any = None
