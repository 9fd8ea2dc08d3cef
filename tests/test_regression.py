"""Regression scoring: reproducible to the bit, without a trace, and equal to a plain training loop."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import proxies, spaces
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression import batches, tasks
from naslib_gennas.regression.maps import Heads, regress
from naslib_gennas.regression.profiles import PAPER

SPACE = spaces.get("nasbench201")
ARCH = SPACE.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|")
SMALL = PAPER.replace(name="small", cells=1, channels=8, images=2, resolution=16, target_size=4, steps=14)
NOISY = tasks.get("search-N")


def run(task="combo", profile=SMALL, seed=0):
    network = spaces.build(SPACE, ARCH, profile, seed)
    inputs = batches.load("photos", profile.images or 16, profile.resolution)
    return regress(network, inputs, tasks.get(task), profile, seed)


def global_state():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("task", ["combo", "search-N"])
def test_the_same_seed_gives_the_same_bits_and_global_generators_stay(task):
    before = global_state()
    first = run(task)
    assert global_state() == before
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    again = run(task)
    assert first.loss == again.loss and first.losses == again.losses
    assert run(task, seed=1).loss != first.loss


def test_losses_are_recorded_every_ten_steps_and_after_the_last():
    losses = run().losses
    assert [step for step, _ in losses] == [10, 14]
    assert losses[-1][1] == run().loss < losses[0][1]
    assert [step for step, _ in run(profile=SMALL.replace(steps=10)).losses] == [10]


@pytest.mark.parametrize("task", ["combo", "single"])
def test_training_equals_a_plain_loop(task):
    """The table of the method written out: torch's SGD, two groups, weighted sum of errors, evaluation mode."""
    task = tasks.get(task)
    inputs = batches.load("photos", 2, 16)
    network = spaces.build(SPACE, ARCH, SMALL, 0)
    plain = copy.deepcopy(network)
    found = regress(network, inputs, task, SMALL, 0)
    goals = tasks.targets(task, inputs, 4, 0)
    with isolated(derive(0, "heads")):
        heads = Heads(plain.stage_channels, goals, task.weights())
    both = nn.ModuleList([plain, heads])

    def loss():
        total = 0.0
        kept = [(w, goal) for w, goal in zip(task.weights(), goals) if w]
        for (weight, goal), output in zip(kept, heads(plain(inputs))):
            total = total + weight * F.mse_loss(output, goal)
        return total

    loss().backward()  # which parameters does the loss depend on?
    used = [p for p in both.parameters() if p.grad is not None]
    groups = [
        {"params": [p for p in used if p.dim() > 1], "weight_decay": 4e-5},
        {"params": [p for p in used if p.dim() <= 1], "weight_decay": 0.0},
    ]
    plain.load_state_dict(spaces.build(SPACE, ARCH, SMALL, 0).state_dict())
    for module in heads.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    recorded = []
    for step in range(1, SMALL.steps + 1):
        both.train()
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if step % 10 == 0 or step == SMALL.steps:
            both.eval()
            with torch.no_grad():
                recorded.append((step, float(loss())))
    for (step, expected), (at, value) in zip(recorded, found.losses):
        # Summation order differs, and training lets rounding grow.
        assert step == at and value == pytest.approx(expected, rel=5e-3)


def test_weight_decay_touches_matrices_alone():
    """With nothing to learn from (no gradient), decay is the only thing that moves a parameter."""
    network = spaces.build(SPACE, ARCH, SMALL, 0)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    zero = tasks.parse(
        "kind: cnn\nstages: [{channels: 1, signals: [{basis: zero}]}]\noptimizer: {weight_decay: 0.5, momentum: 0}",
        "zero",
    )

    class Blind(StagedNetwork):
        def __init__(self):
            super().__init__()
            self.inner = network

        @property
        def stage_channels(self):
            return [32]

        def forward(self, x):
            return [self.inner(x)[-1] * 0.0]

    regress(Blind(), batches.load("photos", 2, 16), zero, SMALL.replace(steps=1), 0)
    moved = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    reached = {name for name in before if not name.startswith(("last", "classifier"))}
    assert moved == {name for name in reached if before[name].dim() > 1}


class Exploding(StagedNetwork):
    """Grows without bound when trained."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    @property
    def stage_channels(self):
        return [4]

    def forward(self, x):
        return [self.convolution(x) * torch.tensor(math.inf)]


def test_a_training_that_diverges_ends_early_ranks_last_and_says_why():
    proxy = proxies.get("gennas-combo", SMALL)
    score = proxy.score(Exploding(), batches.load("photos", 2, 16), 0)
    assert score.value == -math.inf and score.status == "diverged" and "after 10 steps" in score.reason
    assert len(score.details["losses"]) == 1


def test_a_proxy_scores_a_copy():
    proxy = proxies.get("gennas-combo", SMALL)
    network = spaces.build(SPACE, ARCH, SMALL, 0).train()
    network.stages.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inputs = batches.load("photos", 2, 16)
    kept = inputs.clone()
    score = proxy.score(network, inputs, 0)
    assert score.status == "ok" and score.value == -run().loss
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training and not network.stages.training and torch.equal(inputs, kept)
    assert all(p.grad is None for p in network.parameters())


class OverTime(StagedNetwork):
    """Columns of the images as time: convolutions in one dimension."""

    dimensions = 1
    stage_channels = [12, 12, 24]

    def __init__(self):
        super().__init__()
        sizes = [(3 * 16, 12, 1), (12, 12, 2), (12, 24, 2)]
        self.stages = nn.ModuleList(nn.Conv1d(a, b, 3, stride, padding=1) for a, b, stride in sizes)

    def forward(self, x):
        maps = [torch.relu(self.stages[0](x.flatten(1, 2)))]
        for stage in list(self.stages)[1:]:
            maps.append(torch.relu(stage(maps[-1])))
        return maps


@pytest.mark.parametrize("task", ["combo", "search-N", "resize@2"])
def test_maps_over_time_regress_onto_the_signals_in_one_dimension(task):
    inputs = batches.load("photos", 4, 16)
    with isolated(0):
        network = OverTime()
    profile = SMALL.replace(images=4, steps=40)
    first, again = (regress(copy.deepcopy(network), inputs, tasks.get(task), profile, 0) for _ in range(2))
    assert first == again
    assert math.isfinite(first.loss) and first.loss < 0.7 * first.losses[0][1]
    shapes = [tuple(goal.shape) for goal in tasks.targets(tasks.get(task), inputs, 4, 0, dimensions=1)]
    assert shapes == [(4, stage.channels, 4) for stage in tasks.get(task).stages]
