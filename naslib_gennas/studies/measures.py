"""What can be measured of the network that one trains in the end: parameters, multiply-adds, memory, latency.

Of `SearchSpace.published`: full size, a stated resolution; not of the shrunken network of a score.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np
import torch

from naslib_gennas import identity, user_code
from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.identity import canonical
from naslib_gennas.networks import cost
from naslib_gennas.randomness import isolated
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace

_COUNTS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
_TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_BYTES = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}


class Measured(NamedTuple):
    """What a measure gave: its value, and the quartiles of the repeats where there were any."""

    value: float
    low: Optional[float] = None
    high: Optional[float] = None


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a network is measured.

    Attributes:
        resolution: height and width of its images in pixels; None: those that the search space was published for.
        classes: of its classifier; None: as published.
        device: where latency and memory are measured.
        threads: of torch on a CPU, for latency.
        batch: images at once; None: 1 for latency, 64 for memory.
    """

    resolution: Optional[int] = None
    classes: Optional[int] = None
    device: str = "cpu"
    threads: int = 1
    batch: Optional[int] = None

    def __post_init__(self) -> None:
        for key in ("resolution", "classes", "threads", "batch"):
            value = getattr(self, key)
            if value is None and key != "threads":
                continue
            check_whole(f"constraints: {key}", value)


