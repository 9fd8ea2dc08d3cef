"""The page "From search to a trained network" and its example do what they say."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import loading
import pytest
import torch
from commands import CliRunner

from naslib_gennas.cli.app import app

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_runs_from_top_to_bottom(empty_folder, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(empty_folder))
    text = (ROOT / "docs" / "from_search_to_training.md").read_text(encoding="utf-8")
    scope = {}
    for language, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        if language == "sh":
            for line in block.splitlines():
                done = CliRunner().invoke(app, shlex.split(line)[1:])
                assert done.exit_code == 0, done.output
        else:
            exec(compile(block, "from_search_to_training.md", "exec"), scope)
    sys.modules.pop("model", None)
    assert {"model.py", "cell.svg", "trained.pt", "net.onnx"} <= {path.name for path in empty_folder.iterdir()}


def test_the_example_trains_a_network(empty_folder):
    pytest.importorskip("sklearn")
    example = loading.module(ROOT / "examples" / "10_train_what_was_found.py")
    assert example.main(epochs=6, count=400, folder=empty_folder) > 0.5
    sys.modules.pop("model", None)
    assert torch.export.load(empty_folder / "trained.pt2").module()(torch.zeros(4, 3, 8, 8)).shape == (4, 10)
