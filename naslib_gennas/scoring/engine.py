"""Score many architectures: on a pool of processes, on any executor, each once, losing nothing."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import math
import os
import re
import shutil
import signal
import threading
import time
import warnings
from collections import deque
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

import cloudpickle
import loky
import torch

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.identity import canonical
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.regression import batches
from naslib_gennas.scoring.store import Row, Run, Store
from naslib_gennas.spaces.space import SearchSpace

# So many architectures in a row may break the workers with none scored before the engine calls the workers broken.
_HOPELESS = 3


_REFUSED = "refused"
# Seconds that a scheduler has for its answer.
_ANSWER = 10


@dataclass(frozen=True)
class Record:
    """The score of one architecture.

    Attributes:
        arch: in the benchmark's notation.
        key: equal for isomorphic architectures.
        score: higher is better; -inf where the status is not "ok".
        status: "ok", "diverged", "untrainable" or "failed" (see `proxies.Score`).
        reason: one line, empty where the status is "ok".
        seconds: core-seconds that computing the score took, whenever that was.
        details: what else the proxy recorded, ready for JSON.
        index: position of the architecture in what was given.
        reused: the score was not computed for this record: it comes from the store or from an isomorphic architecture.
    """

    arch: str
    key: str
    score: float
    status: str = "ok"
    reason: str = ""
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0
    reused: bool = False


def score_one(
    space: Any,
    arch: Any,
    proxy: Union[str, Proxy],
    inputs: Optional[str] = None,
    seed: int = 0,
    device: str = "cpu",
    store: Union[str, Path, Store, None] = None,
) -> Record:
    """The score of one architecture, computed here; see `score_many`."""
    return next(iter(score_many(space, [arch], proxy, inputs=inputs, seed=seed, device=device, store=store, workers=1)))


def score_many(
    space: Any,
    architectures: Iterable[Any],
    proxy: Union[str, Proxy],
    *,
    inputs: Optional[str] = None,
    seed: int = 0,
    workers: Optional[int] = None,
    executor: Optional[Executor] = None,
    store: Union[str, Path, Store, None] = None,
    device: str = "cpu",
) -> Iterator[Record]:
    """Score architectures and give their records as they finish.

    Isomorphic architectures (equal keys) are scored once, and one that cannot be trained ranks last untrained. An
    architecture whose worker dies is tried once more alone, then recorded as failed; everything else goes on. Every
    score is in the store before its record is given out.

    Args:
        space: a search space or its name.
        architectures: architectures of the space, or texts in its notation; taken from lazily, a few ahead.
        proxy: a proxy or its name.
        inputs: the input batch (see `batches.load`); None: the proxy's usual one.
        seed: of initialisation, targets and noise; every architecture is scored under the same.
        workers: processes, each with one torch thread; None: one a core; 1: no other process, scores come in order. On
            a GPU: threads, each with a CUDA stream; None: 1.
        executor: where to compute instead of in own processes: any executor, such as Dask's `Client.get_executor()`.
        store: a `Store` or its file; None: nothing is kept after the call.
        device: where to train, such as "cuda:0".

    Raises:
        InputError: an unknown name, a proxy that cannot score the space, a malformed architecture.
        EngineError: the workers do not work at all.
    """
    chosen = proxies.get(proxy)
    return score_pairs(
        space,
        ((arch, chosen) for arch in architectures),
        inputs=inputs,
        seed=seed,
        workers=workers,
        executor=executor,
        store=store,
        device=device,
        first=chosen,
    )


def score_pairs(
    space: Any,
    pairs: Iterable[Tuple[Any, Proxy]],
    *,
    inputs: Optional[str] = None,
    seed: int = 0,
    workers: Optional[int] = None,
    executor: Optional[Executor] = None,
    store: Union[str, Path, Store, None] = None,
    device: str = "cpu",
    first: Optional[Proxy] = None,
) -> Iterator[Record]:
    """Score (architecture, proxy) pairs as `score_many` scores architectures.

    Args:
        first: a proxy to check before any work starts.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; it takes a whole number from 1 up")
    if executor is None:  # an executor's workers may have what this machine has not
        _check_device(device)
    setting = _Setting(spaces.get(space), inputs, seed, device)
    if first is not None:
        setting.job(first)
    return _records(setting, iter(pairs), workers, executor, store)


