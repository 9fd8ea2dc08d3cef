"""NASLib's search spaces and graphs as ours: one table says where the stage feature maps of each are.

NASLib is imported when a space or a graph of it is used, never before. A graph that is scored is copied first: the
copy is parsed, initialised anew and thrown away, the caller's graph stays as it was.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace

#: An architecture: NASLib's own hash with every number made a plain int.
Spec = Tuple[Any, ...]

NETWORKS = ("native", "graph")
# What networkx keeps on a graph once it is asked for: views that hold on to the nodes and edges they were made of.
_VIEWS = ("nodes", "edges", "adj", "succ", "pred", "degree", "in_degree", "out_degree", "in_edges", "out_edges")
_ENCODER = "edges[1,2].op.model.encoder"


@dataclass(frozen=True)
class Taps:
    """One row of the table: a space of NASLib and where its network's stage feature maps are.

    Attributes:
        name: what NASLib's runners call the space.
        space: its class in `naslib.search_spaces`.
        stages: the modules whose outputs are the stage feature maps, early ones first; `*` stands for every layer.
        trunk: the module that is run, where that is not the graph itself (a decoder of no use is left out so).
        variant: attributes that a graph of this row has.
        options: the constructor's argument -> the attribute that keeps it.
        stem: a module whose strides become 1: these networks are made for images of 256 pixels, and inputs of 32
            would leave nothing to the last stages.
        momentum: of every batch normalisation; None keeps the network's own.
        inputs: "images", or "sound": 80 features over time.
        valid: whether a spec is one of this space.
        count: number of architectures of the space.
        example: one spec.
        native: our own search space of the same architectures, whose networks are faster.
        to_native: the spec in that space's notation.
        from_native: the spec of an architecture of that space.
        adapt: changes our own network where NASLib's differs from the benchmark's.
        choose: puts the operations of a spec on the edges where NASLib leaves that out.
    """

    name: str
    space: str
    stages: Tuple[str, ...] = ()
    trunk: str = ""
    variant: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    stem: str = ""
    momentum: Optional[float] = None
    inputs: str = "images"
    valid: Optional[Callable[[Any], bool]] = None
    count: Optional[int] = None
    example: str = ""
    native: str = ""
    to_native: Optional[Callable[[Spec], Any]] = None
    from_native: Optional[Callable[[Any], Spec]] = None
    adapt: Optional[Callable[[Any], None]] = None
    choose: Optional[Callable[[Any, Spec], None]] = None


# ------------------------------------------------------------------------------------------ notations of the benchmarks

# NASLib numbers NAS-Bench-201's operations and edges in another order than the benchmark does.
OPERATIONS_201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
EDGES_201 = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
BENCHMARK_EDGES_201 = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS_101 = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
OPERATIONS_301 = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def operations_201(spec: Spec) -> Tuple[str, ...]:
    """The operations of a NAS-Bench-201 spec in the order of the benchmark's edges."""
    found = dict(zip(EDGES_201, spec))
    return tuple(OPERATIONS_201[found[edge]] for edge in BENCHMARK_EDGES_201)


def spec_201(operations: Tuple[str, ...]) -> Spec:
    """NASLib's spec of six operations in the order of the benchmark's edges."""
    found = dict(zip(BENCHMARK_EDGES_201, operations))
    return tuple(OPERATIONS_201.index(found[edge]) for edge in EDGES_201)


def cell_101(spec: Spec) -> Dict[str, Any]:
    """The matrix and operations of a NAS-Bench-101 spec."""
    size = _vertices_101(len(spec))
    matrix = [list(spec[row * size : (row + 1) * size]) for row in range(size)]
    return {"matrix": matrix, "ops": [OPERATIONS_101[index] for index in spec[size * size :]]}


def spec_101(matrix: Any, operations: Any) -> Spec:
    """NASLib's spec of a NAS-Bench-101 cell."""
    flat = [int(value) for row in matrix for value in row]
    return tuple(flat + [OPERATIONS_101.index(operation) for operation in operations])


