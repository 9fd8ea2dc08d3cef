"""TappedNetwork: any torch module as a network whose forward gives its stage feature maps."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from naslib_gennas.errors import InputError
from naslib_gennas.networks import calls, named, stages
from naslib_gennas.networks.calls import Calls, Inputs, Value
from naslib_gennas.networks.named import StageName
from naslib_gennas.networks.staged import StagedNetwork

#: Training passes that look for parameters.
PASSES = 3

#: The parts that act differently in training; all that a network trains with whose own forward must not know of it.
TRAINED_MODE = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.modules.dropout._DropoutNd)


@dataclass(frozen=True)
class Tap:
    """A stage: the call whose output is its feature map, and the map's size for the input that was used.

    Attributes:
        name: of the module; empty for the network itself.
        channels: of the map.
        size: height and width; length; or depth, height and width.
        call: which of the module's calls, counted from 0.
        calls: how many there are.
        path: where in the module's output the map is; empty where the output is the map.
        function: the function in that call whose result is the map; empty where it is the call's output.
        result: which of the function's results in that call.
        batch, channel: the axes of images and channels.
        extra, after: tokens that come before and after those of the map, such as a class token.
    """

    name: str
    channels: int
    size: Tuple[int, ...]
    call: int = 0
    calls: int = 1
    path: Tuple[Any, ...] = ()
    function: str = ""
    result: int = 0
    batch: int = 0
    channel: int = 1
    extra: int = 0
    after: int = 0

    @property
    def place(self) -> str:
        """The call in words: ``layer1``, ``act#3``, ``encoder[0]``, ``block/add#2``."""
        text = self.name or "the network"
        if self.calls > 1:
            text += f"#{self.call + 1}"
        if self.function:
            text += f"/{self.function}#{self.result + 1}"
        return text + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)

    def __str__(self) -> str:
        return f"{self.place}: {'x'.join(map(str, (self.channels, *self.size)))}"


def tap_of(value: Value, read: Calls) -> Tap:
    """How to get at a value in further forward passes: as the output of the outermost call that gives it."""
    sizes: Dict[str, Any] = {"channels": value.shape[value.channel], "size": value.grid, "batch": value.batch or 0}
    sizes.update(channel=value.channel, extra=value.extra, after=value.after)
    found = [(i, path) for i, call in enumerate(read.calls) for path, made in call.outputs if made == value.index]
    if not found:
        call = read.calls[value.call]
        place: Dict[str, Any] = {"name": call.name, "call": call.number, "calls": _times(read, call.name)}
        return Tap(**sizes, **place, function=value.function, result=value.number)
    innermost = min(found, key=lambda entry: read.calls[entry[0]].left)[0]
    around = set(read.inside(innermost))
    giving = [entry for entry in found if entry[0] in around]
    # The outermost one that gives the map alone; the network itself only where nothing in it does.
    index, path = min(giving, key=lambda entry: (not read.calls[entry[0]].name, len(entry[1]), entry[0]))
    call = read.calls[index]
    return Tap(**sizes, name=call.name, call=call.number, calls=_times(read, call.name), path=path)


def _times(read: Calls, name: str) -> int:
    return sum(call.name == name for call in read.calls)


class NotFinite(Exception):
    """A stage's map holds numbers that are not finite, before any training."""

    def __init__(self, tap: Tap) -> None:
        super().__init__(f"the feature map of stage '{tap.place}' is not finite, before any training")
        self.tap = tap


class TapMissing(Exception):
    """A forward pass did not come by a tap: its block was skipped, say."""

    def __init__(self, tap: Tap) -> None:
        super().__init__(f"stage '{tap.place}' was not computed")
        self.tap = tap


