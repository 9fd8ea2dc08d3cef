"""The baseline proxies against independent computations of what their papers define."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path
from typing import List

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from naslib_gennas import proxies, score_network, scoring, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.language_model import with_words
from naslib_gennas.networks.nasbench201 import used_edges
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import az_nas, gradients
from naslib_gennas.proxies.epe_nas import epe_nas
from naslib_gennas.proxies.fisher import fisher
from naslib_gennas.proxies.grad_norm import grad_norm
from naslib_gennas.proxies.grasp import grasp
from naslib_gennas.proxies.jacob_cov import jacob_cov
from naslib_gennas.proxies.meco import meco
from naslib_gennas.proxies.naswot import naswot
from naslib_gennas.proxies.ntk_cond import ntk_cond
from naslib_gennas.proxies.plain import plain
from naslib_gennas.proxies.registry import WHOLE
from naslib_gennas.proxies.snip import snip
from naslib_gennas.proxies.swap import swap
from naslib_gennas.proxies.synflow import logsynflow, synflow
from naslib_gennas.proxies.zen import zen
from naslib_gennas.proxies.zico import zico
from naslib_gennas.regression import batches

BASELINES = (
    "params flops grad_norm snip grasp fisher synflow logsynflow jacob_cov naswot zen epe_nas l2_norm plain zico swap "
    "swap_reg az_expressivity az_progressivity az_trainability az_complexity meco ntk_cond linear_regions"
).split()
# A cell with every operation; small enough that a proxy takes a moment.
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
SMALL = WHOLE.replace(cells=1, channels=4, images=8, resolution=16)


class Small(StagedNetwork):
    """Two convolutions, a ReLU between, and a classifier: small enough for full Jacobians and Hessians."""

    def __init__(self, norm: bool = False, seed: int = 0, channels: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = nn.Conv2d(3, channels, 3, padding=1)
            self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
            self.relu = nn.ReLU(inplace=True)
            self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.classifier = nn.Linear(channels, 4)

    @property
    def stage_channels(self) -> List[int]:
        return [self.second.out_channels]

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        return [self.second(self.relu(self.norm(self.first(x))))]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward(x)[-1].mean((2, 3)))


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 3, 0, 1])


def weights_of(network: StagedNetwork) -> dict:
    names = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}
    return {name: p.detach() for name, p in network.named_parameters() if name in names}


def class_scores(network: StagedNetwork, inputs: torch.Tensor):
    """The class scores as a function of the weights, for torch.func."""
    wrapped = nn.Module()
    wrapped.network, wrapped.forward = network, network.logits
    return lambda weights: torch.func.functional_call(
        wrapped, {f"network.{name}": value for name, value in weights.items()}, (inputs,)
    )


def test_gradient_measures_are_what_their_formulas_say(batch, labels) -> None:
    network = Small().double()
    weights = weights_of(network)
    scores = class_scores(network, batch.double())

    def loss(values):
        return F.cross_entropy(scores(values), labels)

    g = torch.func.grad(loss)(weights)
    g = {name: value.detach() for name, value in g.items()}
    x = batch.double()
    assert grad_norm(network, x, 0, labels) == pytest.approx(sum(float(v.norm()) for v in g.values()))
    assert snip(network, x, 0, labels) == pytest.approx(sum(float((weights[n] * g[n]).abs().sum()) for n in g))
    assert plain(network, x, 0, labels) == pytest.approx(sum(float((weights[n] * g[n]).sum()) for n in g))
    _, product = torch.func.jvp(torch.func.grad(loss), (weights,), (g,))
    assert grasp(network, x, 0, labels) == pytest.approx(-sum(float((weights[n] * product[n]).sum()) for n in weights))


def test_fisher_is_the_squared_gradient_of_channel_gates(batch, labels) -> None:
    network = Small().double()
    x = batch.double()
    gate = torch.ones(len(x), 3, 1, 1, dtype=torch.float64, requires_grad=True)
    hidden = network.relu((network.first(x) * gate).clone())
    deep_gate = torch.ones(len(x), 3, 1, 1, dtype=torch.float64, requires_grad=True)
    last_gate = torch.ones(len(x), 4, dtype=torch.float64, requires_grad=True)
    scores = network.classifier((network.second(hidden) * deep_gate).mean((2, 3))) * last_gate
    grads = torch.autograd.grad(F.cross_entropy(scores, labels), [gate, deep_gate, last_gate])
    sizes = [27, 27, 3]  # weights that make a channel
    expected = sum(size * float(g.flatten(1).pow(2).mean(0).sum()) / 2 for g, size in zip(grads, sizes))
    assert fisher(network, x, 0, labels) == pytest.approx(expected)


def test_synflow_flows_through_every_layer_alike(batch) -> None:
    """Without biases and BatchNorm, each layer's sum of |w dR/dw| is R itself (conservation of synaptic flow)."""
    network = Small(norm=True)
    network.first.bias.data.zero_()
    network.classifier.bias.data.zero_()
    flow = [network.first.weight.double().abs(), network.second.weight.double().abs()]
    x = torch.ones(1, 3, 5, 5, dtype=torch.float64)
    for weight in flow:
        x = F.conv2d(x, weight, padding=1)
    total = float((x.mean((2, 3)) @ network.classifier.weight.double().abs().T).sum())
    assert synflow(network, batch, 0) == pytest.approx(math.log(3 * total))


