"""The search spaces in examples/, as their users run them."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import naslib_gennas
from naslib_gennas import spaces, truth
from naslib_gennas.regression.profiles import PAPER

EXAMPLES = Path(naslib_gennas.__file__).parents[1] / "examples"
TINY = PAPER.replace(name="tiny", images=2, resolution=16, target_size=4, steps=4)


def example(name):
    if not EXAMPLES.is_dir():
        pytest.skip("the examples are not installed with the package")
    return spaces.get(f"{EXAMPLES / name}.py:{name}")


def parameters(space, arch):
    with torch.device("meta"):
        return sum(part.numel() for part in space.published(arch).parameters())


def test_the_mobile_space_is_that_of_its_benchmark(shared):
    """Every architecture of the table is read, written as it stands there, and has the parameters that it states."""
    mobile = example("mobile")
    with open(shared / "benchmarks" / "nasbench_macro.csv", newline="") as file:
        rows = list(csv.DictReader(file))[::300]
    for row in rows:
        arch = mobile.parse(row["arch"])
        assert mobile.format(arch) == row["arch"] and parameters(mobile, arch) == int(row["params"])
    # The second and third layer of a stage may change places with an identity.
    assert mobile.key(mobile.parse("11101112")) == mobile.key(mobile.parse("11110112"))
    assert mobile.key(mobile.parse("11101112")) != mobile.key(mobile.parse("11110121"))


def test_rho_of_the_mobile_space(shared, tmp_path):
    example("mobile")
    table = tmp_path / "macro.csv"
    lines = (shared / "benchmarks" / "nasbench_macro.csv").read_text().splitlines()
    table.write_text("\n".join([lines[0], *lines[1::250]]))
    spec = f"{EXAMPLES}/mobile.py:mobile"
    profile = {"images": 8, "resolution": 16}
    result = naslib_gennas.rank(spec, "naswot", n=10, truth=f"{table}:cifar10_test_acc", profile=profile, workers=1)
    assert result.space == "mobile" and result.n == 10
    assert result.spearman.value > 0.3


def test_the_transformer_space_reads_the_tables_of_autoformer(shared):
    vit = example("vit")
    table = shared / "benchmarks" / "autoformer.json"
    found = truth.load(f"{table}:c100_base_acc", vit)
    assert len(found.texts) == len(json.loads(table.read_text())) and not found.skipped
    network = spaces.build(vit, vit.parse(next(iter(found.texts))), TINY, 0)
    assert [part.shape[1:] for part in network(torch.randn(2, 3, 16, 16))] == [(network.stage_channels[0], 4, 4)] * 3


def test_the_transformer_s_score_depends_on_its_depth():
    vit = example("vit")
    choices = {
        "hidden_dim": 192,
        **{f"{name} {i}": 3.5 if name == "ratio" else 3 for name in ("heads", "ratio") for i in range(12)},
    }
    deeper = {**choices, "depth": 13, "heads 12": 3, "ratio 12": 3.5}
    scores = {naslib_gennas.score(vit, arch, profile=TINY).score for arch in ({**choices, "depth": 12}, deeper)}
    assert len(scores) == 2 and all(np.isfinite(list(scores)))


def test_an_optuna_study(empty_folder):
    """A real study: its trials are in its SQLite file, and it goes on with them."""
    pytest.importorskip("optuna")
    for trials in (3, 5):
        run = [sys.executable, str(EXAMPLES / "optuna_study.py"), "2" if trials == 5 else "3"]
        printed = subprocess.run(run, check=True, capture_output=True, text=True, timeout=300).stdout
        with sqlite3.connect(empty_folder / "study.db") as study:
            values = [value for (value,) in study.execute("select value from trial_values")]
        assert len(values) == trials and all(np.isfinite(values))
    assert re.match(rf"{max(values):.4f} {{'width': ", printed)


SLOW = """
import time
from naslib_gennas.proxies import proxy

@proxy("slow")
def slow(network, inputs, seed):
    time.sleep(0.2)
    return sum(part.numel() for part in network.parameters())
"""


def test_a_search_with_a_bound_goes_on_after_a_kill(empty_folder):
    """Killed in its middle and started again, it finds what it finds when nobody disturbs it."""
    example("mobile")
    (empty_folder / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "naslib_gennas", "search", f"{EXAMPLES}/mobile.py:mobile", "--proxy", "slow.py"]
    command += "--evaluations 12 --population 4 --tournament 2 --no-control --finalists 0 --workers 1".split()
    command += ["--constraint", "params<1.4M"]

    def start(name):
        return subprocess.Popen([*command, "--store", f"{name}.db", "--out", name], stderr=subprocess.PIPE)

    def scored(name):
        try:
            with sqlite3.connect(f"file:{name}.db?mode=ro", uri=True) as store:
                return store.execute("select count(*) from scores").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    with start("killed") as search:
        while scored("killed") < 4 and search.poll() is None:
            time.sleep(0.05)
        search.kill()
    assert 4 <= scored("killed") < 12
    histories = []
    for name in ("killed", "whole"):
        with start(name) as search:
            assert search.wait() == 0, search.stderr.read()
        with open(f"{name}/history.csv", newline="") as file:
            histories.append([(row["arch"], row["score"], row["parent"]) for row in csv.DictReader(file)])
    assert histories[0] == histories[1] and len(histories[0]) == 12
    assert all(parameters(example("mobile"), example("mobile").parse(arch)) < 1.4e6 for arch, _, _ in histories[0])


def test_torchvision_s_models_are_a_space_with_their_accuracies(tmp_path):
    pytest.importorskip("torchvision")
    example("mobile")  # skips where there are no examples
    file, table = EXAMPLES / "torchvision_models.py", tmp_path / "models.csv"
    table.write_text(subprocess.run([sys.executable, file], check=True, capture_output=True, text=True).stdout)
    space = spaces.get(f"{file}:models")
    found = truth.load(str(table), space)
    assert len(found.texts) >= 40 and not found.skipped
    assert found.of(space, space.parse("squeezenet1_1")) == pytest.approx(58.18, abs=0.01)
    assert naslib_gennas.score(space, "squeezenet1_1", "params").score == 1_235_496