class TappedNetwork(StagedNetwork):
    """A module whose forward gives the outputs of some of its calls, as maps (images, channels, ...).

    Args:
        module: it is used as it is, in the layout and dtype that it has.
        taps: the stages, in any order of computation.

    Attributes:
        reached: the names of parameters that are trained although the first gradients may not reach them.
        shielded: its own forward stays in evaluation mode, only its normalisation and dropout layers change mode: for
            networks that want labels in training.
    """

    memory_format = torch.preserve_format

    def __init__(self, module: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__()
        self.module, self.taps = module, tuple(taps)
        self.reached: Tuple[str, ...] = ()
        self.shielded = False
        self.dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)

    @property
    def reachable(self) -> List[nn.Parameter]:  # type: ignore[override]
        named = dict(self.module.named_parameters())  # a copy of the network has its own
        return [named[name] for name in self.reached if name in named]

    @property
    def stage_channels(self) -> List[int]:
        return [tap.channels for tap in self.taps]

    @property
    def stage_dimensions(self) -> List[int]:
        return [len(tap.size) for tap in self.taps]

    def train(self, mode: bool = True) -> TappedNetwork:
        super().train(mode)
        if self.shielded and mode:
            for part in self.module.modules():
                part.training = isinstance(part, TRAINED_MODE)
        return self

    def forward(self, x: Inputs) -> List[torch.Tensor]:
        watch = _Watch(self.module, self.taps)
        with watch, contextlib.suppress(_AllSeen):
            self.whole(x)
        missing = [tap for tap in self.taps if tap not in watch.seen]
        if missing:
            raise TapMissing(missing[0])
        return [_as_map(watch.seen[tap], tap) for tap in self.taps]

    def logits(self, x: Inputs) -> torch.Tensor:
        scores = _class_scores(self.whole(x))
        if scores is None:
            raise NotImplementedError("the network does not give class scores (images, classes)")
        return scores

    def whole(self, x: Inputs) -> Any:
        # A copy: a network that works in place on its input would change the batch from step to step.
        return calls.run(self.module, calls.changed(x, torch.clone))

    def noise(self, inputs: Inputs, draws: torch.Generator, images: int, side: int) -> Inputs:
        # The shape that the network takes; two images at least, since a BatchNorm after global pooling needs them.
        def draw(tensor: torch.Tensor) -> torch.Tensor:
            few = tensor[: max(2, images)]
            if not few.is_floating_point():
                return few
            return torch.randn(few.shape, generator=draws).to(few)

        return calls.changed(inputs, draw)


def _class_scores(output: Any) -> Optional[torch.Tensor]:
    """The first tensor (images, classes) in a module's output."""
    for _, tensor in calls._paths(output):
        if tensor.dim() == 2 and tensor.is_floating_point():
            return tensor
    return None


def _as_map(tensor: torch.Tensor, tap: Tap) -> torch.Tensor:
    """(images, channels, ...) of a value, whatever its layout; class tokens are left out."""
    maps = tensor.movedim((tap.batch, tap.channel), (0, 1)) if (tap.batch, tap.channel) != (0, 1) else tensor
    if maps.dim() == len(tap.size) + 2:
        return maps
    maps = maps[:, :, tap.extra : maps.shape[2] - tap.after]
    size = tap.size
    if maps.shape[2] != math.prod(size):  # another resolution than the one the network was looked at with
        side = round(maps.shape[2] ** (1 / len(size)))
        size = (side,) * len(size)
    return maps.reshape(*maps.shape[:2], *size)


class _AllSeen(BaseException):
    """Ends a forward that has shown all that is wanted of it; no `except Exception` of the network's stops it."""


