"""Our measures on other branches of NASLib: in the checkouts that GENNAS_NASLIB_CHECKOUTS lists, as PYTHONPATH does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.naslib

CHECKOUTS = [path for path in os.environ.get("GENNAS_NASLIB_CHECKOUTS", "").split(os.pathsep) if path]
SCRIPT = """
    import math, torch
    import naslib_gennas
    from naslib_gennas.plugin import compat

    settings = {"profile": "fast", "steps": 2}
    names = naslib_gennas.register(**settings)
    assert naslib_gennas.register(**settings) == names and set(names) <= set(compat.measures().registry)
    import naslib.search_spaces as spaces
    from naslib.predictors import ZeroCost
    from naslib_gennas.plugin.predictor import GenNASPredictor
    from naslib_gennas.plugin.graph_space import graph_api

    loader = [(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.long))]
    for network in ("native", "graph"):
        naslib_gennas.register(**settings, network=network)
        for space in ("NasBench101", "NasBench201", "NasBench301"):
            if not hasattr(spaces, space + "SearchSpace"):
                continue
            graph = getattr(spaces, space + "SearchSpace")()
            graph.sample_random_architecture(dataset_api=graph_api(space.lower()))
            graph.parse()
            score = ZeroCost(method_type="gennas_combo").query(graph, dataloader=loader)
            assert math.isfinite(score), space
            assert score == GenNASPredictor("gennas_combo", network=network, **settings).query(graph), space
            print(space, network, score)
"""


@pytest.mark.parametrize("checkout", CHECKOUTS or [pytest.param("", marks=pytest.mark.skip("none named"))])
def test_measures_on_another_checkout(checkout: str) -> None:
    assert (Path(checkout) / "naslib").is_dir(), "GENNAS_NASLIB_CHECKOUTS names folders that hold a folder naslib"
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([checkout, root])}
    code = ["-W", "ignore", "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run([sys.executable, *code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "NasBench201 graph" in done.stdout
