"""docs/own_space.md: its code runs as it stands, one block after another."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import naslib_gennas

PAGE = Path(naslib_gennas.__file__).parents[1] / "docs" / "own_space.md"


def test_every_block_of_the_page_runs(empty_folder):
    if not PAGE.is_file():
        pytest.skip("the documentation is not installed with the package")
    optuna, _ = pytest.importorskip("optuna"), pytest.importorskip("ConfigSpace")
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 7
    (empty_folder / "my_space.py").write_text(blocks[0][1], encoding="utf-8")
    names = {"__name__": "page"}
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, "own_space.md", "exec"), names)
        for line in text.splitlines() if kind == "sh" else []:
            command = [sys.executable, "-m", "naslib_gennas", *shlex.split(line)[1:]]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert naslib_gennas.spaces.get(names["named"]).sample(names["rng"])
    study = optuna.create_study(direction="maximize")
    study.optimize(names["objective"], n_trials=1)
    assert len(study.trials) == 1 and math.isfinite(study.best_value)
