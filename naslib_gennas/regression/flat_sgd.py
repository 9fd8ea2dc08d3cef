"""SGD with momentum over one flat buffer: a few long vector operations a step, whatever the number of parameters."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

import torch
from torch import nn


class FlatSGD:
    """What `torch.optim.SGD` does with momentum and weight decay, for parameters that all get a gradient.

    The parameters and their gradients become views of two flat buffers. Small networks have many small tensors: an
    update by tensor costs more than the arithmetic does.

    Args:
        parameters: of one dtype and device.
        learning_rate: factor on the update.
        momentum: of the running sum of gradients (no dampening, not Nesterov).
        weight_decay: on parameters of two or more dimensions only, as the paper's runs do.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], learning_rate: float, momentum: float, weight_decay: float
    ) -> None:
        # Decayed parameters first, so that they are one slice.
        ordered = sorted(parameters, key=lambda parameter: parameter.dim() <= 1)
        count = sum(parameter.numel() for parameter in ordered)
        self._decayed = sum(parameter.numel() for parameter in ordered if parameter.dim() > 1)
        self._values = torch.empty(count, dtype=ordered[0].dtype, device=ordered[0].device)
        self._gradients = torch.zeros_like(self._values)
        self._velocity = torch.zeros_like(self._values)
        self._learning_rate, self._momentum, self._weight_decay = learning_rate, momentum, weight_decay
        offset = 0
        with torch.no_grad():
            for parameter in ordered:
                place = (parameter.shape, _dense_strides(parameter), offset)
                view = self._values.as_strided(*place)
                view.copy_(parameter)
                parameter.data = view
                gradient = self._gradients.as_strided(*place)
                if parameter.grad is not None:
                    gradient.copy_(parameter.grad)
                parameter.grad = gradient
                offset += parameter.numel()

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients as they are; they are set to zero for the next backward pass."""
        if self._weight_decay:
            decayed = slice(0, self._decayed)
            self._gradients[decayed].add_(self._values[decayed], alpha=self._weight_decay)
        self._velocity.mul_(self._momentum).add_(self._gradients)
        self._values.add_(self._velocity, alpha=-self._learning_rate)
        self._gradients.zero_()

    def state_dict(self) -> Dict[str, torch.Tensor]:
        """The running sum of gradients, in the order of the flat buffer."""
        return {"velocity": self._velocity}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what `state_dict` gave for the same parameters."""
        self._velocity.copy_(state["velocity"])


def _dense_strides(tensor: torch.Tensor) -> List[int]:
    """The tensor's own strides if its elements lie close together in some order (as channels last), else row-major."""
    strides, expected = list(tensor.stride()), 1
    for stride, size in sorted(zip(strides, tensor.shape)):
        if size > 1:
            if stride != expected:
                return list(torch.empty(tensor.shape, device="meta").stride())
            expected *= size
    return strides
