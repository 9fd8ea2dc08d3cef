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


@pytest.mark.parametrize("n", [3, 4, 5, 8, 20, 100])
def test_no_interval_claims_certainty(n):
    order, reverse = np.arange(float(n)), -np.arange(float(n))
    for measure in (metrics.spearman, metrics.kendall):
        perfect, reversed_ = measure(order, order), measure(reverse, order)
        assert (perfect.value, perfect.high) == (pytest.approx(1), pytest.approx(1)) and -1 < perfect.low < 1
        assert (reversed_.low, reversed_.high) == (pytest.approx(-1), pytest.approx(-perfect.low))
    none, all_ = metrics.retrieval(reverse, order), metrics.retrieval(order, order)
    assert (none.value, none.low) == (0, 0) and 0.2 < none.high < 1
    assert (all_.value, all_.high) == (1, 1) and all_.low == pytest.approx(1 - none.high)
    regret = metrics.regret(order, order)
    assert regret.to_json() == {"value": 0, "low": None, "high": None} and str(regret) == "0.000"


def test_the_interval_of_a_perfect_order_narrows_with_the_sample():
    lows = [metrics.spearman(range(n), range(n)).low for n in (3, 10, 30, 100, 1000)]
    assert lows == sorted(lows) and lows[0] < 0 < lows[-1]
    # Two values only are one pair that shares no architecture with another.
    assert metrics.spearman([0, 0, 0, 1], [0, 0, 0, 1]).low == metrics.spearman(range(3), range(3)).low


def test_the_interval_of_retrieval_is_wilsons():
    scores = np.arange(64.0)
    truth = scores.copy()
    truth[[63, 0]] = truth[[0, 63]]
    found = metrics.retrieval(scores, truth)
    low, high = stats.binomtest(5, 6).proportion_ci(method="wilson")
    assert (found.value, found.low, found.high) == (pytest.approx(5 / 6), pytest.approx(low), pytest.approx(high))


def test_intervals_hold_the_true_correlation_in_small_samples():
    rng, rho = np.random.default_rng(0), 6 / math.pi * math.asin(0.45)
    for n in (4, 6, 10):
        held = 0
        for _ in range(60):
            x = rng.normal(size=n)
            found = metrics.spearman(x, 0.9 * x + math.sqrt(1 - 0.81) * rng.normal(size=n))
            held += found.low <= rho <= found.high
        assert held >= 54, n


def test_where_nothing_was_scored_there_are_no_figures():
    truth = [1.0, 2.0, 3.0, 4.0]
    assert metrics.agreement([-math.inf] * 4, truth) is None and metrics.agreement([], []) is None
    for measure in (metrics.spearman, metrics.kendall, metrics.retrieval, metrics.regret):
        assert math.isnan(measure([-math.inf] * 4, truth).value)
    some = metrics.agreement([-math.inf, 1.0, 2.0, 3.0], truth)
    assert some is not None and some.spearman == metrics.spearman([-math.inf, 1.0, 2.0, 3.0], truth)
    assert some.retrieval.value == 1 and some.regret.value == 0


def test_p_values_of_differences_agree_with_their_intervals():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100)
    good, poor = truth + rng.normal(size=100), truth + 5 * rng.normal(size=100)
    assert metrics.difference("spearman", good, good, truth).p == 1
    found = metrics.difference("spearman", good, poor, truth)
    assert found.low > 0 and 0 < found.p < 0.01 and found.to_json()["p"] == found.p
    alike = metrics.difference("spearman", good, truth + rng.normal(size=100), truth)
    assert (alike.low <= 0 <= alike.high) == (alike.p > 0.05)
    # Chance alone falls below 0.05 about once in twenty.
    false = 0
    for _ in range(100):
        truth = rng.normal(size=40)
        false += metrics.difference("spearman", *(truth + rng.normal(size=(2, 40))), truth).p < 0.05
    assert false <= 12
