"""What a score may cost: the size of the network, of its input and of its training, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.initialise import WAYS

STATISTICS = ("running", "batch")
#: A training of fewer steps says little, however shallow the network.
LEAST_STEPS = 12
DTYPES = ("float32", "float64", "bfloat16")

# The least and the most that a whole number may be: beyond, no machine has the memory or the time.
_WHOLE = {
    "resolution": (8, 2048),
    "target_size": (2, 1024),
    "steps": (1, 10**7),
    "record_every": (1, 10**7),
    "average": (1, 10**7),
    "cells": (1, 1000),
    "channels": (4, 65536),
    "images": (1, 65536),
    "layers": (1, 100),
    "sequences": (2, 65536),
    "sequence_steps": (1, 10**7),
}
_OPTIONAL = ("cells", "channels", "images", "layers", "sequences", "sequence_steps")
_LARGEST = 1e6


@dataclass(frozen=True)
class Profile:
    """The settings that decide what a score costs; part of the score's identity.

    A field that is None keeps what the search space or the proxy task states, which is the paper's setting.

    Attributes:
        name: what `--profile` calls it.
        cells: cells per stage, of DARTS without its two reduction cells: 4 are 14 cells in all (search spaces whose
            architectures state their depth, or have no cells, shrink their own way, see `SearchSpace.size`).
        channels: channels of the first stage.
        images: images in the input batch; None: the task's batch size (16).
        resolution: height and width of the input, in pixels.
        target_size: height and width of the regression targets, in pixels.
        steps: training steps; the most that a training takes where `steps_per_norm` says how many.
        steps_per_norm: training steps for each BatchNorm on a network's longest path (see `steps_for`); None: `steps`.
        record_every: steps between two records of the evaluation-mode loss.
        average: the last so many records whose geometric mean is the score's loss, and no others are made (1: the last
            record alone, and the earlier ones tell the loss curve).
        relative: the power of the training-mode loss after a third of the steps that the score's loss is divided by; 0:
            it is the loss alone. How far a training gets from where it was tells more of a network than where it ends.
        learning_rate: None: the task's.
        statistics: what BatchNorm normalises by in evaluation: "running" averages, as usual, or the "batch" itself,
            whose loss means something after few steps already, when running averages still lag behind.
        norm_momentum: of BatchNorm's running averages; None: the network's own (PyTorch's 0.1). Short trainings need
            averages that follow faster.
        dtype: of the network, its input and its targets.
        initialise: how the weights of networks and heads are drawn (see `networks.initialise`; table 6 of
            arXiv:2108.01899); "as is": as the search space does, and heads as PyTorch does.
        width: factor on the widths of recurrent networks.
        layers: recurrent layers.
        sequences: sequences in the batch of a recurrent network; None: the task's batch size.
        sequence_steps: training steps of a recurrent network; None: `steps`.
    """

    name: str = "paper"
    cells: Optional[int] = None
    channels: Optional[int] = None
    images: Optional[int] = None
    resolution: int = 32
    target_size: int = 8
    steps: int = 100
    steps_per_norm: Optional[float] = None
    record_every: int = 10
    average: int = 1
    relative: float = 0.0
    learning_rate: Optional[float] = None
    statistics: str = "running"
    norm_momentum: Optional[float] = None
    dtype: str = "float32"
    initialise: str = "as is"
    width: float = 1.0
    layers: Optional[int] = None
    sequences: Optional[int] = None
    sequence_steps: Optional[int] = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"profile: name is {self.name!r}; it takes a text")
        for key, (least, most) in _WHOLE.items():
            value = getattr(self, key)
            if value is None and key in _OPTIONAL:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                bounds = f"from {least} to {most}" if isinstance(value, int) and value > most else f"from {least} up"
                raise InputError(f"profile '{self.name}': {key} is {value!r}; it takes a whole number {bounds}")
        for key in ("learning_rate", "steps_per_norm", "norm_momentum", "width"):
            value = getattr(self, key)
            if value is None and key != "width":
                continue
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= _LARGEST:
                raise InputError(f"profile '{self.name}': {key} is {value!r}; it takes a number above 0")
        if (
            not isinstance(self.relative, (int, float))
            or isinstance(self.relative, bool)
            or not 0 <= self.relative <= 1
        ):
            raise InputError(f"profile '{self.name}': relative is {self.relative!r}; it takes a number from 0 to 1")
        if not isinstance(self.statistics, str) or self.statistics not in STATISTICS:
            raise InputError(
                f"profile '{self.name}': statistics is {self.statistics!r}{suggest(str(self.statistics), STATISTICS)}"
            )
        if not isinstance(self.initialise, str) or self.initialise not in WAYS:
            raise InputError(
                f"profile '{self.name}': initialise is {self.initialise!r}{suggest(str(self.initialise), WAYS)}"
            )
        if not isinstance(self.dtype, str) or self.dtype not in DTYPES:
            raise InputError(f"profile '{self.name}': dtype is {self.dtype!r}{suggest(str(self.dtype), DTYPES)}")

    def steps_for(self, norm_depth: Optional[int], noisy: bool = False) -> int:
        """Training steps for networks of a search space.

        In evaluation, running averages lag behind layer after layer: the deeper the network, the more steps until its
        loss tells good from bad (docs/notebook/speed.md). Input noise slows the regression by another half.

        Args:
            norm_depth: see `SearchSpace.norm_depth`; None: unknown.
            noisy: whether the proxy task adds noise to its input.
        """
        if self.steps_per_norm is None or norm_depth is None:
            return self.steps
        wanted = max(LEAST_STEPS, round(self.steps_per_norm * norm_depth)) * (1.5 if noisy else 1.0)
        return min(self.steps, round(wanted))

    def plain(self) -> Dict[str, Any]:
        """The profile as plain data, every field of it."""
        return dataclasses.asdict(self)

    def identity(self) -> Dict[str, Any]:
        """What of it decides a score: every field but its name, and the initialisation where it is not the space's."""
        usual = {"name": self.name, "initialise": "as is"}
        found = {key: value for key, value in self.plain().items() if key not in usual or value != usual[key]}
        # Before, heads kept PyTorch's weights: scores of then are others.
        return {**found, "heads": "too"} if "initialise" in found else found

    def replace(self, **changes: Any) -> Profile:
        """This profile with some fields changed, e.g. ``PAPER.replace(name="short", steps=50)``."""
        _check_keys(changes, f"profile '{self.name}'")
        return dataclasses.replace(self, **changes)


# The published runs of recurrent networks had 16 sequences in every batch, whatever their task said.
PAPER = Profile(name="paper", sequences=16)
# Chosen on half of the sampled NAS-Bench-201 and -101 architectures; docs/notebook/speed.md has what was tried, and
# how it did.
FAST = Profile(
    name="fast",
    cells=1,
    images=8,
    resolution=16,
    target_size=4,
    steps=60,
    steps_per_norm=1.25,
    record_every=2,
    average=3,
    relative=2 / 3,
    norm_momentum=0.2,
    width=0.5,
    sequences=4,
    sequence_steps=100,
)
PROFILES = {profile.name: profile for profile in (PAPER, FAST)}
DEFAULT = "fast"


def get(profile: Union[str, Path, Mapping[str, Any], Profile, None] = None) -> Profile:
    """The profile that a name, a YAML file or a mapping of its fields describes; None is the default profile.

    Raises:
        InputError: an unknown name, a file that cannot be read, a key or value that a profile does not take.
    """
    if profile is None:
        return PROFILES[DEFAULT]
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, Mapping):
        _check_keys(profile, "profile")
        return Profile(**{"name": "custom", **profile})
    if not isinstance(profile, (str, Path)):
        raise InputError(f"profile is {profile!r}; it takes a name ({', '.join(PROFILES)}), a YAML file or a mapping")
    if str(profile) in PROFILES:
        return PROFILES[str(profile)]
    path = Path(profile)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"unknown profile '{profile}'{suggest(str(profile), PROFILES)}; or a YAML file of your own")
    content = reading.from_yaml(reading.text(path, "profile file"), f"profile file '{path}'")
    if not isinstance(content, dict):
        raise InputError(f"profile file '{path}' must hold keys and values, such as 'steps: 50'")
    _check_keys(content, f"profile file '{path}'")
    return Profile(**{"name": path.stem, **content})


def _check_keys(content: Mapping[str, Any], where: str) -> None:
    known = [field.name for field in dataclasses.fields(Profile)]
    for key in content:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'{suggest(str(key), known)}")
