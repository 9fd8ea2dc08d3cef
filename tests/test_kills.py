"""Every study that is killed at random moments ends as the one that was not, and computes nothing twice.

GENNAS_KILLS sets how often each is killed; docs/reliability.md says what a long run found.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import random
from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest
from kills import kept, kill

from naslib_gennas import spaces
from naslib_gennas.studies import comparison, leaderboard, pareto, ranking, search, task_search
from naslib_gennas.studies.reproduce import reproduce

KILLS = int(os.environ.get("GENNAS_KILLS", 2))
TINY = {"cells": 1, "channels": 4, "images": 4, "resolution": 8, "target_size": 4, "steps": 4}
USUAL: Dict[str, Any] = {"profile": TINY, "workers": 1}
SMALL: Dict[str, Any] = {"population": 4, "tournament": 2, "control": False}
#: What two runs of one study may differ in: times, and how much they found in the store.
TIMES = ("seconds", "spent", "wall", "budget", "reused", "resumed", "front")
needs_pymoo = pytest.mark.skipif(importlib.util.find_spec("pymoo") is None, reason="no pymoo, as on Python 3.9")


def timeless(content: Any) -> Any:
    """A result without what depends on time."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if not any(word in key for word in TIMES)}
    return [timeless(value) for value in content] if isinstance(content, (list, tuple)) else content


def rank(store: Path, truth: Path) -> Any:
    return ranking.rank("nasbench201", n=16, truth=truth, store=store, **USUAL)


def compare(store: Path, truth: Path) -> Any:
    names = ["gennas-combo", "synflow", "vote:naswot+synflow"]
    return comparison.compare("nasbench201", names, 8, truth=truth, store=store, **USUAL)


def board(store: Path, truth: Path) -> Any:
    names, tables = ["gennas-combo", "synflow"], [f"nasbench201={truth}"]
    return leaderboard.leaderboard(["nasbench201"], names, 12, truths=tables, store=store, **USUAL)


def evolution(store: Path, truth: Path) -> Any:
    return search.search("nasbench201", truth=truth, evaluations=16, store=store, **SMALL, **USUAL)


def trade_off(store: Path, truth: Path) -> Any:
    aims = ["score", "params"]
    return pareto.trade_off("nasbench201", aims, evaluations=16, population=4, control=False, store=store, **USUAL)


def tasks(store: Path, truth: Path) -> Any:
    lines = truth.read_text(encoding="utf-8").splitlines()[1:7]
    labels = {arch: float(value) for arch, value in (line.split(",") for line in lines)}
    return task_search.search("nasbench201", labels, evaluations=6, store=store, **SMALL, **USUAL)


def table_5(store: Path, truth: Path) -> Any:
    space, rng = spaces.get("nasbench101"), np.random.default_rng(0)
    table = truth.with_name("nasbench101.csv")
    with open(table, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["arch", "cifar10_test_acc"])
        archs = {space.key(arch): arch for arch in (space.sample(rng) for _ in range(12))}
        rows.writerows([space.format(arch), 90 + place / 10] for place, arch in enumerate(archs.values()))
    return reproduce("table5", truths=[f"nasbench101={table}"], n="3", store=store, **USUAL)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    drawn = dict.fromkeys(space.format(space.sample(rng)) for _ in range(40))
    lines = [f"{arch},{arch.count('3x3') + number / 100}" for number, arch in enumerate(drawn)]
    (tmp_path / "truth.csv").write_text("\n".join(["arch,accuracy", *lines]), encoding="utf-8")
    return tmp_path / "truth.csv"


@pytest.mark.parametrize(
    "study", [rank, compare, board, evolution, pytest.param(trade_off, marks=needs_pymoo), tasks, table_5]
)
def test_a_killed_study_ends_as_the_uninterrupted_one(tmp_path: Path, truth: Path, study: Callable[..., Any]) -> None:
    draw, store = random.Random(study.__name__), tmp_path / "s.sqlite"
    kills, before = 0, kept(store)
    for _ in range(KILLS):
        held = kill(lambda: study(store, truth), store, draw)
        kills += held is not None
        now = kept(store)
        assert {**now, **before, **(held or {})} == now  # all that was there is there, as it was
        before = now
    assert kills
    resumed, whole = (study(path, truth).to_json() for path in (store, tmp_path / "whole.sqlite"))
    after = kept(store)
    assert {**after, **before} == after and len(after) == len(kept(tmp_path / "whole.sqlite"))
    assert timeless(resumed) == timeless(whole)
