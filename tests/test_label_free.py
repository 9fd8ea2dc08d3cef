"""NASI and RLNAS: the trace norm against the exact kernel, supernets against own networks, the angle by hand."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.supernet import Supernet, Supernet201, SupernetDarts
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.nasi import objective, trace_norm
from naslib_gennas.randomness import isolated
from naslib_gennas.regression import batches
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import nasi
from naslib_gennas.studies.distribution import Distribution

SMALL = Profile(name="small", cells=1, channels=4, images=8, resolution=8, steps=6)
SPACES = ("nasbench201", "darts")


@pytest.fixture(autouse=True)
def _own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small_classifier() -> nn.Sequential:
    with isolated(0):
        return nn.Sequential(
            *(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)),
        ).double()


@pytest.fixture(scope="module")
def kernel() -> Any:
    """A small network, its batch, and the exact kernel of all its class scores: (images * classes,) squared."""
    network = small_classifier()
    batch = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    jacobian = torch.func.jacrev(lambda values: torch.func.functional_call(network, values, (batch,)))(weights)
    rows = torch.cat([part.detach().flatten(2) for part in jacobian.values()], 2).flatten(0, 1)
    return network, batch, rows @ rows.T


def estimate(network: nn.Module, batch: torch.Tensor, labels: torch.Tensor) -> float:
    return float(trace_norm(network(batch), list(network.parameters()), labels).detach())


def test_the_estimate_is_the_quadratic_form_of_the_exact_kernel(kernel: Any) -> None:
    network, batch, exact = kernel
    labels = torch.tensor([0, 1, 2, 3, 1])
    slope = (network(batch).softmax(1) - F.one_hot(labels, 4)).detach().flatten()
    assert estimate(network, batch, labels) == pytest.approx(float(slope @ exact @ slope) / 5)


def test_its_mean_over_random_labels_is_the_kernels_trace(kernel: Any) -> None:
    """Up to what the softmax takes away: the part of the kernel that moves all classes alike."""
    network, batch, exact = kernel
    found = [
        estimate(network, batch, torch.tensor(labels)) for labels in itertools.product(range(4), repeat=5)
    ]  # every labelling there is
    centre = torch.eye(4, dtype=torch.float64) - 0.25
    bias = (network(batch).softmax(1) - 0.25).detach().flatten()
    trace = float(torch.trace(exact @ torch.kron(torch.eye(5, dtype=torch.float64), centre))) / 4
    expected = (trace + float(bias @ exact @ bias)) / 5
    assert np.mean(found) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(trace / 5, rel=0.2)  # class scores are nearly alike at the start


def test_the_limit_turns_the_objective_around() -> None:
    assert [float(objective(torch.tensor(t), 2.0)) for t in (1.0, 2.0, 3.0)] == [1.0, 2.0, 1.0]
    batch = batches.load("noise", 8, 8)
    network = spaces.build(
        spaces.get("nasbench201"),
        spaces.get("nasbench201").parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"),
        SMALL,
        0,
    )
    free = proxies.get("nasi", SMALL).score(network, batch, 0).value
    held = proxies.get(f"nasi-fix:{free / 2}", SMALL).score(network, batch, 0)
    assert free > 0 and held.value == pytest.approx(0, abs=1e-3 * free) and held.details["trace"] == pytest.approx(free)
    with pytest.raises(InputError, match="above 0"):
        proxies.get("nasi-fix:much")


@pytest.mark.parametrize("space", SPACES)
def test_a_path_of_the_supernet_computes_what_its_own_network_does(space: str) -> None:
    found, rng = spaces.get(space), np.random.default_rng(3)
    supernet = supernets.make(space, SMALL, 0).train()
    batch = batches.load("noise", 4, 16)
    for _ in range(3):
        arch = found.sample(rng)
        network = spaces.build(found, arch, SMALL, 0).train()
        copy_weights(space, supernet, network, arch)
        difference = (supernet.logits(batch, supernet.choice(arch)) - network.logits(batch)).abs().max()
        assert float(difference) < 1e-4


def copy_weights(space: str, supernet: Supernet, network: Any, arch: Any) -> None:
    """Give the network the supernet's weights, module by module."""
    if isinstance(supernet, Supernet201):
        for name in ("stem", "reductions", "last", "classifier"):
            getattr(network, name).load_state_dict(getattr(supernet.frame, name).state_dict())
        cells = [cell for stage in network.stages for cell in stage]
        for own, shared in zip(cells, supernet.cells()):
            for edge, module in own.operations.items():
                module.load_state_dict(shared.banks[int(edge)][arch[int(edge)]].state_dict())
        return
    assert isinstance(supernet, SupernetDarts)
    network.stems[0].load_state_dict(supernet.stem.state_dict())
    network.classifier.load_state_dict(supernet.classifier.state_dict())
    for own, shared in zip(network.cells, supernet.cells()):
        for index, module in own.preprocess.items():
            module.load_state_dict(shared.preprocess[int(index)].state_dict())
        plan = arch.reduce if shared.kind == "reduce" else arch.normal
        for index, module in own.operations.items():
            name, source = plan.edges[int(index)]
            bank = shared.banks[shared.edges.index((source, 2 + int(index) // 2))]
            if name in bank:
                module.load_state_dict(bank[name].state_dict())


def test_the_angle_by_hand() -> None:
    """Edges 0-1 (conv), 1-3 (conv) and 0-3 (pool): two paths, the pooling nine constants a channel in one of them."""
    supernet = supernets.make("nasbench201", SMALL, 0)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    after = {
        name: value + 0.1 * torch.randn(value.shape) for name, value in before.items() if value.is_floating_point()
    }
    net = supernets.Trained(supernet, before, after)
    arch = spaces.get("nasbench201").parse("|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|")
    vectors: List[torch.Tensor] = []
    for weights in (before, after):
        parts = []
        for stage in range(3):
            place = f"stages.{stage}.0.banks"
            parts += [weights[f"{place}.0.nor_conv_3x3.0.weight"], weights[f"{place}.4.nor_conv_1x1.0.weight"]]
            parts.append(torch.full((9 * 4 * 2**stage,), 1 / 9))
        vectors.append(torch.cat([part.flatten().double() for part in parts]))
    expected = math.acos(float(F.cosine_similarity(*vectors, dim=0)))
    assert supernets.angle(net, arch) == pytest.approx(expected, rel=1e-6)
    skips = spaces.get("nasbench201").parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    assert supernets.angle(net, skips) == 0


def test_an_edge_counts_once_a_path() -> None:
    supernet = supernets.make("nasbench201", SMALL, 0)
    cell = next(supernet.cells())
    full = supernet.choice(("nor_conv_3x3",) * 6)
    # Paths from node 0 to node 3: 0-3, 0-1-3, 0-2-3, 0-1-2-3; edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3.
    assert [times for _, _, times in supernets.paths(cell, full)] == [2, 1, 1, 1, 1, 2]
    dead_end = supernet.choice(("nor_conv_3x3", "nor_conv_3x3", "none", "nor_conv_3x3", "none", "none"))
    assert [edge for edge, _, _ in supernets.paths(cell, dead_end)] == [3]


@pytest.mark.parametrize("space", SPACES)
def test_the_supernet_is_trained_once_and_reused(space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batches.load("noise", 8, 8)
    first = supernets.trained(space, SMALL, batch, 0)
    moved = [name for name, value in first.before.items() if not torch.equal(value, first.after[name])]
    assert any("banks" in name for name in moved)
    files = list((tmp_path / "cache").rglob("*.pt"))
    assert len(files) == 1
    changed = files[0].stat().st_mtime_ns
    second = supernets.trained(space, SMALL, batch, 0)
    assert files[0].stat().st_mtime_ns == changed
    assert all(torch.equal(value, second.after[name]) for name, value in first.after.items())
    supernets.trained(space, SMALL, batch, 1)
    assert len(list((tmp_path / "cache").rglob("*.pt"))) == 2
    files[0].write_bytes(b"not a supernet")  # a damaged file is made anew
    third = supernets.trained(space, SMALL, batch, 0)
    assert all(torch.allclose(value, third.after[name]) for name, value in first.after.items())


def test_every_cell_of_darts_has_an_angle() -> None:
    space = spaces.get("darts")
    supernet = supernets.make("darts", SMALL, 0)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    draws = torch.Generator().manual_seed(1)
    after = {
        name: value + 0.1 * torch.randn(value.shape, generator=draws) if value.is_floating_point() else value
        for name, value in before.items()
    }
    net, rng = supernets.Trained(supernet, before, after), np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(12)]
    assert any("skip_connect" in space.format(arch) for arch in archs)
    angles = [supernets.angle(net, arch) for arch in archs]
    assert all(0 < angle < math.pi / 2 for angle in angles) and len(set(angles)) == 12


def test_rlnas_scores_through_the_engine_in_several_processes() -> None:
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    archs = [arch for arch in (space.sample(rng) for _ in range(30)) if not space.untrainable(arch)][:8]
    chosen = proxies.get("rlnas", SMALL)
    shared = sorted((r.index, r.score) for r in scoring.score_many(space, archs, chosen, inputs="noise", workers=2))
    net = supernets.trained("nasbench201", SMALL, batches.load("noise", 8, 8), 0)
    assert [score for _, score in shared] == pytest.approx([supernets.angle(net, arch) for arch in archs])
    other = spaces.get("nasbench101")
    with pytest.raises(InputError, match="darts, nasbench201"):
        scoring.score(other, other.sample(rng), chosen, inputs="noise")


def test_an_ensemble_scores_one_architecture_at_a_time() -> None:
    """The order that a vote gives among architectures scored apart is that of their places in the reference."""
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    archs = [arch for arch in (space.sample(rng) for _ in range(20)) if not space.untrainable(arch)][:6]
    summed = [scoring.score(space, arch, proxies.get("ranksum:params+l2_norm", SMALL)) for arch in archs]
    params = [scoring.score(space, arch, proxies.get("params", SMALL)).score for arch in archs]
    assert all(record.status == "ok" for record in summed)
    assert [record.details["parts"]["params"] for record in summed] == params
    largest, smallest = int(np.argmax(params)), int(np.argmin(params))
    assert summed[largest].score > summed[smallest].score


@pytest.mark.parametrize("space, nu", [("nasbench201", "adaptive"), ("nasbench201", "fixed"), ("darts", "adaptive")])
def test_nasi_search_gives_an_architecture_and_repeats_itself(space: str, nu: str) -> None:
    state = torch.get_rng_state()
    steps = 12  # with fewer draws nothing moves
    found = nasi.search(space, steps=steps, nu=nu, profile=SMALL, seed=1)
    again = nasi.search(space, steps=steps, nu=nu, profile=SMALL, seed=1)
    assert found.arch == again.arch and found.draws == again.draws
    assert torch.equal(torch.get_rng_state(), state)
    parsed = spaces.get(space).parse(found.arch)
    assert spaces.get(space).untrainable(parsed) is None
    limits = {draw.nu for draw in found.draws}
    assert (len(limits) == steps) if nu == "adaptive" else (len(limits) == 1)
    for rows in found.probabilities.values():
        assert np.allclose(np.sum(rows, 1), 1) and np.ptp(rows) > 0


def test_nasi_search_climbs() -> None:
    """Without a limit the trace norm of what is drawn grows."""
    found = nasi.search("nasbench201", steps=150, nu=1e9, profile=SMALL.replace(images=16))
    traces = [draw.trace for draw in found.draws]
    assert np.median(traces[-30:]) > 2 * np.median(traces[:30])


def test_nasi_search_stays_below_its_limit() -> None:
    found = nasi.search("nasbench201", steps=150, nu=20.0, profile=SMALL.replace(images=16))
    free = nasi.search("nasbench201", steps=150, nu=1e9, profile=SMALL.replace(images=16))
    assert np.median([draw.trace for draw in found.draws[-30:]]) < 0.5 * np.median([d.trace for d in free.draws[-30:]])


def test_the_gumbel_softmax_climbs_too_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    from naslib_gennas.studies import search

    found = nasi.search("nasbench201", steps=30, nu=1e9, estimator="gumbel-softmax", profile=SMALL)
    uniform = 1 / 5
    assert any(abs(value - uniform) > 0.05 for rows in found.probabilities.values() for row in rows for value in row)
    options: Any = {"method": "nasi", "estimator": "gumbel-softmax", "profile": SMALL, "truth": None}
    whole = search.search("nasbench201", **options, store=tmp_path / "a.sqlite")
    search.search("nasbench201", **options, evaluations=4, store=tmp_path / "b.sqlite")
    resumed = search.search("nasbench201", **options, store=tmp_path / "b.sqlite")
    assert resumed.resumed == 4 and resumed.details["history"] == whole.details["history"]
    assert resumed.details["probabilities"] == whole.details["probabilities"]


def test_a_relaxed_draw_is_the_architecture_that_a_draw_gives() -> None:
    supernet = supernets.make("nasbench201", SMALL, 0).train()
    distribution = Distribution(supernet)
    drawn, _ = distribution.draw(torch.Generator().manual_seed(3))
    relaxed = distribution.draw_relaxed(torch.Generator().manual_seed(3))
    batch = batches.load("noise", 2, 8)
    assert torch.allclose(supernet.logits(batch, drawn), supernet.logits(batch, relaxed), atol=1e-5)
    (slope,) = torch.autograd.grad(supernet.logits(batch, relaxed).sum(), [distribution.logits["cell"]])
    assert float(slope.abs().sum()) > 0


def test_nasi_search_refuses_what_makes_no_sense() -> None:
    for wrong in ({"nu": "much"}, {"nu": -1.0}, {"steps": 0}, {"estimator": "guess"}):
        with pytest.raises(InputError):
            nasi.search("nasbench201", profile=SMALL, **wrong)
    with pytest.raises(InputError, match="no supernet of nasbench101"):
        nasi.search("nasbench101", profile=SMALL)


@pytest.mark.parametrize("method", ["nasi", "rlnas"])
def test_the_commands_search(method: str, tmp_path: Path) -> None:
    from commands import CliRunner

    from naslib_gennas.cli.app import app

    profile = tmp_path / "small.yaml"
    profile.write_text("cells: 1\nchannels: 4\nimages: 8\nresolution: 8\nsteps: 6\n")
    command = ["search", "nasbench201", "--method", method, "--evaluations", "5", "--profile", str(profile)]
    command += ["--truth", "none", "--workers", "1", "--store", str(tmp_path / "scores.sqlite")]
    done = CliRunner().invoke(app, [*command, "--no-control", "--out", str(tmp_path / "run"), "--json", "-"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert spaces.get("nasbench201").parse(content["best"]["arch"]) and content["method"] == method