def cores() -> int:
    """Cores that this process may use, limits of a container included."""
    return int(loky.cpu_count())


class Pool(Executor):
    """Local worker processes, each with one torch thread, that can be replaced when they break.

    A script needs no ``if __name__ == "__main__"`` for it, and workers end when this process does, however it ends.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor = self._start()

    def _start(self) -> Any:
        single = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return loky.ProcessPoolExecutor(
            self.workers, initializer=_initialise, initargs=(os.getpid(),), env=single, timeout=None
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        with _without_interrupts():
            return self._executor.submit(fn, *args, **kwargs)

    def restart(self) -> None:
        """Put new workers in place of broken ones."""
        self._executor.shutdown(wait=True, kill_workers=True)
        self._executor = self._start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, whatever they are at."""
        self._executor.shutdown(wait=wait, kill_workers=True)


class Streams(ThreadPoolExecutor):
    """Threads of this process that train on one GPU, each with a CUDA stream of its own.

    A training of a small network is hundreds of short kernels a step that leave most of a GPU idle; those of different
    streams run at the same time (docs/speed.md has the counts).
    """

    def __init__(self, workers: int, device: str) -> None:
        self.workers, self.device = workers, torch.device(device)
        super().__init__(workers, thread_name_prefix="gennas-stream", initializer=self._own_stream)

    def _own_stream(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_stream(torch.cuda.Stream(self.device))  # the current stream is a thread's own


@contextlib.contextmanager
def one_pool(executor: Optional[Executor], workers: Optional[int], device: str) -> Iterator[Optional[Executor]]:
    """An executor for several calls of `score_many` while the block lasts: the caller's, or one pool for them all."""
    count = _count(workers, device)
    if executor is not None or count == 1:
        yield executor
        return
    with _own_executor(count, device) as own:
        yield own


def _count(workers: Optional[int], device: str) -> int:
    """How many workers there are: as many as asked for, else one a core, and one where another device computes."""
    return workers or (cores() if _place(device).type == "cpu" else 1)


def _own_executor(workers: int, device: str) -> Executor:
    _check_device(device)
    return Pool(workers) if _place(device).type == "cpu" else Streams(workers, device)


def _place(device: str) -> torch.device:
    """The device of a name.

    Raises:
        InputError: there is no such device.
    """
    try:
        return torch.device(device)
    except RuntimeError:
        raise InputError(f"device '{device}' is unknown; it takes cpu, cuda, cuda:1, ...") from None


def _check_device(device: str) -> None:
    """See that this machine has a device.

    Raises:
        InputError: it has not.
    """
    found = _place(device)
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        have = f"this machine has {torch.cuda.device_count()}" if torch.cuda.is_available() else "PyTorch finds no GPU"
        raise InputError(f"device '{device}' is not there: {have}; --device cpu works everywhere")


@contextlib.contextmanager
def cluster(address: str, workers: Optional[int] = None) -> Iterator[Executor]:
    """An executor on a cluster, through Dask (the extra `cluster`), while the block lasts.

    Args:
        address: of a running Dask scheduler, such as ``tcp://host:8786``; or "slurm": start workers of one core each
            through SLURM, as the user's Dask configuration says (``jobqueue.slurm``: queue, walltime, memory).
        workers: how many to start on SLURM (4).

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer.
    """
    extra = "pip install 'naslib-gennas[cluster]'"
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"scheduler '{address}' needs Dask: {extra}") from None
    with contextlib.ExitStack() as stack:
        target: Any = address
        if address == "slurm":
            try:
                from dask_jobqueue import SLURMCluster
            except ImportError:
                raise InputError(f"scheduler 'slurm' needs dask-jobqueue: {extra}") from None
            if shutil.which("sbatch") is None:
                raise InputError("scheduler 'slurm': there is no sbatch on this machine; run it where SLURM jobs start")
            try:
                target = stack.enter_context(SLURMCluster(cores=1, processes=1))
                target.scale(workers or 4)
            except (OSError, ValueError, RuntimeError) as error:
                raise InputError(
                    f"scheduler 'slurm' could not be used: {_line(error)}; ~/.config/dask/jobqueue.yaml says how jobs "
                    "are started (jobqueue: {slurm: {queue, walltime, memory}})"
                ) from None
        try:
            client = stack.enter_context(Client(target, timeout=_ANSWER, set_as_default=False))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"scheduler '{address}' does not answer: {_line(error)}; it takes an address such as tcp://host:8786"
            ) from None
        try:
            client.wait_for_workers(1, timeout=_ANSWER)
        except TimeoutError:
            warnings.warn(f"scheduler '{address}' has no workers yet; waiting for them", RuntimeWarning, stacklevel=3)
        yield client.get_executor()


