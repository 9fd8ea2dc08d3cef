"""`gennas reproduce`: the paper's tables and figures, run again at a tiny size."""

from __future__ import annotations

import csv
import dataclasses
import html
import json
import math
import random
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import CliRunner
from kills import kept, kill

from naslib_gennas import proxies, spaces, truth
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import gennas
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import ranking, reproduction_report, reproduction_searches, search, task_search
from naslib_gennas.studies.reproduce import reproduce
from naslib_gennas.studies.reproduction import ENTRIES
from naslib_gennas.studies.reproduction_rows import PAPER
from naslib_gennas.truth import data_sets
from naslib_gennas.truth.benchmark_files import analog_installed

TINY = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 2}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of ten NAS-Bench-101 architectures, without an ImageNet column."""
    folder = tmp_path_factory.mktemp("tables")
    space, rng = spaces.get("nasbench101"), np.random.default_rng(0)
    archs = {space.key(arch): arch for arch in (space.sample(rng) for _ in range(20))}
    with open(folder / "some.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["arch", "cifar10_test_acc"])
        for place, arch in enumerate(list(archs.values())[:10]):
            rows.writerow([space.format(arch), 90 + (place * 7 % 10) / 10])
    return folder


@pytest.fixture(scope="module")
def here(tables: Path, tmp_path_factory: pytest.TempPathFactory):
    """Runs an entry at a tiny size."""
    store = tmp_path_factory.mktemp("store") / "scores.sqlite"
    shared = {"folders": [tables], "profile": TINY, "workers": 1, "store": store}
    return lambda name, **more: reproduce(
        name, **{**shared, **({"n": "3"} if name in ENTRIES and ENTRIES[name].n else {}), **more}
    )


def only(monkeypatch, name: str, keep) -> None:
    """Leave an entry with some of its rows."""
    entry = ENTRIES[name]
    monkeypatch.setitem(ENTRIES, name, dataclasses.replace(entry, rows=tuple(filter(keep, entry.rows))))


def test_every_table_and_figure_is_listed_with_its_cost_at_both_scales() -> None:
    names = [*(f"table{number}" for number in range(1, 11)), "figure5", "figure6", "figure8"]
    assert list(ENTRIES) == names
    printed = " ".join(CliRunner().invoke(app, ["reproduce"]).output.split())
    for name in names:
        entry = ENTRIES[name]
        assert f"{name} {entry.small} {entry.full} {entry.title}" in printed


def test_table_1_has_its_36_cells_each_the_correlation_that_a_ranking_gives(
    here, tables, tmp_path, monkeypatch
) -> None:
    signals = PAPER["signal_ablation_nasbench101_spearman"]
    assert [row.published["spearman"] for row in ENTRIES["table1"].rows] == [
        value for stage in (1, 2, 3) for value in signals[f"stage{stage}"]
    ]
    only(monkeypatch, "table1", lambda row: row.column.startswith("dot"))
    made = here("table1")
    cell = next(one for one in made.measured if (one.row.line, one.row.column) == ("stage 2", "dot-50"))
    table = f"{tables / 'some.csv'}:cifar10_test_acc"
    ranked = ranking.rank("nasbench101", "gennas-dot-50@2", 3, truth=table, profile=TINY, workers=1)
    assert cell.figures["spearman"].value == ranked.spearman.value
    assert {score for score, _ in cell.points} == {row.score for row in ranked.architectures}
    folder = reproduction_report.write(made, tmp_path / "out")
    with open(folder / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and all(row["published"] and row["n"] == "3" for row in rows)
    report = (folder / "report.html").read_text()
    assert "paper 0.81" in report and "dot-100" in report and "data:image/svg+xml" in report
    assert r"\toprule" in (folder / "table.tex").read_text()
    assert len(json.loads((folder / "result.json").read_text())["rows"]) == 6
    assert {file.suffix for file in folder.glob("against-paper.*")} == {".png", ".svg", ".pdf"}


def test_rows_without_ground_truth_say_what_to_install_and_fail_nothing_else(here, monkeypatch) -> None:
    only(monkeypatch, "table6", lambda row: row.space.startswith("nds-") or row.line.endswith("single"))
    made = here("table6")
    known = [one for one in made.measured if one.row.space == "nasbench101"]
    blank = [one for one in made.measured if one.row.space.startswith("nds-")]
    assert len(known) == 7 and all(one.figures and not one.problem for one in known)
    assert len(blank) == 14 and all("gennas truth add nds FOLDER" in one.problem for one in blank)
    assert not made.failure and any("ResNet, search-R" in line for line in reproduction_report.blanks(made))
    scores = {one.row.column: [score for score, _ in one.points] for one in known if one.row.line.endswith("single")}
    assert len({tuple(values) for values in scores.values()}) == len(scores)  # biases of the heads count, too


def test_a_table_that_no_row_uses_is_refused(tables) -> None:
    with pytest.raises(InputError, match="has no use here: the search spaces are nasbench101; leave it out"):
        reproduce("table1", truths=[f"nasbench201={tables / 'some.csv'}"])


def test_ground_truth_whose_name_does_not_say_is_turned_round_on_request(here, tables, tmp_path, monkeypatch) -> None:
    only(monkeypatch, "table5", lambda row: row.space == "nasbench101" and row.seed == 0)
    (tmp_path / "t.csv").write_text((tables / "some.csv").read_text().replace("cifar10_test_acc", "cifar10", 1))
    given = {"folders": [], "truths": [f"nasbench101={tmp_path / 't.csv'}"]}
    found = [here("table5", **given, **more) for more in ({}, {"higher_is_better": False})]
    first, turned = (made.measured[0].figures["spearman"].value for made in found)
    assert first == -turned != 0
    table = str(tables / "some.csv")
    both = ["reproduce", "table5", "--lower-is-better", "--higher-is-better", "--truth", f"nasbench101={table}"]
    assert CliRunner().invoke(app, both).exit_code != 0


def test_a_data_set_that_the_table_lacks_is_named(here, monkeypatch) -> None:
    only(monkeypatch, "table8", lambda row: row.column in ("synflow", "single", "econas"))
    made = here("table8")
    absent = [one for one in made.measured if one.row.data_set == "imagenet"]
    assert absent and all("no column for imagenet" in one.problem for one in absent)
    assert all(one.figures for one in made.measured if one.row.data_set == "cifar10" and one.row.space == "nasbench101")
    assert set(next(one for one in made.measured if one.figures).figures) == {
        f"retrieval {percent}%" for percent in (5, 10, 20, 50)
    }
    econas = [one for one in made.measured if one.row.column == "econas"]
    assert len(econas) == 3 and all("does not have it" in one.problem for one in econas)


@pytest.mark.skipif(not analog_installed(), reason="analog-nasbench is not installed (the extra demo)")
def test_analog_nasbench_is_cifar10_and_no_other_data_set(here, monkeypatch) -> None:
    only(monkeypatch, "table8", lambda row: row.space == "nasbench201" and row.column == "synflow")
    rows = {one.row.data_set: one for one in here("table8").measured}
    assert rows["cifar10"].figures and rows["cifar10"].truth.startswith("analog-nasbench")
    for other in ("cifar100", "imagenet16-120"):
        assert f"no column for {other}" in rows[other].problem and "pip install" not in rows[other].problem


@pytest.mark.parametrize(
    "file, column, data_set",
    [
        ("t.csv", "cifar100_valid_acc", "cifar100"),
        ("t.csv", "ImageNet16-120.test", "imagenet16-120"),
        ("t.csv", "imagenet_top1", "imagenet"),
        ("CIFAR-10.csv", "accuracy", "cifar10"),
        ("cifar10.csv", "cifar100_acc", "cifar100"),
        ("t.csv", "accuracy", None),
    ],
)
def test_the_data_set_of_a_table_is_what_its_column_or_its_file_is_named_after(file, column, data_set) -> None:
    table = truth.Truth(f"{file}:{column}", column, True, {}, {})
    assert data_sets.of(table) == (data_set and data_sets.plain(data_set))


def test_seeds_of_table_5_score_one_sample(here) -> None:
    runs = [one for one in here("table5").measured if one.figures]
    assert len(runs) == 10
    assert len({tuple(value for _, value in one.points) for one in runs}) == 1
    assert len({one.points for one in runs}) == 10


def test_figure_8_has_both_tasks_on_the_same_images_and_what_fewer_steps_give(here, tables, monkeypatch) -> None:
    only(monkeypatch, "figure8", lambda row: row.profile["images"] in (1, 16))
    profile = {**TINY, "steps": 4, "record_every": 2}
    made = here("figure8", profile=profile)
    columns = {line: set() for line in ("regression", "classification", "iterations, 16 images")}
    for one in made.measured:
        columns[one.row.line].add(one.row.column)
    assert columns["regression"] == columns["classification"] and "1 image" in columns["regression"]
    assert columns["iterations, 16 images"] == {"2 steps", "4 steps"}
    shorter = proxies.get("gennas-combo", {**profile, "images": 16, "steps": 2})
    known = next(one for one in made.measured if one.row.line == "regression" and one.row.column == "16 images")
    after = next(one for one in made.measured if one.row.column == "2 steps")
    table = f"{tables / 'some.csv'}:cifar10_test_acc"
    ranked = ranking.rank("nasbench101", shorter, 3, truth=table, workers=1)
    assert after.figures["spearman"].value == ranked.spearman.value and after.n == known.n == 3
    drawn = [cell for cell in reproduction_report.cells(made) if cell.column == "1 image"]
    assert {cell.runs for cell in drawn} == {2}  # the seeds of a place are one cell


@pytest.mark.parametrize("name", ["table3", "figure6"])
def test_searches_are_judged_by_what_the_table_has(name, here, monkeypatch) -> None:
    monkeypatch.setitem(reproduction_searches.EVALUATIONS, "small", 4)
    monkeypatch.setitem(reproduction_searches._AGEING, "small", {"population": 3, "tournament": 2})
    only(monkeypatch, name, lambda row: row.seed == 0 or name == "table3")
    made = here(name, **({"n": "5"} if ENTRIES[name].n else {}))
    if name == "figure6":
        assert len(made.measured) == 2 and all(len(one.curve) == 4 and one.n == 5 for one in made.measured)
        for one in made.measured:
            values = [value for _, value in one.curve]
            assert values == sorted(values) and one.figures["rho on the labels"].value == values[-1]
        return
    optimal = next(one for one in made.measured if one.row.column == "optimal" and one.figures)
    assert optimal.figures["found"].value == 90.9 and optimal.row.published == {"found": 94.32}
    searched = [one for one in made.measured if one.row.space == "nasbench101" and one.row.column == "search-N"]
    assert len(searched) == 2 and all(90 <= one.figures["found"].value <= 90.9 for one in searched)


def test_table_4_is_networks_of_imagenets_size_with_pictures(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(reproduction_searches.EVALUATIONS, "small", 2)
    monkeypatch.setitem(reproduction_searches._AGEING, "small", {"population": 2, "tournament": 1})
    only(monkeypatch, "table4", lambda row: row.column == "combo")
    assert (reproduction_searches.CELLS, reproduction_searches.BOUNDS) == (14, ("flops>=500M", "flops<=600M"))
    monkeypatch.setattr(reproduction_searches, "CELLS", 5)
    monkeypatch.setattr(reproduction_searches, "BOUNDS", ("flops>=80M", "flops<=100M"))
    made = reproduce("table4", profile=TINY, workers=1)
    found = made.measured[0]
    assert 80 <= found.figures["multiply-additions (M)"].value <= 100 and found.figures["params (M)"].value > 0.1
    folder = reproduction_report.write(made, tmp_path / "out")
    assert (folder / "combo.svg").read_text().startswith("<svg") and found.arch in made.to_json()["rows"][0]["arch"]
    assert "--scale small --n 6 --seed 0" in reproduction_report.command(made)
    words = shlex.split(found.export)
    shown = html.unescape((folder / "report.html").read_text(encoding="utf-8"))
    assert words[:4] == ["gennas", "export", "darts", found.arch] and found.export in shown
    done = CliRunner().invoke(app, [*words[1:-1], str(tmp_path / "combo.py")])
    assert done.exit_code == 0 and "parameters" in done.output


def test_the_task_of_search_d14_is_searched_on_labelled_cells(monkeypatch, tmp_path) -> None:
    """It finds what task search and search find one after the other."""
    monkeypatch.setitem(reproduction_searches.EVALUATIONS, "small", 4)
    monkeypatch.setitem(reproduction_searches._AGEING, "small", {"population": 2, "tournament": 1})
    monkeypatch.setattr(reproduction_searches, "_QUICK", {"steps": 3})
    monkeypatch.setattr(reproduction_searches, "_sized", lambda row, arch: {})
    only(monkeypatch, "table4", lambda row: row.few_shot)
    blank = reproduce("table4", profile=TINY, workers=1).measured[0]
    assert "gennas truth add darts FILE" in blank.problem and not blank.arch

    space, rng = spaces.get("darts"), np.random.default_rng(0)
    archs = [space.format(space.sample(rng)) for _ in range(6)]
    values = dict(zip(archs, (90.0, 91.0, 92.0, 93.0, 94.0, 95.0)))
    (tmp_path / "tables").mkdir()
    with open(tmp_path / "tables" / "cells.csv", "w", newline="") as file:
        csv.writer(file).writerows([("genotype", "cifar10_valid_acc"), *values.items()])
    told = []
    made = reproduce(
        "table4",
        folders=[tmp_path / "tables"],
        profile=TINY,
        workers=1,
        store=tmp_path / "s.sqlite",
        progress=lambda *step: told.append(step),
    )
    assert told[-1][1:] == (8, 8) and [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    profile = Profile(name="TINY", **TINY)
    common = {"evaluations": 4, "control": False, "population": 2, "tournament": 1, "workers": 1}
    common["store"] = tmp_path / "s.sqlite"
    found = task_search.search("darts", values, profile=profile.replace(steps=3), **common)
    best = search.search("darts", proxy=gennas.from_task(found.candidate, profile), finalists=0, **common)
    assert made.measured[0].arch == best.course.best.arch


def test_a_search_is_scored_once_without_random_search_beside_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(reproduction_searches.EVALUATIONS, "small", 3)
    monkeypatch.setitem(reproduction_searches._AGEING, "small", {"population": 2, "tournament": 1})
    monkeypatch.setattr(reproduction_searches, "_sized", lambda row, arch: {})
    only(monkeypatch, "table4", lambda row: row.column == "combo")
    told = []
    made = reproduce(
        "table4", profile=TINY, workers=1, store=tmp_path / "s.sqlite", progress=lambda *step: told.append(step[1:])
    )
    assert [step for step in told if step[0]] == [(1, 3), (2, 3), (3, 3)] and made.measured[0].n == 3


def test_costs_are_measured_in_a_process_of_their_own(tmp_path, monkeypatch) -> None:
    only(monkeypatch, "table10", lambda row: row.space == "nasbench201" and row.column == "batch 16")
    made = reproduce("table10", profile=TINY, store=tmp_path / "scores.sqlite")
    figures = made.measured[0].figures
    assert 0 < figures["seconds an iteration"].value < 10 and figures["peak memory (MB)"].value >= 0
    assert made.measured[0].row.published == {"seconds an iteration": 0.02}


def test_a_killed_reproduction_goes_on(here, tmp_path) -> None:
    store, draw = tmp_path / "scores.sqlite", random.Random(1)
    held = kill(lambda: here("table5", n="3", store=store), store, draw)
    assert held
    resumed, whole = here("table5", n="3", store=store), here("table5", n="3", store=tmp_path / "other.sqlite")
    after = kept(store)
    assert len(held) < len(after) == 30 and all(after[key] == row for key, row in held.items())
    assert [one.points for one in resumed.measured] == [one.points for one in whole.measured]


def test_mistakes_are_a_line(here, tables) -> None:
    for more, message in (
        ({"name": "table11"}, "unknown table or figure 'table11'; did you mean 'table1"),
        ({"name": "table1", "scale": "medium"}, "unknown scale 'medium'"),
        ({"name": "table1", "n": "none"}, "n is 'none'"),
        ({"name": "table6", "initialise": "kaiming"}, "takes no initialisation"),
        ({"name": "table1", "folders": ["nowhere"]}, "truth folder 'nowhere': no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            here(**more)
    nothing = here("table1", folders=[])
    assert "no ground truth: `gennas truth add nasbench101 FILE`" in nothing.failure
    assert math.isnan(nothing.measured[0].seconds)


def test_a_sample_that_a_table_does_not_draw_is_refused() -> None:
    with pytest.raises(InputError, match="table3 draws no sample"):
        reproduce("table3", n="450")
