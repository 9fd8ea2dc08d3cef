"""The one place where a network is measured: under the same conditions wherever, whoever and on however many cores.

Pool workers, the NASLib plugin, aggregates, the few-shot ranker and `score_network` all come here, so that a score
depends on what is in its identity and on nothing else.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator, List, Tuple, Union

import torch

from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.regression.batches import Batch
from naslib_gennas.spaces.space import SearchSpace, build

Device = Union[str, torch.device]


def measure(proxy: Proxy, network: StagedNetwork, batch: Batch, seed: int, device: Device = "cpu") -> Score:
    """What a proxy says of a network, which it uses up.

    Args:
        proxy: it may raise whatever its measure raises.
        network: moved to `device`, trained, changed.
        batch: the input batch.
        seed: of everything that is drawn.
        device: where to measure.

    Raises:
        InputError: a batch of one image that a BatchNorm of the network cannot normalise.
    """
    with conditions(), _one_value():
        return proxy.measure(network.to(device), batch.to(device), seed)


@contextlib.contextmanager
def _one_value() -> Iterator[None]:
    """A BatchNorm that would have to normalise a single value is refused in words."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "a BatchNorm of the network sees a single value per channel: one image, and a map of one pixel; take two "
            "images or more, or a higher resolution"
        ) from None


def measure_architecture(
    space: SearchSpace[Any], arch: Any, proxy: Proxy, batch: Batch, seed: int, device: Device = "cpu"
) -> Score:
    """What a proxy says of an architecture: its network at the proxy's profile, built under `seed`, then measured."""
    with conditions():
        return measure(proxy, build(space, arch, proxy.profile, seed), batch, seed, device)


@contextlib.contextmanager
def conditions() -> Iterator[None]:
    """The conditions of every measurement: one thread, float32 as default, oneDNN where there is any, gradients.

    What belongs to the whole process is put back when the last of several threads leaves.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(torch.autocast("cuda", enabled=False))
        stack.enter_context(_process_settings())
        yield


def _mkldnn(enabled: bool) -> None:
    torch.backends.mkldnn.set_flags(_enabled=enabled)


def _benchmark(enabled: bool) -> None:
    torch.backends.cudnn.benchmark = enabled


def _default_device(device: Any) -> None:
    torch.set_default_device(None if torch.device(device or "cpu") == torch.device("cpu") else device)


def _get_default_device() -> Any:
    try:
        return torch.get_default_device()
    except AttributeError:  # torch has it from 2.3 on; up to 2.8 it fails after set_default_device(None)
        return None


#: What is left as it is found, and put back to that.
_AS_IS = object()
#: (how to read, how to set, what it is while something is measured) of each setting of the process.
_SETTINGS: List[Tuple[Callable[[], Any], Callable[[Any], None], Any]] = [
    (torch.get_num_threads, torch.set_num_threads, 1),
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (lambda: torch.backends.mkldnn.enabled, _mkldnn, True),
    (_get_default_device, _default_device, None),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, _AS_IS),
    (lambda: torch.backends.cudnn.benchmark, _benchmark, _AS_IS),
]
_lock = threading.Lock()
_users = 0
_before: List[Any] = []


@contextlib.contextmanager
def _process_settings() -> Iterator[None]:
    global _users, _before
    with _lock:
        if _users == 0:
            _before = [read() for read, _, _ in _SETTINGS]
            for (_, put, value), before in zip(_SETTINGS, _before):
                if before != value and value is not _AS_IS:
                    put(value)
        _users += 1
        torch.set_num_threads(1)  # a thread's own in some builds of OpenMP
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for (read, put, _), before in zip(_SETTINGS, _before):
                    if before != read():  # also what the network itself has set
                        put(before)