def genotype_301(spec: Spec) -> Dict[str, Any]:
    """The four fields of the genotype of a NAS-Bench-301 spec.

    Where both edges of a node read the same node, NASLib's graph has the second one only.
    """
    cells = []
    for cell in spec:
        edges = [(OPERATIONS_301[operation], source) for source, operation in cell]
        for first in range(0, len(edges), 2):
            if edges[first][1] == edges[first + 1][1]:
                edges[first] = ("none", edges[first][1])
        cells.append(edges)
    nodes = [2, 3, 4, 5]
    return {"normal": cells[0], "normal_concat": nodes, "reduce": cells[1], "reduce_concat": nodes}


def spec_301(genotype: Any) -> Spec:
    """NASLib's spec of a DARTS genotype.

    Raises:
        InputError: an edge is ``none``, which NASLib's specs cannot say.
    """
    plans = (genotype.normal, genotype.reduce)
    if any(name == "none" for plan in plans for name, _ in plan.edges):
        raise InputError("nasbench301: NASLib has no operation 'none'; such a genotype has no graph in NASLib")
    return tuple(tuple((source, OPERATIONS_301.index(name)) for name, source in plan.edges) for plan in plans)


def _adapt_301(network: Any) -> None:
    """Give the cells of a DARTS network what NASLib's have: norms without parameters, and one after every pooling."""
    for cell in network.cells:
        for name, operation in cell.operations.items():
            if isinstance(operation, (nn.AvgPool2d, nn.MaxPool2d)):
                cell.operations[name] = nn.Sequential(operation, nn.BatchNorm2d(cell.channels, affine=False))
            for module in operation.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.affine, module.weight, module.bias = False, None, None


def _vertices_101(length: int) -> int:
    return next((size for size in range(2, 8) if size * size + size == length), 0)


def _digits(length: int, choices: int) -> Callable[[Any], bool]:
    return lambda spec: len(spec) == length and all(_is_int(value, 0, choices - 1) for value in spec)


