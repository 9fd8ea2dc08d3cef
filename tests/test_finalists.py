"""The race of the finalists: trainings go on where they were, the better half at each rung, the same winner."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from scipy.stats import zscore

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.proxies import gennas
from naslib_gennas.regression import batches, profiles, tasks
from naslib_gennas.regression.maps import regress
from naslib_gennas.regression.profiles import PAPER
from naslib_gennas.studies import race

SPACE = spaces.get("nasbench201")
SIZE = PAPER.replace(name="small", cells=1, channels=8, images=2, resolution=16, target_size=4, steps=16)


def sample(count, seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < count:
        arch = SPACE.sample(rng)
        if SPACE.untrainable(arch) is None:
            found[SPACE.key(arch)] = arch
    return list(found.values())


def regression(arch, profile, kept=None, task="combo"):
    network = spaces.build(SPACE, arch, profile, 0)
    return regress(network, batches.load("photos", 2, 16), tasks.get(task), profile, 0, kept=kept)


@pytest.mark.parametrize(
    "task, changes",
    [
        ("combo", {"record_every": 5}),
        ("search-N", {"record_every": 5}),  # noise on the input, drawn for every record, too
        ("combo", {"statistics": "batch", "record_every": 16, "relative": 0.5}),
    ],
)
def test_a_training_in_pieces_is_the_training_in_one(tmp_path, task, changes):
    arch, whole = sample(1)[0], SIZE.replace(**changes)
    straight = regression(arch, whole, task=task)
    for steps in (3, 10):
        piece = regression(arch, whole.replace(steps=steps), tmp_path / "state", task)
        assert piece.trace == straight.trace[:steps]
    joined = regression(arch, whole, tmp_path / "state", task)
    assert joined.loss == straight.loss and joined.trace == straight.trace
    # What the shorter ones did not record is not made up.
    assert set(joined.losses) <= set(straight.losses) and joined.losses[-1] == straight.losses[-1]


def test_a_training_goes_on_from_its_file_and_does_without_it(tmp_path):
    arch = sample(1)[0]
    straight = regression(arch, SIZE)
    state = tmp_path / "state"
    regression(arch, SIZE.replace(steps=4), state)
    content = torch.load(state, weights_only=True)
    assert content["step"] == 4
    torch.save({**content, "trace": content["trace"] + 1}, state)
    marked = regression(arch, SIZE, state)
    assert marked.trace[:4] != straight.trace[:4] and marked.trace[4:] == straight.trace[4:]
    for damaged in (b"", b"no tensors"):
        state.write_bytes(damaged)
        assert regression(arch, SIZE, state).trace == straight.trace
    # Nowhere to leave it is no reason to fail.
    assert regression(arch, SIZE, tmp_path / "absent" / "state").trace == straight.trace


def run(archs, proxy, until=math.inf, best=1, called=None, judge=None):
    class Listening(scoring.Scorer):
        def many(self, archs):
            if called is not None:
                called.append(self.proxy.name if self.proxy is judge else self.proxy.profile.steps)
            return super().many(archs)

    chosen = [(number, arch, -float(number)) for number, arch in enumerate(archs)]
    scorer = Listening.of(SPACE, proxy, workers=1)
    judges = None if judge is None else scorer.at(proxy=judge)
    states = list(race.race(chosen, scorer, None, until, best, judges))
    assert until < math.inf or [of for _, of in states] == [len(states)] * len(states)  # known from the start
    return [found for found, _ in states]


def in_order(last):
    """Those of the last rung by their final score and, half as much, by the one that they came with."""
    sums = zscore([one.final_score for one in last]) + zscore([one.score for one in last]) / 2
    return [last[place] for place in np.argsort(-sums)]


def test_the_better_half_goes_on_and_scores_are_those_of_whole_trainings():
    archs, proxy, called = sample(9), proxies.get("gennas-combo", SIZE), []
    states = run(archs, proxy, called=called)
    # Its longest path has five norms: after two steps the loss would not say anything yet.
    assert called == [4, 8, 16] and len(states) == 9 + 5 + 3
    found = states[-1]
    assert [one.rung for one in found] == [3, 3, 3, 2, 2, 1, 1, 1, 1]
    plain = {record.index: record.score for record in scoring.score_many(SPACE, archs, proxy, seed=0, workers=1)}
    assert {one.id: one.final_score for one in found[:3]} == {one.id: plain[one.id] for one in found[:3]}
    assert found[:3] == in_order(found[:3])
    short = gennas.from_task(tasks.get("combo"), SIZE.replace(steps=4))
    first = {record.index: record.score for record in scoring.score_many(SPACE, archs, short, seed=0, workers=1)}
    left = {one.id for one in found if one.rung == 1}
    assert max(first[number] for number in left) <= min(first[number] for number in set(first) - left)


def test_a_deeper_space_trains_for_longer_and_looks_later(tmp_path):
    fast = profiles.get("fast")
    steps = {}
    for name in ("nasbench201", "nasbench101", "darts"):
        space = spaces.get(name)
        proxy = race.deep(scoring.Scorer.of(space, "gennas-combo", profile=fast)).proxy
        least = race.FIRST_RUNG * space.norm_depth(space.size(proxy.profile))
        steps[name] = [cut.profile.steps for cut in proxy.rungs(tmp_path, least)]
    assert steps == {"nasbench201": [3, 6, 12, 24], "nasbench101": [30, 60], "darts": [60]}


def test_the_judge_is_asked_about_the_best_of_the_last_rung(monkeypatch):
    monkeypatch.setattr(race, "JUDGED", 2)
    archs, proxy, judge, called = sample(9), proxies.get("gennas-combo", SIZE), proxies.get("params", SIZE), []
    before = run(archs, proxy)[-1]
    states = run(archs, proxy, called=called, judge=judge)
    assert called == [4, 8, 16, "params"] and len(states) == 9 + 5 + 3 + 2
    found = states[-1]
    assert {one.id for one in found[:2]} == {one.id for one in before[:2]}
    scores = {record.index: record.score for record in scoring.score_many(SPACE, archs, judge, seed=0, workers=1)}
    assert [one.judged for one in found[:2]] == [scores[one.id] for one in found[:2]]
    assert [one.judged for one in found[2:]] == [None] * 7
    assert [one.id for one in found[2:]] == [one.id for one in before[2:]]


def test_the_judge_counts_as_much_as_the_final_score():
    archs, proxy, judge = sample(6), proxies.get("gennas-combo", SIZE), proxies.get("params", SIZE)
    found = run(archs, proxy, best=3, judge=judge)[-1]
    last = [one for one in found if one.rung == 3]
    assert len(last) == 6 and all(one.judged is not None for one in last)
    sums = zscore([one.final_score for one in last]) + zscore([one.judged for one in last])
    assert list(sums) == sorted(sums, reverse=True)


def test_who_judges_whom():
    fast = profiles.get("fast")

    def scorer(name, profile=fast, space=SPACE):
        return scoring.Scorer.of(space, name, profile=profile)

    assert race.judge(scorer(None)).proxy.name == "gennas-plus"
    assert race.judge(scorer("gennas-search-N")).proxy.profile == fast
    # A score of several trainings races by one, and has the last word itself.
    assert race.deep(scorer("gennas-plus")).proxy.name == "gennas-combo"
    assert race.judge(scorer("gennas-plus")).proxy.name == "gennas-plus"
    assert race.judge(scorer("synflow")) is None
    # At full depth from the start nothing is raced.
    assert race.judge(scorer(None, PAPER)) is None
    assert race.judge(scorer(None, space="nasbenchnlp")) is None


def test_at_least_twice_as_many_as_matter_reach_the_end():
    found = run(sample(9), proxies.get("gennas-combo", SIZE), best=3)[-1]
    assert [one.rung for one in found] == [3] * 6 + [1] * 3


def test_a_proxy_that_cannot_be_cut_short_has_one_rung():
    archs = sample(5)
    assert proxies.get("synflow").rungs is None
    # How many steps these are is known of the network alone.
    assert proxies.get("gennas-combo", "fast").rungs is None
    found = run(archs, proxies.get("params"))[-1]
    assert {one.rung for one in found} == {1}
    assert found == in_order(found)


def test_no_time_left_scores_none_and_a_little_time_scores_the_first():
    archs, proxy = sample(6), proxies.get("gennas-combo", SIZE)
    assert run(archs, proxy, until=time.perf_counter()) == []
    found = run(archs, proxy, until=time.perf_counter() + 0.05)[-1]
    # It ends while a rung is gone through: those that were begun are all there is.
    assert 1 <= len(found) <= 6
    assert found[0].final_score == max(one.final_score for one in found if one.rung == found[0].rung)
