"""Predictor, measures, optimizer and runners on real NASLib, as its users run them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
import yaml
from scipy import stats

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat, config, graph_space, nas, predictors, zc
from naslib_gennas.plugin import run as script_runner
from naslib_gennas.plugin.graph_space import NaslibSpace

pytestmark = pytest.mark.naslib

QUICK = {"gennas_profile": "fast", "gennas_steps": 2}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up accuracies of thirty NAS-Bench-201 architectures, as a user's CSV file."""
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    archs = {space.format(space.sample(rng)) for _ in range(30)}
    path = tmp_path_factory.mktemp("truth") / "table.csv"
    rows = [f"{arch},{60 + 10 * arch.count('nor_conv_3x3') + i / 100:.2f}" for i, arch in enumerate(sorted(archs))]
    path.write_text("\n".join(["arch,accuracy", *rows]), encoding="utf-8")
    return path


def _write(folder: Path, **content: Any) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"out_dir": str(folder / "run"), "search_space": "nasbench201", **content}))
    return str(path)


def test_measure_through_naslibs_zero_cost() -> None:
    from naslib_gennas import register

    register(profile="fast", steps=2)
    from naslib.predictors import ZeroCost

    from naslib_gennas.plugin.predictor import GenNASPredictor

    graph = NaslibSpace("nasbench201").graph((2, 0, 4, 3, 0, 2))
    loader = [(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.long))]
    unparsed = ZeroCost("gennas_combo").query(graph, dataloader=loader)
    graph.parse()
    parsed = ZeroCost("gennas_combo").query(graph, dataloader=loader)
    assert unparsed == parsed == GenNASPredictor("gennas_combo", profile="fast", steps=2).query(graph)
    assert np.isfinite(ZeroCost("synflow").query(graph, dataloader=loader))


def test_routes_rank_alike_and_files_are_naslibs(tmp_path: Path, table: Path) -> None:
    shared = {"test_size": 6, "seed": 3, "truth": str(table), "gennas_workers": 1, **QUICK}
    path = _write(tmp_path, predictors=["gennas_combo", "params"], train_size_single=3, **shared)
    through_zero_cost = zc.run(["--config-file", path])[0]
    through_evaluator = predictors.run(["--config-file", path])[0]
    assert stats.spearmanr(through_zero_cost["full_testpred"], through_evaluator["full_testpred"])[0] >= 0.95
    assert through_zero_cost["full_ytest"] == through_evaluator["full_ytest"]
    alone = zc.run(["--config-file", path, "gennas_workers", "1", "predictors", "[zen, params]"])
    shared_out = zc.run(["--config-file", path, "gennas_workers", "2", "predictors", "[zen, params]"])
    assert [row["full_testpred"] for row in alone] == [row["full_testpred"] for row in shared_out]
    for folder in (tmp_path / "run").rglob("gennas_combo/3"):
        assert (folder / "log.log").stat().st_size > 0
        for name in ("scores.json", "errors.json"):
            settings, results = json.loads((folder / name).read_text())
            assert settings["predictor"] == "gennas_combo"
            assert {"kendalltau", "spearman", "pearson", "query_time"} <= set(results)
    assert len(list((tmp_path / "run").rglob("gennas_combo/3"))) == 2
    assert len(list((tmp_path / "run").rglob("comparison-3.json"))) == 2


def test_a_failing_measure_leaves_the_others_their_figures(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path, predictors=["params", "lce", "gennas_combo"], test_size=3, truth=str(table), **QUICK)
    with pytest.raises(
        InputError, match="1 of 3 predictors failed: predictor 'lce': .* over epochs is asked for"
    ) as caught:
        predictors.run(["--config-file", path])
    assert "\n" not in str(caught.value)
    printed = capsys.readouterr().out
    assert "\nparams " in printed and "\ngennas_combo " in printed
    (kept,) = (tmp_path / "run").rglob("comparison-*.json")
    assert [row["predictor"] for row in json.loads(kept.read_text())] == ["params", "gennas_combo"]


