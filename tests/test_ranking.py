"""Ranking: distinct samples, the truth's side, rows on disk as they come, memory that does not grow."""

from __future__ import annotations

import csv
import itertools
import json
import math
import tracemalloc

import numpy as np
import pytest

from naslib_gennas import files, proxies, spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.nasbench201 import OPERATIONS
from naslib_gennas.studies import ranking
from naslib_gennas.truth import sampling

TINY = Profile(name="tiny", cells=1, channels=4, images=2, resolution=8, target_size=2, steps=2)
SPACE = spaces.get("nasbench201")


def parameters(network, inputs, seed):
    return Score(float(sum(p.numel() for p in network.parameters())))


#: Cheap, deterministic, with ties.
SIZE = Proxy("size", parameters, TINY, 2)


@pytest.fixture
def table(tmp_path):
    """Half of the cells that only differ in their edges to node 3, by how many convolutions they have."""
    path = tmp_path / "truth.csv"
    rows = ["arch,accuracy,val_loss"]
    for d, e, f in itertools.product(OPERATIONS, repeat=3):
        arch = SPACE.format(("nor_conv_3x3", "none", "nor_conv_1x1", d, e, f))
        value = sum(operation.startswith("nor_conv") for operation in (d, e, f))
        rows.append(f"{arch},{value},{-value}")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101"])
def test_no_architecture_is_drawn_twice_nor_two_that_are_isomorphic(name):
    space = spaces.get(name)
    drawn = list(sampling.draw(space, 200, 0))
    assert len({space.key(arch) for arch in drawn}) == 200
    assert drawn == list(sampling.draw(space, 200, 0)) != list(sampling.draw(space, 200, 1))
    assert drawn[:50] == list(sampling.draw(space, 50, 0))


def test_a_sample_may_be_the_whole_space():
    assert len({SPACE.format(arch) for arch in sampling.draw(SPACE, SPACE.count, 0)}) == SPACE.count


def test_a_partial_table_is_what_is_drawn_from(table):
    result = ranking.rank(SPACE, SIZE, 40, truth=table, workers=1)
    assert result.n == 40 and all(row.truth is not None for row in result.architectures)
    assert result.truth["matched"] == 40 and result.truth["architectures"] == 125
    with pytest.raises(InputError, match="only 125 architectures are in the truth"):
        ranking.rank(SPACE, SIZE, 126, truth=table, workers=1)


def test_agreement_is_positive_for_losses_too(table):
    accuracy = ranking.rank(SPACE, SIZE, 60, truth=table, workers=1)
    loss = ranking.rank(SPACE, SIZE, 60, truth=f"{table}:val_loss", workers=1)
    assert accuracy.spearman.value > 0.5 and accuracy.spearman == loss.spearman
    assert accuracy.kendall == loss.kendall and accuracy.retrieval == loss.retrieval
    assert [row.arch for row in accuracy.architectures] == [row.arch for row in loss.architectures]
    flipped = ranking.rank(SPACE, SIZE, 60, truth=f"{table}:val_loss", higher_is_better=True, workers=1)
    assert flipped.spearman.value == pytest.approx(-loss.spearman.value)


def test_best_come_first_and_untrainable_last():
    dead = SPACE.format(("none",) * 6)
    archs = [dead, *(SPACE.format(arch) for arch in sampling.draw(SPACE, 8, 1))]
    result = ranking.rank(SPACE, SIZE, archs=[*archs, archs[1]], truth=None, workers=1)
    scores = [row.score for row in result.architectures]
    assert result.n == 9 and scores == sorted(scores, reverse=True)
    assert result.architectures[-1].status == "untrainable" and scores[-1] == -math.inf


