"""NASI as a search (arXiv:2109.00817, section 4.3): ascent on the expected trace norm, by Gumbel-softmax draws.

Each step draws an architecture (an operation an edge, by Gumbel noise on the distribution's logits), estimates the
trace norm of its kernel in an untrained supernet, and moves the distribution along the gradient of the expected
objective. No weight is ever trained.

The gradient of the expectation is that of the logarithm of the drawn architecture's probability, times its advantage
("likelihood"). The paper differentiates through the relaxed one-hot vectors instead ("gumbel-softmax", straight
through), which costs five times as much and depends more on chance (docs/howto/supernets.md): behind a BatchNorm, the
slope by a factor on an operation's output says little of what another operation in its place would do.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.networks.supernet import Choice, shares
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.proxies.nasi import limit_of, objective, trace_norm
from naslib_gennas.randomness import generator
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies.distribution import Distribution, likeliest
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.result import Interrupted

#: A small supernet on 16 noise images of 8x8; `steps` are those of the search.
USUAL = Profile(name="nasi", cells=2, channels=8, images=16, resolution=8, steps=400)
#: Adam's learning rate for the distribution's logits.
RATE = 0.05
ADAPTIVE, FIXED = "adaptive", "fixed"
#: How the gradient of the expected objective is estimated; the first one is usual.
ESTIMATORS = ("likelihood", "gumbel-softmax")
#: How many times the mean trace norm the limit is, where it is not given: at the mean itself the search shuns most
#: architectures that train well (docs/notebook/compare.md).
ROOM = 2.0
#: What a price may be put on.
RESOURCES = ("params", "flops")
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
    estimator: str = ESTIMATORS[0],
    price: Optional[str] = None,
    progress: Progress = lambda done, total, draw: None,
    **scoring: Any,
) -> Searched:
    """Search for an architecture by NASI.

    Args:
        space: "nasbench201" or "darts".
        steps: of the ascent; None: the profile's (400).
        nu: the limit on the trace norm: "adaptive" (twice the mean of all drawn so far: NASI-ADA), "fixed" (twice the
            mean of fifty drawn before the ascent) or a number (both NASI-FIX).
        estimator: of the gradient: "likelihood", or the paper's "gumbel-softmax".
        price: a resource and its weight, such as "params:2" or "flops:0.5": the expected share of what the most
            expensive architecture has is worth so many standard deviations of the objective, as in SNAS
            (arXiv:1812.09926, section 2.3). It goes with "likelihood".
        progress: called after each step.
        scoring: `inputs` ("noise" is the paper's data-agnostic setting, and usual), `seed` (of the supernet, the random
            labels, new ones each step, and the draws), `profile` (size of the supernet and of the batch), `device`.

    Raises:
        InputError: a space without a supernet, or a limit that is none.
        Interrupted: Ctrl-C or SIGTERM.
    """
    return run(scorer(space, **scoring), Ascent(nu, estimator, price), steps, None, None, progress)


def scorer(space: Union[str, SearchSpace[Any], Scorer], **scoring: Any) -> Scorer:
    """The scorer that says which supernet, batch and seed a search has."""
    given = {name: value for name, value in scoring.items() if value is not None}
    return Scorer.of(space, **{"profile": USUAL, **given, "proxy": "nasi"})


@dataclass(frozen=True)
class Ascent:
    """What is maximised, and how.

    Attributes:
        nu: the limit on the trace norm (see `search`).
        estimator: of the gradient.
        price: of a resource (see `search`).
        labels: the class of each image; None: random ones, new at every step.
        draws: the seed of the draws and of random labels, where it is not that of the supernet's weights.
    """

    nu: Union[str, float] = ADAPTIVE
    estimator: str = ESTIMATORS[0]
    price: Optional[str] = None
    labels: Optional[Tuple[int, ...]] = None
    draws: Optional[int] = None

    def __post_init__(self) -> None:
        if self.nu not in (ADAPTIVE, FIXED) and limit_of(self.nu) is None:
            raise InputError(f"nu is '{self.nu}'; it takes adaptive, fixed, or a number above 0")
        if self.estimator not in ESTIMATORS:
            raise InputError(f"estimator is '{self.estimator}'; it takes {' or '.join(ESTIMATORS)}")
        if self.weight and self.estimator != ESTIMATORS[0]:
            raise InputError(f"a price goes with estimator {ESTIMATORS[0]}; leave estimator out")

    @property
    def weight(self) -> Optional[Tuple[str, float]]:
        """The resource that has a price, and its weight."""
        if self.price is None:
            return None
        resource, _, text = str(self.price).partition(":")
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if resource not in RESOURCES or not 0 <= weight < math.inf:
            raise InputError(f"price is '{self.price}'; it takes params or flops and a weight, as in params:2")
        return resource, weight

    @property
    def limit(self) -> Optional[float]:
        """The number that nu is, None where it is yet to be found."""
        return None if self.nu in (ADAPTIVE, FIXED) else limit_of(self.nu)


class TraceNorms:
    """Trace norms of single paths of an untrained supernet on one batch."""

    def __init__(self, scorer: Scorer) -> None:
        device = scorer.place.device
        supernet = supernets.make(scorer.space.name, scorer.proxy.profile, scorer.seed)
        self.supernet = supernet.to(device=device, memory_format=torch.channels_last).train()
        self.batch = scorer.batch.to(device).tensor.contiguous(memory_format=torch.channels_last)
        # Stem, reductions and classifier are the same whatever the architecture, and only drown the differences.
        self._parameters = [parameter for cell in self.supernet.cells() for parameter in cell.parameters()]

    def of(self, choice: Choice, labels: torch.Tensor, differentiable: bool = False) -> torch.Tensor:
        """That of a choice; it may be differentiated by the choice's weights.

        Args:
            labels: (images,).
        """
        logits = self.supernet.logits(self.batch, choice)
        return trace_norm(logits, self._parameters, labels.to(self.batch.device), differentiable)


def run(
    scorer: Scorer,
    ascent: Ascent,
    steps: Optional[int],
    journal: Optional[Journal],
    budget: Optional[float],
    progress: Progress,
) -> Searched:
    """The search with a scorer; what a journal has is not computed again.

    Args:
        budget: seconds after which there is no new step; those of an interrupted run count.
    """
    fixed = ascent.limit
    chosen, space = scorer.proxy.profile, scorer.space.name
    total = chosen.steps if steps is None and budget is None else steps
    if total is not None:
        check_whole("steps", total)
    with conditions():
        norms = TraceNorms(scorer)
        distribution = Distribution(norms.supernet)
        optimiser = torch.optim.Adam(list(distribution.logits.values()), RATE, maximize=True)
        resource, weight = ascent.weight or ("", 0.0)
        costs = shares(norms.supernet, resource, norms.batch[:2]) if weight else {}
        seed = scorer.seed if ascent.draws is None else ascent.draws
        noise, drawn_labels = generator(seed, "gumbel"), generator(seed, "labels")
        draws: List[Draw] = []
        saved = journal.saved if journal is not None else []
        resumed = 0

        def result() -> Searched:
            probabilities = distribution.probabilities()
            settings = {
                "space": space,
                "nu": ascent.nu if fixed is None else fixed,
                "estimator": ascent.estimator,
                "price": ascent.price,
                "inputs": scorer.batch.name,
                "seed": scorer.seed,
                "steps": len(draws),
                "channels": chosen.channels,
                "cells": chosen.cells,
                "images": len(norms.batch),
                "resolution": chosen.resolution,
            }
            arch = scorer.space.format(likeliest(space, norms.supernet, probabilities))
            return Searched(arch, probabilities, tuple(draws), settings, resumed)

        def labels() -> torch.Tensor:
            if ascent.labels is not None:
                return torch.tensor(ascent.labels)
            return torch.randint(supernets.CLASSES, (len(norms.batch),), generator=drawn_labels)

        def limit_with(trace: float) -> float:
            """The limit nu at a step whose draw has this trace norm."""
            return fixed if fixed is not None else ROOM * (sum(d.trace for d in draws) + trace) / (len(draws) + 1)

        def by_likelihood(known: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
            choice, logarithm = distribution.draw(noise)
            now = labels()
            trace = float(norms.of(choice, now).detach()) if known is None else known["trace"]
            limit = limit_with(trace)
            draws.append(Draw(trace, limit, float(objective(torch.tensor(trace), limit))))
            gain = _advantage(draws) * logarithm
            (gain - weight * distribution.expected(costs) if weight else gain).backward()
            return {"trace": trace}

        def by_relaxation(known: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
            choice = distribution.draw_relaxed(noise)
            now = labels()
            if known is None:
                estimate = norms.of(choice, now, differentiable=True)
                limit = limit_with(float(estimate.detach()))
                value = objective(estimate, limit)
                gradients = torch.autograd.grad(value, list(distribution.logits.values()), allow_unused=True)
                slopes = [torch.zeros(()) if slope is None else slope for slope in gradients]
                known = {"trace": float(estimate.detach()), "slopes": [slope.tolist() for slope in slopes]}
            limit = limit_with(known["trace"])
            draws.append(Draw(known["trace"], limit, float(objective(torch.tensor(known["trace"]), limit))))
            for values, slope in zip(distribution.logits.values(), known["slopes"]):
                values.grad = torch.tensor(slope).expand_as(values).clone()
            return known

        step = by_likelihood if ascent.estimator == ESTIMATORS[0] else by_relaxation
        try:
            if ascent.nu == FIXED:
                fixed = (
                    ROOM
                    * sum(float(norms.of(distribution.draw(noise)[0], labels()).detach()) for _ in range(FIRST))
                    / FIRST
                )
            before, started = 0.0, time.perf_counter()
            while total is None or len(draws) < total:
                entry = saved[len(draws)] if len(draws) < len(saved) else None
                wall = entry["wall"] if entry is not None else before + time.perf_counter() - started
                if budget is not None and draws and wall > budget:
                    break
                optimiser.zero_grad()
                made = step(entry)
                if entry is not None:
                    resumed, before, started = resumed + 1, wall, time.perf_counter()
                elif journal is not None:
                    journal.append(len(draws) - 1, {**made, "wall": wall})
                optimiser.step()
                progress(len(draws), total or 0, draws[-1])
        except KeyboardInterrupt:
            raise Interrupted(result(), f"{len(draws)} steps") from None
        return result()


def _advantage(draws: Sequence[Draw]) -> float:
    """By how many standard deviations the last draw's objective exceeds the recent mean; 0 where it says nothing."""
    recent = np.array([draw.value for draw in draws[-WINDOW:]])
    deviation = float(recent.std())
    if len(recent) < LEAST or not math.isfinite(deviation) or deviation == 0:
        return 0.0
    return float(np.clip((recent[-1] - recent.mean()) / deviation, -CLIP, CLIP))
