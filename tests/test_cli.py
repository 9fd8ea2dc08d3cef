"""The command `gennas`: what it prints, writes and answers to mistakes, and what a kill leaves behind."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import forks
import pytest
import yaml
from commands import CliRunner

import naslib_gennas
from naslib_gennas.cli.app import app

ARCHS = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]


@pytest.fixture
def tiny(empty_folder):
    """Work in an empty folder with a profile that costs next to nothing."""
    profile = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 3}
    (empty_folder / "tiny.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    (empty_folder / "archs.txt").write_text("\n".join(ARCHS), encoding="utf-8")
    rows = [f"{arch},{90 - i}" for i, arch in enumerate(ARCHS)]
    (empty_folder / "truth.csv").write_text("\n".join(["arch,accuracy", *rows]), encoding="utf-8")
    return empty_folder


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_rank_prints_agreement_and_the_top_and_writes_the_run(tiny):
    result = run(
        *("rank", "nasbench201", "--archs", "archs.txt", "--truth", "truth.csv", "--profile", "tiny.yaml"),
        *("--workers", 1, "--out", "run", "--json", "out.json"),
    )
    assert result.exit_code == 0, result.output
    for words in ("Spearman rho", "Kendall tau", "retrieval of the top 10%", "5 of 5 matched", ARCHS[0], "untrainable"):
        assert words in result.stdout
    content = json.loads((tiny / "out.json").read_text(encoding="utf-8"))
    assert content == json.loads((tiny / "run" / "result.json").read_text(encoding="utf-8"))
    assert {"space", "proxy", "inputs", "seed", "n", "spearman", "wall_seconds", "core_seconds"} <= set(content)
    assert content["architectures"][-1]["score"] is None
    assert (tiny / "run" / "scatter.png").stat().st_size > 1000


def test_json_on_stdout_is_alone_and_the_store_remembers(tiny):
    arguments = ("score", "nasbench201", *ARCHS, "--profile", "tiny.yaml", "--workers", 1, "--json", "-")
    first, again = (json.loads(run(*arguments).stdout) for _ in range(2))
    assert first["architectures"] == again["architectures"] and again["reused"] == len(ARCHS) - 1
    assert {row["arch"] for row in first["architectures"]} == set(ARCHS)


def test_spaces_and_tasks_are_listed_and_shown(tiny):
    spaces = json.loads(run("spaces", "--json", "-").stdout)
    assert {"nasbench201", "nasbench101"} <= {about["name"] for about in spaces}
    assert all(about["notation"] and about["mutation"] for about in spaces)
    assert "combo" in run("tasks").stdout
    shown = run("tasks", "show", "search-N", "--plot", "targets.png")
    assert shown.exit_code == 0 and yaml.safe_load(shown.stdout)["kind"] == "cnn"
    assert (tiny / "targets.png").read_bytes().startswith(b"\x89PNG")
    (tiny / "mine.yaml").write_text(shown.stdout, encoding="utf-8")
    assert json.loads(run("tasks", "show", "mine.yaml", "--json", "-").stdout)["name"] == "mine"
    assert run("tasks", "show", "nlp-combo", "--plot", "rnn.png").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rank", "nasbench20"], "did you mean 'nasbench201'"),
        (["rank", "nasbench201", "--proxy", "gennas-comb"], "did you mean 'combo'"),
        (["rank", "nasbench201", "--proxy", "synflw"], "did you mean"),
        (["rank", "nasbench201", "--profile", "quick"], "unknown profile"),
        (["rank", "nasbench201", "--truth", "none", "--inputs", "photo"], "did you mean 'photos'"),
        (["rank", "nasbench201", "--truth", "none", "--n", "20000"], "only 15,625"),
        (["rank", "nasbench201", "--truth", "absent.csv"], "no such file"),
        (["rank", "nasbench201", "--truth", "truth.csv:acuracy"], "did you mean 'accuracy'"),
        (["rank", "nasbench201", "--truth", "none", "--n", "2", "--out", "truth.csv/x"], "output folder"),
        (["rank", "nasbench201", "--json", "absent/x.json"], "there is no folder"),
        (["rank", "nasbench201", "--truth", "none", "--device", "gpu"], "device 'gpu' is unknown"),
        (
            ["rank", "nasbench201", "--truth", "none", "--device", "cuda:99", "--workers", "1"],
            "device 'cuda:99' is not",
        ),
        (
            ["rank", "nasbench201", "--truth", "none", "--device", "cuda:99", "--workers", "2"],
            "device 'cuda:99' is not",
        ),
        (
            ["search", "nasbench201", "--truth", "none", "--device", "cuda:99", "--out", "run"],
            "device 'cuda:99' is not",
        ),
        (["score", "nasbench201", "|nor_conv_3x3~0|"], "1 nodes, not 3"),
        (["score", "nasbench101", "{"], "not JSON at character"),
        (["tasks", "show", "comb"], "did you mean 'combo'"),
        (["tasks", "show", "combo", "--plot", "targets.nonsense"], "targets.nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tiny, arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and words in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert not (tiny / "gennas-runs").exists()


@pytest.mark.parametrize("command", [[], ["rank"], ["score"], ["spaces"], ["tasks"], ["tasks", "show"]])
def test_every_command_has_help_with_an_example(command):
    result = run(*command, "--help")
    assert result.exit_code == 0 and "Example" in result.stdout


def test_the_module_is_the_same_program_and_starts_without_torch(tiny):
    code = "import sys, runpy; sys.argv[1:] = ['--version']; import naslib_gennas.cli; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    found = subprocess.run([sys.executable, "-m", "naslib_gennas", "--version"], capture_output=True, text=True)
    assert found.stdout.strip() == f"gennas {naslib_gennas.__version__}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_stopped_run_keeps_its_scores_and_the_same_command_goes_on(tiny, number):
    arguments = ["rank", "nasbench201", "--n", "400", "--truth", "none", "--profile", "tiny.yaml", "--workers", "1"]
    process = forks.command([*arguments, "--store", "s.sqlite", "--out", "run"])
    rows = tiny / "run" / "scores.csv"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not rows.exists() or rows.read_text(encoding="utf-8").count("\n") < 6):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    with open(rows, encoding="utf-8") as file:
        done = [row for row in csv.DictReader(file) if row["status"]]
    assert len(done) >= 5
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 130 and "the same command again goes on" in stderr and "Traceback" not in stderr
        assert json.loads((tiny / "run" / "result.json").read_text(encoding="utf-8"))["n"] == len(done)
    again = run(*arguments[:3], len(done), *arguments[4:], "--store", "s.sqlite", "--json", "-")
    content = json.loads(again.stdout)
    known = {row["arch"]: float(row["score"]) for row in done if row["status"] == "ok"}
    assert content["reused"] >= len(known)
    assert {row["arch"]: row["score"] for row in content["architectures"] if row["status"] == "ok"} == known
