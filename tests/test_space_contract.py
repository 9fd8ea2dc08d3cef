"""Every search space keeps the contract in `spaces.contract`, and its checks find what breaks it."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.spaces import contract
from naslib_gennas.spaces.nasbench201 import NasBench201


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", spaces.names())
def test_every_space_keeps_the_contract(name, check):
    check(spaces.get(name))


def mobile(choose):
    width = choose.suggest_categorical("width", [8, 16])
    kernels = [choose.suggest_categorical(f"kernel {i}", [3, 5]) for i in range(choose.suggest_int("depth", 1, 3))]
    blocks = [nn.Sequential(nn.Conv2d(width, width, kernel, 2, kernel // 2), nn.ReLU()) for kernel in kernels]
    return nn.Sequential(nn.Conv2d(3, width, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def test_a_function_of_ones_own_keeps_it_too():
    contract.check(spaces.get(mobile))


@pytest.mark.parametrize(
    "name, text, reason",
    [
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "no path"),
        ("transnas-micro", "64-41414-0_00_000", "no path"),
    ],
)
def test_what_cannot_be_trained_has_a_reason(name, text, reason):
    space = spaces.get(name)
    assert reason in space.untrainable(space.parse(text))


class Itself(NasBench201):
    def mutate(self, arch, rng):
        return arch


class Forgetful(NasBench201):
    def format(self, arch):
        return super().format(tuple(reversed(arch)))


class Restless(NasBench201):
    def key(self, arch):
        return str(np.random.random())


class Strict(NasBench201):
    def untrainable(self, arch):
        return "no reason at all"


class Mistaken(NasBench201):
    def build(self, arch, size):
        network = super().build(arch, size)
        network._channels = [1, 2, 3]
        return network


class Rude(NasBench201):
    def parse(self, text):
        try:
            return super().parse(text)
        except InputError as error:
            raise KeyError("x") from error


class Unseeded(NasBench201):
    def build(self, arch, size):
        network = super().build(arch, size)
        with torch.no_grad():
            network.classifier.bias.fill_(int.from_bytes(os.urandom(4), "big"))
        return network


@pytest.mark.parametrize(
    "space, broken",
    [
        (Itself, "mutate gives back .* itself"),
        (Forgetful, "cannot be read back|is another architecture"),
        (Restless, "a key changes from one call to the next"),
        (Strict, "none of 10 draws can be trained: no reason at all"),
        (Mistaken, r"stage_channels says \[1, 2, 3\]"),
        (Rude, "raises KeyError, not InputError"),
        (Unseeded, "one seed gives two initialisations"),
    ],
)
def test_a_space_that_breaks_the_contract_is_found_out(space, broken):
    space.name = "mine"
    with pytest.raises(AssertionError, match=f"search space 'mine': .*({broken})"):
        contract.check(space())
