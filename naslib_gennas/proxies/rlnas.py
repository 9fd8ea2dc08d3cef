"""`rlnas`: how far an architecture's weights turn while a supernet learns random labels (arXiv:2101.11834)."""

from __future__ import annotations

import math
from typing import Any, Optional

from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import path_supernet, supernet
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.registry import register
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.functions import FunctionSpace

#: One cell per stage, 64 images of 8x8, 1,000 steps: a quarter of a minute on a core; the paper trains for a day on a
#: GPU. So few images that their labels are learned: with 512 of them, rank correlation is 0.1 lower at that cost.
SHORT = Profile(name="rlnas", cells=1, channels=8, images=64, resolution=8, steps=1000)


@register("rlnas")
def make(rest: str, profile: Optional[Profile] = None) -> Proxy:
    """The proxy at a profile, whose `steps` are those of the supernet's training."""
    chosen = profile or SHORT

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Any:
        """The angle between the weight vectors before and after; the first call trains the supernet and keeps it."""
        origin = network.built_from
        if origin is not None and isinstance(origin.space, FunctionSpace):
            shared = path_supernet.trained(origin.space, chosen, batch.tensor, seed)
            found = path_supernet.angle(origin.space, origin.arch, shared)
            if found is None:
                return Score(-math.inf, "failed", "some of its weights are in no network that the supernet trained")
            return finite_score(found)
        if origin is None or origin.space.name not in supernet.SUPERNETS:
            known = ", ".join(sorted(supernet.SUPERNETS))
            raise InputError(f"rlnas scores architectures of {known} and of spaces that a function makes from choices")
        trained = supernet.trained(origin.space.name, chosen, batch.tensor, seed)
        return finite_score(supernet.angle(trained, origin.arch))

    return Proxy("rlnas", measure, chosen, chosen.images or 64, {"labels": "random", "batch": supernet.BATCH})
