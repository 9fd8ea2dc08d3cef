"""NSGA-II (Deb et al., 2002) over the architectures of a search space, and random search: ask and tell, by generation.

What is sorted and selected is pymoo's; how an architecture is drawn and mutated is the search space's. There is no
crossover, which search spaces do not have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

import numpy as np

from naslib_gennas.errors import InputError
from naslib_gennas.studies.constraints import Constrained

# Tries at an architecture that was not asked for before, for each one that is wanted.
_DRAWS = 100
# Of these, at mutations of one parent, before one is drawn at random instead.
_MUTATIONS = 20


def check() -> str:
    """The version of pymoo.

    Raises:
        InputError: it is not installed; the message says how to.
    """
    try:
        import pymoo
    except ImportError:
        raise InputError(
            "a trade-off of several objectives needs pymoo, which is not installed: pip install 'pymoo>=0.6.2' "
            "(Python 3.10 or later)"
        ) from None
    return str(pymoo.__version__)


def non_dominated(costs: np.ndarray) -> List[int]:
    """The rows that no other row dominates, in order; of equal ones all. Rows that are not finite are dominated.

    Args:
        costs: (architectures, objectives), all to be minimised.
    """
    from pymoo.util.nds.non_dominated_sorting import find_non_dominated

    finite = np.flatnonzero(np.isfinite(costs).all(axis=1))
    return sorted(int(index) for index in finite[find_non_dominated(costs[finite])])


def hypervolumes(costs: np.ndarray) -> Tuple[float, ...]:
    """The volume that the first row dominates, the first two rows, and so on, up to the reference point (1, ..., 1).

    Args:
        costs: (architectures, objectives), all to be minimised; rows that are not finite dominate nothing.
    """
    from pymoo.indicators.hv import Hypervolume

    volume = Hypervolume(ref_point=np.ones(costs.shape[1]))
    front, found = costs[:0], [0.0]
    for row in costs:
        grown = np.vstack([front, row])
        kept = grown[non_dominated(grown)]
        if np.isfinite(row).all() and (kept == row).all(axis=1).any() and (row < 1).all():
            found.append(float(volume(kept[(kept < 1).all(axis=1)])))
        else:
            found.append(found[-1])
        front = kept
    return tuple(found[1:])


@dataclass(frozen=True, eq=False)
class Candidate:
    """An architecture and its key, as one object: pymoo's arrays would take a sequence apart."""

    arch: Any
    key: str


class Proposals(ABC):
    """Architectures to evaluate, a generation at a time; none is proposed twice, nor is an isomorphic one.

    What is proposed depends on the seed and on what was told alone.

    Args:
        candidates: draws and mutates architectures.
        population: architectures in a generation.
        seed: of every draw.
    """

    def __init__(self, candidates: Constrained, population: int, seed: int) -> None:
        self.candidates, self.population, self.seed = candidates, population, seed
        self.asked: Set[str] = set()

    def ask(self) -> List[Candidate]:
        """The next generation: `population` architectures, fewer where no more new ones are found."""
        found = self._generation()
        self.asked.update(one.key for one in found)
        return found

    @abstractmethod
    def tell(self, costs: np.ndarray) -> None:
        """Say what the generation is worth.

        Args:
            costs: (architectures of the generation, objectives), all to be minimised; NaN or infinite for one that
                failed.
        """

    @abstractmethod
    def _generation(self) -> List[Candidate]:
        """The next generation."""

    def _drawn(self, rng: np.random.Generator, count: int) -> List[Candidate]:
        """So many new architectures drawn at random, fewer where no more are found."""
        found: Dict[str, Candidate] = {}
        for _ in range(_DRAWS * count):
            if len(found) == count:
                break
            one = self._new(lambda: self.candidates.sample(rng))
            if one.key not in self.asked:
                found.setdefault(one.key, one)
        return list(found.values())

    def _mutant(self, parent: Candidate, rng: np.random.Generator) -> Candidate:
        """A neighbour of an architecture that is new, or, where its neighbourhood is exhausted, one drawn at random."""
        for _ in range(_MUTATIONS):
            one = self._new(lambda: self.candidates.mutate(parent.arch, rng))
            if one.key not in self.asked:
                return one
        return self._new(lambda: self.candidates.sample(rng))

    def _new(self, make: Callable[[], Any]) -> Candidate:
        arch = make()
        return Candidate(arch, self.candidates.space.key(arch))


