"""`gennas leaderboard`: the same architectures for all, blanks with reasons, mean ranks, goes on from the store."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.scoring.store import Store
from naslib_gennas.studies import leaderboard as study
from naslib_gennas.studies import leaderboard_figures, leaderboard_report
from naslib_gennas.studies.leaderboard import Interrupted, Leaderboard, leaderboard
from naslib_gennas.truth import metrics, significance

FAST = {"cells": 1, "channels": 4, "images": 4, "resolution": 8, "steps": 2}
SLOW = """
import time
from naslib_gennas.proxies.registry import proxy

@proxy("broken")
def broken(network, inputs, seed):
    raise ValueError("no measure of mine")

@proxy("slow")
def slow(network, inputs, seed):
    end = time.thread_time() + 2
    while time.thread_time() < end:
        pass
    return 1.0
"""


def write_table(path: Path, space: str, columns: Dict[str, Any]) -> None:
    found, rng = spaces.get(space), np.random.default_rng(1)
    drawn = {found.key(arch): arch for arch in (found.sample(rng) for _ in range(60))}
    archs = [arch for arch in drawn.values() if not found.untrainable(arch)][:14]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", *columns])
        for arch in archs:
            text = found.format(arch)
            writer.writerow([text, *(value(text) for value in columns.values())])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tables")
    write_table(place / "one.csv", "nasbench201", {"acc": lambda text: text.count("3x3") + len(text) / 1e3})
    tasks = {"task_a": lambda text: text.count("3"), "task_b": lambda text: -text.count("3") + text.count("1") / 9}
    write_table(place / "two.csv", "transnas-micro", tasks)
    (place / "mine.py").write_text(SLOW)
    return place


@pytest.fixture(scope="module")
def board(folder: Path) -> Leaderboard:
    names = ["params", "l2_norm", "gennas-nlp-combo", "vote:params+l2_norm"]
    return leaderboard(None, names, "10,transnas-*=8", folders=[folder], profile=FAST, workers=1)


def test_all_proxies_and_data_sets_of_a_space_have_the_same_architectures(board: Leaderboard) -> None:
    one, two = board.spaces
    assert (one.name, len(one.architectures)) == ("nasbench201", 10)
    assert (two.name, len(two.architectures)) == ("transnas-micro", 8)
    assert [len(column.scores) for column in two.columns] == [8, 8, 0, 8]
    assert [data_set.name for data_set in two.data_sets] == ["task_a", "task_b"]
    for data_set in two.data_sets:
        assert [column.scores for column in data_set.columns] == [column.scores for column in two.columns]


def test_figures_are_what_metrics_say_and_data_sets_count_as_one_space(board: Leaderboard, folder: Path) -> None:
    two = board.spaces[1]
    rhos = []
    for data_set, sign in zip(two.data_sets, (1, -1)):
        truth = [sign * text.count("3") + (text.count("1") / 9 if sign < 0 else 0) for text in two.architectures]
        assert data_set.columns[0].spearman == metrics.spearman(two.columns[0].scores, truth)
        rhos.append(data_set.columns[0].spearman.value)
    assert two.rho("params") == pytest.approx(sum(rhos) / 2)
    assert board.ranks is not None and board.ranks.spaces == ("nasbench201", "transnas-micro")


def test_a_proxy_that_cannot_score_a_space_is_blank_with_its_reason(board: Leaderboard) -> None:
    last = board.standings[-1]
    assert (last.proxy, last.spaces) == ("gennas-nlp-combo", 0) and math.isnan(last.rho)
    assert len(leaderboard_report.blanks(board)) == 2
    assert "networks of kind rnn" in leaderboard_report.blanks(board)[0]
    assert board.ranks is not None and board.ranks.missing == {"gennas-nlp-combo": board.ranks.spaces}


def test_how_far_a_proxy_is_behind_is_on_its_worst_space(board: Leaderboard) -> None:
    for one in board.standings[:-1]:
        gaps = {s.name: max(s.rho(o.proxy) for o in board.standings[:-1]) - s.rho(one.proxy) for s in board.spaces}
        assert one.behind[0] == pytest.approx(max(gaps.values()))
        assert gaps[one.behind[1]] == pytest.approx(one.behind[0])


def test_the_default_is_compared_with_each_other_proxy_by_more_than_six_spaces(board: Leaderboard) -> None:
    spaces = {
        f"space {i}": {"gennas-plus": 0.8 + i / 100, "params": 0.5, "flops": 0.8 - (-1) ** i * i / 50} for i in range(8)
    }
    p = significance.against(spaces, "gennas-plus")
    assert set(p) == {"params", "flops"}
    assert p["params"] == pytest.approx(2 * 2 / 2**8)  # all of eight signs alike, two comparisons
    standings = tuple(study.Standing(name, 0.5, 8, (0.0, ""), 1.0, p.get(name, math.nan)) for name in spaces["space 0"])
    of_eight = dataclasses.replace(board, standings=standings, ranks=significance.ranks_over(spaces))
    (said,) = leaderboard_report.against_default(of_eight)
    assert "gennas-plus, the default, is better than params (0.016); not told apart from flops" in said
    assert "2 comparisons" in said and said in leaderboard_report.notes(of_eight)
    worse = dataclasses.replace(of_eight, standings=standings[::-1])
    assert "worse than params (0.016)" in leaderboard_report.against_default(worse)[0]
    assert not leaderboard_report.against_default(board)  # two spaces say nothing


def test_what_fails_or_takes_too_long_is_left_out_early(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    names = ["params", str(folder / "mine.py")]
    found = leaderboard(["nasbench201"], names, 6, folders=[folder], profile=FAST, workers=1, limit=1, store=store)
    params, broken, slow = found.spaces[0].columns
    assert params.scored
    assert broken.problem == f"it failed on the first {study.TRIES} architectures: ValueError: no measure of mine"
    assert "above the limit of 1" in slow.problem
    with Store(store) as kept:
        assert {run["proxy"]: run["scores"] for run in kept.runs()} == {"params": 6, "broken": 3, "slow": 1}


def test_a_stopped_leaderboard_says_what_was_done_and_goes_on_from_the_store(folder: Path, tmp_path: Path) -> None:
    seen: List[int] = []

    def stop(what: str, done: int, total: int) -> None:
        seen.append(done)
        if what.startswith("l2_norm on transnas"):
            raise KeyboardInterrupt

    settings = {"folders": [folder], "profile": FAST, "workers": 1, "store": tmp_path / "s.sqlite"}
    with pytest.raises(Interrupted) as stopped:
        leaderboard(None, ["params", "l2_norm"], 5, progress=stop, **settings)
    half = stopped.value.result
    assert not half.complete and half.spaces[0].columns[1].scored and not half.spaces[1].columns[1].scored
    assert "stopped" in half.spaces[1].columns[1].problem
    whole, fresh = (
        leaderboard(None, ["params", "l2_norm"], 5, **{**settings, "store": kept}) for kept in (settings["store"], None)
    )
    for ours, theirs in zip(whole.spaces, fresh.spaces):
        assert [column.scores for column in ours.columns] == [column.scores for column in theirs.columns]
    assert whole.ranks == fresh.ranks


def test_a_larger_sample_begins_with_the_smaller_one(folder: Path) -> None:
    small, large = (
        leaderboard(["nasbench201"], ["params"], n, folders=[folder], profile=FAST, workers=1) for n in (4, 9)
    )
    assert large.spaces[0].architectures[:4] == small.spaces[0].architectures


def test_the_files_hold_the_table_the_figures_and_the_reasons(board: Leaderboard, folder: Path, tmp_path: Path) -> None:
    leaderboard_report.write(board, tmp_path)
    content = json.loads((tmp_path / "result.json").read_text())
    assert [row["proxy"] for row in content["standings"]] == [one.proxy for one in board.standings]
    with open(tmp_path / "standings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["proxy"] == board.standings[0].proxy and rows[-1]["mean_rho"] == ""
    with open(tmp_path / "table.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 3 * len(board.standings)
    assert float(table[0]["spearman"]) == board.spaces[0].data_sets[0].columns[0].spearman.value
    tex = (tmp_path / "standings.tex").read_text()
    assert r"\toprule" in tex and r"vote:params+l2\_norm" in tex
    assert r"task\_a" in (tmp_path / "table.tex").read_text()
    html = (tmp_path / "report.html").read_text()
    assert f"--truth-folder {folder}" in html and "nasbench201=10,transnas-micro=8" in html
    assert "cannot score nasbench201" in html and html.count("data:image/svg+xml") == 2
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{name}.{end}" for name in ("critical-differences", "cost") for end in ("svg", "pdf")}


def test_the_critical_difference_picture_names_every_proxy_and_draws_every_group(board: Leaderboard) -> None:
    assert board.ranks is not None
    axis = leaderboard_figures.critical_differences(board.ranks).axes[0]
    texts = " ".join(text.get_text() for text in axis.texts)
    assert all(name in texts for name in board.ranks.methods)
    thick = [line for line in axis.lines if line.get_linewidth() == 3]
    assert len(thick) == len(board.ranks.groups) > 0


def test_the_cost_picture_names_every_proxy_with_scores_and_has_plain_numbers(board: Leaderboard) -> None:
    made = leaderboard_figures.cost(board)
    assert made is not None
    made.canvas.draw()
    axis = made.axes[0]
    assert {text.get_text() for text in axis.texts} == {one.proxy for one in board.standings if one.spaces}
    ticks = [label.get_text() for label in axis.get_xticklabels()]
    assert ticks and all(float(text) > 0 for text in ticks)


@pytest.mark.parametrize("n", ["0", "x", "darts=", "10,nds=-3", "²", 0, -1, "60,nds" + "[" * 20000 + "=4"])
def test_a_size_that_is_none_is_refused(n: Any) -> None:
    with pytest.raises(InputError, match="it takes a number from 1 up"):
        study.sizes(n)


def test_rules_are_judged_on_the_space_that_had_no_part_in_them(board: Leaderboard, tmp_path: Path) -> None:
    leaderboard_report.write(board, tmp_path)
    script = Path(__file__).parents[1] / "benchmarks" / "leave_one_space_out.py"
    command = [sys.executable, str(script), str(tmp_path / "result.json"), "--parts", "params,l2_norm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "8 rules, 2 spaces" in done.stdout
    rows = {line.split("|")[1].strip(): line for line in done.stdout.splitlines() if line.startswith("| ")}
    for space in board.spaces:
        start = f"| {space.name} | {len(space.architectures)} |"
        assert rows[space.name].startswith(start) and rows[space.name].endswith(f"| {space.rho('params'):.2f} |")


def test_the_command_prints_the_standings_and_writes_json(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "naslib_gennas", "leaderboard", "--truth-folder", str(folder)]
    command += ["--spaces", "nasbench201", "--proxies", "params,l2_norm", "--n", "5", "--workers", "1", "--json", "-"]
    command += ["--store", str(tmp_path / "s.sqlite"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spaces"][0]["space"] == "nasbench201"
    assert "mean rank" in done.stderr and "fewer than six search spaces" in done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
