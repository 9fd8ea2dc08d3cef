"""The batch that a network of the user's own is scored on: one that it takes, in images that are large enough."""

from __future__ import annotations

import math
from typing import Any, Callable, List, Optional, Tuple

import torch
from torch import nn

from naslib_gennas.errors import InputError, said_by
from naslib_gennas.networks import calls, named
from naslib_gennas.networks.calls import Calls
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression import batches
from naslib_gennas.regression.batches import Batch
from naslib_gennas.scoring import network_inputs

#: Examples that a network is looked at with: so many that hardly anything else in a network has that number.
FEW = 3
# A network whose last maps are of one pixel at this size is made for larger images.
LARGEST = 256
# A part of all parameters that may be left out without a word.
LITTLE = 0.1


def taken(
    make: Callable[[], nn.Module],
    network: nn.Module,
    proxy: Proxy,
    inputs: Any,
    resolution: Optional[int],
    names: Any,
    device: torch.device,
) -> Tuple[Batch, str, Optional[int], Calls, List[str]]:
    """The batch that the network takes, what it is, the network's forward pass on it, and what was assumed."""
    own = network_inputs.given(inputs, proxy)
    if own is not None:
        read = _read(make, own, device)
        if read.error is not None and not named.all_computed(read, names):
            size = network_inputs.size_of(own.tensors)
            whole = any(not tensor.is_floating_point() for tensor in calls.each(own.tensors))
            advice = "; whole numbers are taken as they are, such as tokens: give images as inputs.float()"
            raise InputError(
                f"the network cannot take the inputs given, {size} ({said_by(read.error)}){advice * whole}"
            )
        return own, f"given, {network_inputs.size_of(own.tensors)}", None, read, []
    failed: List[Tuple[str, str]] = []
    refused: Optional[Batch] = None  # the first
    small: Optional[Tuple[Batch, str, Calls]] = None  # one that the network takes, but not as a whole
    for batch, what, side in network_inputs.made(network, inputs, proxy, resolution):
        read = _read(make, batch, device)
        if read.error is not None and not named.all_computed(read, names):
            failed.append((network_inputs.size_of(batch.tensors), said_by(read.error)))
            refused = refused or batch
            continue
        if inputs is None and side is None and read.values[0].batch == 1 and len(batch.tensor) == proxy.count("cnn"):
            batch = batches.given(batch.tensor.transpose(0, 1).contiguous())  # steps first, as the network takes them
            read = _read(make, batch, device)
        free = inputs is None and resolution is None and names is None
        if free and side is None and unread_by(read):
            small = small or (batch, what, read)
            continue
        if free and side is None and lost_at(make, read, small_batch(network, batch, device)):
            small = small or (batch, what, read)
            continue
        size = f"{network_inputs.size_of(batch.tensors)} ({what})"
        notes = [] if inputs is not None or side is not None else [f"scored on {size}"]
        if failed:
            notes = [f"scored on {size}: the network cannot take {failed[0][0]} ({failed[0][1][:80]})"]
        if side is None or resolution or names is not None:
            return batch, what, side, read, notes
        batch, what, side, read, more = _raised(make, batch, what, side, read, device)
        return batch, what, side, read, notes + more
    if small is not None:
        batch, what, read = small
        return batch, what, None, read, [f"scored on {network_inputs.size_of(batch.tensors)} ({what})"]
    first, reason = failed[0] if failed else ("", "")
    if refused is not None and trains(make(), small_batch(network, refused, device)):
        raise InputError(
            f"the network runs in training mode alone ({reason}); it is looked at in evaluation mode, too: let its "
            "forward take both"
        )
    first = f"{first} images" if first.count("x") == 3 or not failed else f"a batch of {first}"
    tried = f"; {len(failed) - 1} other sizes fail, too" if len(failed) > 1 else ""
    if resolution is not None:
        advice = "leave resolution out to let one be found, or give what it takes as inputs=, such as a tensor"
        raise InputError(f"the network cannot take {first} ({reason}); {advice}")
    raise InputError(
        f"the network cannot take {first} ({reason}){tried}; give what it takes as inputs=, a tensor, a tuple "
        "or dict of tensors, or a shape such as (3, 224, 224), or name stages that come before what fails"
    )


