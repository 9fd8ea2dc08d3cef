"""Scorer: what is scored, by which proxy, on which batch, under which seed, and where; the only way to a score."""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Dict, Generator, Iterable, Iterator, Mapping, Optional, Tuple, Union

import cloudpickle

from naslib_gennas import identity, proxies, spaces
from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring import flow
from naslib_gennas.scoring.devices import check_device, device_of
from naslib_gennas.scoring.flow import Job
from naslib_gennas.scoring.pool import capacity, count, one_pool
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.store import Run, Store
from naslib_gennas.spaces.space import SearchSpace

#: What a profile may be given as (see `profiles.get`).
AnyProfile = Union[str, Mapping[str, Any], Profile, None]
# A search over tasks brings a new proxy every time: only the last jobs are kept.
_JOBS = 64


def proxy_for(space: SearchSpace[Any], proxy: Union[str, Proxy, None] = None, profile: AnyProfile = None) -> Proxy:
    """The proxy of a name at a profile; None: the usual one.

    Raises:
        InputError: no such proxy, one that cannot score the space, or one with a profile of its own and another one.
    """
    if isinstance(proxy, Proxy) and profile is not None:
        raise InputError(f"proxy '{proxy.name}' has a profile of its own; give its name to score at another")
    return proxies.get(proxy if proxy is not None else proxies.USUAL, profile)


class Place:
    """Where scores are computed and kept: workers or an executor, a device, a store. Open once, used by many.

    Args:
        workers: processes, each with one torch thread; None: one a core; 1: no other process, scores come in order. On
            a GPU: threads, each with a CUDA stream; None: 1.
        executor: where to compute instead of in own processes.
        store: a `Store` or its file; None: nothing is kept after the call.
        device: where to train, such as "cuda:0".
    """

    def __init__(
        self,
        workers: Optional[int] = None,
        executor: Optional[Executor] = None,
        store: Union[str, Path, Store, None] = None,
        device: str = "cpu",
    ) -> None:
        if workers is not None:
            check_whole("workers", workers)
        # An executor's workers may have what this machine has not.
        (check_device if executor is None else device_of)(device)
        self.workers, self.executor, self.store, self.device = workers, executor, store, device
        self._open: Optional[Tuple[Optional[Executor], Store]] = None
        self._stack = contextlib.ExitStack()
        self._users = 0

    def __enter__(self) -> Tuple[Optional[Executor], Store]:
        if self._open is None:
            with contextlib.ExitStack() as stack:
                store = self.store if isinstance(self.store, Store) else stack.enter_context(Store(self.store))
                self._open = stack.enter_context(one_pool(self.executor, self.workers, self.device)), store
                self._stack = stack.pop_all()
        self._users += 1
        return self._open

    def __exit__(self, *error: Any) -> None:
        self._users -= 1
        if self._users == 0:
            self._open = None
            self._stack.close()

    @property
    def count(self) -> int:
        """How many scores are computed at once."""
        if self.executor is not None and self.workers is None:
            return capacity(self.executor)
        return count(self.workers, self.device)


