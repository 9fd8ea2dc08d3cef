"""The command on a terminal: help and progress at 80 columns, what is imported when, runs in which nothing scores."""

from __future__ import annotations

import csv
import fcntl
import inspect
import io
import itertools
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from test_comparison import column, comparison_of

from naslib_gennas import files, spaces
from naslib_gennas.cli import compare as cli_compare
from naslib_gennas.cli import options, printing
from naslib_gennas.cli.app import COMMANDS, app
from naslib_gennas.scoring import Scorer
from naslib_gennas.studies import plots
from naslib_gennas.studies.comparison import Column

TINY = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 3}
NESTED = [*(("store", name) for name in ("list", "export", "prune")), ("truth", "list"), ("truth", "add")]
NESTED += [("tasks", "show")]
ALL = [*((name,) for name in COMMANDS), *NESTED]
SCORING = ["rank", "compare", "score", "search", "search-task"]
PROXY = """
from naslib_gennas.proxies import proxy

@proxy({name!r})
def made(network, batch, seed):
    return {value}
"""
NUMBERS = itertools.count()  # a name is registered once in a process


@pytest.fixture
def place(empty_folder):
    """An empty folder with a profile that costs next to nothing, and two proxies: one fails, one has a hostile name."""
    (empty_folder / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    number = next(NUMBERS)
    parameters = "float(sum(p.numel() for p in network.parameters()))"
    for file, name, value in (("broken", "broken", "1 / 0"), ("cost", "co$t$_{", parameters)):
        text = PROXY.format(name=f"{name}{number}", value=value)
        (empty_folder / f"{file}.py").write_text(text, encoding="utf-8")
    return empty_folder


def run(*arguments, **more):
    return CliRunner().invoke(app, [str(a) for a in arguments], **more)


FEW = ("nasbench201", "--n", 6, "--profile", "tiny.yaml", "--workers", 1, "--store", "s.sqlite")


# ---------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_help_at_80_columns_has_room_for_descriptions(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = run(*command, "--help").stdout
    assert "Example" in text and all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text  # nothing is cut
    for panel in re.findall(r"╭─ .*?╰─+╯", text, re.DOTALL):
        starts = [len(line) - len(line[1:-1].lstrip()) - 1 for line in panel.splitlines() if line.startswith("│      ")]
        assert all(79 - start >= 34 for start in starts), panel


@pytest.mark.parametrize("command", SCORING)
def test_options_stand_in_panels(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = run(command, "--help").stdout
    panels = re.findall(r"╭─ ([\w ]+?) ─", text)
    assert panels == ["Arguments", "What", "How much", "Where", "Output"]


def test_help_of_no_command_imports_torch(empty_folder):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom naslib_gennas.cli.app import app\n"
        f"for command in {[[], *map(list, ALL)]!r}:\n"
        "    assert CliRunner().invoke(app, [*command, '--help']).exit_code == 0, command\n"
        "print([name for name in ('torch', 'scipy', 'matplotlib', 'numpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_a_command_is_imported_when_it_is_used(empty_folder):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom naslib_gennas.cli.app import app\n"
        "sys.modules['naslib_gennas.cli.doctor'] = None\n"
        "print(CliRunner().invoke(app, ['tasks']).exit_code)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "0", found.stderr


def test_every_command_that_scores_has_the_common_options(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    common = [name for name in inspect.signature(options._scoring).parameters]
    assert {"inputs", "profile", "seed", "device", "workers", "scheduler", "store"} <= set(common)
    for command in SCORING:
        text = run(command, "--help").stdout
        assert all(f"--{name.replace('_', '-')} " in text for name in common), command


def test_a_package_that_cannot_be_imported_is_a_line(empty_folder):
    (empty_folder / "torch").mkdir()
    (empty_folder / "torch" / "__init__.py").write_text(
        "raise ImportError('libtorch.so: cannot open shared object file\\nand more', name='torch')", encoding="utf-8"
    )
    path = os.pathsep.join([str(empty_folder), str(Path(files.__file__).parents[1])])
    command = [sys.executable, "-m", "naslib_gennas", "spaces"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: torch cannot be imported (libtorch.so") and done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------------------ progress


def terminal(*arguments, columns=80):
    """What a command writes to a terminal, line by line as it was drawn."""
    child, parent = pty.fork()
    if child == 0:
        os.environ.pop("COLUMNS", None)
        os.environ["TERM"] = "xterm"
        sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))
        try:
            app(list(map(str, arguments)), prog_name="gennas")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code or 0)
    fcntl.ioctl(parent, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    assert os.waitpid(child, 0)[1] == 0, written.decode()
    os.close(parent)
    text = re.sub(r"\x1b\[[0-9;?]*m", "", written.decode())
    return [line for line in re.split(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]+", text) if line.strip()]


def test_progress_at_80_columns_shows_its_numbers_whole(place):
    lines = terminal("rank", "nasbench201", "--n", 24, "--profile", "tiny.yaml", "--workers", 1, "--truth", "none")
    bars = [line for line in lines if "Ranking nasbench201" in line]
    assert bars and "0 of 24" in bars[0]  # the total is known from the start
    assert all(len(line) <= 80 and re.search(r"\d+ of 24( |$)", line) for line in bars)
    assert any(re.search(r"of 24  [\d.,]+/s  \d+:\d\d  \d+:\d\d left", line) for line in bars)


TINIEST = ("--profile", "tiny.yaml", "--workers", 1, "--store", "s.sqlite")
SEARCH = ("search", "nasbench201", *TINIEST, "--truth", "none", "--population", 2, "--tournament", 2)
BARS = {
    "rank's finalists": ("rank", *FEW, "--truth", "none", "--best", 1),
    "search": (*SEARCH, "--evaluations", 4, "--proxy", "gennas-combo", "--finalists", 3),
    "search in seconds": (*SEARCH, "--budget", "3s", "--proxy", "params", "--finalists", 0, "--no-control"),
    "seeds": (*SEARCH, "--evaluations", 3, "--seeds", 2, "--proxy", "params", "--finalists", 0),
    "trade-off": (*SEARCH[:-2], "--evaluations", 4, "--objective", "score", "--objective", "params"),
    "compare": ("compare", *FEW, "--truth", "truth.csv", "--proxies", "params,flops"),
    "leaderboard": (
        *("leaderboard", "--truth", "nasbench201=truth.csv", "--spaces", "nasbench201", "--proxies", "params,flops"),
        *("--n", 6, *TINIEST),
    ),
    "search-task": (
        *("search-task", "nasbench201", "--labels", "truth.csv", "--evaluations", 3, "--population", 2),
        *("--tournament", 2, *TINIEST),
    ),
    "reproduce": ("reproduce", "table10", *TINIEST),
    "networks": ("score", "nets.py:net", "nets.py:other", "--proxy", "params", "--resolution", 16, "--seeds", 2),
}


@pytest.mark.parametrize("name", BARS)
def test_every_progress_line_has_its_total(name, place):
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    archs = list(dict.fromkeys(space.format(space.sample(rng)) for _ in range(8)))
    lines = [f"{arch},{number}" for number, arch in enumerate(archs)]
    (place / "truth.csv").write_text("\n".join(["arch,accuracy", *lines]), encoding="utf-8")
    network = "torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())"
    made = f"import torch\ndef net():\n    return {network}\nother = net\n"
    (place / "nets.py").write_text(made, encoding="utf-8")
    drawn = terminal(*BARS[name])
    bars = [line for line in drawn if re.match(r"(Ranking|Searching|Comparing|Scoring|Running)\b.*[━╸╺].*\d", line)]
    assert bars and all(len(line) <= 80 for line in bars)
    assert all(re.search(r"\d+ of \d+|0:\d\d of 0:03", line) for line in bars), bars


# ----------------------------------------------------------------------------------------------------- 80 columns


def too_wide(text, width=80):
    """Lines that are wider than a terminal and have a space to be broken at."""
    return [line for line in text.splitlines() if len(line) > width and " " in line.strip()]


CELLS = st.text("ab-|:", min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(40, 100), st.integers(2, 9))
def test_no_table_is_wider_than_the_terminal_and_nothing_is_cut(data, width, count):
    rows = data.draw(st.lists(st.lists(CELLS, min_size=count, max_size=count), min_size=1, max_size=4))
    last = data.draw(st.lists(st.lists(CELLS, max_size=8).map(" ".join), min_size=len(rows), max_size=len(rows)))
    rows = [[*row[:-1], text] for row, text in zip(rows, last)]
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, emoji=False)
    printing.print_columns(console, *rows)
    text = console.file.getvalue()
    if max(len(cell) for row in rows for cell in row[:-1]) * 2 + 2 <= width:
        assert not too_wide(text, width), text
    for row in rows:
        for cell in row:
            assert all(word in text for word in cell.split()), (cell, text)


def test_what_commands_print_fits_into_80_columns(place, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    arch = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    (place / "truth.csv").write_text(f"arch,accuracy\n{arch},1", encoding="utf-8")
    commands = [
        ("rank", *FEW, "--proxy", "cost.py", "--truth", "none"),
        ("score", "nasbench201", arch, "--profile", "tiny.yaml", "--proxy", "params", "--store", "s.sqlite"),
        *(("store", "list", "--store", "s.sqlite"), ("truth", "add", "nasbench201", "truth.csv"), ("truth", "list")),
        *(("spaces",), ("tasks",), ("doctor",)),
    ]
    for command in commands:
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert not too_wide(result.stdout) and "…" not in result.stdout, result.stdout
    listed = run("store", "list", "--store", "s.sqlite").stdout
    assert arch in run(*commands[1]).stdout and all(head in listed for head in ("settings", "core-seconds"))


def test_the_table_of_a_comparison_fits_into_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    columns = [column(name, 0.5, 1) for name in ("gennas-combo", "vote:synflow+naswot", "nasi-ada")]
    made = comparison_of([*columns, Column("gennas-nlp-combo", problem="it scores networks of kind rnn " * 4)])
    made.truth["direction"] = "higher is better: 'acc' in its name"
    cli_compare._print(printing.output(None).console, made)
    text = capsys.readouterr().out
    assert not too_wide(text), text
    for words in ("Spearman rho", "Kendall tau", "top 10%", "rho less gennas-combo's", "core-seconds", "not ok"):
        assert words in text
    assert text.count("vote:synflow+naswot") > 1  # a row that is continued says whose it is


def test_colons_and_brackets_in_names_are_printed_as_they_are(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    console = printing.output(None).console
    with console.capture() as captured:
        console.print("a :smile: [b]c[/]", markup=False)
        console.print("a :smile: [bold]c[/]")
    assert captured.get().splitlines() == ["a :smile: [b]c[/]", "a :smile: c"]


def test_lines_stay_whole_in_a_file(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert any(len(line) > 100 for line in run("spaces").stdout.splitlines())


# ---------------------------------------------------------------------------------------------- where nothing is scored


def test_a_ranking_in_which_everything_failed_has_no_metrics_and_exit_code_1(place):
    result = run("rank", *FEW, "--proxy", "broken.py", "--out", "run", "--json", "out.json")
    assert result.exit_code == 1, result.output
    assert "Spearman" not in result.stdout and "retrieval" not in result.stdout and "top five" not in result.stdout
    assert "6 failed" in result.stdout
    assert result.stderr.startswith("Error: none of 6 architectures could be scored: failed (ZeroDivisionError")
    assert result.stderr.count("\n") == 1
    content = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert content["n"] == 6 and content["spearman"] is None and content["retrieval"] is None
    written = result.stdout.partition("Written to run: ")[2].strip().split(", ")
    assert written == ["scores.csv", "result.json"] and all((place / "run" / name).is_file() for name in written)


def test_a_comparison_in_which_everything_failed_has_exit_code_1(place):
    result = run("compare", *FEW, "--proxies", "broken.py", "--out", "run")
    assert result.exit_code == 1, result.output
    assert re.match(r"Error: no proxy gave a score: broken\d+: 6 failed \(ZeroDivisionError", result.stderr)


def test_proxies_are_compared_with_the_first_that_has_scores(place):
    result = run("compare", *FEW, "--proxies", "broken.py,params,vote:params+synflow", "--out", "run", "--json", "-")
    assert result.exit_code == 0, result.output
    broken, params, vote = json.loads(result.stdout)["proxies"]
    assert broken["spearman"] is None and broken["retrieval"] is None
    assert params["spearman"] is not None and params["difference"] is None and vote["difference"] is not None


def test_scores_that_all_failed_have_exit_code_1(place):
    arch = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    result = run("score", "nasbench201", arch, "--proxy", "broken.py", "--profile", "tiny.yaml", "--store", "s.sqlite")
    assert result.exit_code == 1 and "ZeroDivisionError" in result.stdout and result.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------------- hostile names


def test_a_dollar_in_a_name_is_a_dollar_in_every_picture(place):
    (place / "truth.csv").write_text(
        "arch,a$c_{c\n"
        + "\n".join(f"|{op}~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|,{i}" for i, op in enumerate(OPERATIONS)),
        encoding="utf-8",
    )
    few = ("nasbench201", "--profile", "tiny.yaml", "--workers", 1, "--store", "s.sqlite", "--truth", "truth.csv")
    ranked = run("rank", *few, "--proxy", "cost.py", "--out", "run")
    assert ranked.exit_code == 0 and ranked.stderr == "", ranked.output
    assert (place / "run" / "scatter.png").is_file() and "scatter.png" in ranked.stdout
    compared = run("compare", *few, "--proxies", "cost.py,params", "--out", "both")
    assert compared.exit_code == 0 and (place / "both" / "report.html").is_file(), compared.output


OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def test_texts_of_a_figure_are_literal(tmp_path):
    made, axes = plots.figure()
    axes[0, 0].set_title(r"$\frac{$")
    axes[0, 0].plot([1, 10], [1, 100], label="$x^$")
    axes[0, 0].set_xscale("log")
    axes[0, 0].legend()
    assert plots.save(made, tmp_path / "a.svg").is_file()


@given(st.text(max_size=12))
def test_no_cell_of_a_table_is_a_formula(text):
    cell = files.cell(text)
    assert cell in (text, f"'{text}")
    if cell.startswith(("=", "+", "-", "@")):
        float(cell)  # a number, and nothing else


@pytest.mark.parametrize("value", [-1.5, float("-inf"), 3, None, "-1.5", "-inf", "+3", "|none~0|", "arch"])
def test_numbers_and_plain_texts_stay_as_they_are(value):
    assert files.cell(value) == value


def test_a_table_quotes_formulas(tmp_path):
    with files.Rows(tmp_path / "t.csv", ["=name", "reason", "score"]) as rows:
        rows.write({"=name": "@SUM(A1)", "reason": "+cmd|' /C calc'!A0", "score": -1.5})
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["'=name", "reason", "score"], ["'@SUM(A1)", "'+cmd|' /C calc'!A0", "-1.5"]]


# ----------------------------------------------------------------------------------------------- direction of the truth


@pytest.mark.parametrize("command", ["rank", "compare", "leaderboard", "search", "search-task", "export-scores"])
def test_a_truth_has_one_direction(place, command):
    result = run(
        command, *([] if command == "leaderboard" else ["nasbench201"]), "--lower-is-better", "--higher-is-better"
    )
    assert result.exit_code == 2 and result.stderr.startswith("Error: --lower-is-better and --higher-is-better")
    assert result.stderr.count("\n") == 1


def test_lower_is_better_reaches_search(place):
    archs = [f"|{a}~0|+|none~0|none~1|+|{b}~0|none~1|none~2|" for a in OPERATIONS for b in OPERATIONS[1:]]
    rows = [f"{arch},{i}" for i, arch in enumerate(archs)]
    (place / "truth.csv").write_text("\n".join(["arch,value", *rows]), encoding="utf-8")
    arguments = ("--truth", "truth.csv", "--evaluations", 4, "--population", 2, "--tournament", 1, "--no-control")
    few = ("nasbench201", "--profile", "tiny.yaml", "--workers", 1, "--store", "s.sqlite", "--json", "-")
    for direction, best in (("--lower-is-better", 0), ("--higher-is-better", len(archs) - 1)):
        result = run("search", *few, *arguments, direction, "--out", direction.strip("-"))
        assert result.exit_code == 0, result.output
        truth = json.loads(result.stdout)["truth"]
        assert truth["higher_is_better"] is (direction == "--higher-is-better") and truth["best"] == best


@pytest.fixture
def upside_down(place):
    """A table of parameter counts, negated, under a name that does not say which values are better."""
    space = spaces.get("nasbench201")
    archs = [f"|{a}~0|+|none~0|{b}~1|+|nor_conv_3x3~0|none~1|{a}~2|" for a in OPERATIONS[1:] for b in OPERATIONS]
    counts = {arch: Scorer.of(space, "params", workers=1).one(arch).score for arch in archs}
    rows = [f"{arch},{-count - number / 100}" for number, (arch, count) in enumerate(counts.items())]
    (place / "truth.csv").write_text("\n".join(["arch,figure", *rows]), encoding="utf-8")
    return place


@pytest.mark.parametrize("command", ["rank", "compare", "leaderboard", "search"])
def test_a_direction_that_looks_wrong_is_said_and_the_option_mends_it(upside_down, command):
    few = {
        "rank": ("rank", "nasbench201", "--proxy", "params", "--archs", "truth.csv"),
        "compare": ("compare", "nasbench201", "--proxies", "params", "--archs", "truth.csv"),
        "leaderboard": ("leaderboard", "--proxies", "params", "--n", 12),
        "search": ("search", "nasbench201", "--proxy", "params", "--among", "truth.csv", "--evaluations", 12),
    }[command]
    truth = ("--truth", "nasbench201=truth.csv" if command == "leaderboard" else "truth.csv")
    few = (*few, "--no-control", "--finalists", 0) if command == "search" else few
    usual = (*few, *truth, "--workers", 1, "--store", "s.sqlite", "--profile", "tiny.yaml", "--out", "run")
    hint = "the name 'figure' does not say which values are better: if lower ones are, add --lower-is-better"
    assert hint in run(*usual).stdout
    mended = run(*usual, "--lower-is-better")
    assert mended.exit_code == 0 and hint not in mended.stdout and "lower is better" in mended.stdout, mended.output


# -------------------------------------------------------------------------------------------------------------- devices


@pytest.mark.skipif(find_spec("naslib_gennas.scoring.devices") is None, reason="devices are checked in several places")
@pytest.mark.parametrize("device", ["gpu0", "mps", "xpu", "cuda:99", ""])
@pytest.mark.parametrize("command", SCORING)
def test_a_device_that_is_not_there_is_a_line(place, command, device):
    archs = [f"|nor_conv_3x3~0|+|{op}~0|none~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|" for op in OPERATIONS]
    rows = [f"{arch},{number}" for number, arch in enumerate(archs)]
    (place / "labels.csv").write_text("\n".join(["arch,accuracy", *rows]), encoding="utf-8")
    more = {"score": [archs[3]], "search-task": ["--labels", "labels.csv"]}.get(command, ["--truth", "none"])
    result = run(command, "nasbench201", *more, "--profile", "tiny.yaml", "--device", device)
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and f"device '{device}'" in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