def _raised(
    make: Callable[[], nn.Module], batch: Batch, what: str, side: int, read: Calls, device: torch.device
) -> Tuple[Batch, str, Optional[int], Calls, List[str]]:
    """The least resolution at which no layer works on maps of one pixel that are larger in larger images."""
    start = side
    while side < LARGEST:
        if not lost_at(make, read, small_batch(make(), batch, device)):
            break
        following = network_inputs.next_size(side)
        larger = _resized(batch, following)
        further = _read(make, larger, device)
        if further.error is not None:
            break
        batch, read, side = larger, further, following
    if side == start:
        return batch, what, side, read, []
    note = f"images of {side}x{side}: at {start}x{start} the last stage is a single pixel"
    return batch, what.replace(f"x{start}x{start}", f"x{side}x{side}"), side, read, [note]


def _resized(batch: Batch, side: int) -> Batch:
    try:
        return batch.at(len(batch), side)
    except InputError:  # channels of another number: made of what is there
        return batches.given(nn.functional.interpolate(batch.tensor, (side, side), mode="bilinear"))


def _read(make: Callable[[], nn.Module], batch: Batch, device: torch.device) -> Calls:
    network = make().to(device).eval()  # fresh: some networks keep what the size of an input has made them
    read = calls.read(network, small_batch(network, batch, device))
    if read.error is None and read.values[0].batch == 1:  # a recurrent network's: steps come first
        network = make().to(device).eval()
        read = calls.read(network, small_batch(network, batch, device, axis=1))
    return read


def small_batch(
    network: nn.Module, batch: Batch, device: torch.device, count: int = FEW, axis: int = 0
) -> calls.Inputs:
    """A few examples of the batch, in the network's precision."""
    return network_inputs.as_floats_of(network, network_inputs.few(batch.to(device).tensors, count, axis))


def lost_at(make: Callable[[], nn.Module], read: Calls, small: calls.Inputs) -> int:
    """The parameters that work on maps of one pixel here, and on larger maps in larger images."""
    # Strides so long that a map ends in one pixel may leave it one pixel in images of twice the size.
    for times in (2, 4) if ends_in_a_pixel(read) else (2,):
        larger = network_inputs.larger(small, times)
        if larger is None:
            return 0
        more = calls.read(make().to(calls.each(small)[0].device).eval(), larger)
        if more.error is not None:
            return 0
        lost = mapped(more) & ~mapped(read)
        if read.elements(lost) > 0.01 * max(1, read.elements(mapped(read))):
            return lost
    return 0


def ends_in_a_pixel(read: Calls) -> bool:
    """Whether a stride, of a convolution or a pooling, makes a map of one pixel; global pooling does so by intent."""
    for value in read.values:
        if value.size == 1 and any(read.values[parent].size > 1 for parent in value.parents):
            if value.weighted or ("pool" in value.function and "adaptive" not in value.function):
                return True
    return False


def unread_by(read: Calls) -> int:
    """The parameters of a large part of the network that works on several places whose layout is not known."""
    bits = 0
    for value in read.values:
        if len(value.shape) > 2 and value.given and not value.size and value.weighted:
            channels = value.shape[value.channel] if value.channel < len(value.shape) else 1
            bits |= value.own if math.prod(value.shape) > value.shape[value.batch or 0] * channels else 0
    bits &= ~mapped(read)
    return bits if read.elements(bits) > LITTLE * sum(size for _, size in read.parameters) else 0


def mapped(read: Calls) -> int:
    bits = 0
    for value in read.values:
        if value.size > 1 and value.given:
            bits |= value.parameters
    return bits


def trains(module: nn.Module, small: calls.Inputs) -> bool:
    """Whether a network, or a part of it, takes a batch in training mode."""
    try:
        with torch.no_grad():
            calls.run(module.train(), calls.changed(small, torch.clone))
        return True
    except Exception:  # whatever the user's network raises
        return False