def test_logsynflow_tames_the_gradients(batch) -> None:
    network, reference = Small(), Small().double()
    for parameter in reference.parameters():
        parameter.data.abs_()
    weights = [reference.first.weight, reference.second.weight, reference.classifier.weight]
    ones = torch.ones(1, 3, 5, 5, dtype=torch.float64)
    grads = torch.autograd.grad(reference.logits(ones).sum(), weights)
    expected = sum(float((w * torch.log(g + 1)).sum()) for w, g in zip(weights, grads))
    assert logsynflow(network, batch, 0) == pytest.approx(expected)


def test_jacobian_measures_from_numpy(batch, labels) -> None:
    network = Small().double()
    x = batch.double().requires_grad_(True)
    jacobian = torch.autograd.grad(network.logits(x).sum(), x)[0].flatten(1).numpy()
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(jacobian)) + 1e-5
    assert jacob_cov(network, batch.double(), 0) == pytest.approx(-np.sum(np.log(eigenvalues) + 1 / eigenvalues))
    expected = 0.0
    for label in range(4):
        rows = jacobian[labels.numpy() == label]
        expected += abs(np.sum(np.log(np.abs(np.atleast_2d(np.corrcoef(rows))) + 1e-5)))
    assert epe_nas(network, batch.double(), 0, labels) == pytest.approx(expected)


def test_naswot_counts_units_that_agree(batch) -> None:
    network = Small()
    code = (network.first(batch).flatten(1) > 0).numpy()
    agree = np.array([[np.sum(a == b) for b in code] for a in code], dtype=float)
    assert naswot(network, batch, 0) == pytest.approx(np.linalg.slogdet(agree)[1])


