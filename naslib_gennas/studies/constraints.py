"""Constraints on the network that one trains in the end, such as ``params<5M``, ``flops<=600M`` or ``latency<20ms``.

They are about `SearchSpace.published`: full size, a stated resolution; not about the shrunken network of a score.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from naslib_gennas import user_code
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import measures
from naslib_gennas.studies.measures import MEASURES, Conditions, Measured, Measurements
from naslib_gennas.studies.variation import Variation

_COMPARISONS: Dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
USAGE = "write it as params<5M, flops<=600M, latency<20ms, memory<2GB, or FILE.py:FUNCTION with or without a bound"
# Draws in a row without one that meets the constraints, and seconds of them, after which none is expected to.
TRIES = 1000
PATIENCE = 120.0
# Tries at a mutation of the same parent.
_MUTATIONS = 100


@dataclass(frozen=True)
class Constraint:
    """A bound on a measure of the network that is trained; make one with `parse`.

    Attributes:
        measure: one of `MEASURES`, or ``FILE.py:FUNCTION``.
        comparison: "<", "<=", ">" or ">="; "" for a function that gives True where it is met.
        bound: in parameters, multiply-adds, bytes or seconds.
        at: the conditions of the measurement.
    """

    measure: str
    comparison: str
    bound: float
    at: Conditions = Conditions()

    def __str__(self) -> str:
        bound = f"{self.comparison}{self.shown(self.bound)}" if self.comparison else ""
        return f"{self.measure}{bound}{measures.said(self.measure, self.at)}"

    def shown(self, value: float) -> str:
        """A value of the measure with its unit."""
        return measures.shown(self.measure, value)

    @property
    def _measure(self) -> measures.Measure:
        return measures.get(self.measure)

    @property
    def noisy(self) -> bool:
        """Whether its measure differs from one time to the next."""
        return self._measure.noisy

    @property
    def identity(self) -> Dict[str, Any]:
        """All that decides which architectures meet it; the code of a function of the user's is part of it."""
        return {"constraint": str(self), **measures.identity_of(self.measure)}

    def take(self, space: SearchSpace[Any], arch: Any) -> Measured:
        """The measure of an architecture's network."""
        return self._measure.take(space, arch, self.at)

    def holds(self, value: float) -> bool:
        """Whether a value of the measure meets the constraint."""
        if self.comparison:
            return _COMPARISONS[self.comparison](value, self.bound)
        if value not in (0, 1):
            raise InputError(f"constraint '{self.measure}' gives {value:g}; write a bound, such as {self.measure}<5")
        return bool(value)

    def met(self, space: SearchSpace[Any], arch: Any) -> bool:
        return self.holds(self.take(space, arch).value)

    def miss(self, value: float) -> float:
        """How far a value is from the bound, as a share of it; 0 where it is met."""
        return 0.0 if self.holds(value) else abs(value - self.bound) / max(abs(self.bound), 1e-12)


def parse(
    text: str,
    resolution: Optional[int] = None,
    classes: Optional[int] = None,
    device: str = "cpu",
    threads: int = 1,
    batch: Optional[int] = None,
) -> Constraint:
    """The constraint that a text such as ``params<1.5M`` describes.

    Args:
        text: a measure, a comparison and a bound with its unit. ``FILE.py:FUNCTION`` is a measure too: a function that
            takes the network and gives a number, or, where there is no bound, True or False.
        resolution, classes, device, threads, batch: see `Conditions`.

    Raises:
        InputError: another measure, comparison, bound, unit or condition.
    """
    if not isinstance(text, str):
        raise InputError(f"constraint {text!r} is no text; {USAGE}")
    left, comparison, right = _parts(text)
    measure = left.strip()
    if measure not in MEASURES and not user_code.split(measure)[1]:
        if not re.fullmatch(r"\w+", measure) or not comparison:
            raise InputError(f"constraint '{text}': {USAGE}")
        raise InputError(f"constraint '{text}': unknown measure '{measure}'{suggest(measure, MEASURES)}")
    try:
        torch.device(device)
    except RuntimeError:
        raise InputError(f"constraint '{text}': unknown device '{device}'; it takes cpu, cuda or the like") from None
    at = Conditions(resolution, classes, device, threads, batch)
    units = measures.get(measure).units
    if not comparison:
        return Constraint(measure, "", 1.0, at)
    return Constraint(measure, comparison, _bound(right, units, text), at)


