"""Every row of the table of taps, on real NASLib."""

from __future__ import annotations

import copy
import hashlib
from typing import Any, Callable, List, Tuple

import numpy as np
import pytest
import torch

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.graph_network import staged_network
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.notations import genotype_301, spec_201
from naslib_gennas.plugin.scoring import GraphScorer, Settings
from naslib_gennas.plugin.taps import taps_of
from naslib_gennas.regression import profiles

pytestmark = pytest.mark.naslib

# name -> constructor's arguments, and the channels and heights of the stage feature maps of a 3x32x32 image
SPACES = {
    "nasbench201": ("NasBench201SearchSpace", {}, [(16, 32), (32, 16), (64, 8)]),
    "nasbench301": ("NasBench301SearchSpace", {}, [(64, 32), (128, 16), (256, 8)]),
    "nasbench301 without auxiliary head": (
        "NasBench301SearchSpace",
        {"auxiliary": False},
        [(64, 32), (128, 16), (256, 8)],
    ),
    "nasbench101": ("NasBench101SearchSpace", {}, [(128, 32), (256, 16), (512, 8)]),
    "transbench101 micro": (
        "TransBench101SearchSpaceMicro",
        {"dataset": "jigsaw"},
        [(128, 16), (128, 16), (256, 8), (256, 8), (512, 4)],
    ),
    "transbench101 micro, decoder": (
        "TransBench101SearchSpaceMicro",
        {"dataset": "autoencoder"},
        [(128, 16), (128, 16), (256, 8), (256, 8), (512, 4)],
    ),
    "transbench101 micro as graph, grey": (
        "TransBench101SearchSpaceMicro",
        {"dataset": "ninapro", "create_graph": True, "in_channels": 1},
        [(128, 16), (128, 16), (256, 8)],
    ),
    "transbench101 macro": ("TransBench101SearchSpaceMacro", {"dataset": "class_scene"}, None),
    "asr": ("NasBenchASRSearchSpace", {}, [(600, 32), (800, 32), (1000, 16), (1200, 8)]),
}


def _graph(name: str) -> Any:
    compat.require_naslib()
    import naslib.search_spaces as spaces

    cls, arguments, _ = SPACES[name]
    return getattr(spaces, cls)(**arguments)


def _digest(graph: Any) -> str:
    digest = hashlib.sha256()
    for key, value in graph.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    modes = [module.training for module in graph.modules()]
    return digest.hexdigest() + str(modes) + str(compat.plain(graph.get_hash())) + str(graph.is_parsed)


@pytest.mark.parametrize("name", SPACES)
def test_sample_score_mutate_score(name: str, generators: Callable[[], Tuple[Any, ...]]) -> None:
    prototype = _graph(name)
    space = NaslibSpace(prototype, "graph")
    scorer = GraphScorer(
        Settings(profile={"images": 2, "resolution": 32, "target_size": 4, "steps": 1}, network="graph")
    )
    before = generators()
    rng = np.random.default_rng(1)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    assert child != parent
    assert space.parse(space.format(parent)) == parent and space.parse(str(child)) == child
    for spec in (parent, child):
        graph = space.graph(spec)
        if spec == child and name != "asr":  # NASLib cannot parse a sampled graph of NAS-Bench-ASR
            graph.parse()
        graph.train(False)
        digest = _digest(graph)
        score = scorer.score(graph, "combo")
        assert np.isfinite(score.value), score
        assert _digest(graph) == digest
        clone = graph.clone()
        assert compat.plain(clone.get_hash()) == spec
        network = staged_network(clone, 0)
        maps = network(torch.zeros(2, 3, 32, 32))
        assert network.stage_channels == [stage.shape[1] for stage in maps]
        stages = SPACES[name][2]
        assert [tuple(stage.shape[1:3]) for stage in maps] == (stages or [tuple(m.shape[1:3]) for m in maps])
    assert generators() == before


def test_sampling_and_scoring_depend_on_the_seed_alone() -> None:
    space = NaslibSpace("nasbench301", "graph")
    first, again = (space.sample(np.random.default_rng(5)) for _ in range(2))
    assert first == again
    graph = space.graph(first)
    a, b = staged_network(graph, 3), staged_network(graph.clone(), 3)
    c = staged_network(graph, 4)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))
    assert not all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), c.state_dict().values()))


