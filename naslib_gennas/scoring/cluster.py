"""Where scores are computed on a cluster: an executor through Dask."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import urllib.parse
import warnings
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Iterator, Optional

from naslib_gennas.errors import InputError, in_a_line

# Seconds that a scheduler has for its answer.
_ANSWER = 5
# How addresses of schedulers begin.
_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")


def _refused(address: str, why: str) -> InputError:
    return InputError(f"scheduler '{address}' {why}; it takes the address of a Dask scheduler, such as tcp://host:8786")


async def _kind(address: str) -> str:
    """What a Dask server says that it is, such as "Scheduler"."""
    from distributed import Security
    from distributed.comm import connect
    from distributed.core import send_recv

    # Where what listens closes at once, Dask may try anew for so long; that must end before its caller's patience does,
    # which is for what says nothing.
    server = await connect(address, timeout=_ANSWER / 2, **Security().get_connection_args("client"))
    try:
        answer = await send_recv(server, op="identity", reply=True)
    finally:
        server.abort()
    return str(answer["type"]) if isinstance(answer, dict) and "type" in answer else "no Dask server"


def _check_address(address: str) -> None:
    """See that a scheduler answers, before a client is made: a client waits long, and leaves threads where it fails.

    Raises:
        InputError: the address is none, nobody answers there, or somebody who is no scheduler.
    """
    parts = urllib.parse.urlsplit(address)
    try:
        place = (parts.hostname, parts.port)
    except ValueError:  # a port that is no number
        place = (None, None)
    if parts.scheme not in _SCHEMES or None in place:
        raise _refused(address, "does not answer: it is no address")
    try:
        socket.create_connection((str(place[0]), int(place[1] or 0)), timeout=_ANSWER).close()
    except OSError as error:
        raise _refused(address, f"does not answer: {in_a_line(error)}") from None
    # A thread of its own, since the caller may be in an event loop (a notebook).
    with ThreadPoolExecutor(1) as thread:
        try:
            kind = thread.submit(lambda: asyncio.run(asyncio.wait_for(_kind(address), _ANSWER))).result()
        except (TimeoutError, asyncio.TimeoutError):
            raise _refused(address, f"does not answer: what listens there says nothing for {_ANSWER} s") from None
        except Exception as error:  # what listens there may be anything
            raise _refused(
                address, f"is none: another program answers there ({in_a_line(error.__cause__ or error)})"
            ) from None
    if kind != "Scheduler":
        raise _refused(address, f"is none: another program answers there ({kind})")


@contextlib.contextmanager
def executor(address: str, workers: Optional[int] = None) -> Iterator[Executor]:
    """An executor on a cluster, through Dask (the extra `cluster`), while the block lasts.

    Args:
        address: of a running Dask scheduler, such as ``tcp://host:8786``; or "slurm": start workers of one core each
            through SLURM, as the user's Dask configuration says (``jobqueue.slurm``: queue, walltime, memory).
        workers: how many to start on SLURM (4).

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer.
    """
    extra = "pip install dask distributed dask-jobqueue"
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
                    f"scheduler 'slurm' could not be used: {in_a_line(error)}; ~/.config/dask/jobqueue.yaml says how "
                    "jobs are started (jobqueue: {slurm: {queue, walltime, memory}})"
                ) from None
        else:
            _check_address(address)
        try:
            client = stack.enter_context(Client(target, timeout=_ANSWER, set_as_default=False))
        except Exception as error:  # a scheduler of another version, say
            raise _refused(address, f"does not answer: {in_a_line(error)}") from None
        try:
            client.wait_for_workers(1, timeout=_ANSWER)
        except TimeoutError:
            warnings.warn(f"scheduler '{address}' has no workers yet; waiting for them", RuntimeWarning, stacklevel=3)
        yield client.get_executor()
