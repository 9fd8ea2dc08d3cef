"""`gennas search`, `search-task` and `store` as a user types them: results, resumption, signals, mistakes, clusters."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import CliRunner
from journals import entries

from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.scoring.scorer import score_many
from naslib_gennas.studies import race, task_search
from naslib_gennas.truth import sampling

SPACE = spaces.get("nasbench201")
TINY = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 2}


def truth_of(text):
    return 90.0 + text.count("nor_conv_3x3") - text.count("none") / 7


@pytest.fixture
def place(empty_folder):
    """An empty folder with a profile that costs next to nothing, ground truth and 8 labels."""
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    rng = np.random.default_rng(0)
    drawn = {SPACE.key(arch): SPACE.format(arch) for arch in (SPACE.sample(rng) for _ in range(2000))}
    rows = [f"{text},{truth_of(text)}" for text in drawn.values() if not SPACE.untrainable(SPACE.parse(text))]
    Path("truth.csv").write_text("\n".join(["arch,accuracy", *rows]), encoding="utf-8")
    Path("labels.csv").write_text("\n".join(["arch,accuracy", *rows[:8]]), encoding="utf-8")
    return empty_folder


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


SEARCH = (
    "search",
    "nasbench201",
    "--profile",
    "tiny.yaml",
    "--workers",
    1,
    "--store",
    "s.sqlite",
    "--truth",
    "truth.csv",
)


def test_a_search_prints_writes_and_goes_on(place):
    arguments = (*SEARCH, "--evaluations", 20, "--population", 5, "--tournament", 2, "--out", "run")
    result = run(*arguments, "--json", "out.json")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert content == json.loads(Path("run/result.json").read_text(encoding="utf-8"))
    best = content["best"]
    assert {"arch", "score", "truth"} <= set(best) and best["arch"] in result.stdout
    assert content["evaluations"] == len(content["history"]) == 20 and content["wall_seconds"] > 0
    assert content["history"][-1]["wall"] <= content["wall_seconds"]
    # A fifth of the evaluations races, deeper, and the winner is the answer.
    assert [one["rung"] for one in content["finalists"]] == [4, 4, 1, 1]
    assert content["final"]["profile"]["cells"] is None
    last = [one for one in content["finalists"] if one["rung"] == 4]
    assert all(one["judged"] is not None for one in last)
    # Of two, who is better both times is better by the final score, and where they disagree that decides.
    assert best["arch"] == last[0]["arch"] == max(last, key=lambda one: one["final_score"])["arch"]
    assert content["control"]["evaluations"] == 20 and len(content["control"]["finalists"]) == 4
    for words in ("random search", "regret", "Chosen among the 4 best"):
        assert words in result.stdout
    assert Path("run/search.png").read_bytes().startswith(b"\x89PNG")
    again = json.loads(run(*arguments, "--json", "-").stdout)
    assert again["resumed"] == 20 and again["best"] == best and again["finalists"] == content["finalists"]
    longer = json.loads(run(*SEARCH, *arguments[len(SEARCH) + 2 : -2], "--evaluations", 24, "--json", "-").stdout)
    assert longer["resumed"] == 20 and longer["evaluations"] == 24
    other = run(*arguments, "--seed", 1)
    assert other.exit_code == 2 and "seed was 0, is 1" in other.stderr and other.stderr.count("\n") == 1


def test_constraints_and_a_budget_of_time_from_the_command_line(place):
    result = run(
        *(*SEARCH, "--budget", "2s", "--no-control", "--constraint", "params<0.5M", "--constraint", "flops<80M"),
        *("--out", "run", "--json", "-"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["settings"]["constraints"] == ["params<500K", "flops<80M"] and content["evaluations"] > 0
    assert content["control"] is None
    assert all(row["arch"].count("nor_conv_3x3") < 3 for row in content["history"])


def test_finalists_are_scored_at_full_depth_under_a_seed_of_their_own():
    fast = profiles.get("fast")
    deep = race.profile_for(SPACE, fast)
    assert SPACE.size(deep) == SPACE.paper_size != SPACE.size(fast)
    assert (deep.images, deep.resolution) == (fast.images, fast.resolution)
    assert race.usual(SPACE, fast) and not race.usual(SPACE, profiles.get("paper"))
    assert not race.usual(spaces.get("nasbenchnlp"), fast)
    assert race.seed_for(0) not in (0, race.seed_for(1))
    # Networks of 14 cells, of which the space's own have 8, need no deeper ones.
    assert not race.usual(spaces.get("darts"), fast.replace(cells=4))
    assert race.profile_for(spaces.get("darts"), fast.replace(cells=4)).cells == 4


def test_a_task_search_prints_writes_and_goes_on(place, monkeypatch):
    monkeypatch.setattr(task_search, "FINALISTS", 2)
    monkeypatch.setattr(task_search, "SEEDS", 1)
    arguments = (
        *("search-task", "nasbench201", "--labels", "labels.csv", "--truth", "truth.csv", "--held-out", 10),
        *("--evaluations", 4, "--population", 2, "--tournament", 1, "--profile", "tiny.yaml", "--workers", 1),
        *("--store", "s.sqlite", "--out", "run", "--name", "mine"),
    )
    result = run(*arguments, "--json", "out.json")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert content["evaluations"] == content["control"]["evaluations"] == 4
    assert set(content["held_out"]) == {"found", "usual", "random"}
    assert all(-1 <= entry["value"] <= 1 for entry in content["held_out"].values())
    for picture in ("targets.png", "convergence.png"):
        assert (place / "run" / picture).read_bytes().startswith(b"\x89PNG")
    assert tasks.get("run/task.yaml").stages
    assert json.loads(run(*arguments, "--json", "-").stdout)["resumed"] == 4
    used = run(
        "rank", "nasbench201", "--n", 3, "--proxy", "gennas-run/task.yaml", "--profile", "tiny.yaml", "--out", "r"
    )
    assert used.exit_code == 0, used.output


def test_the_store_is_listed_exported_and_pruned(place):
    run(
        "rank",
        "nasbench201",
        "--n",
        6,
        "--profile",
        "tiny.yaml",
        "--workers",
        1,
        "--store",
        "s.sqlite",
        "--truth",
        "none",
    )
    listed = json.loads(run("store", "list", "--store", "s.sqlite", "--json", "-").stdout)
    assert [entry["proxy"] for entry in listed] == ["gennas-plus"] and 1 <= listed[0]["scores"] <= 6
    assert run("store", "export", "scores.csv", "--store", "s.sqlite").exit_code == 0
    assert len(Path("scores.csv").read_text(encoding="utf-8").splitlines()) == 1 + listed[0]["scores"]
    refused = run("store", "prune", "--store", "s.sqlite")
    assert refused.exit_code == 2 and "say what to delete" in refused.stderr
    assert f"{listed[0]['scores']} scores deleted" in run("store", "prune", "--all", "--store", "s.sqlite").stdout
    assert json.loads(run("store", "list", "--store", "s.sqlite", "--json", "-").stdout) == []


def table_of(values):
    """A table of which lower values are better, in a column whose name does not say so."""
    Path("lower.csv").write_text(
        "\n".join(["arch,x", *(f"{arch},{value}" for arch, value in values)]), encoding="utf-8"
    )


def test_a_search_doubts_a_direction_that_was_only_assumed(place):
    table_of((arch, -arch.count("conv_3x3")) for arch in sampled(2000))
    usual = ["search", "nasbench201", "--proxy", "params", "--evaluations", 12, "--finalists", 0, "--no-control"]
    doubted(*usual, "--population", 5, "--tournament", 2)


def test_a_task_search_doubts_a_direction_that_was_only_assumed(place):
    tiny = profiles.Profile(name="tiny", **TINY)
    scored = score_many(SPACE, sampled(30), "gennas-combo", profile=tiny, workers=1, store="s.sqlite")
    table_of((record.arch, -record.score) for record in scored if record.status == "ok")
    usual = ["search-task", "nasbench201", "--n", 12, "--evaluations", 2, "--no-control", "--profile", "tiny.yaml"]
    doubted(*usual, "--population", 2, "--tournament", 1)


def sampled(count):
    drawn = {SPACE.key(arch): SPACE.format(arch) for arch in sampling.draw(SPACE, count, 0)}
    return list(drawn.values())


def doubted(*command):
    usual = [*command, "--workers", 1, "--store", "s.sqlite", "--truth", "lower.csv"]
    assumed, asked = (" ".join(run(*usual, *more).stdout.split()) for more in ([], ["--lower-is-better"]))
    assert "higher is better: assumed" in assumed and "lower is better" in asked
    assert "the name 'x' does not say which values are better: if lower ones are, add --lower-is-better" in assumed
    assert "add --lower-is-better" not in asked


TASK = ["search-task", "nasbench201", "--profile", "tiny.yaml", "--out", "run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*SEARCH, "--evaluations", "0"], "evaluations is 0"),
        ([*SEARCH, "--budget", "0m"], "takes a time above 0"),
        ([*SEARCH, "--budget", "soon"], "takes a time above 0"),
        ([*SEARCH, "--constraint", "parms<1M"], "did you mean 'params'"),
        ([*SEARCH, "--constraint", "params=1M"], "write it as params<5M"),
        ([*SEARCH, "--constraint", "params<10"], "0 of 1,000 samples of nasbench201 met it"),
        ([*SEARCH, "--finalists", "-1"], "finalists is -1"),
        ([*SEARCH, "--method", "evolve"], "did you mean 'evolution'"),
        ([*SEARCH, "--tournament", "60"], "tournament is 60"),
        ([*TASK], "needs labels"),
        ([*TASK, "--labels", "absent.csv"], "no such file"),
        ([*TASK, "--labels", "few.csv"], "4 architectures; at least 5"),
        ([*TASK, "--labels", "twice.csv"], "is there twice"),
        ([*TASK, "--labels", "same.csv"], "all 8 values are 90"),
        ([*TASK, "--labels", "nan.csv"], "row 8"),
        ([*TASK, "--labels", "unknown.csv"], "row 8"),
        ([*TASK, "--labels", "labels.csv", "--budget", "0s"], "takes a time above 0"),
        ([*TASK, "--labels", "labels.csv", "--held-out", "10"], "needs --truth"),
        (["store", "list", "--store", "absent.sqlite"], "there is no store"),
        (["store", "export", "x.txt", "--store", "s.sqlite"], "must end in .csv or .json"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(place, arguments, words):
    lines = Path("labels.csv").read_text(encoding="utf-8").splitlines()
    archs = [line.split(",")[0] for line in lines]
    files = {
        "few": lines[:5],
        "twice": [*lines, lines[3]],
        "same": ["arch,accuracy", *(f"{arch},90" for arch in archs[1:])],
        "nan": [*lines[:-1], f"{archs[-1]},nan"],
        "unknown": [*lines[:-1], "|what~0|,91"],
    }
    for name, content in files.items():
        Path(f"{name}.csv").write_text("\n".join(content), encoding="utf-8")
    if "export" in arguments:
        run("score", "nasbench201", archs[1], "--profile", "tiny.yaml", "--store", "s.sqlite")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_stopped_search_ends_within_seconds_with_every_score(place, number):
    arguments = [*map(str, SEARCH), "--evaluations", "3000", "--out", "run"]
    arguments[arguments.index("--workers") + 1] = "2"
    process = subprocess.Popen(
        [sys.executable, "-m", "naslib_gennas", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = entries(Path("s.sqlite"))
    deadline = time.monotonic() + 120
    while journal < 10 and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
        journal = entries(Path("s.sqlite"))
    process.send_signal(number)
    asked = time.monotonic()
    stderr = process.communicate(timeout=60)[1]
    took = time.monotonic() - asked
    assert process.returncode == 130 and "Traceback" not in stderr
    assert "the same command again goes on from there" in stderr
    assert took < 6  # about a second, most of it for the plot, on a machine with time to spare
    content = json.loads(Path("run/result.json").read_text(encoding="utf-8"))
    assert content["complete"] is False and content["evaluations"] == entries(Path("s.sqlite")) >= journal


# ------------------------------------------------------------------------------------------------------------- clusters


def test_a_search_on_a_running_dask_cluster(place):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
    arguments = ("rank", "nasbench201", "--n", 6, "--truth", "none", "--profile", "tiny.yaml", "--json", "-")
    with local:
        there = run(*arguments, "--scheduler", local.scheduler_address, "--store", "there.sqlite", "--out", "r1")
    assert there.exit_code == 0, there.output
    here = run(*arguments, "--workers", 1, "--store", "here.sqlite", "--out", "r2")
    order = [{(row["arch"], row["score"]) for row in json.loads(out.stdout)["architectures"]} for out in (there, here)]
    assert order[0] == order[1]


def test_a_scheduler_that_does_not_answer(place, monkeypatch):
    pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    monkeypatch.setattr("naslib_gennas.scoring.cluster._ANSWER", 1)
    result = run(*SEARCH, "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert "scheduler 'tcp://127.0.0.1:9' does not answer" in result.stderr


SBATCH = """#!/bin/bash
script=$(mktemp) && cp "${@: -1}" "$script"
setsid bash "$script" >/dev/null 2>&1 &
echo $! >> jobs
echo "Submitted batch job $!"
"""


def test_slurm_jobs_are_started_and_score(place, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed (the extra cluster)")
    # Stands in for SLURM: what is submitted runs at once on this machine.
    tools = {"sbatch": SBATCH, "scancel": '#!/bin/bash\nkill -- "-$1" 2>/dev/null\n'}
    (place / "bin").mkdir()
    for name, text in tools.items():
        (place / "bin" / name).write_text(text)
        (place / "bin" / name).chmod(stat.S_IRWXU)
    (place / "config").mkdir()
    settings = {"queue": "short", "walltime": "00:10:00", "memory": "2GB"}
    (place / "config" / "jobqueue.yaml").write_text(yaml.safe_dump({"jobqueue": {"slurm": settings}}))
    environment = {**os.environ, "DASK_CONFIG": str(place / "config"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "naslib_gennas", "rank", "nasbench201", "--n", "6", "--truth", "none"]
    command += ["--profile", "tiny.yaml", "--json", "-", "--store", "s.sqlite", "--out", "r", "--scheduler", "slurm"]
    absent = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert absent.returncode == 2 and absent.stderr.count("\n") == 1, absent.stderr
    assert "there is no sbatch on this machine" in absent.stderr
    environment["PATH"] = f"{place / 'bin'}{os.pathsep}{environment['PATH']}"
    done = subprocess.run([*command, "--workers", "2"], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert sum(row["status"] == "ok" for row in json.loads(done.stdout)["architectures"]) >= 4
    assert len((place / "jobs").read_text().split()) == 2
