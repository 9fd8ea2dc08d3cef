"""The plugin's contracts with NASLib, on doubles of its classes: these run without NASLib too."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import pytest
import torch

from naslib_gennas.errors import InputError

QUICK = {"profile": "fast", "steps": 2}


@pytest.fixture
def graph(doubles: None) -> Any:
    from naslib.search_spaces import NasBench201SearchSpace

    made = NasBench201SearchSpace()
    made.set_spec((2, 0, 4, 3, 0, 2))
    return made


def test_query_gives_a_float_for_one_graph_and_an_array_for_a_list(graph: Any) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    predictor = GenNASPredictor("gennas_combo", **QUICK)
    score = predictor.query(graph, dataloader=None)
    scores = predictor.query([graph, graph], [{}, {}])
    assert isinstance(score, float) and math.isfinite(score)
    assert isinstance(scores, np.ndarray) and scores.tolist() == [score, score]
    assert predictor.method_type == "gennas_combo"
    assert predictor.get_data_reqs()["requires_partial_lc"] is False


def test_cache_goes_by_architecture_not_by_graph(graph: Any) -> None:
    from naslib.search_spaces import NasBench201SearchSpace

    from naslib_gennas.plugin.predictor import GenNASPredictor

    other = NasBench201SearchSpace()
    other.set_spec((3, 3, 3, 3, 3, 3))
    assert other == graph and hash(other) == hash(graph)  # as all of NASLib's clones
    predictor = GenNASPredictor(**QUICK)
    assert predictor.query(other) != predictor.query(graph)
    assert predictor.scorer.scored == 2
    assert predictor.query(copy.deepcopy(graph)) == predictor.query(graph)
    assert predictor.scorer.scored == 2


def test_scoring_leaves_graph_and_generators_alone(graph: Any, generators: Callable[[], Any]) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    before, attributes = generators(), {key: graph.__dict__[key] for key in ("op_indices", "training", "is_parsed")}
    GenNASPredictor(**QUICK).query(graph)
    assert generators() == before
    assert {key: graph.__dict__[key] for key in attributes} == attributes


def test_fit_chooses_the_task_that_ranks_the_labels(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor
    from naslib_gennas.proxies import Score

    predictor = GenNASPredictor(candidates=["combo", "single", "search-N"], **QUICK)
    order = {"combo": [3, 1, 2, 0], "single": [0, 1, 2, 3], "search-N": [3, 2, 1, 0]}
    graphs = [SimpleNamespace(place=i) for i in range(4)]
    monkeypatch.setattr(predictor.scorer, "score", lambda graph, task: Score(float(order[task][graph.place])))
    predictor.fit(graphs, [10.0, 20.0, 30.0, 40.0])
    assert predictor.get_hyperparams()["task"] == "single"
    assert predictor.correlations["search-N"] == pytest.approx(-1)
    predictor.fit([], [])
    assert predictor.get_hyperparams()["task"] == "combo"


def _labelled(task: str) -> Any:
    """Eight graphs, and as their labels what `task` scores them."""
    from naslib.search_spaces import NasBench201SearchSpace

    from naslib_gennas.plugin.predictor import GenNASPredictor

    rng, graphs = np.random.default_rng(1), []
    for _ in range(8):
        graphs.append(NasBench201SearchSpace())
        graphs[-1].set_spec(tuple([2, *rng.integers(0, 5, 4).tolist(), 2]))
    return graphs, GenNASPredictor(task, **QUICK).query(graphs).tolist()


@pytest.mark.parametrize(("shipped", "found", "taken"), [("single", "search-D", True), ("search-D", "single", False)])
def test_a_searched_task_is_taken_only_where_it_beats_the_shipped_ones(
    doubles: None, monkeypatch: pytest.MonkeyPatch, shipped: str, found: str, taken: bool
) -> None:
    from naslib_gennas.plugin.predictor import SEARCHED, GenNASPredictor
    from naslib_gennas.regression import tasks
    from naslib_gennas.studies import task_search

    graphs, labels = _labelled("search-D")
    outcome = SimpleNamespace(candidate=tasks.get(found), taken=True, course=SimpleNamespace(trials=()))
    monkeypatch.setattr(task_search, "search", lambda *_, **__: outcome)
    predictor = GenNASPredictor(candidates=[shipped], task_search_seconds=600, **QUICK)
    predictor.fit(graphs, labels)
    assert (predictor.task == SEARCHED) == taken == (predictor.searched is not None)
    if taken:
        assert predictor.correlations[SEARCHED] > predictor.correlations[shipped]
        assert predictor.query(graphs).tolist() == labels
        predictor.set_hyperparams(predictor.get_hyperparams() and {"task": SEARCHED})
        assert predictor.searched is not None
    predictor.reset_hyperparams()
    assert predictor.get_hyperparams()["task"] == "combo" and predictor.searched is None


@pytest.mark.parametrize("key", ["gennas", "gennas_fewshot"])
def test_fit_learns_a_ranking_from_labels(doubles: None, key: str) -> None:
    from naslib_gennas.plugin.predictor import RANKED, GenNASPredictor

    graphs, _ = _labelled("combo")
    predictor = GenNASPredictor(key, **QUICK)
    free = predictor.query(graphs)
    labels = [float(i) for i in np.argsort(np.argsort(free))][::-1]  # the other way round
    predictor.fit(graphs, labels)
    learned = predictor.query(graphs)
    assert predictor.get_hyperparams()["task"] == RANKED and predictor.ranker is not None
    assert _rank_correlation(learned, labels) > _rank_correlation(free, labels) + 0.5
    assert predictor.query(graphs[0]) == learned[0]
    predictor.fit(graphs[:4], labels[:4])  # too few to learn from
    assert predictor.ranker is None and predictor.query(graphs).tolist() == free.tolist()
    predictor.fit(graphs, labels)
    predictor.set_hyperparams({"task": "single"})
    assert predictor.ranker is None and predictor.get_hyperparams()["task"] == "single"
    predictor.reset_hyperparams()
    assert predictor.query(graphs).tolist() == free.tolist()


def _rank_correlation(one: Any, other: Any) -> float:
    return float(np.corrcoef(np.argsort(np.argsort(one)), np.argsort(np.argsort(other)))[0, 1])


def test_without_labels_the_few_shot_predictor_is_gennas_plus(graph: Any) -> None:
    from naslib_gennas import proxies, spaces
    from naslib_gennas.plugin.predictor import GenNASPredictor
    from naslib_gennas.regression import batches

    predictor = GenNASPredictor("gennas_fewshot", **QUICK)
    profile, own = predictor.scorer.settings.resolved(), predictor.scorer.space(graph).own_space()
    network = spaces.build(own, predictor.scorer.space(graph).to_native((2, 0, 4, 3, 0, 2)), profile, 0)
    plus = proxies.get("gennas-plus", profile)
    expected = plus.score(network, batches.load("photos", plus.images, profile.resolution), 0).value
    assert predictor.query(graph) == expected
    assert GenNASPredictor("gennas_plus", **QUICK).query(graph) == expected
    several = GenNASPredictor("gennas_fewshot", seeds=2, **QUICK)
    one = GenNASPredictor("gennas_fewshot", seed=1, **QUICK)
    assert several.query(graph) == pytest.approx((expected + one.query(graph)) / 2)


def test_the_few_shot_predictor_has_no_task_to_search(doubles: None) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    with pytest.raises(InputError, match="no task to choose or to search; method_type 'gennas' has"):
        GenNASPredictor("gennas_fewshot", task_search_seconds=60)


def test_fit_searches_within_its_seconds(doubles: None, caplog: pytest.LogCaptureFixture) -> None:
    from naslib_gennas.plugin.predictor import SEARCHED, GenNASPredictor

    caplog.set_level("INFO")
    graphs, labels = _labelled("sin2d-H@2")
    graphs.append(copy.deepcopy(graphs[0]))  # an architecture twice, with two labels
    labels.append(labels[0] + 0.01)
    predictor = GenNASPredictor(candidates=["single"], task_search_seconds=1e-6, **QUICK)
    predictor.fit(graphs, labels)
    assert "task_search_seconds would have to be at least" in caplog.text and predictor.searched is None
    seconds = 20 * predictor._pace * len(labels)
    predictor.set_hyperparams({"task_search_seconds": seconds})
    start = time.perf_counter()
    predictor.fit(graphs, labels)
    assert time.perf_counter() - start < 3 * seconds  # the machine may do other things too
    assert "tasks searched" in caplog.text
    assert (SEARCHED in predictor.correlations) == (predictor.task == SEARCHED)


@pytest.mark.parametrize("seconds", [-1, "60", math.nan, True])
def test_seconds_of_the_search_are_checked(doubles: None, seconds: Any) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    with pytest.raises(InputError, match="task_search_seconds"):
        GenNASPredictor(task_search_seconds=seconds)
    with pytest.raises(InputError, match="unknown hyperparameter 'task_search_second'; did you mean"):
        GenNASPredictor().set_hyperparams({"task_search_second": 1})


def test_a_search_goes_by_a_task_of_a_file(doubles: None, tmp_path: Path) -> None:
    from naslib_gennas.regression import tasks

    path = tmp_path / "task.yaml"
    path.write_text(tasks.dump(tasks.get("search-D")), encoding="utf-8")
    by_file, by_name = (_search(_config(gennas_task=task)) for task in (str(path), "gennas_d"))
    for search in (by_file, by_name):
        search.new_epoch(0)
    assert by_file.evolution.history[0].fitness == by_name.evolution.history[0].fitness
    assert by_file.state()["settings"]["gennas_task"] == str(path)


@pytest.mark.parametrize(("count", "labels", "word"), [(2, [1.0], "1 labels"), (3, [1.0, math.nan, 2.0], "not finite")])
def test_fit_refuses_bad_labels(doubles: None, count: int, labels: Any, word: str) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    with pytest.raises(InputError, match=word):
        GenNASPredictor(**QUICK).fit([None] * count, labels)


def test_register_is_idempotent_and_the_measure_gives_one_float64_tensor(graph: Any) -> None:
    from naslib.predictors.utils.pruners.measures import _measure_impls

    from naslib_gennas.plugin.measure import register
    from naslib_gennas.plugin.predictor import GenNASPredictor

    names = register(**QUICK)
    assert register(**QUICK) == names
    assert set(names) == {"gennas", "gennas_single", "gennas_combo", "gennas_n", "gennas_d", "gennas_r", "gennas_plus"}
    assert set(names) <= set(_measure_impls)
    inputs = torch.zeros(2, 3, 32, 32)
    value = _measure_impls["gennas_n"](graph, inputs, None, loss_fn=None, split_data=1)
    assert len(value) == 1 and value[0].dtype == torch.float64
    assert float(value[0]) == GenNASPredictor("gennas_n", **QUICK).query(graph)


def test_architecture_without_a_path_ranks_last(doubles: None) -> None:
    from naslib.search_spaces import NasBench201SearchSpace

    from naslib_gennas.plugin.predictor import GenNASPredictor

    graph = NasBench201SearchSpace()
    graph.set_spec((1, 1, 1, 2, 2, 2))
    assert GenNASPredictor(**QUICK).query(graph) == -1e8


def test_graphs_that_cannot_be_scored_are_refused_with_what_would_help(doubles: None) -> None:
    from naslib.search_spaces import NasBench201SearchSpace, UntappedSearchSpace

    from naslib_gennas.plugin.predictor import GenNASPredictor

    with pytest.raises(InputError, match="no architecture yet; call set_spec"):
        GenNASPredictor(**QUICK).query(NasBench201SearchSpace())
    with pytest.raises(InputError, match="cannot be tapped.*score_network"):
        GenNASPredictor(**QUICK).query(UntappedSearchSpace())


@pytest.mark.parametrize("name", ["gennas_combi", "no-such-task"])
def test_unknown_keys_are_refused_with_the_known_ones(doubles: None, name: str) -> None:
    from naslib_gennas.plugin.predictor import GenNASPredictor

    with pytest.raises(InputError, match="combo"):
        GenNASPredictor(name)


def _config(**search: Any) -> Any:
    keys = {"population_size": 4, "sample_size": 2, "gennas_profile": "fast", "gennas_steps": 1, **search}
    return SimpleNamespace(seed=7, dataset="cifar10", search=SimpleNamespace(**keys))


def _search(config: Any, dataset_api: Any = None) -> Any:
    from naslib.search_spaces import NasBench201SearchSpace

    from naslib_gennas.plugin.optimizer import GenNASRegularizedEvolution

    optimizer = GenNASRegularizedEvolution(config)
    optimizer.adapt_search_space(NasBench201SearchSpace(), dataset_api=dataset_api)
    return optimizer


def test_search_goes_on_from_its_checkpoint_as_if_never_interrupted(doubles: None) -> None:
    whole = _search(_config())
    for epoch in range(9):
        whole.new_epoch(epoch)
    first = _search(_config())
    for epoch in range(6):
        first.new_epoch(epoch)
    saved = first.get_checkpointables()["model"].state_dict()
    assert all(isinstance(value, torch.Tensor) for value in saved.values())
    second = _search(_config())
    second.get_checkpointables()["model"].load_state_dict(saved)
    for epoch in range(6, 9):
        second.new_epoch(epoch)
    assert second.evolution.history == whole.evolution.history
    assert second.get_final_architecture().get_hash() == whole.get_final_architecture().get_hash()


def test_keys_at_the_top_of_the_config_count_for_a_search_too(doubles: None) -> None:
    search, top = _config(gennas_seeds=3), _config()
    for key in ("gennas_profile", "gennas_steps"):
        delattr(search.search, key)
    search.gennas_profile, search.gennas_steps, search.gennas_seeds = "fast", 1, 2  # under `search:` goes first
    search.gennas_task, search.gennas_finalists = "single", 2
    found, usual = _search(search), _search(top)
    assert found.scorer.settings.resolved() == usual.scorer.settings.resolved()
    assert (found.scorer.settings.seeds, found.task, found.count) == (3, "single", 2)


def test_the_best_race_at_full_depth_after_the_last_epoch(doubles: None) -> None:
    search = _search(_config(epochs=6, gennas_finalists=3))
    for epoch in range(6):
        assert not search.finalists
        search.new_epoch(epoch)
    assert [one.rung for one in search.finalists] == [4, 4, 1]
    winner = search.space.format(next(i for i in search.evolution.history if i.id == search.finalists[0].id).genome)
    assert search.test_statistics()["architecture"] == search.finalists[0].arch == winner
    saved = search.get_checkpointables()["model"].state_dict()
    again = _search(_config(epochs=6, gennas_finalists=3))
    again.get_checkpointables()["model"].load_state_dict(saved)
    assert again.get_final_architecture().get_hash() == search.get_final_architecture().get_hash()
    none = _search(_config(epochs=1, gennas_finalists=0))
    none.new_epoch(0)
    assert not none.finalists


def test_statistics_are_four_floats_nan_where_unknown(doubles: None) -> None:
    search = _search(_config())
    search.new_epoch(0)
    statistics = search.train_statistics(True)
    assert len(statistics) == 4 and all(math.isnan(value) for value in statistics)
    assert f"{statistics[1]:.5f}" == "nan"  # what NASLib's Trainer does with it

    class Accuracies(dict):  # type: ignore[type-arg]
        def __missing__(self, spec: Any) -> float:
            return 90.5

    known = _search(_config(), Accuracies())
    known.new_epoch(0)
    assert known.train_statistics(False) == (90.5, 90.5, 90.5, 90.5)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 99}, "version 99"),
        ({"space": "naslib:nasbench101,native"}, "is of the space"),
        ({"settings": {"gennas_task": "single"}}, "other settings.*gennas_task"),
    ],
)
def test_checkpoints_of_something_else_are_refused(doubles: None, change: Any, word: str) -> None:
    search = _search(_config())
    search.new_epoch(0)
    with pytest.raises(InputError, match=word):
        _search(_config()).restore({**search.state(), **change})
    with pytest.raises(InputError, match="another optimizer"):
        search.get_checkpointables()["model"].load_state_dict({"0.arch.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("key", "value"), [("population_size", 0), ("gennas_seeds", "two"), ("sample_size", 2.5), ("gennas_steps", -1)]
)
def test_wrong_values_in_the_config_are_named(doubles: None, key: str, value: Any) -> None:
    with pytest.raises(InputError, match=key):
        _search(_config(**{key: value}))


def test_defaults_are_the_papers(doubles: None) -> None:
    from naslib_gennas.plugin.optimizer import GenNASRegularizedEvolution

    search = GenNASRegularizedEvolution(SimpleNamespace(seed=0, dataset="cifar10", search=SimpleNamespace()))
    assert (search.population_size, search.sample_size, search.epochs) == (50, 10, 450)
    assert search.task == "plus"
