"""Profiles: how many steps a training takes, and what of it is recorded."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches, profiles, tasks
from naslib_gennas.regression.maps import regress
from naslib_gennas.regression.profiles import FAST, PAPER, Profile


def norms_on_the_longest_path(output: torch.Tensor) -> int:
    """BatchNorms that keep running averages on the longest path back from `output`, read from autograd's graph."""
    depth, stack = {}, [(output.grad_fn, False)]
    while stack:
        node, done = stack.pop()
        if node in depth:
            continue
        before = [parent for parent, _ in node.next_functions if parent is not None]
        if done:
            own = "BatchNorm" in type(node).__name__ and node._saved_running_mean is not None
            depth[node] = own + max((depth[parent] for parent in before), default=0)
        else:
            stack += [(node, True), *((parent, False) for parent in before)]
    return depth[output.grad_fn]


DEEPEST = {
    "nasbench201": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "nasbench101": {
        "matrix": [[int(j == i + 1) for j in range(7)] for i in range(7)],
        "ops": ["input", *["conv3x3-bn-relu"] * 5, "output"],
    },
    "transnas-micro": "64-41414-3_33_333",
    "transnas-macro": "64-111124-basic",
    "nats-size": "64:64:64:64:64",
    "darts": {
        **{
            kind: [[("sep_conv_3x3", node - 1), ("sep_conv_3x3", node - 2)] for node in range(2, 6)]
            for kind in ("normal", "reduce")
        },
        "normal_concat": [2, 3, 4, 5],
        "reduce_concat": [2, 3, 4, 5],
    },
}
DEEPEST["darts"] = {
    key: [edge for pair in value for edge in pair] if isinstance(value[0], list) else value
    for key, value in DEEPEST["darts"].items()
}


@pytest.mark.parametrize("name", sorted(DEEPEST))
@pytest.mark.parametrize("cells", [1, 2])
def test_the_norm_depth_of_a_space_is_that_of_its_deepest_network(name, cells):
    space = spaces.get(name)
    network = spaces.build(space, space.parse(DEEPEST[name]), FAST.replace(cells=cells), 0)
    maps = network(torch.zeros(2, 3, 16, 16))
    assert norms_on_the_longest_path(maps[-1]) == network.norm_depth


@given(st.integers(1, 200), st.booleans())
def test_deeper_networks_and_noisy_inputs_never_train_for_fewer_steps(depth, noisy):
    steps = FAST.steps_for(depth, noisy)
    assert profiles.LEAST_STEPS <= FAST.steps_for(depth) <= steps <= FAST.steps
    assert steps <= FAST.steps_for(depth + 1, noisy)


def test_steps_are_the_profile_s_own_where_nothing_says_otherwise():
    assert FAST.steps_for(None) == FAST.steps
    assert PAPER.steps_for(5) == PAPER.steps_for(None) == 100


@pytest.mark.parametrize("name, steps", [("nasbench201", 12), ("nasbench101", 24)])
def test_a_fast_score_is_the_mean_of_the_last_three_records_relative_to_an_early_loss(name, steps):
    space = spaces.get(name)
    network = spaces.build(space, space.parse(DEEPEST[name]), FAST, 0)
    result = regress(network, batches.load("photos", 8, 16), tasks.get("combo"), FAST, 0)
    assert [step for step, _ in result.losses] == [steps - 4, steps - 2, steps]
    assert len(result.trace) == steps
    mean = math.prod(loss for _, loss in result.losses) ** (1 / 3)
    assert result.loss == pytest.approx(mean / result.trace[steps // 3 - 1] ** (2 / 3))


def test_a_network_of_unknown_depth_trains_for_the_profile_s_steps():
    space = spaces.get("nasbench201")
    network: nn.Module = space.build(space.parse(DEEPEST["nasbench201"]), space.size(FAST))
    assert network.norm_depth is None
    profile = FAST.replace(steps=5)
    assert len(regress(network, batches.load("photos", 8, 16), tasks.get("combo"), profile, 0).trace) == 5


@pytest.mark.parametrize(
    "field, value", [("steps_per_norm", 0), ("steps_per_norm", "many"), ("average", 0), ("relative", 2)]
)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(InputError, match=field):
        Profile(**{field: value})
