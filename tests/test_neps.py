"""NePS with our score, as examples/neps_study.py does it, on the real NePS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import loading
import pytest
import torch

import naslib_gennas

neps = pytest.importorskip("neps", reason="NePS is not installed (CONTRIBUTING.md: other libraries)")

EXAMPLE = Path(naslib_gennas.__file__).parents[1] / "examples" / "neps_study.py"
SMALL = {"width": 8, "kernel_0": 3, "kernel_1": 1, "kernel_2": 3}


@pytest.fixture(scope="module")
def study() -> Any:
    if not EXAMPLE.is_file():
        pytest.skip("the examples are not installed with the package")
    return loading.module(EXAMPLE)


def test_what_neps_minimises_is_our_score_from_new_weights(study: Any) -> None:
    torch.manual_seed(0)
    first = study.evaluate_pipeline(**SMALL)
    torch.manual_seed(1)
    assert study.evaluate_pipeline(**SMALL) == first
    named = naslib_gennas.score_network(lambda: study.build(**SMALL), study.STAGES, profile="fast")
    assert len(named.stages) == 3 and first == -named.score


def test_a_network_that_cannot_be_scored_counts_as_failed(study: Any, tmp_path: Path) -> None:
    """NePS goes on after it, and takes the best of the others."""

    def evaluate_pipeline(width: int) -> Any:
        return study.evaluate_pipeline(**{**SMALL, "width": width})

    class Widths(neps.PipelineSpace):  # type: ignore[misc, name-defined]
        width = neps.Categorical((0, 8))

    neps.run(
        evaluate_pipeline,
        Widths(),
        root_directory=tmp_path / "runs",
        optimizer="grid_search",
        total_evaluations_to_spend=2,
        ignore_errors=True,
        objective_value_on_error=1e8,
    )
    full, best = neps.status(tmp_path / "runs")
    assert isinstance(evaluate_pipeline(0), Exception)
    assert sorted(full["objective_to_minimize"]) == [evaluate_pipeline(8), 1e8] and best["width"] == 8


def test_the_best_of_a_ranking_are_the_first_trials(
    study: Any, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a process that has run NePS, as another test does, its status is that of the run, whatever folder is named.
    monkeypatch.setattr("neps.runtime._WORKER_NEPS_STATE", None, raising=False)
    printed = subprocess.run(
        [sys.executable, str(EXAMPLE), "1", "4", str(empty_folder / "runs")], check=True, capture_output=True, text=True
    ).stdout
    ranked = study.ranking(4)
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True) and len(ranked) == 4
    full, best = neps.status(empty_folder / "runs")
    assert printed.startswith("3 scored; the best score is ") and len(full) == 3
    assert set(-full["objective_to_minimize"]) >= set(scores[:2])
    assert -best["best_objective_to_minimize"] >= scores[0]
