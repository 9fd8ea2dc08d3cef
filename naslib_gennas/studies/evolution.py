"""Regularized evolution and random search, ask and tell: they know nothing of networks.

Ask for an individual, find out its fitness, tell it. What is searched is whatever `sample` and `mutate` give::

    search = Evolution(sample=lambda rng: rng.uniform(-1, 1), mutate=lambda x, rng: x + rng.normal() / 10, seed=0)
    for _ in range(450):
        individual = search.ask()
        search.tell(individual, -individual.genome**2)
    search.best
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, List, Mapping, Optional, Sequence, Set, Tuple, TypeVar

import numpy as np

from naslib_gennas.errors import InputError, check_whole, differences

Genome = TypeVar("Genome")
Sample = Callable[[np.random.Generator], Genome]
Mutate = Callable[[Genome, np.random.Generator], Genome]


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Individual(Generic[Genome]):
    """One candidate of a search.

    Attributes:
        id: zero-based index of the candidate.
        genome: what is searched.
        parent: the id of the individual that it was mutated from; None: it was drawn at random.
        birth: how many individuals had their fitness when it was made.
        fitness: higher is better; None until it is told; -inf for one that failed.
    """

    id: int
    genome: Genome
    parent: Optional[int] = None
    birth: int = 0
    fitness: Optional[float] = None


class Search(ABC, Generic[Genome]):
    """Ask and tell. Any number of individuals may be asked for before they are told, and told in any order.

    What `ask` gives depends only on the seed, the individual's id and what has been told so far. So a search that is
    restored from its `state` goes on as the original would have; those asked for and never told are made anew.

    Args:
        sample: draws a genome from a generator.
        seed: of every draw.
        encode: makes a genome ready for JSON, for the state; None: it is already.
        decode: the inverse of `encode`.
        start: genomes that the first individuals have instead of drawn ones.

    Attributes:
        history: all individuals that have their fitness, in the order in which it was told.
        best: the individual of the highest fitness, the earliest told of equals; None before the first.
    """

    def __init__(
        self,
        sample: Sample[Genome],
        seed: int = 0,
        encode: Callable[[Genome], Any] = _itself,
        decode: Callable[[Any], Genome] = _itself,
        start: Sequence[Genome] = (),
    ) -> None:
        self.sample, self.seed, self.encode, self.decode = sample, seed, encode, decode
        self.start = tuple(start)
        self.history: List[Individual[Genome]] = []
        self.best: Optional[Individual[Genome]] = None
        self._open: Dict[int, Individual[Genome]] = {}
        self._told: Set[int] = set()
        self._next = 0

    @property
    def asked(self) -> int:
        """How many individuals there are: told, and asked for and not yet told."""
        return len(self._told) + len(self._open)

    def ask(self) -> Individual[Genome]:
        """A new individual."""
        while self._next in self._told or self._next in self._open:
            self._next += 1
        rng = np.random.default_rng([self.seed, self._next])
        given = self._next < len(self.start)
        genome, parent = (self.start[self._next], None) if given else self._make(rng)
        individual = Individual(self._next, genome, parent, birth=len(self.history))
        self._open[individual.id] = individual
        return individual

    def tell(self, individual: Individual[Genome], fitness: float) -> Individual[Genome]:
        """Say how good an individual is; NaN counts as -inf.

        Returns:
            The individual with its fitness, as it is in `history` from now on.

        Raises:
            ValueError: it was not asked for, or has been told already.
        """
        if self._open.pop(individual.id, None) is None:
            told = "has been told already" if individual.id in self._told else "was never asked for"
            raise ValueError(f"individual {individual.id} {told}")
        return self._record(dataclasses.replace(individual, fitness=float(fitness)))

    def state(self) -> Dict[str, Any]:
        """All that a search is, ready for JSON; `restore` takes it."""
        return {"settings": self.settings(), "history": [self.plain(individual) for individual in self.history]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the search of a `state` was.

        Raises:
            InputError: the state is that of a search with other settings; the message shows the difference.
        """
        differing = differences(state["settings"], self.settings())
        if differing:
            raise InputError(f"the saved search had other settings: {differing}")
        self.history, self.best = [], None
        self._open, self._told, self._next = {}, set(), 0
        for entry in state["history"]:
            self.replay(entry)

    def plain(self, individual: Individual[Genome]) -> Dict[str, Any]:
        """An individual ready for JSON; a fitness of -inf is null."""
        fitness = individual.fitness
        return {
            "id": individual.id,
            "genome": self.encode(individual.genome),
            "parent": individual.parent,
            "birth": individual.birth,
            "fitness": fitness if fitness is not None and math.isfinite(fitness) else None,
        }

    def replay(self, entry: Mapping[str, Any]) -> Individual[Genome]:
        """Take over an individual that `plain` wrote, as the next one told."""
        fitness = -math.inf if entry["fitness"] is None else float(entry["fitness"])
        genome = self.decode(entry["genome"])
        return self._record(Individual(entry["id"], genome, entry["parent"], entry["birth"], fitness))

    def settings(self) -> Dict[str, Any]:
        """What decides the course of the search besides `sample` and `mutate`, ready for JSON."""
        start = {"start": [self.encode(genome) for genome in self.start]} if self.start else {}
        return {"method": type(self).__name__, "seed": self.seed, **start}

    def _record(self, individual: Individual[Genome]) -> Individual[Genome]:
        assert individual.fitness is not None
        if math.isnan(individual.fitness):
            individual = dataclasses.replace(individual, fitness=-math.inf)
        self._told.add(individual.id)
        self.history.append(individual)
        if self.best is None or _fitness(individual) > _fitness(self.best):
            self.best = individual
        return individual

    @abstractmethod
    def _make(self, rng: np.random.Generator) -> Tuple[Genome, Optional[int]]:
        """A genome and the id of its parent."""