class _Watch(TorchFunctionMode):
    """Keeps the outputs of taps. Its hooks are there for the block only, so that the module can be copied else."""

    def __init__(self, module: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__()
        self.seen: Dict[Tap, Any] = {}
        self._module, self.taps = module, taps
        self._functions = [tap for tap in taps if tap.function]
        self._times: Dict[str, int] = {}
        self._open: List[Tuple[str, int]] = []
        self._made: Dict[Tuple[str, int, str], int] = {}
        self._handles: List[Any] = []

    def __enter__(self) -> _Watch:
        names = {tap.name for tap in self.taps}
        for name, part in self._module.named_modules():
            if self._functions or name in names:
                self._handles.append(part.register_forward_pre_hook(self._enter(name)))
                self._handles.append(part.register_forward_hook(self._leave))
        if self._functions:
            super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()
        if self._functions:
            super().__exit__(*error)

    def _enter(self, name: str) -> Any:
        def enter(module: nn.Module, arguments: Any) -> None:
            number = self._times[name] = self._times.get(name, -1) + 1
            self._open.append((name, number))

        return enter

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        place = self._open.pop()
        for tap in self.taps:
            if (tap.name, tap.call) == place and not tap.function:
                self._keep(tap, calls.follow(output, tap.path))

    def _keep(self, tap: Tap, tensor: Any) -> None:
        self.seen[tap] = tensor
        if len(self.seen) == len(self.taps):
            raise _AllSeen  # what comes after the last stage has no part in the score

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        place = self._open[-1] if self._open else ("", 0)
        key = (*place, name)
        if not any((tap.name, tap.call, tap.function) == key for tap in self._functions):
            return output
        for tensor in output if isinstance(output, (tuple, list)) else [output]:
            if isinstance(tensor, torch.Tensor):
                number = self._made[key] = self._made.get(key, -1) + 1
                for tap in self._functions:
                    if (tap.name, tap.call, tap.function, tap.result) == (*key, number):
                        self._keep(tap, tensor)
        return output


def tap(
    module: nn.Module, inputs: Inputs, names: Optional[Sequence[StageName]] = None, count: int = 3
) -> TappedNetwork:
    """A module with the stages of these names, or with those that are found.

    Args:
        module: it is run once, in evaluation mode.
        inputs: a small batch.
        names: see `named.StageName`; None: found by `stages.find`.
        count: how many to find at most.

    Raises:
        InputError: an unknown name, a network that cannot take the inputs, or one without feature maps.
    """
    named.check(module, names)
    read = calls.read(module.eval(), inputs)
    if read.error is not None and not named.all_computed(read, names):
        size = " and ".join("x".join(map(str, tensor.shape)) for tensor in calls.each(inputs))
        line = " ".join(str(read.error).split())[:200]
        raise InputError(f"the network cannot take inputs of {size} ({line})")
    if names is not None:
        ends = [read.values[named.value(read, name)] for name in names]
    else:
        ends = list(stages.find(read, count).ends)
    if not ends:
        raise InputError("no part of the network gives a feature map (images, channels, height, width)")
    return TappedNetwork(module, [tap_of(end, read) for end in ends])


def reached_by(network: TappedNetwork, inputs: Inputs, wanted: Sequence[str]) -> Dict[str, int]:
    """Number of elements of every parameter that a gradient from the stages reaches when the network trains.

    Blocks may be skipped at random in training, so there are several passes until all of `wanted` are reached. What is
    called in evaluation mode alone counts, too: training comes by it sooner or later.

    Args:
        network: its modes change; gradients are left at None.
        inputs: a small batch.
        wanted: names of the parameters that should be reached.

    Raises:
        TapMissing: a pass did not come by a stage.
        NotFinite: a stage's map holds numbers that are not finite.
    """
    module = network.module
    found: Dict[str, int] = {}
    called: set = set()
    for mode in (*[True] * PASSES, False):
        if set(wanted) <= set(found):
            break
        network.train(mode)
        handles = []
        for name, part in module.named_modules():
            if mode:
                handles.append(part.register_forward_pre_hook(lambda *_, name=name: called.add(name)))
        with torch.enable_grad():
            maps = network(inputs)
            for tap, tensor in zip(network.taps, maps):
                if not bool(torch.isfinite(tensor).all()):
                    raise NotFinite(tap)
            loss = sum(m.float().pow(2).mean() for m in maps)
            if isinstance(loss, torch.Tensor) and loss.requires_grad:
                loss.backward()
        for handle in handles:
            handle.remove()
        for name, parameter in module.named_parameters():
            if parameter.grad is not None and (mode or name.rpartition(".")[0] not in called):
                found[name] = parameter.numel()
            parameter.grad = None
    return found
