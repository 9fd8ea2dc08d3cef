"""A warm start for NASLib's optimizers: they begin with the best of many architectures by our score."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, List, Sequence

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import config
from naslib_gennas.plugin.benchmark import Benchmark
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.scoring import GraphScorer, finite, task_of

#: The key of the config: how many architectures are scored; 0: no warm start.
KEY = "gennas_warm_start"
#: The optimizers that take one -> the key that says with how many architectures they begin.
BEGINNINGS = {"re": "population_size", "bananas": "num_init", "npenas": "num_init", "ls": "num_init"}


def check(settings: Any) -> int:
    """How many architectures the config wants scored.

    Raises:
        InputError: no whole number; an optimizer that begins with no architectures, or with more than are scored.
    """
    count = config.value_of(settings, KEY, 0)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise InputError(f"config key '{KEY}' is {count!r}; it takes a whole number of architectures, 0 for none")
    if not count:
        return 0
    name = settings.get("optimizer")
    if name not in BEGINNINGS:
        raise InputError(f"config key '{KEY}': '{name}' takes no warm start; {', '.join(sorted(BEGINNINGS))} do")
    least = settings.search[BEGINNINGS[name]]
    if count < least:
        raise InputError(f"config key '{KEY}' is {count}; '{name}' begins with {least} architectures, so it takes more")
    return count


def best(benchmark: Benchmark, settings: Any, scorer: GraphScorer) -> List[Spec]:
    """The best architectures of those drawn, in falling order of their score; as many as the optimizer begins with.

    How many they are of how many is printed.

    Args:
        benchmark: the search space; architectures whose accuracy is known are drawn, their accuracy is not looked at.
        settings: NASLib's configuration, with ours.
        scorer: scores them by the task of `gennas_task`.
    """
    count = check(settings)
    if not count:
        return []
    task = task_of(config.value_of(settings, "gennas_task", "gennas_plus"))
    drawn = benchmark.sample(count, int(settings.seed))
    scores = {spec: finite(scorer.score_spec(benchmark.space, spec, task)) for spec in drawn}
    ranked = sorted(drawn, key=lambda spec: scores[spec], reverse=True)
    kept = ranked[: settings.search[BEGINNINGS[settings.optimizer]]]
    # Printed, as NASLib's own runners show the log of their modules only.
    print(f"warm start: '{settings.optimizer}' begins with the best {len(kept)} of {count} architectures by {task}")
    return kept


def sampling(theirs: Callable[..., None], benchmark: Benchmark, specs: Sequence[Spec]) -> Callable[..., None]:
    """A graph's `sample_random_architecture` that gives `specs` first, and random architectures after them."""
    waiting = deque(specs)

    def sample_random_architecture(self: Any, *args: Any, **kwargs: Any) -> None:
        if waiting:
            benchmark.space.set(self, waiting.popleft())
        else:
            theirs(self, *args, **kwargs)

    return sample_random_architecture


def begin_with(benchmark: Benchmark, specs: Sequence[Spec]) -> None:
    """Let the clones of the benchmark's graph sample `specs` first."""
    cls = type(benchmark.graph)
    method = sampling(cls.sample_random_architecture, benchmark, specs)
    # The class keeps its name: the table of taps and NASLib's own code go by it.
    methods = {"sample_random_architecture": method, "__module__": cls.__module__}
    benchmark.graph.__class__ = type(cls.__name__, (cls,), methods)
