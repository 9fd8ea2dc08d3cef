"""Draw architectures of a search space at random: none twice, the same ones for the same seed."""

from __future__ import annotations

import itertools
from typing import Any, Iterator, Optional, Sequence, Set

import numpy as np

from naslib_gennas.errors import InputError
from naslib_gennas.randomness import derive
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth.table import Truth

# So many draws in a row without a new class of isomorphic architectures mean that all have been drawn.
_EXHAUSTED = 2000


def draw(space: SearchSpace[Any], n: int, seed: int, table: Optional[Truth] = None) -> Iterator[Any]:
    """Draw `n` architectures, none twice, classes of isomorphic ones first; the same ones for the same seed.

    Args:
        table: where it has a part of the space only, the architectures come from it.
    """
    rng = np.random.default_rng(derive(seed, "sample"))
    if table is not None and not table.complete and table.texts:
        yield from itertools.islice(_drawn_from(space, list(table.texts), rng), n)
        return
    keys: Set[str] = set()
    texts: Set[str] = set()
    misses, isomorphic_too = 0, False
    while len(texts) < n:
        arch = space.sample(rng)
        key, text = space.key(arch), space.format(arch)
        known = table is None or table.complete or key in table.keys
        if not known or text in texts or (key in keys and not isomorphic_too):
            misses += 1
            if misses > _EXHAUSTED and not isomorphic_too:
                misses, isomorphic_too = 0, True
            elif misses > _EXHAUSTED * max(1000, 2 * n):
                raise InputError(f"{space.name}: no more than {len(texts)} different architectures could be drawn")
            continue
        misses = 0
        keys.add(key)
        texts.add(text)
        yield arch


def _drawn_from(space: SearchSpace[Any], texts: Sequence[str], rng: np.random.Generator) -> Iterator[Any]:
    keys: Set[str] = set()
    isomorphic = []
    for index in rng.permutation(len(texts)):
        arch = space.parse(texts[index])
        key = space.key(arch)
        if key in keys:
            isomorphic.append(arch)
        else:
            keys.add(key)
            yield arch
    yield from isomorphic