def _is_int(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and least <= value <= most


def _valid_101(spec: Any) -> bool:
    size = _vertices_101(len(spec))
    edges, operations = spec[: size * size], spec[size * size :]
    return (
        size > 0
        and all(_is_int(value, 0, 1) for value in edges)
        and all(_is_int(value, 2, 4) for value in operations[1:-1])
        and (operations[0], operations[-1]) == (0, 1)
    )


def _valid_301(spec: Any) -> bool:
    return len(spec) == 2 and all(
        isinstance(cell, tuple)
        and len(cell) == 8
        and all(
            isinstance(pair, tuple) and len(pair) == 2 and _is_int(pair[0], 0, 1 + i // 2) and _is_int(pair[1], 0, 6)
            for i, pair in enumerate(cell)
        )
        for cell in spec
    )


def _valid_macro(spec: Any) -> bool:
    if not all(_is_int(value, 0, 4) for value in spec):
        return False
    modules = _modules(spec)
    padded = _padded(modules)
    strides, doublings = sum(m > 2 for m in modules), sum(m % 2 == 0 for m in modules)
    return spec in (modules, padded) and 4 <= len(modules) <= 6 and 1 <= strides <= 4 and 1 <= doublings <= 3


def _modules(spec: Spec) -> Spec:
    """A macro spec without the zeros that fill it up."""
    return tuple(value for value in spec if value)


def _padded(modules: Spec) -> Spec:
    """A macro spec with the zeros that fill it up."""
    return tuple(modules) + (0,) * (6 - len(modules))


def _valid_asr(spec: Any) -> bool:
    return len(spec) == 3 and all(
        isinstance(node, tuple) and len(node) == 2 + i and _is_int(node[0], 0, 5) and set(node[1:]) <= {0, 1}
        for i, node in enumerate(spec)
    )


def _valid_nlp(spec: Any) -> bool:
    return len(spec) == 3 and all(isinstance(part, tuple) for part in spec) and all(len(edge) == 2 for edge in spec[0])


def _valid_size(spec: Any) -> bool:
    return len(spec) == 5 and all(isinstance(value, int) and value in range(8, 65, 8) for value in spec)


def _choose_asr(graph: Any, spec: Spec) -> None:
    """Put the operations of a NAS-Bench-ASR spec on the edges of every cell: NASLib keeps the spec only."""
    chosen = {}
    for index, (operation, *skips) in enumerate(spec):
        target = 3 + 2 * index
        chosen[target - 1, target] = operation
        chosen.update({(1 + 2 * source, target): skip for source, skip in enumerate(skips)})
    for cell in graph._get_child_graphs(single_instances=False):
        if cell.name == "cell":
            for edge, index in chosen.items():
                operations = cell.edges[edge].op
                if isinstance(operations, list):
                    cell.edges[edge].set("op", operations[index])


_MICRO = {
    "dataset": "dataset",
    "use_small_model": "use_small_model",
    "create_graph": "create_graph",
    "n_classes": "num_classes",
    "in_channels": "in_channels",
}

TABLE: Tuple[Taps, ...] = (
    Taps(
        "nasbench201",
        "NasBench201SearchSpace",
        ("edges[6,7].op", "edges[12,13].op", "edges[18,19].op"),
        options={"n_classes": "num_classes", "in_channels": "in_channels"},
        valid=_digits(6, 5),
        count=15625,
        example="(2, 0, 4, 4, 0, 2)",
        native="nasbench201",
        to_native=operations_201,
        from_native=spec_201,
    ),
    Taps(
        "nasbench301",
        "NasBench301SearchSpace",
        ("nodes[5].subgraph", "nodes[8].subgraph", "nodes[11].subgraph"),
        options={"n_classes": "num_classes", "in_channels": "in_channels", "auxiliary": "auxiliary_output"},
        valid=_valid_301,
        example=str((((0, 4), (1, 4)) * 4,) * 2),
        native="darts",
        to_native=genotype_301,
        from_native=spec_301,
        adapt=_adapt_301,
    ),
    Taps(
        "nasbench101",
        "NasBench101SearchSpace",
        ("edges[1,2].op.model.layers[3]", "edges[1,2].op.model.layers[7]", "edges[1,2].op.model.layers[11]"),
        options={"n_classes": "num_classes"},
        momentum=0.1,
        valid=_valid_101,
        count=423624,
        example=str(spec_101([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ("input", "conv3x3-bn-relu", "output"))),
        native="nasbench101",
        to_native=cell_101,
        from_native=lambda cell: spec_101(cell.matrix, cell.ops),
    ),
    Taps(
        "transbench101_micro",
        "TransBench101SearchSpaceMicro",
        (f"{_ENCODER}.layer*",),
        trunk=_ENCODER,
        variant={"create_graph": False},
        options=_MICRO,
        stem=f"{_ENCODER}.stem",
        valid=_digits(6, 4),
        count=4096,
        example="(2, 0, 3, 2, 0, 2)",
        # Here NASLib takes the numbers as they are for the digits of the benchmark's own string.
        native="transnas-micro",
        to_native=tuple,
        from_native=tuple,
    ),
    Taps(
        "transbench101_micro",
        "TransBench101SearchSpaceMicro",
        ("nodes[*].subgraph",),
        variant={"create_graph": True},
        options=_MICRO,
        valid=_digits(6, 4),
        count=4096,
        example="(2, 0, 3, 2, 0, 2)",
    ),
    Taps(
        "transbench101_macro",
        "TransBench101SearchSpaceMacro",
        (f"{_ENCODER}.layer*",),
        trunk=_ENCODER,
        options={"dataset": "dataset"},
        stem=f"{_ENCODER}.stem",
        valid=_valid_macro,
        count=3256,
        example="(2, 1, 1, 3, 1, 1)",
        native="transnas-macro",
        to_native=_modules,
        from_native=_padded,
    ),
    Taps("simple_cell", "SimpleCellSearchSpace", ("nodes[3].subgraph", "nodes[5].subgraph")),
    Taps("hierarchical", "HierarchicalSearchSpace", ("edges[2,3].op", "edges[4,5].op", "edges[6,7].op")),
    Taps(
        "asr",
        "NasBenchASRSearchSpace",
        ("nodes[2].subgraph", "nodes[3].subgraph", "nodes[4].subgraph", "nodes[5].subgraph"),
        inputs="sound",
        valid=_valid_asr,
        count=13824,
        example="((0, 1), (2, 1, 0), (4, 0, 1, 1))",
        choose=_choose_asr,
    ),
    Taps(
        "nlp",
        "NasBenchNLPSearchSpace",
        valid=_valid_nlp,
        example="(((0, 4), (1, 4), (4, 5)), (0, 0, 0, 0, 6, 2), (5,))",
        native="nasbenchnlp",
        to_native=tuple,
    ),
    Taps(
        "natsbenchsize",
        "NATSBenchSizeSearchSpace",
        valid=_valid_size,
        count=32768,
        example="(8, 16, 24, 32, 64)",
        native="nats-size",
        to_native=tuple,
        from_native=tuple,
    ),
)


def names() -> List[str]:
    """NASLib's search spaces that have a row in the table."""
    return sorted({row.name for row in TABLE})


def row_of(name: str) -> Taps:
    """The (first) row of a search space by the name that NASLib's runners have for it.

    Raises:
        InputError: there is none.
    """
    for row in TABLE:
        if row.name == name:
            return row
    raise InputError(f"unknown search space '{name}' of NASLib{suggest(name, names())}")


def taps_of(graph: Any) -> Taps:
    """The row of the table that fits a graph.

    Raises:
        InputError: the graph is of no search space in the table.
    """
    classes = [cls.__name__ for cls in type(graph).__mro__]
    for row in TABLE:
        if row.space in classes and all(getattr(graph, key, False) == value for key, value in row.variant.items()):
            return row
    raise InputError(
        f"a {type(graph).__name__} cannot be tapped: it is none of NASLib's search spaces ({', '.join(names())}); "
        "naslib_gennas.score_network scores any torch module whose stages you name"
    )


# ------------------------------------------------------------------------------------------------------------- networks


class NaslibGraphNetwork(StagedNetwork):
    """A parsed NASLib graph whose forward gives the stage feature maps that its row of the table names.

    What comes after the last stage (classifier, decoder, auxiliary head) is not computed. A network for sounds gives
    maps over time, (images, channels, length).

    Args:
        graph: a parsed graph that nobody else uses.
        row: its row of the table.
    """

    def __init__(self, graph: Any, row: Taps) -> None:
        super().__init__()
        self.graph = graph
        self._row = row
        self.dimensions = 1 if row.inputs == "sound" else 2
        self._inputs = int(getattr(graph, "in_channels", 3))
        if self._inputs not in (1, 3) and row.inputs == "images":
            raise InputError(f"{row.name}: its network takes {self._inputs} channels; images have 3, or 1 when grey")
        self._channels = self._probe()
        self.norm_depth = _norm_depth(row)

    @property
    def stage_channels(self) -> List[int]:
        return list(self._channels)

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        found: Dict[int, torch.Tensor] = {}
        modules = _stages(self.graph, self._row)
        # Hooks do not fire on NASLib's edges, which call `forward` themselves; an attribute of the instance is met by
        # every caller, and is gone again before anybody copies the network.
        for index, module in enumerate(modules):
            module.forward = partial(_record, module.forward, found, index, len(modules))
        try:
            self._trunk()(self._prepared(x))
        except _AllFound:
            pass
        finally:
            for module in modules:
                del module.forward
            _forget_inputs(self.graph)
        return [found[index] for index in range(len(modules))]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        try:
            scores = self.graph(self._prepared(x))
        except AssertionError:  # a decoder of TransNAS-Bench-101 that takes images of one size only
            scores = None
        if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
            raise NotImplementedError(f"the network of {self._row.name} gives no class scores")
        return scores

    def _trunk(self) -> nn.Module:
        return _at(self.graph, self._row.trunk) if self._row.trunk else self.graph

    def _prepared(self, x: torch.Tensor) -> torch.Tensor:
        if self._row.inputs == "sound":
            # An image as a sound: its rows are the features, its columns the time.
            rows = x.reshape(x.shape[0], 1, -1, x.shape[-1])
            return F.interpolate(rows, size=(self.graph.features, x.shape[-1]))[:, 0]
        return x if self._inputs == 3 else x.mean(1, keepdim=True)

    def _probe(self) -> List[int]:
        mode = self.training
        self.eval()
        try:
            with torch.no_grad():
                return [stage.shape[1] for stage in self(torch.zeros(2, 3, 32, 32))]
        finally:
            self.train(mode)


class _AllFound(Exception):
    """The last stage's map is there: the rest of the network need not run."""


def _record(
    forward: Callable[..., Any], found: Dict[int, torch.Tensor], index: int, count: int, *args: Any, **kwargs: Any
) -> Any:
    found[index] = forward(*args, **kwargs)
    if len(found) == count:
        raise _AllFound
    return found[index]


def _stages(graph: Any, row: Taps) -> List[nn.Module]:
    found: List[nn.Module] = []
    for path in row.stages:
        where, star, rest = path.partition("*")
        if not star:
            found.append(_at(graph, path))
        elif rest:  # nodes[*].subgraph
            found.extend(
                graph.nodes[node]["subgraph"] for node in sorted(graph.nodes) if "subgraph" in graph.nodes[node]
            )
        else:  # ...encoder.layer*
            encoder = _at(graph, where.rpartition(".")[0])
            found.extend(getattr(encoder, name) for name in encoder.layers)
    return found


def _at(graph: Any, path: str) -> Any:
    """What a path of the table, such as ``edges[1,2].op.model.layers[3]``, leads to."""
    here = graph
    for name, index in re.findall(r"(\w*[a-z]\w*)|\[([\d,]+)\]", path):
        if name == "subgraph":
            here = here[name]
        elif name:
            here = getattr(here, name)
        else:
            numbers = tuple(int(number) for number in index.split(","))
            here = here[numbers if len(numbers) > 1 else numbers[0]]
    return here


def _forget_inputs(graph: Any) -> None:
    """Drop the maps that an interrupted forward left at the nodes: they hold memory and cannot be copied."""
    for node in graph.nodes:
        graph.nodes[node]["input"] = {}


def staged_network(graph: Any, seed: int) -> NaslibGraphNetwork:
    """A throw-away parsed copy of `graph` as a staged network, initialised under `seed`.

    `graph`, its weights and mode, and all global random generators stay as they were. The graph may be parsed or not,
    and may have been run or trained before.

    Raises:
        InputError: the graph has no row in the table, no architecture, or cannot be run; the message says what would
            make it work.
    """
    row = taps_of(graph)
    with isolated(derive(seed, "initialisation")):
        return _network(_copy(graph), row)


def _network(graph: Any, row: Taps) -> NaslibGraphNetwork:
    """Parse and initialise `graph`, which nobody else uses, from torch's global generator."""
    if not row.stages:
        raise InputError(
            f"{row.name}: NASLib has encodings of its architectures only, no network to score; network 'native' (which "
            "is the default) scores ours of the same architecture"
        )
    _require_architecture(graph, row)
    if row.choose is not None and not graph.is_parsed:
        row.choose(graph, compat.plain(graph.get_hash()))
    if not graph.is_parsed:
        try:
            graph.parse()
        except AttributeError as error:
            raise InputError(
                f"{row.name}: the graph's edges hold lists of candidate operations, not one each ({error}); choose an "
                "architecture (set_spec, sample_random_architecture, or an optimizer's get_final_architecture)"
            ) from error
    _initialise(graph, row)
    graph.train()
    try:
        return NaslibGraphNetwork(graph, row)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{row.name}: the graph does not run on a batch of 3x32x32 images ({' '.join(str(error).split())[:200]}); "
            "make it run on one (an input stem for 3 channels, one operation an edge), then score it"
        ) from error


def _norm_depth(row: Taps) -> Optional[int]:
    """That of our own search space of the same architectures, at its benchmark's size, which NASLib's graphs have."""
    if row.native not in spaces.names():
        return None
    native = spaces.get(row.native)
    return native.norm_depth(native.paper_size)


def _require_architecture(graph: Any, row: Taps) -> None:
    if row.valid is None:  # spaces without specs: the edges themselves are the architecture
        return
    try:
        graph.get_hash()
    except Exception as error:  # every space has its own way of saying that nothing is chosen yet
        raise InputError(
            f"{row.name}: the graph has no architecture yet; call set_spec or sample_random_architecture first"
        ) from error
    if not getattr(graph, "instantiate_model", True):
        raise InputError(
            f"{row.name}: the graph was made with instantiate_model=False and has no network; score its hash through "
            "NaslibSpace, or make the graph with instantiate_model=True"
        )


def _copy(graph: Any) -> Any:
    """A deep copy of `graph`; maps that an earlier forward left in it, which cannot be copied, are left out."""
    memo: Dict[int, Any] = {}
    for module in graph.modules():
        if not hasattr(module, "is_parsed"):  # not one of NASLib's graphs; cells of its TransNAS code have `nodes` too
            continue
        left = [value for node in module.nodes for value in module.nodes[node].get("input", {}).values()]
        for value in itertools.chain(left, getattr(module, "graph", {}).values()):
            if isinstance(value, torch.Tensor):
                memo[id(value)] = None
    return copy.deepcopy(graph, memo)


def _initialise(graph: Any, row: Taps) -> None:
    """Draw every weight anew: all clones of a NASLib graph share the weights that the first one was made with."""
    for module in graph.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    for module in graph.modules():
        for name in ("_initialize_weights", "_kaiming_init"):  # networks that have an initialisation of their own
            if hasattr(module, name):
                getattr(module, name)()
        if row.momentum is not None and isinstance(module, nn.BatchNorm2d):
            module.momentum = row.momentum
        if row.inputs == "sound" and isinstance(getattr(module, "relu", None), nn.ReLU):
            # NASLib clamps a ReLU's output at 20 in place, which autograd refuses; this computes the same.
            module.relu = nn.Hardtanh(0.0, 20.0)
    if row.stem:
        for module in _at(graph, row.stem).modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
    for parameter in graph.parameters():
        parameter.grad = None


# ---------------------------------------------------------------------------------------------------------------- space


class NaslibSpace(SearchSpace[Spec]):
    """A search space of NASLib; an architecture is NASLib's own hash with every number made a plain int.

    Args:
        space: a name (`names()`), a class of NASLib (or a `functools.partial` of one), or a graph of it, whose options
            are taken over.
        network: "native": our own network of the same architecture where there is one, which is faster; "graph":
            always NASLib's.
        dataset_api: NASLib's API object of the benchmark, where sampling needs one that `graph_api` cannot stand for.

    Raises:
        InputError: NASLib is absent, or the space has no row in the table.
    """

    def __init__(self, space: Any, network: str = "native", dataset_api: Any = None) -> None:
        if network not in NETWORKS:
            raise InputError(f"network '{network}'{suggest(network, NETWORKS)}")
        compat.require_naslib()
        self._make = _maker(space)
        self._asked = network
        with isolated(0):
            self._blank = self._make()
        self.row, self.options = taps_of(self._blank), options_of(self._blank)
        # Without its network a graph takes one spec after the other; with it, a second one is refused.
        self._blank.instantiate_model = False
        self._parent = copy.deepcopy(self._blank)
        self.api = dataset_api if dataset_api is not None else graph_api(self.row.name)
        self.native = spaces.get(self.row.native) if network == "native" and self.row.native in spaces.names() else None
        self.network = "native" if self.native is not None else "graph"
        variant = "".join(f",{key}={value}" for key, value in self.row.variant.items())
        self.name = f"naslib:{self.row.name}{variant},{self.network}"
        self.count = self.row.count
        self.stages = None if any("*" in path for path in self.row.stages) else len(self.row.stages)
        if self.native is not None:
            self.stages, self.kind = self.native.stages, self.native.kind
        self.notation = self.row.example
        self.mutation = "NASLib's own" if self.row.name != "transbench101_macro" else "one module gets another kind"

    def __reduce__(self) -> Any:
        # Worker processes get how to make the space: NASLib's graphs cannot be pickled.
        return NaslibSpace, (self._make, self._asked)

    def sample(self, rng: np.random.Generator) -> Spec:
        self._refuse_without("sample_random_architecture")
        with isolated(int(rng.integers(2**31))):
            self._blank.sample_random_architecture(dataset_api=self.api)
        return self._spec_of(self._blank)

    def mutate(self, arch: Spec, rng: np.random.Generator) -> Spec:
        if self.row.name == "transbench101_macro":  # NASLib's own raises TypeError
            return _mutate_macro(arch, rng)
        self._refuse_without("mutate")
        with isolated(int(rng.integers(2**31))):
            self.set(self._parent, arch)
            while True:  # NASLib's mutation of some spaces gives the parent back at times
                self._blank.mutate(self._parent, dataset_api=self.api)
                child = self._spec_of(self._blank)
                if child != arch:
                    return child

    def key(self, arch: Spec) -> str:
        if self.native is None:
            return str(_modules(arch) if self.row.name == "transbench101_macro" else arch)
        return self.native.key(self.to_native(arch))

    def parse(self, text: Any) -> Spec:
        example = f"; one looks like {self.row.example}" if self.row.example else ""
        try:
            spec = compat.plain(ast.literal_eval(text) if isinstance(text, str) else text)
        except (ValueError, SyntaxError, TypeError):
            raise InputError(f"{self.row.name}: {text!r} is not an architecture of NASLib{example}") from None
        if not isinstance(spec, tuple) or self.row.valid is None or not _is_valid(self.row, spec):
            raise InputError(f"{self.row.name}: {text!r} is not an architecture of this space{example}")
        return spec

    def format(self, arch: Spec) -> str:
        return str(arch)

    def size(self, profile: Profile) -> Any:
        return self.native.size(profile) if self.native is not None else None

    def build(self, arch: Spec, size: Any) -> StagedNetwork:
        """Our network of `arch`, or NASLib's, which has one size: that of its benchmark."""
        if self.native is not None:
            network = self.native.build(self.to_native(arch), size)
            if self.row.adapt is not None:
                self.row.adapt(network)
            return network
        # What NASLib draws when it makes a graph must not decide which weights are drawn afterwards.
        with torch.random.fork_rng(devices=[]):
            graph = self._make()
            self.set(graph, arch)
        return _network(graph, self.row)

    def norm_depth(self, size: Any) -> Optional[int]:
        return _norm_depth(self.row) if self.native is None else self.native.norm_depth(size)

    def untrainable(self, arch: Spec) -> Optional[str]:
        return None if self.native is None else self.native.untrainable(self.to_native(arch))

    def to_native(self, arch: Spec) -> Any:
        """`arch` as our own search space of the same architectures has it."""
        assert self.native is not None and self.row.to_native is not None
        return self.native.parse(self.row.to_native(arch))

    def own_space(self) -> SearchSpace[Any]:
        """Our own search space of the same architectures, whatever network is scored.

        Raises:
            InputError: there is none.
        """
        if self.row.native not in spaces.names():
            raise InputError(f"{self.row.name}: naslib-gennas has no search space of its own for these architectures")
        return spaces.get(self.row.native)

    def of(self, graph: Any) -> Spec:
        """The architecture of a graph of this space.

        Raises:
            InputError: the graph has none yet.
        """
        try:
            return self._spec_of(graph)
        except Exception as error:  # every space has its own way of saying that nothing is chosen yet
            raise InputError(
                f"{self.row.name}: the graph has no architecture yet; call set_spec or sample_random_architecture first"
            ) from error

    def fresh(self) -> Any:
        """A new graph without an architecture."""
        with isolated(0):
            return self._make()

    def graph(self, arch: Spec) -> Any:
        """A new unparsed graph of `arch`, with NASLib's usual initial weights."""
        with isolated(0):
            graph = self._make()
            self.set(graph, arch)
        return graph

    def light_graph(self, arch: Optional[Spec] = None) -> Any:
        """A graph that answers for `arch` (hash, encode, query) but has no network: a few kilobytes.

        It takes one architecture after the other; without `arch` it has none yet.
        """
        with isolated(0):
            light = copy.copy(self._blank)
        # What networkx and torch keep of nodes, edges and modules stays behind.
        for name in ("_node", "_adj", "_pred", "_succ", "_modules", "_parameters", "_buffers"):
            if name in light.__dict__:
                light.__dict__[name] = type(light.__dict__[name])()
        for name in _VIEWS:
            light.__dict__.pop(name, None)
        if arch is not None:
            self.set(light, arch)
        return light

    def set(self, graph: Any, arch: Spec) -> None:
        """Give an architecture to a graph of this space that has none yet (one without a network takes many)."""
        if self.row.name == "transbench101_macro":
            graph.set_spec(np.array(_padded(_modules(arch))))
        elif self.row.name == "natsbenchsize":
            graph.set_spec(list(arch))
        elif self.row.name == "asr":  # the one space without set_spec
            graph.set_compact(arch)
        else:
            graph.set_spec(arch, dataset_api=self.api)

    def _spec_of(self, graph: Any) -> Spec:
        return compat.plain(graph.get_hash())

    def _refuse_without(self, method: str) -> None:
        if self.row.valid is None:
            raise InputError(
                f"{self.row.name}: NASLib has no {method} for this space; make a graph runnable yourself (one "
                "operation an edge) and score that"
            )


def _is_valid(row: Taps, spec: Spec) -> bool:
    try:
        return row.valid is not None and bool(row.valid(spec))
    except (TypeError, IndexError):
        return False


def _maker(space: Any) -> Any:
    """How to make a new graph of a space without an architecture."""
    module = _search_spaces()
    if isinstance(space, str):
        return getattr(module, row_of(space).space)
    if isinstance(space, (type, partial)):
        return space
    return partial(space.__class__, **options_of(space))


def options_of(graph: Any) -> Dict[str, Any]:
    """The constructor's arguments that a graph was made with, those that its branch of NASLib has."""
    taken = inspect.signature(type(graph).__init__).parameters
    kept = [(option, name) for option, name in taps_of(graph).options.items() if option in taken]
    return {option: getattr(graph, name) for option, name in kept if hasattr(graph, name)}


def _search_spaces() -> Any:
    import naslib.search_spaces  # the caller has made sure that NASLib is there

    return naslib.search_spaces


def graph_api(name: str) -> Any:
    """What NASLib needs to sample and mutate in a space when the benchmark's data file is absent.

    Only NAS-Bench-101 needs anything: its API object knows which cells are valid, with its settings alone.
    """
    if name != "nasbench101":
        return None
    import naslib.utils.nb101_api as api

    validity = api.NASBench.__new__(api.NASBench)
    validity.config = {
        "module_vertices": 7,
        "max_edges": 9,
        "num_repeats": 3,
        "available_ops": list(OPERATIONS_101[:1:-1]),
    }
    return {"api": api, "nb101_data": validity}


def _mutate_macro(arch: Spec, rng: np.random.Generator) -> Spec:
    """A neighbour of a TransNAS-Bench-101 macro spec: a module gets another kind, comes or goes."""
    modules = _modules(arch)
    neighbours = [modules[:i] + (kind,) + modules[i + 1 :] for i in range(len(modules)) for kind in range(1, 5)]
    neighbours += [modules[:i] + modules[i + 1 :] for i in range(len(modules))]
    neighbours += [modules[:i] + (kind,) + modules[i:] for i in range(len(modules) + 1) for kind in range(1, 5)]
    valid = sorted({n for n in neighbours if n != modules and _valid_macro(n)})
    chosen = valid[int(rng.integers(len(valid)))]
    return _padded(chosen)


def specs(space: NaslibSpace) -> Iterator[Spec]:
    """Every architecture of a space that NASLib can list without a data file, one after the other."""
    if space.row.name not in ("nasbench201", "transbench101_micro", "natsbenchsize"):
        raise InputError(f"{space.row.name}: NASLib lists its architectures from the benchmark's data file only")
    for spec in space._blank.get_arch_iterator():
        yield compat.plain(spec)
