"""NASLib's graphs as staged networks.

A graph that is scored is copied first: the copy is parsed, initialised anew and thrown away, the caller's graph stays
as it was.
"""

from __future__ import annotations

import copy
import itertools
import re
from functools import partial
from typing import Any, Callable, Dict, List, Optional

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.taps import Taps, taps_of
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.spaces.space import SearchSpace


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
        self.norm_depth = norm_depth(row)
        self.fixed_skeleton = fixed_skeleton(row)

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
        return network_of(_copy(graph), row)


def network_of(graph: Any, row: Taps) -> NaslibGraphNetwork:
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


def norm_depth(row: Taps) -> Optional[int]:
    """That of our own search space of the same architectures, at its benchmark's size, which NASLib's graphs have."""
    native = _native(row)
    return None if native is None else native.norm_depth(native.paper_size)


def fixed_skeleton(row: Taps) -> bool:
    """Whether all graphs of the row have one width and depth."""
    native = _native(row)
    return native is not None and native.fixed_skeleton


def _native(row: Taps) -> Optional[SearchSpace[Any]]:
    return spaces.get(row.native) if row.native in spaces.names() else None


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
