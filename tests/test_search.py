"""Architecture search and task search: exact resumption after real kills, constraints, budgets, results on disk."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import entries

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.regression import genes, tasks
from naslib_gennas.scoring.store import Store
from naslib_gennas.studies import constraints, search, task_search
from naslib_gennas.truth import labels
from naslib_gennas.truth.labels import Labels

ROOT = str(Path(__file__).parents[1])
TINY = {"name": "tiny", "steps": 2, "images": 2, "resolution": 8, "target_size": 2, "cells": 1, "channels": 4}
SPACE = spaces.get("nasbench201")
USUAL = {"population": 8, "tournament": 3, "profile": TINY, "workers": 1, "truth": None, "finalists": 0}


def course(found):
    """What a search did, but for the time that it took."""
    return [(s.id, s.arch, s.score, s.status, s.parent, s.birth) for s in found.course.steps]


def test_a_search_finds_reports_and_goes_on(tmp_path):
    seen = []
    found = search.search(
        SPACE,
        **{**USUAL, "truth": table(tmp_path)},
        evaluations=30,
        store=tmp_path / "s.sqlite",
        out=tmp_path / "out",
        progress=lambda method, step, best, done, total: seen.append((method, best.score, done, total)),
    )
    assert found.evaluations == 30 and len(found.control.steps) == 30
    assert [done for method, _, *done in seen if method == "evolution"] == [[number, 30] for number in range(1, 31)]
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["best"]["arch"] == found.best.arch
    assert result["best"]["score"] == max(s.score for s in found.course.steps) == seen[29][1]
    assert result["evaluations"] == 30 and result["wall_seconds"] > 0 and len(result["history"]) == 30
    once = {SPACE.key(SPACE.parse(s.arch)): s.seconds for s in found.course.steps}
    assert result["core_seconds"] == pytest.approx(sum(once.values()))
    assert result["history"][-1]["best_truth"] == pytest.approx(truth_of(found.best.arch))
    assert result["regret"] == pytest.approx(result["truth"]["best"] - result["best"]["truth"])
    assert all(s.parent is not None for s in found.course.steps[8:])
    assert (tmp_path / "out" / "search.png").stat().st_size > 10_000
    assert len((tmp_path / "out" / "history.csv").read_text().splitlines()) == 31
    longer = search.search(SPACE, **USUAL, evaluations=36, control=False, store=tmp_path / "s.sqlite")
    assert longer.resumed == 30 and course(longer)[:30] == course(found)
    fresh = search.search(SPACE, **USUAL, evaluations=36, control=False)
    assert course(fresh) == course(longer) and fresh.resumed == 0
    shorter = search.search(SPACE, **USUAL, evaluations=5, control=False, store=tmp_path / "s.sqlite")
    assert course(shorter) == course(fresh)[:5]
    with pytest.raises(InputError, match="other settings: seed was 0, is 1"):
        search.search(SPACE, **USUAL, evaluations=5, seed=1, out=tmp_path / "out")


def test_a_refused_search_leaves_no_folder_that_stands_in_the_way(tmp_path: Path) -> None:
    tiny = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 1}
    usual = {"evaluations": 2, "truth": None, "profile": tiny, "workers": 1, "out": tmp_path / "out"}
    with pytest.raises(InputError, match="tournament is 10"):
        search.search("nasbench201", population=2, **usual)
    found = search.search("nasbench201", population=2, tournament=2, control=False, finalists=0, **usual)
    assert found.evaluations == 2


def test_a_race_stopped_at_any_rung_ends_as_the_uninterrupted_one(tmp_path):
    settings = {**USUAL, "finalists": 4}
    whole = search.search(SPACE, **settings, evaluations=12, control=False)
    assert [one.rung for one in whole.course.finalists] == [4, 4, 1, 1]
    kept = {"evaluations": 12, "control": False, "store": tmp_path / "s.sqlite"}
    for stop in (2, 5, 7):
        called = iter(range(1, 100))

        def interrupt(method, step, best, done, total, stop=stop, called=called):
            if method == "finalists" and next(called) == stop:
                raise KeyboardInterrupt

        with pytest.raises(search.Interrupted):
            search.search(SPACE, **settings, **kept, progress=interrupt)
    again = search.search(SPACE, **settings, **kept)

    def places(found):
        return [(one.arch, one.rung, one.score, one.final_score) for one in found.course.finalists]

    assert again.resumed == 12 and places(again) == places(whole) and again.best.arch == whole.best.arch


def truth_of(text):
    return 90.0 + text.count("nor_conv_3x3") - text.count("none")


def table(tmp_path):
    rows, rng = [], np.random.default_rng(0)
    for _ in range(3000):
        text = SPACE.format(SPACE.sample(rng))
        rows.append(f"{text},{truth_of(text)}")
    path = tmp_path / "truth.csv"
    path.write_text("\n".join(["arch,acc", *dict.fromkeys(rows)]))
    return path


def test_untrainable_candidates_count_as_evaluations():
    def untrainable(seed):
        return any(SPACE.untrainable(SPACE.sample(np.random.default_rng([seed, number]))) for number in range(10))

    seed = next(seed for seed in range(1000) if untrainable(seed))
    options = {name: value for name, value in USUAL.items() if name not in ("population", "tournament")}
    found = search.search(SPACE, **options, method="random", evaluations=10, seed=seed)
    assert [step.id for step in found.course.steps] == list(range(10)) and found.control is None
    assert {step.status for step in found.course.steps} == {"ok", "untrainable"}
    assert all(step.score == -math.inf for step in found.course.steps if step.status == "untrainable")


KILLED = """
import sys
from naslib_gennas.studies import search
found = search.search("nasbench201", {usual}, evaluations={count}, control=False, store=sys.argv[1])
print("done", found.resumed)
"""


def test_a_search_killed_again_and_again_ends_as_the_uninterrupted_one(tmp_path):
    # GENNAS_KILLS=20 is the long form.
    attempts = int(os.environ.get("GENNAS_KILLS", "3"))
    count, draw = 30 * attempts, random.Random(3)
    usual = ", ".join(f"{key}={value!r}" for key, value in USUAL.items())
    script = tmp_path / "script.py"
    script.write_text(KILLED.format(usual=usual, count=count))
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    path, kills, before = tmp_path / "s.sqlite", 0, 0
    for _ in range(attempts):
        process = subprocess.Popen(
            [sys.executable, str(script), str(path)], env=environment, stdout=subprocess.PIPE, text=True
        )
        while process.poll() is None and entries(path) < before + 8:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.1))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        assert entries(path) >= before + 8 or entries(path) == count
        before = entries(path)
        if kills == 2:  # and a page of the store is lost as well
            content = path.read_bytes()
            path.write_bytes(content[: 4096 * 3] + b"\x5a" * 4096 + content[4096 * 4 :])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                Store(path).close()
            before = entries(path)
    assert kills >= attempts * 2 // 3
    resumed = search.search("nasbench201", **USUAL, evaluations=count, control=False, store=path)
    whole = search.search("nasbench201", **USUAL, evaluations=count, control=False)
    assert course(resumed) == course(whole)
    assert resumed.best.arch == whole.best.arch


def test_an_interrupted_search_says_what_it_has(tmp_path):
    def stop(method, step, best, done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(search.Interrupted) as caught:
        search.search(SPACE, **USUAL, evaluations=20, store=tmp_path / "s.sqlite", out=tmp_path / "out", progress=stop)
    assert caught.value.result.evaluations == 7 and not caught.value.result.complete
    assert json.loads((tmp_path / "out" / "result.json").read_text())["evaluations"] == 7
    found = search.search(
        SPACE, **USUAL, evaluations=20, control=False, store=tmp_path / "s.sqlite", out=tmp_path / "out"
    )
    assert found.resumed == 7 and found.evaluations == 20


def test_a_budget_of_time_ends_a_search():
    started = time.monotonic()
    found = search.search(SPACE, **USUAL, budget=0.5, control=False)
    assert 0 < found.evaluations and time.monotonic() - started < 10
    assert search.seconds("10m") == 600 and search.seconds("1.5h") == 5400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluations": 0}, "evaluations is 0"),
        ({"budget": 0.0}, "budget is 0 seconds"),
        ({"method": "evolve"}, "did you mean 'evolution'"),
        ({"population": 5, "tournament": 6}, "tournament is 6"),
        ({"constraint": ["prams<1M"]}, "did you mean 'params'"),
        ({"constraint": ["params=1M"]}, "write it as params<5M"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        search.search(SPACE, **{**USUAL, **changes})


@pytest.mark.parametrize("text", ["0", "-3", "ten", "5 x", "0s"])
def test_a_budget_that_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="takes a time above 0"):
        search.seconds(text)


def test_constraints_hold_for_every_candidate():
    bounds = [constraints.parse("params<0.6M"), constraints.parse("flops>=20M")]
    found = search.search(SPACE, **USUAL, evaluations=12, control=False, constraint=bounds)
    for step in found.course.steps:
        arch = SPACE.parse(step.arch)
        assert constraints.MEASURES["params"](SPACE, arch) < 0.6e6
        assert constraints.MEASURES["flops"](SPACE, arch) >= 20e6


def test_a_whole_network_is_counted():
    arch = SPACE.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    # The benchmark's own table: 1.289 M parameters and 185.8 M FLOPs for five 3x3 convolutions a cell.
    assert constraints.MEASURES["params"](SPACE, arch) == pytest.approx(1.289e6, rel=0.01)
    assert constraints.MEASURES["flops"](SPACE, arch) == pytest.approx(185.8e6, rel=0.05)


def test_an_impossible_constraint_says_how_many_samples_met_it(monkeypatch):
    monkeypatch.setattr(constraints, "TRIES", 40)
    with pytest.raises(InputError, match="params<10: 0 of 40 samples of nasbench201 met it"):
        search.search(SPACE, **USUAL, constraint=["params<10"])


# ------------------------------------------------------------------------------------------------------- task search


def few(count=6, seed=0):
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        arch = SPACE.sample(rng)
        if not SPACE.untrainable(arch):
            found.setdefault(SPACE.key(arch), SPACE.format(arch))
    return {text: truth_of(text) + number / 100 for number, text in enumerate(found.values())}


TASK = {"population": 4, "tournament": 2, "profile": TINY, "workers": 1}


@pytest.fixture()
def short(monkeypatch):
    monkeypatch.setattr(task_search, "FINALISTS", 2)
    monkeypatch.setattr(task_search, "SEEDS", 1)


def trials(found):
    return [(t.id, t.genome, t.rho, t.scored, t.stopped, t.parent) for t in found.course.trials]


def test_a_task_search_finds_a_task_that_works_everywhere_and_goes_on(tmp_path, short):
    def stop(method, trial, best, done):
        if done == 5:
            raise KeyboardInterrupt

    kept = {"store": tmp_path / "s.sqlite", "out": tmp_path / "out"}
    with pytest.raises(task_search.Interrupted) as caught:
        task_search.search(SPACE, few(), **TASK, evaluations=12, progress=stop, **kept)
    assert len(caught.value.result.course.trials) == 5
    found = task_search.search(SPACE, few(), **TASK, evaluations=12, held_out=few(6, seed=1), **kept)
    assert found.resumed == 5 and len(found.course.trials) == len(found.control.trials) == 12
    whole = task_search.search(SPACE, few(), **TASK, evaluations=12, control=False)
    assert trials(whole) == trials(found) and whole.candidate == found.candidate
    assert set(found.held_out) == {"found", "usual", "random"} and found.held_out_curve
    saved = tasks.get(tmp_path / "out" / "candidate.yaml")
    assert saved.stages == found.candidate.stages and saved.noise == found.candidate.noise
    # Too few random tasks tell what is luck: the usual one is what to use.
    assert found.expected is None and not found.taken
    assert tasks.get(tmp_path / "out" / "task.yaml").stages == found.task.stages == tasks.get("combo").stages
    for name in ("targets.png", "convergence.png"):
        assert (tmp_path / "out" / name).stat().st_size > 5_000
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["evaluations"] == 12 and result["reference"]["task"] == "gennas-combo"


def test_a_task_is_taken_where_more_than_luck_is_left_of_its_rho(short, monkeypatch):
    monkeypatch.setattr(task_search, "FOUNDERS", 3)
    found = task_search.search(SPACE, few(10), **{**TASK, "population": 5}, evaluations=8, control=False)
    assert found.expected is not None and found.expected <= found.rho + 1e-9
    assert found.taken == (found.expected > found.reference)
    assert found.task == (found.candidate if found.taken else tasks.get("combo"))


@pytest.mark.parametrize(("qualities", "least", "most"), [([1.0] * 40, 0.0, 0.15), ([0.2, 1.0, 5.0] * 13, 0.65, 0.95)])
def test_what_is_believed_of_a_correlation_is_what_the_tasks_differ_in(qualities, least, most):
    """Scores are the truth times a quality, plus noise of the task's own; 20 labels.

    With equal qualities all differences are noise: over 20 such samples the factor is 0.00 on average and 0.09 at the
    most; with qualities of 0.2 to 5 (correlations 0.2 to 0.98) it is 0.80 on average, standard deviation 0.03.
    """
    rng = np.random.default_rng(3)
    truth = rng.normal(size=20)
    scores = [quality * truth + rng.normal(size=20) for quality in qualities]
    mean, factor = labels.shrinkage(scores, truth, 0)
    assert least <= factor <= most
    assert mean == pytest.approx(np.mean([labels.rho(row, truth) for row in scores]))
    order = rng.permutation(20)
    again = labels.shrinkage([row[order] for row in scores], truth[order], 0)
    assert again[0] == pytest.approx(mean)


def test_hopeless_tasks_are_given_up_early(short):
    found = task_search.search(SPACE, few(10), **{**TASK, "population": 2}, evaluations=16, control=False)
    stopped = [trial for trial in found.course.trials if trial.stopped]
    assert stopped and all(trial.scored < 10 for trial in stopped)
    assert all(trial.scored == 10 for trial in found.course.trials if not trial.stopped)
    assert found.rho is not None and found.rho > -1


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.integers(3, 5))
def test_the_upper_bound_is_the_best_of_all_completions(data, count):
    truth = data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    order = data.draw(st.permutations(range(count)))
    known = data.draw(st.integers(0, count))
    ties = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    scores: list = [None] * count
    level = 0.0
    for place, index in enumerate(order[:known]):
        level += 0.0 if place and ties[place] else 1.0
        scores[index] = level
    if len(set(truth)) == 1 or known == count == sum(ties[1:]) + 1:
        return
    # Everything that may still come: the others in every place between the known levels, and in every order.
    unknown = [index for index in range(count) if scores[index] is None]
    possible = [
        labels.rho([filled.get(i, scores[i]) for i in range(count)], truth)
        for filled in (dict(zip(unknown, values)) for values in choices(len(unknown), int(level)))
    ]
    assert labels.upper_bound(scores, truth) == pytest.approx(max(possible))


def choices(places, levels):
    """Values for `places` scores to come: every gap between the levels for each, every order within a gap."""
    for gaps in product(range(levels + 1), repeat=places):
        for order in permutations(range(places)):
            yield [gap + 0.1 * (rank + 1) for gap, rank in zip(gaps, order)]


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
def test_genes_make_tasks_that_round_trip_and_change(kind):
    rng = np.random.default_rng(0)
    genome = genes.sample(rng, kind)
    changed = []
    for _ in range(60):
        mutant = genes.mutate(json.loads(json.dumps(genome)), rng, kind)
        task = genes.to_task(mutant, "mine", kind)
        assert tasks.parse(tasks.dump(task), "mine") == task
        assert 0 <= task.noise.level <= 0.9 and all(16 <= stage.channels <= 96 for stage in task.stages)
        parts = [part for stage in task.stages for part in stage.signals] + list(task.input)
        assert all(0.5 <= part.weight <= 2.9 and 0 <= part.fraction <= 1 for part in parts)
        assert all(0 <= f <= 0.5 for part in parts for f in part.frequencies)
        changed.append(mutant["level"] != genome["level"])
    assert 2 <= sum(changed) <= 25  # redrawn with probability 0.2, and then the same again one time in ten


@pytest.mark.parametrize("name", ["combo", "nlp-combo", "search-N"])
def test_a_shipped_task_has_genes(name):
    task = tasks.get(name)
    genome = json.loads(json.dumps(genes.from_task(task, np.random.default_rng(0))))
    made = genes.to_task(genome, task.name, task.kind)
    assert (made.stages, made.input, made.noise) == (task.stages, task.input, task.noise)
    assert genes.mutate(genome, np.random.default_rng(1), task.kind) != genome


def test_a_task_that_is_no_genome_is_refused():
    with pytest.raises(ValueError, match="task 'single' has settings that are no genes"):
        genes.from_task(tasks.get("single"), np.random.default_rng(0))


def test_a_task_search_starts_with_the_usual_task(short):
    found = task_search.search(SPACE, few(), **TASK, evaluations=3, control=False)
    first = min(found.course.trials, key=lambda trial: trial.id)
    assert genes.to_task(first.genome, "combo").stages == tasks.get("combo").stages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{0},90\n{1},91\n", "2 architectures; at least 5"),
        ("{0},90\n{1},90\n{2},90\n{3},90\n{4},90\n", "all 5 values are 90"),
        ("{0},90\n{1},91\n{2},92\n{3},93\n{4},nan\n", "row 5 has the value 'nan'; it takes a finite number"),
        ("{0},90\n{1},91\n{2},92\n{3},93\n|what~0|,94\n", "row 5 has no architecture of nasbench201"),
        ("{0},90\n{1},91\n{2},92\n{3},93\n{4},94\n{4},95\n", "is there twice"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_text("arch,acc\n" + content.format(*few()))
    with pytest.raises(InputError, match=message):
        labels.read(path, SPACE)


def test_labels_are_drawn_apart(tmp_path):
    known, others = labels.choose("nasbench201", None, str(table(tmp_path)), 20, "50", 0)
    assert len(known.archs) == 20 and len(others.archs) == 50
    keys = [SPACE.key(SPACE.parse(text)) for text in (*known.archs, *others.archs)]
    assert len(set(keys)) == 70
    assert list(known.values) == pytest.approx([truth_of(text) for text in known.archs])
    alternating = Labels("x", ("a", "b", "c", "d"), (3.0, 1.0, 4.0, 2.0)).ordered()
    assert alternating.values == (4.0, 1.0, 3.0, 2.0)
    with pytest.raises(InputError, match="needs labels"):
        labels.choose("nasbench201", None, None, 20, None, 0)
