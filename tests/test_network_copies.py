"""Copies of networks: equal, sharing nothing with the original, and as closely knit as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from naslib_gennas.networks.copying import copied
from naslib_gennas.regression.flat_sgd import FlatSGD


class Knit(nn.Module):
    """One module at two places, one weight in two layers, a module in a list, an empty part, a missing one."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), self.norm, nn.ReLU(), nn.Conv2d(4, 4, 1), self.norm)
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.order = [self.second, self.first]
        self.nothing, self.missing = nn.Sequential(), None
        self.register_buffer("seen", torch.zeros(1), persistent=False)
        self.settings = {"scale": torch.ones(2)}

    def forward(self, x):
        self.seen += 1
        x = self.body(x).mean((2, 3))
        for part in self.order:
            x = part(x)
        return x


def recurrent():
    return nn.Sequential(nn.LSTM(4, 4))


def normed():
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.ReLU())


def trained():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    FlatSGD(list(network.parameters()), 0.1, 0.9, 0.0).step()
    return network


def overlapping():
    network = nn.Linear(4, 4)
    network.register_buffer("all", torch.zeros(4))
    network.register_buffer("some", network.all[:2])
    return network


@pytest.mark.parametrize("make", [Knit, recurrent, normed, trained, overlapping])
def test_a_copy_is_what_deepcopy_gives_and_shares_no_memory(make):
    torch.manual_seed(0)
    network = make().train()
    fresh, usual = copied(network), copy.deepcopy(network)
    assert [(n, type(m), m.training) for n, m in fresh.named_modules()] == [
        (n, type(m), m.training) for n, m in usual.named_modules()
    ]
    mine = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
    expected = {**dict(usual.named_parameters()), **dict(usual.named_buffers())}
    assert list(mine) == list(expected)
    for name, tensor in mine.items():
        assert torch.equal(tensor, expected[name]) and tensor.stride() == expected[name].stride()
        assert type(tensor) is type(expected[name]) and tensor.requires_grad == expected[name].requires_grad
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        for tensor in mine.values():
            tensor.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_is_used_twice_is_used_twice_in_the_copy():
    network = Knit()
    fresh = copied(network)
    assert fresh.body[1] is fresh.body[4] is fresh.norm is not network.norm
    assert fresh.first.weight is fresh.second.weight is not network.first.weight
    assert fresh.order[0] is fresh.second and fresh.nothing is not network.nothing and fresh.missing is None
    assert fresh.settings["scale"] is not network.settings["scale"]
    overlap = copied(overlapping())
    with torch.no_grad():
        overlap.all.fill_(3)
    assert overlap.some.tolist() == [3, 3]  # it still shows a part of the other
    batch = torch.rand(2, 3, 8, 8)
    assert torch.equal(fresh(batch), network(batch)) and fresh.seen.item() == network.seen.item() == 1


def test_a_hook_of_the_copy_belongs_to_the_copy():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.layer = 0, nn.Linear(2, 2)
            self.layer.register_forward_hook(self.count)

        def count(self, *_):
            self.calls += 1

        def forward(self, x):
            return self.layer(x)

    network = Counting()
    fresh = copied(network)
    fresh(torch.rand(1, 2))
    assert (network.calls, fresh.calls) == (0, 1)


def test_a_class_that_says_how_it_is_copied_is_asked():
    class Own(nn.Linear):
        def __deepcopy__(self, memo):
            other = Own(2, 2)
            other.made = True
            return other

    assert copied(nn.Sequential(Own(2, 2)))[0].made
