"""Syne Tune started from a ranking of ours, as examples/syne_tune_study.py does it, on the real Syne Tune."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import loading
import numpy as np
import pytest

import naslib_gennas
from naslib_gennas import spaces
from naslib_gennas.scoring.scorer import score_many

pytest.importorskip("syne_tune", reason="Syne Tune is not installed (CONTRIBUTING.md: other libraries)")

EXAMPLE = Path(naslib_gennas.__file__).parents[1] / "examples" / "syne_tune_study.py"


@pytest.fixture(scope="module")
def study() -> Any:
    if not EXAMPLE.is_file():
        pytest.skip("the examples are not installed with the package")
    return loading.module(EXAMPLE)


def test_configurations_are_those_of_syne_tunes_own_nasbench201(study: Any) -> None:
    """Its importer of the benchmark reads the same operations out of an architecture's text, in the same order."""
    theirs = pytest.importorskip(
        "syne_tune.blackbox_repository.conversion_scripts.scripts.nasbench201_import",
        reason="Syne Tune's blackbox repository wants huggingface_hub",
    )
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    assert list(study.CONFIGURATIONS) == list(theirs.CONFIG_KEYS)
    for _ in range(20):
        text = space.format(space.sample(rng))
        configuration = study.to_configuration(text)
        assert list(configuration.values()) == theirs.str_to_list(text)


def test_a_configuration_and_back(study: Any) -> None:
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    for _ in range(20):
        text = space.format(space.sample(rng))
        configuration = study.to_configuration(text)
        assert study.to_architecture(configuration) == text
        assert all(value in study.CONFIGURATIONS[key].categories for key, value in configuration.items())


def test_the_search_begins_with_the_best_of_the_ranking(study: Any) -> None:
    given = study.best_of(5, 2)
    archs = [study.to_architecture(configuration) for configuration in given]
    scores = {record.arch: record.score for record in score_many("nasbench201", archs, profile="fast", workers=1)}
    assert scores[archs[0]] > scores[archs[1]]
    search = study.started_from(given)
    assert [search.ask().config for _ in given] == given


def test_the_study_as_a_program(study: Any, empty_folder: Path) -> None:
    if importlib.util.find_spec("analognasbench") is None:
        pytest.skip("the extra demo is not installed")
    run = [sys.executable, str(EXAMPLE), "4", "2"]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    found = re.fullmatch(r"best accuracy of the 2 trials it was given: ([\d.]+); of all 4: ([\d.]+)\n", printed)
    assert found and 10 < float(found[1]) <= float(found[2])
