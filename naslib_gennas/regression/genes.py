"""The genes of a proxy task, drawn and mutated: what the task search evolves (section 3.4 of arXiv:2108.01899)."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Callable, Dict, List, Sequence

import numpy as np

from naslib_gennas.regression import tasks
from naslib_gennas.regression.tasks import ProxyTask

#: What a genome is: plain data, ready for JSON.
Genome = Dict[str, Any]

BASES = {"cnn": ("sin1d", "sin2d", "dot", "gdot", "resize"), "rnn": ("sin1d", "sin2d", "dot", "gdot")}
CHANNELS = (16, 32, 48, 64, 80, 96)
WEIGHTS = tuple(round(0.5 + 0.1 * i, 1) for i in range(25))
LEVELS = tuple(round(0.1 * i, 1) for i in range(10))
MUTATION_RATE = 0.2
FREQUENCIES = 10


def _pick(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _frequencies(rng: np.random.Generator) -> List[float]:
    low, high = sorted(rng.uniform(0.0, 0.5, 2))
    return [round(float(f), 6) for f in rng.uniform(low, high, FREQUENCIES)]


_SIGNAL_GENES: Dict[str, Callable[[np.random.Generator], Any]] = {
    "present": lambda rng: bool(rng.integers(2)),
    "weight": lambda rng: _pick(rng, WEIGHTS),
    "frequencies": _frequencies,
    "fraction": lambda rng: round(float(rng.uniform(0.0, 1.0)), 6),
    "scope": lambda rng: _pick(rng, ("local", "global")),
}


def _draw_with(gene: Callable[[Any, Callable[[np.random.Generator], Any]], Any], genome: Genome, kind: str) -> Genome:
    """Go through every gene of a genome: `gene` gets its value and how it is drawn."""
    stages = genome.get("stages") or [{} for _ in range(3 if kind == "cnn" else 2)]
    made: Genome = {
        "noise": gene(genome.get("noise"), lambda rng: _pick(rng, ("gaussian", "uniform"))),
        "level": gene(genome.get("level"), lambda rng: _pick(rng, LEVELS)),
        "stages": [],
    }
    for stage in stages:
        fresh: Dict[str, Any] = {"channels": gene(stage.get("channels"), lambda rng: _pick(rng, CHANNELS))}
        for basis in BASES[kind]:
            part = stage.get(basis, {})
            names = ["present", "weight"]
            names += ["frequencies"] if basis in tasks.WAVES else ["fraction"] if basis in tasks.DOTS else []
            names += ["scope"] if basis != "resize" else []
            fresh[basis] = {name: gene(part.get(name), _SIGNAL_GENES[name]) for name in names}
        made["stages"].append(fresh)
    if kind == "rnn":  # input and target have one dimension
        made["stages"][1]["channels"] = made["stages"][0]["channels"]
    return made


def sample(rng: np.random.Generator, kind: str = "cnn") -> Genome:
    """A genome with every gene drawn anew; at least one signal is present in every target."""
    while True:
        genome = _draw_with(lambda value, draw: draw(rng), {}, kind)
        if _complete(genome, kind):
            return genome


def mutate(genome: Genome, rng: np.random.Generator, kind: str = "cnn", rate: float = MUTATION_RATE) -> Genome:
    """A genome with every gene redrawn with probability `rate`, at least one of them changed."""
    while True:
        mutant = _draw_with(lambda value, draw: draw(rng) if rng.random() < rate else value, genome, kind)
        if mutant != genome and _complete(mutant, kind):
            return copy.deepcopy(mutant)


def _complete(genome: Genome, kind: str) -> bool:
    return all(any(stage[basis]["present"] for basis in BASES[kind]) for stage in genome["stages"])


def from_task(task: ProxyTask, rng: np.random.Generator) -> Genome:
    """The genome that stands for a task of the shipped kind; genes that it does not use are drawn.

    Raises:
        ValueError: a signal or a setting that no genome has.
    """
    genome = _draw_with(lambda value, draw: draw(rng), {}, task.kind)
    genome["noise"], genome["level"] = task.noise.distribution, round(task.noise.level, 1)
    targets = task.stages if task.kind == "cnn" else (tasks.Stage(task.stages[0].channels, task.input), task.stages[0])
    for genes, stage in zip(genome["stages"], targets):
        genes["channels"] = stage.channels
        for basis in BASES[task.kind]:
            genes[basis]["present"] = False
        for part in stage.signals:
            if part.basis not in genes or genes[part.basis]["present"]:
                raise ValueError(f"task '{task.name}': a genome has one {part.basis} signal a stage at most")
            used = {"weight": part.weight, "scope": part.scope, "fraction": part.fraction}
            genes[part.basis].update({key: value for key, value in used.items() if key in genes[part.basis]})
            genes[part.basis]["present"] = True
            if part.frequencies and "frequencies" in genes[part.basis]:
                genes[part.basis]["frequencies"] = list(part.frequencies)
    if dataclasses.replace(to_task(genome, task.name, task.kind), batch_size=task.batch_size) != task:
        raise ValueError(f"task '{task.name}' has settings that are no genes")
    return genome


def to_task(genome: Genome, name: str, kind: str = "cnn") -> ProxyTask:
    """The task that a genome stands for."""
    targets = []
    for stage in genome["stages"]:
        parts = []
        for basis in BASES[kind]:
            genes = stage[basis]
            if genes["present"]:
                own = {key: genes[key] for key in ("weight", "fraction", "scope") if key in genes}
                parts.append(tasks.Signal(basis, frequencies=tuple(genes.get("frequencies", ())), **own))
        targets.append(tasks.Stage(stage["channels"], tuple(parts)))
    noise = tasks.Noise(genome["noise"], genome["level"])
    if kind == "rnn":
        return ProxyTask(name, "rnn", (targets[1],), noise=noise, input=targets[0].signals, optimizer=tasks.ADAM)
    return ProxyTask(name, "cnn", tuple(targets), noise=noise)
