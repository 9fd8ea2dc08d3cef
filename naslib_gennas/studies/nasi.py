"""NASI as a search (arXiv:2109.00817, section 4.3): ascent on the expected trace norm, by Gumbel-softmax draws.

Each step draws an architecture (an operation an edge, by Gumbel noise on the distribution's logits), estimates the
trace norm of its kernel in an untrained supernet, and moves the distribution along the gradient of the expected
objective. No weight is ever trained.

The gradient of the expectation is that of the logarithm of the drawn architecture's probability, times its advantage.
The paper differentiates through the relaxed one-hot vectors instead, which costs eight times as much and here does not
raise the trace norm even without a limit on it (docs/notebook/compare.md): behind a BatchNorm, the slope by a factor on
an operation's output says little of what another operation in its place would do.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.cells import CellPlan, Genotype
from naslib_gennas.networks.supernet import Choice, Supernet
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.proxies.nasi import limit_of, objective, trace_norm
from naslib_gennas.randomness import generator
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.result import Interrupted

#: A small supernet on 16 noise images of 8x8; `steps` are those of the search.
USUAL = Profile(name="nasi", cells=2, channels=8, images=16, resolution=8, steps=400)
#: Adam's learning rate for the distribution's logits.
RATE = 0.05
ADAPTIVE, FIXED = "adaptive", "fixed"
#: How many times the mean trace norm the limit is, where it is not given: at the mean itself the search shuns most
#: architectures that train well (docs/notebook/compare.md).
ROOM = 2.0
#: How many architectures drawn at the start set nu where it is fixed and not given.
FIRST = 50
# An objective is compared with those of the last so many draws; with fewer than the least, nothing moves.
WINDOW, LEAST = 100, 10
# Trace norms have a heavy tail: no draw counts for more than so many standard deviations.
CLIP = 3.0


@dataclass(frozen=True)
class Draw:
    """One step: the trace norm of the architecture drawn, the limit nu, and the value of the objective."""

    trace: float
    nu: float
    value: float


#: Called after each step: how many are done, how many there are (0: as many as there is time for), the draw.
Progress = Callable[[int, int, Draw], None]


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        arch: the likeliest architecture at the end, in the benchmark's notation.
        probabilities: by kind of cell, of each operation on each edge (edges, operations).
        draws: one a step.
        settings: what decides the search.
        resumed: steps that an earlier, interrupted run had done.
    """

    arch: str
    probabilities: Mapping[str, Sequence[Sequence[float]]]
    draws: Tuple[Draw, ...]
    settings: Mapping[str, Any]
    resumed: int = 0

    @property
    def score(self) -> float:
        """The objective of the last draw."""
        return self.draws[-1].value if self.draws else -math.inf

    @property
    def evaluations(self) -> int:
        """How many architectures were drawn."""
        return len(self.draws)

    def to_json(self) -> Dict[str, Any]:
        """The search as plain data."""
        return {
            "method": "nasi",
            "arch": self.arch,
            "settings": self.settings,
            "probabilities": self.probabilities,
            "history": [vars(draw) for draw in self.draws],
        }


def search(
    space: Union[str, SearchSpace[Any]],
    *,
    steps: Optional[int] = None,
    nu: Union[str, float] = ADAPTIVE,
    progress: Progress = lambda done, total, draw: None,
    **scoring: Any,
) -> Searched:
    """Search for an architecture by NASI.

    Args:
        space: "nasbench201" or "darts".
        steps: of the ascent; None: the profile's (400).
        nu: the limit on the trace norm: "adaptive" (twice the mean of all drawn so far: NASI-ADA), "fixed" (twice the
            mean of fifty drawn before the ascent) or a number (both NASI-FIX).
        progress: called after each step.
        scoring: `inputs` ("noise" is the paper's data-agnostic setting, and usual), `seed` (of the supernet, the random
            labels, new ones each step, and the draws), `profile` (size of the supernet and of the batch), `device`.

    Raises:
        InputError: a space without a supernet, or a limit that is none.
        Interrupted: Ctrl-C or SIGTERM.
    """
    return run(scorer(space, **scoring), steps, nu, None, None, progress)


def scorer(space: Union[str, SearchSpace[Any], Scorer], **scoring: Any) -> Scorer:
    """The scorer that says which supernet, batch and seed a search has."""
    given = {name: value for name, value in scoring.items() if value is not None}
    return Scorer.of(space, **{"profile": USUAL, **given, "proxy": "nasi"})