def test_the_best_race_and_isomorphic_ones_enter_once(table, tmp_path):
    small = TINY.replace(name="small", steps=16)
    result = ranking.rank(SPACE, "gennas-combo", 30, truth=None, profile=small, best=2, workers=1, out=tmp_path / "run")
    assert len(result.finalists) == 8 and len({one.arch for one in result.finalists}) == 8
    entered = {row.arch for row in result.architectures[:8]}
    assert {one.arch for one in result.finalists} == entered
    content = json.loads((tmp_path / "run/result.json").read_text(encoding="utf-8"))
    assert [one["arch"] for one in content["best"]] == [one.arch for one in result.finalists[:2]]
    assert content["finalists"] == 8 and content["core_seconds"] > sum(row.seconds for row in result.architectures)
    with pytest.raises(InputError, match="best is -1"):
        ranking.rank(SPACE, SIZE, 4, best=-1)
    with pytest.raises(InputError, match="'size' has a profile of its own"):
        ranking.rank(SPACE, SIZE, 4, best=1)


def test_the_run_folder_has_every_score_and_result(table, tmp_path):
    out = tmp_path / "runs" / "one"
    lines = []

    def watch(record, done, total):
        lines.append(len((out / "scores.csv").read_text(encoding="utf-8").splitlines()))

    result = ranking.rank(SPACE, SIZE, 10, truth=table, workers=1, out=out, progress=watch)
    assert lines == list(range(2, 12))  # each row is on disk when its score is known
    content = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert content == json.loads(files.to_json(result.to_json()))
    assert set(content["spearman"]) == {"value", "low", "high"} and len(content["architectures"]) == 10
    assert {"arch", "score", "truth", "seconds", "status"} <= set(content["architectures"][0])
    with open(out / "scores.csv", encoding="utf-8") as file:
        assert {row["arch"] for row in csv.DictReader(file)} == {row.arch for row in result.architectures}
    assert (out / "scatter.png").read_bytes().startswith(b"\x89PNG")
    ranking.rank(SPACE, SIZE, 10, truth=table, workers=1, out=out)
    assert (out / "scores.previous.csv").exists()


def test_an_interrupted_run_leaves_what_was_done_and_goes_on_from_there(tmp_path):
    store = tmp_path / "store.sqlite"

    def stop(record, done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(ranking.Interrupted) as stopped:
        ranking.rank(SPACE, SIZE, 10, truth=None, workers=1, out=tmp_path / "a", store=store, progress=stop)
    assert stopped.value.result.n == 4 and not stopped.value.result.complete
    content = json.loads((tmp_path / "a" / "result.json").read_text(encoding="utf-8"))
    assert content["n"] == 4 and content["complete"] is False
    again = ranking.rank(SPACE, SIZE, 10, truth=None, workers=1, store=store)
    whole = ranking.rank(SPACE, SIZE, 10, truth=None, workers=1)
    assert again.reused == 4
    assert [(r.arch, r.score) for r in again.architectures] == [(r.arch, r.score) for r in whole.architectures]


def test_a_full_disk_loses_the_file_and_not_the_scores(tmp_path):
    """/dev/full answers every write with "no space left on device"."""
    from pathlib import Path

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "scores.csv").symlink_to("/dev/full")
    with pytest.warns(RuntimeWarning, match="incomplete"):
        rows = files.Rows(tmp_path / "scores.csv", ("a",))
    rows.write({"a": 1})
    rows.close()
    assert "space" in rows.problem


def test_memory_does_not_grow_but_for_the_rows():
    def detailed(network, inputs, seed):
        return Score(1.0, details={"losses": [[i, float(i)] for i in range(200)]})

    def peak(n):
        tracemalloc.start()
        ranking.rank(SPACE, Proxy("flat", detailed, TINY, 2), n, truth=None, workers=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(5)  # what is loaded once
    # A row's details alone are 20 kB: they are not kept.
    assert peak(50) - peak(10) < 40 * 8000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "# mine\n{0}\n\n{1}\n"),
        ("a.json", '["{0}", "{1}"]'),
        ("a.csv", "arch,accuracy\n{0},1\n{1},2\n"),
    ],
)
def test_architectures_from_files(tmp_path, name, content):
    first, second = (SPACE.format(arch) for arch in sampling.draw(SPACE, 2, 0))
    path = tmp_path / name
    path.write_text(content.format(first, second), encoding="utf-8")
    assert [SPACE.format(arch) for arch in ranking.read_architectures(path, SPACE)] == [first, second]
    path.write_text(content.format(first, "|oops|"), encoding="utf-8")
    with pytest.raises(InputError, match="(line 4|entry 2|row 2).*oops"):
        ranking.read_architectures(path, SPACE)


