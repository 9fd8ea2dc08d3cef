"""What a network is made of: the operations on its paths from the input to the last stage, read off a forward pass."""

from __future__ import annotations

import math
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

import torch
from torch.overrides import TorchFunctionMode

from naslib_gennas.networks.calls import tensors_in
from naslib_gennas.networks.staged import StagedNetwork


def read(network: StagedNetwork, inputs: torch.Tensor) -> Dict[str, float]:
    """What the forward pass from the input to the last stage is made of.

    Gives log(1 + number) of each operation (convolutions by kernel, poolings), the mean number of each on a path
    through the network, and the convolutions on the longest, the shortest and a mean path: one on which every part of
    a sum is as likely, taken step by step, so that it depends a little on the order of sums.
    """
    start = inputs[:2].detach().clone()
    start.passed = _Passed()
    with torch.no_grad(), _Watch() as watch:
        last = network.eval()(start)[-1]
    passed: _Passed = getattr(last, "passed", _Passed())
    found = {f"number of {name}": math.log1p(count) for name, count in watch.numbers.items()}
    found.update({f"{name} on a path": total / passed.paths for name, total in passed.totals.items()})
    return {**found, "longest path": passed.longest, "shortest path": passed.shortest, "mean path": passed.mean}


class _Passed(NamedTuple):
    """What lies between the input and a tensor: paths, operations summed over them, convolutions on one of them."""

    paths: float = 1.0
    totals: Mapping[str, float] = {}
    longest: float = 0.0
    shortest: float = 0.0
    mean: float = 0.0

    def then(self, operation: str) -> _Passed:
        totals = {**self.totals, operation: self.totals.get(operation, 0.0) + self.paths}
        long = operation.startswith("conv")
        return _Passed(self.paths, totals, self.longest + long, self.shortest + long, self.mean + long)


def _joined(parts: Sequence[_Passed]) -> _Passed:
    names = {name for part in parts for name in part.totals}
    return _Passed(
        sum(part.paths for part in parts),
        {name: sum(part.totals.get(name, 0.0) for part in parts) for name in names},
        max(part.longest for part in parts),
        min(part.shortest for part in parts),
        sum(part.mean for part in parts) / len(parts),
    )


class _Watch(TorchFunctionMode):
    """Carries `_Passed` from the inputs of every function to its output, and counts operations."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: Dict[str, int] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name == "__get__" or not isinstance(output, torch.Tensor):
            return output
        parts = [tensor.passed for tensor in tensors_in(args) if hasattr(tensor, "passed")]
        if parts:
            passed, operation = parts[0] if len(parts) == 1 else _joined(parts), _operation(name, args)
            if operation:
                self.numbers[operation] = self.numbers.get(operation, 0) + 1
                passed = passed.then(operation)
            output.passed = passed
        return output


def _operation(name: str, args: Any) -> str:
    if name in ("conv1d", "conv2d"):
        grouped = " grouped" if args[1].shape[1] != args[0].shape[1] else ""
        return f"conv {args[1].shape[-1]}{grouped}"
    if name == "conv3d":
        return f"conv {args[1].shape[-1]} of volumes"
    if name == "linear" and args[0].dim() > 2:
        return "conv 1 of tokens"  # a linear layer at every place of a map is a convolution
    if "pool" in name:
        return "maximum pooling" if "max" in name else "average pooling"
    return ""