def test_graph_that_was_trained_before_scores_as_a_new_one() -> None:
    space = NaslibSpace("nasbench301", "graph")
    graph = space.graph(space.sample(np.random.default_rng(0)))
    fresh = staged_network(graph, 0)
    graph.parse()
    graph(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).sum().backward()
    with pytest.raises(RuntimeError):
        copy.deepcopy(graph)  # what the forward left in it cannot be copied
    used = staged_network(graph, 0)
    assert all(torch.equal(x, y) for x, y in zip(fresh.state_dict().values(), used.state_dict().values()))


def test_network_can_be_copied_and_pickles_as_a_space() -> None:
    import pickle

    space = NaslibSpace("nasbench201", "graph")
    network = staged_network(space.graph((2, 0, 4, 3, 0, 2)), 0).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    twin = copy.deepcopy(network)
    before = [stage.clone() for stage in network(x)]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, twin(x)))
    again = pickle.loads(pickle.dumps(space))
    assert (again.name, again.network) == (space.name, space.network)


def _copy_201(graph: Any, native: Any) -> None:
    """Give the native network the weights of NASLib's graph, edge by edge."""
    pairs: List[Tuple[Any, Any]] = list(zip(graph.edges[1, 2].op.seq, native.stem))
    for stage, first in enumerate((2, 8, 14)):
        for place in range(5):
            cell = graph.edges[first + place, first + place + 1].op
            operations = native.stages[stage][place].operations
            for index, (source, target) in enumerate(((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))):
                module = cell.edges[source + 1, target + 1].op
                if str(index) in operations and _layers(module):
                    pairs.append((_layers(module)[0], _layers(operations[str(index)])[0]))
    for edge, reduction in (((7, 8), native.reductions[0]), ((13, 14), native.reductions[1])):
        block = graph.edges[edge].op
        theirs = (*block.conv_a.op[1:], *block.conv_b.op[1:], block.downsample[1])
        ours = (*reduction.block[1:3], *reduction.block[4:6], reduction.shortcut)
        pairs.extend(zip(theirs, ours))
    for theirs_, ours_ in pairs:
        ours_.load_state_dict(theirs_.state_dict())


