"""What a score depends on is in its identity, and nothing else: each test is a wrong number that once looked right."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import textwrap
from pathlib import Path
from typing import Any, Iterator

import forks
import numpy as np
import pytest
import torch
from commands import CliRunner
from torch import nn

import naslib_gennas
from naslib_gennas import proxies, spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches
from naslib_gennas.scoring import Scorer, Store
from naslib_gennas.studies import comparison, methods, ranking, search, task_search

ARCH = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
TINY = {"cells": 1, "channels": 4, "images": 4, "resolution": 16, "target_size": 4, "steps": 4}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# ------------------------------------------------------------------------------------------------------ the input batch


def test_an_aggregate_scores_on_the_batch_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naslib_gennas.proxies.ensembles.REFERENCE", 6)
    noise, photos = (
        naslib_gennas.score("nasbench201", ARCH, "ranksum:naswot+jacob_cov", inputs=name, profile=TINY).details["parts"]
        for name in ("noise", "photos")
    )
    for part in ("naswot", "jacob_cov"):
        alone = naslib_gennas.score("nasbench201", ARCH, part, inputs="noise", profile=TINY).score
        assert noise[part] == alone != photos[part]


def test_an_aggregate_of_parts_with_batches_of_their_own_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naslib_gennas.proxies.ensembles.REFERENCE", 4)

    def score(name: str, **inputs: str) -> Any:
        return naslib_gennas.score("nasbench201", ARCH, name, profile=TINY, **inputs)

    found = score("vote:nasi+naswot").details["parts"]
    assert found == {name: score(name).score for name in ("nasi", "naswot")}
    on_photos = score("vote:nasi+naswot", inputs="photos").details["parts"]
    assert on_photos["naswot"] == found["naswot"] and on_photos["nasi"] != found["nasi"]


def test_two_files_whose_first_images_agree_are_two_batches(tmp_path: Path) -> None:
    """Proxies read up to 64 images: a digest of 16 would mix the scores of both."""
    images = np.random.default_rng(0).standard_normal((64, 3, 32, 32)).astype(np.float32)
    np.save(tmp_path / "a.npy", images)
    images[40] += 1
    np.save(tmp_path / "b.npy", images)
    first, second = (batches.get(str(tmp_path / f"{name}.npy"), 64) for name in "ab")
    assert first.identity != second.identity
    assert batches.get(str(tmp_path / "a.npy"), 16).identity == batches.get(str(tmp_path / "b.npy"), 16).identity


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "batch.npy"
    np.save(path, np.zeros((4, 3, 8, 8), np.float32))
    before = batches.get(str(path), 4, 8)
    np.save(path, np.ones((4, 3, 8, 8), np.float32))
    after = batches.get(str(path), 4, 8)
    assert float(before.tensor.sum()) == 0 and float(after.tensor.mean()) == 1
    assert before.identity != after.identity


def test_recurrent_cells_have_synthetic_sequences_in_every_study(tmp_path: Path) -> None:
    options = {"n": 2, "truth": None, "workers": 1}
    ranked = ranking.rank("nasbenchnlp", "params", **options)
    compared = comparison.compare("nasbenchnlp", ["params"], **options)
    found = search.search("nasbenchnlp", proxy="params", evaluations=2, truth=None, workers=1, out=tmp_path / "out")
    assert ranked.inputs == compared.inputs == found.to_json()["inputs"] == "synthetic"
    assert compared.columns[0].settings["inputs"] == "synthetic"


# ------------------------------------------------------------------------------------------------------ the user's code


PROXY = """
from naslib_gennas.proxies import proxy
import beside

FACTOR = 1

@proxy("{name}")
def measure(network, inputs, seed):
    return FACTOR * beside.OFFSET
"""


def scores_of_a_file(folder: Path, name: str) -> Any:
    """One score, by a new process, as a user's next run is."""
    program = f"""
import sys; sys.path.insert(0, {str(folder)!r})
import naslib_gennas
print(naslib_gennas.score("nasbench201", {ARCH!r}, {str(folder / "mine.py")!r}, store={str(folder / "s.sqlite")!r}))
"""
    done = forks.done(forks.script(program))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_proxy_file_counts_with_its_constants_and_the_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PROXY.format(name="of-a-file"))
    (tmp_path / "beside.py").write_text("OFFSET = 1\n")
    assert "score=1.0" in scores_of_a_file(tmp_path, "of-a-file")
    assert "reused=True" in scores_of_a_file(tmp_path, "of-a-file")
    (tmp_path / "mine.py").write_text(PROXY.format(name="of-a-file").replace("FACTOR = 1", "FACTOR = 2"))
    assert "score=2.0" in scores_of_a_file(tmp_path, "of-a-file")
    (tmp_path / "beside.py").write_text("OFFSET = 5\n")
    assert "score=10.0" in scores_of_a_file(tmp_path, "of-a-file")


SPACE = """
from naslib_gennas.spaces.nasbench201 import NasBench201
from {layers} import grow

class Mine(NasBench201):
    def __init__(self):
        self.name = "mine"
    def build(self, arch, size):
        return grow(super().build(arch, size))
"""