def _params(space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> Measured:
    return _counted(space, lambda: cost.parameters(space.published(arch, at.classes, at.resolution)))


def _flops(space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> Measured:
    if space.kind == "rnn":
        raise InputError(f"{space.name}: recurrent networks have no flops of an image; constrain params or latency")

    def count() -> float:
        network = space.published(arch, at.classes, at.resolution)
        return cost.multiply_adds(network, space.example(1, at.resolution))

    return _counted(space, count)


def _memory(space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> Measured:
    def count() -> float:
        network = space.published(arch, at.classes, at.resolution)
        return cost.training_memory(network, space.example(at.batch or 64, at.resolution))

    if torch.device(at.device).type == "cuda":
        return _run(space, count, at.device)
    return _counted(space, count)


def _latency(space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> Measured:
    def time() -> cost.Latency:
        network = space.published(arch, at.classes, at.resolution)
        return cost.latency(network, space.example(at.batch or 1, at.resolution), at.threads)

    return _run(space, time, at.device)


def _counted(space: SearchSpace[Any], count: Callable[[], float]) -> Measured:
    """What can be counted without weights, and is counted with them where a network does not allow that."""
    try:
        with isolated(0), torch.device("meta"):
            return Measured(count())
    except InputError:
        raise
    except Exception:  # the user's own networks may look at values, which the meta device does not have
        return _run(space, count, "cpu")


def _run(space: SearchSpace[Any], measure: Callable[[], Any], device: str) -> Measured:
    """What a network gives on a device; that it cannot run there is said in a line."""
    try:
        with isolated(0), torch.device(device):
            found = measure()
    except InputError:
        raise
    except Exception as error:  # no such device, a resolution that the network does not take, too little memory
        raise InputError(
            f"{space.name}: the network that is trained cannot be measured on {device}: {user_code.said(error)}"
        ) from None
    return Measured(*found) if isinstance(found, tuple) else Measured(found)


class Measure(NamedTuple):
    """A measure: what takes it, its units, and whether it differs from one time to the next."""

    take: Callable[..., Measured]
    units: Mapping[str, float]
    noisy: bool = False

    def __call__(self, space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> float:
        return self.take(space, arch, at).value


#: What can be constrained, of the network that is trained, cheap ones first. Parameters; multiply-adds of one image
#: (`cost.multiply_adds`); bytes at the peak of a training step (`cost.training_memory`); median seconds of a forward
#: pass (`cost.latency`).
MEASURES: Dict[str, Measure] = {
    "params": Measure(_params, _COUNTS),
    "flops": Measure(_flops, _COUNTS),
    "memory": Measure(_memory, _BYTES),
    "latency": Measure(_latency, _TIMES, noisy=True),
}


def get(name: str) -> Measure:
    """One of `MEASURES`, or the function that ``FILE.py:FUNCTION`` names.

    Such a function takes the network, initialised under seed 0 and in evaluation mode, and gives a number, or True or
    False. The network's attribute `built_from` is the pair of the search space's name and the architecture.
    """
    return MEASURES[name] if name in MEASURES else _own(name)


def _own(file_and_name: str) -> Measure:
    function = user_code.find(file_and_name, "measure")
    if not callable(function):
        raise InputError(f"measure '{file_and_name}' is no function but {function!r}")

    def take(space: SearchSpace[Any], arch: Any, at: Conditions = Conditions()) -> Measured:
        with isolated(0):
            network = space.published(arch, at.classes, at.resolution).eval()
            if not hasattr(network, "built_from"):
                network.built_from = (space.name, arch)
            try:
                value = function(network)
            except Exception as error:  # whatever the user's code raises
                raise InputError(f"measure '{file_and_name}': {user_code.said(error)}") from None
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)) or value != value:
            raise InputError(f"measure '{file_and_name}' gives {value!r}; it must give a number, or True or False")
        return Measured(value if isinstance(value, bool) else float(value))

    return Measure(take, _COUNTS, noisy=True)


def identity_of(name: str) -> Dict[str, Any]:
    """What decides what a measure gives, besides the conditions: the code of a function of the user's."""
    return {} if name in MEASURES else identity.code(user_code.find(name, "measure"))


def said(name: str, at: Conditions) -> str:
    """The conditions that a measure depends on, such as `` (cpu, 1 thread, batch 1)``; empty where all are usual."""
    parts = []
    if name == "latency":
        parts += [at.device] + ([f"{at.threads} thread{'s' * (at.threads > 1)}"] if at.device == "cpu" else [])
        parts.append(f"batch {at.batch or 1}")
    if name == "memory":
        parts += [at.device] * (at.device != "cpu") + [f"batch {at.batch or 64}"]
    parts += [f"resolution {at.resolution}"] * (at.resolution is not None)
    parts += [f"{at.classes} classes"] * (at.classes is not None)
    return f" ({', '.join(parts)})" if parts else ""


def unit(name: str, value: float) -> Tuple[str, float]:
    """The unit in which a value of a measure is best read, and how much that unit is."""
    usual = {"memory": ("GB", "MB", "KB", "B"), "latency": ("s", "ms", "us")}.get(name, ("G", "M", "K", ""))
    units = _COUNTS if name not in MEASURES else MEASURES[name].units
    chosen = next((one for one in usual if abs(value) >= units[one]), usual[-1])
    return chosen, units[chosen]


def shown(name: str, value: float) -> str:
    """A value of a measure with its unit."""
    chosen, amount = unit(name, value)
    return f"{value / amount:.4g}{chosen}"


class Measurements:
    """What measures give for the architectures of a search space; isomorphic architectures are measured once.

    Args:
        space: a search space.
        store: where measurements that differ from one time to the next (latency, functions of the user's) are kept, so
            that a search that is resumed meets the same values again; None: in memory.
    """

    def __init__(self, space: SearchSpace[Any], store: Optional[Store] = None) -> None:
        self.space, self._store = space, store
        self._values: Dict[Tuple[str, Conditions, str], Measured] = {}

    def of(self, measure: str, arch: Any, at: Conditions = Conditions()) -> Measured:
        """What a measure gives for an architecture."""
        key = (measure, at, self.space.key(arch))
        if key not in self._values:
            taken = get(measure)
            keep = self._store is not None and taken.noisy
            self._values[key] = self._kept(measure, arch, at) if keep else taken.take(self.space, arch, at)
        return self._values[key]

    def _kept(self, measure: str, arch: Any, at: Conditions) -> Measured:
        """A measurement from the store, or a new one that goes into it."""
        assert self._store is not None
        settings = {**self.space.settings, **self.space.published_settings}
        about = {"space": self.space.name, "settings": settings, "arch": self.space.key(arch)}
        about.update(measure=f"{measure}{said(measure, at)}", **identity_of(measure))
        journal = f"measured {hashlib.sha256(canonical(about).encode()).hexdigest()}"
        kept = self._store.journal(journal)
        if kept:
            return Measured(**kept[0])
        found = get(measure).take(self.space, arch, at)
        try:
            self._store.append(journal, 0, found._asdict())
        except InputError:  # another process was faster: its value counts for both
            kept = self._store.journal(journal)
        return Measured(**kept[0]) if kept else found