def run(
    scorer: Scorer,
    steps: Optional[int],
    nu: Union[str, float],
    journal: Optional[Journal],
    budget: Optional[float],
    progress: Progress,
) -> Searched:
    """The search with a scorer; what a journal has is not computed again.

    Args:
        budget: seconds after which there is no new step; those of an interrupted run count.
    """
    fixed = _limit(nu)
    chosen, space = scorer.proxy.profile, scorer.space.name
    total = chosen.steps if steps is None and budget is None else steps
    if total is not None and total < 1:
        raise InputError(f"steps is {total}; it takes a whole number from 1 up")
    device = scorer.place.device
    with conditions():
        supernet = supernets.make(space, chosen, scorer.seed)
        supernet = supernet.to(device=device, memory_format=torch.channels_last).train()
        batch = scorer.batch.to(device).tensor.contiguous(memory_format=torch.channels_last)
        logits = {
            kind: torch.zeros(len(supernet.edges(kind)), len(supernet.operations), requires_grad=True)
            for kind in supernet.kinds
        }
        ascent = torch.optim.Adam(list(logits.values()), RATE, maximize=True)
        # Stem, reductions and classifier are the same whatever the architecture, and only drown the differences.
        parameters = [parameter for cell in supernet.cells() for parameter in cell.parameters()]
        noise, drawn_labels = generator(scorer.seed, "gumbel"), generator(scorer.seed, "labels")
        draws: List[Draw] = []
        saved = journal.saved if journal is not None else []
        resumed = 0

        def result() -> Searched:
            probabilities = {kind: values.detach().softmax(1).tolist() for kind, values in logits.items()}
            settings = {
                "space": space,
                "nu": nu if fixed is None else fixed,
                "inputs": scorer.batch.name,
                "seed": scorer.seed,
                "steps": len(draws),
                "channels": chosen.channels,
                "cells": chosen.cells,
                "images": len(batch),
                "resolution": chosen.resolution,
            }
            arch = scorer.space.format(_likeliest(space, supernet, probabilities))
            return Searched(arch, probabilities, tuple(draws), settings, resumed)

        def drawn(known: Optional[float]) -> Tuple[float, torch.Tensor]:
            """The trace norm of an architecture, and the logarithm of its probability."""
            choice, logarithm = _draw(supernet, logits, noise)
            labels = torch.randint(supernets.CLASSES, (len(batch),), generator=drawn_labels).to(batch.device)
            if known is not None:
                return known, logarithm
            return float(trace_norm(supernet.logits(batch, choice), parameters, labels)), logarithm

        try:
            if nu == FIXED:
                fixed = ROOM * sum(drawn(None)[0] for _ in range(FIRST)) / FIRST
            before, started = 0.0, time.perf_counter()
            while total is None or len(draws) < total:
                entry = saved[len(draws)] if len(draws) < len(saved) else None
                wall = entry["wall"] if entry is not None else before + time.perf_counter() - started
                if budget is not None and draws and wall > budget:
                    break
                trace, logarithm = drawn(None if entry is None else entry["trace"])
                mean = (sum(draw.trace for draw in draws) + trace) / (len(draws) + 1)
                limit = ROOM * mean if fixed is None else fixed
                draws.append(Draw(trace, limit, float(objective(torch.tensor(trace), limit))))
                if entry is not None:
                    resumed, before, started = resumed + 1, wall, time.perf_counter()
                elif journal is not None:
                    journal.append(len(draws) - 1, {"trace": trace, "wall": wall})
                ascent.zero_grad()
                (_advantage(draws) * logarithm).backward()
                ascent.step()
                progress(len(draws), total or 0, draws[-1])
        except KeyboardInterrupt:
            raise Interrupted(result(), f"{len(draws)} steps") from None
        return result()


def _limit(nu: Union[str, float]) -> Optional[float]:
    """The number that a limit is, None where it is yet to be found."""
    if nu in (ADAPTIVE, FIXED):
        return None
    limit = limit_of(nu)
    if limit is None:
        raise InputError(f"nu is '{nu}'; it takes adaptive, fixed, or a number above 0")
    return limit


def _draw(
    supernet: Supernet, logits: Mapping[str, torch.Tensor], noise: torch.Generator
) -> Tuple[Choice, torch.Tensor]:
    """An architecture drawn from the distribution, and the logarithm of its probability."""
    choice, logarithm = {}, torch.zeros(())
    for kind, values in logits.items():
        uniform = torch.rand(values.shape, generator=noise).clamp_(1e-9, 1 - 1e-9)
        picked = (values.detach() - torch.log(-torch.log(uniform))).argmax(1)
        choice[kind] = [supernet.operations[index] for index in picked.tolist()]
        logarithm = logarithm + values.log_softmax(1).gather(1, picked[:, None]).sum()
    return choice, logarithm


def _advantage(draws: Sequence[Draw]) -> float:
    """By how many standard deviations the last draw's objective exceeds the recent mean; 0 where it says nothing."""
    recent = np.array([draw.value for draw in draws[-WINDOW:]])
    deviation = float(recent.std())
    if len(recent) < LEAST or not math.isfinite(deviation) or deviation == 0:
        return 0.0
    return float(np.clip((recent[-1] - recent.mean()) / deviation, -CLIP, CLIP))


def _likeliest(space: str, supernet: Supernet, probabilities: Mapping[str, Sequence[Sequence[float]]]) -> Any:
    """The architecture of the likeliest operations; DARTS keeps the two edges of a node whose operations are surest."""
    if space == "nasbench201":
        rows = [sorted(zip(row, supernet.operations), reverse=True) for row in probabilities["cell"]]
        arch = tuple(row[0][1] for row in rows)
        if spaces.get(space).untrainable(arch) is None:
            return arch
        return tuple(next(name for _, name in row if name != "none") for row in rows)
    return Genotype(*(_plan(supernet, kind, probabilities[kind]) for kind in ("normal", "reduce")))


def _plan(supernet: Supernet, kind: str, rows: Sequence[Sequence[float]]) -> CellPlan:
    best: Dict[int, List[Tuple[float, str, int]]] = {}
    for (source, target), row in zip(supernet.edges(kind), rows):
        probability, name = max((p, name) for p, name in zip(row, supernet.operations) if name != "none")
        best.setdefault(target, []).append((probability, name, source))
    edges = [edge for target in sorted(best) for edge in sorted(best[target], reverse=True)[:2]]
    return CellPlan(tuple((name, source) for _, name, source in edges), tuple(sorted(best)))
