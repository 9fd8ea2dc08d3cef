"""What the activation-pattern proxies share: which units are on for which image of the batch.

A unit of a ReLU is on where its input is positive. That is the pattern for every other elementwise activation, too: the
sign of what goes in.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from naslib_gennas.networks.staged import StagedNetwork

# What a ReLU is called, whether a module, a function or a tensor's method runs it.
RELUS = ("relu", "relu_", "leaky_relu", "leaky_relu_")
MODULES = (nn.ReLU, nn.LeakyReLU)
# Other activations; each may also work in place, with an underscore behind its name.
OTHERS = frozenset(
    "relu6 hardtanh silu gelu hardswish prelu rrelu elu selu celu mish softplus tanh sigmoid hardsigmoid logsigmoid "
    "softsign tanhshrink hardshrink softshrink threshold clamp clamp_min".split()
)
# Recurrent layers end in a tanh whose sign their output has.
RECURRENT = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))


def visit(network: StagedNetwork, inputs: torch.Tensor, see: Callable[[torch.Tensor], None]) -> None:
    """Show `see` the pattern of every activation, (images, units) of booleans, in one forward pass without gradients.

    A ReLU that a cell takes once for several convolutions is shown once a convolution, since in the benchmarks' own
    networks each has its own.

    Raises:
        ValueError: the network has no activation that this batch passes.
    """
    watch(network, len(inputs), lambda: network.whole(inputs), see)


def watch(network: nn.Module, images: int, run: Callable[[], Any], see: Callable[[torch.Tensor], None]) -> None:
    """Show `see` the patterns of the activations that `run()` passes in a network's modules (see `visit`).

    Args:
        images: of the batch that `run` takes through the network.

    Raises:
        ValueError: it passes none.
    """
    watch = _Watch(see, images)
    modules = [module for module in network.modules() if isinstance(module, MODULES)]
    handles = [module.register_forward_pre_hook(watch.enter) for module in modules]
    handles += [module.register_forward_hook(watch.leave) for module in modules]
    try:
        with torch.no_grad(), watch:
            run()
    finally:
        for handle in handles:
            handle.remove()
    if not watch.seen:
        raise ValueError("the network has no elementwise activation, so it has no activation patterns")


class _Watch(TorchFunctionMode):
    """Sees the inputs of activations before they run (one that works in place overwrites them)."""

    def __init__(self, see: Callable[[torch.Tensor], None], images: int) -> None:
        super().__init__()
        self._see, self._images, self._module, self.seen = see, images, False, 0

    def enter(self, module: nn.Module, arguments: Any) -> None:
        self._module = True

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self._module = False

    def show(self, pattern: torch.Tensor) -> None:
        self.seen += 1
        self._see(pattern)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in RELUS:
            pattern = args[0].flatten(1) > 0
            self.show(pattern)
            output = func(*args, **(kwargs or {}))
            if not self._module:
                output.pattern, output.readers = pattern, 0
            return output
        if name.rstrip("_") in OTHERS:
            entered = args[0] if args else (kwargs or {}).get("input")
            # Only what belongs to images: no function of weights or positions.
            if isinstance(entered, torch.Tensor) and entered.dim() > 1 and entered.shape[0] == self._images:
                self.show(entered.flatten(1) > 0)
        if name in RECURRENT:
            output = func(*args, **(kwargs or {}))
            states = output[0] if output[0].shape[0] == self._images else output[0].transpose(0, 1)
            self.show(states.flatten(1) > 0)
            return output
        if name == "conv2d" and hasattr(args[0], "pattern"):
            args[0].readers += 1
            if args[0].readers > 1:
                self.show(args[0].pattern)
        return func(*args, **(kwargs or {}))
