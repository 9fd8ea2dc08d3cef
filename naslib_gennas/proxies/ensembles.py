"""``vote:a+b+c``, ``ranksum:a+b+c``, ``zsum:a+b+c``, `az_nas`, `nasi-ada` as proxies that score one architecture.

An architecture joins a reference sample of random ones of its space, and the aggregate's rule is applied to them all.
So searches can use them; `gennas compare` aggregates over its own sample instead.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import torch

from naslib_gennas import files, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import aggregation
from naslib_gennas.proxies.aggregation import Aggregate
from naslib_gennas.proxies.measure import measure_architecture
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.registry import get, proxy_family, register
from naslib_gennas.randomness import derive
from naslib_gennas.regression import batches
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace

#: Architectures of the reference sample.
REFERENCE = 50


def from_aggregate(combined: Aggregate, profile: Optional[Profile]) -> Proxy:
    """The proxy that places an architecture among the reference sample of its space."""
    parts = [get(part, profile) for part in combined.parts]
    kinds = tuple(kind for kind in parts[0].kinds if all(kind in part.kinds for part in parts))
    settings = {
        "parts": [
            [
                part.name,
                dict(part.settings),
                {"name": part.profile.name, **part.profile.identity()},
                part.images,
                part.inputs,
            ]
            for part in parts
        ],
        "reference": REFERENCE,
    }

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        if network.built_from is None:
            raise InputError(f"{combined.name} needs an architecture of a search space, not a network of your own")
        space, arch = network.built_from.space, network.built_from.arch
        device = batch.device
        sources = _sources(batch, len(parts))
        inputs = [source.at(part.count(space.kind), part.profile.resolution) for part, source in zip(parts, sources)]
        about = {
            "space": spaces.identity(space),
            "inputs": [part.identity for part in inputs],
            "device": device.type,
            "seed": seed,
            **settings,
        }

        def score(arch: Any) -> List[Score]:
            return [measure_architecture(space, arch, *pair, seed, device) for pair in zip(parts, inputs)]

        reference = files.once("references", about, lambda: _reference(space, score, seed))
        scores = score(arch)
        bad = next((score for score in scores if score.status != "ok"), None)
        if bad is not None:
            return Score(-math.inf, bad.status, bad.reason)
        values = [score.value for score in scores]
        value = aggregation.against(reference.numpy(), values, combined.combine)
        return finite_score(value, parts=dict(zip(combined.parts, values)))

    usual = [part.inputs for part in parts]
    named = usual[0] if len(set(usual)) == 1 else batches.EACH.join(usual)
    return Proxy(combined.name, measure, parts[0].profile, parts[0].images, settings, kinds, named)


def _sources(batch: Batch, count: int) -> List[Batch]:
    """The batch of each part: the one that the user named, or each part's own."""
    names = batches.each(batch.name)
    if len(names) != count:
        return [batch] * count
    return [batches.get(name, 1).to(batch.device) for name in names]


def _reference(space: SearchSpace[Any], score: Callable[[Any], List[Score]], seed: int) -> torch.Tensor:
    """The parts' scores of the reference sample: (parts, architectures)."""
    rng = np.random.default_rng(derive(seed, "reference"))
    rows: Dict[str, Any] = {}
    while len(rows) < min(REFERENCE, space.count or REFERENCE):
        arch = space.sample(rng)
        rows[space.format(arch)] = arch
    usable = [arch for arch in rows.values() if not space.untrainable(arch)]
    return torch.tensor([[part.value for part in score(arch)] for arch in usable]).double().T


def _family(rule: str) -> Callable[[str, Optional[Profile]], Proxy]:
    def make(rest: str, profile: Optional[Profile] = None) -> Proxy:
        combined = aggregation.get(f"{rule}:{rest}")
        assert combined is not None
        return from_aggregate(combined, profile)

    make.members = list  # type: ignore[attr-defined]
    return make


for _rule in aggregation.RULES:
    proxy_family(f"{_rule}:")(_family(_rule))


def _of(combined: Aggregate) -> Callable[[str, Optional[Profile]], Proxy]:
    def make(rest: str, profile: Optional[Profile] = None) -> Proxy:
        return from_aggregate(combined, profile)

    return make


for _name, _aggregate in aggregation.FIXED.items():
    register(_name)(_of(_aggregate))