class RandomSearch(Search[Genome]):
    """Every individual is drawn at random: the control."""

    def _make(self, rng: np.random.Generator) -> Tuple[Genome, Optional[int]]:
        return self.sample(rng), None


class Evolution(Search[Genome]):
    """Regularized evolution (Real et al., arXiv:1802.01548): tournament selection and ageing.

    The first `population` individuals are drawn at random. Then each is a mutation of the fittest of `tournament` ones
    drawn from the population, which is the last `population` individuals told: the oldest leaves, not the worst.

    Args:
        sample: draws a genome from a generator.
        mutate: makes a neighbour of a genome.
        population: individuals alive (50 in arXiv:2108.01899).
        tournament: individuals that compete to be a parent (10 there).
        start: genomes that the first individuals have instead of drawn ones.
    """

    def __init__(
        self,
        sample: Sample[Genome],
        mutate: Mutate[Genome],
        population: int = 50,
        tournament: int = 10,
        seed: int = 0,
        encode: Callable[[Genome], Any] = _itself,
        decode: Callable[[Any], Genome] = _itself,
        start: Sequence[Genome] = (),
    ) -> None:
        check_whole("population", population)
        check_whole("tournament", tournament)
        if not 1 <= tournament <= population:
            raise InputError(
                f"tournament is {tournament}; it takes a whole number from 1 to the population, {population}"
            )
        super().__init__(sample, seed, encode, decode, start)
        self.mutate, self.population_size, self.tournament = mutate, population, tournament

    @property
    def population(self) -> List[Individual[Genome]]:
        """The individuals alive, oldest first."""
        return self.history[-self.population_size :]

    def settings(self) -> Dict[str, Any]:
        return {**super().settings(), "population": self.population_size, "tournament": self.tournament}

    def _make(self, rng: np.random.Generator) -> Tuple[Genome, Optional[int]]:
        alive = self.population
        if self.asked < self.population_size or not alive:
            return self.sample(rng), None
        chosen = rng.choice(len(alive), size=min(self.tournament, len(alive)), replace=False)
        parent = max((alive[i] for i in sorted(chosen)), key=_fitness)
        return self.mutate(parent.genome, rng), parent.id


def _fitness(individual: Individual[Any]) -> float:
    return -math.inf if individual.fitness is None else individual.fitness