def _parts(text: str) -> Tuple[str, str, str]:
    found = re.fullmatch(r"([^<>=]+)(<=|>=|<|>)([^<>=]+)", text)
    if found:
        return found.group(1), found.group(2), found.group(3)
    if user_code.split(text.strip())[1]:
        return text, "", ""
    raise InputError(f"constraint '{text}': {USAGE}")


def _bound(text: str, units: Mapping[str, float], whole: str) -> float:
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    known = {unit.lower(): factor for unit, factor in units.items()}
    if not found:
        raise InputError(f"constraint '{whole}': {USAGE}")
    number, unit = found.groups()
    if unit.lower() not in known:
        wrong = f"unknown unit '{unit}'" if unit else "the bound needs a unit"
        raise InputError(f"constraint '{whole}': {wrong}; it takes {', '.join(filter(None, units))}")
    try:
        value = float(number) * known[unit.lower()]
    except ValueError:
        raise InputError(f"constraint '{whole}': {USAGE}") from None
    if not math.isfinite(value):
        raise InputError(f"constraint '{whole}': the bound is not a finite number")
    return value


class Constrained:
    """Draws and mutations of a search space by rejection: only architectures that meet all constraints.

    Args:
        space: a search space.
        constraints: on its published networks.
        store: see `Measurements`.
        variation: how architectures are drawn and varied; None: as the space does.

    Attributes:
        measurements: what has been measured of the architectures.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        constraints: Sequence[Constraint] = (),
        store: Optional[Store] = None,
        variation: Optional[Variation] = None,
    ) -> None:
        self.space, self.constraints = space, tuple(constraints)
        self._variation = variation or Variation(space.sample, space.mutate)
        self.measurements = Measurements(space, store)
        for one in self.constraints:
            if not isinstance(one, Constraint):
                raise InputError(f"constraint {one!r}: make it with constraints.parse, such as parse('params<5M')")
            if one.measure == "flops" and space.kind == "rnn":
                raise InputError(
                    f"{space.name}: recurrent networks have no flops of an image; constrain params or latency"
                )
        order = [*MEASURES]
        # What is cheap to count decides first.
        self._ordered = sorted(
            self.constraints, key=lambda one: order.index(one.measure) if one.measure in order else len(order)
        )

    def measured(self, arch: Any) -> Dict[str, Measured]:
        """What each constraint's measure gives for an architecture, by measure."""
        return {one.measure: self._value(one, arch) for one in self.constraints}

    def met(self, arch: Any) -> bool:
        """Whether an architecture meets all constraints; isomorphic ones are measured once."""
        return all(one.holds(self._value(one, arch).value) for one in self._ordered)

    def _value(self, one: Constraint, arch: Any) -> Measured:
        return self.measurements.of(one.measure, arch, one.at)

    def sample(self, rng: np.random.Generator) -> Any:
        """An architecture that meets the constraints.

        Raises:
            InputError: none of 1,000 samples did (fewer where measuring takes long); the message has the nearest.
        """
        nearest: List[Tuple[float, str]] = []
        started, tried = time.perf_counter(), 0
        while tried < TRIES and (tried < 20 or time.perf_counter() - started < PATIENCE):
            tried += 1
            arch = self._variation.sample(rng)
            if self.met(arch):
                return arch
            nearest = sorted([*nearest, self._miss(arch)])[:1]
        raise InputError(
            f"{self}: 0 of {tried:,} samples of {self.space.name} met it; the nearest has {nearest[0][1]}; choose a "
            "wider bound"
        )

    def _miss(self, arch: Any) -> Tuple[float, str]:
        """How far an architecture is from the first constraint that it misses, and that measure in words."""
        one = next(one for one in self._ordered if not one.holds(self._value(one, arch).value))
        value = self._value(one, arch).value
        # One that gets further down the list of constraints is nearer.
        behind = len(self._ordered) - self._ordered.index(one)
        words = f"{one.measure} {one.shown(value)}" if one.comparison else f"no True from {one.measure}"
        return (behind + min(one.miss(value), 1e6) / 1e7, words)

    def mutate(self, arch: Any, rng: np.random.Generator) -> Any:
        """A neighbour that meets the constraints; a new sample where the architecture has none to be found."""
        for _ in range(_MUTATIONS):
            mutant = self._variation.mutate(arch, rng)
            if self.met(mutant):
                return mutant
        return self.sample(rng)

    def __str__(self) -> str:
        return f"constraint {_joined(self.constraints)}"


