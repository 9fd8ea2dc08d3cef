"""TransNAS-Bench-101: notation, counts, networks as the benchmark defines them, keys, mistakes of the user."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.nasbench201 import EDGES
from naslib_gennas.networks.transnas import SumCell
from naslib_gennas.regression import batches, profiles
from naslib_gennas.spaces.space import Size, build

TINY = profiles.PAPER.replace(name="tiny", cells=1, channels=8, images=2, resolution=16, target_size=4, steps=2)
TASKS = ("autoencoder", "class_object", "class_scene", "jigsaw", "normal", "room_layout", "segmentsemantic")


def test_counts() -> None:
    micro, macro = spaces.get("transnas-micro"), spaces.get("transnas-macro")
    assert micro.count == 4**6
    # The benchmark holds 3,256 skeletons (arXiv:2105.11871, section 3.2): here they are counted one by one.
    found = 0
    for length in (4, 5, 6):
        for digits in itertools.product("1234", repeat=length):
            try:
                macro.parse(f"64-{''.join(digits)}-basic")
                found += 1
            except InputError:
                pass
    assert found == macro.count


@pytest.mark.parametrize("name", ["transnas-micro", "transnas-macro"])
def test_sample_mutate_and_notation(name: str) -> None:
    space, rng = spaces.get(name), np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(200)]
    assert len(set(archs)) > 150
    for arch in archs:
        mutant = space.mutate(arch, rng)
        assert mutant != arch
        for one in (arch, mutant):
            assert space.parse(space.format(one)) == one


def test_tables_of_the_benchmark(shared: Path) -> None:
    for kind in ("micro", "macro"):
        space = spaces.get(f"transnas-{kind}")
        with open(shared / "benchmarks" / f"transnas101_{kind}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        archs = [space.parse(row["arch"]) for row in rows]
        assert [space.format(arch) for arch in archs] == [row["arch"] for row in rows]
        assert set(TASKS) == set(rows[0]) - {"arch"}
        if kind == "micro":
            # Cells without a path from input to output were trained in vain: no better than a constant answer.
            vain = [float(row["class_scene"]) for row, arch in zip(rows, archs) if space.untrainable(arch)]
            others = [float(row["class_scene"]) for row, arch in zip(rows, archs) if not space.untrainable(arch)]
            assert vain and max(vain) < min(others)


def test_networks() -> None:
    micro, macro = spaces.get("transnas-micro"), spaces.get("transnas-macro")
    assert micro.size(profiles.PAPER) == macro.size(profiles.PAPER) == Size(channels=64, cells=2)
    assert micro.size(profiles.PAPER.replace(cells=1)) == Size(channels=16, cells=1)
    assert micro.size(profiles.PAPER.replace(cells=1, channels=64)) == Size(channels=64, cells=1)
    x, size = torch.randn(2, 3, 32, 32), Size(channels=8, cells=2)
    network: Any = micro.build(micro.parse("64-41414-3_13_231"), size)
    assert [tuple(m.shape[1:]) for m in network(x)] == [(16, 16, 16), (32, 8, 8), (64, 4, 4)]
    assert network.stage_channels == [16, 32, 64]
    assert [len(block) for block in network.blocks] == [2] * 5
    for text in ("64-1234-basic", "64-333321-basic", "64-11114-basic"):
        network = macro.build(macro.parse(text), size)
        maps = network(x)
        assert len(maps) == 3 and [m.shape[1] for m in maps] == network.stage_channels
        assert network.logits(x).shape == (2, 10)
    halved = macro.build(macro.parse("64-333321-basic"), size)(x)
    assert [m.shape[2] for m in halved][-1] == 2


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("digits", ["301231", "111111", "020310", "123000", "132123"])
def test_cell_is_the_sum_of_its_edges(digits: str, stride: int) -> None:
    torch.manual_seed(0)
    names = [("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")[int(digit)] for digit in digits]
    cell = SumCell(names, 4, 4 * stride, stride)
    x = torch.randn(2, 4, 7, 7)
    side = -(-7 // stride)
    nodes: List[Any] = [x, *(torch.zeros(2, 4 * stride, side, side) for _ in range(3))]
    for index, (source, target) in enumerate(EDGES):
        if str(index) in cell.operations:
            module = cell.operations[str(index)]
            value = nodes[source] if isinstance(module, torch.nn.Identity) else F.relu(nodes[source])
            nodes[target] = nodes[target] + module(value)
    assert torch.allclose(cell(x), nodes[3], atol=1e-5)


def test_key_is_equal_where_the_middle_nodes_change_places() -> None:
    space = spaces.get("transnas-micro")

    def key(text: str) -> str:
        return space.key(space.parse(f"64-41414-{text}"))

    assert key("1_20_032") == key("2_10_023")
    assert key("3_00_010") == key("0_30_001")  # one path through either middle node
    assert key("3_12_000") == key("0_00_000")  # nothing reaches the output
    assert key("1_21_032") != key("2_11_023")  # the edge between them tells them apart
    assert key("1_20_032") != key("1_20_023")


@pytest.mark.parametrize("name", ["transnas-micro", "transnas-macro"])
def test_scores_are_finite_and_distinct(name: str) -> None:
    space, proxy, rng = spaces.get(name), proxies.get("gennas-combo", TINY), np.random.default_rng(0)
    inputs = batches.load("photos", proxy.images, TINY.resolution)
    archs = [arch for arch in (space.sample(rng) for _ in range(8)) if space.untrainable(arch) is None][:3]
    scores = [proxy.score(build(space, arch, TINY, 0), inputs, 0).value for arch in archs]
    assert np.isfinite(scores).all() and len(set(scores)) == 3


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("transnas-micro", "64-1234-basic", ["is a macro architecture", "64-41414-"]),
        ("transnas-macro", "64-41414-1_02_333", ["is a micro architecture", "-basic"]),
        ("transnas-micro", "64-41414-1_02_343", ["node 3 '343'", "operation '4'"]),
        ("transnas-micro", "64-41414-1_02_33", ["'1_02_33'", "1, 2 and 3 digits"]),
        ("transnas-micro", "64-41141-1_02_333", ["41414"]),
        ("transnas-micro", "32-41414-1_02_333", ["32 base channels"]),
        ("transnas-micro", "|none~0|", ["is not an architecture"]),
        ("transnas-micro", None, ["is not an architecture"]),
        ("transnas-macro", "64-12345-basic", ["module 5", "'5'"]),
        ("transnas-macro", "64-123-basic", ["3 modules", "4 to 6"]),
        ("transnas-macro", "64-1113-basic", ["doubles the channels in 0 modules"]),
        ("transnas-macro", "64-1112-basic", ["halves the resolution in 0 modules"]),
        ("transnas-macro", "64-3-", ["micro architecture"]),
        ("transnas-macro", "", ["is not an architecture"]),
    ],
)
def test_mistakes_are_named_in_one_line(name: str, text: Any, words: List[str]) -> None:
    with pytest.raises(InputError) as raised:
        spaces.get(name).parse(text)
    message = str(raised.value)
    assert "\n" not in message and message.startswith(f"{name}: ")
    assert all(word in message for word in words), message
