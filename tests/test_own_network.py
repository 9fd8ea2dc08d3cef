"""A user's own network: which maps are tapped, and that nothing of it changes."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

import naslib_gennas
from naslib_gennas import score_network
from naslib_gennas.errors import InputError
from naslib_gennas.regression.profiles import PAPER

TINY = PAPER.replace(name="tiny", images=2, resolution=16, target_size=4, steps=6)


class Residual(nn.Module):
    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, stride, 1), nn.BatchNorm2d(channels_out))
        self.down = nn.Conv2d(channels_in, channels_out, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.down(x))


def resnet():
    torch.manual_seed(0)
    blocks = [Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 16, 1), Residual(16, 24, 2)]
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(inplace=True))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(24, 10))
    return nn.ModuleDict(
        {"stem": stem, "b1": blocks[0], "b2": blocks[1], "b3": blocks[2], "b4": blocks[3], "head": head}
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = resnet()

    def forward(self, x):
        for part in self.parts.values():
            x = part(x)
        return x


def tapped(result):
    return [str(stage) for stage in result.stages]


def test_stages_are_the_last_maps_before_each_drop_of_resolution():
    result = score_network(Net(), profile=TINY)
    assert tapped(result) == ["parts.b1: 8x16x16", "parts.b3: 16x8x8", "parts.b4: 24x4x4"]
    assert result.status == "ok" and np.isfinite(result.score)
    assert all(stage in str(result) for stage in tapped(result))
    assert tapped(score_network(Net(), profile=TINY, count=2)) == tapped(result)[1:]


def test_a_plain_vgg_and_maps_that_grow_again():
    vgg = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, 1, 1), nn.MaxPool2d(4))
    assert tapped(score_network(vgg, profile=TINY)) == ["0: 4x16x16", "2: 6x8x8", "3: 6x2x2"]
    decoder = nn.Sequential(*vgg[:3], nn.Upsample(scale_factor=2), nn.Conv2d(6, 3, 3, 1, 1))
    assert tapped(score_network(decoder, profile=TINY)) == ["0: 4x16x16", "2: 6x8x8", "4: 3x16x16"]


def test_named_stages_need_no_classifier_that_fits():
    first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
    network = nn.Sequential(first, nn.Conv2d(4, 6, 3, 1, 1), nn.Flatten(), nn.Linear(7, 2))
    assert tapped(score_network(network, ["0", "1"], profile=TINY)) == ["0: 4x8x8", "1: 6x8x8"]
    with pytest.raises(InputError, match="cannot take 2x3x16x16 images"):
        score_network(network, profile=TINY)


@pytest.mark.parametrize("proxy", ["gennas-combo", "gennas-search-N", "naswot"])
def test_the_network_and_the_generators_stay_as_they_were(proxy):
    if proxy not in naslib_gennas_proxies():
        pytest.skip(f"no proxy {proxy}")
    network = Net().train()
    network.parts["b2"].eval()
    network.parts["b1"].requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    generators = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first, again = (score_network(network, proxy=proxy, profile=TINY) for _ in range(2))
    assert first.score == again.score and first.details == again.details
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == generators
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training and not network.parts["b2"].training and network.parts["b1"].training
    assert not any(p.requires_grad for p in network.parts["b1"].parameters())
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def naslib_gennas_proxies():
    from naslib_gennas import proxies

    return proxies.names()


def test_the_seed_and_the_weights_decide():
    network = Net()
    assert score_network(network, profile=TINY).score != score_network(network, profile=TINY, seed=1).score
    other = Net()
    with torch.no_grad():
        other.parts["stem"][0].weight.mul_(3)
    assert score_network(network, profile=TINY).score != score_network(other, profile=TINY).score


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": ["parts.b5"]}, "did you mean 'parts.b"),
        ({"stages": ["parts.head"]}, "gives no map"),
        ({"stages": "parts.b1"}, "takes a list"),
        ({"stages": ["parts.b1", "parts.b1"]}, "twice"),
        ({"count": 0}, "whole number from 1 up"),
        ({"proxy": "gennas-nlp-combo"}, "does not score networks that take images"),
        ({"inputs": "photo"}, "did you mean 'photos'"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        score_network(Net(), **{"profile": TINY, **arguments})
    assert "\n" not in str(error.value)


def test_a_network_without_feature_maps_is_refused():
    with pytest.raises(InputError, match="no part of the network gives a feature map"):
        score_network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10)), profile=TINY)


def test_the_package_names_what_it_has():
    assert {"score", "rank", "score_network", "register"} <= set(dir(naslib_gennas))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        naslib_gennas.nonsense  # noqa: B018
