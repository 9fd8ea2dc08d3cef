"""Trade-offs between objectives: a Pareto front that is one, resumed after kills, and what the command says."""

from __future__ import annotations

import csv
import json
import signal
import sys
import time
from pathlib import Path

import forks
import numpy as np
import pytest
import yaml
from commands import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import entries

from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.spaces import SearchSpace
from naslib_gennas.studies import constraints, nsga2, pareto
from naslib_gennas.truth import sampling

pytest.importorskip("pymoo")

ROOT = str(Path(__file__).parents[1])
TINY = {"name": "tiny", "steps": 2, "images": 2, "resolution": 8, "target_size": 2, "cells": 1, "channels": 4}
SPACE = spaces.get("nasbench201")
USUAL = {"proxy": "naswot", "profile": TINY, "workers": 1, "truth": None, "population": 6}
AIMS = ("score", "params")


def course(found):
    """What a search did, but for the time that it took."""
    return [(one.id, one.generation, one.arch, dict(one.values), one.status) for one in found.history]


def dominates(one, other):
    """Whether a pair of score and cost is as good as another one in both, and better in one."""
    as_good = one[0] >= other[0] and one[1] <= other[1]
    return as_good and one != other


def test_the_front_is_what_nothing_dominates_and_is_written(tmp_path):
    seen = []
    out = tmp_path / "out"
    found = pareto.trade_off(
        SPACE,
        AIMS,
        **USUAL,
        evaluations=32,
        control=True,
        out=out,
        progress=lambda method, one, done: seen.append((method, done)),
    )
    assert seen == [(method, done) for method in ("nsga2", "random") for done in range(1, 33)]
    points = {one.id: tuple(one.values.values()) for one in found.history if None not in one.values.values()}
    expected = {i for i, one in points.items() if not any(dominates(other, one) for other in points.values())}
    assert {one.id for one in found.front} == expected and expected
    scores = [one.values["score"] for one in found.front]
    assert scores == sorted(scores, reverse=True)
    params = constraints.parse("params<1")
    for one in found.front:
        assert one.values["params"] == params.take(SPACE, SPACE.parse(one.arch)).value
    result = json.loads((out / "result.json").read_text())
    assert [one["arch"] for one in result["front"]] == [one.arch for one in found.front]
    assert len(result["history"]) == len(result["control"]) == 32 and result["evaluations"] == 32
    with open(out / "front.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["arch"], float(row["params"])) for row in rows] == [(o.arch, o.values["params"]) for o in found.front]
    with open(out / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["id"]) for row in rows if row["in_front"] == "True"} == expected and len(rows) == 32
    for ending in (".png", ".svg", ".pdf"):
        assert (out / "front").with_suffix(ending).stat().st_size > 5000


def test_the_hypervolume_is_the_share_of_a_stated_box(tmp_path):
    found = pareto.trade_off(SPACE, AIMS, **USUAL, evaluations=18, control=True)
    volume = found.hypervolume
    union = [one.values for one in (*found.history, *found.control) if None not in one.values.values()]
    front = [
        (one["score"], one["params"])
        for one in union
        if not any(dominates((other["score"], other["params"]), (one["score"], one["params"])) for other in union)
    ]
    best = max(score for score, _ in front), min(cost for _, cost in front)
    worst = min(score for score, _ in front), max(cost for _, cost in front)
    assert tuple(volume.ideal.values()) == pytest.approx(best)
    reference = best[0] + 1.1 * (worst[0] - best[0]), best[1] + 1.1 * (worst[1] - best[1])
    assert tuple(volume.reference.values()) == pytest.approx(reference)
    # The area under the steps, counted by columns from the cheapest.
    own = sorted((one.values["params"], one.values["score"]) for one in found.front)
    edges = [*(cost for cost, _ in own), reference[1]]
    area = sum(
        max(0.0, min(right, reference[1]) - left) * max(0.0, score - reference[0])
        for (left, score), right in zip(own, edges[1:])
    )
    assert volume.found[-1] == pytest.approx(area / (reference[1] - best[1]) / (best[0] - reference[0]))
    for values in (volume.found, volume.control):
        assert len(values) == 18 and list(values) == sorted(values) and 0 < values[-1] <= 1
    assert volume.found[:6] == volume.control[:6]  # both begin with the same draws


coordinates = st.integers(0, 4).map(float) | st.sampled_from([float("nan"), float("inf")])


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 4).flatmap(lambda count: st.lists(st.tuples(*[coordinates] * count), max_size=12)))
def test_what_is_not_dominated_is_what_the_definition_says(rows):
    costs = np.array(rows).reshape(len(rows), -1) if rows else np.empty((0, 2))
    finite = [index for index, row in enumerate(costs) if np.isfinite(row).all()]
    expected = [
        index
        for index in finite
        if not any((costs[i] <= costs[index]).all() and (costs[i] < costs[index]).any() for i in finite)
    ]
    assert nsga2.non_dominated(costs) == expected


