"""The size space of NATS-Bench: notation, neighbours, and a network that is NAS-Bench-201's where the widths are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.nasbench201 import NasBench201Network
from naslib_gennas.regression import profiles
from naslib_gennas.scoring import scorer
from naslib_gennas.spaces.natssize import LAYERS, WIDTHS

SPACE = spaces.get("nats-size")
FIXED_CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
widths = st.lists(st.sampled_from(WIDTHS), min_size=LAYERS, max_size=LAYERS).map(tuple)


@given(widths, st.integers(0, 99))
def test_texts_come_back_and_neighbours_differ_in_one_layer(arch, seed):
    assert SPACE.parse(SPACE.format(arch)) == arch == SPACE.parse(list(arch))
    mutant = SPACE.mutate(arch, np.random.default_rng(seed))
    assert sum(a != b for a, b in zip(arch, mutant)) == 1
    assert SPACE.parse(SPACE.format(mutant)) == mutant


def test_samples_reach_every_width_of_every_layer():
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(300)]
    assert all(set(layer) == set(WIDTHS) for layer in zip(*drawn))


@pytest.mark.parametrize(
    "text, words",
    [
        ("16:32:24:64", "is not 5 numbers"),
        ("16:32:24:64:12", "layer 5 .*'12' channels; it may have 8, 16"),
        ("16:32:x:64:48", "layer 3"),
        (7, "is not 5 numbers"),
    ],
)
def test_mistakes_are_named(text, words):
    with pytest.raises(InputError, match=words):
        SPACE.parse(text)


def test_with_the_widths_of_nasbench201_it_is_that_network():
    network = spaces.build(SPACE, (16, 32, 32, 64, 64), profiles.get("paper"), 0).train()
    known = NasBench201Network(spaces.get("nasbench201").parse(FIXED_CELL), channels=16, cells=1).train()
    pairs = [(network.stem, known.stem), *zip(network.reductions, known.reductions)]
    for cell, (stage,) in zip(network.cells, known.stages):
        edges = [*cell.from_input, cell.between, *cell.to_output]
        # Edges 0-1, 0-2, 1-2, then 0-3 (skip_connect), 1-3, 2-3.
        pairs += zip(edges, [stage.operations[index] for index in "01245"])
    for ours, theirs in pairs:
        theirs.load_state_dict(ours.state_dict(), strict=False)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for a, b in zip(network(x), known(x)):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_stages_have_the_widths_of_the_cells_and_a_changing_skip_is_a_convolution():
    arch = (8, 24, 40, 16, 64)
    network = spaces.build(SPACE, arch, profiles.get("fast"), 0)
    maps = network(torch.zeros(2, 3, 16, 16))
    assert network.stage_channels == [8, 40, 64] == [m.shape[1] for m in maps]
    assert [m.shape[2] for m in maps] == [16, 8, 4]
    assert [isinstance(cell.skip, torch.nn.Identity) for cell in network.cells] == [True, False, False]
    assert network.logits(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


def test_scores_prefer_wide_networks_to_narrow_ones():
    narrow, wide = (scorer.score("nats-size", text).score for text in ("8:8:8:8:8", "64:64:64:64:64"))
    assert np.isfinite(narrow) and narrow < wide
