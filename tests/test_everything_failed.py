"""Where no architecture could be scored, every command says so, exits with 1 and has no figures to give."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from commands import CliRunner

from naslib_gennas.cli.app import app

PROXY = """
from naslib_gennas.proxies import proxy

@proxy("divides by zero in NAME")
def broken(network, inputs, seed):
    return 1 / 0
"""
SEARCH = "search nasbench201 --proxy bad.py --evaluations 4 --truth t.csv --out run --json out.json"
needs_pymoo = pytest.mark.skipif(importlib.util.find_spec("pymoo") is None, reason="no pymoo, as on Python 3.9")


@pytest.mark.parametrize(
    "arguments",
    [
        "rank nasbench201 --proxy bad.py --n 2 --truth t.csv --out run --json out.json",
        "score nasbench201 --proxy bad.py --json out.json CELL",
        "compare nasbench201 --proxies bad.py --n 2 --truth t.csv --out run --json out.json",
        f"{SEARCH} --population 2 --tournament 2",
        f"{SEARCH} --population 2 --tournament 2 --finalists 2 --seeds 2",
        pytest.param(f"{SEARCH} --population 4 --objective score --objective params", marks=needs_pymoo),
        "export-scores nasbench201 --proxies params,bad.py --n 2 --truth none --to zc.json",
    ],
)
def test_nothing_that_could_be_scored_is_an_error(arguments, empty_folder: Path) -> None:
    cells = [f"|{one}~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|" for one in ("none", "nor_conv_3x3")]
    (empty_folder / "t.csv").write_text("\n".join(["arch,acc", *(f"{cell},{i}" for i, cell in enumerate(cells))]))
    (empty_folder / "bad.py").write_text(PROXY.replace("NAME", str(empty_folder)))
    command = [cells[1] if word == "CELL" else word for word in arguments.split()]
    done = CliRunner().invoke(app, [*command, "--workers", "1", "--store", "s.sqlite"])
    assert done.exit_code == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and "ZeroDivisionError: division by zero" in last
    assert "Best" not in done.stdout and "written to" not in done.stdout
    assert not list(empty_folder.rglob("*.png")) and not (empty_folder / "zc.json").exists()
    if "out.json" in arguments:
        content = json.loads((empty_folder / "out.json").read_text())
        assert not content.get("best") and content.get("regret") is None and content.get("spearman") is None
