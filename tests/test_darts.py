"""DARTS: published parameter counts, cells as they are defined, notation, keys, mistakes of the user."""

from __future__ import annotations

import csv
from collections import namedtuple
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.cells import (
    OPERATIONS,
    Cell,
    CellPlan,
    Genotype,
    canonical,
    live_edges,
    operation,
    takes_rectified,
)
from naslib_gennas.networks.darts import CellNetwork
from naslib_gennas.regression import batches, profiles
from naslib_gennas.spaces.space import build

TINY = profiles.PAPER.replace(name="tiny", cells=1, channels=8, images=2, resolution=16, target_size=4, steps=3)


def cells(normal: str, normal_concat: Sequence[int], reduce: str, reduce_concat: Sequence[int]) -> Genotype:
    """A genotype from short texts: ``"sep_conv_3x3 0, skip_connect 1, ..."``."""

    def plan(text: str, concat: Sequence[int]) -> CellPlan:
        edges = tuple((edge.split()[0], int(edge.split()[1])) for edge in text.split(","))
        return CellPlan(edges, tuple(concat))

    return Genotype(plan(normal, normal_concat), plan(reduce, reduce_concat))


def parameters(network: Any) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def counted(genotype: Genotype, channels: int, depth: int, imagenet: bool = False, classes: int = 10) -> int:
    with torch.device("meta"):
        return parameters(CellNetwork(genotype, channels, depth, imagenet, classes))


DARTS_V2 = cells(
    "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 1, skip_connect 0, skip_connect 0, "
    "dil_conv_3x3 2",
    [2, 3, 4, 5],
    "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, max_pool_3x3 0, skip_connect 2, skip_connect 2, "
    "max_pool_3x3 1",
    [2, 3, 4, 5],
)
NASNET_NORMAL = (
    "sep_conv_5x5 1, sep_conv_3x3 0, sep_conv_5x5 0, sep_conv_3x3 0, avg_pool_3x3 1, skip_connect 0, avg_pool_3x3 0, "
    "avg_pool_3x3 0, sep_conv_3x3 1, skip_connect 1"
)
NASNET_REDUCE = (
    "sep_conv_5x5 1, sep_conv_7x7 0, max_pool_3x3 1, sep_conv_7x7 0, avg_pool_3x3 1, sep_conv_5x5 0, skip_connect 3, "
    "avg_pool_3x3 2, sep_conv_3x3 2, max_pool_3x3 1"
)
PNASNET_5 = (
    "sep_conv_5x5 0, max_pool_3x3 0, sep_conv_7x7 1, max_pool_3x3 1, sep_conv_5x5 1, sep_conv_3x3 1, sep_conv_3x3 4, "
    "max_pool_3x3 1, sep_conv_3x3 0, skip_connect 1"
)
# AmoebaNet as its authors' code specifies it (the older drawing in the paper differs).
AMOEBANET_A = cells(
    "avg_pool_3x3 1, max_pool_3x3 1, sep_conv_3x3 0, skip_connect 0, skip_connect 1, avg_pool_3x3 0, sep_conv_3x3 1, "
    "sep_conv_5x5 2, avg_pool_3x3 5, sep_conv_3x3 1",
    [0, 3, 4, 6],
    "sep_conv_3x3 0, avg_pool_3x3 1, max_pool_3x3 1, sep_conv_7x7 2, max_pool_3x3 0, max_pool_3x3 1, sep_conv_3x3 4, "
    "conv_7x1_1x7 1, avg_pool_3x3 0, sep_conv_7x7 1",
    [2, 3, 4, 5, 6],
)
# Two operations of AmoebaNet-B that no search space here has are replaced by ones with as many parameters: the 2x2
# maximum by the 3x3 one, the dilated separable 5x5 convolution by the ordinary one.
AMOEBANET_B = cells(
    "conv_1x1 0, max_pool_3x3 0, skip_connect 0, sep_conv_3x3 1, conv_1x1 0, sep_conv_3x3 1, conv_1x1 2, "
    "skip_connect 2, avg_pool_3x3 0, conv_1x1 5",
    [1, 3, 4, 6],
    "max_pool_3x3 1, max_pool_3x3 1, skip_connect 2, conv_3x3 0, sep_conv_5x5 2, max_pool_3x3 2, skip_connect 3, "
    "sep_conv_3x3 0, avg_pool_3x3 4, conv_1x1 3",
    [5, 6],
)
ENAS = cells(
    "sep_conv_3x3 1, skip_connect 1, sep_conv_5x5 1, skip_connect 0, avg_pool_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, "
    "avg_pool_3x3 1, sep_conv_5x5 1, avg_pool_3x3 0",
    [2, 3, 4, 5, 6],
    "sep_conv_5x5 0, sep_conv_3x3 1, sep_conv_3x3 1, avg_pool_3x3 1, sep_conv_3x3 1, avg_pool_3x3 1, avg_pool_3x3 1, "
    "sep_conv_5x5 4, sep_conv_3x3 5, sep_conv_5x5 0",
    [2, 3, 4, 5, 6],
)


