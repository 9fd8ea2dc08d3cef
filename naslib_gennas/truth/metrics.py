"""How well scores agree with the truth: rank correlations, retrieval and regret, each with a bootstrap interval.

Scores of -inf (architectures that rank last) are ranks like any other, ties among them included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Sequence

import numpy as np

#: Bootstrap resamples; fewer for Kendall's tau of many thousands, where each costs the square of the sample.
RESAMPLES = 1000
_PAIR_BUDGET = 4e9
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95% bootstrap interval; all NaN where the sample says nothing (constant or too few)."""

    value: float
    low: float
    high: float

    def to_json(self) -> Dict[str, Optional[float]]:
        """``{"value", "low", "high"}``, None for NaN."""
        return {name: None if math.isnan(number) else number for name, number in vars(self).items()}

    def __str__(self) -> str:
        return "n/a" if math.isnan(self.value) else f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


#: Takes how often each point is drawn (resamples, n), scores (n,) and truth (n,); gives one figure a resample.
Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def spearman(scores: Sequence[float], truth: Sequence[float], seed: int = 0) -> Estimate:
    """Spearman's rank correlation; ties get their mean rank.

    Args:
        scores: higher is better; -inf ranks last.
        truth: finite numbers, higher is better.
        seed: of the bootstrap.
    """
    return _estimate(_spearman, scores, truth, seed)


def kendall(scores: Sequence[float], truth: Sequence[float], seed: int = 0) -> Estimate:
    """Kendall's tau-b (see `spearman` for the arguments)."""
    return _estimate(_kendall, scores, truth, seed)


def retrieval(scores: Sequence[float], truth: Sequence[float], top: float = 10.0, seed: int = 0) -> Estimate:
    """Part of the truly best `top` percent that is among the best `top` percent by score, in [0, 1].

    Where a tie crosses the border, its members share the places that are left: the mean over all orders of the tie.
    """
    return _estimate(_retrieval(top), scores, truth, seed)


def regret(scores: Sequence[float], truth: Sequence[float], seed: int = 0) -> Estimate:
    """The best truth of the sample less the truth of the architecture with the best score (the mean, where tied)."""
    return _estimate(_regret, scores, truth, seed)


def difference(
    measure: str, first: Sequence[float], second: Sequence[float], truth: Sequence[float], seed: int = 0
) -> Estimate:
    """How much higher `first` scores than `second` by a measure, with the interval of the paired bootstrap.

    Args:
        measure: "spearman", "kendall" or "retrieval" (of the top 10 percent).
    """
    statistic = {"spearman": _spearman, "kendall": _kendall, "retrieval": _retrieval(10.0)}[measure]
    other = np.asarray(second, dtype=float)
    return _estimate(lambda w, x, y: statistic(w, x, y) - statistic(w, other, y), first, truth, seed)


def _estimate(statistic: Statistic, scores: Sequence[float], truth: Sequence[float], seed: int) -> Estimate:
    x, y = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} scores for {len(y)} true values")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError("scores and truth must not be NaN; a score that ranks last is -inf")
    if len(x) < 3:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(statistic(np.ones((1, len(x))), x, y)[0])
    if math.isnan(value):
        return Estimate(value, value, value)
    resamples = RESAMPLES if len(x) ** 2 * RESAMPLES <= _PAIR_BUDGET else max(100, int(_PAIR_BUDGET / len(x) ** 2))
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(x))
    figures = []
    for start in range(0, resamples, rows):
        drawn = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), min(rows, resamples - start))
        figures.append(statistic(drawn.astype(float), x, y))
    found = np.concatenate(figures)
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, (0.025, 0.975)) if len(found) else (math.nan, math.nan)
    return Estimate(value, float(low), float(high))


def _spearman(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = _ranks(weights, x), _ranks(weights, y)
    total = weights.sum(1, keepdims=True)
    a -= (weights * a).sum(1, keepdims=True) / total
    b -= (weights * b).sum(1, keepdims=True) / total
    return _ratio((weights * a * b).sum(1), (weights * a * a).sum(1), (weights * b * b).sum(1))


def _ranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean ranks in the samples where point i stands ``weights[:, i]`` times."""
    _, group = np.unique(values, return_inverse=True)
    sizes = _group_sizes(weights, group)
    return (np.cumsum(sizes, 1) - sizes + (sizes + 1) / 2)[:, group]


def _group_sizes(weights: np.ndarray, group: np.ndarray) -> np.ndarray:
    """How many of each resample are in each group of equal values: (resamples, groups), lowest value first."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    return np.add.reduceat(weights[:, order], starts, axis=1)


def _kendall(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    agree, in_x, in_y = (np.zeros(len(weights)) for _ in range(3))
    # The order of values is all that counts, and it compares faster and without infinities.
    x, y = (np.unique(values, return_inverse=True)[1].astype(np.int32) for values in (x, y))
    block = max(1, _CHUNK // len(x))
    drawn = weights.astype(np.float32)
    for start in range(0, len(x), block):
        part = slice(start, start + block)
        signs_x, signs_y = (np.sign(v[:, None] - v[None, part]).astype(np.float32) for v in (x, y))
        for total, signs in ((agree, signs_x * signs_y), (in_x, np.abs(signs_x)), (in_y, np.abs(signs_y))):
            total += np.einsum("ij,ij->i", drawn @ signs, drawn[:, part], dtype=float)
    return _ratio(agree, in_x, in_y)


def _ratio(joint: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """joint / sqrt(first * second), NaN where one of them is constant."""
    scale = np.sqrt(first * second)
    return np.where(scale > 1e-9, joint / np.where(scale > 1e-9, scale, 1.0), np.nan)


def _retrieval(top: float) -> Statistic:
    def statistic(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        places = max(1, round(len(x) * top / 100))
        return (weights * _within(weights, x, places) * _within(weights, y, places)).sum(1) / places

    return statistic


def _within(weights: np.ndarray, values: np.ndarray, places: int) -> np.ndarray:
    """The part of each point that is among the best `places` of its resample."""
    _, group = np.unique(-values, return_inverse=True)
    sizes = _group_sizes(weights, group)
    before = np.cumsum(sizes, 1) - sizes
    part = np.clip((places - before) / np.maximum(sizes, 1), 0, 1)
    return part[:, group]


def _regret(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    present = weights > 0
    best = np.where(present, y, -np.inf).max(1)
    chosen = present & (x == np.where(present, x, -np.inf).max(1, keepdims=True))
    return best - (weights * chosen * y).sum(1) / (weights * chosen).sum(1)
