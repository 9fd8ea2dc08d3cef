"""Whether differences between methods are more than chance: several differences at once, and several search spaces.

What J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 7, 2006), recommends, with
search spaces for data sets; pairs of methods are compared by Wilcoxon's test and not by their mean ranks, which depend
on which other methods take part (A. Benavoli, G. Corani, F. Mangili, JMLR 17, 2016).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from scipy import stats

from naslib_gennas.truth.metrics import Estimate

#: Bootstrap resamples of the search spaces.
RESAMPLES = 2000
LEVEL = 0.05


def holm(p_values: Sequence[float]) -> List[float]:
    """p-values corrected for how many there are: those below 0.05 are significant together at that level.

    The step-down procedure of S. Holm (Scandinavian Journal of Statistics 6, 1979). NaN stays NaN and does not count.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [math.nan] * len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    highest = 0.0
    for place, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - place)))
        adjusted[index] = highest
    return adjusted


def wilcoxon(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test: do two methods differ over the same search spaces?

    It is exact for few values; with fewer than six nothing falls below 0.05. Spaces without a difference count for
    neither side; 1 where there is none with one.

    Args:
        first, second: a figure each a search space, such as rank correlations.
    """
    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    # Differences of the size of rounding errors are none.
    gaps = np.where(np.abs(gaps) < 1e-12, 0.0, gaps)
    return 1.0 if not gaps.any() else float(stats.wilcoxon(gaps[gaps != 0]).pvalue)


@dataclass(frozen=True)
class Ranks:
    """How methods rank over several search spaces; see `ranks_over`.

    Attributes:
        spaces: in the order given.
        methods: best mean rank first.
        mean_ranks: of each, 1 is the best, with the 95% bootstrap interval over the search spaces; without one where no
            resample differs or there is one space only.
        ranks: of each method (row) on each space (column); methods that tie share their mean rank.
        missing: the spaces on which a method has no figure, and shares the last ranks.
        friedman: p-value of the hypothesis that all methods are alike (Friedman's test); NaN for fewer than three
            methods or two spaces.
        critical_difference: mean ranks that are further apart differ at the 5% level (Nemenyi's test).
        p_values: of each two methods, first the better one: Wilcoxon's test, Holm-corrected over all pairs.
        groups: largest runs of neighbours in `methods` of which no two differ by `p_values`: the bars of a
            critical-difference diagram.
    """

    spaces: Tuple[str, ...]
    methods: Tuple[str, ...]
    mean_ranks: Tuple[Estimate, ...]
    ranks: Tuple[Tuple[float, ...], ...]
    missing: Mapping[str, Tuple[str, ...]]
    friedman: float
    critical_difference: float
    p_values: Mapping[Tuple[str, str], float]
    groups: Tuple[Tuple[str, ...], ...]


def ranks_over(scores_by_space: Mapping[str, Mapping[str, Optional[float]]], seed: int = 0) -> Ranks:
    """Rank methods on every search space by a figure, higher is better, and average over the spaces.

    Args:
        scores_by_space: figure (say, Spearman's rho) by method, by search space. None, NaN or an absent method: it
            cannot score that space, and shares the last ranks there; Wilcoxon's test of two methods leaves out the
            spaces where one has no figure.
        seed: of the bootstrap.

    Raises:
        ValueError: no space, or no method.
    """
    spaces = tuple(scores_by_space)
    names = tuple(dict.fromkeys(name for scores in scores_by_space.values() for name in scores))
    if not spaces or not names:
        raise ValueError("ranks over search spaces take at least one space and one method")
    table = np.array([[_figure(scores_by_space[space].get(name)) for space in spaces] for name in names])
    ranks = stats.rankdata(np.where(np.isnan(table), np.inf, -table), axis=0)
    means = ranks.mean(axis=1)
    # Where mean ranks tie, names decide, so that the order does not depend on that of the input.
    order = sorted(range(len(names)), key=lambda i: (means[i], names[i]))
    drawn = np.random.default_rng(seed).integers(0, len(spaces), (RESAMPLES, len(spaces)))
    low, high = np.quantile(ranks[:, drawn].mean(axis=2), (0.025, 0.975), axis=1)
    wide = high - low > 1e-9
    pairs = [(a, b) for a, b in itertools.combinations(order, 2)]
    found = [_pair(table[a], table[b]) for a, b in pairs]
    p_values = {(names[a], names[b]): p for (a, b), p in zip(pairs, holm(found))}
    count, number = len(names), len(spaces)
    friedman, critical = math.nan, math.nan
    if count > 1:
        quantile = stats.studentized_range.ppf(1 - LEVEL, count, math.inf) / math.sqrt(2)
        critical = float(quantile * math.sqrt(count * (count + 1) / (6 * number)))
    if count > 2 and number > 1:
        # All ranks alike on every space: nothing speaks against the hypothesis.
        alike = bool((ranks == ranks[0]).all())
        friedman = 1.0 if alike else float(stats.friedmanchisquare(*ranks).pvalue)
    methods = tuple(names[i] for i in order)
    missing: Dict[str, Tuple[str, ...]] = {}
    for i in order:
        absent = tuple(space for space, value in zip(spaces, table[i]) if math.isnan(value))
        if absent:
            missing[names[i]] = absent
    return Ranks(
        spaces,
        methods,
        tuple(
            Estimate(float(means[i]), float(low[i]) if wide[i] else math.nan, float(high[i]) if wide[i] else math.nan)
            for i in order
        ),
        tuple(tuple(map(float, ranks[i])) for i in order),
        missing,
        friedman,
        critical,
        p_values,
        _groups(methods, p_values),
    )


def against(scores_by_space: Mapping[str, Mapping[str, Optional[float]]], control: str) -> Dict[str, float]:
    """Does one method, named beforehand, differ from each other one? The p-value by the other's name.

    Wilcoxon's test over the search spaces, Holm-corrected for the comparisons with the control alone: fewer than all
    pairs, so that it finds more (Demsar, section 3.2.2). Arguments are those of `ranks_over`.
    """
    names = dict.fromkeys(name for scores in scores_by_space.values() for name in scores if name != control)
    rows = {
        name: np.array([_figure(scores.get(name)) for scores in scores_by_space.values()]) for name in (control, *names)
    }
    return dict(zip(names, holm([_pair(rows[control], rows[name]) for name in names])))


def _figure(value: Optional[float]) -> float:
    return math.nan if value is None else float(value)


def _pair(first: np.ndarray, second: np.ndarray) -> float:
    both = ~(np.isnan(first) | np.isnan(second))
    return wilcoxon(first[both], second[both])


def _groups(methods: Sequence[str], p_values: Mapping[Tuple[str, str], float]) -> Tuple[Tuple[str, ...], ...]:
    found: List[Tuple[int, int]] = []
    for start in range(len(methods)):
        end = start + 1
        while end < len(methods) and all(p_values[methods[i], methods[end]] >= LEVEL for i in range(start, end)):
            end += 1
        if end - start > 1 and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(tuple(methods[start:end]) for start, end in found)
