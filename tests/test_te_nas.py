"""TE-NAS: supernets of several operations at once, ranks by hand, cuts, a search that goes on where it was stopped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict, Iterator

import numpy as np
import pytest
import torch
from commands import CliRunner

from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.networks.supernet import Supernet201, SupernetDarts
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.ntk_cond import condition
from naslib_gennas.randomness import isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import search, te_nas
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.studies.te_nas import Trial

SMALL = Profile(name="small", cells=1, channels=4, images=3, resolution=8)
OPTIONS: Any = {"method": "te-nas", "repeats": 1, "profile": SMALL, "truth": None}


@pytest.fixture(autouse=True, scope="module")
def few_patches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(te_nas, "PATCHES", 50)
        yield


@pytest.fixture(scope="module")
def found(few_patches: None) -> te_nas.Searched:
    return te_nas.search("nasbench201", repeats=1, profile=SMALL, seed=3)


@pytest.mark.parametrize("space", ["nasbench201", "darts"])
def test_one_operation_of_weight_one_is_a_single_path(space: str) -> None:
    supernet = supernets.make(space, SMALL, 0).train()
    arch = spaces.get(space).sample(np.random.default_rng(0))
    path = supernet.choice(arch)
    batch = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    weighted = {kind: [{name: 1.0} for name in edges] for kind, edges in path.items()}
    assert torch.allclose(supernet.logits(batch, path), supernet.logits(batch, weighted), atol=1e-6)


def test_several_operations_of_an_edge_are_their_weighted_sum() -> None:
    with isolated(0):
        cell = Supernet201(4, 1).stages[0][0]
        batch = torch.randn(2, 4, 8, 8)
    rest = ["none"] * 3
    alone = [cell(batch, [*rest, name, "none", "none"]) for name in ("nor_conv_3x3", "skip_connect")]
    both = cell(batch, [*rest, {"nor_conv_3x3": 0.25, "skip_connect": 0.75, "none": 9.0}, "none", "none"])
    assert torch.allclose(both, 0.25 * alone[0] + 0.75 * alone[1], atol=1e-6)


def test_the_condition_number_is_that_of_the_exact_kernel() -> None:
    with isolated(1):
        network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
        batch = torch.randn(4, 3, dtype=torch.float64)
    scores = [network(batch)[image].sum() for image in range(4)]
    parts = [torch.autograd.grad(score, list(network.parameters())) for score in scores]
    rows = torch.stack([torch.cat([part.flatten() for part in of_one]) for of_one in parts])
    exact = float(torch.linalg.cond(rows @ rows.T))
    assert condition(network(batch), list(network.parameters())) == pytest.approx(exact, rel=1e-6)


def test_what_is_cut_first_has_the_least_sum_of_ranks() -> None:
    trials = [
        Trial("cell", 0, "a", condition=0.5, regions=0.3),  # ranks 0 and 2
        Trial("cell", 0, "b", condition=0.2, regions=0.0),  # 1 and 0: first
        Trial("cell", 1, "a", condition=-1.0, regions=0.1),  # 2 and 1
        Trial("cell", 1, "b", condition=0.1 + 0.1 + 1e-12, regions=0.3),  # 1 and 2: the rounding of a mean is none
    ]
    order = te_nas.ranked(trials)
    assert order[0] == ("cell", 0, "b") and order[1] == ("cell", 0, "a")
    assert set(order[2:]) == {("cell", 1, "a"), ("cell", 1, "b")}


def test_changes_are_compared_to_three_decimals_under_each_initialisation(found: te_nas.Searched) -> None:
    assert te_nas._share(1000.0, 1000.4) == 0 and te_nas._share(1000.0, 1001.4) == pytest.approx(-0.001)
    assert te_nas._share(math.inf, math.inf) == 0 and te_nas._share(math.inf, 7.0) == 1
    assert te_nas._share(7.0, math.inf) == -math.inf
    for trial in found.trials:  # of one initialisation
        assert trial.condition == round(trial.condition, 3) and trial.regions == round(trial.regions, 3)


@pytest.mark.parametrize("space, trials", [("nasbench201", 54), ("darts", 332)])
def test_cuts_leave_one_operation_an_edge_and_two_edges_a_node_of_darts(space: str, trials: int) -> None:
    supernet = Supernet201(4, 1) if space == "nasbench201" else SupernetDarts(4, 3)
    names = [name for name in supernet.operations if name != "none"]
    left = {kind: [list(names) for _ in supernet.edges(kind)] for kind in supernet.kinds}
    rng, tried = np.random.default_rng(0), 0
    for parts, spare in te_nas._stages(supernet, left, *te_nas.CUTS[space]):
        tried += len(parts)
        for kind, edge, name in spare([parts[place] for place in rng.permutation(len(parts))]):
            left[kind][edge].remove(name)
    assert tried == trials
    arch = te_nas._architecture(space, supernet, left)
    known = spaces.get(space)
    assert known.parse(known.format(arch)) == arch and known.untrainable(arch) is None


def test_a_search_finds_an_architecture_and_repeats_itself(found: te_nas.Searched) -> None:
    state = torch.get_rng_state()
    again = te_nas.search("nasbench201", repeats=1, profile=SMALL, seed=3)
    assert (again.arch, again.score, again.trials, again.cut) == (found.arch, found.score, found.trials, found.cut)
    assert torch.equal(torch.get_rng_state(), state)
    assert "none" not in found.arch and len(found.trials) == 54 and len(found.cut) == 18
    kept = set(enumerate(spaces.get("nasbench201").parse(found.arch)))
    assert not kept & {(edge, name) for _, edge, name in found.cut}


def test_a_stopped_search_goes_on_and_ends_alike(tmp_path: Path, found: te_nas.Searched) -> None:
    def stop(method: str, step: Any, best: Any, done: int, total: Any) -> None:
        if done == 30:
            raise KeyboardInterrupt

    store = tmp_path / "s.sqlite"
    with pytest.raises(Interrupted) as stopped:
        search.search("nasbench201", **OPTIONS, seed=3, store=store, progress=stop)
    assert stopped.value.result.evaluations == 30 and stopped.value.result.best is None
    whole = search.search("nasbench201", **OPTIONS, seed=3, store=store, out=tmp_path / "run")
    assert whole.resumed == 30 and whole.best.arch == found.arch and whole.evaluations == 54
    assert [row["condition"] for row in whole.details["history"]] == [trial.condition for trial in found.trials]
    assert (tmp_path / "run" / "result.json").is_file()


@pytest.mark.parametrize(
    "options",
    [
        {"evaluations": 5},
        {"budget": 10.0},
        {"constraint": ["params<1M"]},
        {"finalists": 3},
        {"workers": 2},
        {"control": True},
        {"proxy": "synflow"},
        {"population": 9},
        {"nu": "fixed"},
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(options: Dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"'te-nas' .*{next(iter(options))}"):
        search.search("nasbench201", **OPTIONS, **options)


def test_the_command_refuses_in_one_line() -> None:
    done = CliRunner().invoke(app, ["search", "nasbench201", "--method", "te-nas", "--budget", "10s"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "budget" in done.stderr, done.stderr


def test_a_space_without_a_supernet_and_no_repeats_are_refused() -> None:
    with pytest.raises(InputError, match="no supernet of nasbench101"):
        te_nas.search("nasbench101", profile=SMALL)
    with pytest.raises(InputError, match="repeats is 0"):
        te_nas.search("nasbench201", repeats=0, profile=SMALL)