class TestPublishedParameterCounts:
    """Without the auxiliary head, as all of these are published."""

    def test_darts_v2(self) -> None:
        # DARTS (arXiv:1806.09055), table 1: 3.3 M; its authors' code prints 3.349342 MB for 36 channels and 20 cells.
        assert counted(DARTS_V2, 36, 20) == 3349342

    def test_darts_v2_for_imagenet(self) -> None:
        # DARTS, table 3: 4.7 M, for 48 channels and 14 cells.
        assert round(counted(DARTS_V2, 48, 14, imagenet=True, classes=1000) / 1e6, 1) == 4.7

    def test_nasnet_a(self) -> None:
        # NASNet (arXiv:1707.07012), table 1: NASNet-A (6 @ 768) has 3.3 M. Its cells also concatenate an unread input.
        original = cells(NASNET_NORMAL, [0, 2, 3, 4, 5, 6], NASNET_REDUCE, [3, 4, 5, 6])
        assert round(counted(original, 32, 20) / 1e6, 1) == 3.3
        # DARTS, table 1: NASNet-A trained in its code, which concatenates nodes only, has 3.1 M.
        assert round(counted(cells(NASNET_NORMAL, [2, 3, 4, 5, 6], NASNET_REDUCE, [4, 5, 6]), 32, 20) / 1e6, 1) == 3.1

    @pytest.mark.parametrize("genotype, convolutions, published", [(AMOEBANET_A, 14, 3.2), (AMOEBANET_B, 9, 2.8)])
    def test_amoebanet(self, genotype: Genotype, convolutions: int, published: float) -> None:
        # AmoebaNet (arXiv:1802.01548), table 1: A (6, 36) has 3.2 M, B (6, 36) 2.8 M. Its code puts the one full
        # convolution of the reduction cell (1x7 with 7x1, or 3x3) into a bottleneck of a quarter of the channels, the
        # design spaces do not: per channel squared 1/2 + convolutions/16 instead of `convolutions`.
        more = sum(width**2 * (convolutions - 0.5 - convolutions / 16) for width in (72, 144))
        assert round((counted(genotype, 36, 20) - more) / 1e6, 1) == published

    def test_pnasnet_5(self) -> None:
        # PNAS (arXiv:1712.00559), table 3: PNASNet-5 with N = 3, F = 48 has 3.2 M; three cells per stage.
        assert round(counted(cells(PNASNET_5, [2, 3, 4, 5, 6], PNASNET_5, [2, 3, 4, 5, 6]), 48, 9) / 1e6, 1) == 3.2

    def test_enas(self) -> None:
        # ENAS's cells (arXiv:1802.03268, figure 6) with 36 channels and 20 cells, without the auxiliary head that
        # ENAS's own 4.6 M include: 4.02 M, as published with the cells in AutoDL-Projects.
        assert round(counted(ENAS, 36, 20) / 1e6, 2) == 4.02


# -------------------------------------------------------------------------------------------------------------- cells

