"""The table of taps: every search space of NASLib, and where the stage feature maps of its graphs are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, List, Mapping, Optional, Tuple

from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.plugin import notations
from naslib_gennas.plugin.notations import Spec

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


def _adapt_301(network: Any) -> None:
    """Give the cells of a DARTS network what NASLib's have: norms without parameters, and one after every pooling."""
    for cell in network.cells:
        for name, operation in cell.operations.items():
            if isinstance(operation, (nn.AvgPool2d, nn.MaxPool2d)):
                cell.operations[name] = nn.Sequential(operation, nn.BatchNorm2d(cell.channels, affine=False))
            for module in operation.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.affine, module.weight, module.bias = False, None, None


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
        valid=notations.digits(6, 5),
        count=15625,
        example="(2, 0, 4, 4, 0, 2)",
        native="nasbench201",
        to_native=notations.operations_201,
        from_native=notations.spec_201,
    ),
    Taps(
        "nasbench301",
        "NasBench301SearchSpace",
        ("nodes[5].subgraph", "nodes[8].subgraph", "nodes[11].subgraph"),
        options={"n_classes": "num_classes", "in_channels": "in_channels", "auxiliary": "auxiliary_output"},
        valid=notations.valid_301,
        example=str((((0, 4), (1, 4)) * 4,) * 2),
        native="darts",
        to_native=notations.genotype_301,
        from_native=notations.spec_301,
        adapt=_adapt_301,
    ),
    Taps(
        "nasbench101",
        "NasBench101SearchSpace",
        ("edges[1,2].op.model.layers[3]", "edges[1,2].op.model.layers[7]", "edges[1,2].op.model.layers[11]"),
        options={"n_classes": "num_classes"},
        momentum=0.1,
        valid=notations.valid_101,
        count=423624,
        example=str(notations.spec_101([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ("input", "conv3x3-bn-relu", "output"))),
        native="nasbench101",
        to_native=notations.cell_101,
        from_native=lambda cell: notations.spec_101(cell.matrix, cell.ops),
    ),
    Taps(
        "transbench101_micro",
        "TransBench101SearchSpaceMicro",
        (f"{_ENCODER}.layer*",),
        trunk=_ENCODER,
        variant={"create_graph": False},
        options=_MICRO,
        stem=f"{_ENCODER}.stem",
        valid=notations.digits(6, 4),
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
        valid=notations.digits(6, 4),
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
        valid=notations.valid_macro,
        count=3256,
        example="(2, 1, 1, 3, 1, 1)",
        native="transnas-macro",
        to_native=notations.macro_modules,
        from_native=notations.padded_macro,
    ),
    Taps("simple_cell", "SimpleCellSearchSpace", ("nodes[3].subgraph", "nodes[5].subgraph")),
    Taps("hierarchical", "HierarchicalSearchSpace", ("edges[2,3].op", "edges[4,5].op", "edges[6,7].op")),
    Taps(
        "asr",
        "NasBenchASRSearchSpace",
        ("nodes[2].subgraph", "nodes[3].subgraph", "nodes[4].subgraph", "nodes[5].subgraph"),
        inputs="sound",
        valid=notations.valid_asr,
        count=13824,
        example="((0, 1), (2, 1, 0), (4, 0, 1, 1))",
        choose=_choose_asr,
    ),
    Taps(
        "nlp",
        "NasBenchNLPSearchSpace",
        valid=notations.valid_nlp,
        example="(((0, 4), (1, 4), (4, 5)), (0, 0, 0, 0, 6, 2), (5,))",
        native="nasbenchnlp",
        to_native=tuple,
    ),
    Taps(
        "natsbenchsize",
        "NATSBenchSizeSearchSpace",
        valid=notations.valid_size,
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
