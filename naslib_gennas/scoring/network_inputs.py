"""What a network of the user's own is scored on: the batch that it is given, or one that it can take."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import reading
from naslib_gennas.errors import InputError, said_by
from naslib_gennas.networks import calls
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression import batches
from naslib_gennas.regression.batches import Batch

#: Sizes that networks are made for, tried where they cannot take what the profile says.
SIZES = (64, 96, 128, 160, 192, 224, 240, 256, 288, 299, 384, 448, 28, 84)
#: Lengths of waveforms and series, and the sides of volumes, tried one after another.
LENGTHS = (256, 1024, 4096, 16000, 32000)
SIDES = (16, 32, 64)
#: Tokens of a text or steps of a sequence.
TOKENS = 32

#: In a batch that is made here: four gigabytes.
MOST_NUMBERS = 2**30
FORMS = (
    "a name such as photos, FILE.npy, a shape such as (1, 64, 64), a tensor, a tuple or dict of tensors, or a function"
)


def given(inputs: Any, proxy: Proxy) -> Optional[Batch]:
    """The batch of the caller's own; None where it is to be made: no input, the name of images, or a shape.

    Raises:
        InputError: it is none, or one that cannot be scored on.
    """
    if inputs is None or isinstance(inputs, str) and not inputs.endswith(".npy"):
        return None
    if isinstance(inputs, os.PathLike):
        return _file(Path(inputs), proxy.count("cnn"))
    if isinstance(inputs, str):
        return _file(Path(inputs), proxy.count("cnn"))
    if isinstance(inputs, Batch):
        return inputs
    if _is_shape(inputs):
        return None
    if callable(inputs):
        try:
            inputs = inputs()
        except Exception as error:  # whatever the user's function raises
            raise InputError(f"the function given as inputs failed: {said_by(error)}") from None
    if isinstance(inputs, np.ndarray):
        if inputs.dtype.kind not in "biufc":
            raise InputError(f"inputs is an array of {inputs.dtype}; it takes numbers")
        inputs = torch.from_numpy(np.ascontiguousarray(inputs))
    if isinstance(inputs, list):
        inputs = tuple(inputs)
    if isinstance(inputs, Mapping):
        inputs = dict(inputs)
    if isinstance(inputs, torch.utils.data.DataLoader):
        raise InputError("inputs is a DataLoader; give one batch of it, such as next(iter(loader))[0]")
    tensors = calls.each(inputs) if isinstance(inputs, (torch.Tensor, tuple, Mapping)) else []
    other = next((tensor for tensor in tensors if not isinstance(tensor, torch.Tensor)), None)
    if other is not None or isinstance(inputs, Mapping) and not all(isinstance(name, str) for name in inputs):
        what = f"hold a {type(other).__name__}" if other is not None else "have keys that are no argument's name"
        raise InputError(f"inputs {what}; it takes {FORMS}")
    if not tensors:
        raise InputError(f"inputs is a{' ' if inputs else 'n empty '}{type(inputs).__name__}; it takes {FORMS}")
    for tensor in tensors:
        if tensor.numel() == 0:
            raise InputError(f"inputs have shape {tuple(tensor.shape)}; they hold no number")
        if tensor.layout is not torch.strided or tensor.is_meta:
            kind = "meta" if tensor.is_meta else "sparse"
            raise InputError(f"inputs hold a {kind} tensor; give a dense one with numbers")
        if tensor.is_complex():
            raise InputError("inputs are complex numbers; give real and imaginary part as channels")
        if tensor.is_floating_point() and tensor.itemsize < 2:
            raise InputError(f"inputs are of {tensor.dtype}; give them as inputs.float()")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError("inputs hold numbers that are not finite")
    if tensors[0].dim() < 2 or len(tensors[0]) < 2:
        raise InputError(f"inputs have shape {tuple(tensors[0].shape)}; it takes a batch of 2 examples or more")
    return batches.given(inputs)


def _is_shape(inputs: Any) -> bool:
    return isinstance(inputs, (tuple, list)) and all(type(side) is int for side in inputs) and len(inputs) > 0


def _file(path: Path, count: int) -> Batch:
    array = reading.array(path, "input batch file")
    if array.ndim < 2 or array.dtype.kind == "b" or len(array) < 2 or not array.size:
        raise InputError(f"input batch file '{path}' has shape {array.shape}; it takes (2 or more, ...) of numbers")
    with np.errstate(over="ignore"):  # beyond float32 is not finite, which is refused
        numbers = torch.from_numpy(array[:count].astype(np.float32 if array.dtype.kind == "f" else np.int64))
    if not bool(torch.isfinite(numbers).all()):
        raise InputError(f"input batch file '{path}' holds numbers that are not finite")
    return batches.given(numbers)


def made(
    module: nn.Module, inputs: Any, proxy: Proxy, resolution: Optional[int]
) -> Iterator[Tuple[Batch, str, Optional[int]]]:
    """Batches that the network may take, the likeliest first: (batch, what it is, its resolution where that is free).

    Args:
        module: what its layers and its configuration say of its input is tried.
        inputs: None, the name of images, or a shape.
        proxy: how many images, and which.
        resolution: None: the profile's, and others if need be.
    """
    name, count = inputs if isinstance(inputs, str) else proxy.inputs, proxy.count("cnn")
    if _is_shape(inputs):
        if not 2 <= len(inputs) <= 4 or min(inputs) < 1:
            raise InputError(
                f"inputs is {tuple(inputs)}; a shape is (channels, height, width), (channels, length) or "
                "(channels, depth, height, width)"
            )
        if count * math.prod(inputs) > MOST_NUMBERS:
            raise InputError(
                f"inputs is {tuple(inputs)}: a batch of {count} would not fit into memory; give a smaller one"
            )
        yield batches.of_shape(tuple(inputs), name, count), "x".join(map(str, inputs)), None
        return
    text = _text(module, count)
    if text is not None and inputs is None:
        yield text
        return
    first = next((part for part in module.modules() if isinstance(part, _TELLING)), None)
    sizes = [resolution] if resolution else [proxy.profile.resolution, *_stated(module), *SIZES]
    if inputs is None and isinstance(first, nn.RNNBase):
        steps = (TOKENS, first.input_size)
        shape = (count, *steps) if first.batch_first else (TOKENS, count, first.input_size)
        yield batches.given(_noise(shape)), f"noise, sequences of {steps[0]} steps of {steps[1]} numbers", None
        return
    if inputs is None and isinstance(first, nn.Conv1d):
        for length in LENGTHS:
            yield (
                batches.of_shape((first.in_channels, length), name, count),
                f"noise, {first.in_channels}x{length}",
                None,
            )
        return
    if inputs is None and isinstance(first, nn.Conv3d) and not resolution:
        for side in SIDES:
            sides = (first.in_channels, side, side, side)
            yield batches.of_shape(sides, name, count), "noise, " + "x".join(map(str, sides)), None
    channels = first.in_channels if isinstance(first, nn.Conv2d) else 3
    tried = set()
    for number in (channels, 3, 1):
        for size in dict.fromkeys(sizes):
            if (number, size) not in tried:
                tried.add((number, size))
                batch = (
                    batches.get(name, count, size)
                    if number == 3
                    else batches.of_shape((number, size, size), name, count)
                )
                yield batch, f"{name}, {number}x{size}x{size}", size
    if inputs is None and isinstance(first, (nn.Linear, nn.MultiheadAttention)):
        width = first.in_features if isinstance(first, nn.Linear) else first.embed_dim
        yield batches.given(_noise((count, TOKENS, width))), f"noise, sequences of {TOKENS}x{width}", None
        yield batches.given(_noise((count, width))), f"noise, vectors of {width} numbers", None
    if inputs is None and isinstance(first, nn.RNNCellBase):
        yield (
            batches.given(_noise((count, TOKENS, first.input_size))),
            f"noise, sequences of {TOKENS}x{first.input_size}",
            None,
        )


# Modules whose input shows what the network takes.
_TELLING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase, nn.RNNCellBase, nn.Linear, nn.MultiheadAttention, nn.Embedding)


def _text(module: nn.Module, count: int) -> Optional[Tuple[Batch, str, None]]:
    """Random tokens for a network of text: one that says so, or that begins with an embedding."""
    words = None
    if getattr(module, "main_input_name", None) == "input_ids":
        words = getattr(getattr(module, "config", None), "vocab_size", None)
    elif not hasattr(module, "main_input_name"):
        leaves = [part for part in module.modules() if next(part.children(), None) is None]
        convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
        embeddings = [part for part in leaves if isinstance(part, nn.Embedding)]
        if embeddings and not any(isinstance(part, convolutions) for part in leaves[: leaves.index(embeddings[0])]):
            words = max(part.num_embeddings for part in embeddings)
            if any(isinstance(part, nn.Conv2d) and part.in_channels <= 4 for part in leaves):
                words = None
    if not isinstance(words, int):
        return None
    draws = torch.Generator().manual_seed(0)
    positions = [part.num_embeddings for part in module.modules() if isinstance(part, nn.Embedding)]
    length = min([TOKENS, *(number for number in positions if number > 2)])
    tokens = torch.randint(words, (count, length), generator=draws)
    inputs = {"input_ids": tokens} if getattr(module, "main_input_name", None) == "input_ids" else tokens
    return batches.given(inputs), f"random tokens, {length} of {words} words", None


def _stated(module: nn.Module) -> List[int]:
    """The resolutions that the network says it is made for."""
    found: List[Any] = []
    for settings in (getattr(module, "default_cfg", None), getattr(module, "pretrained_cfg", None)):
        if isinstance(settings, Mapping):
            found.append(settings.get("input_size"))
    for holder in (module, getattr(module, "config", None), getattr(module, "patch_embed", None)):
        found += [getattr(holder, name, None) for name in ("image_size", "img_size", "input_size")]
    sides = [value[-1] if isinstance(value, (tuple, list)) and value else value for value in found]
    return [side for side in sides if type(side) is int and 8 <= side <= 1024]


def _noise(shape: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def few(inputs: calls.Inputs, images: int, axis: int = 0) -> calls.Inputs:
    """The first few examples of a batch; all of it where its tensors do not have one first axis in common."""
    tensors = calls.each(inputs)
    if axis:  # one tensor of steps, examples and features
        return calls.changed(inputs, lambda tensor: tensor[:, :images])
    count = len(tensors[0]) if tensors[0].dim() else 0
    if count <= images or any(not tensor.dim() or len(tensor) != count for tensor in tensors):
        return inputs
    return calls.changed(inputs, lambda tensor: tensor[:images])


def as_floats_of(module: nn.Module, inputs: calls.Inputs) -> calls.Inputs:
    """The batch with its floating numbers in the precision of the network's."""
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return calls.changed(inputs, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def larger(inputs: calls.Inputs, times: int) -> Optional[calls.Inputs]:
    """The same examples at so many times the size; None for what has none."""
    if not isinstance(inputs, torch.Tensor) or inputs.dim() < 3 or not inputs.is_floating_point():
        return None
    return F.interpolate(inputs.float(), scale_factor=float(times)).to(inputs.dtype)


def size_of(inputs: calls.Inputs) -> str:
    """The shapes of a batch in words."""
    return " and ".join("x".join(map(str, tensor.shape)) for tensor in calls.each(inputs))


def next_size(resolution: int) -> int:
    """The next larger resolution to try: a multiple of 32, or the double of a smaller one."""
    return resolution * 2 if resolution < 32 else 32 * (math.floor(resolution / 32) + 1)
