"""TE-NAS as a search (arXiv:2102.11535, section 3.3): a supernet loses operations until one a connection is left.

The supernet has every operation on every edge, averaged. Before each cut, every operation is left out once: by how much
does that lower the condition number of the neural tangent kernel (trainability), and by how much the number of linear
regions (expressivity)? Both changes are ranked among all operations of the network, and each edge loses the one whose
ranks have the least sum: trained more easily without it, and hardly less expressive. No weight is trained and no label
is looked at. In DARTS, whose nodes keep two edges, edges are cut in the same way in the end.

As the authors' code has it: `none` is left out from the start; changes are relative to the uncut supernet under the
same initialisation, to three decimals, and means over three initialisations; regions are counted on 3,000 patches of
3x3 pixels by the first cell of each kind, of one channel and without a stem; DARTS loses three operations an edge at a
time. Their kernel is that of 72 images of 32x32 (DARTS: 14); here a profile says so, 16 of 16x16 as a rule, since a
supernet on a CPU takes a minute that way and an hour that way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from naslib_gennas.errors import check_whole
from naslib_gennas.networks.cells import CellPlan, Genotype
from naslib_gennas.networks.supernet import Choice, Supernet
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.activations import watch
from naslib_gennas.proxies.initialisation import kaiming
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.proxies.ntk_cond import condition
from naslib_gennas.randomness import derive, generator
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.result import Interrupted

#: One cell a stage of four channels, the kernel of 16 images of 16x16 pixels.
USUAL = Profile(name="te-nas", cells=1, channels=4, images=16, resolution=16)
#: Initialisations that a change is the mean over.
REPEATS = 3
#: Patches whose activation patterns are counted, and their side in pixels.
PATCHES, SIDE = 3000, 3
#: Operations that each edge loses at a time; edges that a node keeps in the end (None: all of them).
CUTS: Mapping[str, Tuple[int, Optional[int]]] = {"nasbench201": (1, None), "darts": (3, 2)}
# Decimals of a change under one initialisation, and of what else is only the rounding of their mean.
DECIMALS, EQUAL = 3, 9

#: What is left of a supernet: by kind of cell, the operations of each edge.
Left = Dict[str, List[List[str]]]
#: An operation of an edge: kind of cell, edge, name.
Part = Tuple[str, int, str]


@dataclass(frozen=True)
class Trial:
    """What leaving out one operation changes; the higher, the better without it.

    Attributes:
        kind, edge, operation: what was left out.
        condition: by how much the condition number falls, as a share of what it was: the mean over initialisations.
        regions: by how much the number of linear regions falls, likewise.
    """

    kind: str
    edge: int
    operation: str
    condition: float
    regions: float


#: Called after each trial: how many are done, how many there are, the trial.
Progress = Callable[[int, int, Trial], None]


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        arch: what is left, in the benchmark's notation; empty where the search was stopped.
        score: minus the condition number of what is left, the mean over the initialisations.
        trials: in the order in which they were made.
        cut: what was cut, in that order.
        settings: what decides the search.
        resumed: trials that an earlier, interrupted run had made.
    """

    arch: str
    score: float
    trials: Tuple[Trial, ...]
    cut: Tuple[Part, ...]
    settings: Mapping[str, Any]
    resumed: int = 0

    @property
    def evaluations(self) -> int:
        """How many cut supernets were looked at."""
        return len(self.trials)

    def to_json(self) -> Dict[str, Any]:
        """The search as plain data."""
        return {
            "method": "te-nas",
            "arch": self.arch,
            "settings": self.settings,
            "history": [vars(trial) for trial in self.trials],
            "cut": [list(part) for part in self.cut],
        }


def search(
    space: Union[str, SearchSpace[Any]],
    *,
    repeats: int = REPEATS,
    progress: Progress = lambda done, total, trial: None,
    **scoring: Any,
) -> Searched:
    """Search for an architecture by TE-NAS.

    Args:
        space: "nasbench201" or "darts".
        repeats: initialisations that each change is the mean over.
        progress: called after each trial.
        scoring: `inputs`, `seed` (of the weights and patches), `profile` (size of the supernet and of the batch),
            `device`.

    Raises:
        InputError: a space without a supernet, or no repeats.
        Interrupted: Ctrl-C or SIGTERM.
    """
    return run(scorer(space, **scoring), repeats, None, progress)


def scorer(space: Union[str, SearchSpace[Any], Scorer], **scoring: Any) -> Scorer:
    """The scorer that says which supernet, batch and seed a search has."""
    given = {name: value for name, value in scoring.items() if value is not None}
    return Scorer.of(space, **{"profile": USUAL, **given, "proxy": "ntk_cond"})


