"""How searches draw architectures and make children: rates, the nearest of others, what is searched, what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
from commands import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas import spaces, truth
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.networks.subtrees import subtrees
from naslib_gennas.scoring import Scorer, Store
from naslib_gennas.studies import search, task_search
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.variation import difference, variation

ALIKE = ("nasbench201", "nasbench101", "transnas-micro", "darts", "nds-darts", "nds-resnet", "nasbenchnlp")


def drawn(name: str, count: int, seed: int = 0) -> List[Any]:
    space, rng = spaces.get(name), np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


# ---------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("rate", [0.05, 1 / 5, 0.5])
def test_every_edge_of_nasbench201_changes_at_the_rate_and_at_least_one(rate: float) -> None:
    children = variation(spaces.get("nasbench201"), f"edge={rate}")
    rng, parent = np.random.default_rng(0), drawn("nasbench201", 1)[0]
    changed = np.array([[a != b for a, b in zip(parent, children.mutate(parent, rng))] for _ in range(3000)])
    assert changed.any(axis=1).all()
    # A binomial of six edges, drawn again where it is none.
    expected = rate / (1 - (1 - rate) ** 6)
    assert changed.mean(axis=0) == pytest.approx([expected] * 6, abs=4 * np.sqrt(expected / 3000))


def test_the_papers_rates_of_nasbench101_are_its_usual_mutation() -> None:
    space = spaces.get("nasbench101")
    paper = variation(space, "paper")
    for seed, parent in enumerate(drawn("nasbench101", 10)):
        usual, at_rates = (way(parent, np.random.default_rng(seed)) for way in (space.mutate, paper.mutate))
        assert usual == at_rates
    seldom = variation(space, "edge=0.001,vertex=1/4")
    cells = drawn("nasbench101", 40)
    kept = [seldom.mutate(cell, np.random.default_rng(seed)).matrix == cell.matrix for seed, cell in enumerate(cells)]
    assert np.mean(kept) > 0.8


@pytest.mark.parametrize(
    ("name", "children", "words"),
    [
        ("darts", "edge=1/5", ["darts has no rate of 'edge'", "one edge of one cell"]),
        ("nds-resnet", "edge=1/5", ["nds-resnet has no rate of 'edge'"]),
        ("nasbenchnlp", "vertex=0.1", ["nasbenchnlp has no rate of 'vertex'"]),
        ("nasbench201", "vertex=0.1", ["nasbench201 has no rate of 'vertex'; it takes rates of edge"]),
        ("nasbench201", "edge=0", ["'0' is no rate; it takes one from 0.001 to 0.5"]),
        ("nasbench201", "edge=1/0", ["'1/0' is no rate"]),
        ("nasbench201", "edge=²", ["is no rate"]),
        ("nasbench201", "edge=0.1,edge=0.2", ["'edge' is there twice"]),
        ("nasbench201", "nearby", ["it takes mutation, paper, nearest"]),
        ("nasbench201", "nearest", ["say among which"]),
        ("darts", "paper", ["the paper does not say how it makes them in darts"]),
        ("nats-size", "nearest-of-5", ["nats-size: it does not say how alike"]),
    ],
)
def test_children_that_a_space_does_not_have_are_refused_by_name(name: str, children: str, words: List[str]) -> None:
    with pytest.raises(InputError) as raised:
        search.search(name, proxy="params", children=children, evaluations=2, truth=None, workers=1)
    assert "\n" not in str(raised.value) and all(word in str(raised.value) for word in words), str(raised.value)


# -------------------------------------------------------------------------------------------------------------- nearest


@pytest.mark.parametrize("name", ALIKE)
def test_architectures_consist_of_what_isomorphic_spellings_share(name: str) -> None:
    space = spaces.get(name)
    archs = drawn(name, 6)
    found = [space.features(arch) for arch in archs]
    assert [difference(one, one) for one in found] == [0] * 6
    assert all(difference(a, b) == difference(b, a) for a in found for b in found)
    again = [space.features(space.parse(space.format(arch))) for arch in archs]
    assert all(difference(a, b) == 0 for a, b in zip(found, again))
    apart = [difference(found[0], space.features(other)) for other in archs[1:]]
    near = difference(found[0], space.features(space.mutate(archs[0], np.random.default_rng(1))))
    # A mutation of NASBench-101 changes four edges on average: that is another graph.
    assert name == "nasbench101" or 0 < near < np.mean(apart)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), count=st.integers(2, 7))
def test_subtrees_do_not_know_the_names_of_vertices(data: st.DataObject, count: int) -> None:
    pairs = [(a, b) for a in range(count) for b in range(a)]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True))
    labels = dict(enumerate(data.draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))))
    order = data.draw(st.permutations(range(count)))
    renamed = {f"v{order[vertex]}": label for vertex, label in sorted(labels.items(), reverse=True)}
    other = subtrees(renamed, [(f"v{order[b]}", f"v{order[a]}") for a, b in edges])
    assert subtrees(labels, edges) == other and sum(other.values()) == 4 * count


def test_children_of_a_recurrent_cell_are_the_nearest_recipes_of_the_table(tmp_path: Path) -> None:
    space = spaces.get("nasbenchnlp")
    archs = list({space.key(arch): arch for arch in drawn("nasbenchnlp", 12)}.values())
    rows = [{"recipe": json.loads(space.format(arch)), "ptb_test_loss": 4.7 + i / 100} for i, arch in enumerate(archs)]
    (tmp_path / "nlp.json").write_text(json.dumps(rows))
    table = truth.load(tmp_path / "nlp.json", space)
    children = variation(space, "paper", table=table)  # of 200, which is more than there are
    assert children.children == "nearest-of-200" and children.among is not None and children.among.of == table.name
    features = [space.features(arch) for arch in archs]
    for place, parent in enumerate(archs):
        child = children.mutate(parent, np.random.default_rng(place))
        near = [difference(features[place], other) for other in features]
        assert difference(features[place], space.features(child)) == min(near[:place] + near[place + 1 :])
        assert child in archs and child != parent


def test_the_regret_of_recurrent_cells_is_to_the_best_lstm(tmp_path: Path) -> None:
    space = spaces.get("nasbenchnlp")
    rows = [
        {"recipe": json.loads(space.format(a)), "ptb_test_loss": 4.7 + i} for i, a in enumerate(drawn(space.name, 4))
    ]
    (tmp_path / "nlp.json").write_text(json.dumps(rows))
    found = search.search(
        space,
        proxy="params",
        children="paper",
        truth=tmp_path / "nlp.json",
        evaluations=8,
        population=3,
        tournament=2,
        workers=1,
        control=False,
    )
    assert {step.truth for step in found.course.steps} <= {4.7, 5.7, 6.7, 7.7}
    content = found.to_json()
    assert content["regret"] == pytest.approx(found.best.truth - 4.36)  # type: ignore[union-attr]
    assert content["truth"]["regret_to"] == {"name": "the best LSTM", "value": 4.36}


# ----------------------------------------------------------------------------------------------------- what is searched


def test_a_search_among_architectures_stays_there_whatever_its_children(tmp_path: Path) -> None:
    space = spaces.get("nasbench201")
    options = {"proxy": "params", "evaluations": 30, "population": 4, "tournament": 2, "truth": None, "workers": 1}
    options["store"] = tmp_path / "s.sqlite"
    keys = {}
    for children in (None, "mutation", "paper", "nearest", "nearest-of-5"):
        found = search.search("nasbench201", children=children, among=60, **options)
        keys[children] = [space.key(space.parse(step.arch)) for step in found.course.steps]
        assert found.control is not None and found.resumed == 0 and len(found.remarks) == 1
        assert found.settings["among"]["architectures"] == 60 and "Searched among 60 " in found.remarks[0]
        keys[children] += [space.key(space.parse(step.arch)) for step in found.control.steps]
    among = set(map(space.key, variation(space, among=60).among.archs))  # type: ignore[union-attr]
    assert len(among) == 60 and all(set(found) <= among for found in keys.values())
    # Of 200 is of all, where there are 60; the others differ.
    assert keys.pop(None) == keys["nearest"] and len({tuple(found) for found in keys.values()}) == len(keys)


@pytest.mark.parametrize(
    ("among", "words"),
    [("truth", "give --truth"), ("1", "from 2 to 15,625"), ("99999", "from 2 to 15,625"), ("no.csv", "no such file")],
)
def test_what_cannot_be_searched_among_is_one_line(empty_folder: Path, among: str, words: str) -> None:
    done = CliRunner().invoke(app, ["search", "nasbench201", "--among", among, "--truth", "none"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and words in done.stderr


def test_the_command_and_python_make_the_same_children(empty_folder: Path) -> None:
    archs = [spaces.get("nds-resnext-a").format(arch) for arch in drawn("nds-resnext-a", 20)]
    Path("archs.json").write_text(json.dumps(archs))
    options = ["--evaluations", "12", "--population", "3", "--tournament", "2", "--workers", "1", "--no-control"]
    command = ["search", "nds-resnext-a", "--proxy", "params", "--among", "archs.json", "--children", "paper", *options]
    done = CliRunner().invoke(app, [*command, "--truth", "none", "--store", "s.sqlite", "--out", "run", "--json", "-"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["settings"]["children"] == "nearest-of-200" and found["settings"]["among"]["of"] == "archs.json"
    usual = {"population": 3, "tournament": 2, "workers": 1, "control": False, "truth": None}
    same = search.search(
        "nds-resnext-a", proxy="params", children="nearest-of-200", among=archs, evaluations=12, **usual
    )
    assert [row["arch"] for row in found["history"]] == [step.arch for step in same.course.steps]
    assert {row["arch"] for row in found["history"]} <= set(archs)
    refused = CliRunner().invoke(app, [*command, "--objective", "score", "--objective", "params"])
    assert refused.exit_code == 2 and "no use for" in refused.stderr and "--children, --among" in refused.stderr


def test_a_task_search_refuses_children_of_architectures() -> None:
    with pytest.raises(InputError, match="a task search has no use for children"):
        task_search.search("nasbench201", {}, children="paper")


# ---------------------------------------------------------------------------------------------- its cost and its budget


def test_random_search_does_not_get_the_searchs_scores_for_nothing(tmp_path: Path) -> None:
    options = {"proxy": "params", "evaluations": 20, "truth": None, "workers": 1, "store": tmp_path / "s.sqlite"}
    found = search.search("nasbench201", **options, population=4, tournament=2)
    space = spaces.get("nasbench201")
    assert found.control is not None
    for course in (found.course, found.control):
        total, seen = 0.0, set()
        for step in course.steps:
            key = space.key(space.parse(step.arch))
            total += 0.0 if key in seen else step.seconds
            seen.add(key)
            assert step.spent == pytest.approx(total)
        assert course.core_seconds == pytest.approx(total) and total > 0
    # Another search of the same architectures finds all scores in the store: it costs what they have cost.
    again = search.search("nasbench201", **options, method="random")
    assert [step.spent for step in again.course.steps] == [step.spent for step in found.control.steps]


def test_under_a_budget_of_time_random_search_gets_the_core_seconds_of_the_search(tmp_path: Path) -> None:
    options = {"proxy": "params", "truth": None, "workers": 1, "store": tmp_path / "s.sqlite", "seed": 1}
    search.search("nasbench201", method="random", evaluations=80, **options)  # its scores are known before
    found = search.search("nasbench201", budget=0.6, population=4, tournament=2, **options)
    assert found.control is not None and len(found.course.steps) > 4
    spent = found.control.looking_seconds
    assert spent - found.control.steps[-1].seconds <= found.course.looking_seconds
    # The same command again takes over both as they are.
    again = search.search("nasbench201", budget=0.6, population=4, tournament=2, **options)
    assert [step.arch for step in again.control.steps] == [step.arch for step in found.control.steps]  # type: ignore


def test_a_budget_below_the_population_is_said_to_be_random_search() -> None:
    options = {"proxy": "params", "truth": None, "workers": 1, "control": False, "population": 6, "tournament": 2}
    few = search.search("nasbench201", evaluations=6, **options)
    assert few.remarks == ["All 6 architectures were drawn at random, since a population has 6: this was random search"]
    assert few.to_json()["remarks"] == few.remarks
    assert search.search("nasbench201", evaluations=7, **options).remarks == []


# ------------------------------------------------------------------------------------------------- stopped in mid-step


@pytest.mark.parametrize("when", ["before it is kept", "before it is counted", "after it is counted", "never"])
def test_a_step_is_kept_and_counted_or_neither(when: str, tmp_path: Path) -> None:
    """Ctrl-C between the journal's entry and the study's own count once lost a step from the report."""
    steps: List[int] = []
    pending = [when]

    def stop(place: str) -> None:
        if place in pending:
            pending.remove(place)
            raise KeyboardInterrupt

    class Kept(Store):
        def append(self, *entry: Any) -> None:
            stop("before it is kept")
            super().append(*entry)

    def take() -> int:
        stop("before it is counted")
        steps.append(7)
        stop("after it is counted")
        return steps[-1]

    with Kept(tmp_path / "s.sqlite") as store:
        journal = Journal(store, "test", Scorer.of("nasbench201", "params", workers=1), {})
        if when == "never":
            assert journal.keep(0, {"step": 7}, take, steps) == 7
        else:
            with pytest.raises(KeyboardInterrupt):
                journal.keep(0, {"step": 7}, take, steps)
        assert len(steps) == journal.holds(0) == (when != "before it is kept")
