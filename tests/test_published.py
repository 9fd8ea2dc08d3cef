"""Networks at their published size: parameters, shapes, and agreement with the official records."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.regression.profiles import PAPER

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
_PNAS_CELL = [
    *(("sep_conv_5x5", 0), ("max_pool_3x3", 0), ("sep_conv_7x7", 1), ("max_pool_3x3", 1), ("sep_conv_5x5", 1)),
    *(("sep_conv_3x3", 1), ("sep_conv_3x3", 4), ("max_pool_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 1)),
]
_FIVE = [2, 3, 4, 5, 6]
PNASNET_5 = {
    "genotype": {"normal": _PNAS_CELL, "normal_concat": _FIVE, "reduce": _PNAS_CELL, "reduce_concat": _FIVE},
    "width": 54,
    "depth": 9,
}
NASNET_A = {
    "genotype": {
        "normal": [
            *(("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 0), ("sep_conv_3x3", 0)),
            *(("avg_pool_3x3", 1), ("skip_connect", 0), ("avg_pool_3x3", 0), ("avg_pool_3x3", 0)),
            *(("sep_conv_3x3", 1), ("skip_connect", 1)),
        ],
        "normal_concat": [0, *_FIVE],
        "reduce": [
            *(("sep_conv_5x5", 1), ("sep_conv_7x7", 0), ("max_pool_3x3", 1), ("sep_conv_7x7", 0)),
            *(("avg_pool_3x3", 1), ("sep_conv_5x5", 0), ("skip_connect", 3), ("avg_pool_3x3", 2)),
            *(("sep_conv_3x3", 2), ("max_pool_3x3", 1)),
        ],
        "reduce_concat": [3, 4, 5, 6],
    },
    "width": 44,
    "depth": 14,
}
ALL_3X3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
RESNET_56 = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}


def parameters(name, text, **options):
    space = spaces.get(name)
    with torch.device("meta"):
        network = space.published(space.parse(text), **options)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    "name, text, resolution, published",
    [
        ("darts", DARTS_V2, None, 3.349e6),  # 3.3 M in table 1 of the paper
        ("darts", DARTS_V2, 224, 4.7e6),
        ("nds-nasnet-in", NASNET_A, None, 5.3e6),
        ("nds-pnas-in", PNASNET_5, None, 5.1e6),
        ("nds-resnet", RESNET_56, None, 0.85e6),
        ("nasbench201", ALL_3X3, None, 1.531546e6),  # the benchmark's own table
    ],
)
def test_networks_have_their_published_parameters(name, text, resolution, published):
    assert parameters(name, text, resolution=resolution) == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("name", ["nds-darts-in", "nds-amoeba-in", "nds-pnas-in", "nds-resnext-a-in"])
def test_networks_have_the_parameters_of_the_official_records(shared, name):
    files = {"nds-darts-in": "DARTS", "nds-amoeba-in": "Amoeba", "nds-pnas-in": "PNAS", "nds-resnext-a-in": "ResNeXt-A"}
    records = json.loads((shared / f"benchmarks/nds/{files[name]}_in.json").read_text())[:15]
    shares = np.array([parameters(name, record["net"]) / record["params"] for record in records])
    # Records count operations that cannot reach the output, which are not built here.
    assert (shares <= 1).all() and (shares == 1).any() and shares.mean() > 0.93


@pytest.mark.parametrize("name", spaces.names())
def test_the_published_network_gives_logits(name):
    space = spaces.get(name)
    arch = space.sample(np.random.default_rng(1))
    with torch.device("meta"):
        network = space.published(arch, classes=7).eval()
        batch = space.example(2, resolution=64)
        logits = network(batch)
    assert logits.shape == ((*batch.shape, 7) if space.kind == "rnn" else (2, 7))
    assert network.built_from == (name, arch)


def test_published_networks_train_to_all_their_parameters():
    for name in ("nasbench201", "nasbenchnlp"):
        space = spaces.get(name)
        arch = space.sample(np.random.default_rng(3))
        network = space.published(arch, classes=5)
        network(space.example(2) % 5 if space.kind == "rnn" else space.example(2)).logsumexp(-1).sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_depth_and_width_of_darts_are_free():
    deeper = spaces.get("darts", cells=14, channels=16)
    assert deeper.published_settings == {"cells": 14, "channels": 16}
    arch = deeper.parse(DARTS_V2)
    network = deeper.published(arch).network
    assert len(network.cells) == 14 and network.cells[0].channels == 16
    with pytest.raises(InputError, match="darts: channels is 17; it takes an even number"):
        spaces.get("darts", channels=17)


@pytest.mark.parametrize("cells", [1, 4, 7])
def test_a_profile_gets_as_many_cells_as_it_asks_for(cells):
    profile = PAPER.replace(name="deep", cells=cells, channels=4)
    darts, bench = (spaces.get(name) for name in ("darts", "nasbench201"))
    assert len(spaces.build(darts, darts.parse(DARTS_V2), profile, 0).cells) == 3 * cells + 2
    network = spaces.build(bench, bench.parse(ALL_3X3), profile, 0)
    assert [len(stage) for stage in network.stages] == [cells] * 3
