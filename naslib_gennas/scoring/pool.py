"""Where scores are computed on this machine: a pool of worker processes, or CUDA streams on one GPU."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Callable, Iterator, Optional

import loky
import torch

from naslib_gennas.scoring.devices import check_device, device_of


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
    streams run at the same time (docs/notebook/speed.md has the counts).
    """

    def __init__(self, workers: int, device: str) -> None:
        self.workers, self.device = workers, torch.device(device)
        super().__init__(workers, thread_name_prefix="gennas-stream", initializer=self._own_stream)

    def _own_stream(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_stream(torch.cuda.Stream(self.device))  # the current stream is a thread's own


@contextlib.contextmanager
def one_pool(executor: Optional[Executor], workers: Optional[int], device: str) -> Iterator[Optional[Executor]]:
    """An executor for everything that is scored while the block lasts: the caller's, or one pool for them all."""
    number = count(workers, device)
    if executor is not None or number == 1:
        yield executor
        return
    with _own_executor(number, device) as own:
        yield own


def count(workers: Optional[int], device: str) -> int:
    """How many workers there are: as many as asked for, else one a core, and one where another device computes."""
    return workers or (cores() if device_of(device).type == "cpu" else 1)


def _own_executor(workers: int, device: str) -> Executor:
    check_device(device)
    return Pool(workers) if device_of(device).type == "cpu" else Streams(workers, device)


def capacity(executor: Executor) -> int:
    """How many tasks an executor works on at once, as far as it says."""
    cluster = getattr(executor, "_client", None)
    if cluster is not None and hasattr(cluster, "ncores"):
        return max(1, sum(cluster.ncores().values()))
    return int(getattr(executor, "workers", 0) or getattr(executor, "_max_workers", 0) or cores())


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
