"""SWAP on one cell: which cell, how many draws, and what becomes of networks without one."""

from __future__ import annotations

import numpy as np
import pytest

from naslib_gennas import proxies, spaces
from naslib_gennas.proxies import swap_cell
from naslib_gennas.proxies.swap import swap
from naslib_gennas.randomness import derive
from naslib_gennas.regression import batches, profiles
from naslib_gennas.spaces.space import build

BATCH = batches.get("photos", 4, 8)
USUAL = {"nasbench201": "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"}
SMALL = {"cells": 1, "channels": 4, "images": 4, "resolution": 8}


def network(name: str, text: object = None, profile: object = None):
    space = spaces.get(name)
    arch = space.parse(text or USUAL[name]) if text or name in USUAL else space.sample(np.random.default_rng(0))
    return build(space, arch, profiles.get(profile or SMALL), 0)


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "transnas-micro", "darts", "nds-enas-in"])
def test_the_score_is_that_of_the_cell_alone_whatever_the_network_around_it(name: str) -> None:
    scores = []
    for size in (SMALL, {**SMALL, "cells": 2, "channels": 8}):
        found = proxies.get("swap-cell", size).score(network(name, profile=size), BATCH, 0)
        assert found.details["cell"] and len(found.details["patterns"]) == swap_cell.DRAWS
        scores.append(found.value)
    if not name.startswith("nds"):
        assert scores[0] == scores[1] > 0
    assert scores[0] == pytest.approx(np.mean(found.details["patterns"]))


def test_a_network_without_a_cell_is_taken_whole_over_the_same_draws() -> None:
    found = proxies.get("swap-cell", SMALL).score(network("transnas-macro"), BATCH, 3)
    whole = network("transnas-macro").train()
    assert not found.details["cell"]
    first = swap(whole, BATCH.tensor, derive(3, "draw", 0))
    assert found.details["patterns"][0] == pytest.approx(first, rel=0.02)


def test_the_cell_of_three_channels_reads_the_image() -> None:
    cell = swap_cell._cell(network("darts"))
    assert cell is not None
    assert cell(BATCH.tensor).shape == (4, 4 * swap_cell.CHANNELS, 4, 4)  # a reduction cell of four nodes


def test_a_cell_without_a_convolution_has_no_patterns() -> None:
    text = "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|skip_connect~2|"
    assert proxies.get("swap-cell", SMALL).score(network("nasbench201", text), BATCH, 0).value == 0


def test_a_cell_whose_only_convolutions_fit_its_inputs_has_no_patterns() -> None:
    pooled = "[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('avg_pool_3x3', 2), ('skip_connect', 2)]"
    pooled = pooled[:-1] + ", ('max_pool_3x3', 1), ('skip_connect', 2), ('avg_pool_3x3', 3), ('skip_connect', 4)]"
    normal = pooled.replace("('avg_pool_3x3', 0)", "('sep_conv_3x3', 0)")
    text = f"Genotype(normal={normal}, normal_concat=[2, 3, 4, 5], reduce={pooled}, reduce_concat=[2, 3, 4, 5])"
    found = proxies.get("swap-cell", SMALL).score(network("darts", text), BATCH, 0)
    assert (found.status, found.value) == ("ok", 0)