@pytest.mark.parametrize(("name", "own"), [("nasbench301", "darts"), ("natsbenchsize", "nats-size")])
def test_tables_of_other_spaces_are_read(tmp_path: Path, name: str, own: str) -> None:
    space, rng = spaces.get(own), np.random.default_rng(0)
    rows = {space.format(space.sample(rng)): 90 + i / 10 for i in range(7)}
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("arch", "accuracy"), *rows.items()])
    content = {"search_space": name, "truth": str(path), "test_size": 4, "train_size_single": 3}
    config = _write(tmp_path, predictor="gennas_combo", **content, gennas_profile="fast", gennas_steps=1)
    (found,) = predictors.run(["--config-file", config])
    assert len(found["full_testpred"]) == 4 and set(found["full_ytest"]) <= set(rows.values())
    assert np.isfinite(found["spearman"])
    if name == "natsbenchsize":
        with pytest.raises(InputError, match="ZeroCost needs networks; naslib_gennas.plugin.predictors"):
            zc.run(["--config-file", config])


def test_model_based_predictors_and_the_few_shot_one(tmp_path: Path, table: Path) -> None:
    shared = {"test_size": 5, "train_size_single": 6, "truth": str(table), "seed": 1, "gennas_search_seconds": 1}
    path = _write(tmp_path, predictors=["gennas", "rf"], **shared, **QUICK)
    # The key is overridden as NASLib's command line does it.
    few_shot, forest = predictors.run(["--config-file", path, "gennas_search_seconds", "15"])
    assert few_shot["hp_task"] in ("combo", "single", "search-N", "search-D", "search-R", "searched")
    assert forest["train_size"] == few_shot["train_size"] == 6
    log = next((tmp_path / "run").rglob("gennas/1/log.log")).read_text()
    assert "tasks searched" in log or "task_search_seconds would have to be" in log
    assert (few_shot["hp_task"] == "searched") == bool(list((tmp_path / "run").rglob("gennas/1/task.yaml")))


def test_rankers_learn_from_the_training_set(tmp_path: Path, table: Path) -> None:
    shared = {"test_size": 6, "train_size_single": 12, "truth": str(table), "seed": 1}
    path = _write(tmp_path, predictors=["gennas", "gennas_fewshot", "gennas_combo"], **shared, **QUICK)
    usual, few_shot, free = predictors.run(["--config-file", path])
    assert usual["hp_task"] == few_shot["hp_task"] == "fewshot" and free["hp_task"] == "combo"
    assert usual["full_testpred"] == few_shot["full_testpred"] != free["full_testpred"]
    assert few_shot["spearman"] >= free["spearman"]


def test_gennas_plus_is_a_measure_and_a_predictor() -> None:
    from naslib_gennas import register
    from naslib_gennas.plugin.predictor import GenNASPredictor

    register(profile="fast", steps=2)
    from naslib.predictors import ZeroCost

    loader = [(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.long))]
    paths = []
    for network in ("native", "graph"):
        register(profile="fast", steps=2, network=network)
        graph = NaslibSpace("nasbench201", network=network).graph((2, 0, 2, 3, 0, 2))
        predictor = GenNASPredictor("gennas_plus", profile="fast", steps=2, network=network)
        found = predictor.scorer.score(graph, "plus")
        assert predictor.query(graph) == ZeroCost("gennas_plus").query(graph, dataloader=loader) == found.value
        paths.append((found.details["longest path"], found.details["shortest path"]))
    # NASLib's network has five cells where ours has one; both have a stem and two reductions of one or two more.
    (ours, short), (theirs, same) = paths
    assert theirs - 5 == 5 * (ours - 5) and same - 3 == 5 * (short - 3)