def test_a_search_interrupted_anywhere_ends_as_the_uninterrupted_one(tmp_path):
    whole = pareto.trade_off(SPACE, AIMS, **USUAL, evaluations=26)
    kept = {"evaluations": 26, "store": tmp_path / "s.sqlite"}
    for stop in (1, 4, 9, 17):

        def interrupt(method, one, done, stop=stop):
            if done == stop:
                raise KeyboardInterrupt

        with pytest.raises(pareto.Interrupted) as stopped:
            pareto.trade_off(SPACE, AIMS, **USUAL, **kept, progress=interrupt)
        assert course(stopped.value.result) == course(whole)[:stop] and not stopped.value.result.complete
    again = pareto.trade_off(SPACE, AIMS, **USUAL, **kept)
    assert course(again) == course(whole) and again.resumed == 17
    assert [one.arch for one in again.front] == [one.arch for one in whole.front]
    shorter = pareto.trade_off(SPACE, AIMS, **USUAL, **{**kept, "evaluations": 8})
    assert course(shorter) == course(whole)[:8] and shorter.resumed == 8
    two = pareto.trade_off(SPACE, AIMS, **{**USUAL, "workers": 2}, evaluations=26)
    assert course(two) == course(whole)
    other = pareto.trade_off(SPACE, AIMS, **{**USUAL, "seed": 1}, **{**kept, "evaluations": 6})
    assert other.resumed == 0 and course(other) != course(shorter)[:6]


KILLED = """
import sys
from naslib_gennas.studies import pareto
pareto.trade_off("nasbench201", {aims}, {usual}, evaluations=40, store=sys.argv[1])
print("done")
"""


def test_a_killed_search_ends_as_the_uninterrupted_one(tmp_path):
    path = tmp_path / "s.sqlite"
    script = KILLED.format(aims=AIMS, usual=", ".join(f"{key}={value!r}" for key, value in USUAL.items()))
    process = forks.script(script, path)
    while process.poll() is None and entries(path) < 9:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert "done" not in process.communicate()[0]
    again = pareto.trade_off("nasbench201", AIMS, **USUAL, evaluations=40, store=path)
    assert 9 <= again.resumed < 40
    assert course(again) == course(pareto.trade_off("nasbench201", AIMS, **USUAL, evaluations=40))


class Bits(SearchSpace):
    """Six choices of two, of which only how many are 1 counts: 64 architectures, 7 that are not isomorphic."""

    name, kind, count, notation, mutation = "bits", "cnn", 64, "010101", "one bit"
    built = []

    def sample(self, rng):
        return "".join(rng.choice(["0", "1"], size=6))

    def mutate(self, arch, rng):
        place = int(rng.integers(6))
        return arch[:place] + "10"[int(arch[place])] + arch[place + 1 :]

    def key(self, arch):
        return str(arch.count("1"))

    def untrainable(self, arch):
        return "all bits are 0" if arch == "000000" else None

    def parse(self, text):
        return text

    def format(self, arch):
        return arch

    def build(self, arch, size):
        return SPACE.build(SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"), size)


def test_isomorphic_architectures_are_evaluated_once_and_a_space_can_be_exhausted():
    found = pareto.trade_off(
        Bits(), AIMS, **{**USUAL, "proxy": "params", "population": 3}, evaluations=50, control=True
    )
    for history in (found.history, found.control):
        keys = [Bits().key(one.arch) for one in history]
        assert sorted(keys) == sorted(set(keys)) and len(keys) == 7
    assert found.exhausted
    failed = [one for one in found.history if one.status != "ok"]
    assert [one.arch for one in failed] == ["000000"] and failed[0].values["score"] is None
    assert failed[0] not in found.front and len(found.front) == 6  # the rest are all equal


def test_a_function_of_the_user_is_an_objective_with_or_without_the_score(empty_folder):
    Path("my.py").write_text(
        "def ones(network):\n    return network.built_from[1].count('1')\n"
        "def sure(network):\n    return True\n"
        "def rising(network):\n    return float('inf') if '111' in network.built_from[1] else 1.0\n",
        encoding="utf-8",
    )
    plain = {"truth": None, "workers": 1, "evaluations": 20, "population": 4}
    found = pareto.trade_off(Bits(), ["params", "my.py:ones"], **plain)
    assert {one.arch.count("1") for one in found.front} == {1}  # 000000 cannot be trained
    infinite = pareto.trade_off(Bits(), ["params", "my.py:rising"], **plain)
    assert all("111" not in one.arch for one in infinite.front)
    assert any(one.status == "failed" and "my.py:rising is inf" in one.reason for one in infinite.history)
    with pytest.raises(InputError, match="objective 'my.py:sure' gives True; it must give a number"):
        pareto.trade_off(Bits(), ["params", "my.py:sure"], **plain)
    with pytest.raises(InputError, match="objectives params, my.py:ones: nothing is scored, proxy has no use"):
        pareto.trade_off(Bits(), ["params", "my.py:ones"], **plain, proxy="naswot")


def test_constraints_hold_and_failures_of_all_end_the_search(empty_folder):
    found = pareto.trade_off(SPACE, AIMS, **USUAL, evaluations=14, constraint=["params<400K"])
    assert all(one.values["params"] < 400e3 for one in found.history)
    Path("bad.py").write_text(
        "from naslib_gennas.proxies import proxy\n@proxy('bad')\ndef bad(network, inputs, seed):\n    return 1 / 0\n",
        encoding="utf-8",
    )
    with pytest.raises(EngineError, match="the first 10 architectures all failed: .*ZeroDivisionError"):
        pareto.trade_off(SPACE, AIMS, **{**USUAL, "proxy": "bad.py"}, evaluations=14)


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_prints_the_front(empty_folder):
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    usual = ["search", "nasbench201", "--proxy", "naswot", "--profile", "tiny.yaml", "--workers", 1, "--population", 5]
    aims = ["--objective", "score", "--objective", "params", "--truth", "none", "--store", "s.sqlite"]
    result = run(*usual, *aims, "--evaluations", 12, "--control", "--out", "out", "--json", "out.json")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("out.json").read_text())
    assert content["method"] == "nsga2" and len(content["history"]) == 12
    assert content["objectives"][1] == {"name": "params", "measured": "params", "better": "lower"}
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["score", "params", "architecture"]
    rows = [line for line in lines if "nor_conv" in line or "skip" in line or "pool" in line]
    assert 1 <= len(rows) <= 10 and rows[0].endswith(content["front"][0]["arch"])
    assert f"{len(content['front'])} architectures that no other one dominates" in result.stdout
    assert "after 12 evaluations" in result.stdout
    assert "Hypervolume: " in result.stdout and "front.csv, history.csv, front.png" in result.stdout
    again = run(*usual, *aims, "--evaluations", 12, "--out", "out")
    assert "12 of the evaluations were done by an earlier run" in again.stdout
    few = run(*usual, *aims, "--evaluations", 4, "--out", "few")
    assert "All were drawn at random: a generation has 5" in few.stdout
    single = run(*usual, "--objective", "score", "--evaluations", 4, "--tournament", 2, "--no-control", "--json", "-")
    assert json.loads(single.stdout)["method"] == "evolution"