@pytest.fixture
def own_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives a function that loads a user's space, whose network code is in a module beside it, anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_space.py").write_text(SPACE.format(layers="my_layers"))

    def load(layers: str) -> Any:
        (tmp_path / "my_layers.py").write_text(textwrap.dedent(layers))
        importlib.invalidate_caches()
        for name in ("my_space", "my_layers"):
            sys.modules.pop(name, None)
        return importlib.import_module("my_space").Mine()

    yield load
    for name in ("my_space", "my_layers"):
        sys.modules.pop(name, None)


GROW = """
def grow(network):
    return network
"""


def test_a_space_counts_with_what_its_networks_are_made_of(own_space: Any, tmp_path: Path) -> None:
    first = Scorer.of(own_space(GROW), "params").identity
    assert Scorer.of(own_space(GROW), "params").identity == first
    assert Scorer.of(own_space(GROW + "\nWIDTH = 2\n"), "params").identity != first


def test_a_search_does_not_go_on_with_the_fitness_of_other_code(own_space: Any, tmp_path: Path) -> None:
    options = {"evaluations": 5, "control": False, "truth": None, "workers": 1, "store": tmp_path / "s.sqlite"}
    before = search.search(own_space(GROW), proxy="params", **options)
    assert search.search(own_space(GROW), proxy="params", **options).resumed == 5
    more = GROW.replace("return network", "network.more = __import__('torch').nn.Linear(9, 9); return network")
    after = search.search(own_space(more), proxy="params", **options)
    assert after.resumed == 0 and after.best.score == before.best.score + 90


def test_a_search_among_records_is_another_than_that_of_the_whole_space(tmp_path: Path) -> None:
    space = spaces.get("nds-resnet")
    rng = np.random.default_rng(0)
    few = [space.sample(rng) for _ in range(4)]
    options = {"evaluations": 6, "control": False, "truth": None, "workers": 1, "store": tmp_path / "s.sqlite"}
    among = search.search(space, proxy="params", among=few, **options)
    whole = search.search(space, proxy="params", **options)
    assert whole.resumed == 0
    assert {step.arch for step in whole.course.steps} != {step.arch for step in among.course.steps}
    assert {step.arch for step in among.course.steps} <= {space.format(arch) for arch in few}
    assert search.search(space, proxy="params", among=few, **options).resumed == 6


# ------------------------------------------------------------------------------------------ what a score does not know


NETWORK = nn.Sequential(
    nn.Conv2d(3, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3, 2, 1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
)


@pytest.fixture
def restored() -> Iterator[None]:
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)


def network_score() -> float:
    return naslib_gennas.score_network(NETWORK, profile={"steps": 5, "images": 8}).score


def space_score() -> float:
    return naslib_gennas.score("nasbench201", ARCH, profile=TINY).score


@pytest.mark.parametrize("measured", [network_score, space_score])
def test_a_score_is_the_same_on_any_number_of_threads(measured: Any, restored: None) -> None:
    scores = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        scores.append(measured())
        assert torch.get_num_threads() == threads
    assert len(set(scores)) == 1


@pytest.mark.parametrize("measured", [network_score, space_score])
def test_a_score_does_not_know_the_callers_settings(measured: Any, restored: None) -> None:
    expected = measured()
    torch.set_default_dtype(torch.float64)
    assert measured() == expected and torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        assert measured() == expected and not torch.is_grad_enabled()
    with torch.inference_mode():
        assert measured() == expected
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert measured() == expected
    with torch.backends.mkldnn.flags(enabled=False):
        assert measured() == expected


