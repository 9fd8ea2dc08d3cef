"""Scores as they finish, each computed once, with nothing lost: on an executor, or in this process."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, Generator, Iterator, List, Mapping, Optional, Tuple, Union

import cloudpickle

from naslib_gennas.errors import EngineError, InputError, in_a_line
from naslib_gennas.scoring.pool import Pool
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.store import Row, Run, Store
from naslib_gennas.scoring.worker import REFUSED, work
from naslib_gennas.spaces.space import SearchSpace

#: So many architectures in a row may break the workers with none scored before the workers themselves count as broken.
MAX_INITIAL_FAILURES = 3


@dataclass(frozen=True)
class Job:
    """What the scores of one proxy share; it travels to the workers as bytes."""

    space: SearchSpace[Any]
    run: Run
    payload: bytes


@dataclass(frozen=True)
class Task:
    """One score to compute, for the record at `index`."""

    job: Job
    key: str
    arch: Any
    text: str
    index: int


def records(
    items: Iterator[Tuple[Any, Job]], store: Store, executor: Optional[Executor], workers: int
) -> Generator[Record, None, None]:
    """Score (architecture, job) pairs and give their records as they finish.

    Isomorphic architectures (equal keys) are scored once, and one that cannot be trained ranks last untrained. An
    architecture whose worker dies is tried once more alone, then recorded as failed; everything else goes on. Every
    score is in the store before its record is given out.

    Args:
        items: taken from lazily, a few ahead.
        store: where scores are found and kept.
        executor: where to compute; None: here, in order.
        workers: how many tasks the executor works on at once.

    Raises:
        EngineError: the workers do not work at all.
    """
    failures: Dict[Tuple[Run, str], Row] = {}
    waiting: Dict[Tuple[Run, str], List[Tuple[int, str, Any]]] = {}

    def keep(task: Task, row: Row) -> Row:
        row = store.put(task.job.run, task.key, row)
        if row.status == "failed":
            failures[task.job.run, task.key] = row
        return row

    def finish(task: Task, row: Row) -> Iterator[Record]:
        row = keep(task, row)
        yield _record(row, task.text, task.key, task.index, task.arch)
        for index, text, arch in waiting.pop((task.job.run, task.key), []):
            yield _record(row, text, task.key, index, arch, reused=True)

    def todo() -> Iterator[Union[Record, Task, None]]:
        """Records that need no work, tasks for those that do, None for those that wait for a task under way."""
        for index, (arch, job) in enumerate(items):
            space = job.space
            arch = _architecture(space, arch)
            key, text, reason = space.key(arch), space.format(arch), space.untrainable(arch)
            identity = (job.run, key)
            if reason:
                yield Record(text, key, -math.inf, "untrainable", reason, index=index, architecture=arch)
            elif identity in waiting:
                waiting[identity].append((index, text, arch))
                yield None
            else:
                row = failures.get(identity) or store.get(job.run, key)
                if row is not None:
                    yield _record(row, text, key, index, arch, reused=True)
                else:
                    waiting[identity] = []
                    yield Task(job, key, arch, text, index)

    if executor is None:
        worked = False
        for item in todo():
            if isinstance(item, Record):
                yield item
            elif item is not None:
                result = work(item.job.payload, cloudpickle.dumps(item.arch))
                yield from finish(item, _row(item, result, worked))
                worked = True
        return
    flow = _Flow(executor, workers + max(1, workers // 2))
    try:
        yield from flow.run(todo(), finish, lambda: sum(map(len, waiting.values())))
    finally:
        for task, result in flow.drain():
            keep(task, _row(task, result, True))


def _architecture(space: SearchSpace[Any], given: Any) -> Any:
    """The architecture that is given, as itself or in the space's notation.

    Raises:
        InputError: it is none of the space's.
    """
    if isinstance(given, (str, Mapping)):
        return space.parse(given)
    try:
        return space.parse(space.format(given))
    except InputError:
        raise
    except Exception:  # whatever a value of another kind brings about
        shown = f"{given!r}"
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        example = f"; one looks like {space.notation}" if space.notation else ""
        raise InputError(f"{space.name}: {shown} is no architecture{example}") from None


class _Flow:
    """Tasks on an executor: a bounded number at once, and whatever a broken worker took down tried again alone."""

    def __init__(self, executor: Executor, ahead: int) -> None:
        self.executor, self.ahead = executor, ahead
        self.flying: Dict[Future[Any], Task] = {}
        self.suspects: Deque[Task] = deque()
        self.alone: Optional[Task] = None
        self.worked, self.broken = False, 0

    def run(
        self,
        items: Iterator[Union[Record, Task, None]],
        finish: Callable[[Task, Row], Iterator[Record]],
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

    def submit(self, task: Task) -> None:
        arguments = (task.job.payload, cloudpickle.dumps(task.arch))
        try:
            future = self.executor.submit(work, *arguments)
        except BrokenExecutor as error:
            # The workers died between two calls: this architecture had no part in it.
            self.restart(error)
            future = self.executor.submit(work, *arguments)
        self.flying[future] = task

    def restart(self, error: BaseException) -> None:
        """New workers for broken ones; what has no result yet is to be tried again alone."""
        if not isinstance(self.executor, Pool):
            raise EngineError(f"the executor broke: {_death(error)}") from error
        self.executor.restart()
        finished = {future: task for future, task in self.flying.items() if future.done() and _error(future) is None}
        self.suspects.extend(task for future, task in self.flying.items() if future not in finished)
        self.flying = finished

    def fail(self, task: Task, error: BaseException) -> Row:
        """What becomes of an architecture that broke its worker alone, too."""
        self.broken += 1
        if not self.worked and self.broken >= MAX_INITIAL_FAILURES:
            raise EngineError(f"no worker could score anything: {_death(error)}") from error
        return Row(task.text, -math.inf, "failed", f"its worker died twice: {_death(error)}", 0.0)

    def drain(self) -> Iterator[Tuple[Task, Any]]:
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
    return f"{codes.group(1)}, as when memory runs out" if codes else in_a_line(error)


def _row(task: Task, result: Tuple[float, str, str, float, str], worked: bool) -> Row:
    """What `_work` gave; a proxy that refuses the first network refuses them all."""
    value, status, reason, seconds, details = result
    if status == REFUSED:
        if not worked:
            raise InputError(reason)
        status = "failed"
    return Row(task.text, value, status, reason, seconds, details)


def _record(row: Row, text: str, key: str, index: int, arch: Any, reused: bool = False) -> Record:
    details = json.loads(row.details)
    about = (row.score, row.status, row.reason, row.seconds, details, index, reused)
    return Record(text, key, *about, architecture=arch)
