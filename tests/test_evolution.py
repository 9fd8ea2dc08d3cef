"""Ask/tell search: ageing, tournaments, exact resumption, random control."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas.errors import InputError, differences
from naslib_gennas.studies.evolution import Evolution, Individual, RandomSearch


def sample(rng):
    return [int(bit) for bit in rng.integers(0, 2, 24)]


def mutate(bits, rng):
    place = int(rng.integers(len(bits)))
    return [*bits[:place], 1 - bits[place], *bits[place + 1 :]]


def evolution(seed=0, **changes):
    return Evolution(sample, mutate, **{"population": 10, "tournament": 4, "seed": seed, **changes})


def run(search, count):
    while len(search.history) < count:
        individual = search.ask()
        search.tell(individual, sum(individual.genome))
    return search


def test_it_finds_what_random_search_does_not():
    evolved = [run(evolution(seed), 300).best.fitness for seed in range(5)]
    drawn = [run(RandomSearch(sample, seed), 300).best.fitness for seed in range(5)]
    assert np.mean(evolved) >= 23
    assert np.mean(evolved) > np.mean(drawn) + 2


@pytest.mark.parametrize("kind", [Evolution, RandomSearch])
def test_it_starts_with_the_genomes_that_it_is_given(kind):
    given = [[1] * 24, [0] * 24]
    search = kind(sample, mutate, start=given) if kind is Evolution else kind(sample, start=given)
    asked = [search.ask() for _ in range(3)]
    assert [individual.genome for individual in asked[:2]] == given and asked[2].genome not in given
    assert all(individual.parent is None for individual in asked)
    search.tell(asked[1], 3.0)
    other = (
        RandomSearch(sample, start=given[:1]) if kind is RandomSearch else Evolution(sample, mutate, start=given[:1])
    )
    with pytest.raises(InputError, match="start"):
        other.restore(search.state())


def test_the_oldest_leaves_not_the_worst():
    search = evolution()
    first = search.ask()
    search.tell(first, 1000.0)
    for _ in range(9):
        search.tell(search.ask(), 0.0)
    assert [individual.id for individual in search.population] == list(range(10))
    search.tell(search.ask(), 0.0)
    assert first.id not in [individual.id for individual in search.population]
    assert search.best.id == first.id


def test_the_parent_is_the_fittest_of_a_tournament_of_the_whole_population():
    search = evolution(tournament=10)
    for fitness in [3.0, 9.0, 1.0, 9.0, 2.0, 0.0, -math.inf, 4.0, 5.0, 6.0]:
        search.tell(search.ask(), fitness)
    child = search.ask()
    assert (child.parent, child.birth) == (1, 10)
    assert sum(a != b for a, b in zip(child.genome, search.history[1].genome)) == 1


def test_a_small_tournament_does_not_always_take_the_best():
    search = evolution(tournament=2)
    for fitness in range(10):
        search.tell(search.ask(), float(fitness))
    assert len({search.ask().parent for _ in range(30)}) > 3


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 59), seed=st.integers(0, 5))
def test_a_search_restored_from_json_ends_as_the_uninterrupted_one(cut, seed):
    whole = run(evolution(seed), 60)
    first = run(evolution(seed), cut)
    first.ask()  # asked for and never told: lost in the crash
    second = evolution(seed)
    second.restore(json.loads(json.dumps(first.state())))
    assert run(second, 60).history == whole.history
    assert second.best == whole.best


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_told_in_any_order_each_counts_once(data):
    search, waiting = evolution(), []
    while len(search.history) < 50:
        if waiting and (len(waiting) == 6 or data.draw(st.booleans())):
            individual = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            search.tell(individual, sum(individual.genome))
        else:
            waiting.append(search.ask())
    ids = [individual.id for individual in search.history]
    assert len(set(ids)) == 50
    assert search.asked == 50 + len(waiting)
    resumed = evolution()
    resumed.restore(search.state())
    # Those that were asked for and lost come first, so that no id stays open.
    assert [resumed.ask().id for _ in waiting] == sorted(set(range(search.asked)) - set(ids))


def test_failures_rank_last_and_survive_json():
    search = evolution(population=3, tournament=3)
    search.tell(search.ask(), math.nan)
    search.tell(search.ask(), -math.inf)
    search.tell(search.ask(), -5.0)
    assert search.best.id == 2
    assert search.ask().parent == 2
    state = json.dumps(search.state(), allow_nan=False)
    other = evolution(population=3, tournament=3)
    other.restore(json.loads(state))
    assert [i.fitness for i in other.history] == [-math.inf, -math.inf, -5.0]


def test_telling_twice_or_out_of_nowhere_is_an_error():
    search = evolution()
    individual = search.ask()
    search.tell(individual, 1.0)
    with pytest.raises(ValueError, match="told already"):
        search.tell(individual, 1.0)
    with pytest.raises(ValueError, match="never asked"):
        search.tell(Individual(99, [0]), 1.0)


def test_other_settings_are_refused_and_shown():
    state = run(evolution(0), 12).state()
    with pytest.raises(InputError, match="population was 10, is 12; seed was 0, is 1"):
        evolution(1, population=12).restore(state)
    assert differences({"a": 1}, {"a": 1}) == ""


@pytest.mark.parametrize(("population", "tournament"), [(0, 1), (5, 6), (5, 0)])
def test_sizes_that_make_no_sense_are_refused(population, tournament):
    with pytest.raises(InputError, match="takes a whole number"):
        evolution(population=population, tournament=tournament)
