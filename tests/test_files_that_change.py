"""Files of the user that change in mid-run: the run goes on with what it began with, and is kept as a run of that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List

import pytest

import naslib_gennas
from naslib_gennas import proxies
from naslib_gennas.errors import InputError
from naslib_gennas.scoring import Scorer
from naslib_gennas.studies import comparison, search

PROXY = """
from naslib_gennas.proxies import proxy
import {beside}

@proxy("{name}")
def measure(network, inputs, seed):
    return {value} + {beside}.OFFSET
"""
SPACE = """
from torch import nn
from {beside} import grow

def {name}(choose):
    width = choose.suggest_int("width", 8, 64, step=8)
    return grow(nn.Conv2d(3, width, 3), {more})
"""
GROW = """
from torch import nn

def grow(first, more):
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(first.out_channels, {least} + more, 3))
"""


def names(request: Any) -> str:
    """A name that no other test of this process has."""
    return request.node.name.replace("test_", "")[:20]


def test_a_proxy_file_that_changes_is_the_old_one_until_the_run_ends(tmp_path: Path, request: Any) -> None:
    name, beside = f"{names(request)}-p", f"{names(request)}_beside"
    file = tmp_path / "mine.py"

    def write(value: int, offset: int) -> None:
        file.write_text(PROXY.format(name=name, value=value, beside=beside))
        (tmp_path / f"{beside}.py").write_text(f"OFFSET = {offset}\n")

    def scores(change: Any = lambda: None) -> List[Any]:
        def progress(which: str, done: int, total: int) -> None:
            if which == "params":
                change()

        options = {"truth": None, "workers": 1, "store": tmp_path / "s.sqlite", "progress": progress}
        made = comparison.compare("nasbench201", ["params", str(file)], 2, **options)
        return [(column.name, *column.scores) for column in made.columns[1:]]

    write(1, 0)
    assert scores(lambda: write(2, 0)) == [(name, 1.0, 1.0)]
    assert scores(lambda: write(2, 3)) == [(name, 2.0, 2.0)]
    assert scores(lambda: file.write_text("1 / 0")) == [(name, 5.0, 5.0)]
    with pytest.raises(InputError, match="line 1: ZeroDivisionError"):
        scores()
    write(1, 0)
    assert scores(lambda: file.unlink(missing_ok=True)) == [(name, 1.0, 1.0)]
    with Scorer.of("nasbench201", name, workers=1, store=tmp_path / "s.sqlite") as scorer:
        assert scorer.one("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|").score == 1.0


def test_a_scorer_of_a_proxy_file_keeps_it_at_another_seed(tmp_path: Path, request: Any) -> None:
    name, beside = f"{names(request)}-p", f"{names(request)}_beside"
    file = tmp_path / "mine.py"
    (tmp_path / f"{beside}.py").write_text("OFFSET = 0\n")
    file.write_text(PROXY.format(name=name, value=1, beside=beside))
    scorer = Scorer.of("nasbench201", str(file), workers=1)
    file.write_text(PROXY.format(name=name, value=2, beside=beside))
    arch = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert scorer.at(seed=1, profile="fast").one(arch).score == scorer.one(arch).score == 1.0
    assert naslib_gennas.score("nasbench201", arch, str(file)).score == 2.0


def test_a_proxy_that_is_gone_from_its_file_is_gone(tmp_path: Path, request: Any) -> None:
    name, beside = f"{names(request)}-p", f"{names(request)}_beside"
    file = tmp_path / "mine.py"
    (tmp_path / f"{beside}.py").write_text("OFFSET = 0\n")
    file.write_text(PROXY.format(name=name, value=1, beside=beside))
    assert proxies.load_file(file) == [name]
    file.write_text(PROXY.format(name=f"{name}2", value=1, beside=beside))
    assert proxies.load_file(file) == [f"{name}2"] and name not in proxies.names()


def test_a_space_file_that_changes_is_the_old_one_until_the_run_ends(tmp_path: Path, request: Any) -> None:
    name, beside = names(request), f"{names(request)}_beside"
    file = tmp_path / "space.py"

    def write(least: int, more: int) -> None:
        file.write_text(SPACE.format(name=name, beside=beside, more=more))
        (tmp_path / f"{beside}.py").write_text(GROW.format(least=least))

    def found(change: Any = lambda: None) -> Any:
        def progress(method: str, step: Any, best: Any, done: int, total: Any) -> None:
            if done == 2:
                change()

        options = {"proxy": "params", "control": False, "truth": None, "workers": 1, "store": tmp_path / "s.sqlite"}
        made = search.search(f"{file}:{name}", evaluations=4, progress=progress, **options)
        return made.resumed, [step.score for step in made.course.steps]

    write(8, 0)
    first = found(lambda: write(8, 8))
    assert first[0] == 0
    second = found(lambda: write(16, 8))
    assert second[0] == 0 and second[1] != first[1]
    write(8, 0)
    assert found() == (4, first[1])


def test_a_file_of_the_user_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(InputError, match="pipe.py' cannot be read: it is no regular file"):
        Scorer.of(f"{tmp_path / 'pipe.py'}:space", "params")
    with pytest.raises(InputError, match="pipe.py' cannot be read: it is no regular file"):
        proxies.load_file(tmp_path / "pipe.py")
