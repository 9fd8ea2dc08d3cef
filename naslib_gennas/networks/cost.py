"""What a network costs: parameters, multiply-adds, the memory of a training step, the latency of a forward pass.

Each takes a module and a batch for it. Parameters, multiply-adds and memory can be counted on torch's meta device,
where nothing is computed or allocated.
"""

from __future__ import annotations

import statistics
import time
import weakref
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

# Forward passes before the first that is timed, and timed ones: as many as fit into some seconds, between two bounds.
_WARM_UP = 3
_REPEATS = (5, 30)
_SECONDS = 2.0


class Latency(NamedTuple):
    """Seconds of a forward pass: the median of the repeats, and their quartiles."""

    median: float
    low: float
    high: float


def parameters(network: nn.Module) -> int:
    """The number of parameters, each counted once, trained or not."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, batch: torch.Tensor) -> float:
    """Multiply-adds of a forward pass in evaluation mode, over the whole batch.

    What convolutions, linear layers, matrix products and attention multiply, a product and its sum counted once, as
    papers count "FLOPs". Norms, activations, poolings and sums are left out.
    """
    counter = FlopCounterMode(display=False)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        # The counter looks for the history of what modules are given, which a parameter has none of.
        for parameter in trained:
            parameter.requires_grad_(False)
        with counter, torch.no_grad():
            network.eval()(batch)
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    return counter.get_total_flops() / 2


def latency(network: nn.Module, batch: torch.Tensor, threads: int = 1) -> Latency:
    """Seconds of a forward pass in evaluation mode, on the device that network and batch are on.

    Args:
        network: what is timed.
        batch: its input.
        threads: of torch, on a CPU; what it had before is restored.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            network.eval()
            for _ in range(_WARM_UP):
                last = _seconds(network, batch)
            least, most = _REPEATS
            repeats = max(least, min(most, int(_SECONDS / max(last, 1e-6))))
            times = [_seconds(network, batch) for _ in range(repeats)]
    finally:
        torch.set_num_threads(before)
    low, median, high = statistics.quantiles(times, n=4)
    return Latency(median, low, high)


def _seconds(network: nn.Module, batch: torch.Tensor) -> float:
    _wait(batch)
    started = time.perf_counter()
    network(batch)
    _wait(batch)
    return time.perf_counter() - started


def _wait(batch: torch.Tensor) -> None:
    """Until the device has done what it was given."""
    if batch.device.type not in ("cpu", "meta"):
        torch.get_device_module(batch.device).synchronize(batch.device)


def training_memory(network: nn.Module, batch: torch.Tensor) -> int:
    """Bytes at the peak of a training step: forward, backward, and SGD with momentum.

    On a CUDA device it is measured, by torch's own count of what it has allocated. Elsewhere, the meta device included,
    it is counted: all tensors that are alive at the same time, from parameters, gradients and momentum to what the
    backward pass needs of the forward pass. The working space of the libraries that compute comes on top.
    """
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
        torch.cuda.reset_peak_memory_stats(batch.device)
        before = torch.cuda.memory_allocated(batch.device)
        held = sum(tensor.untyped_storage().nbytes() for tensor in (*network.parameters(), *network.buffers(), batch))
        _step(network, batch)
        torch.cuda.synchronize(batch.device)
        return torch.cuda.max_memory_allocated(batch.device) - before + held
    with _Alive() as alive:
        for tensor in (*network.parameters(), *network.buffers(), batch):
            alive.note(tensor)
        _step(network, batch)
    return alive.peak


def _step(network: nn.Module, batch: torch.Tensor) -> None:
    """A training step as it is from the second one on: the momentum is there already."""
    trained = [parameter for parameter in network.train().parameters() if parameter.requires_grad]
    momentum = [torch.zeros_like(parameter) for parameter in trained]
    scores = network(batch)
    # The memory of a cross-entropy, for scores of any shape.
    loss = -torch.log_softmax(scores.flatten(0, -2), -1)[:, 0].mean()
    del scores
    loss.backward()
    with torch.no_grad():
        for parameter, buffer in zip(trained, momentum):
            if parameter.grad is not None:
                parameter.sub_(buffer.mul_(0.9).add_(parameter.grad), alpha=0.1)
                parameter.grad = None


class _Alive(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and their most."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: Any = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for value in tree_leaves(output):
            if isinstance(value, torch.Tensor):
                self.note(value)
        return output

    def note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._free, size).atexit = False

    def _free(self, size: int) -> None:
        self.bytes -= size
