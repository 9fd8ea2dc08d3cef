"""Several differences at once, and ranks over several search spaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from naslib_gennas.truth import significance

p_values = st.lists(st.floats(0, 1), max_size=12)


def test_holm_by_hand():
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.5, 0.9]) == [1, 1] and significance.holm([]) == []
    nan, one = significance.holm([math.nan, 0.02])
    assert math.isnan(nan) and one == 0.02


@given(p_values)
def test_holm_lies_between_no_correction_and_bonferroni_and_keeps_the_order(found):
    adjusted = significance.holm(found)
    for p, corrected in zip(found, adjusted):
        assert p <= corrected <= min(1, p * len(found)) + 1e-12
    for i, p in enumerate(found):
        assert all(adjusted[i] <= adjusted[j] for j, other in enumerate(found) if p < other)


def test_wilcoxon_needs_six_spaces():
    better = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    worse = [0.4, 0.45, 0.52, 0.6, 0.69, 0.72]
    assert significance.wilcoxon(better, worse) == pytest.approx(2 / 2**6)
    assert significance.wilcoxon(better[:5], worse[:5]) == pytest.approx(2 / 2**5)
    assert significance.wilcoxon(better, better) == 1 and significance.wilcoxon([], []) == 1
    rounded = [value + 1e-16 for value in better]
    assert significance.wilcoxon(better, rounded) == 1


def spaces(methods, count, noise, seed=0):
    rng = np.random.default_rng(seed)
    return {f"space {i}": {name: level + noise * rng.normal() for name, level in methods.items()} for i in range(count)}


def test_ranks_over_spaces_tell_apart_what_differs_and_group_what_does_not():
    found = significance.ranks_over(spaces({"poor": 0.1, "good": 0.8, "good too": 0.8, "fair": 0.5}, 15, 0.05))
    assert set(found.methods[:2]) == {"good", "good too"} and found.methods[2:] == ("fair", "poor")
    assert found.groups == (found.methods[:2],)
    assert found.friedman < 1e-6 and found.p_values["good", "poor"] < 0.05
    assert found.critical_difference == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 15)), abs=1e-3)
    first = found.mean_ranks[0]
    assert 1 <= first.low <= first.value <= first.high <= 2
    # Third in every space: a bootstrap of the spaces cannot say how sure that is.
    assert found.mean_ranks[2].value == 3 and math.isnan(found.mean_ranks[2].low)


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=8), st.permutations(range(4))
)
@settings(max_examples=30, deadline=None)
def test_ranks_do_not_depend_on_the_order_of_methods(table, order):
    names = "abcd"
    given_ = {str(i): dict(zip(names, row)) for i, row in enumerate(table)}
    mixed = {str(i): {names[j]: row[j] for j in order} for i, row in enumerate(table)}
    found = significance.ranks_over(given_)
    assert repr(found) == repr(significance.ranks_over(mixed))
    assert sum(one.value for one in found.mean_ranks) == pytest.approx(10)
    expected = stats.rankdata(-np.array(table), axis=1).mean(axis=0)
    assert [one.value for one in found.mean_ranks] == pytest.approx(sorted(expected))


def test_what_cannot_score_a_space_ranks_last_there_and_is_named():
    table = spaces({"a": 0.9, "b": 0.5, "c": 0.1}, 8, 0.01)
    table["space 0"]["a"] = None
    table["space 1"]["b"] = math.nan
    del table["space 1"]["c"]
    found = significance.ranks_over(table)
    assert found.missing == {"a": ("space 0",), "b": ("space 1",), "c": ("space 1",)}
    by_name = dict(zip(found.methods, found.ranks))
    assert by_name["a"][:2] == (3, 1) and by_name["b"][1] == by_name["c"][1] == 2.5
    # Seven spaces are left to a and b, six to a and c: where one has no figure there is no difference.
    pairs = ("a", "b"), ("a", "c"), ("b", "c")
    assert [found.p_values[pair] for pair in pairs] == significance.holm([2 / 2**6, 2 / 2**6, 2 / 2**7])


def test_few_spaces_and_few_methods():
    one = significance.ranks_over({"x": {"a": 1, "b": 2}})
    assert one.methods == ("b", "a") and one.p_values == {("b", "a"): 1.0} and one.groups == (("b", "a"),)
    assert math.isnan(one.friedman) and math.isnan(one.mean_ranks[0].low)
    alone = significance.ranks_over({"x": {"a": 1}, "y": {"a": 2}})
    assert alone.methods == ("a",) and alone.groups == () and math.isnan(alone.critical_difference)
    same = significance.ranks_over({str(i): {"a": 1, "b": 1, "c": 1} for i in range(3)})
    assert same.friedman == 1 and same.groups == (("a", "b", "c"),)
    with pytest.raises(ValueError, match="at least one"):
        significance.ranks_over({})
