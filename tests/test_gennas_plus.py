"""gennas-plus: what it is made of, and that it stands alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import naslib_gennas
from naslib_gennas import proxies, spaces
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import swap_cell
from naslib_gennas.regression import batches
from naslib_gennas.regression.profiles import FAST
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.studies import comparison

SPACE = spaces.get("nasbench201")
ARCHS = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|",
]
INPUTS = batches.load("photos", 8, 16)


def score(name, arch, seed=0):
    network = spaces.build(SPACE, SPACE.parse(arch), FAST, seed)
    return proxies.get(name, FAST).score(network, INPUTS, seed)


def test_it_is_made_of_the_loss_of_gennas_combo_two_more_and_what_the_untrained_network_shows():
    plus = score("gennas-plus", ARCHS[0])
    first, *others = plus.details["regressions"]
    assert first == pytest.approx(-score("gennas-combo", ARCHS[0]).value)
    assert len(set(others)) == 2 and first not in others
    for name in ("zen", "meco"):
        assert plus.details[name] == pytest.approx(score(name, ARCHS[0]).value)
    assert plus.details["patterns"] == score("swap", ARCHS[0]).value
    assert plus.value == pytest.approx(
        plus.details["zen"] / 400
        + 0.03 * math.log(plus.details["meco"])
        + 0.004 * plus.details["longest path"]
        - 0.006 * plus.details["shortest path"]
        + 0.6 * math.log2(plus.details["patterns"])
        - math.fsum(plus.details["regressions"]) / 3
    )


def test_a_training_of_many_steps_is_the_only_one():
    network = spaces.build(SPACE, SPACE.parse(ARCHS[0]), FAST, 0)
    counts = []
    for steps in (1, 36, 48, 49):
        profile = FAST.replace(name="long", steps=steps, steps_per_norm=None, resolution=8, target_size=2, images=2)
        found = proxies.get("gennas-plus", profile).score(network, INPUTS[:2], 0)
        counts.append(len(found.details["regressions"]))
    assert counts == [3, 2, 2, 1]


def test_networks_of_darts_are_judged_untrained_where_trainings_are_short():
    space = spaces.get("darts")
    small = {"resolution": 8, "target_size": 2, "images": 2, "cells": 1, "channels": 4}
    network = spaces.build(space, space.sample(np.random.default_rng(0)), FAST.replace(**small), 0)
    short = FAST.replace(name="short", **small)
    untrained = proxies.get("gennas-plus", short).score(network, INPUTS[:2], 0)
    details = untrained.details
    assert details["regressions"] == []
    counts = swap_cell.patterns(swap_cell.normal_cell(network), INPUTS[:2], 0)
    assert details["cell patterns"] == pytest.approx(np.mean(counts)) and min(counts) > 0
    shown = (
        details["zen"] / 400
        + 0.03 * math.log(details["meco"])
        + 0.004 * details["longest path"]
        - 0.006 * details["shortest path"]
        + 0.6 * math.log2(details["patterns"])
    )
    assert untrained.value == pytest.approx(shown + 0.6 * math.log(details["cell patterns"]))
    # Where a profile says how long a training is, there is one.
    long = short.replace(name="long", steps_per_norm=None, steps=2)
    trained = proxies.get("gennas-plus", long).score(network, INPUTS[:2], 0)
    assert "cell patterns" not in trained.details
    assert trained.value == pytest.approx(shown - math.fsum(trained.details["regressions"]) / 3)


def test_the_patterns_of_a_darts_network_are_those_of_its_normal_cell():
    space = spaces.get("darts")
    small = FAST.replace(name="small", channels=4)
    one, other = (space.sample(np.random.default_rng(seed)) for seed in (0, 1))
    found = []
    for arch in (one, replace(one, reduce=other.reduce), replace(one, normal=other.normal)):
        network = spaces.build(space, arch, small, 0)
        found.append(proxies.get("gennas-plus", small).score(network, INPUTS, 0).details["cell patterns"])
    assert found[0] == found[1] != found[2]


def test_a_shortcut_past_a_chain_of_convolutions_is_worth_a_little():
    paths = []
    for edge in ("none", "skip_connect"):
        chain = f"|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|{edge}~0|none~1|nor_conv_3x3~2|"
        details = score("gennas-plus", chain).details
        paths.append((details["longest path"], details["shortest path"]))
    # The stem, three cells of three convolutions, two reductions of two or one.
    assert paths == [(14.0, 12.0), (14.0, 3.0)]


def test_patterns_are_those_of_eight_images_however_many_there_are():
    network = spaces.build(SPACE, SPACE.parse(ARCHS[0]), FAST, 0)
    many = torch.cat([INPUTS, torch.zeros_like(INPUTS)])
    assert proxies.get("gennas-plus", FAST).score(network, many, 0).details["patterns"] <= 2**8


class Smooth(StagedNetwork):
    """Two stages with another activation than ReLU."""

    stage_channels = [8, 8]

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 2, padding=1), nn.BatchNorm2d(8), nn.GELU())

    def forward(self, x):
        first = self.first(x)
        return [first, self.second(first)]

    def logits(self, x):
        return self(x)[-1].mean((2, 3))


def test_a_network_without_relus_has_a_score():
    network = Smooth()
    network.fixed_skeleton = True
    found = proxies.get("gennas-plus", FAST.replace(name="two", steps=2)).score(network, INPUTS, 0)
    assert found.status == "ok" and found.details["patterns"] > 1.0


def test_where_sizes_differ_it_is_made_of_progress_and_units():
    network = Smooth()
    plus = proxies.get("gennas-plus", FAST).score(network, INPUTS, 0)
    short = FAST.replace(steps=24, steps_per_norm=None, record_every=24, average=1, statistics="batch", relative=1.0)
    loss = -proxies.get("gennas-combo", short).score(network, INPUTS, 0).value
    assert plus.details["progress"] == pytest.approx(-math.log(loss), rel=1e-4)
    assert plus.details["units"] == 8 * 16 * 16 + 8 * 8 * 8
    assert plus.value == pytest.approx(math.log(plus.details["progress"]) + 0.7 * math.log(plus.details["units"]))


def test_which_of_the_two_it_is_says_the_search_space():
    cells = {"nasbench101", "nasbench201", "darts", "transnas-micro"}
    assert {name for name in spaces.names() if spaces.get(name).fixed_skeleton} == cells
    draws = np.random.default_rng(0)
    for name in ("nasbench101", "nats-size"):
        space = spaces.get(name)
        network = spaces.build(space, space.sample(draws), FAST, 0)
        assert network.fixed_skeleton == (name in cells)
        found = proxies.get("gennas-plus", FAST.replace(name="x", steps=3)).score(network, INPUTS, 0)
        assert ("units" in found.details) == (name not in cells)


def test_a_wider_network_is_better_where_widths_differ():
    space = spaces.get("nats-size")
    narrow, wide = (spaces.build(space, space.parse(text), FAST, 0) for text in ("8:8:8:8:8", "64:64:64:64:64"))
    chosen = proxies.get("gennas-plus", FAST)
    assert chosen.score(wide, INPUTS, 0).value > chosen.score(narrow, INPUTS, 0).value + 1


def test_a_network_that_learns_nothing_is_below_all_that_do():
    class Still(Smooth):
        """Its maps are zero, whatever its weights are."""

        def forward(self, x):
            return [0 * stage for stage in super().forward(x)]

    still = proxies.get("gennas-plus", FAST).score(Still(), INPUTS, 0)
    moving = proxies.get("gennas-plus", FAST).score(Smooth(), INPUTS, 0)
    assert still.status == "ok" and math.isfinite(still.value) and still.value < moving.value - 1


def test_a_recurrent_cell_is_as_good_as_the_worst_of_its_three_trainings():
    space = spaces.get("nasbenchnlp")
    profile = FAST.replace(name="small", width=0.1, sequence_steps=6)
    arch = space.sample(np.random.default_rng(0))
    plus = naslib_gennas.score(space, arch, "gennas-plus", profile=profile)
    losses = plus.details["regressions"]
    assert losses[0] == -naslib_gennas.score(space, arch, "gennas-nlp-search", profile=profile).score
    assert len(set(losses)) == 3 and plus.score == -max(losses)
    assert proxies.get("gennas-plus", profile).batch("rnn").tensor.shape == (profile.sequences, 0)
    # A report says how many sequences there were, not images.
    compared = comparison.compare(space, ["gennas-plus"], 1, profile=profile, workers=1, truth=None)
    assert compared.columns[0].settings["images"] == profile.sequences != profile.images


def test_a_score_is_the_same_again_and_another_with_another_seed():
    assert score("gennas-plus", ARCHS[0]).value == score("gennas-plus", ARCHS[0]).value
    assert score("gennas-plus", ARCHS[0]).value != score("gennas-plus", ARCHS[0], seed=1).value


def test_it_tells_a_good_cell_from_a_bad_one_and_leaves_the_network_alone():
    network = spaces.build(SPACE, SPACE.parse(ARCHS[0]), FAST, 0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    good = proxies.get("gennas-plus", FAST).score(network, INPUTS, 0)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert good.value > score("gennas-plus", ARCHS[1]).value


def test_a_training_that_diverges_is_said_to():
    network = spaces.build(SPACE, SPACE.parse(ARCHS[0]), FAST, 0)
    with torch.no_grad():
        network.stem[0].weight.fill_(float("nan"))
    found = proxies.get("gennas-plus", FAST).score(network, INPUTS, 0)
    assert found.status == "diverged" and "training 1" in found.reason


class Both(nn.Module):
    """Takes an image and a mask of it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 2, padding=1), nn.ReLU())

    def forward(self, image, mask):
        return self.second(self.first(image) * mask)