@dataclass(frozen=True)
class _Job:
    """What the scores of one proxy share; it travels to the workers as bytes."""

    run: Run
    payload: bytes


@dataclass(frozen=True)
class _Task:
    """One score to compute, for the records at `indices` (position and architecture)."""

    job: _Job
    key: str
    arch: Any
    text: str
    index: int


class _Setting:
    """What all scores of one call share, checked once."""

    def __init__(self, space: SearchSpace[Any], inputs: Optional[str], seed: int, device: str) -> None:
        self.space, self.inputs, self.seed, self.device = space, inputs, seed, device
        self._jobs: Dict[int, Tuple[Proxy, _Job]] = {}

    def job(self, proxy: Proxy) -> _Job:
        found = self._jobs.get(id(proxy))
        if found is None:
            if len(self._jobs) >= 64:  # a search over tasks brings a new proxy every time
                self._jobs.pop(next(iter(self._jobs)))
            found = self._jobs[id(proxy)] = (proxy, self._make(proxy))
        return found[1]

    def _make(self, proxy: Proxy) -> _Job:
        space = self.space
        if space.kind not in proxy.kinds:
            raise InputError(
                f"proxy '{proxy.name}' scores networks of kind {' and '.join(proxy.kinds)}; {space.name} has "
                f"kind {space.kind}"
            )
        batch = proxy.batch(space.kind, self.inputs)
        identity = "synthetic" if space.kind == "rnn" else batches.identity(self.inputs or proxy.inputs)
        settings = {
            "settings": proxy.settings,
            "profile": {name: value for name, value in asdict(proxy.profile).items() if name != "name"},
            "images": len(batch),
            "device": _place(self.device).type,
            **_foreign_code(space, proxy),
        }
        run = Run(space.name, proxy.name, canonical(settings), identity, self.seed)
        # The run is part of it, since workers keep what they unpack: other code of the user is another payload.
        payload = cloudpickle.dumps((run, space, proxy, batch.numpy(), self.seed, self.device))
        return _Job(run, payload)


def _foreign_code(space: SearchSpace[Any], proxy: Proxy) -> Dict[str, str]:
    """A digest of a search space and of a measure that are not this package's: the user may change them."""
    cells = [cell.cell_contents for cell in getattr(proxy.measure, "__closure__", None) or () if _filled(cell)]
    parts: List[Any] = [type(space), proxy.measure, *(value for value in cells if inspect.isfunction(value))]
    home = __name__.partition(".")[0]
    foreign = [_source(part) for part in parts if part.__module__.partition(".")[0] != home]
    return {"code": hashlib.sha256("\n".join(foreign).encode()).hexdigest()} if foreign else {}


