"""Several proxies as one: rank aggregation over a sample of architectures.

``vote:a+b+c``, ``ranksum:a+b+c``, ``zsum:a+b+c``, `az_nas` and `nasi-ada` say nothing of one architecture alone: their
scores are relative to the sample. In a search, where architectures come one by one, each is compared with a fixed
reference sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.stats import rankdata

from naslib_gennas.errors import InputError

#: Takes the parts' scores (parts, architectures), -inf for what ranks last; gives one score an architecture.
Combine = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Aggregate:
    """A proxy made of others.

    Attributes:
        name: what `--proxies` calls it.
        parts: names of the proxies that it is made of.
        combine: makes its scores of theirs.
    """

    name: str
    parts: Tuple[str, ...]
    combine: Combine


def vote(scores: np.ndarray) -> np.ndarray:
    """How many of the other architectures each one beats in a majority vote of the parts, ties half (Copeland's rule;
    the "vote" of arXiv:2101.08134, section 4)."""
    ahead = np.sign(_ranks(scores)[:, :, None] - _ranks(scores)[:, None, :]).sum(0)
    return (np.sign(ahead).sum(1) + scores.shape[1] - 1) / 2


def ranksum(scores: np.ndarray) -> np.ndarray:
    """The sum of the ranks that the parts give, the best one's largest; ties get their mean rank."""
    return _ranks(scores).sum(0)


def zsum(scores: np.ndarray) -> np.ndarray:
    """The sum of the standardised scores of the parts: each less its mean over the sample, in standard deviations.

    Unlike ranks it tells apart architectures that are better than all of the sample, as a search finds them. What a
    part ranks last (-inf) ranks last.
    """
    total = np.zeros(scores.shape[1])
    for row in scores:
        finite = np.isfinite(row)
        spread = float(row[finite].std()) if finite.any() else 0.0
        middle = float(row[finite].mean()) if finite.any() else 0.0
        total += np.where(finite, (np.where(finite, row, middle) - middle) / (spread or 1.0), -np.inf)
    return total


def log_ranks(scores: np.ndarray) -> np.ndarray:
    """Sum over the parts of log(rank / n): a bad rank in one of them weighs heavily (AZ-NAS, arXiv:2403.19232)."""
    return np.log(_ranks(scores) / scores.shape[1]).sum(0)


def below_mean(scores: np.ndarray) -> np.ndarray:
    """NASI-ADA's objective over the sample: the trace norm less what it has above the sample's mean, counted twice
    (arXiv:2109.00817, section 4)."""
    trace = scores[0]
    finite = trace[np.isfinite(trace)]
    limit = float(finite.mean()) if len(finite) else 0.0
    return np.where(np.isfinite(trace), trace - 2 * np.maximum(0, trace - limit), -np.inf)


#: Aggregates of fixed parts.
FIXED = {
    "az_nas": Aggregate(
        "az_nas", ("az_expressivity", "az_progressivity", "az_trainability", "az_complexity"), log_ranks
    ),
    "nasi-ada": Aggregate("nasi-ada", ("nasi",), below_mean),
}
#: Aggregates of any parts: ``RULE:a+b+c``.
RULES = {"vote": vote, "ranksum": ranksum, "zsum": zsum}


def get(name: str) -> Optional[Aggregate]:
    """The aggregate of a name, or None where the name is no aggregate's.

    Raises:
        InputError: fewer than two parts, or an aggregate as a part.
    """
    if name in FIXED:
        return FIXED[name]
    rule, colon, rest = name.partition(":")
    if not colon or rule not in RULES:
        return None
    parts = tuple(part.strip() for part in rest.split("+"))
    if len(parts) < 2 or not all(parts):
        raise InputError(f"'{name}' must name two proxies or more, as in {rule}:synflow+jacob_cov+naswot")
    for part in parts:
        if get(part) is not None:
            raise InputError(f"'{name}': '{part}' is an aggregate itself; name its parts instead")
    return Aggregate(name, parts, RULES[rule])


def names() -> List[str]:
    """Every aggregate with a name of its own, and how the others are written."""
    return [*FIXED, *(f"{rule}:A+B" for rule in RULES)]


def against(reference: np.ndarray, scores: Sequence[float], combine: Combine) -> float:
    """The score of one architecture relative to a reference sample, for searches.

    Args:
        reference: the parts' scores of the reference sample (parts, architectures).
        scores: the parts' scores of the architecture.
        combine: the rule; the architecture joins the sample for it.
    """
    joined = np.concatenate([reference, np.asarray(scores, dtype=float)[:, None]], 1)
    return float(combine(joined)[-1])


def ranks(scores: Union[Sequence[float], np.ndarray]) -> np.ndarray:
    """Ranks from 1 up; ties get their mean rank, -inf and NaN are the lowest value."""
    values = np.asarray(scores, dtype=float)
    return np.asarray(rankdata(np.where(np.isnan(values), -np.inf, values)))


def _ranks(scores: np.ndarray) -> np.ndarray:
    return np.stack([ranks(row) for row in scores])
