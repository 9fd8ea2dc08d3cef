"""gennas-fewshot: what its features say, how labels move a ranking, and the proxy from a file of labels."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import yaml
from commands import CliRunner

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.cli import app
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import gennas_fewshot
from naslib_gennas.proxies import ranker as rankers
from naslib_gennas.regression import batches
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.store import Store
from naslib_gennas.truth.labels import rho

SPACE = spaces.get("nasbench201")
SMALL = {"cells": 1, "channels": 4, "images": 4, "resolution": 8, "target_size": 2, "steps": 2}
QUICK = Profile(name="quick", **SMALL)
INPUTS = batches.load("photos", 4, 8)
BATCH = batches.given(INPUTS)
CHAIN = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rankers that a test makes are its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def archs(count: int, seed: int) -> List[Any]:
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        arch = SPACE.sample(rng)
        if SPACE.untrainable(arch) is None:
            found[SPACE.key(arch)] = arch
    return list(found.values())


def described(arch: Any) -> Dict[str, float]:
    return dict(rankers.describe(spaces.build(SPACE, arch, QUICK, 0), BATCH, 0, QUICK).details)


def value(arch: Any) -> float:
    """A made-up label: 3x3 convolutions count, poolings harm."""
    text = SPACE.format(arch)
    return (
        3.0 * text.count("nor_conv_3x3") + text.count("nor_conv_1x1") - 2.0 * text.count("avg_pool") + len(text) / 1e3
    )


@pytest.fixture(scope="module")
def labelled() -> List[Any]:
    """(features, label) of 28 architectures."""
    return [(described(arch), value(arch)) for arch in archs(28, 0)]


def row(prior: float, **features: float) -> Dict[str, float]:
    return {rankers.PRIOR: prior, **features}


def test_the_description_is_the_label_free_score_with_finite_features() -> None:
    network = spaces.build(SPACE, SPACE.parse(CHAIN), QUICK, 0)
    plus = proxies.get("gennas-plus", QUICK).score(network, INPUTS, 0)
    found = rankers.describe(network, BATCH, 0, QUICK)
    assert found.value == plus.value == found.details[rankers.PRIOR]
    assert all(math.isfinite(number) for number in found.details.values())
    assert found.details["az_progressivity"] == pytest.approx(
        proxies.get("az_progressivity", QUICK).score(spaces.build(SPACE, SPACE.parse(CHAIN), QUICK, 0), INPUTS, 0).value
    )


def test_a_network_without_class_scores_is_described_too(monkeypatch: pytest.MonkeyPatch) -> None:
    network = spaces.build(SPACE, SPACE.parse(CHAIN), QUICK, 0)
    combo = proxies.get("gennas-combo", QUICK).score(network, INPUTS, 0)
    monkeypatch.setattr(type(network), "logits", StagedNetwork.logits)
    found = rankers.describe(network, BATCH, 0, QUICK)
    assert found.status == "ok" and found.value == combo.value
    assert found.details["conv 3 on a path"] == 9.0


def test_twenty_labels_rank_other_architectures_better_than_none(labelled: List[Any]) -> None:
    learned, free = [], []
    for draw in range(10):
        order = np.random.default_rng(draw).permutation(len(labelled))
        rows, values = zip(*(labelled[i] for i in order))
        learned.append(rho(rankers.fit(rows[:20], values[:20]).predict(rows[20:]), values[20:]))
        free.append(rho([features[rankers.PRIOR] for features in rows[20:]], values[20:]))
    assert np.mean(learned) > np.mean(free) + 0.1


def test_the_order_of_the_labels_does_not_matter(labelled: List[Any]) -> None:
    rows, values = zip(*labelled)
    order = np.random.default_rng(0).permutation(20)
    one = rankers.fit(rows[:20], values[:20])
    other = rankers.fit([rows[i] for i in order], [values[i] for i in order])
    np.testing.assert_allclose(one.predict(rows), other.predict(rows), atol=1e-3)


def test_only_the_order_of_the_values_counts(labelled: List[Any]) -> None:
    rows, values = zip(*labelled)
    one, other = rankers.fit(rows[:20], values[:20]), rankers.fit(rows[:20], [math.exp(v) for v in values[:20]])
    np.testing.assert_array_equal(one.predict(rows), other.predict(rows))


@pytest.mark.parametrize("label", [1e3, -1e3])
def test_a_new_label_moves_its_architecture_and_its_like(labelled: List[Any], label: float) -> None:
    rows, values = zip(*labelled)
    before = rankers.fit(rows[:10], values[:10]).predict(rows[10:11])[0]
    after = rankers.fit([*rows[:11]], [*values[:10], label]).predict(rows[10:11])[0]
    assert (after - before) * label > 0


def test_where_structure_says_nothing_the_label_free_score_ranks() -> None:
    rows = [row(float(prior), parameters=5.0) for prior in (0.1, 0.5, 0.2, 0.9, 0.4)]
    ranker = rankers.fit(rows, [1.0, 3.0, 2.5, 4.0, 2.0])
    assert ranker.names == []
    others = [row(prior, parameters=float(7 * i)) for i, prior in enumerate(np.linspace(-1, 2, 9))]
    predicted = ranker.predict(others)
    assert (np.diff(predicted) > 0).all()


def test_far_from_all_labels_the_label_free_score_ranks(labelled: List[Any]) -> None:
    rows, values = zip(*labelled)
    ranker = rankers.fit(rows[:20], values[:20])
    far = {name: 1e6 for name in rows[0]}
    predicted = ranker.predict([{**far, rankers.PRIOR: prior} for prior in np.linspace(-1, 1, 5)])
    assert (np.diff(predicted) > 0).all()


def test_missing_features_and_new_operations_are_taken() -> None:
    rows = [row(i / 10, width=float(i % 3), progress=math.nan if i == 2 else float(i)) for i in range(8)]
    ranker = rankers.fit(rows, list(range(8)))
    predicted = ranker.predict([row(0.3, width=1.0, progress=math.nan, novel=4.0), row(0.3)])
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_labels_that_order_nothing_are_refused(values: List[float]) -> None:
    with pytest.raises(InputError, match="two different ones or more"):
        rankers.fit([row(float(i)) for i in range(len(values))], values)


# ------------------------------------------------------------------------------------------------------------ the proxy


def write(path: Path, count: int = 6, column: str = "accuracy", shift: float = 0.0) -> Path:
    rows = [f"{SPACE.format(arch)},{value(arch) + shift:.3f}" for arch in archs(count, 1)]
    path.write_text("\n".join([f"arch,{column}", *rows]), encoding="utf-8")
    return path


def score(name: str, arch: Any, store: Any = None) -> scoring.Record:
    return scoring.score(SPACE, arch, proxies.get(name, QUICK), store=store)


def test_a_ranking_on_the_command_line_learns_from_a_file(empty_folder: Path) -> None:
    write(empty_folder / "labels.csv")
    (empty_folder / "quick.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    name = "gennas-fewshot:labels.csv:accuracy"
    options = ["--n", "3", "--workers", "1", "--profile", "quick.yaml", "--truth", "labels.csv"]
    result = CliRunner().invoke(app, ["rank", "nasbench201", "--proxy", name, *options])
    assert result.exit_code == 0, result.output
    assert "Spearman rho" in result.output and name in result.output


def test_scores_are_those_of_the_fitted_ranker(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv")
    known = sorted(archs(6, 1), key=SPACE.format)
    ranker = rankers.fit([described(arch) for arch in known], [value(arch) for arch in known])
    arch = archs(1, 2)[0]
    expected = ranker.predict([described(arch)])[0]
    assert score(f"gennas-fewshot:{path}", arch).score == pytest.approx(expected, abs=1e-3)


def test_stored_scores_of_other_labels_are_never_used(tmp_path: Path) -> None:
    arch, store = archs(1, 2)[0], tmp_path / "scores.sqlite"
    name = f"gennas-fewshot:{write(tmp_path / 'labels.csv')}"
    first, again = score(name, arch, store), score(name, arch, store)
    assert again.reused and again.score == first.score
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    values = [line.rpartition(",") for line in lines[1:]]
    turned = [f"{text},{-float(number)}" for text, _, number in values]
    (tmp_path / "labels.csv").write_text("\n".join([lines[0], *turned]), encoding="utf-8")
    other = score(name, arch, store)
    assert not other.reused and other.score != first.score
    with Store(store) as kept:
        assert len({run["fingerprint"] for run in kept.runs()}) == 2


def test_the_ranker_is_fitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, (one, other) = f"gennas-fewshot:{write(tmp_path / 'labels.csv')}", archs(2, 2)
    score(name, one)
    monkeypatch.setattr(rankers, "fit", lambda *_: pytest.fail("fitted twice"))
    assert score(name, other).status == "ok"


def test_a_users_mistakes_are_one_line(tmp_path: Path) -> None:
    arch, darts = archs(1, 2)[0], spaces.get("darts")
    with pytest.raises(InputError, match="no file 'absent.csv' with labels; write gennas-fewshot:FILE"):
        proxies.get("gennas-fewshot:absent.csv")
    with pytest.raises(InputError, match="'gennas-fewshot' is incomplete; write gennas-fewshot:FILE or FILE:COLUMN"):
        proxies.get("gennas-fewshot")
    with pytest.raises(InputError, match="4 architectures; at least 5 are needed"):
        score(f"gennas-fewshot:{write(tmp_path / 'four.csv', 4)}", arch)
    path = write(tmp_path / "labels.csv")
    with pytest.raises(InputError, match="no column 'acuracy'; did you mean 'accuracy'"):
        score(f"gennas-fewshot:{path}:acuracy", arch)
    with pytest.raises(InputError, match="has no architecture of darts"):
        found = proxies.get(f"gennas-fewshot:{path}", QUICK)
        scoring.score(darts, darts.sample(np.random.default_rng(0)), found)
    network = spaces.build(SPACE, arch, QUICK, 0)
    network.built_from = None
    with pytest.raises(InputError, match="not a network of your own"):
        proxies.get(f"gennas-fewshot:{path}", QUICK).score(network, INPUTS, 0)


def test_labels_that_cannot_be_trained_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", 5)
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    with_none = [*path.read_text().splitlines(), f"{none},10"]
    path.write_text("\n".join(with_none), encoding="utf-8")
    assert score(f"gennas-fewshot:{path}", archs(1, 2)[0]).status == "ok"
    path.write_text("\n".join(with_none[:1] + with_none[2:]), encoding="utf-8")
    with pytest.raises(InputError, match="4 of the 5 architectures can be scored; at least 5"):
        score(f"gennas-fewshot:{path}", archs(1, 2)[0])


def test_a_file_that_changes_while_it_is_used_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv")
    found = proxies.get(f"gennas-fewshot:{path}", QUICK)
    write(path, shift=1.0)
    with pytest.raises(InputError, match="has changed since the proxy was made"):
        scoring.score(SPACE, archs(1, 2)[0], found)


def test_a_diverged_network_stays_diverged() -> None:
    ranker = rankers.fit([row(float(i)) for i in range(5)], list(range(5)))
    bad = proxies.Score(-math.inf, "diverged", "training 1")
    assert gennas_fewshot.ranked(ranker, bad) is bad


def test_recurrent_networks_keep_their_label_free_order(tmp_path: Path) -> None:
    space, rng = spaces.get("nasbenchnlp"), np.random.default_rng(0)
    recipes = list(dict.fromkeys(space.format(space.sample(rng)) for _ in range(8)))
    table = tmp_path / "labels.json"
    table.write_text(json.dumps([{"arch": recipe, "acc": float(i)} for i, recipe in enumerate(recipes[:5])]))
    quick = QUICK.replace(steps=1, sequences=2)
    free, learned = (
        [scoring.score(space, recipe, name, profile=quick).score for recipe in recipes]
        for name in ("gennas-plus", f"gennas-fewshot:{table}:acc")
    )
    assert np.array_equal(np.argsort(free), np.argsort(learned))
