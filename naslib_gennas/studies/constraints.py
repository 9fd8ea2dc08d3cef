"""Constraints on the size of an architecture's whole network, such as ``params<1.5M`` or ``flops<=200M``."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Sequence

import numpy as np
import torch

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.proxies.flops import flops
from naslib_gennas.proxies.params import params
from naslib_gennas.randomness import isolated
from naslib_gennas.regression.profiles import PAPER
from naslib_gennas.spaces.space import SearchSpace

_COMPARISONS: Dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
# Draws in a row without one that meets the constraints, after which none is expected to.
TRIES = 1000
# Tries at a mutation of the same parent.
_MUTATIONS = 100


def _params(space: SearchSpace[Any], arch: Any) -> float:
    with torch.device("meta"):  # sizes only: nothing is allocated or drawn
        network = space.build(arch, space.size(PAPER))
    return float(params(network, torch.empty(0), 0))


def _flops(space: SearchSpace[Any], arch: Any) -> float:
    with isolated(0):
        network = space.build(arch, space.size(PAPER))
    return float(flops(network, torch.zeros(1, 3, 32, 32), 0))


#: What can be constrained, of the network at its full size: trainable parameters; multiply-additions of one image of
#: 32x32 pixels, as fvcore counts them.
MEASURES: Dict[str, Callable[[SearchSpace[Any], Any], float]] = {"params": _params, "flops": _flops}


@dataclass(frozen=True)
class Constraint:
    """A bound on a measure of the whole network; make one with `parse`.

    Attributes:
        measure: one of `MEASURES`.
        comparison: "<", "<=", ">" or ">=".
        bound: in parameters or multiply-additions.
    """

    measure: str
    comparison: str
    bound: float

    def __str__(self) -> str:
        unit = next((unit for unit in ("G", "M", "K") if self.bound >= _UNITS[unit]), "")
        return f"{self.measure}{self.comparison}{self.bound / _UNITS[unit]:g}{unit}"

    def met(self, space: SearchSpace[Any], arch: Any) -> bool:
        return _COMPARISONS[self.comparison](MEASURES[self.measure](space, arch), self.bound)


def parse(text: str) -> Constraint:
    """The constraint that a text such as ``params<1.5M`` describes.

    Raises:
        InputError: another measure, comparison or bound.
    """
    found = re.fullmatch(r"\s*(\w+)\s*(<=|>=|<|>)\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([A-Za-z]?)\s*", text)
    usage = f"constraint '{text}': write it as params<1.5M or flops<=200M"
    if not found:
        raise InputError(usage)
    measure, comparison, number, unit = found.groups()
    if measure not in MEASURES:
        raise InputError(f"constraint '{text}': unknown measure '{measure}'{suggest(measure, MEASURES)}")
    try:
        return Constraint(measure, comparison, float(number) * _UNITS[unit.upper()])
    except (ValueError, KeyError):
        raise InputError(usage) from None


class Constrained:
    """Draws and mutations of a search space by rejection: only architectures that meet all constraints.

    Args:
        space: a search space.
        constraints: on its networks at their full size (`profiles.PAPER`).
    """

    def __init__(self, space: SearchSpace[Any], constraints: Sequence[Constraint] = ()) -> None:
        self.space, self.constraints = space, tuple(constraints)
        self._met: Dict[str, bool] = {}
        if space.kind == "rnn" and any(constraint.measure == "flops" for constraint in constraints):
            raise InputError(f"{space.name}: recurrent networks have no flops of an image; constrain params")

    def met(self, arch: Any) -> bool:
        """Whether an architecture meets all constraints; isomorphic ones are counted once."""
        if not self.constraints:
            return True
        key = self.space.key(arch)
        if key not in self._met:
            self._met[key] = all(constraint.met(self.space, arch) for constraint in self.constraints)
        return self._met[key]

    def sample(self, rng: np.random.Generator) -> Any:
        """An architecture that meets the constraints.

        Raises:
            InputError: none of 1,000 samples did.
        """
        for _ in range(TRIES):
            arch = self.space.sample(rng)
            if self.met(arch):
                return arch
        raise InputError(f"{self}: 0 of {TRIES:,} samples of {self.space.name} met it; choose a wider bound")

    def mutate(self, arch: Any, rng: np.random.Generator) -> Any:
        """A neighbour that meets the constraints; a new sample where the architecture has none to be found."""
        for _ in range(_MUTATIONS):
            mutant = self.space.mutate(arch, rng)
            if self.met(mutant):
                return mutant
        return self.sample(rng)

    def __str__(self) -> str:
        return f"constraint {' and '.join(map(str, self.constraints))}"