def test_a_ranker_takes_naslibs_own_networks() -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    space, rng = NaslibSpace("nasbench201", network="graph"), np.random.default_rng(0)
    graphs = [space.graph(space.sample(rng)) for _ in range(6)]
    predictor = GenNASPredictor("gennas_fewshot", profile="fast", steps=1, network="graph")
    predictor.fit(graphs, list(range(6)))
    assert predictor.ranker is not None and "conv 3 on a path" in predictor.ranker.names
    assert np.isfinite(predictor.query(graphs)).all()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"predictor": "gennas_combi"}, "unknown predictor 'gennas_combi'; did you mean 'gennas_combo'"),
        ({"search_space": "nasbench202"}, "unknown space 'nasbench202'; did you mean 'nasbench201'"),
        ({"dataset": "cifar11"}, "unknown data set 'cifar11'; did you mean 'cifar10'"),
        ({}, "nb201_cifar10_full_training.pickle, which NASLib expects at"),
        ({"truth": "no-such-file.csv"}, "no such file"),
        ({"search_space": "nasbench301"}, "nb_models_1.0, which NASLib expects at"),
        ({"gennas_profile": "quickest"}, "unknown profile 'quickest'"),
        ({"gennas_profil": "fast"}, "'gennas_profil' is none of naslib-gennas; did you mean 'gennas_profile'"),
        ({"test_size": "many"}, "'test_size' is 'many'; it takes a whole number, like 40"),
        ({"seed": "x"}, "'seed' is 'x'; it takes a whole number"),
        ({"search_space": "hierarchical"}, "NASLib can neither sample nor query hierarchical; make a graph"),
    ],
)
def test_mistakes_in_the_config_are_named(tmp_path: Path, content: Dict[str, Any], word: str) -> None:
    if not content and (compat.data_folder() / "nb201_cifar10_full_training.pickle").exists():  # type: ignore[operator]
        pytest.skip("NASLib's data file is there")
    with pytest.raises(InputError, match=word) as caught:
        zc.run(["--config-file", _write(tmp_path, **content)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("runner", "content", "word"),
    [
        (predictors, {"predictor": "gennas_plus", "gennas_search_seconds": 60}, "only 'predictor: gennas' reads it"),
        (predictors, {"predictors": ["gennas", "xgb"], "gennas_finalists": 3}, "only 'optimizer: gennas_re' reads it"),
        (zc, {"predictor": "synflow", "gennas_warm_start": 30}, "only a search with 'optimizer:' reads it"),
        (nas, {"optimizer": "rs", "search": {"gennas_finalists": 3}}, "only 'optimizer: gennas_re' reads it"),
    ],
)
def test_a_key_of_ours_that_nothing_would_read_is_refused(
    tmp_path: Path, runner: Any, content: Dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=f"has no effect here: {word}"):
        runner.run(["--config-file", _write(tmp_path, **content)])


def test_unknown_optimizer_exits_with_2_and_lists_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert config.command(nas.run, ["--config-file", _write(tmp_path, optimizer="gennas")]) == 2
    assert "did you mean 'gennas_re'? Known: bananas, darts" in capsys.readouterr().err


def _search(folder: Path, *more: str) -> List[str]:
    path = folder / "config.yaml"
    if not path.exists():
        search = {"epochs": 14, "population_size": 5, "sample_size": 3, "checkpoint_freq": 1, **QUICK}
        folder.mkdir(exist_ok=True)
        _write(folder, optimizer="gennas_re", seed=2, search=search)
    return [sys.executable, "-W", "ignore", "-m", "naslib_gennas.plugin.nas", "--config-file", str(path), *more]


def test_killed_search_resumes_to_the_uninterrupted_result(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(_search(whole), check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(_search(killed), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(killed.rglob("*.pth"))) < 7:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    subprocess.run(_search(killed, "--resume"), check=True, stdout=subprocess.DEVNULL)
    (first,), (second,) = ([json.loads(p.read_text()) for p in f.rglob("architecture.json")] for f in (whole, killed))
    assert first == second and first["evaluations"] == 14
    (run_folder,) = (path.parent for path in killed.rglob("architecture.json"))
    source = tmp_path / "model.py"
    exporting = ["export", "nasbench201", str(run_folder), "--to", str(source)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "naslib_gennas", *exporting], check=True, stdout=subprocess.DEVNULL
    )
    assert "class" in source.read_text()
    states = [torch.load(next(f.rglob("model_final.pth")), weights_only=True)["model"] for f in (whole, killed)]
    assert list(states[0]) == list(states[1])  # the name of the state is its digest


def test_naslibs_optimizers_run_on_a_table(tmp_path: Path, table: Path) -> None:
    path = _write(tmp_path, optimizer="rs", truth=str(table), seed=1, search={"epochs": 3})
    found = nas.run(["--config-file", path])
    assert found["valid_accuracy"] >= 60


def test_script_runs_unchanged_with_our_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from naslib.predictors.utils.pruners import measures\n"
        "from naslib import utils\n"
        "print(sys.argv[1:], utils.parse_args().seed, 'gennas_r' in measures._measure_impls, __name__)\n"
    )
    script_runner.run([str(script), "--seed", "5"])
    assert "['--seed', '5'] 5 True __main__" in capsys.readouterr().out
    with pytest.raises(InputError, match="is not there"):
        script_runner.run([str(tmp_path / "absent.py")])


def test_published_zero_cost_scores_get_ours_when_asked() -> None:
    space = NaslibSpace("nasbench201")
    rows = script_runner.with_ours({"(1, 1, 1, 2, 2, 2)": {"synflow": {"score": 3.0}, "val_accuracy": 50}}, space)
    row = rows["(1, 1, 1, 2, 2, 2)"]
    assert row["synflow"]["score"] == 3.0 and row["val_accuracy"] == 50
    assert "gennas_plus" in row and "no_such_measure" not in row
    assert row["gennas_combo"]["score"] == -1e8  # no path leads through this cell
    with pytest.raises(KeyError):
        row["no_such_measure"]


@pytest.fixture(scope="module")
def whole_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up accuracies of every NAS-Bench-201 architecture."""
    space = NaslibSpace("nasbench201")
    path = tmp_path_factory.mktemp("truth") / "whole.csv"
    own = space.own_space()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("arch", "accuracy"))
        for i, spec in enumerate(graph_space.specs(space)):
            arch = own.format(space.to_native(spec))
            rows.writerow((arch, 50 + 5 * arch.count("nor_conv") + i / 1e5))
    return path


def test_naslibs_optimizers_search_a_table_of_the_whole_space(tmp_path: Path, whole_table: Path) -> None:
    measures = {"zc": True, "zc_ensemble": True, "zc_names": ["params", "gennas_combo"], "num_candidates": 2}
    usual = {"epochs": 3, "num_init": 2, "population_size": 2, "sample_size": 2, "k": 2, "num_arches_to_mutate": 1}
    for name in ("re", "bananas", "npenas"):
        search = {**usual, **measures, **QUICK}
        path = _write(tmp_path, optimizer=name, truth=str(whole_table), seed=1, search=search)
        found = nas.run(["--config-file", path])
        assert found["valid_accuracy"] >= 50, name


def test_local_search_and_mutation_need_more_than_a_few_accuracies(tmp_path: Path) -> None:
    space, table = spaces.get("nats-size"), tmp_path / "two.csv"
    rows = [f"{space.format(space.parse(text))},{90 + i}" for i, text in enumerate(("8:8:8:8:8", "64:64:64:64:64"))]
    table.write_text("\n".join(["arch,accuracy", *rows]), encoding="utf-8")
    for name, word in (("ls", "has no neighbour of .*local search needs"), ("re", "none of 200 mutants")):
        search = {"epochs": 2, "num_init": 1, "population_size": 1, "sample_size": 1}
        shared = {"search_space": "natsbenchsize", "truth": str(table), "seed": 1, "search": search}
        with pytest.raises(InputError, match=word):
            nas.run(["--config-file", _write(tmp_path, optimizer=name, **shared)])


@pytest.mark.parametrize(
    ("name", "own", "dataset"),
    [("natsbenchsize", "nats-size", "cifar10"), ("transbench101_macro", "transnas-macro", "jigsaw")],
)
def test_optimizers_take_tables_of_spaces_that_naslib_wants_lists_or_arrays_of(
    tmp_path: Path, name: str, own: str, dataset: str
) -> None:
    space, rng = spaces.get(own), np.random.default_rng(0)
    first = space.sample(rng)
    archs = {space.format(first), *(space.format(space.mutate(first, rng)) for _ in range(60))}
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("arch", "accuracy"), *((arch, 50 + i) for i, arch in enumerate(sorted(archs)))])
    for optimizer in ("re", "ls") if name == "natsbenchsize" else ("re",):
        search = {"epochs": 4, "num_init": 2, "population_size": 2, "sample_size": 2}
        config_file = _write(
            tmp_path, search_space=name, dataset=dataset, optimizer=optimizer, truth=str(path), search=search
        )
        assert nas.run(["--config-file", config_file])["valid_accuracy"] >= 50


@pytest.mark.parametrize(
    ("content", "arguments", "word"),
    [
        ({"optimizer": "re"}, ["--resume"], "NASLib's checkpoints leave out what 're' has learnt.*gennas_re"),
        ({"search": {"zc_names": ["synflo"]}}, [], "'zc_names': unknown measure 'synflo'; did you mean 'synflow'"),
        ({"dataset": "cifar100", "truth": "analog-nasbench"}, [], "is of cifar10, the config says dataset: cifar100"),
    ],
)
def test_searches_that_cannot_be_are_refused_before_they_begin(
    tmp_path: Path, content: Dict[str, Any], arguments: List[str], word: str
) -> None:
    path = _write(tmp_path, **{"optimizer": "bananas", "truth": "analog-nasbench", **content})
    with pytest.raises(InputError, match=word):
        nas.run(["--config-file", path, *arguments])


def test_a_resumed_search_keeps_the_figures_of_all_epochs(tmp_path: Path) -> None:
    search = {"epochs": 4, "population_size": 2, "sample_size": 2, "checkpoint_freq": 1, "gennas_finalists": 0, **QUICK}
    path = _write(tmp_path, optimizer="gennas_re", search=search)
    nas.run(["--config-file", path])
    (errors,) = (tmp_path / "run").rglob("errors.json")
    nas.run(["--config-file", path, "--resume", "search.epochs", "6"])
    assert len(json.loads(errors.read_text())[1]["valid_acc"]) == 6


def test_keys_of_ours_may_be_on_the_command_line_alone(tmp_path: Path) -> None:
    path = _write(tmp_path, predictor="gennas_combo", test_size=3)
    with pytest.raises(InputError, match="unknown profile 'quickest'"):
        zc.run(["--config-file", path, "gennas_profile", "quickest"])


@pytest.mark.parametrize("space", ["nasbench101", "nlp"])
def test_zero_cost_takes_graphs_that_naslibs_measures_do_not(space: str) -> None:
    from naslib_gennas import register

    register(profile="fast", steps=1)
    from naslib.predictors import ZeroCost

    found = NaslibSpace(space)
    graph = found.light_graph(found.parse(found.notation))
    assert np.isfinite(ZeroCost("gennas_combo").query(graph))
    with pytest.raises(InputError, match="takes one graph; .*issue 185"):
        ZeroCost("synflow").query([graph])


def _runner(name: str) -> str:
    return str(compat.require_naslib() / "runners" / name / "runner.py")


def test_naslibs_own_runners_find_ours(tmp_path: Path, table: Path) -> None:
    search = {"epochs": 3, "population_size": 2, "sample_size": 2, "checkpoint_freq": 1, "gennas_finalists": 0}
    shared = {"truth": str(table), "test_size": 3, "train_size_single": 3, "experiment_type": "single"}
    for runner, chosen in (("nas", {"optimizer": "gennas_re"}), ("predictors", {"predictor": "gennas_combo"})):
        path = _write(tmp_path, **shared, **chosen, search=search, evaluation={"epochs": 1}, dataset="cifar10", seed=0)
        script_runner.run([_runner(runner), "--config-file", path, "gennas_steps", "1", "gennas_profile", "fast"])
    assert len(list((tmp_path / "run").rglob("errors.json"))) == 2


@pytest.mark.parametrize(
    ("runner", "content", "word"),
    [
        ("nas", {}, "nb201_cifar10_full_training.pickle, which NASLib expects at .*truth: FILE.csv"),
        ("zc", {"truth": "analog-nasbench"}, "zc_nasbench201.json with cifar10 are not in .*plugin.zc"),
        ("nas", {"gennas_profile": "nonsense"}, "unknown profile 'nonsense'"),
        ("nas", {"gennas_profil": "fast"}, "'gennas_profil' is none of naslib-gennas"),
        ("nas", {"search": {"zc_names": ["synflo"]}}, "unknown measure 'synflo'"),
    ],
)
def test_naslibs_own_runners_say_in_a_line_what_is_wrong(
    tmp_path: Path, runner: str, content: Dict[str, Any], word: str
) -> None:
    if (compat.data_folder() / "nb201_cifar10_full_training.pickle").exists():  # type: ignore[operator]
        pytest.skip("NASLib's data file is there")
    usual: Dict[str, Any] = {
        "optimizer": "re",
        "predictor": "synflow",
        "dataset": "cifar10",
        "search": {},
        "evaluation": {},
    }
    usual.update(seed=0, config_type=runner)
    with pytest.raises(InputError, match=word):
        script_runner.run([_runner(runner), "--config-file", _write(tmp_path, **{**usual, **content})])


def test_a_script_keeps_the_settings_of_an_earlier_register(tmp_path: Path) -> None:
    from naslib_gennas.plugin import measure

    measure.register(profile="fast", steps=3)
    script = tmp_path / "script.py"
    script.write_text("from naslib_gennas.plugin import measure\nassert measure.current().settings.steps == 3\n")
    script_runner.run([str(script)])
    assert measure.current().settings.steps == 3
