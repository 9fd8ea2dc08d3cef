"""What the activation-pattern proxies share: which units are on for which image of the batch.

A unit of a ReLU is on where its input is positive. That is the pattern for every other elementwise activation, too: the
sign of what goes in.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Set

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from naslib_gennas.networks.calls import tensors_in
from naslib_gennas.networks.staged import StagedNetwork

# What a ReLU is called, whether a module, a function or a tensor's method runs it.
RELUS = ("relu", "relu_", "leaky_relu", "leaky_relu_")
MODULES = (nn.ReLU, nn.LeakyReLU)
# Other activations; each may also work in place, with an underscore behind its name.
OTHERS = frozenset(
    "relu6 hardtanh silu gelu hardswish prelu rrelu elu selu celu mish softplus tanh sigmoid hardsigmoid logsigmoid "
    "log_sigmoid softsign tanhshrink hardshrink softshrink threshold clamp clamp_min erf glu sin maximum max".split()
)
# Recurrent layers and their cells end in a tanh whose sign their output has.
RECURRENT = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))
CELLS = frozenset(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"))
_FIXED = "_gennas_fixed"


class NoActivations(ValueError):
    """A network has no activation whose pattern could be looked at."""


def visit(network: StagedNetwork, inputs: torch.Tensor, see: Callable[[torch.Tensor], None]) -> None:
    """Show `see` the pattern of every activation, (images, units) of booleans, in one forward pass without gradients.

    A ReLU that a cell takes once for several convolutions is shown once a convolution, since in the benchmarks' own
    networks each has its own.

    Raises:
        NoActivations: the network has none that this batch passes.
    """
    watch(network, images_of(network, inputs), lambda: network.whole(inputs), see)


def images_of(network: StagedNetwork, inputs: Any) -> int:
    """How many images a batch holds: along its first axis, or the second of a recurrent network's."""
    first = next(tensors_in(inputs))
    return first.shape[getattr(network, "batch_axis", 0)]


def watch(network: nn.Module, images: int, run: Callable[[], Any], see: Callable[[torch.Tensor], None]) -> None:
    """Show `see` the patterns of the activations that `run()` passes in a network's modules (see `visit`).

    Args:
        images: of the batch that `run` takes through the network.

    Raises:
        NoActivations: it passes none.
    """
    fixed = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    watch = _Watch(see, images, getattr(network, "batch_axis", 0), fixed)
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
        raise NoActivations(
            "the network has no elementwise activation, so it has no activation patterns; gennas-combo needs none"
        )


class _Watch(TorchFunctionMode):
    """Sees the inputs of activations before they run (one that works in place overwrites them).

    Args:
        see: is shown the patterns.
        images: of the batch.
        axis: that they lie along in the network's input.
        fixed: the ids of weights: what is made of these alone belongs to no image.
    """

    def __init__(self, see: Callable[[torch.Tensor], None], images: int, axis: int, fixed: Set[int]) -> None:
        super().__init__()
        self._see, self._images, self._axis, self._fixed = see, images, axis, fixed
        self._module, self.seen = False, 0

    def enter(self, module: nn.Module, arguments: Any) -> None:
        self._module = True

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self._module = False

    def show(self, pattern: Optional[torch.Tensor]) -> None:
        if pattern is not None:
            self.seen += 1
            self._see(pattern)

    def _pattern(self, on: Any) -> Optional[torch.Tensor]:
        """(images, units), wherever the images lie; None for what belongs to none."""
        if not isinstance(on, torch.Tensor) or on.dim() < 2:
            return None
        if on.dim() > 2 and on.shape[1] == self._images and (self._axis or on.shape[0] != self._images):
            return on.transpose(0, 1).flatten(1)
        if on.shape[0] == self._images:
            return on.flatten(1)
        # Windows or frames were folded into the batch.
        return on.reshape(self._images, -1) if on.dim() > 2 and not on.shape[0] % self._images else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__", "size", "dim"):  # looking at a tensor; of a weight's data, say
            return func(*args, **(kwargs or {}))
        tensors = list(tensors_in((args, kwargs or {})))
        fixed = bool(tensors) and all(id(t) in self._fixed or hasattr(t, _FIXED) for t in tensors)
        pattern = None
        if not fixed:
            pattern = self._pattern(_on(name, args, kwargs or {}))
            self.show(pattern)
        if name == "conv2d" and hasattr(args[0], "pattern"):
            args[0].readers += 1
            if args[0].readers > 1:
                self.show(args[0].pattern)
        output = func(*args, **(kwargs or {}))
        if fixed:
            for tensor in tensors_in(output):
                setattr(tensor, _FIXED, True)
        elif name in RELUS and not self._module and pattern is not None:
            output.pattern, output.readers = pattern, 0
        elif name in RECURRENT | CELLS:
            states = output if isinstance(output, torch.Tensor) else output[0]
            if states.dim() == 2 and name in RECURRENT and not len(states) % self._images:  # packed: steps come first
                states = states.unflatten(0, (-1, self._images)).transpose(0, 1)
            self.show(self._pattern(states > 0))
        return output


def _on(name: str, args: Any, kwargs: Any) -> Any:
    """Which units of an activation are on: where what goes in is positive; None for any other function."""
    plain = name.rstrip("_")
    if name not in RELUS and plain not in OTHERS:
        return None
    entered = args[0] if args else kwargs.get("input")
    if not isinstance(entered, torch.Tensor) or not entered.is_floating_point():
        return None
    if plain in ("maximum", "max"):
        other = args[1] if len(args) > 1 else kwargs.get("other")
        return entered > other if isinstance(other, torch.Tensor) else None
    if plain == "glu":
        axis = args[1] if len(args) > 1 else kwargs.get("dim", -1)
        return entered.chunk(2, axis)[1] > 0
    if plain == "sin" and entered.dim() < 3:
        return None  # of a time step
    return entered > 0
