"""What of a network of the user's own would be scored: its input, its stages, the parameters that they reach."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import torch
from torch import nn

from naslib_gennas.errors import InputError, said_by
from naslib_gennas.networks import calls, named, stages, tapped
from naslib_gennas.networks.calls import Calls
from naslib_gennas.networks.copying import copied
from naslib_gennas.networks.named import StageName
from naslib_gennas.networks.tapped import NotFinite, Tap, TapMissing, TappedNetwork, tap_of
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression.batches import Batch
from naslib_gennas.scoring import step_cost
from naslib_gennas.scoring.network_batch import (
    FEW,
    ends_in_a_pixel,
    lost_at,
    small_batch,
    taken,
    trains,
    unread_by,
)

#: The share of the backbone's parameters that the stages should reach, and below which there is no score.
WARN, REFUSE = 0.9, 0.5


@dataclass
class Examination:
    """What would be scored of a network.

    Attributes:
        stages: where each stage ends, early ones first.
        batch: the input batch.
        inputs: what it is, in words.
        resolution: of images whose size is free; None for any other batch.
        parameters: how many numbers all parameters hold.
        reached: the share of the backbone's parameters that a gradient from the stages reaches; the backbone is all
            that the network uses, without the head.
        reachable: the names of those.
        head: the share of all parameters in the head: what works when there are no maps any more, such as a classifier;
            and the names of its modules.
        notes: what was assumed or left out, a sentence each.
        flops: multiply-additions of one example.
        step_seconds: of one training step on the whole batch, as estimated from a small one.
        batch_axis, shielded: see `TappedNetwork`.
        broken: why the network cannot be trained: numbers that are not finite.
    """

    stages: Tuple[Tap, ...]
    batch: Batch
    inputs: str
    parameters: int
    resolution: Optional[int] = None
    reached: float = 0.0
    reachable: Tuple[str, ...] = ()
    head: Tuple[float, Tuple[str, ...]] = (0.0, ())
    notes: List[str] = field(default_factory=list)
    flops: float = 0.0
    step_seconds: float = 0.0
    batch_axis: int = 0
    shielded: bool = False
    broken: str = ""


def examine(
    make: Callable[[], nn.Module],
    proxy: Proxy,
    inputs: Any,
    names: Optional[Sequence[StageName]],
    count: int,
    resolution: Optional[int],
    device: torch.device,
    excluded: Sequence[Tap] = (),
) -> Examination:
    """Look at a network.

    Args:
        make: gives a fresh copy of it.
        proxy: how large its input batch is.
        inputs: see `score_network`.
        names: the stages that the user names; None: they are found.
        count: how many are found at most.
        resolution: that the user asks for; None: the profile's, or the least that will do.
        device: where.
        excluded: stages that turned out to be skipped at times.

    Raises:
        InputError: the network cannot be scored; the message says what to do.
    """
    network = make().to(device).eval()
    batch, what, side, read, notes = taken(make, network, proxy, inputs, resolution, names, device)
    parameters = sum(size for _, size in read.parameters)
    plain = Examination((), batch, what, parameters, side, notes=notes)
    weights = {name for name, _ in read.parameters}
    if read.across:
        notes.append(
            f"'{read.across}' works across the examples of a batch: it takes steps first, and is given examples first "
            "(batch_first=True is missing)"
        )
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if "running_" not in name and name not in weights:
            tensor = tensor[~torch.isinf(tensor)]  # a mask of attention, say
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            plain.broken = f"'{name}' holds numbers that are not finite, before any training"
            return plain
    axis = read.values[0].batch or 0
    small = small_batch(network, batch, device, axis=axis)
    examples = calls.each(batch.tensors)[0].shape[axis]
    skipped: Set[int] = set()
    at_times = False
    lost = lost_at(make, read, small)
    unread = unread_by(read)
    while True:
        if skipped and names is None and not stages.find(read, count, tuple(skipped)).ends:
            raise InputError(
                "every stage of the network is skipped in training at times, or it takes another path than in "
                "evaluation; name a stage that is always computed, or score a part of it" + _parts(make, small)
            )
        chosen, head, unused = _stages(read, names, count, skipped)
        head &= ~unread
        backbone = (1 << len(read.parameters)) - 1 & ~(head & ~lost) & ~unused
        tap_names = tuple(tap_of(read.values[index], read) for index in chosen)
        again = [tap for tap in tap_names if tap in excluded]
        if again:
            skipped |= {index for index, tap in zip(chosen, tap_names) if tap in again}
            continue
        try:
            found, shielded, note = _gradients(make, device, tap_names, small, read.names(backbone), axis)
            more = small_batch(network, batch, device, 2 * FEW, axis)
            cost = step_cost.of(staged(make().to(device), tap_names, axis, shielded), small, more, examples)
        except TapMissing as missing:
            if names is not None:
                raise InputError(
                    f"stage '{missing.tap.place}' is skipped in training at times; name one that is always computed"
                ) from None
            skipped.add(chosen[tap_names.index(missing.tap)])
            at_times = True
            continue
        except NotFinite as error:
            plain.stages, plain.broken = tap_names, str(error)
            return plain
        without = read.behind(chosen[-1]) if names is None and not found else set()
        if without - skipped and stages.find(read, count, tuple(skipped | without)).ends:
            # A teacher, say, that runs without gradients beside the network that is trained.
            skipped |= without
            continue
        break
    plain.stages, plain.batch_axis, plain.shielded = tap_names, axis, shielded
    plain.flops, plain.step_seconds = cost
    if note:
        notes.append(note)
    if names is None and len(tap_names) < count:
        plain.notes.append(f"fewer stages than {count}: compare it with networks scored with count={len(tap_names)}")
    _shares(plain, read, found, head & ~lost, unused, lost, names is not None, at_times or bool(excluded))
    return plain


def _on_a_pixel(read: Calls) -> int:
    """The parameters whose layers give maps of one pixel."""
    bits = 0
    for value in read.values:
        bits |= value.own if value.size == 1 else 0
    return bits


def _stages(
    read: Calls, names: Optional[Sequence[StageName]], count: int, skipped: Set[int]
) -> Tuple[List[int], int, int]:
    """The values at the ends of stages, and the parameters of the head and those that are not used."""
    found = stages.find(read, count, tuple(skipped))
    if names is not None:
        return [named.value(read, name) for name in names], found.head, found.unused
    if not found.ends:
        raise InputError(_no_maps(read))
    return [value.index for value in found.ends], found.head, found.unused


def _no_maps(read: Calls) -> str:
    """Why a network has no stages."""
    images = read.values[0].shape[read.values[0].batch or 0] if read.values else 0
    for number, call in enumerate(read.calls):
        several = [shape[0] for shape in _shapes(read, call) if len(shape) > 2 and images and not shape[0] % images]
        if several and several[0] > images:
            # The outermost part that sees them so, such as the whole of an image network.
            around = (read.calls[index] for index in read.inside(number))
            part = next(one for one in around if any(shape[:1] == (several[0],) for shape in _shapes(read, one)))
            folded = (
                f"'{part.name}' gives {several[0]} outputs for a batch of {images}: frames or crops were folded into "
                "the batch"
            )
            inside = sum(size for name, size in read.parameters if name.startswith(f"{part.name}."))
            if 2 * inside < sum(size for _, size in read.parameters):
                return f"{folded}; score a module that does to a single one what the network does to each"
            return (
                f"{folded}; score the part that sees one at a time: score_network(module.get_submodule('{part.name}'))"
            )
    return (
        "no part of the network gives a feature map (images, channels, height, width), or tokens or a sequence; "
        "networks of plain vectors cannot be scored by stages"
    )


def _shapes(read: Calls, call: calls.Call) -> List[Tuple[int, ...]]:
    """Of what a call gives."""
    return [read.values[index].shape for _, index in call.outputs]


def staged(
    module: nn.Module, taps: Sequence[Tap], axis: int = 0, shielded: bool = False, reached: Sequence[str] = ()
) -> TappedNetwork:
    """A network with these stages; see the attributes of `TappedNetwork`."""
    network = TappedNetwork(module, taps)
    network.batch_axis, network.shielded, network.reached = axis, shielded, tuple(reached)
    return network


def _gradients(
    make: Callable[[], nn.Module],
    device: torch.device,
    taps: Sequence[Tap],
    small: calls.Inputs,
    wanted: List[str],
    axis: int,
) -> Tuple[Dict[str, int], bool, str]:
    """The parameters that are reached in training; whether its own forward must stay in evaluation mode, and why."""
    failure = ""
    for shielded in (False, True):
        network = make().to(device).requires_grad_(True)
        try:
            return tapped.reached_by(staged(network, taps, axis, shielded), small, wanted), shielded, failure
        except (TapMissing, NotFinite):
            raise
        except Exception as error:  # whatever the user's network raises
            failure = failure or (
                f"its own forward stays in evaluation mode, in training mode it fails ({said_by(error)[:120]})"
            )
    raise InputError(
        f"the network cannot be trained on these inputs alone: {failure}; score a part of it that can be, "
        "such as its backbone: score_network(module.backbone)" + _parts(make, small)
    )


def _parts(make: Callable[[], nn.Module], small: calls.Inputs) -> str:
    """Names children that run on the same input in training mode."""
    working = []
    for name, child in make().named_children():
        if trains(child, small):
            working.append(name)
    return f"; these parts take the input as it is: {', '.join(working[:5])}" if working else ""


def _shares(
    plain: Examination,
    read: Calls,
    found: Dict[str, int],
    head: int,
    unused: int,
    lost: int,
    by_name: bool,
    at_times: bool,
) -> None:
    """What of the parameters is reached, and what is said of the rest (`at_times`: some stages are skipped)."""
    every = (1 << len(read.parameters)) - 1
    backbone = read.names(every & ~head & ~unused)
    sizes = dict(read.parameters)
    total = sum(sizes[name] for name in backbone)
    reached = sum(sizes[name] for name in backbone if name in found)
    plain.reachable = tuple(name for name in found)
    plain.reached = reached / total if total else 0.0
    plain.head = (read.elements(head) / max(1, plain.parameters), _modules(read.names(head)))
    if unused and read.elements(unused) > 0.01 * plain.parameters:
        share = read.elements(unused) / plain.parameters
        where = "after the last stage and not scored" if read.error is not None else "not used in evaluation"
        plain.notes.append(f"{share:.0%} of all parameters are {where}: {', '.join(_modules(read.names(unused)))}")
    pixel = 0 if lost or not ends_in_a_pixel(read) else _on_a_pixel(read) & head
    if read.elements(pixel) > 0.1 * plain.parameters:  # and it takes no larger inputs, or these do not help
        share = read.elements(pixel) / plain.parameters
        modules = ", ".join(_modules(read.names(pixel)))
        plain.notes.append(f"{share:.0%} of all parameters work on maps of one pixel and are not scored: {modules}")
    missing = [name for name in backbone if name not in found]
    if plain.reached < WARN:
        one, advice = len(_modules(missing)) == 1, "name stages that come after it"
        why = "gets no gradient" if one else "get no gradient"
        if lost:
            advice = "score it at a larger resolution"
            if set(missing) & set(read.names(lost)):
                why = "works on maps of one pixel" if one else "work on maps of one pixel"
        elif at_times:  # stages after it were found, but training does not always come by
            advice = "what comes after it is skipped in training at times: score it with a rate of skipping of 0"
        text = (
            f"the stages reach {plain.reached:.0%} of the backbone's parameters; {', '.join(_modules(missing))} {why}"
        )
        if plain.reached < REFUSE and not by_name:
            raise InputError(f"{text}, so that the score would say little of the network; {advice}")
        plain.notes.append(f"{text}; {advice}" if at_times else text)


def _modules(names: Sequence[str], most: int = 4) -> Tuple[str, ...]:
    """The modules of parameters, told by the shortest names that tell them apart from one another."""
    owners = list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
    short = list(dict.fromkeys(owner.split(".")[0] for owner in owners))
    told = owners if len(owners) <= most else short
    return (*told[:most], f"{len(told) - most} more") if len(told) > most else tuple(told)


def fresh(module: nn.Module) -> nn.Module:
    """A copy of a module that may be trained; weights that are computed from others are copied, too."""
    memo: Dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(module, memo) if memo else copied(module)