class Scorer:
    """Scores architectures of a space; make one with `of`, and one that differs in something with `at`.

    >>> with Scorer.of("nasbench201", "params", workers=1) as scorer:
    ...     scorer.one("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|").status
    'untrainable'

    Attributes:
        space: the search space.
        proxy: at its profile.
        batch: the input batch.
        seed: of initialisation, targets and noise; every architecture is scored under the same.
        place: where scores are computed and kept; opened once by a ``with`` block, shared with what `at` gives.
    """

    def __init__(
        self, space: SearchSpace[Any], proxy: Proxy, inputs: Optional[str], seed: int, place: Place, asked: Any
    ) -> None:
        if space.kind not in proxy.kinds:
            raise InputError(
                f"proxy '{proxy.name}' scores networks of kind {' and '.join(proxy.kinds)}; {space.name} has "
                f"kind {space.kind}"
            )
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            raise InputError(f"seed is {seed!r}; it takes a whole number from 0 up to 2**63 - 1")
        self.space, self.proxy, self.seed, self.place = space, proxy, seed, place
        with conditions():  # resized on one thread: a process that was forked has no others
            self.batch: Batch = proxy.batch(space.kind, inputs, space.inputs)
        self._inputs, self._asked = inputs, asked
        self._job: Optional[Job] = None

    @classmethod
    def of(
        cls,
        space: Union[str, SearchSpace[Any], Scorer],
        proxy: Union[str, Proxy, None] = None,
        *,
        inputs: Optional[str] = None,
        profile: AnyProfile = None,
        initialise: Optional[str] = None,
        seed: int = 0,
        device: str = "cpu",
        workers: Optional[int] = None,
        executor: Optional[Executor] = None,
        store: Union[str, Path, Store, None] = None,
    ) -> Scorer:
        """The scorer of a space by a proxy.

        Args:
            space: a search space or its name; or a scorer, which is given back as it is.
            proxy: a proxy or its name; None: `proxies.USUAL`.
            inputs: the input batch (see `batches.load`); None: the proxy's own, photos for most.
            profile: size and cost of the scoring (see `profiles.get`); None: the proxy's own.
            initialise: how the networks' weights are drawn (see `networks.initialise`); None: as the profile says.
            seed: the same seed gives the same score.
            device, workers, executor, store: see `Place`.

        Raises:
            InputError: an unknown name, a proxy that cannot score the space, a device that does not exist.
        """
        if isinstance(space, Scorer):
            if any((proxy, inputs, profile, initialise, seed, device != "cpu", workers, executor, store)):
                raise InputError("a scorer has its settings already; scorer.at(...) gives one with others")
            return space
        found = spaces.get(space)
        if isinstance(proxy, str):
            proxy = proxies.named(proxy)  # what is scored stays what it is, even if the file changes
        chosen = proxy_for(found, proxy, profile)
        if initialise is not None:
            chosen = proxy_for(found, proxy, chosen.profile.replace(initialise=initialise))
        return cls(found, chosen, inputs, seed, Place(workers, executor, store, device), proxy)

    def at(
        self,
        *,
        space: Optional[SearchSpace[Any]] = None,
        proxy: Union[str, Proxy, None] = None,
        profile: AnyProfile = None,
        inputs: Optional[str] = None,
        seed: Optional[int] = None,
    ) -> Scorer:
        """The same scorer with something changed; it computes and keeps in the same place.

        Args:
            space: another search space.
            proxy: another proxy; a name is taken at this scorer's profile unless `profile` says otherwise.
            profile: another profile for the proxy, which must have been given by its name.
            inputs: another input batch.
            seed: another seed.

        Raises:
            InputError: the proxy is no name, so that it has no other profile.
        """
        asked = self._asked if proxy is None else proxy
        found = self.space if space is None else space
        if proxy is None and profile is None:
            chosen = self.proxy
        elif isinstance(asked, Proxy):
            chosen = proxy_for(found, asked, profile)
        else:
            chosen = proxy_for(found, asked, self.proxy.profile if profile is None else profile)
        named = self._inputs if inputs is None else inputs
        return type(self)(found, chosen, named, self.seed if seed is None else seed, self.place, asked)

    def __enter__(self) -> Scorer:
        self.place.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.place.__exit__(*error)

    @property
    def fixed(self) -> bool:
        """Whether the proxy was given with a profile of its own, not by its name."""
        return isinstance(self._asked, Proxy)

    @property
    def run(self) -> Run:
        """The identity of the scores as the store keeps it."""
        return self.job.run

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the scores depend on besides the architecture, ready for JSON: the only identity there is."""
        run = self.run
        return {name: getattr(run, name) for name in ("space", "proxy", "fingerprint", "inputs", "seed", "version")}

    @property
    def about(self) -> Dict[str, Any]:
        """What is scored and how, for people: space, proxy, profile, inputs and seed, ready for JSON."""
        return {
            "space": self.space.name,
            "proxy": self.proxy.name,
            "profile": self.proxy.profile.plain(),
            "inputs": self.batch.name,
            "seed": self.seed,
        }

    @property
    def job(self) -> Job:
        """What travels to the workers."""
        if self._job is None:
            space, proxy = self.space, self.proxy
            settings = {
                "settings": proxy.settings,
                "profile": proxy.profile.identity(),
                "images": len(self.batch),
                "device": device_of(self.place.device).type,
                "space": spaces.identity(space),
                **identity.code(proxy.measure),
                **identity.numerics(),
            }
            run = Run(space.name, proxy.name, identity.canonical(settings), self.batch.identity, self.seed)
            # The run is part of it, since workers keep what they unpack: other code of the user is another payload.
            payload = cloudpickle.dumps((run, space, proxy, self.batch, self.seed, self.place.device))
            self._job = Job(space, run, payload)
        return self._job

    def one(self, arch: Any) -> Record:
        """The score of one architecture, computed in this process."""
        with self.place as (_, store):
            return next(iter(flow.records(iter([(arch, self.job)]), store, None, 1)))

    def many(self, archs: Iterable[Any]) -> Generator[Record, None, None]:
        """The scores of architectures, as they finish.

        Isomorphic architectures (equal keys) are scored once, and one that cannot be trained ranks last untrained. An
        architecture whose worker dies is tried once more alone, then recorded as failed; everything else goes on.
        Every score is in the store before its record is given out.

        Args:
            archs: architectures of the space, or texts in its notation; taken from lazily, a few ahead.

        Raises:
            InputError: a malformed architecture, or a proxy that refuses the space's networks.
            EngineError: the workers do not work at all.
        """
        job = self.job
        return self._records((arch, job) for arch in archs)

    def pairs(self, pairs: Iterable[Tuple[Any, Proxy]]) -> Generator[Record, None, None]:
        """The scores of (architecture, proxy) pairs, as `many` gives those of architectures."""
        known: Dict[int, Tuple[Proxy, Job]] = {}

        def jobs() -> Iterator[Tuple[Any, Job]]:
            for arch, proxy in pairs:
                if id(proxy) not in known:
                    if len(known) >= _JOBS:
                        known.pop(next(iter(known)))
                    known[id(proxy)] = (proxy, self.at(proxy=proxy).job)
                yield arch, known[id(proxy)][1]

        return self._records(jobs())

    def _records(self, items: Iterator[Tuple[Any, Job]]) -> Generator[Record, None, None]:
        with self.place as (executor, store):
            yield from flow.records(items, store, executor, self.place.count)


def score(
    space: Union[str, SearchSpace[Any]], arch: Any, proxy: Union[str, Proxy, None] = None, **scoring: Any
) -> Record:
    """Score one architecture without labels.

    >>> score("nasbench201", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|").status
    'untrainable'

    Args:
        space: a search space or its name.
        arch: in the benchmark's notation.
        proxy: a proxy or its name; None: `proxies.USUAL`.
        scoring: `inputs`, `profile`, `seed`, `device` and `store` (see `Scorer.of`).

    Returns:
        A record with the score (higher is better), the status and the core-seconds that it took.

    Raises:
        InputError: an unknown name, or a malformed architecture.
    """
    return Scorer.of(space, proxy, **{**scoring, "workers": 1}).one(arch)


def score_many(
    space: Union[str, SearchSpace[Any]], archs: Iterable[Any], proxy: Union[str, Proxy, None] = None, **scoring: Any
) -> Iterator[Record]:
    """Score architectures and give their records as they finish: `Scorer.many` in one call.

    Args:
        space, archs, proxy: a search space, architectures of it, and a proxy, or their names.
        scoring: as `Scorer.of` takes them, such as ``workers=4`` or ``executor=client.get_executor()``.
    """
    return Scorer.of(space, proxy, **scoring).many(archs)
