"""Is NASI label- and data-agnostic? The same search with other images, other labels and other draws, side by side.

Theorem 2 of arXiv:2109.00817 (section 4.4) bounds how far trace norms of the kernel differ between two sets of images
and labels. Two things follow, and are measured: trace norms on other images or labels rank architectures in the same
order, and the search finds an architecture of the same kind. What is found depends on chance as well, so the search is
also made with other draws and with other weights, on the same images and labels: images and labels matter if they
change more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from naslib_gennas import truth as truths
from naslib_gennas.errors import InputError
from naslib_gennas.networks.supernet import Supernet
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.randomness import derive, generator
from naslib_gennas.regression import batches
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import nasi
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.truth import metrics
from naslib_gennas.truth.table import Truth

#: (images, whose labels: "random" or "classes") of each search; the first one is what the others are compared with.
DATA: Tuple[Tuple[str, str], ...] = (
    ("noise", "random"),
    ("photos", "random"),
    ("photos", "classes"),
    ("gaussian-classes", "random"),
    ("gaussian-classes", "classes"),
)
#: What else is changed, on the first images and labels: how much is chance.
CHANCE = ("draws", "weights")
#: Architectures whose trace norms are compared, and labels that each trace norm is the mean over.
SAMPLE, DRAWS = 40, 4


@dataclass(frozen=True)
class Row:
    """One search.

    Attributes:
        images, labels: what it was on.
        changed: "images", "labels", "images and labels", "draws", "weights"; empty for the first search.
        arch: what it found.
        same: whether that is isomorphic to what the first search found.
        edges: the share of a supernet's edges that do the same in both.
        rho: Spearman's correlation of the trace norms of a sample with those of the first row, with its interval;
            None where they are the same ones.
        truth: the true value of what was found.
    """

    images: str
    labels: str
    changed: str
    arch: str
    same: bool
    edges: float
    rho: Optional[Tuple[float, float, float]]
    truth: Optional[float]


@dataclass(frozen=True)
class Checked:
    """What the searches found, the first one first."""

    rows: Tuple[Row, ...]
    settings: Mapping[str, Any]
    truth: Optional[Truth] = None

    def edges(self, by_chance: bool) -> float:
        """The mean share of edges in common with the first search, over those by chance or over those on other data."""
        return float(np.mean([row.edges for row in self.rows[1:] if (row.changed in CHANCE) == by_chance]))

    @property
    def least_rho(self) -> float:
        """The lowest correlation of trace norms between two sets of images and labels."""
        return min(row.rho[0] for row in self.rows if row.rho is not None and row.changed not in CHANCE)

    def to_json(self) -> Dict[str, Any]:
        """The check as plain data."""
        return {
            "settings": self.settings,
            "rows": [vars(row) for row in self.rows],
            "edges in common on other images and labels": self.edges(False),
            "edges in common by other draws and weights": self.edges(True),
            "least rho of trace norms": self.least_rho,
            "truth": None if self.truth is None else self.truth.to_json(),
        }


#: Called after each step: which search, its step, how many there are.
Progress = Callable[[str, int, int], None]


def check(
    space: Union[str, SearchSpace[Any], Scorer],
    *,
    steps: Optional[int] = None,
    nu: Union[str, float] = nasi.ADAPTIVE,
    estimator: str = nasi.ESTIMATORS[0],
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    progress: Progress = lambda name, done, total: None,
    **scoring: Any,
) -> Checked:
    """Search on noise, photographs and Gaussian classes, with random labels and with true ones, and compare.

    The true label of a photograph's crop is the photograph, that of an image of a Gaussian class its class. Every
    search is kept in the store step by step: called again, it goes on.

    Args:
        space: "nasbench201" or "darts".
        steps, nu, estimator: of each search, see `nasi.search`.
        truth: "installed", None, or what `truth.load` takes; only reported.
        progress: called after each step.
        scoring: `seed`, `profile`, `device`, `store`: see `Scorer.of`. The images are the check's own.

    Raises:
        InputError: a space without a supernet, or images or workers were asked for.
        Interrupted: Ctrl-C or SIGTERM; what is done is in the store.
    """
    said = [name for name in ("proxy", "inputs", "workers", "executor") if scoring.get(name)]
    if said:
        raise InputError(f"the check whether NASI is agnostic has no use for {', '.join(said)}; leave it out")
    first = nasi.scorer(space, **{**scoring, "inputs": DATA[0][0]})
    table = truths.find(truth, first.space)
    ascent = nasi.Ascent(nu, estimator)
    plan = [(images, labels, _changed(images, labels)) for images, labels in DATA]
    plan += [(*DATA[0], chance) for chance in CHANCE]
    supernet = supernets.make(first.space.name, first.proxy.profile, first.seed)
    sample = _sample(first)
    rows: List[Row] = []
    norms: List[Sequence[float]] = []
    settings = {"space": first.space.name, "seed": first.seed, "nu": nu, "estimator": estimator, "steps": steps}
    with first.place as (_, store):
        try:
            for images, labels, changed in plan:
                scorer = first.at(inputs=images, seed=first.seed + 1 if changed == "weights" else None)
                classes = batches.classes(images, len(scorer.batch)) if labels == "classes" else None
                draws = first.seed + 1 if changed == "draws" else first.seed
                one = nasi.Ascent(ascent.nu, ascent.estimator, labels=classes, draws=draws)
                about = {"method": "nasi", "nu": nu, "estimator": estimator, "labels": classes, "draws": draws}
                journal = Journal(store, "search", scorer, about)
                name = f"{images}, {labels} labels{f', other {changed}' if changed in CHANCE else ''}"

                def show(done: int, total: int, draw: nasi.Draw, name: str = name) -> None:
                    progress(name, done, total)

                found = nasi.run(scorer, one, steps, journal, None, show)
                norms.append([] if changed == "draws" else _trace_norms(scorer, sample, classes))
                rows.append(_row(first.space, supernet, (images, labels, changed), found.arch, rows, norms, table))
        except KeyboardInterrupt:
            raise Interrupted(Checked(tuple(rows), settings, table), f"{len(rows)} searches") from None
    return Checked(tuple(rows), settings, table)


def _changed(images: str, labels: str) -> str:
    """What a search has that the first one has not."""
    named = [name for name, ours, first in zip(("images", "labels"), (images, labels), DATA[0]) if ours != first]
    return " and ".join(named)


def _sample(scorer: Scorer) -> List[Any]:
    rng = np.random.default_rng(derive(scorer.seed, "agnostic"))
    found: List[Any] = []
    while len(found) < SAMPLE:
        arch = scorer.space.sample(rng)
        if scorer.space.untrainable(arch) is None:
            found.append(arch)
    return found


def _trace_norms(scorer: Scorer, sample: Sequence[Any], classes: Optional[Tuple[int, ...]]) -> List[float]:
    """The mean trace norm of each architecture over draws of random labels, or that on the true ones."""
    with conditions():
        norms = nasi.TraceNorms(scorer)
        drawn = generator(scorer.seed, "labels", "agnostic")
        shape = (DRAWS, len(norms.batch))
        labels = torch.tensor([classes]) if classes else torch.randint(supernets.CLASSES, shape, generator=drawn)
        return [
            float(np.mean([float(norms.of(norms.supernet.choice(arch), each).detach()) for each in labels]))
            for arch in sample
        ]


def _row(
    space: SearchSpace[Any],
    supernet: Supernet,
    what: Tuple[str, str, str],
    arch: str,
    rows: Sequence[Row],
    norms: Sequence[Sequence[float]],
    table: Optional[Truth],
) -> Row:
    parsed = space.parse(arch)
    other = space.parse(rows[0].arch) if rows else parsed
    ours, theirs = (_edges(supernet, one) for one in (parsed, other))
    rho = None
    if rows and norms[-1]:
        found = metrics.spearman(norms[-1], norms[0])
        rho = (found.value, found.low, found.high)
    share = float(np.mean([one == another for one, another in zip(ours, theirs)]))
    value = None if table is None else table.of(space, parsed)
    return Row(*what, arch, space.key(parsed) == space.key(other), share, rho, value)


def _edges(supernet: Supernet, arch: Any) -> List[Any]:
    return [edge for _, edges in sorted(supernet.choice(arch).items()) for edge in edges]