def test_versions_that_change_numbers_are_in_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Scorer.of("nasbench201", "params").identity
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert Scorer.of("nasbench201", "params").identity != before


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize("command", ["rank", "compare", "search", "search-task", "score"])
def test_a_device_that_is_none_is_one_line_everywhere(command: str, empty_folder: Path) -> None:
    more = {"score": [ARCH], "search-task": ["--truth", "analog-nasbench"]}.get(command, [])
    done = CliRunner().invoke(app, [command, "nasbench201", *more, "--device", "gpu0", "--store", "s.sqlite"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "device 'gpu0' is unknown" in done.stderr


@pytest.mark.parametrize("device", ["mps", "xpu", "cuda:7"])
def test_a_device_that_is_not_there_is_one_line(device: str) -> None:
    if getattr(torch, device.split(":")[0], torch.cuda).is_available():
        pytest.skip(f"{device} may be here")
    with pytest.raises(InputError, match=f"device '{device}' is not there"):
        naslib_gennas.score("nasbench201", ARCH, device=device)


@pytest.mark.parametrize("given", [1234, (4, 0, 3, 1, 4, 3), None, object(), 1.5, b"none"])
def test_what_is_no_architecture_is_refused_in_a_line(given: Any) -> None:
    for call in (naslib_gennas.score, lambda space, arch: list(Scorer.of(space, workers=1).many([arch]))):
        with pytest.raises(InputError, match="nasbench201: ") as raised:
            call("nasbench201", given)
        assert "\n" not in str(raised.value)


def test_python_and_the_command_share_the_search_methods() -> None:
    with pytest.raises(InputError, match="Known: .*evolution.*nasi.*random.*rlnas"):
        search.search("nasbench201", method="te-nasi")
    done = CliRunner().invoke(app, ["search", "nasbench201", "--method", "te-nasi"])
    assert done.exit_code == 2 and all(name in done.stderr for name in methods.METHODS)


@pytest.mark.parametrize(
    ("method", "options", "named"),
    [
        ("nasi", ["--constraint", "params<1M"], "constraint"),
        ("nasi", ["--finalists", "3"], "finalists"),
        ("nasi", ["--workers", "2"], "workers"),
        ("nasi", ["--control"], "control"),
        ("nasi", ["--proxy", "synflow"], "proxy"),
        ("nasi", ["--population", "9"], "population"),
        ("rlnas", ["--proxy", "synflow"], "proxy"),
        ("random", ["--tournament", "3"], "tournament"),
        ("evolution", ["--nu", "3"], "nu"),
    ],
)
def test_what_a_method_cannot_honour_is_refused_by_name(method: str, options: Any, named: str) -> None:
    done = CliRunner().invoke(app, ["search", "nasbench201", "--method", method, *options])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"'{method}'" in done.stderr and named in done.stderr


def test_nasi_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    options = {
        "method": "nasi",
        "truth": None,
        "profile": {"cells": 1, "channels": 4, "images": 4, "resolution": 8, "steps": 12},
    }
    whole = search.search("nasbench201", **options, store=tmp_path / "a.sqlite")
    search.search("nasbench201", **options, evaluations=5, store=tmp_path / "b.sqlite")
    resumed = search.search("nasbench201", **options, store=tmp_path / "b.sqlite")
    assert resumed.resumed == 5 and whole.resumed == 0
    assert [row["trace"] for row in resumed.details["history"]] == [row["trace"] for row in whole.details["history"]]
    assert resumed.best.arch == whole.best.arch and whole.evaluations == 12


def test_a_search_with_less_time_than_before_ends_where_its_time_ended(tmp_path: Path) -> None:
    options = {"proxy": "params", "control": False, "truth": None, "workers": 1, "store": tmp_path / "s.sqlite"}
    whole = search.search("nasbench201", evaluations=8, **options)
    # The fifth is begun when the fourth has ended, so it is not begun within this budget.
    less = search.search("nasbench201", budget=whole.course.steps[3].wall, **options)
    assert [step.arch for step in less.course.steps] == [step.arch for step in whole.course.steps[:4]]
    assert search.search("nasbench201", evaluations=8, **options).resumed == 8


def test_a_scorer_with_something_changed_shares_its_place() -> None:
    store = Store()
    with Scorer.of("nasbench201", "params", workers=1, store=store) as scorer:
        first = scorer.one(ARCH)
        other = scorer.at(seed=1)
        assert other.identity != scorer.identity and other.one(ARCH).score == first.score
        assert scorer.at().identity == scorer.identity and scorer.one(ARCH).reused
        assert not scorer.at(profile="paper").one(ARCH).reused
    assert sum(run["scores"] for run in store.runs()) == 3


@pytest.mark.parametrize("study", [ranking.rank, comparison.compare, search.search, task_search.search])
def test_studies_have_few_parameters_of_their_own(study: Any) -> None:
    """What is scored and how is one thing (`Scorer.of`); no study spells it out again."""
    parameters = inspect.signature(study).parameters.values()
    assert len([one for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]) <= 10


def test_own_proxies_still_get_a_plain_tensor() -> None:
    name = "tensor-please"
    if name not in proxies.names():
        proxies.proxy(name)(lambda network, inputs, seed: float(inputs.shape[0]))
    assert naslib_gennas.score("nasbench201", ARCH, name).score == 64


def test_how_weights_are_drawn_is_an_option_of_every_study_and_part_of_the_identity() -> None:
    usual = Scorer.of("nasbench201", "gennas-combo", profile=TINY)
    assert Scorer.of("nasbench201", "gennas-combo", profile=TINY, initialise="as is").identity == usual.identity
    kaiming = Scorer.of("nasbench201", "gennas-combo", profile=TINY, initialise="kaiming")
    assert kaiming.identity != usual.identity and kaiming.one(ARCH).score != usual.one(ARCH).score
    assert kaiming.at(proxy="synflow").proxy.profile.initialise == "kaiming"
    options = {"n": 2, "truth": None, "workers": 1, "profile": TINY, "initialise": "kaiming"}
    assert ranking.rank("nasbench201", **options).profile["initialise"] == "kaiming"
    compared = comparison.compare("nasbench201", ["synflow"], **options)
    assert compared.columns[0].settings["profile"]["initialise"] == "kaiming"
    with pytest.raises(InputError, match="initialise is 'kaming'; did you mean 'kaiming'"):
        naslib_gennas.score("nasbench201", ARCH, initialise="kaming")
