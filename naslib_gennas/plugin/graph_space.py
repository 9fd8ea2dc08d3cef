"""NASLib's search spaces as ours. NASLib is imported when a space of it is used, never before."""

from __future__ import annotations

import ast
import copy
import inspect
from functools import partial
from typing import Any, Dict, Iterator, Optional

import numpy as np
import torch

from naslib_gennas import spaces
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat, graph_network
from naslib_gennas.plugin.notations import OPERATIONS_101, Spec, macro_modules, padded_macro, valid_macro
from naslib_gennas.plugin.taps import Taps, row_of, taps_of
from naslib_gennas.randomness import isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace

NETWORKS = ("native", "graph")
# What networkx keeps on a graph once it is asked for: views that hold on to the nodes and edges they were made of.
_VIEWS = ("nodes", "edges", "adj", "succ", "pred", "degree", "in_degree", "out_degree", "in_edges", "out_edges")


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
        self.fixed_skeleton = graph_network.fixed_skeleton(self.row)
        # Without its network a graph takes one spec after the other; with it, a second one is refused.
        self._blank.instantiate_model = False
        self._blank.any_mutant = True  # where a table answers for NASLib's graphs, it does not bound ours
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
            return neighbour_macro(arch, rng)
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
            return str(macro_modules(arch) if self.row.name == "transbench101_macro" else arch)
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
        return graph_network.network_of(graph, self.row)

    def norm_depth(self, size: Any) -> Optional[int]:
        return graph_network.norm_depth(self.row) if self.native is None else self.native.norm_depth(size)

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
        for name in (*_VIEWS, "any_mutant"):
            light.__dict__.pop(name, None)
        if arch is not None:
            self.set(light, arch)
        return light

    def set(self, graph: Any, arch: Spec) -> None:
        """Give an architecture to a graph of this space that has none yet (one without a network takes many)."""
        if self.row.name == "transbench101_macro":
            graph.set_spec(np.array(padded_macro(macro_modules(arch))))
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


def neighbour_macro(arch: Spec, rng: np.random.Generator) -> Spec:
    """A neighbour of a TransNAS-Bench-101 macro spec: a module gets another kind, comes or goes."""
    modules = macro_modules(arch)
    neighbours = [modules[:i] + (kind,) + modules[i + 1 :] for i in range(len(modules)) for kind in range(1, 5)]
    neighbours += [modules[:i] + modules[i + 1 :] for i in range(len(modules))]
    neighbours += [modules[:i] + (kind,) + modules[i:] for i in range(len(modules) + 1) for kind in range(1, 5)]
    valid = sorted({n for n in neighbours if n != modules and valid_macro(n)})
    chosen = valid[int(rng.integers(len(valid)))]
    return padded_macro(chosen)


def specs(space: NaslibSpace) -> Iterator[Spec]:
    """Every architecture of a space that NASLib can list without a data file, one after the other."""
    if space.row.name not in ("nasbench201", "transbench101_micro", "natsbenchsize"):
        raise InputError(f"{space.row.name}: NASLib lists its architectures from the benchmark's data file only")
    for spec in space._blank.get_arch_iterator():
        yield compat.plain(spec)