def test_a_direction_that_was_only_assumed_is_doubted(empty_folder):
    drawn = {SPACE.key(arch): SPACE.format(arch) for arch in sampling.draw(SPACE, 4000, 0)}
    rows = [f"{arch},{-arch.count('conv_3x3')}" for arch in drawn.values()]
    Path("t.csv").write_text("\n".join(["arch,x", *rows]), encoding="utf-8")
    usual = ["search", "nasbench201", "--proxy", "params", "--workers", 1, "--population", 5, "--evaluations", 15]
    usual += ["--objective", "score", "--objective", "flops", "--store", "s.sqlite", "--truth", "t.csv"]
    assert "rho is strongly negative, and the name 'x' does not say which values are better" in run(*usual).stdout
    assert "rho is strongly negative" not in run(*usual, "--lower-is-better").stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["score", "--objective", "latencey"], "unknown objective 'latencey'; did you mean 'latency'? Known: "),
        (["score", "--objective", "my.py"], "my.py"),
        (["params"], "objective 'params' alone is no trade-off; add another one, such as score"),
        (["score", "--objective", "score"], "objective 'score' is given 2 times; give each one once"),
        (["score", "--objective", "params", "--finalists", "3"], "has no use for --finalists; leave it out"),
        (["score", "--objective", "params", "--method", "rlnas"], "has no use for --method; leave it out"),
        (["score", "--objective", "params", "--tournament", "3"], "has no use for --tournament; leave it out"),
        (["score", "--objective", "params", "--population", "1"], "population is 1; it takes a whole number from 2"),
    ],
)
def test_mistakes_are_a_line(empty_folder, arguments, message):
    result = run("search", "nasbench201", "--objective", *arguments)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not Path("gennas-runs").exists()


def test_recurrent_cells_have_no_flops(empty_folder):
    result = run("search", "nasbenchnlp", "--objective", "score", "--objective", "flops")
    assert result.exit_code == 2 and "nasbenchnlp: recurrent networks have no flops of an image" in result.stderr


def test_without_pymoo_a_line_says_how_to_get_it(empty_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymoo", None)
    result = run("search", "nasbench201", "--objective", "score", "--objective", "params")
    assert result.exit_code == 2 and "pip install 'pymoo>=0.6.2'" in result.stderr


def test_the_folder_of_a_trade_off_is_not_exported_as_one_architecture(empty_folder):
    pareto.trade_off(SPACE, AIMS, **USUAL, evaluations=4, out="out")
    result = run("export", "nasbench201", "out", "--to", "model.py")
    assert result.exit_code == 2 and "'out' holds a trade-off; give one of the architectures in its" in result.stderr