def run(scorer: Scorer, repeats: int, journal: Optional[Journal], progress: Progress) -> Searched:
    """The search with a scorer; what a journal has is not computed again."""
    check_whole("repeats", repeats)
    with conditions():
        measured = _Supernets(scorer, repeats)
        saved = journal.saved if journal is not None else []
        left = {kind: [list(measured.names) for _ in measured.whole.edges(kind)] for kind in measured.whole.kinds}
        at_once, kept = CUTS[scorer.space.name]
        trials: List[Trial] = []
        cut: List[Part] = []
        resumed, total = 0, _total(measured.whole, left, at_once, kept)

        def result(arch: str = "", score: float = -math.inf) -> Searched:
            profile = scorer.proxy.profile
            settings = {
                "space": scorer.space.name,
                "repeats": repeats,
                "inputs": scorer.batch.name,
                "seed": scorer.seed,
                "channels": profile.channels,
                "cells": profile.cells,
                "images": len(scorer.batch),
                "resolution": profile.resolution,
            }
            return Searched(arch, score, tuple(trials), tuple(cut), settings, resumed)

        def tried(part: Part, stage: int) -> Trial:
            nonlocal resumed
            place = len(trials)
            if place < len(saved):
                resumed += 1
                trial = Trial(*part, saved[place]["condition"], saved[place]["regions"])
            else:
                trial = Trial(*part, *measured.change(left, part, stage))
                if journal is not None:
                    journal.append(place, {"condition": trial.condition, "regions": trial.regions})
            trials.append(trial)
            progress(len(trials), total, trial)
            return trial

        try:
            for stage, (parts, spare) in enumerate(_stages(measured.whole, left, at_once, kept)):
                order = ranked([tried(part, stage) for part in parts])
                for part in spare(order):
                    cut.append(part)
                    left[part[0]][part[1]].remove(part[2])
            score = -measured.condition(left)
        except KeyboardInterrupt:
            raise Interrupted(result(), f"{len(trials)} trials") from None
        arch = _architecture(scorer.space.name, measured.whole, left)
        return result(scorer.space.format(arch), score)


def ranked(trials: Sequence[Trial]) -> List[Part]:
    """The parts of trials from the one to be cut first: by the sum of two ranks, that of the condition number's fall,
    the largest first, and that of the regions' fall, the smallest first; equal changes have equal ranks."""
    falls = [round(trial.condition, EQUAL) for trial in trials]
    losses = [round(trial.regions, EQUAL) for trial in trials]
    easier = {value: rank for rank, value in enumerate(sorted(set(falls), reverse=True))}
    poorer = {value: rank for rank, value in enumerate(sorted(set(losses)))}
    ranks = [(easier[fall] + poorer[loss], easier[fall]) for fall, loss in zip(falls, losses)]
    order = sorted(range(len(trials)), key=lambda place: ranks[place])
    return [(trials[place].kind, trials[place].edge, trials[place].operation) for place in order]


#: Of the parts in the order in which they are to be cut: those that are.
Spare = Callable[[Sequence[Part]], List[Part]]


def _stages(supernet: Supernet, left: Left, at_once: int, kept: Optional[int]) -> Iterator[Tuple[List[Part], Spare]]:
    """What is tried before each cut, and how much of it is cut; `left` changes meanwhile."""
    while any(len(edge) > 1 for edges in left.values() for edge in edges):
        counts = {(kind, index): len(edge) for kind, edges in left.items() for index, edge in enumerate(edges)}
        parts = [(kind, index, name) for (kind, index), n in counts.items() if n > 1 for name in left[kind][index]]

        def from_each(order: Sequence[Part], counts: Mapping[Tuple[str, int], int] = counts) -> List[Part]:
            found: Dict[Tuple[str, int], List[Part]] = {}
            for part in order:
                own = found.setdefault(part[:2], [])
                if len(own) < min(at_once, counts[part[:2]] - 1):
                    own.append(part)
            return [part for own in found.values() for part in own]

        yield parts, from_each
    if kept is None:
        return
    for kind in left:
        for target in sorted({target for _, target in supernet.edges(kind)}):
            into = [index for index, edge in enumerate(supernet.edges(kind)) if edge[1] == target]
            if len(into) > kept:
                yield [(kind, index, left[kind][index][0]) for index in into], lambda order: list(order[:-kept])


def _total(supernet: Supernet, left: Left, at_once: int, kept: Optional[int]) -> int:
    """How many trials a search takes."""
    copy = {kind: [list(edge) for edge in edges] for kind, edges in left.items()}
    total = 0
    for parts, spare in _stages(supernet, copy, at_once, kept):
        total += len(parts)
        for kind, index, name in spare(parts):
            copy[kind][index].remove(name)
    return total