def fit_width(space: SearchSpace[Any], arch: Any, bounds: Sequence[Constraint], most: int = 512) -> int:
    """The largest width at which an architecture's network meets all bounds, such as 500 to 600 million multiply-adds.

    As networks of the DARTS family are made ready for ImageNet (table 4 of arXiv:2108.01899)::

        space = spaces.get("darts", cells=14)
        bounds = [parse("flops>=500M", resolution=224), parse("flops<=600M", resolution=224)]
        channels = fit_width(space, arch, bounds)

    Args:
        space: whose width is free, which means that it has a setting ``channels``.
        arch: one of its architectures.
        bounds: at least one from above; measures that grow with the width.
        most: the largest width that is tried.

    Returns:
        An even number of channels; ``spaces.get("darts", cells=14, channels=...)`` then builds the network.

    Raises:
        InputError: the width of the space is not free, or no width meets all bounds; the message has the nearest.
    """
    above = fitting(space, bounds)

    def values(width: int, wanted: Sequence[Constraint]) -> List[Tuple[Constraint, float]]:
        sized = of_width(space, 2 * width)
        return [(one, one.take(sized, arch).value) for one in wanted]

    def missed(width: int, wanted: Sequence[Constraint]) -> List[str]:
        found = values(width, wanted)
        return [f"{one.measure} {one.shown(value)}" for one, value in found if not one.holds(value)]

    # Halves of widths: the largest that meets the bounds from above lies from `low` up to before `high`.
    low, high = 2, most // 2 + 1
    if missed(low, above):
        raise InputError(f"{space.name}: {_joined(bounds)} is met by no width; 4 channels have {missed(low, above)[0]}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if missed(middle, above) else (middle, high)
    wrong = missed(low, bounds)
    if wrong:
        raise InputError(f"{space.name}: {_joined(bounds)} is met by no width; {2 * low} channels have {wrong[0]}")
    return 2 * low


def of_width(space: SearchSpace[Any], channels: int) -> SearchSpace[Any]:
    """A space with another width of the network that is trained in the end."""
    return type(space)(**{**space.settings, **space.published_settings, "channels": channels})


def fitting(space: SearchSpace[Any], bounds: Sequence[Constraint]) -> List[Constraint]:
    """Those of the bounds that hold a width down.

    Raises:
        InputError: there are none, or the width of the space is not free.
    """
    if "channels" not in inspect.signature(type(space).__init__).parameters:
        raise InputError(f"{space.name}: the width of its networks is not free")
    above = [one for one in bounds if one.comparison in ("<", "<=")]
    if not above:
        raise InputError(f"{space.name}: a width is fitted to at least one bound from above, such as flops<=600M")
    return above


def _joined(constraints: Sequence[Constraint]) -> str:
    return " and ".join(map(str, constraints))
