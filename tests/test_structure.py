"""What structure.read finds on the paths of a network."""

from __future__ import annotations

import math

import pytest
import torch

from naslib_gennas import spaces
from naslib_gennas.networks import structure
from naslib_gennas.regression.profiles import FAST

SPACE = spaces.get("nasbench201")
INPUTS = torch.zeros(4, 3, 8, 8)
CHAIN = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
# The same chain beside a shortcut past it.
SHORTCUT = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


def test_operations_and_paths_are_counted() -> None:
    network = spaces.build(SPACE, SPACE.parse(CHAIN), FAST, 0)
    found = structure.read(network, INPUTS)
    # The stem, two convolutions a cell, and two reductions: two 3x3 convolutions beside a pooling and a 1x1 one.
    assert found == {
        "number of conv 3": pytest.approx(math.log1p(1 + 3 * 2 + 2 * 2)),
        "number of conv 1": pytest.approx(math.log1p(2)),
        "number of average pooling": pytest.approx(math.log1p(2)),
        "conv 3 on a path": pytest.approx(1 + 6 + 2),
        "conv 1 on a path": pytest.approx(1.0),
        "average pooling on a path": pytest.approx(1.0),
        "longest path": 11.0,
        "shortest path": 9.0,
        "mean path": pytest.approx(10.0),
    }


def test_a_shortcut_shortens_the_shortest_and_the_mean_path() -> None:
    found = structure.read(spaces.build(SPACE, SPACE.parse(SHORTCUT), FAST, 0), INPUTS)
    # The way past each of three cells has no convolution.
    assert (found["longest path"], found["shortest path"]) == (11.0, 3.0)
    assert found["conv 3 on a path"] == pytest.approx(1 + 3 * 1 + 2)
    assert found["mean path"] == pytest.approx(10.0 - 3 * 1)