def test_networks_of_several_inputs_have_a_score():
    inputs = (torch.randn(4, 3, 16, 16), torch.ones(4, 1, 16, 16))
    found = naslib_gennas.score_network(Both(), inputs=inputs, profile=FAST.replace(name="x", steps=6))
    assert found.status == "ok" and found.details["units"] == 8 * 16 * 16 + 8 * 8 * 8


def cells(choose):
    kernels = [choose.suggest_categorical(f"kernel {i}", [1, 3]) for i in range(2)]

    def cell(width):
        return [
            part for k in kernels for part in (nn.Conv2d(width, width, k, 1, k // 2), nn.BatchNorm2d(width), nn.ReLU())
        ]

    parts = [nn.Conv2d(3, 8, 3, 1, 1)]
    for width in (8, 16, 32):
        parts += [*cell(width), nn.Conv2d(width, 2 * width, 3, 2, 1)]
    return nn.Sequential(*parts)


def test_a_space_of_a_function_says_that_only_its_cells_differ():
    free, fixed = (spaces.from_function(cells, fixed_skeleton=one) for one in (False, True))
    profile = FAST.replace(name="x", steps=2, images=4)
    for space in (free, fixed):
        # In processes of their own, which get the space as it is.
        with Scorer.of(space, profile=profile, workers=2) as scorer:
            for record in scorer.many(space.sample(np.random.default_rng(i)) for i in range(2)):
                assert ("meco" in record.details) == space.fixed_skeleton
    assert Scorer.of(free).identity != Scorer.of(fixed).identity
