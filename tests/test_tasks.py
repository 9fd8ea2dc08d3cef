"""Tasks are the paper's, survive YAML, and a wrong file says which key and what it takes."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas.errors import InputError
from naslib_gennas.regression import tasks
from naslib_gennas.regression.tasks import Noise, ProxyTask, Signal, Stage

numbers = st.floats(0, 3, allow_nan=False).map(lambda x: round(x, 4))
scopes = st.sampled_from(["local", "global"])
waves = st.builds(
    Signal, st.sampled_from(tasks.WAVES), numbers, st.lists(numbers, min_size=1, max_size=4).map(tuple), scope=scopes
)
dots = st.builds(Signal, st.sampled_from(tasks.DOTS), numbers, fraction=st.floats(0, 1), scope=scopes)
plain = st.builds(Signal, st.sampled_from(["resize", "zero"]), numbers)
stages = st.lists(
    st.builds(Stage, st.integers(1, 96), st.lists(waves | dots | plain, max_size=3).map(tuple)), min_size=1, max_size=4
)


@given(stages, st.integers(2, 32), st.sampled_from(["gaussian", "uniform"]), numbers)
@settings(max_examples=60, deadline=None)
def test_a_task_survives_yaml(drawn, batch_size, distribution, level):
    task = ProxyTask("mine", stages=tuple(drawn), batch_size=batch_size, noise=Noise(distribution, level))
    assert tasks.parse(tasks.dump(task), "mine") == task


@pytest.mark.parametrize("name", tasks.names())
def test_shipped_tasks_survive_yaml_and_a_users_file_works_wherever_a_name_does(name, tmp_path):
    task = tasks.get(name)
    path = tmp_path / "mine.yaml"
    path.write_text(tasks.dump(task), encoding="utf-8")
    assert tasks.get(path) == tasks.get(str(path)) == dataclasses.replace(task, name="mine")


def test_shipped_tasks_have_the_papers_numbers(shared):
    reference = json.loads((shared / "reference" / "proxy_tasks.json").read_text(encoding="utf-8"))
    assert set(reference) <= set(tasks.names())
    for name, expected in reference.items():
        task = tasks.get(name)
        assert (task.kind, task.batch_size) == (expected["kind"], expected["batch_size"])
        if task.kind == "rnn":
            continue
        assert dataclasses.asdict(task.noise) == expected["noise"]
        for stage, goal in zip(task.stages, expected["stages"]):
            assert stage.channels == goal["channels"] and len(stage.signals) == len(goal["signals"])
            for part, signal in zip(stage.signals, goal["signals"]):
                assert all(
                    (list(value) if isinstance(value, tuple) else value) == signal[key]
                    for key, value in dataclasses.asdict(part).items()
                    if key in signal
                )


@pytest.mark.parametrize("signal", tasks.SINGLE_SIGNALS)
def test_single_signals_of_table_1_are_tasks_of_one_stage(signal):
    for stage in (1, 2, 3):
        task = tasks.get(f"{signal}@{stage}")
        assert [bool(s.signals) for s in task.stages] == [i == stage for i in (1, 2, 3)]
        assert [bool(w) for w in task.weights()] == [i == stage for i in (1, 2, 3)]
    assert tasks.get(signal) == tasks.get(f"{signal}@3")


def test_weights_double_from_stage_to_stage_whatever_their_number():
    combo = tasks.get("combo")
    assert combo.weights() == (0.25, 0.5, 1.0)
    assert combo.for_stages(5).weights() == (0.0625, 0.125, 0.25, 0.5, 1.0)
    assert combo.for_stages(2).stages == combo.stages[1:]
    assert combo.for_stages(5).stages[-3:] == combo.stages


def test_targets_come_from_the_seed_alone_and_sum_their_signals():
    inputs = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    combo = tasks.get("combo")
    state = torch.get_rng_state()
    first, again, other = (tasks.targets(combo, inputs, 8, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert [t.shape for t in first] == [(4, 64, 8, 8)] * 3
    assert all(map(torch.equal, first, again)) and not any(map(torch.equal, first, other))
    one = ProxyTask("one", stages=(Stage(16, (Signal("dot", 1.0),)),))
    three = ProxyTask("three", stages=(Stage(16, (Signal("dot", 3.0),)),))
    assert torch.equal(3 * tasks.targets(one, inputs, 8, 0)[0], tasks.targets(three, inputs, 8, 0)[0])


def test_sequences_have_the_tasks_length_and_dimension():
    task = tasks.get("nlp-combo")
    source, target = tasks.sequences(task, 5, 0)
    assert source.shape == target.shape == (task.length, 5, task.stages[0].channels)
    assert torch.equal(source, tasks.sequences(task, 5, 0)[0])


GOOD = "kind: cnn\nstages:\n- {channels: 8, signals: [{basis: dot, fraction: 0.5}]}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: []", ["'kind'", "cnn, rnn"]),
        ("kind: cnn", ["'stages'", "missing"]),
        (GOOD.replace("fraction: 0.5", "fraction: 2"), ["'fraction'", "from 0 to 1", "stages[0]"]),
        (GOOD.replace("fraction: 0.5", "fractions: 0.5"), ["'fractions'", "did you mean 'fraction'"]),
        (GOOD.replace("dot", "dots"), ["'basis'", "dots", "gdot"]),
        (GOOD.replace("channels: 8", "channels: many"), ["'channels'", "whole number from 1 up"]),
        (GOOD.replace("{basis: dot, fraction: 0.5}", "{basis: sin1d}"), ["'frequencies'", "missing"]),
        (GOOD + "stage_weights: [1, 2]", ["'stage_weights'", "2 numbers for 1 stages"]),
        (GOOD + "noise: {level: high}", ["'level'", "'high'"]),
        ("- a list", ["keys and values"]),
        ("kind: [", ["not YAML"]),
    ],
)
def test_a_wrong_file_names_the_key_and_what_it_takes(tmp_path, text, words):
    path = tmp_path / "task.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        tasks.get(path)
    message = str(error.value)
    assert "task.yaml" in message and "\n" not in message and all(word in message for word in words), message


def test_an_unknown_task_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'combo'"):
        tasks.get("comb")
    with pytest.raises(InputError, match="cannot be read"):
        tasks.get("absent.yaml")
    with pytest.raises(InputError, match="stage '4'"):
        tasks.get("dot-100@4")