def _source(part: Any) -> str:
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):  # typed into an interpreter
        return f"{part.__module__}.{getattr(part, '__qualname__', type(part).__qualname__)}"


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _records(
    setting: _Setting,
    pairs: Iterator[Tuple[Any, Proxy]],
    workers: Optional[int],
    executor: Optional[Executor],
    store: Union[str, Path, Store, None],
) -> Iterator[Record]:
    with contextlib.ExitStack() as stack:
        kept = store if isinstance(store, Store) else stack.enter_context(Store(store))
        count = _count(workers, setting.device)
        if executor is not None and workers is None:
            count = _capacity(executor)
        executor = stack.enter_context(one_pool(executor, workers, setting.device))
        failures: Dict[Tuple[Run, str], Row] = {}
        waiting: Dict[Tuple[Run, str], List[Tuple[int, str]]] = {}

        def keep(task: _Task, row: Row) -> Row:
            row = kept.put(task.job.run, task.key, row)
            if row.status == "failed":
                failures[task.job.run, task.key] = row
            return row

        def finish(task: _Task, row: Row) -> Iterator[Record]:
            row = keep(task, row)
            yield _record(row, task.text, task.key, task.index)
            for index, text in waiting.pop((task.job.run, task.key), []):
                yield _record(row, text, task.key, index, reused=True)

        def todo() -> Iterator[Union[Record, _Task, None]]:
            """Records that need no work, tasks for those that do, None for those that wait for a task under way."""
            for index, (arch, proxy) in enumerate(pairs):
                job = setting.job(proxy)
                space = setting.space
                arch = space.parse(arch) if isinstance(arch, (str, Mapping)) else arch
                key, text, reason = space.key(arch), space.format(arch), space.untrainable(arch)
                identity = (job.run, key)
                if reason:
                    yield Record(text, key, -math.inf, "untrainable", reason, index=index)
                elif identity in waiting:
                    waiting[identity].append((index, text))
                    yield None
                else:
                    row = failures.get(identity) or kept.get(job.run, key)
                    if row is not None:
                        yield _record(row, text, key, index, reused=True)
                    else:
                        waiting[identity] = []
                        yield _Task(job, key, arch, text, index)

        if executor is None:
            worked = False
            for item in todo():
                if isinstance(item, Record):
                    yield item
                elif item is not None:
                    result = _work(item.job.payload, cloudpickle.dumps(item.arch))
                    yield from finish(item, _row(item, result, worked))
                    worked = True
            return
        flow = _Flow(executor, count + max(1, count // 2))
        try:
            yield from flow.run(todo(), finish, lambda: sum(map(len, waiting.values())))
        finally:
            for task, result in flow.drain():
                keep(task, _row(task, result, True))


class _Flow:
    """Tasks on an executor: a bounded number at once, and whatever a broken worker took down tried again alone."""

    def __init__(self, executor: Executor, ahead: int) -> None:
        self.executor, self.ahead = executor, ahead
        self.flying: Dict[Future[Any], _Task] = {}
        self.suspects: Deque[_Task] = deque()
        self.alone: Optional[_Task] = None
        self.worked, self.broken = False, 0

    def run(
        self,
        items: Iterator[Union[Record, _Task, None]],
        finish: Callable[[_Task, Row], Iterator[Record]],
        parked: Callable[[], int],
    ) -> Iterator[Record]:
        """Work on all items and give their records; `parked` says how many wait for an isomorphic architecture."""
        exhausted = False
        while True:
            while not (exhausted or self.suspects or self.alone) and max(len(self.flying), parked()) < self.ahead:
                try:
                    item = next(items)
                except StopIteration:
                    exhausted = True
                    break
                if isinstance(item, Record):
                    yield item
                elif item is not None:
                    self.submit(item)
            if self.suspects and not self.flying:
                self.alone = self.suspects.popleft()
                self.submit(self.alone)
            if not self.flying:
                if exhausted:
                    return
                continue
            # Short waits: on some systems Ctrl-C cannot end a long one.
            done, _ = wait(list(self.flying), timeout=0.5, return_when=FIRST_COMPLETED)
            trouble: Optional[BaseException] = None
            for future in done:
                task = self.flying.pop(future)
                error = _error(future)
                if isinstance(error, BrokenExecutor):
                    trouble = error
                if error is None:
                    row = _row(task, future.result(), self.worked)
                    self.worked = True
                elif task is self.alone:
                    row = self.fail(task, error)
                else:
                    self.suspects.append(task)
                    continue
                if task is self.alone:
                    self.alone = None
                yield from finish(task, row)
            if trouble is not None:
                self.restart(trouble)

    def submit(self, task: _Task) -> None:
        arguments = (task.job.payload, cloudpickle.dumps(task.arch))
        try:
            future = self.executor.submit(_work, *arguments)
        except BrokenExecutor as error:
            # The workers died between two calls: this architecture had no part in it.
            self.restart(error)
            future = self.executor.submit(_work, *arguments)
        self.flying[future] = task

    def restart(self, error: BaseException) -> None:
        """New workers for broken ones; what has no result yet is to be tried again alone."""
        if not isinstance(self.executor, Pool):
            raise EngineError(f"the executor broke: {_death(error)}") from error
        self.executor.restart()
        finished = {future: task for future, task in self.flying.items() if future.done() and _error(future) is None}
        self.suspects.extend(task for future, task in self.flying.items() if future not in finished)
        self.flying = finished

    def fail(self, task: _Task, error: BaseException) -> Row:
        """What becomes of an architecture that broke its worker alone, too."""
        self.broken += 1
        if not self.worked and self.broken >= _HOPELESS:
            raise EngineError(f"no worker could score anything: {_death(error)}") from error
        return Row(task.text, -math.inf, "failed", f"its worker died twice: {_death(error)}", 0.0)

    def drain(self) -> Iterator[Tuple[_Task, Any]]:
        """Drop what is under way, and give the results that are there but not yet reported."""
        for future, task in self.flying.items():
            # A pool that is shut down stumbles over cancelled futures; the few that it is at are soon over anyway.
            dropped = not isinstance(self.executor, Pool) and future.cancel()
            if not dropped and future.done() and _error(future) is None:
                yield task, future.result()


def _error(future: Future[Any]) -> Optional[BaseException]:
    return CancelledError("cancelled by the executor") if future.cancelled() else future.exception()


def _death(error: BaseException) -> str:
    """Why a worker died, without advice on how to debug executors."""
    codes = re.search(r"exit codes of the workers are \{(.+?)\}", " ".join(str(error).split()))
    return f"{codes.group(1)}, as when memory runs out" if codes else _line(error)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, so that only this one answers it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _initialise(parent: int) -> None:
    """Prepare a worker process: no Ctrl-C, and an end when its parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if hasattr(os, "getppid") and os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def _work(payload: bytes, arch: bytes) -> Tuple[float, str, str, float, str]:
    """Score one architecture; runs in a worker. Gives value, status, reason, core-seconds and details as JSON."""
    _, space, proxy, batch, seed, device = _unpacked(payload)
    clock = time.thread_time if torch.device(device).type == "cpu" else time.perf_counter
    with _one_thread():
        started = clock()
        try:
            network = spaces.build(space, cloudpickle.loads(arch), proxy.profile, seed).to(device)
            score = proxy.measure(network, torch.from_numpy(batch.copy()).to(device), seed)
            details = json.dumps(dict(score.details), allow_nan=False)
        except InputError as error:
            score, details = Score(-math.inf, _REFUSED, str(error)), "{}"
        except Exception as error:  # a proxy may raise anything; the others go on
            score, details = Score(-math.inf, "failed", _line(error)), "{}"
        seconds = clock() - started
    value = float(score.value)
    if score.status != "ok" or not math.isfinite(value):
        status = score.status if score.status != "ok" else "diverged"
        return -math.inf, status, score.reason or f"the score is {value}", seconds, details
    return value, "ok", "", seconds, details


@lru_cache(maxsize=8)
def _unpacked(payload: bytes) -> Any:
    return cloudpickle.loads(payload)


_threads_lock = threading.Lock()
_threads_users = 0
_threads_before = 1


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One torch thread inside the block, whoever computes, so that a score does not depend on where it is computed."""
    global _threads_users, _threads_before
    with _threads_lock:
        if _threads_users == 0:
            _threads_before = torch.get_num_threads()
        _threads_users += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _threads_lock:
            _threads_users -= 1
            if _threads_users == 0:
                torch.set_num_threads(_threads_before)


def _capacity(executor: Executor) -> int:
    """How many tasks an executor works on at once, as far as it says."""
    cluster = getattr(executor, "_client", None)
    if cluster is not None and hasattr(cluster, "ncores"):
        return max(1, sum(cluster.ncores().values()))
    return int(getattr(executor, "workers", 0) or getattr(executor, "_max_workers", 0) or cores())


def _row(task: _Task, result: Tuple[float, str, str, float, str], worked: bool) -> Row:
    """What `_work` gave; a proxy that refuses the first network refuses them all."""
    value, status, reason, seconds, details = result
    if status == _REFUSED:
        if not worked:
            raise InputError(reason)
        status = "failed"
    return Row(task.text, value, status, reason, seconds, details)


def _record(row: Row, text: str, key: str, index: int, reused: bool = False) -> Record:
    return Record(text, key, row.score, row.status, row.reason, row.seconds, json.loads(row.details), index, reused)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
