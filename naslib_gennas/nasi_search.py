"""NASI as a search (arXiv:2109.00817, section 4.3): ascent on the trace norm over a Gumbel-softmax relaxation.

Each step draws an architecture (an operation an edge), estimates the trace norm of its kernel in an untrained supernet,
and moves the distribution along the gradient of NASI's objective. No weight is ever trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch

from naslib_gennas import images, rlnas, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.cells import CellPlan, Genotype
from naslib_gennas.networks.supernet import Choice, Supernet
from naslib_gennas.profiles import Profile
from naslib_gennas.proxies.gradients import random_labels
from naslib_gennas.proxies.nasi import objective, trace_norm
from naslib_gennas.randomness import generator

#: A small supernet on 16 noise images of 16x16; `steps` are those of the search.
USUAL = Profile(name="nasi", cells=1, channels=8, images=16, resolution=16, steps=100)
#: Length of a step, in the units of the distribution's logits; the gradient is normalised.
STEP = 1.0
ADAPTIVE, FIXED = "adaptive", "fixed"
#: How many architectures drawn at the start set nu where it is fixed and not given.
FIRST = 10


@dataclass(frozen=True)
class Draw:
    """One step: the trace norm of the architecture drawn, the limit nu, and the value of the objective."""

    trace: float
    nu: float
    value: float


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        arch: the likeliest architecture at the end, in the benchmark's notation.
        probabilities: by kind of cell, of each operation on each edge (edges, operations).
        draws: one a step.
        settings: what decides the search.
    """

    arch: str
    probabilities: Mapping[str, Sequence[Sequence[float]]]
    draws: Tuple[Draw, ...]
    settings: Mapping[str, Any]

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
    space: str,
    *,
    steps: Optional[int] = None,
    nu: Union[str, float] = ADAPTIVE,
    inputs: str = "noise",
    seed: int = 0,
    profile: Optional[Profile] = None,
    device: str = "cpu",
    progress: Callable[[int, int, Draw], None] = lambda done, total, draw: None,
) -> Searched:
    """Search for an architecture by NASI.

    Args:
        space: "nasbench201" or "darts".
        steps: of the ascent; None: the profile's (100).
        nu: the limit on the trace norm: "adaptive" (the mean of all drawn so far: NASI-ADA), "fixed" (the mean of
            ten drawn before the ascent) or a number (both NASI-FIX).
        inputs: the input batch; "noise" is the paper's data-agnostic setting.
        seed: of the supernet, the labels and the draws.
        profile: size of the supernet and of the batch.
        device: where to compute.
        progress: called after each step.

    Raises:
        InputError: a space without a supernet, or a limit that is none.
    """
    fixed = _limit(nu)
    chosen = profile or USUAL
    total = chosen.steps if steps is None else steps
    if total < 1:
        raise InputError(f"steps is {total}; it takes a whole number from 1 up")
    supernet = rlnas.make(space, chosen, seed).to(device=device, memory_format=torch.channels_last).train()
    count = chosen.images or 16
    batch = images.load(inputs, count, chosen.resolution).to(device, memory_format=torch.channels_last)
    labels = random_labels(count, rlnas.CLASSES, seed, batch.device)
    logits = {
        kind: torch.zeros(len(supernet.edges(kind)), len(supernet.operations), requires_grad=True)
        for kind in supernet.kinds
    }
    # Stem, reductions and classifier are the same whatever the architecture, and would only drown the differences.
    parameters = [parameter for cell in supernet.cells() for parameter in cell.parameters()]
    draws_of = generator(seed, "gumbel")
    draws: List[Draw] = []
    seen: List[float] = []

    def trace_of(choice: Choice, differentiable: bool) -> torch.Tensor:
        return trace_norm(supernet.logits(batch, choice), parameters, labels, differentiable)

    if nu == FIXED:
        first = [
            float(trace_of(_relaxed(supernet, logits, draws_of, batch.device), False).detach()) for _ in range(FIRST)
        ]
        fixed = sum(first) / len(first)
    for step in range(total):
        trace = trace_of(_relaxed(supernet, logits, draws_of, batch.device), differentiable=True)
        seen.append(float(trace.detach()))
        limit = sum(seen) / len(seen) if fixed is None else fixed
        value = objective(trace, limit)
        gradients = torch.autograd.grad(value, list(logits.values()), allow_unused=True)
        _ascend(list(logits.values()), gradients)
        draws.append(Draw(seen[-1], limit, float(value.detach())))
        progress(step + 1, total, draws[-1])
    found = spaces.get(space)
    probabilities = {kind: values.detach().softmax(1).tolist() for kind, values in logits.items()}
    settings = {
        "space": space,
        "nu": nu if fixed is None else fixed,
        "inputs": inputs,
        "seed": seed,
        "steps": total,
        "channels": chosen.channels,
        "cells": chosen.cells,
        "images": count,
        "resolution": chosen.resolution,
    }
    return Searched(found.format(_likeliest(space, supernet, probabilities)), probabilities, tuple(draws), settings)


def _limit(nu: Union[str, float]) -> Optional[float]:
    """The number that a limit is, None where it is yet to be found."""
    if nu in (ADAPTIVE, FIXED):
        return None
    try:
        limit = float(nu)
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise InputError(f"nu is '{nu}'; it takes adaptive, fixed, or a number above 0")
    return limit


def _relaxed(
    supernet: Supernet, logits: Mapping[str, torch.Tensor], draws: torch.Generator, device: torch.device
) -> Choice:
    """A drawn architecture through which gradients reach the distribution (straight-through Gumbel-softmax)."""
    choice = {}
    for kind, values in logits.items():
        uniform = torch.rand(values.shape, generator=draws).clamp_(1e-9, 1 - 1e-9)
        soft = (values - torch.log(-torch.log(uniform))).softmax(1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        factors = (hard + soft - soft.detach()).to(device)
        choice[kind] = [
            [(name, factors[edge, index]) for index, name in enumerate(supernet.operations)]
            for edge in range(len(values))
        ]
    return choice


@torch.no_grad()
def _ascend(logits: Sequence[torch.Tensor], gradients: Sequence[Optional[torch.Tensor]]) -> None:
    """A step of fixed length along the gradient; a draw that gives none, or one that is not finite, moves nothing."""
    known = [gradient for gradient in gradients if gradient is not None]
    norm = math.sqrt(sum(float(gradient.pow(2).sum()) for gradient in known))
    if not math.isfinite(norm) or norm == 0:
        return
    for values, gradient in zip(logits, gradients):
        if gradient is not None:
            values += STEP * gradient / norm


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
