"""Correlations against scipy's, intervals against plain resampling, ties and last places counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from naslib_gennas.truth import metrics

values = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(values)
@settings(max_examples=50, deadline=None)
def test_correlations_equal_scipy_with_ties_and_last_places(pairs):
    x = np.array([-np.inf if a == -5 else a for a, _ in pairs], dtype=float)
    y = np.array([b for _, b in pairs], dtype=float)
    for ours, theirs in ((metrics.spearman, stats.spearmanr), (metrics.kendall, stats.kendalltau)):
        found = ours(x, y)
        if len(set(x)) == 1 or len(set(y)) == 1:
            assert math.isnan(found.value) and found.to_json() == {"value": None, "low": None, "high": None}
        else:
            assert found.value == pytest.approx(theirs(stats.rankdata(x), y)[0], abs=1e-9)
            assert -1 - 1e-9 <= found.low <= found.high <= 1 + 1e-9


@pytest.mark.parametrize(("ours", "theirs"), [(metrics.spearman, stats.spearmanr), (metrics.kendall, stats.kendalltau)])
def test_intervals_are_those_of_resampled_pairs(ours, theirs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    drawn = [theirs(x[i], y[i])[0] for i in rng.integers(0, 50, (300, 50))]
    low, high = np.quantile(drawn, (0.025, 0.975))
    found = ours(x, y)
    assert found.low == pytest.approx(low, abs=0.06) and found.high == pytest.approx(high, abs=0.06)
    assert found == ours(x, y) and found != ours(x, y, seed=1)


def test_retrieval_counts_the_truly_best_among_the_best_scores():
    truth = np.arange(20.0)
    assert metrics.retrieval(truth, truth).value == 1
    assert metrics.retrieval(-truth, truth).value == 0
    swapped = truth.copy()
    swapped[[19, 0]] = swapped[[0, 19]]
    assert metrics.retrieval(swapped, truth).value == 0.5


def test_ties_across_the_border_share_the_places_that_are_left():
    # Two places; the best score is one that is truly among the two, four others tie for the second place.
    scores = [9, 5, 5, 5, 5] + [0] * 15
    truth = [20, 19, *range(18)]
    assert metrics.retrieval(scores, truth).value == pytest.approx((1 + 1 / 4) / 2)


def test_regret_is_what_the_first_choice_costs():
    assert metrics.regret([3, 2, 1], [90.0, 95.0, 70.0]).value == 5.0
    assert metrics.regret([3, 3, 1], [90.0, 95.0, 70.0]).value == 2.5


def test_a_difference_is_paired():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100)
    good, poor = truth + rng.normal(size=100), truth + 5 * rng.normal(size=100)
    same = metrics.difference("spearman", good, good, truth)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert metrics.difference("spearman", good, poor, truth).low > 0


def test_too_few_say_nothing_and_nan_is_refused():
    assert math.isnan(metrics.spearman([1, 2], [1, 2]).value)
    with pytest.raises(ValueError, match="NaN"):
        metrics.spearman([1, math.nan, 3], [1, 2, 3])