def test_activation_patterns_of_a_shared_relu_count_once_a_convolution() -> None:
    """NAS-Bench-201's own cells rectify before each convolution; ours do it once a node."""
    space = spaces.get("nasbench201")
    batch = batches.load("noise", 4, 16)

    def patterns(cell: str) -> int:
        seen: List[int] = []
        network = spaces.build(space, space.parse(cell), SMALL, 0)
        from naslib_gennas.proxies.activations import visit

        visit(network, batch, lambda pattern: seen.append(1))
        return len(seen)

    none = patterns("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    one = patterns("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    three = patterns("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_3x3~0|skip_connect~1|skip_connect~2|")
    assert (one - none, three - none) == (3, 9)


def test_swap_counts_distinct_patterns_of_units(batch) -> None:
    network = Small(channels=20)
    found = swap(network, batch, 0)  # leaves its N(0, 1) weights in the network
    code = (network.first(batch).flatten(1) > 0).numpy().T
    assert found == len({tuple(unit) for unit in code})
    large = torch.randn(70, 3, 5, 5, generator=torch.Generator().manual_seed(2))  # more images than an integer has bits
    found = swap(network, large, 0)
    assert found == len({tuple(unit) for unit in (network.first(large).flatten(1) > 0).numpy().T})


def test_zico_from_numpy(batch, labels) -> None:
    network = Small().double()
    parts = []
    for part, truth in zip(batch.double().chunk(2), labels.chunk(2)):
        value = F.cross_entropy(network.logits(part), truth)
        weights = [network.first.weight, network.second.weight, network.classifier.weight]
        parts.append([g.numpy() for g in torch.autograd.grad(value, weights)])
    expected = 0.0
    for a, b in zip(*parts):
        deviation = np.std([a, b], axis=0)
        expected += math.log(np.sum((np.mean(np.abs([a, b]), axis=0) / np.where(deviation > 0, deviation, np.inf))))
    assert zico(network, batch.double(), 0, labels) == pytest.approx(expected)


def test_ntk_cond_is_the_condition_number_of_the_exact_kernel(batch) -> None:
    network = Small().double()
    found = ntk_cond(network, batch.double(), 0)  # leaves its initialisation in the network
    jacobian = torch.func.jacrev(class_scores(network, batch.double()))(weights_of(network))
    rows = torch.cat([value.detach().sum(1).flatten(1) for value in jacobian.values()], 1).numpy()
    assert -found == pytest.approx(np.linalg.cond(rows @ rows.T), rel=1e-6)


def test_zen_scales_as_a_network_without_its_norms_would() -> None:
    """BatchNorm hides the scale of what it gets, and the score adds it again: twice the weights, log 2 more."""
    batch = torch.zeros(8, 3, 8, 8)
    score = zen(Small(norm=True, channels=8), batch, 0)

    class Doubled(Small):
        def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
            return [self.second(self.relu(self.norm(2 * self.first(x))))]

    assert zen(Doubled(norm=True, channels=8), batch, 0) - score == pytest.approx(math.log(2), abs=1e-3)


def test_meco_is_zero_where_two_channels_are_one() -> None:
    network = Small(channels=2)
    network.first.weight.data[1] = network.first.weight.data[0]
    network.first.bias.data.zero_()
    network.second.weight.data[1] = network.second.weight.data[0]
    assert meco(network, torch.zeros(2, 3, 8, 8), 0) == pytest.approx(0, abs=1e-5)
    assert meco(Small(channels=2), torch.zeros(2, 3, 8, 8), 0) > 0.01


def test_az_nas_measures_on_blocks_whose_values_are_known() -> None:
    class Block(nn.Module):
        def __init__(self, matrix: torch.Tensor) -> None:
            super().__init__()
            self.mix = nn.Conv2d(4, 4, 1, bias=False)
            self.matrix = matrix

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("oc,nchw->nohw", self.matrix, x) + 0 * self.mix(x)

    class Chain(Small):
        def __init__(self, scale: float, rank: int) -> None:
            super().__init__()
            identity = torch.eye(4)
            squeeze = torch.diag(torch.tensor([1.0] * rank + [0.0] * (4 - rank)))
            self.stem = nn.Conv2d(3, 4, 1)
            self.cells = nn.ModuleList([Block(scale * identity), Block(scale * squeeze)])

        def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
            x = torch.cat([x, x[:, :1].flip(0)], 1)
            for cell in self.cells:
                x = cell(x)
            return [x]

    batch = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    # Four independent channels of variance 1 have entropy log 4; two of them log 2.
    assert az_nas.az_expressivity(Chain(3.0, 2), batch, 0) == pytest.approx(2 * math.log(4) + math.log(2), abs=0.01)
    assert az_nas.az_progressivity(Chain(3.0, 2), batch, 0) == pytest.approx(math.log(2) - math.log(4), abs=0.01)
    # A block that multiplies by s has the Jacobian s: 2 - s - 1/s.
    assert az_nas.az_trainability(Chain(3.0, 4), batch, 0) == pytest.approx(2 - 3 - 1 / 3, abs=0.1)
    assert az_nas.az_trainability(Chain(1.0, 4), batch, 0) == -math.inf  # what passes everything has nothing to train


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("space, arch", [("nasbench201", CELL), ("nasbench101", None)])
def test_every_baseline_scores_networks_and_leaves_the_world_alone(name: str, space: str, arch: str) -> None:
    found = spaces.get(space)
    cell = found.parse(arch) if arch else found.sample(np.random.default_rng(5))
    chosen = proxies.get(name, SMALL)
    batch = batches.load(chosen.inputs, chosen.images, chosen.profile.resolution)
    network = spaces.build(found, cell, chosen.profile, 0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state, pixels = torch.get_rng_state(), batch.clone()
    score = chosen.score(network, batch, 3)
    assert score.status == "ok" and math.isfinite(score.value), score
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(batch, pixels)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    torch.rand(3)
    assert chosen.score(network, batch, 3).value == pytest.approx(score.value, rel=1e-6)


RECURRENT = ("params", "l2_norm", "grad_norm", "snip", "plain", "synflow", "logsynflow", "jacob_cov")
CELL_OF_NLP = {
    "node_0": {"op": "linear", "input": ["h_prev_0", "x"]},
    "h_new_0": {"op": "activation_tanh", "input": ["node_0"]},
}


@pytest.mark.parametrize("name", RECURRENT)
def test_baselines_of_recurrent_networks(name: str) -> None:
    space, chosen = spaces.get("nasbenchnlp"), proxies.get(name, SMALL.replace(width=0.05))
    network = spaces.build(space, space.parse(CELL_OF_NLP), chosen.profile, 0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.get_rng_state()
    scores = [chosen.score(network, torch.empty(16, 0), 3) for _ in range(2)]
    assert scores[0].status == "ok" and math.isfinite(scores[0].value) and scores[0] == scores[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_gradients_of_recurrent_networks_are_those_of_their_loss() -> None:
    space = spaces.get("nasbenchnlp")
    network = spaces.build(space, space.parse(CELL_OF_NLP), SMALL.replace(width=0.05), 0)
    model, words = with_words(network.double(), 0)
    pairs = list(gradients.weight_gradients(model, words, 0))
    assert len(pairs) == 6  # the matrices of three layers: from the input and from the hidden state
    draws = torch.Generator().manual_seed(0)
    way = [torch.randn(weight.shape, generator=draws, dtype=weight.dtype) for weight, _ in pairs]
    losses = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for (weight, _), direction in zip(pairs, way):
                weight.add_(step * direction)
            losses.append(float(gradients.loss(model, words, 0)))
    slope = sum(float((g * direction).sum()) for (_, g), direction in zip(pairs, way))
    assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("name", sorted(set(BASELINES) - set(RECURRENT)))
def test_the_others_refuse_recurrent_networks(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' scores networks of kind cnn; nasbenchnlp has kind rnn"):
        scoring.score("nasbenchnlp", CELL_OF_NLP, name)


def test_epe_nas_compares_images_of_one_class_however_many_classes_there_are() -> None:
    """With a thousand classes and sixteen images each would have a class of its own, and every network the score 0."""
    scores = [
        score_network(
            nn.Sequential(
                nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000)
            ),
            proxy="epe_nas",
            profile={"images": 16},
        )
        for width in (4, 8, 16)
    ]
    assert all(score.status == "ok" and score.score > 0 for score in scores)
    assert len({score.score for score in scores}) == 3


def test_epe_nas_without_two_images_of_a_class_is_refused(batch) -> None:
    with pytest.raises(ValueError, match="use more images"):
        epe_nas(Small(), batch, 0, torch.arange(len(batch)))


@pytest.mark.parametrize("name", ["grad_norm", "snip", "grasp", "fisher", "plain", "zico", "epe_nas"])
def test_the_seed_draws_the_labels(name: str) -> None:
    space = spaces.get("nasbench201")
    chosen = proxies.get(name, SMALL)
    batch = batches.load("noise", 8, 16)
    network = spaces.build(space, space.parse(CELL), SMALL, 0)
    assert len({chosen.score(network, batch, seed).value for seed in range(4)}) == 4
    assert len(set(gradients.random_labels(1000, 10, 0, torch.device("cpu")).tolist())) == 10


def test_a_network_without_a_path_ranks_last_and_raises_nothing_odd() -> None:
    space = spaces.get("nasbench201")
    dead = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    for name in ("synflow", "jacob_cov", "epe_nas"):
        chosen = proxies.get(name, SMALL)
        score = chosen.score(spaces.build(space, dead, SMALL, 0), batches.load("noise", 8, 16), 0)
        assert score.value == -math.inf and score.status == "diverged" and score.reason


def all_used(cell: tuple) -> bool:
    """Whether no operation is idle: ours are not built, the published networks count them."""
    return used_edges(cell) == [index for index, name in enumerate(cell) if name != "none"] != []


def test_agrees_with_published_scores(shared: Path) -> None:
    """Scores that others computed with other code, weights and images, for the same architectures."""
    space = spaces.get("nasbench201")
    with open(shared / "benchmarks/nasbench201_published_proxies.csv", newline="") as file:
        rows = (row for row in csv.DictReader(file) if row["dataset"] == "cifar10" and row["naswot"])
        sample = list(itertools.islice((row for row in rows if all_used(space.parse(row["arch"]))), 0, 240, 10))
    for name, least in (("naswot", 0.9), ("logsynflow", 0.9), ("synflow", 0.9)):
        chosen = proxies.get(name, WHOLE.replace(images=32))
        batch = batches.load("photos", 32, 32)
        scores = [
            chosen.score(spaces.build(space, space.parse(row["arch"]), chosen.profile, 0), batch, 0).value
            for row in sample
        ]
        assert spearmanr(scores, [float(row[name]) for row in sample])[0] >= least, name


class Tokens(nn.Module):
    """A linear block of tokens, or of channels last."""

    def __init__(self, gain: float, width: int) -> None:
        super().__init__()
        self.linear, self.gain = nn.Linear(width, width, bias=False), gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gain * x + 0 * self.linear(x)


class Strided(nn.Module):
    """A block that takes every second place of an odd map."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.body, self.gain = nn.Sequential(nn.Conv2d(4, 4, 1)), gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gain * x[:, :, ::2, ::2] + 0 * self.body(x)[:, :, ::2, ::2]


def test_az_nas_compares_tokens_channels_last_and_odd_maps() -> None:
    draws = torch.Generator().manual_seed(0)
    # So many places that the random signs of different channels are all but uncorrelated.
    for shape, block in (
        ((256, 49, 6), lambda: Tokens(3.0, 6)),
        ((256, 9, 9, 6), lambda: Tokens(3.0, 6)),
        ((64, 4, 33, 33), lambda: Strided(3.0)),
    ):
        network = Small()
        network.cells = nn.ModuleList([block() for _ in range(2)])
        network.stem = nn.Identity()
        network.forward = lambda x, cells=network.cells: [x := cell(x) for cell in cells]  # type: ignore[method-assign]
        inputs = torch.randn(shape, generator=draws)
        assert az_nas.az_trainability(network, inputs, 0) == pytest.approx(2 - 3 - 1 / 3, abs=0.1), shape
        assert math.isfinite(az_nas.az_expressivity(network, inputs, 0))