def test_wrong_input_is_said_before_any_work(table, tmp_path):
    elsewhere = SPACE.format(("avg_pool_3x3", "none", "none", "none", "avg_pool_3x3", "none"))
    cases = [
        ({"n": 15626}, "only 15,625 architectures are in nasbench201"),
        ({"n": 0}, "whole number from 1 up"),
        ({"proxy": 3}, "proxy is 3; it takes a proxy's name"),
        ({"best": 1.5}, "best is 1.5; it takes a whole number from 0 up"),
        ({"top_percent": "a"}, "top percent is 'a'"),
        ({"n": 2.5}, "n is 2.5; it takes a whole number from 1 up"),
        ({"n": "a"}, "whole number from 1 up"),
        ({"top_percent": 0}, "top percent"),
        ({"archs": ["|oops|"]}, "oops"),
        ({"archs": []}, "no architectures are given"),
        ({"truth": table, "archs": [elsewhere]}, "0 matched"),
        ({"inputs": "photo"}, "did you mean 'photos'"),
        ({"proxy": "gennas-comb"}, "did you mean 'combo'"),
        ({"proxy": "gennas-combo", "profile": "slow"}, "unknown profile"),
        ({"profile": "fast"}, "has a profile of its own"),
    ]
    for arguments, message in cases:
        out = tmp_path / "out"
        with pytest.raises(InputError, match=message):
            ranking.rank(SPACE, **{"proxy": SIZE, "truth": None, "workers": 1, "out": out, **arguments})
        assert not out.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output folder"):
        ranking.rank(SPACE, SIZE, 2, truth=None, workers=1, out=tmp_path / "file" / "x")


def test_score_is_what_rank_gives():
    import naslib_gennas

    proxy = proxies.get("gennas-combo", TINY)
    arch = next(a for a in sampling.draw(SPACE, 20, 0) if SPACE.untrainable(a) is None)
    record = naslib_gennas.score("nasbench201", SPACE.format(arch), proxy, seed=3)
    ranked = ranking.rank("nasbench201", proxy, archs=[arch], truth=None, seed=3, workers=1)
    assert record.status == "ok" and record.score == ranked.architectures[0].score
    assert np.isfinite(record.score) and record.seconds > 0


def test_installed_truth_is_used_by_default():
    if not truth.installed(SPACE):
        pytest.skip("the extra demo is not installed")
    result = ranking.rank(SPACE, SIZE, 5, workers=1)
    assert result.truth["name"].startswith("analog-nasbench") and result.truth["matched"] == 5


def test_a_direction_that_was_only_assumed_is_doubted(tmp_path):
    drawn = [SPACE.format(arch) for arch in sampling.draw(SPACE, 20, 0)]
    convolutions = [(arch, 9 * arch.count("conv_3x3~") + arch.count("conv_1x1~")) for arch in drawn]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["arch,x,wer", *(f"{arch},{-n},{-n}" for arch, n in convolutions)]), encoding="utf-8")
    doubted = ranking.rank(SPACE, SIZE, truth=f"{path}:x", workers=1)
    assert doubted.spearman.value < -0.5 and "add --lower-is-better" in doubted.to_json()["truth"]["remarks"][-1]
    asked = ranking.rank(SPACE, SIZE, truth=f"{path}:x", workers=1, higher_is_better=False)
    named = ranking.rank(SPACE, SIZE, truth=f"{path}:wer", workers=1)
    for result in (asked, named):
        assert result.truth["remarks"] == [] and result.spearman.value == -doubted.spearman.value
