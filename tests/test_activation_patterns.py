"""Which units activation patterns count: those of every activation that belongs to images, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from naslib_gennas import score_network
from naslib_gennas.networks.tapped import tap
from naslib_gennas.proxies.activations import visit

QUICK = {"images": 4, "steps": 3, "target_size": 4}


class Body(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.first, self.act, self.last = nn.Conv2d(3, 8, 3, 2, 1), act, nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Act(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def patterns(network, images):
    seen = []
    visit(tap(network, images), images, seen.append)
    return seen


def halves(x):
    return x.chunk(2, 1)


@pytest.mark.parametrize(
    "act, on",
    [
        (nn.LogSigmoid(), lambda x: x > 0),
        (Act(lambda x: torch.sin(3 * x)), lambda x: x > 0),
        (Act(lambda x: x * (1 + torch.erf(x))), lambda x: x > 0),
        (Act(lambda x: torch.maximum(x, torch.zeros_like(x))), lambda x: x > 0),
        (Act(lambda x: torch.max(*halves(x)).repeat(1, 2, 1, 1)), lambda x: halves(x)[0] > halves(x)[1]),
        (Act(lambda x: functional.glu(x, 1).repeat(1, 2, 1, 1)), lambda x: halves(x)[1] > 0),
        (Act(lambda x: functional.relu(input=x)), lambda x: x > 0),
        (Act(lambda x: functional.gelu(x.flatten(2).permute(2, 0, 1)).permute(1, 2, 0).view_as(x)), lambda x: x > 0),
    ],
)
def test_every_activation_has_a_pattern(act, on):
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network = Body(act)
    (pattern,) = patterns(network, images)
    expected = on(network.first(images)).flatten(1)
    assert pattern.shape == expected.shape and pattern.sum() == expected.sum()
    assert score_network(network, profile=QUICK).status == "ok"


class Weighted(nn.Module):
    """Maps are summed with weights that pass a ReLU of their own; positions pass one, too."""

    def __init__(self):
        super().__init__()
        self.body = Body(nn.ReLU())
        self.weights, self.positions = nn.Parameter(torch.ones(2)), nn.Sequential(nn.Linear(2, 64), nn.ReLU())
        self.register_buffer("places", torch.rand(1, 16, 2))

    def forward(self, x):
        weights = torch.relu(self.weights)
        moved = self.positions(self.places).mean()
        return self.body(x) * weights[0] + weights[1] * moved


@pytest.mark.parametrize("proxy", ["gennas-plus", "naswot", "swap"])
def test_functions_of_weights_and_positions_belong_to_no_image(proxy):
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert [pattern.shape for pattern in patterns(Weighted(), images)] == [(5, 8 * 8 * 8)]
    assert score_network(Weighted(), proxy=proxy, profile=QUICK).status == "ok"


class Folded(Body):
    """The activation sees windows that are folded into the batch."""

    def forward(self, x):
        x = self.first(x)
        y = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        return self.last(x + self.act(y).sum() / y.numel())


def test_units_of_windows_that_are_folded_into_the_batch_count():
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert [pattern.shape for pattern in patterns(Folded(nn.GELU()), images)] == [(5, 8 * 8 * 8)]


class Loop(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, nn.Linear(12, 3)

    def forward(self, x):
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return self.head(torch.stack(outputs, 1))


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells_in_a_loop_have_patterns(cell):
    result = score_network(Loop(cell(5, 12)), profile=QUICK)
    assert result.status == "ok" and result.details["units"] == 32 * 12


@pytest.mark.parametrize("proxy", ["naswot", "swap"])
def test_patterns_of_steps_first_tell_sequences_apart(proxy):
    assert score_network(nn.LSTM(5, 7), proxy=proxy, profile=QUICK).status == "ok"


@pytest.mark.parametrize("first", [True, False])
def test_the_units_of_a_sequence_do_not_depend_on_whether_steps_come_first(first):
    assert score_network(nn.LSTM(5, 7, batch_first=first), profile=QUICK).details["units"] == 32 * 7


def test_without_activations_the_advice_works():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1))
    assert score_network(network, profile=QUICK).reason.endswith("gennas-combo needs none")
    assert score_network(network, proxy="gennas-combo", profile=QUICK).status == "ok"
