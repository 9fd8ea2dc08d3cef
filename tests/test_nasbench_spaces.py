"""NAS-Bench-201 and NAS-Bench-101: notation, mutation, isomorphism, and networks equal to the published ones."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.nasbench201 import used_edges
from naslib_gennas.regression.profiles import FAST, PAPER
from naslib_gennas.spaces.nasbench101 import OPERATIONS as OPERATIONS_101
from naslib_gennas.spaces.nasbench101 import Specification, prune
from naslib_gennas.spaces.nasbench201 import OPERATIONS as OPERATIONS_201

NB201, NB101 = spaces.get("nasbench201"), spaces.get("nasbench101")
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("space", [NB201, NB101], ids=lambda space: space.name)
@given(seed=seeds)
@settings(max_examples=40, deadline=None)
def test_architectures_survive_their_notation_and_mutants_are_others(space, seed):
    rng = np.random.default_rng(seed)
    arch = space.sample(rng)
    assert space.parse(space.format(arch)) == arch and hash(arch) is not None
    mutant = space.mutate(arch, rng)
    assert mutant != arch and space.parse(space.format(mutant)) == mutant
    assert space.sample(np.random.default_rng(seed)) == arch


def test_nasbench201_falls_into_6466_classes():
    everything = list(itertools.product(OPERATIONS_201, repeat=6))
    assert len(everything) == NB201.count
    assert len({NB201.key(arch) for arch in everything}) == 6466


def test_nasbench201_classes_are_the_benchmarks(shared):
    import csv

    with open(shared / "benchmarks" / "nasbench201.csv", encoding="utf-8") as file:
        rows = [(NB201.key(NB201.parse(row["arch"])), row["isomorphism_class"]) for row in csv.DictReader(file)]
    assert len({key for key, _ in rows}) == len({name for _, name in rows}) == len(set(rows))


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_nasbench101_keys_do_not_see_the_order_of_vertices(seed):
    rng = np.random.default_rng(seed)
    arch = NB101.sample(rng)
    # Any order of the vertices that keeps the matrix upper triangular, found by drawing.
    count = len(arch.ops)
    matrix = np.array(arch.matrix)
    for _ in range(50):
        order = [0, *(1 + rng.permutation(count - 2)), count - 1]
        moved = matrix[np.ix_(order, order)]
        if not np.tril(moved).any():
            other = NB101.parse({"matrix": moved.tolist(), "ops": [arch.ops[i] for i in order]})
            assert NB101.key(other) == NB101.key(arch)
    assert NB101.key(prune(arch)) == NB101.key(arch)


def test_nasbench101_pruning_and_hash_are_the_benchmarks():
    model_spec = pytest.importorskip("nasbench_pytorch.model", reason="nasbench-pytorch is not installed").ModelSpec
    rng = np.random.default_rng(0)
    for _ in range(60):
        arch = NB101.sample(rng)
        theirs = model_spec([list(row) for row in arch.matrix], list(arch.ops))
        ours = prune(arch)
        assert theirs.matrix.tolist() == [list(row) for row in ours.matrix] and theirs.ops == list(ours.ops)
        theirs.matrix = theirs.matrix.numpy()  # numpy's sum no longer takes torch's tensors
        assert theirs.hash_spec(list(OPERATIONS_101)) == NB101.key(arch)


def tensors(module):
    return list(module.state_dict().values())


def copy_into(theirs, ours):
    source, target = tensors(ours), tensors(theirs)
    assert [t.shape for t in source] == [t.shape for t in target]
    for a, b in zip(source, target):
        b.copy_(a)


@pytest.mark.parametrize("seed", range(4))
def test_nasbench101_networks_equal_the_published_ones(seed):
    model = pytest.importorskip("nasbench_pytorch.model", reason="nasbench-pytorch is not installed")
    arch = NB101.sample(np.random.default_rng(seed))
    ours = NB101.build(arch, NB101.paper_size)
    spec = ([list(row) for row in arch.matrix], list(arch.ops))
    theirs = model.Network(spec, stem_out_channels=16, num_stacks=3, num_modules_per_stack=3, momentum=0.1)
    count = sum(p.numel() for p in ours.parameters())
    # Their cells have parameters for the place of absent modules, which nothing uses.
    named = theirs.named_parameters()
    used = [p.numel() for name, p in named if re.search("conv_bn_relu|classifier", name)]
    assert count == sum(used)
    layers = list(theirs.layers)
    cells = [cell for stage in ours.stages for cell in stage]
    with torch.no_grad():
        copy_into(layers[0], ours.stem)
        copy_into(theirs.classifier, ours.classifier)
        for cell, layer in zip(cells, [layer for layer in layers if hasattr(layer, "vertex_op")]):
            for vertex, module in cell.vertices.items():
                copy_into(layer.vertex_op[int(vertex)], module)
            for vertex, module in cell.projections.items():
                copy_into(layer.input_op[int(vertex)], module)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours.train(), theirs.train()
    for _ in range(2):  # the second time also compares the running statistics of the first
        assert torch.allclose(ours.logits(x), theirs(x), rtol=1e-4, atol=1e-5)
        ours.eval(), theirs.eval()


@pytest.mark.parametrize("space", [NB201, NB101], ids=lambda space: space.name)
@pytest.mark.parametrize("profile", [PAPER, FAST], ids=lambda profile: profile.name)
def test_networks_give_three_stages_each_half_the_resolution(space, profile):
    size = space.size(profile)
    network = space.build(space.sample(np.random.default_rng(1)), size)
    x = torch.randn(2, 3, profile.resolution, profile.resolution)
    maps = network(x)
    assert [m.shape[1] for m in maps] == network.stage_channels
    assert [m.shape[2] for m in maps] == [profile.resolution // 2**i for i in range(3)]
    assert network.logits(x).shape[0] == 2


def test_only_operations_that_matter_are_built_and_a_dead_cell_says_so():
    full = NB201.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|")
    skip = NB201.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    counts = [sum(p.numel() for p in NB201.build(arch, NB201.paper_size).parameters()) for arch in (full, skip)]
    assert counts[0] == counts[1]
    dead = NB201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|")
    assert "no path" in NB201.untrainable(dead) and NB201.untrainable(full) is None


def test_parameters_of_nasbench201_are_the_published_ones(shared):
    import csv

    with open(shared / "benchmarks" / "nasbench201_published_proxies.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "cifar10" and row["params"]]
    archs = [(NB201.parse(row["arch"]), float(row["params"])) for row in rows]
    # Theirs also count operations that lead nowhere, and BatchNorm's affine parameters, 2 a channel of a convolution.
    whole = [(arch, millions) for arch, millions in archs if len(used_edges(arch)) == 6 and "nor_conv_3x3" in arch]
    for arch, millions in whole[:5]:
        convolutions = sum(operation.startswith("nor_conv") for operation in arch)
        ours = sum(p.numel() for p in NB201.build(arch, NB201.paper_size).parameters())
        assert ours + convolutions * 5 * 2 * (16 + 32 + 64) == pytest.approx(millions * 1e6, abs=1)


def test_a_build_leaves_the_global_generator_alone_and_follows_its_seed():
    arch = NB201.sample(np.random.default_rng(3))
    state = torch.get_rng_state()
    first, again, other = (spaces.build(NB201, arch, FAST, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.detach().ravel() for p in n.parameters()]) for n in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("|nor_conv_3x3~0|", ["1 nodes, not 3"]),
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", ["'nor_conv_5x5~0'", "node 1", "nor_conv_3x3"]),
        ("|none~0|+|none~0|none~2|+|none~0|none~1|none~2|", ["'none~2'", "node 2"]),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", ["node 2", "2 edges"]),
        ("none~0|+|none~0|none~1|+|none~0|none~1|none~2|", ["node 1", "between bars"]),
        (3, ["not an architecture"]),
    ],
)
def test_a_malformed_nasbench201_string_shows_where(text, words):
    with pytest.raises(InputError) as error:
        NB201.parse(text)
    assert all(word in str(error.value) for word in words), str(error.value)


C3 = "conv3x3-bn-relu"
CHAIN = {"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", C3, "output"]}
FULL = np.triu(np.ones((7, 7), dtype=int), 1).tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"matrix": [[0, 1}', ["not JSON at character"]),
        ({"ops": []}, ["'matrix'"]),
        ({**CHAIN, "ops": ["input", "conv5x5-bn-relu", "output"]}, ["vertex 1", "conv5x5-bn-relu", "did you mean"]),
        ({**CHAIN, "ops": ["input", C3]}, ["each of the 3 vertices"]),
        ({**CHAIN, "matrix": [[0, 1, 0], [0, 0, 0], [0, 1, 0]]}, ["row 2, column 1"]),
        ({**CHAIN, "matrix": [[0, 0, 0], [0, 0, 1], [0, 0, 0]]}, ["no path"]),
        ({**CHAIN, "matrix": [[0, 2, 0], [0, 0, 1], [0, 0, 0]]}, ["only 0 and 1"]),
        ({"matrix": FULL, "ops": ["input"] + [C3] * 5 + ["output"]}, ["21 edges", "at most 9"]),
    ],
)
def test_a_malformed_nasbench101_cell_says_what_is_wrong(content, words):
    with pytest.raises(InputError) as error:
        NB101.parse(content)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_nasbench101_takes_json_text_mappings_and_itself():
    arch = NB101.parse(CHAIN)
    assert arch == NB101.parse(json.dumps(CHAIN)) == NB101.parse(arch) and isinstance(arch, Specification)


def test_an_unknown_space_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'nasbench201'"):
        spaces.get("nasbench-201")
