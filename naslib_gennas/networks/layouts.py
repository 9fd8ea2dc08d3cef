"""How a value lies in memory: where its images and channels are, and the grid of a feature map or of tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import torch
from torch import nn

# Class, distillation and register tokens that may stand before the tokens of a grid.
MOST_EXTRA_TOKENS = 8


@dataclass
class Value:
    """A tensor that the forward pass made (or was given).

    Attributes:
        index: its place in the order of making.
        shape: with the batch that was used.
        parents: indices of the values that it was made of.
        parameters: the parameters behind it, a bit each (see `Calls.parameters`).
        own: those that the very operation used.
        given: it depends on the network's input.
        batch: the axis that images lie along; None: it has none.
        channel: the axis of channels.
        grid: height and width (or length; or depth, height and width) of a feature map; empty for any other value.
        space: the grid that it came from, for tokens.
        extra, after: tokens before and after those of the grid.
        function: what made it.
        call: the innermost module call that was open then.
        number: of values that this function made in that call.
        weighted: a convolution or linear layer made it.
    """

    index: int
    shape: Tuple[int, ...]
    parents: Tuple[int, ...] = ()
    parameters: int = 0
    own: int = 0
    given: bool = False
    batch: Optional[int] = 0
    channel: int = 1
    grid: Tuple[int, ...] = ()
    space: Tuple[int, ...] = ()
    extra: int = 0
    after: int = 0
    function: str = ""
    call: int = -1
    number: int = 0
    weighted: bool = False

    @property
    def size(self) -> int:
        """Pixels of a feature map; 0 for any other value."""
        return math.prod(self.grid) if self.grid else 0


WEIGHTED = ("conv1d", "conv2d", "conv3d", "conv_transpose", "linear", "multi_head_attention", "lstm", "gru", "rnn_")
_FIRST = ("conv", "batch_norm", "group_norm", "instance_norm", "interpolate", "upsample", "pixel_", "channel_shuffle")
_RESHAPING = ("reshape", "view", "permute", "transpose", "swapaxes", "unflatten", "matmul", "bmm", "einsum")
_TOKENWISE = ("linear", "layer_norm", "rms_norm", "multi_head_attention", "_transformer_encoder", "lstm", "gru", "rnn_")
_LAST = (*_TOKENWISE, "embedding", "scaled_dot")
_PICKING = ("gather", "take_along_dim", "index_select")
_JOINING = ("cat", "concat", "concatenate")
_PRODUCTS = ("matmul", "bmm", "__matmul__")
_ELEMENTWISE = ("add", "sub", "rsub", "mul", "div")


def channels_last(layers: Iterable[nn.Module], tensor: torch.Tensor) -> bool:
    """Whether a tensor that these layers took or gave has its channels in the last axis.

    It has where a linear layer or a norm over the last axis is among them, of as many features as that axis has, and no
    convolution of as many channels as the second axis has.
    """
    last = False
    for layer in layers:
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            if tensor.shape[1] in (layer.in_channels, layer.out_channels):
                return False
        elif isinstance(layer, nn.Linear):
            last |= tensor.shape[-1] in (layer.in_features, layer.out_features)
        elif getattr(layer, "normalized_shape", None) == (tensor.shape[-1],):
            # Some libraries' subclasses turn the axes themselves, and norm maps whose channels are second.
            last |= type(layer) is nn.LayerNorm or tensor.shape[1] != tensor.shape[-1]
    return last


def tell(
    value: Value,
    behind: Sequence[Value],
    name: str,
    args: Any,
    kwargs: Any,
    images: int,
    floating: bool,
    joined: Sequence[Tuple[torch.Tensor, Optional[Value]]],
) -> None:
    """Set the layout of a value, and its grid if it is a feature map, from those of what it was made of.

    Args:
        value: with its shape.
        behind: what it was made of; at least one depends on the network's input.
        name, args, kwargs: the function that made it.
        images: in the batch.
        floating: its numbers are.
        joined: what a concatenation puts together, or a product multiplies, with their values.
    """
    source = _source(value, behind)
    value.extra, value.after = source.extra, source.after
    factors = (joined[0][1], joined[1][1]) if name in _PRODUCTS and len(joined) == 2 else None
    _lay_out(value, source, name, args, kwargs, images, factors)
    tokens = len(value.shape) == 3 and value.batch is not None and value.channel not in (value.batch, 3)
    if floating and tokens:
        axis = 3 - value.channel - (value.batch or 0)
        index = args[1] if name == "__getitem__" else ()
        indices = index if isinstance(index, tuple) else (index,)
        if name in _JOINING:
            _join(value, axis, joined, kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0)))
        elif name == "__getitem__":
            _cut(value, source, indices)
        elif name == "multi_head_attention_forward" and any(p.shape == value.shape and not p.given for p in behind):
            value.grid = (value.shape[axis],)  # gathered by latents, that lie on no grid
        if name in _PICKING or any(isinstance(one, torch.Tensor) for one in indices):
            if len(source.space) > 1 and value.shape != source.shape:
                value.grid = (value.shape[axis],)  # some tokens of a grid
    if floating and not value.grid:
        _find_grid(value, source, name)
    value.space = (value.grid if value.size > 1 else value.space) or source.space


def _join(value: Value, axis: int, joined: Sequence[Tuple[torch.Tensor, Optional[Value]]], along: Any) -> None:
    """The grid of tokens that others were put before or behind: a class token, registers, prompts."""
    maps = [number for number, (_, part) in enumerate(joined) if part is not None and part.given and part.size > 1]
    if along not in (axis, axis - 3) or len(maps) != 1:
        return
    tokens = joined[maps[0]][1]
    if tokens is not None and len(tokens.shape) == 3 and len(tokens.grid) > 1:
        value.grid = tokens.grid
        value.extra = sum(tensor.shape[axis] for tensor, _ in joined[: maps[0]]) + tokens.extra
        value.after = value.shape[axis] - value.extra - tokens.size


def _source(value: Value, behind: Sequence[Value]) -> Value:
    """The value that tells the layout of what is made of several: a map of that shape, or else the first."""
    given = [parent for parent in behind if parent.given]
    alike = [parent for parent in given if len(parent.shape) == len(value.shape)] or given
    return next((parent for parent in alike if parent.grid and parent.shape == value.shape), alike[0])


def _cut(value: Value, source: Value, parts: Sequence[Any]) -> None:
    """What is left of the tokens around those of a grid."""
    if not source.grid or len(source.grid) < 2 or len(source.shape) != 3 or len(value.shape) != 3:
        return
    axis = next(axis for axis in range(3) if axis not in (source.batch, source.channel))
    if len(parts) <= axis or not all(isinstance(part, slice) for part in parts[: axis + 1]):
        return
    first, last, step = parts[axis].indices(source.shape[axis])
    if step == 1 and first <= source.extra and last >= source.extra + source.size:
        value.extra, value.after = source.extra - first, last - source.extra - source.size


def _lay_out(
    value: Value,
    source: Value,
    name: str,
    args: Any,
    kwargs: Any,
    images: int,
    factors: Optional[Tuple[Optional[Value], Optional[Value]]] = None,
) -> None:
    """Where images and channels lie in a value, as the function that made it says."""
    dimensions, before = len(value.shape), len(source.shape)
    batch, channel = source.batch, source.channel
    if name in ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "swapaxes_", "transpose_"):
        order = _order(name, before, args, kwargs)
        if order is not None:
            batch = order.index(batch) if batch in order else batch
            channel = order.index(channel) if channel in order else channel
    elif name.startswith(_FIRST) or "_pool" in name:
        channel = 1
    elif name.startswith(_LAST):
        channel = dimensions - 1
    elif name in _PRODUCTS and dimensions > 2 and factors is not None:
        # Of what is multiplied from the left with weights or with an attention's, the axis of channels stays.
        first, second = factors
        of = second if second is not None and second.given else first
        if of is not None and len(of.shape) == dimensions and of.channel >= dimensions - 2:
            channel = of.channel
    elif name == "stack" and dimensions == before + 1:
        axis = kwargs.get("dim", args[1] if len(args) > 1 else 0) % dimensions
        batch = batch if batch is None else batch + (batch >= axis)
        channel += channel >= axis
    elif dimensions != before and value.shape[2:] == source.space:
        channel = 1
    elif dimensions != before and value.shape[1:-1] == source.space:
        channel = dimensions - 1
    elif dimensions != before:
        channel = dimensions - 1 if channel >= before - 1 and before > 1 else min(channel, dimensions - 1)
    if batch is None or batch >= dimensions or value.shape[batch] != images:
        batch = 0 if value.shape[0] == images else None
    value.batch, value.channel = batch, channel


def _order(name: str, dimensions: int, args: Any, kwargs: Any) -> Optional[List[int]]:
    """The axes of the source in the order of the result; None where it cannot be told."""
    rest = [value for value in (*args[1:], *(kwargs or {}).values())]
    try:
        if name == "permute":
            axes = rest[0] if len(rest) == 1 and not isinstance(rest[0], int) else rest
            return [int(axis) % dimensions for axis in axes]
        order = list(range(dimensions))
        if name == "t":
            return order[::-1]
        if name in ("movedim", "moveaxis"):
            if not isinstance(rest[0], int):
                return None
            order.insert(rest[1] % dimensions, order.pop(rest[0] % dimensions))
            return order
        one, other = (int(axis) % dimensions for axis in rest[:2])
        order[one], order[other] = order[other], order[one]
        return order
    except (TypeError, ValueError, IndexError):
        return None


def _find_grid(value: Value, source: Value, name: str) -> None:
    """Height and width of a value that is a feature map, also of tokens, whose grid its history tells."""
    known, dimensions = source.space, len(value.shape)
    if value.batch is None or value.channel == value.batch or value.channel >= dimensions:
        return
    sides = tuple(side for axis, side in enumerate(value.shape) if axis not in (value.batch, value.channel))
    if not sides or len(sides) > 3:
        return
    if not name.startswith(_FIRST) and "_pool" not in name:
        # Heads of an attention, pixels in windows and channels in groups are no further axes of a map.
        reshaped = dimensions != len(source.shape) or name in _RESHAPING or not source.grid
        if len(sides) > 1 and sides != known and reshaped and not _merged(sides, known):
            return
        if source.size == 1 and len(sides) == 1 and sides != source.grid and name in _ELEMENTWISE:
            return  # spread along an axis of a parameter
    if len(sides) == 1 and len(known) > 1:
        tokens = sides[0]
        extra = tokens - math.prod(known)
        square = next((n for n in range(3) if len(known) == 2 and math.isqrt(tokens - n) ** 2 == tokens - n > 0), None)
        square = None if tokens > math.prod(known) else square  # merged tokens become fewer
        if extra == value.extra + value.after:
            sides = known
        elif 0 <= extra <= MOST_EXTRA_TOKENS and math.prod(known) > 1:
            value.extra, value.after, sides = extra, 0, known
        elif tokens in known:
            sides = (tokens,)  # columns of a map as a sequence
        elif square is not None:
            value.extra, value.after, sides = square, 0, (math.isqrt(tokens - square),) * 2
        elif not name.startswith(_TOKENWISE):
            return  # else tokens without a grid, such as the latents that an attention gathers: a sequence
    value.grid = sides


def _merged(sides: Tuple[int, ...], known: Tuple[int, ...]) -> bool:
    """Whether neighbours on a grid were merged, two by two, say."""
    times = known[0] // max(1, sides[0]) if known else 0
    return min(sides) > 1 < times and known == tuple(times * side for side in sides)