def _in_order_of_calls(network: torch.nn.Module, kinds: Tuple[type, ...]) -> List[torch.nn.Module]:
    found: List[torch.nn.Module] = []
    handles = [
        module.register_forward_hook(lambda module, *_: found.append(module))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(2, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(
    "operations",
    [
        ("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "nor_conv_3x3", "nor_conv_1x1"),
        ("nor_conv_1x1", "none", "avg_pool_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3"),
    ],
)
def test_native_nasbench201_equals_naslibs(operations: Tuple[str, ...]) -> None:
    spec = spec_201(operations)
    space = NaslibSpace("nasbench201")
    assert space.to_native(spec) == operations
    theirs = staged_network(space.graph(spec), 0)
    ours = spaces.get("nasbench201").build(operations, space.native.paper_size)  # type: ignore[union-attr]
    _copy_201(theirs.graph, ours)
    _hold_equal(theirs, ours)


def test_native_nasbench101_equals_naslibs() -> None:
    space = NaslibSpace("nasbench101")
    spec = space.parse(str(space.sample(np.random.default_rng(3))))
    theirs = staged_network(space.graph(spec), 0)
    ours = spaces.get("nasbench101").build(space.to_native(spec), spaces.Size(channels=128, cells=3))
    kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
    pairs = list(zip(_in_order_of_calls(theirs, kinds), _in_order_of_calls(ours, kinds)))
    assert len(pairs) > 20
    for source, target in pairs:
        target.load_state_dict(source.state_dict())
    _hold_equal(theirs, ours)


@pytest.mark.parametrize(
    "spec",
    [
        # Every operation, in both cells; node 5 of the second reads one node twice, which in NASLib is one edge.
        (
            ((0, 0), (1, 1), (0, 2), (2, 3), (1, 4), (3, 5), (4, 6), (2, 0)),
            ((0, 2), (1, 3), (1, 0), (2, 1), (0, 5), (1, 6), (3, 4), (3, 2)),
        ),
        (
            ((1, 3), (0, 5), (2, 1), (0, 2), (3, 0), (1, 6), (2, 4), (0, 4)),
            ((0, 0), (1, 1), (0, 6), (1, 2), (2, 5), (3, 2), (1, 4), (0, 3)),
        ),
    ],
)
def test_native_nasbench301_equals_naslibs(spec: Any) -> None:
    space = NaslibSpace("nasbench301")
    assert space.network == "native" and space.parse(space.format(spec)) == spec
    theirs = staged_network(space.graph(spec), 0)
    ours = space.build(spec, space.size(profiles.get("paper")))
    graph = theirs.graph
    pairs = list(zip(_layers(graph.edges[1, 2].op), _layers(ours.stems[0])))
    for number, cell in enumerate(ours.cells):
        node = 4 + number
        for index, preprocess in cell.preprocess.items():
            # The newer input of the first cell comes by way of node 3; the older one of the second is the stem, node 2.
            edge = {(4, "1"): (2, 3), (5, "0"): (2, 5)}.get((node, index), (node - 2 + int(index), node))
            pairs.extend(zip(_layers(graph.edges[edge].op), _layers(preprocess)))
        plan = genotype_301(spec)["reduce"] if number in (2, 5) else genotype_301(spec)["normal"]
        for index, operation in cell.operations.items():
            source, target = plan[int(index)][1] + 1, 3 + int(index) // 2
            op = graph.nodes[node]["subgraph"].edges[source, target].op
            assert len(_layers(op)) == len(_layers(operation))
            pairs.extend(zip(_layers(op), _layers(operation)))
    for source_, target_ in pairs:
        target_.load_state_dict(source_.state_dict())
    trained = sum(p.numel() for m, _ in pairs for p in m.parameters())
    assert trained == sum(p.numel() for p in ours.parameters()) - sum(p.numel() for p in ours.classifier.parameters())
    _hold_equal(theirs, ours)


def _layers(module: torch.nn.Module) -> List[torch.nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, (torch.nn.Conv2d, torch.nn.BatchNorm2d))]


@pytest.mark.parametrize(
    ("name", "dataset", "seed"),
    [
        ("transbench101_micro", "jigsaw", 0),
        ("transbench101_micro", "class_scene", 1),
        ("transbench101_macro", "normal", 2),
    ],
)
def test_native_transnas_equals_naslibs(name: str, dataset: str, seed: int) -> None:
    compat.require_naslib()
    from naslib.search_spaces import TransBench101SearchSpaceMacro, TransBench101SearchSpaceMicro

    cls = TransBench101SearchSpaceMicro if name.endswith("micro") else TransBench101SearchSpaceMacro
    space = NaslibSpace(cls(dataset))
    assert space.native is not None
    spec = space.sample(np.random.default_rng(seed))
    theirs = staged_network(space.graph(spec), 0)
    ours = space.native.build(space.to_native(spec), space.native.paper_size)
    encoder = theirs.graph.edges[1, 2].op.model.encoder
    pairs = list(zip(_layers(encoder.stem), _layers(ours.stem)))
    for layer, block in zip(encoder.layers, ours.blocks):
        for cell, own in zip(getattr(encoder, layer), block):
            if name.endswith("macro"):
                pairs.extend(zip(_layers(cell), _layers(own)))
                continue
            for index, operation in own.operations.items():
                pairs.extend(zip(_layers(cell.edges[int(index)]), _layers(operation)))
    for source, target in pairs:
        target.load_state_dict(source.state_dict())
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = theirs.train()(x)
        taps = (1, 3, 4) if name.endswith("micro") else range(len(maps) - 3, len(maps))
        for a, b in zip((maps[i] for i in taps), ours.train()(x)):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_recurrent_cells_of_nasbenchnlp_are_built_from_their_recipe() -> None:
    space = NaslibSpace("nlp")
    scorer = GraphScorer(Settings(profile={"steps": 2, "width": 0.05, "layers": 1}))
    rng = np.random.default_rng(0)
    parent = space.sample(rng)
    for spec in (parent, space.mutate(parent, rng)):
        score = scorer.score(space.graph(spec), "combo")
        assert np.isfinite(score.value), score
    with pytest.raises(InputError, match="no network to score"):
        staged_network(space.graph(parent), 0)


def test_widths_of_nats_bench_are_scored_by_our_network() -> None:
    space = NaslibSpace("natsbenchsize")
    scorer = GraphScorer(Settings(profile="fast", steps=2))
    rng = np.random.default_rng(0)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    assert sum(a != b for a, b in zip(parent, child)) == 1
    for spec in (parent, child):
        graph = space.graph(spec)
        score = scorer.score(graph, "combo")
        assert np.isfinite(score.value), score
        assert compat.plain(graph.clone().get_hash()) == spec
    with pytest.raises(InputError, match="encodings .* only"):
        GraphScorer(Settings(network="graph")).score(space.graph(parent), "combo")


def _hold_equal(theirs: StagedNetwork, ours: StagedNetwork) -> None:
    # In training mode: NASLib's NAS-Bench-201 cells keep running statistics and affine parameters (1 and 0 here).
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for a, b in zip(theirs.train()(x), ours.train()(x)):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def _runnable(graph: Any, stem: Any, operation: int) -> Any:
    """What a user does: a stem for three channels, and one of the candidates of every edge that has a list."""
    graph.edges[1, 2].set("op", stem)
    for cell in graph._get_child_graphs(single_instances=False):
        for _, _, data in cell.edges.data():
            if isinstance(data.op, list) and not hasattr(data.op[0], "nodes"):
                data.set("op", data.op[operation])
    return graph


@pytest.mark.parametrize(
    ("name", "shapes"), [("simple_cell", [(16, 32), (32, 16)]), ("hierarchical", [(16, 32), (32, 16), (64, 8)])]
)
def test_graphs_without_notation_once_runnable(name: str, shapes: Any, generators: Callable[[], Any]) -> None:
    """NASLib cannot sample or mutate these; made runnable, a graph is scored, varied by hand and scored again."""
    compat.require_naslib()
    from naslib.search_spaces import HierarchicalSearchSpace, SimpleCellSearchSpace
    from naslib.search_spaces.core import primitives

    cls = SimpleCellSearchSpace if name == "simple_cell" else HierarchicalSearchSpace
    with pytest.raises(InputError, match="lists of candidate operations.*choose an architecture"):
        staged_network(cls(), 0)
    with pytest.raises(InputError, match="NASLib has no sample_random_architecture for this space"):
        NaslibSpace(name).sample(np.random.default_rng(0))
    stem = primitives.Stem(C_in=3, C_out=16)

    def made(operation: int) -> Any:
        graph = cls()
        if name == "hierarchical":
            for edge in ((2, 3), (4, 5), (6, 7)):
                for _, _, data in graph.edges[edge].op.edges.data():
                    if isinstance(data.op, list):
                        data.set("op", data.op[0])  # a motif
        return _runnable(graph, stem, operation)

    graph = made(4)
    scorer = GraphScorer(
        Settings(profile={"images": 2, "resolution": 16, "target_size": 4, "steps": 2}, network="graph")
    )
    before, clone = generators(), graph.clone()
    first = scorer.score(graph, "combo")
    assert np.isfinite(first.value) and scorer.score(clone, "combo") == first
    assert not graph.is_parsed and generators() == before
    other = scorer.score(made(3), "combo")
    assert np.isfinite(other.value) and other.value != first.value
    graph.clone().parse()
    maps = staged_network(graph, 0)(torch.zeros(2, 3, 32, 32))
    assert [tuple(stage.shape[1:3]) for stage in maps] == shapes


def test_refusals_say_what_would_help() -> None:
    compat.require_naslib()
    from naslib.search_spaces import NasBench201SearchSpace, NATSBenchSizeSearchSpace
    from naslib.search_spaces.core.graph import Graph

    with pytest.raises(InputError, match="no architecture yet; call set_spec"):
        staged_network(NasBench201SearchSpace(), 0)
    with pytest.raises(InputError, match="cannot be tapped"):
        taps_of(Graph())
    size = NATSBenchSizeSearchSpace()
    size.sample_random_architecture()
    with pytest.raises(InputError, match="no network to score"):
        staged_network(size, 0)
    with pytest.raises(InputError, match="one looks like"):
        NaslibSpace("nasbench201").parse("(1, 2, 3)")
    with pytest.raises(InputError, match="did you mean 'nasbench201'"):
        NaslibSpace("nasbench2001")


def test_light_graph_answers_like_a_full_one() -> None:
    space = NaslibSpace("nasbench201")
    spec = (2, 0, 4, 3, 0, 2)
    light, full = space.light_graph(spec), space.graph(spec)
    assert compat.plain(light.get_hash()) == compat.plain(full.get_hash()) == spec
    assert np.array_equal(light.encode(), full.encode())
    clone = light.clone()
    assert compat.plain(clone.get_hash()) == spec and not list(clone.nodes)
