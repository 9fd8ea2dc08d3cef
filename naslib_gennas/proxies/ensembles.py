"""``vote:a+b+c``, ``ranksum:a+b+c``, `az_nas`, `nasi-ada`: aggregates as proxies that score one architecture at a time.

An architecture joins a reference sample of random ones of its space, and the aggregate's rule is applied to them all.
So searches can use them; `gennas compare` aggregates over its own sample instead.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import torch

from naslib_gennas import files, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import aggregation
from naslib_gennas.proxies.aggregation import Aggregate
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.registry import get, proxy_family, register
from naslib_gennas.randomness import derive
from naslib_gennas.regression.profiles import Profile

#: Architectures of the reference sample.
REFERENCE = 50


def from_aggregate(combined: Aggregate, profile: Optional[Profile]) -> Proxy:
    """The proxy that places an architecture among the reference sample of its space."""
    parts = [get(part, profile) for part in combined.parts]
    kinds = tuple(kind for kind in parts[0].kinds if all(kind in part.kinds for part in parts))
    settings = {
        "parts": [[part.name, dict(part.settings), asdict(part.profile), part.images, part.inputs] for part in parts],
        "reference": REFERENCE,
    }

    def measure(network: StagedNetwork, inputs: torch.Tensor, seed: int) -> Score:
        if network.built_from is None:
            raise InputError(f"{combined.name} needs an architecture of a search space, not a network of your own")
        space, arch = network.built_from
        found = spaces.get(space)
        reference = files.once(
            "references", {"space": space, "seed": seed, **settings}, lambda: _reference(found, parts, seed)
        )
        scores = [_score(found, arch, part, seed, inputs.device) for part in parts]
        bad = next((score for score in scores if score.status != "ok"), None)
        if bad is not None:
            return Score(-math.inf, bad.status, bad.reason)
        values = [score.value for score in scores]
        value = aggregation.against(reference.numpy(), values, combined.combine)
        return finite_score(value, parts=dict(zip(combined.parts, values)))

    return Proxy(combined.name, measure, parts[0].profile, parts[0].images, settings, kinds, parts[0].inputs)


def _score(space: Any, arch: Any, part: Proxy, seed: int, device: torch.device) -> Score:
    network = spaces.build(space, arch, part.profile, seed).to(device)
    return part.measure(network, part.batch(space.kind).to(device), seed)


def _reference(space: Any, parts: List[Proxy], seed: int) -> torch.Tensor:
    """The parts' scores of the reference sample: (parts, architectures)."""
    rng = np.random.default_rng(derive(seed, "reference"))
    rows: Dict[str, Any] = {}
    while len(rows) < min(REFERENCE, space.count or REFERENCE):
        arch = space.sample(rng)
        rows[space.format(arch)] = arch
    device = torch.device("cpu")
    usable = [arch for arch in rows.values() if not space.untrainable(arch)]
    return torch.tensor([[_score(space, arch, part, seed, device).value for arch in usable] for part in parts]).double()


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