class RandomDraws(Proposals):
    """All drawn at random: the control."""

    def __init__(self, candidates: Constrained, population: int, seed: int) -> None:
        super().__init__(candidates, population, seed)
        self._rng = np.random.default_rng(seed)

    def tell(self, costs: np.ndarray) -> None:
        pass  # what is drawn does not depend on it

    def _generation(self) -> List[Candidate]:
        return self._drawn(self._rng, self.population)


class NSGA2(Proposals):
    """NSGA-II: the next generation are mutations of the winners of tournaments by dominance and crowding distance.

    An architecture that failed loses against every one that did not.

    Args:
        candidates, population, seed: see `Proposals`.
        objectives: how many there are.
    """

    def __init__(self, candidates: Constrained, population: int, seed: int, objectives: int) -> None:
        super().__init__(candidates, population, seed)
        self._algorithm, self._problem = _algorithm(self, objectives)
        self._generation_asked: Any = None

    def _generation(self) -> List[Candidate]:
        found = self._algorithm.ask()
        self._generation_asked = found
        return [] if found is None else [individual.X[0] for individual in found]

    def tell(self, costs: np.ndarray) -> None:
        from pymoo.core.evaluator import Evaluator
        from pymoo.problems.static import StaticProblem

        good = np.isfinite(costs).all(axis=1)
        # A violated constraint ranks below all, and leaves the crowding distances finite.
        values = {"F": np.where(good[:, None], costs, 0.0), "G": np.where(good, -1.0, 1.0)[:, None]}
        Evaluator().eval(StaticProblem(self._problem, **values), self._generation_asked)
        self._algorithm.tell(infills=self._generation_asked)


def _algorithm(proposals: Proposals, objectives: int) -> Tuple[Any, Any]:
    """pymoo's NSGA-II with a search space's draws and mutations, and its problem."""
    from pymoo.algorithms.moo import nsga2
    from pymoo.core.crossover import Crossover
    from pymoo.core.duplicate import DuplicateElimination
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.core.sampling import Sampling
    from pymoo.core.termination import NoTermination

    class Draw(Sampling):
        def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
            return _column(proposals._drawn(random_state, n_samples))

    class Mutate(Mutation):
        def _do(self, problem: Any, X: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
            return _column([proposals._mutant(parent, random_state) for parent in X[:, 0]])

    class Isomorphic(DuplicateElimination):
        def _do(self, pop: Any, other: Any, is_duplicate: np.ndarray) -> np.ndarray:
            known = {*proposals.asked, *(one.X[0].key for one in (other if other is not None else ()))}
            for index, one in enumerate(pop):
                is_duplicate[index] = one.X[0].key in known
                known.add(one.X[0].key)
            return is_duplicate

    problem = Problem(n_var=1, n_obj=objectives, n_ieq_constr=1, vtype=object)
    algorithm = nsga2.NSGA2(
        pop_size=proposals.population,
        sampling=Draw(),
        # Passed through: the probability is 0.
        crossover=Crossover(n_parents=1, n_offsprings=1, prob=0.0),
        mutation=Mutate(),
        eliminate_duplicates=Isomorphic(),
    )
    algorithm.setup(problem, termination=NoTermination(), seed=proposals.seed, verbose=False)
    return algorithm, problem


def _column(candidates: Sequence[Candidate]) -> np.ndarray:
    """Candidates as pymoo has individuals: (candidates, 1)."""
    made = np.empty((len(candidates), 1), dtype=object)
    made[:, 0] = candidates
    return made
