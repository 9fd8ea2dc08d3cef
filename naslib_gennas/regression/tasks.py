"""ProxyTask: what a network's outputs regress onto, as plain data that is read from and written to YAML."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch
import yaml

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.randomness import generator
from naslib_gennas.regression import signals

WAVES = ("sin1d", "sin2d")
DOTS = ("dot", "gdot")

# Frequency bands of the paper's experiments, in cycles a pixel, ten values each; the low one is open at both ends.
BANDS = {
    "L": tuple(round(0.125 / 11 * (i + 1), 4) for i in range(10)),
    "M": tuple(round(0.125 + 0.025 * i, 4) for i in range(10)),
    "H": tuple(round(0.375 + 0.0125 * i, 4) for i in range(10)),
}


@dataclass(frozen=True)
class Signal:
    """One signal of a target.

    Attributes:
        basis: one of `signals.BASES`.
        weight: factor on the signal in the target's sum.
        frequencies: cycles a pixel, for sin1d and sin2d.
        fraction: part of the pixels that are set, for dot and gdot, in [0, 1].
        scope: "local" (another target for every image) or "global" (one for all).
    """

    basis: str
    weight: float = 1.0
    frequencies: Tuple[float, ...] = ()
    fraction: float = 1.0
    scope: str = "local"


@dataclass(frozen=True)
class Stage:
    """What one stage regresses onto: the weighted sum of its signals, `channels` maps of them."""

    channels: int = 64
    signals: Tuple[Signal, ...] = ()


@dataclass(frozen=True)
class Noise:
    """Noise added to the input at every step: level * N(0, 1) ("gaussian") or U(-level, level) ("uniform")."""

    distribution: str = "gaussian"
    level: float = 0.0


@dataclass(frozen=True)
class Optimizer:
    """Optimiser settings; `weight_decay` acts on tensors of two or more dimensions only under sgd."""

    name: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 4e-5


SGD = Optimizer()
ADAM = Optimizer("adam", 1e-3, 0.0, 1.2e-6)


@dataclass(frozen=True)
class ProxyTask:
    """What to regress onto and how (sections 3.2 and 3.3 of arXiv:2108.01899).

    Attributes:
        name: what `gennas-NAME` calls it.
        kind: "cnn" (images in, a target for every stage) or "rnn" (a synthetic sequence in and out).
        stages: the target of every stage, early stages first; one for an rnn.
        stage_weights: factors of the stages in the loss; empty: they double from stage to stage and end at 1.
        batch_size: images or sequences in the batch.
        noise: what is added to the input at every step.
        input: the signals that make the input sequence (rnn).
        length: steps of the sequence (rnn).
        optimizer: how the network and its heads are trained.
    """

    name: str
    kind: str = "cnn"
    stages: Tuple[Stage, ...] = ()
    stage_weights: Tuple[float, ...] = ()
    batch_size: int = 16
    noise: Noise = Noise()
    input: Tuple[Signal, ...] = ()
    length: int = 8
    optimizer: Optimizer = SGD

    def weights(self) -> Tuple[float, ...]:
        """The factor of every stage in the loss: 0.25, 0.5, 1 for three stages unless the task says otherwise."""
        count = len(self.stages)
        return self.stage_weights or tuple(2.0 ** (i + 1 - count) for i in range(count))

    def for_stages(self, count: int) -> ProxyTask:
        """This task for a network of `count` stages.

        The last stages keep their targets; further early ones repeat the first, and the weights go on doubling.
        """
        missing = count - len(self.stages)
        if missing == 0:
            return self
        if missing < 0:
            return dataclasses.replace(self, stages=self.stages[-count:], stage_weights=self.weights()[-count:])
        first = self.weights()[0]
        early = tuple(first / 2.0 ** (missing - i) for i in range(missing))
        return dataclasses.replace(
            self, stages=(self.stages[0],) * missing + self.stages, stage_weights=early + self.weights()
        )


def targets(
    task: ProxyTask, inputs: torch.Tensor, size: int, seed: int, dimensions: Union[int, Sequence[int]] = 2
) -> List[torch.Tensor]:
    """The target of every stage for a batch of images: float32, (images, channels, size, size), on the CPU.

    Args:
        task: a task of kind "cnn".
        inputs: (images, 3, height, width), the clean batch, which the `resize` basis shows.
        size: height and width of the targets, in pixels (8 in the paper).
        seed: the targets are the same for the same seed, whatever the global generators hold.
        dimensions: 1 gives the same signals in one dimension, (images, channels, size), for maps over time, 3 in three;
            or one number a stage.
    """
    each = [dimensions] * len(task.stages) if isinstance(dimensions, int) else list(dimensions)
    return [
        _target(stage.signals, inputs.shape[0], stage.channels, (size,) * each[i], generator(seed, "target", i), inputs)
        for i, stage in enumerate(task.stages)
    ]


def sequences(task: ProxyTask, count: int, seed: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """Input and target of a task of kind "rnn": two float32 tensors (length, count, dimension), on the CPU."""
    size = (task.length, task.stages[0].channels)
    maps = [
        _target(group, count, 1, size, generator(seed, purpose), None)
        for purpose, group in (("sequence", task.input), ("target", task.stages[0].signals))
    ]
    source, target = (m[:, 0].transpose(0, 1).contiguous() for m in maps)
    return source, target


def _target(
    parts: Sequence[Signal],
    images: int,
    channels: int,
    size: signals.Size,
    draws: torch.Generator,
    inputs: Optional[torch.Tensor],
) -> torch.Tensor:
    total = signals.zero(images, channels, size)
    for part in parts:
        local = part.scope == "local"
        if part.basis in WAVES:
            wave = signals.sin1d if part.basis == "sin1d" else signals.sin2d
            maps = wave(part.frequencies, images, channels, size, draws, local)
        elif part.basis in DOTS:
            dots = signals.dot if part.basis == "dot" else signals.gdot
            maps = dots(part.fraction, images, channels, size, draws, local)
        elif part.basis == "resize" and inputs is not None:
            maps = signals.resize(inputs, channels, size, draws)
        else:
            continue
        total += part.weight * maps
    return total


# ---------------------------------------------------------------------------------------------------- names and files


def single_signal(signal: str, stage: int) -> ProxyTask:
    """A task of table 1: one signal at one stage, e.g. ``single_signal("dot-100", 3)``.

    Raises:
        InputError: an unknown signal or a stage that is not 1, 2 or 3.
    """
    if signal not in SINGLE_SIGNALS:
        raise InputError(f"unknown signal '{signal}'{suggest(signal, SINGLE_SIGNALS)}")
    if stage not in (1, 2, 3):
        raise InputError(f"signal '{signal}': stage is {stage!r}; it is 1, 2 or 3")
    basis, _, grade = signal.partition("-")
    if basis in WAVES:
        part = Signal(basis, frequencies=BANDS[grade])
    elif basis in DOTS:
        part = Signal(basis, fraction=int(grade) / 100)
    else:
        part = Signal(basis)
    stages = tuple(Stage(signals=(part,) if i == stage else ()) for i in (1, 2, 3))
    weights = tuple(1.0 if i == stage else 0.0 for i in (1, 2, 3))
    return ProxyTask(f"{signal}@{stage}", stages=stages, stage_weights=weights)


SINGLE_SIGNALS = (
    *(f"{basis}-{band}" for basis in WAVES for band in BANDS),
    *(f"{basis}-{percent}" for basis in DOTS for percent in (50, 100)),
    "resize",
    "zero",
)


@lru_cache(maxsize=None)
def names() -> Tuple[str, ...]:
    """The tasks that ship with the package; ``SIGNAL@STAGE`` names those of table 1 besides (see `single_signal`)."""
    folder = resources.files("naslib_gennas") / "data" / "tasks"
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def get(task: Union[str, Path, ProxyTask]) -> ProxyTask:
    """The task of a name (``combo``, ``search-N``, ``sin1d-H`` for stage 3, ``sin1d-H@1``) or of a YAML file.

    Raises:
        InputError: an unknown name, or a file that is no task; the message names the key and what it takes.
    """
    if isinstance(task, ProxyTask):
        return task
    text = str(task)
    if text in names():
        return _shipped(text)
    signal, _, stage = text.partition("@")
    if signal in SINGLE_SIGNALS:
        if stage and stage not in ("1", "2", "3"):
            raise InputError(f"task '{text}': stage '{stage}' is not 1, 2 or 3")
        return single_signal(signal, int(stage or 3))
    if text.endswith((".yaml", ".yml")):
        return parse(reading.text(text, "task file"), Path(text).stem, f"task file '{text}'")
    raise InputError(f"unknown task '{text}'{suggest(text, (*names(), *SINGLE_SIGNALS))}; or a YAML file of your own")


@lru_cache(maxsize=None)
def _shipped(name: str) -> ProxyTask:
    """Read once: a score trains on several, and reading takes as long as some of its steps."""
    content = (resources.files("naslib_gennas") / "data" / "tasks" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse(content, name)


def dump(task: ProxyTask) -> str:
    """The task as YAML; ``parse(dump(task), task.name) == task``."""
    content: Dict[str, Any] = {
        "kind": task.kind,
        "batch_size": task.batch_size,
        "noise": dataclasses.asdict(task.noise),
    }
    if task.kind == "cnn":
        content["stages"] = [
            {"channels": stage.channels, "signals": [_plain(part) for part in stage.signals]} for stage in task.stages
        ]
        if task.stage_weights:
            content["stage_weights"] = list(task.stage_weights)
    else:
        content["length"] = task.length
        content["dimension"] = task.stages[0].channels
        content["input"] = [_plain(part) for part in task.input]
        content["target"] = [_plain(part) for part in task.stages[0].signals]
    content["optimizer"] = dataclasses.asdict(task.optimizer)
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


def parse(text: str, name: str, where: str = "") -> ProxyTask:
    """The task that a YAML text describes.

    Args:
        text: YAML with the keys that `dump` writes.
        name: the task's name.
        where: how messages call the text.

    Raises:
        InputError: a key is missing, unknown or of a wrong value; the message names it and what it takes.
    """
    where = where or f"task '{name}'"
    reader = _Reader(reading.from_yaml(text, where), where)
    kind = reader.choice("kind", ("cnn", "rnn"))
    common = ["kind", "batch_size", "noise", "optimizer"]
    batch_size = reader.whole("batch_size", 1 if kind == "cnn" else 2, 16)
    noise = reader.section("noise")
    noise.only(["distribution", "level"])
    given: Dict[str, Any] = {
        "name": name,
        "kind": kind,
        "batch_size": batch_size,
        "noise": Noise(
            noise.choice("distribution", ("gaussian", "uniform"), "gaussian"), noise.number("level", 0.0, math.inf, 0.0)
        ),
        "optimizer": _optimizer(reader, SGD if kind == "cnn" else ADAM),
    }
    if kind == "rnn":
        reader.only([*common, "dimension", "length", "input", "target"])
        stage = Stage(reader.whole("dimension", 1), _signals(reader, "target", rnn=True))
        return ProxyTask(
            stages=(stage,),
            stage_weights=(),
            input=_signals(reader, "input", rnn=True),
            length=reader.whole("length", 1, 8),
            **given,
        )
    reader.only([*common, "stages", "stage_weights"])
    stages = []
    for entry in reader.entries("stages"):
        entry.only(["channels", "signals"])
        stages.append(Stage(entry.whole("channels", 1, 64), _signals(entry, "signals")))
    if not stages:
        raise InputError(f"{where}: key 'stages' is empty; it takes one entry a stage, with channels and signals")
    weights = reader.numbers("stage_weights", 0.0, math.inf)
    if weights and len(weights) != len(stages):
        raise InputError(f"{where}: key 'stage_weights' has {len(weights)} numbers for {len(stages)} stages")
    if weights and not any(weights):
        raise InputError(f"{where}: key 'stage_weights' is all zeros; at least one stage must count")
    return ProxyTask(stages=tuple(stages), stage_weights=weights, **given)


def _optimizer(reader: _Reader, usual: Optimizer) -> Optimizer:
    if "optimizer" not in reader.content:
        return usual
    section = reader.section("optimizer")
    section.only(["name", "learning_rate", "momentum", "weight_decay"])
    return Optimizer(
        section.choice("name", ("sgd", "adam"), usual.name),
        section.number("learning_rate", 1e-12, math.inf, usual.learning_rate),
        section.number("momentum", 0.0, 1.0, usual.momentum),
        section.number("weight_decay", 0.0, math.inf, usual.weight_decay),
    )


def _signals(reader: _Reader, key: str, rnn: bool = False) -> Tuple[Signal, ...]:
    allowed = tuple(basis for basis in signals.BASES if not (rnn and basis == "resize"))
    found = []
    for entry in reader.entries(key):
        basis = entry.choice("basis", allowed)
        keys = {"sin1d": ["frequencies", "scope"], "dot": ["fraction", "scope"]}
        own = keys["sin1d"] if basis in WAVES else keys["dot"] if basis in DOTS else []
        entry.only(["basis", "weight", *own])
        frequencies = entry.numbers("frequencies", -math.inf, math.inf) if basis in WAVES else ()
        if basis in WAVES and not frequencies:
            raise InputError(f"{entry.where}: key 'frequencies' is missing; {basis} takes a list of cycles a pixel")
        found.append(
            Signal(
                basis,
                entry.number("weight", -math.inf, math.inf, 1.0),
                frequencies,
                entry.number("fraction", 0.0, 1.0) if basis in DOTS else 1.0,
                entry.choice("scope", ("local", "global"), "local") if own else "local",
            )
        )
    return tuple(found)


def _plain(part: Signal) -> Dict[str, Any]:
    plain: Dict[str, Any] = {"basis": part.basis, "weight": part.weight}
    if part.basis in WAVES:
        plain["frequencies"] = list(part.frequencies)
    if part.basis in DOTS:
        plain["fraction"] = part.fraction
    if part.basis in WAVES + DOTS:
        plain["scope"] = part.scope
    return plain


_MISSING: Any = object()
_MOST = 65536  # channels, images, steps of a sequence: more fit into no memory


class _Reader:
    """A mapping read key by key, with errors that name the place, the key and what it takes."""

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, Mapping):
            raise InputError(f"{where} must hold keys and values, not {type(content).__name__}")
        self.content, self.where = content, where

    def only(self, keys: Sequence[str]) -> None:
        for key in self.content:
            if key not in keys:
                raise InputError(f"{self.where}: unknown key '{key}'{suggest(str(key), keys)}")

    def value(self, key: str, expected: str, usual: Any = _MISSING) -> Any:
        if key in self.content:
            return self.content[key]
        if usual is _MISSING:
            raise InputError(f"{self.where}: key '{key}' is missing; it takes {expected}")
        return usual

    def refuse(self, key: str, value: Any, expected: str) -> InputError:
        return InputError(f"{self.where}: key '{key}' is {_shown(value)}; it takes {expected}")

    def choice(self, key: str, allowed: Sequence[str], usual: Any = _MISSING) -> str:
        expected = "one of " + ", ".join(allowed)
        value = self.value(key, expected, usual)
        if not isinstance(value, str) or value not in allowed:
            raise self.refuse(key, value, expected)
        return str(value)

    def whole(self, key: str, least: int, usual: Any = _MISSING) -> int:
        expected = f"a whole number from {least} up"
        value = self.value(key, expected, usual)
        if isinstance(value, int) and value > _MOST:
            raise self.refuse(key, value, f"a whole number from {least} to {_MOST}")
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refuse(key, value, expected)
        return value

    def number(self, key: str, least: float, most: float, usual: Any = _MISSING) -> float:
        expected = (
            "a number"
            if math.isinf(least)
            else f"a number from {least:g} " + ("up" if math.isinf(most) else f"to {most:g}")
        )
        value = self.value(key, expected, usual)
        if not _is_number(value) or not least <= value <= most:
            raise self.refuse(key, value, expected)
        return float(value)

    def numbers(self, key: str, least: float, most: float) -> Tuple[float, ...]:
        value = self.value(key, "a list of numbers", ())
        if not isinstance(value, (list, tuple)) or not all(_is_number(v) and least <= v <= most for v in value):
            raise self.refuse(key, value, "a list of numbers")
        return tuple(float(v) for v in value)

    def section(self, key: str) -> _Reader:
        value = self.value(key, "keys and values", {})
        return _Reader(value, f"{self.where}: key '{key}'")

    def entries(self, key: str) -> List[_Reader]:
        value = self.value(key, "a list of keys and values")
        if not isinstance(value, list):
            raise self.refuse(key, value, "a list of keys and values")
        return [_Reader(entry, f"{self.where}: {key}[{i}]") for i, entry in enumerate(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
