"""gennas-plus: what it is made of, and that it stands alone."""

from __future__ import annotations

import math

import pytest
import torch

from naslib_gennas import images, proxies, spaces
from naslib_gennas.profiles import FAST

SPACE = spaces.get("nasbench201")
ARCHS = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|",
]
INPUTS = images.load("photos", 8, 16)


def score(name, arch, seed=0):
    network = spaces.build(SPACE, SPACE.parse(arch), FAST, seed)
    return proxies.get(name, FAST).score(network, INPUTS, seed)


def test_it_is_made_of_the_loss_of_gennas_combo_two_more_and_the_zen_score_and_meco():
    plus = score("gennas-plus", ARCHS[0])
    first, *others = plus.details["regressions"]
    assert first == pytest.approx(-score("gennas-combo", ARCHS[0]).value)
    assert len(set(others)) == 2 and first not in others
    assert plus.details["zen"] == pytest.approx(score("zen", ARCHS[0]).value)
    assert plus.details["meco"] == pytest.approx(score("meco", ARCHS[0]).value)
    mean = math.fsum(math.log(loss) for loss in plus.details["regressions"]) / 3
    assert plus.value == pytest.approx(plus.details["zen"] / 400 + 0.03 * math.log(plus.details["meco"]) - mean)


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
