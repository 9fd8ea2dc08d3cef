"""NASLib's own measures on NASLib's own graphs, as proxies: the second opinion of `gennas compare --via naslib`."""

from __future__ import annotations

import importlib
import math
import types
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch.nn.functional as F

from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat, taps
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.proxies.gradients import random_labels
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.registry import WHOLE
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace

#: Our name of a proxy -> NASLib's name of the measure.
MEASURES: Mapping[str, str] = {
    **{
        name: name for name in ("epe_nas", "fisher", "grad_norm", "grasp", "l2_norm", "plain", "snip", "synflow", "zen")
    },
    "jacob_cov": "jacov",
    "naswot": "nwot",
}
PREFIX = "naslib:"


class GraphSpace(SearchSpace[Any]):
    """A search space of ours whose networks are NASLib's graphs of the same architectures, in the benchmark's size."""

    def __init__(self, own: SearchSpace[Any]) -> None:
        rows = [
            row
            for row in taps.TABLE
            if row.native == own.name and row.from_native is not None and row.stages  # some have no network in NASLib
        ]
        if not rows:
            raise InputError(f"--via naslib: NASLib has no graphs of the architectures of {own.name}")
        self.own, self.theirs = own, NaslibSpace(rows[0].name, network="graph")
        self.name, self.kind, self.stages = self.theirs.name, own.kind, own.stages
        self._spec: Callable[[Any], Any] = rows[0].from_native  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return GraphSpace, (self.own,)

    def sample(self, rng: np.random.Generator) -> Any:
        return self.own.sample(rng)

    def mutate(self, arch: Any, rng: np.random.Generator) -> Any:
        return self.own.mutate(arch, rng)

    def key(self, arch: Any) -> str:
        """NASLib's graphs have idle operations, too, so isomorphic architectures differ here."""
        return self.own.format(arch)

    def parse(self, text: Any) -> Any:
        return self.own.parse(text)

    def format(self, arch: Any) -> str:
        return self.own.format(arch)

    def size(self, profile: Profile) -> Any:
        return None

    def build(self, arch: Any, size: Any) -> StagedNetwork:
        return self.theirs.build(self._spec(arch), size)

    def untrainable(self, arch: Any) -> Optional[str]:
        return self.own.untrainable(arch)


def measures(space: SearchSpace[Any], names: Sequence[str]) -> Dict[str, Tuple[SearchSpace[Any], Proxy]]:
    """NASLib's measure beside each of `names` that it has one for: ``naslib:NAME`` -> where and how it is computed.

    Raises:
        InputError: NASLib is absent, has none of them, or has no graphs of these architectures.
    """
    compat.require_naslib()
    found: List[str] = [name for name in names if name in MEASURES]
    if not found:
        raise InputError(f"--via naslib: NASLib has none of the proxies; it has {', '.join(sorted(MEASURES))}")
    graphs = GraphSpace(space)
    return {f"{PREFIX}{name}": (graphs, _proxy(name)) for name in found}


def _proxy(name: str) -> Proxy:
    theirs = MEASURES[name]

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        inputs = batch.tensor
        graph: Any = network.graph
        labels = random_labels(len(inputs), graph.num_classes, seed, inputs.device)
        naslib = compat.measures()
        call = naslib.registry[theirs]
        # As NASLib's find_measures prepares a graph: its measures work on copies that this makes.
        pruners = importlib.import_module(f"{naslib.module.rpartition('.')[0]}.predictive")
        graph.get_prunable_copy = types.MethodType(pruners.copynet, graph)
        found = call(graph.train(), inputs.device, inputs, labels, loss_fn=F.cross_entropy, split_data=1)
        value = float(sum(part.sum() for part in found)) if isinstance(found, list) else float(np.real(found))
        if theirs == "synflow":  # as NASLib's ZeroCost predictor gives it
            value = math.log(value) if value > 0 else -math.inf
        return finite_score(value)

    return Proxy(f"{PREFIX}{name}", measure, WHOLE, 64, {"naslib": compat.naslib_branch() or "unknown"})
