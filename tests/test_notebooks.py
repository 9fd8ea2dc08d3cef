"""The notebooks of examples/ run from top to bottom, and are kept with small outputs without an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from naslib_gennas.truth.benchmark_files import analog_installed

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = ("rank_and_compare", "own_space_and_search", "naslib")
#: Runs a notebook's code cells as one program: nothing in them is for a notebook alone.
RUN = """
import json, sys
names = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), sys.argv[1], "exec"), names)
"""


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, empty_folder, monkeypatch):
    if name != "own_space_and_search" and not analog_installed():
        pytest.skip("analog-nasbench is not installed")
    monkeypatch.setenv("MPLBACKEND", "agg")
    command = [sys.executable, "-c", RUN, str(EXAMPLES / f"{name}.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_with_its_outputs(name):
    path = EXAMPLES / f"{name}.ipynb"
    outputs = [output for cell in json.loads(path.read_text("utf-8"))["cells"] for output in cell.get("outputs", [])]
    assert outputs and path.stat().st_size < 100_000
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
