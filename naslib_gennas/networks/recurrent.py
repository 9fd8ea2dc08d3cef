"""Recurrent networks of NAS-Bench-NLP (arXiv:2006.07116, section 3): stacked layers of a cell that a recipe describes.

A step of a layer goes through the recipe's nodes, each one fused operation over the batch. The maps of x are one matrix
product over all time steps before the loop; the backward pass is written out, so that weight gradients are one
product over all time steps too, and so that autograd keeps no graph of the many small operations.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork

INPUT = "x"
PREVIOUS = "h_prev_"
NEW = "h_new_"
# Of leaky_relu where its input is negative.
SLOPE = 0.01

# Dropout of the published runs: on the hidden-to-node matrices, between the layers, on the output.
WEIGHT_DROPOUT = 0.1
LAYER_DROPOUT = 0.25
OUTPUT_DROPOUT = 0.1
# Entries by which the long mask that all others are windows of exceeds the largest of them.
_STARTS = 2**16


class Node(NamedTuple):
    """A node of a recipe: its name, its operation, the names that it reads."""

    name: str
    op: str
    inputs: Tuple[str, ...]


def state_number(prefix: str, name: str) -> Optional[int]:
    """The number of a hidden state, or None for any other name (``h_new_0_part`` is an ordinary node)."""
    match = re.fullmatch(re.escape(prefix) + r"(0|[1-9]\d{0,5})", name)
    return int(match.group(1)) if match else None


class RecurrentNetwork(StagedNetwork):
    """Layers of a recurrent cell: (length, batch, embedding) in, one map of the same shape out.

    The first layer takes `embedding` features, the last gives as many, all others have `hidden`. In training a locked
    dropout (one mask for all time steps) acts between layers and on the output, and weight dropout on the matrices
    between the nodes of a cell.

    These matrices keep their initial values, as in the published runs: see `RecurrentLayer`.

    Args:
        nodes: the recipe, in an order in which every node follows those that it reads.
        embedding: features of the input and of the output.
        hidden: features of a hidden state, but in the last layer.
        layers: number of layers.

    Attributes:
        draws: what the dropout masks are drawn with; None: torch's global generator.
    """

    def __init__(self, nodes: Sequence[Node], embedding: int = 400, hidden: int = 600, layers: int = 3) -> None:
        super().__init__()
        widths = [embedding] + [hidden] * (layers - 1) + [embedding]
        self.layers = nn.ModuleList(RecurrentLayer(nodes, widths[i], widths[i + 1]) for i in range(layers))
        self.embedding = embedding
        self.draws: Optional[torch.Generator] = None
        self._masks: Dict[float, torch.Tensor] = {}

    @property
    def stage_channels(self) -> List[int]:
        return [self.embedding]

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        for index, layer in enumerate(self.layers):
            x = layer(x, self._mask)
            if self.training:
                x = x * self._mask(OUTPUT_DROPOUT if index == len(self.layers) - 1 else LAYER_DROPOUT, x[:1])
        return [x]

    def _mask(self, rate: float, like: torch.Tensor) -> torch.Tensor:
        """A dropout mask in the shape of `like`: 0 with probability `rate`, else 1 / (1 - rate).

        A mask is a random window of a longer one that is drawn once: drawing each entry anew takes longer than the
        matrix products that it masks. Windows start at multiples of 16 entries, which memory likes.
        """
        entries, drawn = like.numel(), self._masks.get(rate)
        fits = (
            drawn is not None and drawn.numel() >= entries and (drawn.dtype, drawn.device) == (like.dtype, like.device)
        )
        if drawn is None or not fits:
            largest = max([entries, *(weight.numel() for layer in self.layers for weight in layer.weights)])
            drawn = torch.rand(largest + _STARTS, dtype=like.dtype, device=like.device, generator=self.draws)
            drawn = self._masks[rate] = (drawn >= rate).to(like.dtype) / (1 - rate)
        if drawn.is_meta:  # has no entries, and no random place
            return drawn[:entries].view(like.shape)
        places = (drawn.numel() - entries) // 16 + 1
        start = 16 * int(torch.randint(places, (), device=like.device, generator=self.draws))
        return drawn[start : start + entries].view(like.shape)


class RecurrentLayer(nn.Module):
    """One layer: (length, batch, features) in, the first hidden state of every time step out.

    Hidden states start at zero. All parameters are initialised uniformly in +-1 / sqrt(width).
    """

    def __init__(self, nodes: Sequence[Node], features: int, width: int) -> None:
        super().__init__()
        self.plan = Plan(nodes)
        self.width = width
        linear = [step for step in self.plan.steps if step.op == "linear"]
        self.bias = nn.ParameterList(torch.empty(width) for _ in linear)
        self.inputs = nn.ParameterList(torch.empty(width, features) for step in linear if step.reads_input)
        self.weights = nn.ParameterList(torch.empty(width, width) for step in linear for _ in step.sources)
        bound = 1 / math.sqrt(width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        self.weights.requires_grad_(False)
        self._room: List[torch.Tensor] = []

    def forward(self, x: torch.Tensor, mask: Callable[[float, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """
        Args:
            x: (length, batch, features).
            mask: draws a dropout mask of a rate and a shape.
        """
        linear = [step for step in self.plan.steps if step.op == "linear"]
        weights = self._dropped(mask) if self.training else list(self.weights)
        maps = iter(self.inputs)
        length, batch = x.shape[:2]
        sums = [
            F.linear(x, next(maps), bias) if step.reads_input else bias.expand(length, batch, -1)
            for step, bias in zip(linear, self.bias)
        ]
        return _Recurrence.apply(self.plan, length, x.new_zeros(batch, self.width), len(sums), *sums, *weights)

    def _dropped(self, mask: Callable[[float, torch.Tensor], torch.Tensor]) -> List[torch.Tensor]:
        """The matrices between nodes with entries dropped.

        Those that are not trained go into memory that is kept: a fresh page costs more than the product. Autograd
        notices where a backward pass would find it overwritten by a later forward pass.
        """
        while len(self._room) < len(self.weights):
            self._room.append(torch.empty(0))
        found = []
        for index, weight in enumerate(self.weights):
            entries = mask(WEIGHT_DROPOUT, weight)
            if weight.requires_grad:
                found.append(weight * entries)
                continue
            room = self._room[index]
            if (room.shape, room.dtype, room.device) != (weight.shape, weight.dtype, weight.device):
                room = self._room[index] = torch.empty_like(weight)
            found.append(torch.mul(weight, entries, out=room))
        return found


class Step(NamedTuple):
    """A node as the loop over time runs it.

    Attributes:
        op: the operation.
        sources: the values that it reads: hidden states first, then the nodes in order.
        reads_input: whether it is a linear node that reads x.
        first: of a linear node: the number of its first weight matrix.
        number: of a linear node: which one it is.
    """

    op: str
    sources: Tuple[int, ...]
    reads_input: bool
    first: int
    number: int


class Plan:
    """A recipe with numbers for names."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.states = sum(state_number(NEW, node.name) is not None for node in nodes)
        number = {f"{PREVIOUS}{i}": i for i in range(self.states)}
        number.update({node.name: self.states + i for i, node in enumerate(nodes)})
        self.new = [number[f"{NEW}{i}"] for i in range(self.states)]
        self.steps: List[Step] = []
        matrices = linear = 0
        for node in nodes:
            sources = tuple(number[name] for name in node.inputs if name != INPUT)
            self.steps.append(Step(node.op, sources, INPUT in node.inputs, matrices, linear))
            if node.op == "linear":
                matrices += len(sources)
                linear += 1


