"""The recipes of CONTRIBUTING.md work as they are written."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import forks
import numpy as np
import pytest
import yaml

import naslib_gennas
from naslib_gennas.cli import options

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
TINY = {"cells": 1, "channels": 4, "images": 2, "resolution": 8, "target_size": 2, "steps": 2}


def recipe(title):
    """The Python code below a heading."""
    return re.search(rf"^## {title}$.*?```python\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE).group(1)


def test_a_proxy(empty_folder):
    Path("spread.py").write_text(recipe("A proxy"), encoding="utf-8")
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    command = ["compare", "nasbench201", "--proxies", "params,spread.py"]
    command += ["--n", "3", "--truth", "none", "--profile", "tiny.yaml", "--workers", "1", "--json", "-"]
    done = forks.done(forks.command(command))
    assert done.returncode == 0, done.stderr
    assert [column["name"] for column in json.loads(done.stdout)["proxies"]] == ["params", "spread"]


def test_a_search_space():
    from naslib_gennas.spaces import registry

    place = {}
    try:
        exec(recipe("A search space"), place)
        space = place["Widths"]()
        rng = np.random.default_rng(0)
        for arch in [space.sample(rng) for _ in range(20)]:
            assert space.mutate(arch, rng) != arch and space.parse(space.format(arch)) == arch
        ranked = naslib_gennas.rank(space, n=4, truth=None, profile=TINY, workers=1)
        assert [row.status for row in ranked.architectures] == ["ok"] * 4
    finally:
        registry._REGISTRY.pop("widths", None)


@pytest.mark.naslib
def test_a_naslib_optimizer():
    compat = pytest.importorskip("naslib_gennas.plugin.compat")
    try:
        compat.require_naslib()
    except naslib_gennas.InputError as error:
        pytest.skip(str(error))
    from naslib.search_spaces import NasBench201SearchSpace

    place = {}
    exec(recipe("A NASLib optimizer"), place)
    settings = SimpleNamespace(dataset="cifar10", seed=0, search=SimpleNamespace(epochs=3, gennas_steps=2))
    optimizer = place["GenNASRandomSearch"](settings)
    optimizer.adapt_search_space(NasBench201SearchSpace())
    for epoch in range(2):
        optimizer.new_epoch(epoch)
    assert len(optimizer.evolution.history) == 2 and optimizer.get_final_architecture() is not None


def test_an_option():
    text = recipe("An option")
    name = re.match(r"\s*(\w+): Annotated", text).group(1)
    place = dict(vars(options))
    command = "def command(scoring: Annotated[Any, Group(_scoring)]) -> None: ..."
    exec(f"from __future__ import annotations\ndef _scoring(\n{text}): ...\n{command}", place)
    spelt_out = inspect.signature(options.expanded(place["command"])).parameters
    assert list(spelt_out) == [name] and spelt_out[name].default is None
