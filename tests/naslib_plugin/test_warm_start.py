"""NASLib's own optimizers begin with the best architectures by our score, through our runner and NASLib's own."""

from __future__ import annotations

import csv
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest
import yaml

import naslib_gennas
from naslib_gennas.errors import InputError
from naslib_gennas.plugin import benchmark as benchmarks
from naslib_gennas.plugin import compat, graph_space, nas, warm_start
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.scoring import GraphScorer, Settings

pytestmark = pytest.mark.naslib


@pytest.fixture(scope="module")
def whole_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up accuracies of every NAS-Bench-201 architecture."""
    space = NaslibSpace("nasbench201")
    path, own = tmp_path_factory.mktemp("truth") / "whole.csv", space.own_space()
    texts = [own.format(space.to_native(spec)) for spec in graph_space.specs(space)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("arch", "accuracy"), *((text, 50 + i / 1e3) for i, text in enumerate(texts))])
    return path


def _config(folder: Path, truth: Path, optimizer: str, **search: Any) -> str:
    usual = {"epochs": 3, "num_init": 2, "population_size": 2, "sample_size": 2, "k": 2, "num_candidates": 2}
    usual.update(num_arches_to_mutate=1, gennas_task="gennas_single", gennas_steps=1)
    content = {"out_dir": str(folder / "run"), "search_space": "nasbench201", "dataset": "cifar10", "seed": 1}
    content.update(optimizer=optimizer, truth=str(truth), search={**usual, **search}, evaluation={"epochs": 1})
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def _begun(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """The architectures that an optimizer is given to begin with."""
    given: List[Any] = []
    theirs = warm_start.sampling

    def sampling(method: Any, benchmark: Any, specs: Any) -> Any:
        first = theirs(method, benchmark, specs)

        def sample(self: Any, *args: Any, **kwargs: Any) -> None:
            first(self, *args, **kwargs)
            given.append(compat.plain(self.get_hash()))

        return sample

    monkeypatch.setattr(warm_start, "sampling", sampling)
    return given


@pytest.mark.parametrize("optimizer", ["npenas", "ls"])
def test_an_optimizer_begins_with_the_best_by_our_score(
    tmp_path: Path,
    whole_table: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: str,
) -> None:
    given = _begun(monkeypatch)
    nas.run(["--config-file", _config(tmp_path, whole_table, optimizer, gennas_warm_start=5)])
    benchmark = benchmarks.load("nasbench201", "cifar10", str(whole_table))
    scorer = GraphScorer(Settings(seed=1, steps=1))
    drawn = benchmark.sample(5, 1)
    ranked = sorted(drawn, key=lambda spec: -scorer.score_spec(benchmark.space, spec, "single").value)
    assert given[:2] == ranked[:2]
    assert "whole.csv:accuracy (higher is better: 'accuracy' in its name)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("optimizer", "count", "word"),
    [
        ("rs", 5, "'rs' takes no warm start; bananas, ls, npenas, re do"),
        ("ls", 1, "is 1; 'ls' begins with 2 architectures, so it takes more"),
        ("ls", "many", "is 'many'; it takes a whole number"),
    ],
)
def test_a_warm_start_that_cannot_be_is_refused(
    tmp_path: Path, whole_table: Path, optimizer: str, count: Any, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        nas.run(["--config-file", _config(tmp_path, whole_table, optimizer, gennas_warm_start=count)])


def test_naslibs_own_runner_is_a_program_that_finds_ours_and_says_in_a_line_what_it_lacks(
    tmp_path: Path, whole_table: Path
) -> None:
    runner = compat.require_naslib() / "runners" / "nas" / "runner.py"
    command = [sys.executable, "-W", "ignore", "-m", "naslib_gennas.plugin.run", str(runner), "--config-file"]
    path = _config(tmp_path, whole_table, "ls", gennas_warm_start=3)
    done = subprocess.run([*command, path], capture_output=True, text=True)
    assert done.returncode == 0 and "begins with the best 2 of 3" in done.stdout + done.stderr, done.stderr
    content = yaml.safe_load(Path(path).read_text())
    del content["search"]
    Path(path).write_text(yaml.safe_dump(content))
    done = subprocess.run([*command, path], capture_output=True, text=True)
    assert done.returncode == 2 and "the config has no key 'search'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_naslibs_bbo_runner_runs_to_its_end_on_exported_scores(tmp_path: Path, whole_table: Path) -> None:
    pytest.importorskip("tensorboard", reason="NASLib's bbo runner needs it")
    checkout = tmp_path / "checkout"
    shutil.copytree(compat.require_naslib(), checkout / "naslib")  # its scores are looked up beside its code
    paths = [str(Path(naslib_gennas.__file__).parents[1]), str(checkout), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    start = [sys.executable, "-W", "ignore", "-m"]
    scores = str(checkout / "naslib" / "data" / "zc_nasbench201.json")
    export = ["naslib_gennas", "export-scores", "nasbench201", "--n", "2", "--proxies", "params", "--workers", "1"]
    subprocess.run([*start, *export, "--truth", str(whole_table), "--to", scores], env=environment, check=True)
    path = _config(tmp_path, whole_table, "npenas", use_zc_api=True, acq_fn_optimization="random_sampling")
    runner = str(checkout / "naslib" / "runners" / "bbo" / "runner.py")
    command = [*start, "naslib_gennas.plugin.run", runner, "--config-file", path, "config_id", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run").rglob("errors.json"))) == 1


def test_scoring_graphs_makes_no_more_search_spaces() -> None:
    space, scorer = NaslibSpace("nasbench201"), GraphScorer(Settings(steps=1))

    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, NaslibSpace) for one in gc.get_objects())

    scorer.score(space.light_graph((2, 0, 4, 3, 0, 2)), "single")
    before = alive()
    for spec in ((1, 0, 4, 3, 0, 2), (2, 2, 4, 3, 0, 2), (2, 0, 3, 3, 0, 2)):
        scorer.score(space.light_graph(spec), "single")
    assert alive() == before
