"""A search under several seeds, with mean and band; networks fitted to a bound and exported as a search left them."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
from commands import CliRunner
from journals import entries

import naslib_gennas
from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.scoring import Scorer
from naslib_gennas.studies import constraints, search, seeds_report
from naslib_gennas.studies.seeds import search_seeds

USUAL: Dict[str, Any] = {"proxy": "params", "population": 3, "tournament": 2, "workers": 1, "truth": None}


def course(found: Any) -> List[Any]:
    return [(step.id, step.arch, step.score, step.parent, step.birth) for step in found.steps]


def test_searches_under_several_seeds_are_those_of_each_seed(tmp_path: Path) -> None:
    kept = {**USUAL, "evaluations": 8, "store": tmp_path / "s.sqlite"}
    two = search_seeds("nasbench201", 2, **kept)
    kept["out"] = tmp_path / "out"
    for seed, found in enumerate(two.searches):
        alone = search.search("nasbench201", **USUAL, evaluations=8, seed=seed)
        assert course(found.course) == course(alone.course) and course(found.control) == course(alone.control)
    again = search_seeds("nasbench201", 3, **kept)
    assert [found.resumed for found in again.searches] == [8, 8, 0]
    assert all((tmp_path / "out" / f"seed-{seed}" / "history.csv").is_file() for seed in range(3))
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    scores = [found.best.score for found in again.searches if found.best is not None]
    told = content["summary"]["found"]["score"]
    assert content["seeds"] == [0, 1, 2] and told["known"] == 3 and told["mean"] == pytest.approx(np.mean(scores))
    assert told["deviation"] == pytest.approx(np.std(scores, ddof=1)) and told["least"] == min(scores)
    assert content["summary"]["random"]["seeds"] == 3 and "history" not in content["searches"][0]
    rows = list(csv.DictReader((tmp_path / "out" / "band.csv").open()))
    assert [row["method"] for row in rows] == ["evolution"] * 8 + ["random"] * 8
    firsts = [found.course.steps[0].score for found in again.searches]
    assert float(rows[0]["best_score_mean"]) == pytest.approx(np.mean(firsts))
    for ending in ("png", "svg", "pdf"):
        assert (tmp_path / "out" / f"search.{ending}").stat().st_size > 5_000
    with pytest.raises(InputError, match="holds a search with other settings: first seed was 0, is 1"):
        search_seeds("nasbench201", 2, **kept, seed=1)


def test_the_band_of_a_search_with_itself_has_no_width() -> None:
    found = search.search("nasbench201", **USUAL, evaluations=6, control=False).course
    for along, at in (("evaluation", np.arange(0.0, 9.0)), ("spent", np.linspace(0, found.looking_seconds, 5))):
        mean, deviation, known = seeds_report.band([found, found], None, "best_score", along, at)
        assert known[-1] == 2 and mean[-1] == max(step.score for step in found.steps)
        # Before the first step nothing is known.
        assert known[0] == 0 and np.isnan(mean[0]) and np.nanmax(deviation) == 0


def test_the_curves_say_what_they_show_and_are_means_over_all_seeds(tmp_path: Path) -> None:
    table, widths = tmp_path / "t.csv", range(8, 65, 8)
    archs = itertools.product(widths, repeat=5)
    table.write_text("arch,wer\n" + "".join(f"{':'.join(map(str, arch))},{sum(arch)}\n" for arch in archs))
    two = search_seeds("nats-size", 2, **{**USUAL, "truth": table}, evaluations=8)
    axes = seeds_report.curves(two).axes
    assert [axis.get_ylabel() for axis in axes[::2]] == [
        "score of the best",
        "wer",
        "regret to the best of the table, 40.00",
    ]
    assert [axis.get_xlabel() for axis in axes[:2]] == ["evaluations", "core-seconds of the scores"]
    starts = [max(courses[seed].steps[0].spent for seed in (0, 1)) for courses in (two.courses(), two.courses(True))]
    for line, start in zip(axes[1].get_lines(), starts):
        x, y = line.get_data()
        assert np.isnan(y[x < start]).all() and not np.isnan(y[x >= start]).any()


COMMAND = ["search", "nasbench201", "--seeds", "2", "--proxy", "params", "--population", "3", "--tournament", "2"]
COMMAND += ["--evaluations", "20", "--workers", "1", "--truth", "none", "--no-control", "--finalists", "0"]


def test_searches_killed_at_any_seed_end_as_uninterrupted_ones(empty_folder: Path) -> None:
    program = [sys.executable, "-m", "naslib_gennas", *COMMAND, "--store", "s.sqlite", "--out", "run"]
    for least in (5, 24):  # within the first seed, and within the second
        process = subprocess.Popen(program, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and entries(Path("s.sqlite")) < least:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert 24 <= entries(Path("s.sqlite")) <= 40
    done = CliRunner().invoke(app, [*COMMAND, "--store", "s.sqlite", "--out", "run", "--json", "-"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["complete"] and content["searches"][0]["resumed"] == 20
    whole = search_seeds("nasbench201", 2, **{**USUAL, "evaluations": 20, "control": False, "finalists": 0})
    for seed, found in enumerate(whole.searches):
        kept = json.loads(Path(f"run/seed-{seed}/result.json").read_text())["history"]
        assert [(row["arch"], row["score"]) for row in kept] == [(s.arch, s.score) for s in found.course.steps]


def test_what_several_seeds_print(empty_folder: Path) -> None:
    space = spaces.get("nasbench201")
    archs = [space.format(space.sample(np.random.default_rng(seed))) for seed in range(300)]
    lines = ["arch,acc", *(f"{arch},{90 + arch.count('3x3')}" for arch in dict.fromkeys(archs))]
    Path("truth.csv").write_text("\n".join(lines))
    command = [*COMMAND, "--truth", "truth.csv", "--evaluations", "3", "--among", "truth", "--out", "run"]
    done = CliRunner().invoke(app, [*command, "--store", "s.sqlite"])
    assert done.exit_code == 0, done.output
    for words in ("±", "seed 0  9", "seed 1  9", "gennas export nasbench201 run/seed-1 --to model.py", "random search"):
        assert words in done.stdout, done.stdout
    refused = CliRunner().invoke(app, [*COMMAND, "--objective", "score", "--objective", "params"])
    assert refused.exit_code == 2 and "--seeds" in refused.stderr


# ---------------------------------------------------------------------------------------- the network of what was found


def test_depth_and_width_of_the_trained_network_are_no_part_of_a_score() -> None:
    usual, sized = (Scorer.of(space, "params", workers=1) for space in ("darts", spaces.get("darts", cells=14)))
    assert usual.identity == sized.identity
    # Which architectures meet a bound depends on them: that is another search.
    assert sized.space.domain and not usual.space.domain
    arch = usual.space.sample(np.random.default_rng(0))
    counted = [constraints.MEASURES["params"](one.space, arch) for one in (usual, sized)]
    assert counted[0] > counted[1]


def test_what_a_search_found_is_fitted_and_exported_as_it_was_meant(empty_folder: Path) -> None:
    command = ["search", "darts", "--proxy", "params", "--evaluations", "2", "--population", "2", "--tournament", "1"]
    command += ["--workers", "1", "--truth", "none", "--no-control", "--finalists", "0", "--store", "s.sqlite"]
    fitted = ["--cells", "4", "--resolution", "96", "--fit-width", "params<=400K", "--fit-width", "params>300K"]
    done = CliRunner().invoke(app, [*command, *fitted, "--out", "run"])
    assert done.exit_code == 0, done.output
    kept = json.loads(Path("run/network.json").read_text())
    assert kept["settings"]["cells"] == 4 and kept["resolution"] == 96
    assert f"4 cells, {kept['settings']['channels']} channels" in done.stdout
    network = naslib_gennas.network("darts", "run")
    params = sum(parameter.numel() for parameter in network.parameters())
    assert 300e3 < params <= 400e3
    exported = CliRunner().invoke(app, ["export", "darts", "run", "--to", "model.py", "--json", "out.json"])
    assert exported.exit_code == 0, exported.output
    assert json.loads(Path("out.json").read_text())["params"] == params and "96x96 pixels" in exported.stdout
    deeper = CliRunner().invoke(
        app, ["export", "darts", "run", "--cells", "6", "--to", "genotype", "--json", "out.json"]
    )
    assert deeper.exit_code == 0 and json.loads(Path("out.json").read_text())["params"] != params
    Path("run/network.json").write_text("[]")
    damaged = CliRunner().invoke(app, ["export", "darts", "run", "--to", "genotype"])
    assert damaged.exit_code == 2 and "network.json' is damaged" in damaged.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nasbench201", "--fit-width", "flops<=600M"], "the width of its networks is not free"),
        (["darts", "--fit-width", "flops>=600M"], "at least one bound from above"),
        (["darts", "--fit-width", "flops<=600Q"], "unknown unit 'Q'"),
        (["darts", "--fit-width", "flops<=6M", "--objective", "score", "--objective", "params"], "--fit-width"),
    ],
)
def test_a_width_that_cannot_be_fitted_is_said_before_the_search(
    empty_folder: Path, options: List[str], words: str
) -> None:
    done = CliRunner().invoke(app, ["search", *options])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and words in done.stderr
    assert not Path("gennas-runs").exists()
