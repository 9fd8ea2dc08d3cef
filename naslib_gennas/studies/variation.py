"""How a search draws architectures and makes children of them.

A child is what the space's own mutation gives, what a mutation at rates gives, or the nearest of other architectures.
The searches of arXiv:2108.01899 (section 4.4) differ in this: a rate for every edge and vertex on NAS-Bench-101 and
-201, the most similar of 200 in the ResNet family of NDS, the nearest by the features of its graph on NAS-Bench-NLP.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Dict, Hashable, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from naslib_gennas.errors import InputError
from naslib_gennas.identity import digest
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies.ranking import read_architectures
from naslib_gennas.truth.sampling import draw
from naslib_gennas.truth.table import Truth

MUTATION, PAPER, NEAREST, TRUTH = "mutation", "paper", "nearest", "truth"
#: How many architectures the paper searches among where it does not search a whole space.
PAPER_AMONG = 25_000
USAGE = f"it takes {MUTATION}, {PAPER}, {NEAREST}, {NEAREST}-of-200, or rates such as edge=1/5,vertex=1/7"
#: What a search may be restricted to: the architectures of its ground truth, so many drawn, those of a file, these.
Among = Union[None, int, str, Path, Sequence[Any]]
# A rate of more makes another architecture, not a neighbour; with a lower one hardly anything ever changes.
_RATES = (0.001, 0.5)
# Mutations that are tried until one is among the architectures that are searched.
_TRIES = 100
# Architectures that are drawn to search among, at the most.
_MOST = 1_000_000
# Architectures whose features are kept.
_FEATURES = 10_000


@dataclass(frozen=True)
class Records:
    """The architectures that a search is restricted to.

    Attributes:
        archs: isomorphic ones once.
        of: where they are from, in words.
        digest: equal for the same architectures.
    """

    archs: Tuple[Any, ...]
    of: str
    digest: str


@dataclass(frozen=True)
class Variation:
    """How a search draws architectures and makes children of them; make one with `variation`.

    Attributes:
        sample: draws an architecture.
        mutate: makes a child of one.
        children: how, in words that `variation` takes; what "paper" stands for is spelt out.
        among: the architectures that are searched; None: all of the space.
    """

    sample: Callable[[np.random.Generator], Any]
    mutate: Callable[[Any, np.random.Generator], Any]
    children: str = MUTATION
    among: Optional[Records] = None

    @property
    def about(self) -> Dict[str, Any]:
        """What of it decides the course of a search, ready for JSON; nothing of what is usual."""
        made: Dict[str, Any] = {} if self.children == MUTATION else {"children": self.children}
        if self.among is not None:
            count = len(self.among.archs)
            made["among"] = {"architectures": count, "of": self.among.of, "digest": self.among.digest}
        return made


def variation(
    space: SearchSpace[Any], children: Optional[str] = None, among: Among = None, table: Optional[Truth] = None
) -> Variation:
    """How a search of a space draws architectures and makes children of them.

    Args:
        space: a search space.
        children: "mutation" (the space's own); rates such as "edge=1/5,vertex=1/7"; "nearest-of-200": of 200 that are
            drawn at random the one with the most features in common with its parent; "nearest": of all that are
            searched; "paper": what the paper's search of this space does. None: "mutation", or "nearest-of-200" where
            a search is among given architectures.
        among: the only architectures that are searched: "truth" (those of `table`), a number (so many are drawn, the
            same ones for every seed), a file (see `ranking.read_architectures`) or a list. A mutation or mutation at
            rates is then repeated up to 100 times until it gives one of them; else one of them is drawn. None: all;
            with "paper" and nearest children: those of `table`, where there is one, else 25,000.
        table: ground truth; only its architectures are looked at.

    Raises:
        InputError: the space has no such children, or there are fewer than two architectures to search among.
    """
    asked = children or (MUTATION if among is None else f"{NEAREST}-of-200")
    if asked == PAPER:
        asked = space.paper_children
        if not asked:
            raise InputError(f"children 'paper': the paper does not say how it makes them in {space.name}; {USAGE}")
        if asked.startswith(NEAREST) and among is None:
            among = PAPER_AMONG if table is None or not table.texts else TRUTH
    records = _records(space, among, table)
    archs = () if records is None else records.archs
    sample = _one_of(archs) if archs else space.sample
    nearest = re.fullmatch(rf"{NEAREST}(?:-of-([1-9][0-9]{{0,6}}))?", asked, re.ASCII)
    if nearest:
        if nearest[1] is None and not archs:
            raise InputError(f"children '{asked}': say among which, as in --among truth or --among 25000")
        mutate = _nearest(space, archs, None if nearest[1] is None else int(nearest[1]))
    else:
        mutate = space.mutate if asked == MUTATION else _at_rates(space, asked)
        if archs:
            mutate = _within(space, mutate, sample, archs)
    return Variation(sample, mutate, asked, records)


def _records(space: SearchSpace[Any], among: Among, table: Optional[Truth]) -> Optional[Records]:
    """The architectures that a search is restricted to; None: it is not."""
    found: Sequence[Any]
    if among is None:
        return None
    if isinstance(among, str) and among.isascii() and among.isdigit():
        among = int(among[:18])
    if isinstance(among, (int, float)):
        most = min(space.count or _MOST, _MOST)
        if not isinstance(among, int) or isinstance(among, bool) or not 2 <= among <= most:
            raise InputError(f"among {among}: it takes a number of architectures of {space.name} from 2 to {most:,}")
        return _drawn(space, among)
    if among == TRUTH:
        if table is None:
            raise InputError(f"among '{TRUTH}': there is no ground truth for {space.name}; give --truth")
        if not table.texts:
            raise InputError(f"among '{TRUTH}': the table {table.name} does not say which architectures it holds")
        found, of = [space.parse(text) for text in table.texts], table.name
    elif isinstance(among, (str, Path)):
        found, of = read_architectures(among, space), Path(among).name
    else:
        found, of = [space.parse(arch) for arch in among], "the caller"
    return _distinct(space, found, of)


@functools.lru_cache(maxsize=2)
def _drawn(space: SearchSpace[Any], count: int) -> Records:
    return _distinct(space, draw(space, count, 0), f"a draw from {space.name}")


def _distinct(space: SearchSpace[Any], archs: Iterable[Any], of: str) -> Records:
    unique = {space.key(arch): arch for arch in archs}
    if len(unique) < 2:
        raise InputError(f"{space.name}: a search among architectures takes at least 2, not {len(unique)}")
    return Records(tuple(unique.values()), of, digest({"keys": sorted(unique)}))


def _one_of(records: Sequence[Any]) -> Callable[[np.random.Generator], Any]:
    return lambda rng: records[int(rng.integers(len(records)))]


def _nearest(
    space: SearchSpace[Any], records: Sequence[Any], count: Optional[int]
) -> Callable[[Any, np.random.Generator], Any]:
    """Of `count` architectures drawn from the records (None: of all; without records: from the space) the nearest."""
    features = functools.lru_cache(maxsize=_FEATURES)(lambda arch: Counter(space.features(arch)))
    # Fails here, before any work, where the space does not say what its architectures consist of.
    features(records[0] if records else space.sample(np.random.default_rng(0)))

    def drawn(rng: np.random.Generator) -> List[Any]:
        if not records:
            return [space.sample(rng) for _ in range(count or 1)]
        size = len(records) if count is None else min(count, len(records))
        return [records[int(index)] for index in rng.choice(len(records), size, replace=False)]

    def mutate(arch: Any, rng: np.random.Generator) -> Any:
        key, own = space.key(arch), features(arch)
        while True:
            for other in sorted(drawn(rng), key=lambda other: difference(own, features(other))):
                if space.key(other) != key:
                    return other

    return mutate


def difference(one: Mapping[Hashable, int], other: Mapping[Hashable, int]) -> int:
    """How many features only one of two architectures has.

    >>> difference({"conv": 3, "skip": 1}, {"conv": 1, "pool": 1})
    4
    """
    return sum(abs(one.get(name, 0) - other.get(name, 0)) for name in {*one, *other})


def _within(
    space: SearchSpace[Any],
    mutate: Callable[[Any, np.random.Generator], Any],
    sample: Callable[[np.random.Generator], Any],
    records: Sequence[Any],
) -> Callable[[Any, np.random.Generator], Any]:
    """Mutations that stay among the records."""
    known = {space.key(record): record for record in records}

    def stay(arch: Any, rng: np.random.Generator) -> Any:
        for _ in range(_TRIES):
            found = known.get(space.key(mutate(arch, rng)))
            if found is not None and found != arch:
                return found
        return sample(rng)

    return stay


def _at_rates(space: SearchSpace[Any], text: str) -> Callable[[Any, np.random.Generator], Any]:
    rates: Dict[str, float] = {}
    for part in text.split(","):
        kind, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"children '{text[:60]}': {USAGE}")
        if kind not in space.rates:
            has = f"it takes rates of {' and '.join(space.rates)}" if space.rates else f"in a mutation {space.mutation}"
            raise InputError(f"children '{text[:60]}': {space.name} has no rate of '{kind}'; {has}")
        if kind in rates:
            raise InputError(f"children '{text[:60]}': the rate of '{kind}' is there twice")
        rates[kind] = _rate(value, text)
    return lambda arch, rng: space.mutate_at(arch, rng, rates)


def _rate(value: str, text: str) -> float:
    least, most = _RATES
    short = len(value) <= 20 and re.fullmatch(r"[0-9.]+(/[0-9]+)?", value, re.ASCII)
    try:
        found = float(Fraction(value)) if short else -1.0
    except (ValueError, ZeroDivisionError):
        found = -1.0
    if not least <= found <= most:
        raise InputError(
            f"children '{text[:60]}': '{value[:20]}' is no rate; it takes one from {least} to {most}, as 1/7"
        )
    return found
