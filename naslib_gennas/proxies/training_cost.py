"""What a proxy's training costs: time and memory of an iteration (table 10 of arXiv:2108.01899)."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import torch

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.regression.batches import Batch


def of(proxy: Proxy) -> Proxy:
    """A proxy that scores by minus the seconds of one training step of another, and records the memory it takes.

    `seconds` and `megabytes` are in the score's details: core-seconds on a CPU, seconds on another device; the peak of
    the memory that the training takes beyond what the process holds before it. Its process should do nothing else,
    and should not have trained before. The one evaluation at the end is in the time.

    Args:
        proxy: a `gennas-` proxy; its profile says batch size and steps.
    """
    recurrent = proxy.kinds == ("rnn",)
    steps = (proxy.profile.sequence_steps if recurrent else None) or proxy.profile.steps

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        device = batch.device
        before = _reset(device)
        started = _now(device)
        score = proxy.measure(network, batch, seed)
        seconds = (_now(device) - started) / steps
        if score.status != "ok":
            return score
        return Score(-seconds, details={"seconds": seconds, "megabytes": (_peak(device) - before) / 1e6})

    return Proxy(
        f"cost of {proxy.name}",
        measure,
        proxy.profile,
        proxy.images,
        {**proxy.settings, "cost of": proxy.name},
        proxy.kinds,
        proxy.inputs,
        sequences=proxy.sequences,
    )


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _reset(device: torch.device) -> float:
    """Begin a new peak of memory; gives the bytes that are held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return float(torch.cuda.memory_allocated(device))
    with suppress(OSError):  # Linux alone has it; elsewhere the peak is that of the whole process
        Path("/proc/self/clear_refs").write_text("5")
    return _held("VmRSS") or _peak(device)


def _peak(device: torch.device) -> float:
    """The most bytes that were held since `_reset`."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    held = _held("VmHWM")
    if held:
        return held
    import resource  # of Unix alone
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _held(what: str) -> float:
    """A figure of Linux's account of this process, in bytes; 0 where there is none."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return float(line.split()[1]) * 1024
    return 0.0