edges = st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 99))
plans = st.lists(edges, min_size=8, max_size=8).map(
    lambda drawn: CellPlan(
        tuple((name, source % (2 + index // 2)) for index, (name, source) in enumerate(drawn)), (2, 3, 4, 5)
    )
)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "none"])
def test_operations_keep_or_halve_the_resolution(name: str) -> None:
    x = torch.randn(2, 6, 9, 8)
    assert operation(name, 6, 1)(x).shape == (2, 6, 9, 8)
    assert operation(name, 6, 2)(x).shape == (2, 6, 5, 4)


@settings(max_examples=15, deadline=None)
@given(plan=plans, reduction=st.booleans())
def test_cell_adds_its_edges_and_concatenates_its_nodes(plan: CellPlan, reduction: bool) -> None:
    torch.manual_seed(0)
    cell = Cell(plan, (4, 6), 8, reduction, shrink_first=False)
    older, newer = torch.randn(2, 4, 6, 6), torch.randn(2, 6, 6, 6)
    states: Dict[int, Any] = {int(key): module((older, newer)[int(key)]) for key, module in cell.preprocess.items()}
    for node in range(2, 6):
        terms = []
        for index in (2 * node - 4, 2 * node - 3):
            name, source = plan.edges[index]
            if str(index) in cell.operations:
                rectified = takes_rectified(name, 2 if reduction and source < 2 else 1)
                terms.append(cell.operations[str(index)](F.relu(states[source]) if rectified else states[source]))
        states[node] = sum(terms) if terms else torch.zeros(2, 8, *((3, 3) if reduction else (6, 6)))
    expected = torch.cat([states[node] for node in plan.concat], 1)
    assert torch.allclose(cell(older, newer), expected, atol=1e-5)
    # Only what matters is built: an edge is left out where it is `none` or reads a node that is all zeros.
    assert len(cell.operations) == len(live_edges(plan)[0])


@settings(max_examples=50, deadline=None)
@given(plan=plans, seed=st.integers(0, 1000))
def test_key_does_not_depend_on_numbering_or_order(plan: CellPlan, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order: List[int] = []
    while len(order) < 4:  # a random order in which each node comes after those that it reads
        ready = [
            node
            for node in range(2, 6)
            if node not in order and all(s < 2 or s in order for _, s in plan.edges[2 * node - 4 : 2 * node - 2])
        ]
        order.append(int(rng.choice(ready)))
    numbers = {0: 0, 1: 1, **{node: 2 + place for place, node in enumerate(order)}}
    renumbered: List[Tuple[str, int]] = []
    for node in order:
        pair = [(name, numbers[source]) for name, source in plan.edges[2 * node - 4 : 2 * node - 2]]
        renumbered.extend(reversed(pair) if rng.integers(2) else pair)
    assert canonical(CellPlan(tuple(renumbered), plan.concat)) == canonical(plan)


def test_key_tells_one_shared_node_from_two_equal_ones() -> None:
    shared = CellPlan((("sep_conv_3x3", 0),) * 4 + (("skip_connect", 2), ("skip_connect", 2)) * 2, (2, 3, 4, 5))
    apart = CellPlan(
        (("sep_conv_3x3", 0),) * 4 + (("skip_connect", 2), ("skip_connect", 3)) + (("skip_connect", 2),) * 2,
        (2, 3, 4, 5),
    )
    assert canonical(shared) != canonical(apart)


# -------------------------------------------------------------------------------------------------------------- space


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10000))
def test_sample_mutate_and_notation(seed: int) -> None:
    space, rng = spaces.get("darts"), np.random.default_rng(seed)
    arch = space.sample(rng)
    mutant = space.mutate(arch, rng)
    assert space.key(mutant) != space.key(arch)
    for one in (arch, mutant):
        assert space.parse(space.format(one)) == one
        for plan in (one.normal, one.reduce):
            assert all(plan.edges[i][1] != plan.edges[i + 1][1] for i in range(0, 8, 2))
            assert all(name != "none" for name, _ in plan.edges)


def test_other_notations_of_one_genotype() -> None:
    space = spaces.get("darts")
    fields = {
        "normal": [list(edge) for edge in DARTS_V2.normal.edges],
        "normal_concat": [2, 3, 4, 5],
        "reduce": list(DARTS_V2.reduce.edges),
        "reduce_concat": range(2, 6),
    }
    assert space.parse(fields) == DARTS_V2
    assert space.parse(namedtuple("Genotype", list(fields))(**fields)) == DARTS_V2
    text = space.format(DARTS_V2).replace("[2, 3, 4, 5]", "range(2, 6)")
    assert space.parse(text) == DARTS_V2