# Arguments of the loop before its tensors with gradients.
_OTHERS = 4


class _Recurrence(torch.autograd.Function):
    """The loop over time: from what the linear nodes get from x and the weights to the first hidden state."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, length: int, start: torch.Tensor, linear: int, *tensors: torch.Tensor
    ) -> torch.Tensor:
        sums = [total.unbind(0) for total in tensors[:linear]]
        weights = [weight.t() for weight in tensors[linear:]]
        states, tape = [start] * plan.states, []
        for time in range(length):
            values = states
            for step in plan.steps:
                if step.op == "linear":
                    value = sums[step.number][time]
                    own = False
                    for matrix, source in enumerate(step.sources, step.first):
                        # The hidden states before the first time step are zero.
                        if time or source >= plan.states:
                            add = value.addmm_ if own else value.addmm
                            value, own = add(values[source], weights[matrix]), True
                else:
                    value = _FORWARD[step.op]([values[source] for source in step.sources])
                values.append(value)
            tape.append(values)
            states = [values[new] for new in plan.new]
        ctx.plan, ctx.tape, ctx.linear = plan, tape, linear
        ctx.save_for_backward(*tensors[linear:])
        return torch.stack([values[plan.new[0]] for values in tape])

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        plan, tape, weights = ctx.plan, ctx.tape, ctx.saved_tensors
        length = len(tape)
        of_sums: List[List[Optional[torch.Tensor]]] = [[None] * length for _ in range(ctx.linear)]
        later: List[Optional[torch.Tensor]] = [None] * plan.states
        for time in range(length - 1, -1, -1):
            values = tape[time]
            gradients: List[Optional[torch.Tensor]] = [None] * len(values)
            for state, new in enumerate(plan.new):
                gradients[new] = later[state]
            gradients[plan.new[0]] = _add(later[0], outputs[0][time])
            for step, target in zip(reversed(plan.steps), range(len(values) - 1, -1, -1)):
                gradient = gradients[target]
                if gradient is None:
                    continue
                if step.op == "linear":
                    of_sums[step.number][time] = gradient
                    for matrix, source in enumerate(step.sources, step.first):
                        if time or source >= plan.states:
                            other = gradients[source]
                            gradients[source] = (
                                torch.mm(gradient, weights[matrix])
                                if other is None
                                else torch.addmm(other, gradient, weights[matrix])
                            )
                else:
                    parts = _BACKWARD[step.op](gradient, [values[source] for source in step.sources], values[target])
                    for source, part in zip(step.sources, parts):
                        gradients[source] = _add(gradients[source], part)
            later = gradients[: plan.states]
        zero = torch.zeros_like(outputs[0][0])
        sums = [torch.stack([zero if part is None else part for part in parts]) for parts in of_sums]
        of_weights: List[Optional[torch.Tensor]] = [None] * len(weights)
        for step in plan.steps:
            if step.op == "linear":
                for matrix, source in enumerate(step.sources, step.first):
                    if ctx.needs_input_grad[_OTHERS + ctx.linear + matrix]:
                        read = torch.stack([values[source] for values in tape])
                        of_weights[matrix] = sums[step.number].flatten(0, 1).t() @ read.flatten(0, 1)
        return (*[None] * _OTHERS, *sums, *of_weights)


def _add(one: Optional[torch.Tensor], other: torch.Tensor) -> torch.Tensor:
    return other if one is None else one + other


def _product(values: List[torch.Tensor]) -> torch.Tensor:
    total = values[0] * values[1]
    for value in values[2:]:
        total = total * value
    return total


def _product_backward(gradient: torch.Tensor, values: List[torch.Tensor], output: torch.Tensor) -> List[torch.Tensor]:
    if len(values) == 2:
        return [gradient * values[1], gradient * values[0]]
    return [gradient * _product([value for j, value in enumerate(values) if j != i]) for i in range(len(values))]


def _sum(values: List[torch.Tensor]) -> torch.Tensor:
    total = values[0] + values[1]
    for value in values[2:]:
        total = total + value
    return total


def _blend_backward(gradient: torch.Tensor, values: List[torch.Tensor], output: torch.Tensor) -> List[torch.Tensor]:
    gate, one, other = values
    of_one = gradient * gate
    return [gradient * (one - other), of_one, gradient - of_one]


_aten = torch.ops.aten
_FORWARD: Dict[str, Callable[[List[torch.Tensor]], torch.Tensor]] = {
    # gate * one + (1 - gate) * other
    "blend": lambda values: torch.lerp(values[2], values[1], values[0]),
    "elementwise_prod": _product,
    "elementwise_sum": _sum,
    "activation_tanh": lambda values: torch.tanh(values[0]),
    "activation_sigm": lambda values: torch.sigmoid(values[0]),
    "activation_leaky_relu": lambda values: F.leaky_relu(values[0], SLOPE),
}
_BACKWARD: Dict[str, Callable[[torch.Tensor, List[torch.Tensor], torch.Tensor], List[torch.Tensor]]] = {
    "blend": _blend_backward,
    "elementwise_prod": _product_backward,
    "elementwise_sum": lambda gradient, values, output: [gradient] * len(values),
    "activation_tanh": lambda gradient, values, output: [_aten.tanh_backward(gradient, output)],
    "activation_sigm": lambda gradient, values, output: [_aten.sigmoid_backward(gradient, output)],
    "activation_leaky_relu": lambda gradient, values, output: [
        _aten.leaky_relu_backward(gradient, output, SLOPE, True)
    ],
}