class _Supernets:
    """The supernet whose kernel is looked at, and the thin one whose regions are counted."""

    def __init__(self, scorer: Scorer, repeats: int) -> None:
        space, profile = scorer.space.name, scorer.proxy.profile
        device = scorer.place.device
        self.seed, self.repeats = scorer.seed, repeats
        self.whole = supernets.make(space, profile, scorer.seed).to(device).train()
        self.thin = supernets.thin(space, scorer.seed).to(device).train()
        self.names = tuple(name for name in self.whole.operations if name != "none")
        self.images = scorer.batch.to(device).tensor
        self.patches = _patches(self.images, self.thin.width, scorer.seed)
        self._uncut: Tuple[int, List[Tuple[float, int]]] = (-1, [])

    def change(self, left: Left, part: Part, stage: int) -> Tuple[float, float]:
        """The means of the relative changes of condition number and regions without a part."""
        if self._uncut[0] != stage:
            self._uncut = stage, [self._measure(left, stage, repeat) for repeat in range(self.repeats)]
        kind, index, name = part
        edges = [[one for one in edge if (place, one) != (index, name)] for place, edge in enumerate(left[kind])]
        falls = []
        for repeat, (before, regions) in enumerate(self._uncut[1]):
            now, fewer = self._measure({**left, kind: edges}, stage, repeat)
            falls.append((_share(before, now), _share(regions, fewer)))
        return float(np.mean([fall for fall, _ in falls])), float(np.mean([loss for _, loss in falls]))

    def condition(self, left: Left) -> float:
        """The mean condition number of what is left."""
        return float(np.mean([self._kernel(left, -1, repeat) for repeat in range(self.repeats)]))

    def _measure(self, left: Left, stage: int, repeat: int) -> Tuple[float, int]:
        return self._kernel(left, stage, repeat), self._regions(left, stage, repeat)

    def _kernel(self, left: Left, stage: int, repeat: int) -> float:
        kaiming(self.whole, "fan_out", generator(self.seed, "kernel", stage + 1, repeat))
        weights = [weight for name, weight in self.whole.named_parameters() if name.endswith("weight")]
        return condition(self.whole.logits(self.images, _mean(left)), weights)

    def _regions(self, left: Left, stage: int, repeat: int) -> int:
        kaiming(self.thin, "fan_in", generator(self.seed, "regions", stage + 1, repeat))
        patterns: List[torch.Tensor] = []

        def run() -> None:
            value = self.thin.first_cells(self.patches, _mean(left))
            torch.relu(value - value.mean((0, 2, 3), keepdim=True))  # behind a BatchNorm, as before the classifier

        with torch.no_grad():
            watch(self.thin, len(self.patches), run, patterns.append)
        return int(torch.cat(patterns, 1).unique(dim=0).shape[0])


def _mean(left: Left) -> Choice:
    """The supernet of what is left: the mean of each edge's operations."""
    return {kind: [{name: 1 / len(edge) for name in edge} for edge in edges] for kind, edges in left.items()}


def _share(before: float, now: float) -> float:
    """By which share of what it was a number falls, to three decimals: what differs by less is noise.

    A kernel without an inverse has an infinite condition number.
    """
    if before == now:
        return 0.0
    return round((before - now) / before, DECIMALS) if math.isfinite(before) else 1.0


def _patches(images: torch.Tensor, width: int, seed: int) -> torch.Tensor:
    """Random patches of the images, of one random channel or of all three: (patches, width, 3, 3)."""
    rng = np.random.default_rng(derive(seed, "patches"))
    count, channels, height, across = images.shape
    rows, top, left = (rng.integers(0, most, PATCHES) for most in (count, height - SIDE + 1, across - SIDE + 1))
    only = rng.integers(0, channels, PATCHES)
    drawn = [
        images[row, :, y : y + SIDE, x : x + SIDE][slice(None) if width == channels else [channel]]
        for row, y, x, channel in zip(rows, top, left, only)
    ]
    return torch.stack(drawn)


def _architecture(space: str, supernet: Supernet, left: Left) -> Any:
    if space == "nasbench201":
        return tuple(edge[0] for edge in left["cell"])
    return Genotype(*(_plan(supernet, kind, left[kind]) for kind in ("normal", "reduce")))


def _plan(supernet: Supernet, kind: str, edges: Sequence[Sequence[str]]) -> CellPlan:
    kept = [(edge[0], source) for (source, _), edge in zip(supernet.edges(kind), edges) if edge]
    return CellPlan(tuple(kept), tuple(sorted({target for _, target in supernet.edges(kind)})))