def test_network_taps_and_size() -> None:
    space = spaces.get("darts")
    network = build(space, DARTS_V2, profiles.PAPER, 0)
    maps = network(torch.randn(2, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]
    assert [m.shape[1] for m in maps] == network.stage_channels
    assert network.logits(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert len(network.cells) == 8
    small = build(space, DARTS_V2, TINY, 0)
    assert (len(small.cells), small.stage_channels) == (5, [32, 64, 128])


def test_scores_are_finite_and_repeat() -> None:
    space, proxy = spaces.get("darts"), proxies.get("gennas-combo", TINY)
    inputs = batches.load("photos", proxy.images, TINY.resolution)
    values = [proxy.score(build(space, DARTS_V2, TINY, 1), inputs, 1).value for _ in range(2)]
    assert np.isfinite(values).all() and values[0] == values[1]


def test_cells_that_pass_nothing_on_are_untrainable() -> None:
    space = spaces.get("darts")
    dead = CellPlan((("none", 0), ("none", 1)) * 4, (2, 3, 4, 5))
    assert space.untrainable(Genotype(dead, DARTS_V2.reduce)) is not None
    new = CellPlan((("skip_connect", 1), ("none", 0)) * 4, (2, 3, 4, 5))
    assert space.untrainable(Genotype(new, dead)) is not None
    assert space.untrainable(DARTS_V2) is None
    # Normal cells that read their older input too get past dead reduction cells.
    assert space.untrainable(Genotype(DARTS_V2.normal, dead)) is None
    maps = build(space, Genotype(dead, dead), TINY, 0)(torch.randn(2, 3, 16, 16))
    assert [float(m.abs().max()) for m in maps] == [0.0, 0.0, 0.0]


def test_the_trained_cells(shared: Path) -> None:
    space = spaces.get("darts")
    with open(shared / "benchmarks" / "darts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    archs = [space.parse(row["genotype"]) for row in rows]
    assert [space.format(arch) for arch in archs] == [row["genotype"] for row in rows]
    assert len({space.key(arch) for arch in archs}) == len(rows)
    # The one network without a path from input to output is the one that was trained in vain.
    untrainable = [float(row["cifar10_valid_acc"]) for row, arch in zip(rows, archs) if space.untrainable(arch)]
    assert untrainable == [min(float(row["cifar10_valid_acc"]) for row in rows)] and untrainable[0] < 11


TEXT = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


@pytest.mark.parametrize(
    "change, words",
    [
        (("'dil_conv_3x3', 2", "'dil_conv3x3', 2"), ["normal cell, node 5, edge 2", "'dil_conv_3x3'"]),
        (("'dil_conv_3x3', 2", "'dil_conv_3x3', 5"), ["normal cell, node 5, edge 2", "node 5", "0 to 4"]),
        (("'dil_conv_3x3', 2", "'dil_conv_3x3', -1"), ["node 5, edge 2", "-1"]),
        (("'dil_conv_3x3', 2", "'conv_7x1_1x7', 2"), ["unknown operation 'conv_7x1_1x7'"]),
        ((", ('dil_conv_3x3', 2)", ""), ["normal cell has 7 edges", "8"]),
        (("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[2, 3, 4, 6]"), ["reduce_concat names node 6"]),
        (("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[0, 3, 4, 5]"), ["reduce_concat names node 0"]),
        (("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[]"), ["reduce_concat"]),
        ((", reduce_concat=[2, 3, 4, 5]", ""), ["no field 'reduce_concat'"]),
        (("reduce_concat", "reduction_concat"), ["'reduction_concat'", "'reduce_concat'"]),
        (("normal=[", "normal=(("), ["is not a genotype"]),
        (("Genotype(", "__import__('os').getcwd("), ["is not a genotype"]),
        ((TEXT, "64-41414-1_02_333"), ["is not a genotype", "Genotype(normal="]),
        ((TEXT, '{"normal": ['), ["not JSON at character"]),
        ((TEXT, ""), ["is not a genotype"]),
    ],
)
def test_mistakes_are_named_in_one_line(change: Tuple[str, str], words: List[str]) -> None:
    text = TEXT.replace(*change)
    with pytest.raises(InputError) as raised:
        spaces.get("darts").parse(text)
    message = str(raised.value)
    assert "\n" not in message and message.startswith("darts: ")
    assert all(word in message for word in words), message


@pytest.mark.parametrize("wrong", [None, 3, ["sep_conv_3x3"], {"normal": 1}])
def test_other_things_are_no_genotypes(wrong: Any) -> None:
    with pytest.raises(InputError):
        spaces.get("darts").parse(wrong)
