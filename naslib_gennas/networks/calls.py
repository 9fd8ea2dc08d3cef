"""What a forward pass computes: module calls and values, each with its shape, its parents and the parameters behind it.

Read off one forward pass, whatever Python it runs: control flow, modules that are called several times, functions
without a module. `stages` decides from this which values are the stage feature maps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from naslib_gennas.networks import layouts
from naslib_gennas.networks.layouts import WEIGHTED, Value

#: What a network takes: ``network(x)``, ``network(*x)`` or ``network(**x)``.
Inputs = Union[torch.Tensor, Tuple[torch.Tensor, ...], Mapping[str, torch.Tensor]]

_MARK = "_gennas_value"


@dataclass
class Call:
    """One call of a module.

    Attributes:
        name: the module's name in the network.
        number: how many calls of it came before.
        parent: the call that it happened in; -1 for the network's own.
        start, end: the values that were there when it began and when it ended.
        left: how many calls had ended before it did.
        entered: the value of its first input.
        outputs: (path, value): what it gave; the path leads into tuples and dictionaries.
        kind: of the module.
        composite: it has modules of its own.
    """

    name: str
    number: int
    parent: int
    start: int
    end: int = 0
    left: int = 0
    entered: int = -1
    outputs: List[Tuple[Tuple[Any, ...], int]] = field(default_factory=list)
    kind: type = nn.Module
    composite: bool = False


@dataclass
class Calls:
    """A forward pass: its module calls in the order of their beginnings, its values in the order of their making."""

    calls: List[Call]
    values: List[Value]
    parameters: List[Tuple[str, int]]  # (name, number of elements), in the order of the bits
    error: Optional[Exception] = None  # what ended the pass early
    across: str = ""  # the module that takes steps first, and is given examples first

    def inside(self, index: int) -> List[int]:
        """The calls that a call happened in, outermost first, itself last."""
        chain = []
        while index >= 0:
            chain.append(index)
            index = self.calls[index].parent
        return chain[::-1]

    @cached_property
    def ancestors(self) -> List[int]:
        """Of each value those that it was made of, a bit each, its own among them."""
        found: List[int] = []
        for value in self.values:
            bits = 1 << value.index
            for parent in value.parents:
                bits |= found[parent]
            found.append(bits)
        return found

    def behind(self, index: int) -> Set[int]:
        """The values that a value was made of, itself among them."""
        return set(_ones(self.ancestors[index]))

    def elements(self, bits: int) -> int:
        """How many numbers these parameters hold."""
        return sum(self.parameters[index][1] for index in _ones(bits))

    def names(self, bits: int) -> List[str]:
        """What these parameters are called."""
        return [self.parameters[index][0] for index in _ones(bits)]


def run(module: nn.Module, inputs: Inputs) -> Any:
    """Call a network with a tensor, a tuple of them, or a mapping of its argument names."""
    if isinstance(inputs, Mapping):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)


def each(inputs: Inputs) -> List[torch.Tensor]:
    """The tensors of a network's input."""
    if isinstance(inputs, torch.Tensor):
        return [inputs]
    return list(inputs.values() if isinstance(inputs, Mapping) else inputs)


def changed(inputs: Inputs, change: Any) -> Inputs:
    """The input with every tensor changed."""
    if isinstance(inputs, torch.Tensor):
        return change(inputs)
    if isinstance(inputs, Mapping):
        return {name: change(tensor) for name, tensor in inputs.items()}
    return tuple(change(tensor) for tensor in inputs)


def read(module: nn.Module, inputs: Inputs) -> Calls:
    """Run the network once, as it is and without gradients, and note what it computes, as far as it comes.

    Examples lie along the input's second axis where a recurrent or attention layer takes it steps first.
    """
    found = _read(module, inputs, 0)
    if not found.across or not all(tensor.dim() in (2, 3) for tensor in each(inputs)):
        return found
    turned = _read(module, inputs, 1)
    maps, others = (sum(value.size > 1 for value in calls.values) for calls in (found, turned))
    return found if turned.across or others < maps else turned


def _read(module: nn.Module, inputs: Inputs, axis: int) -> Calls:
    reader = _Reader(module, axis)
    inputs = changed(inputs, lambda tensor: tensor.detach().clone())
    for tensor in each(inputs):
        reader.begin(tensor)
    handles, failure = [], None
    for name, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(reader.entering(name), with_kwargs=True))
        handles.append(part.register_forward_hook(reader.leaving))
    try:
        with torch.no_grad(), reader:
            run(module, inputs)
    except Exception as error:  # whatever the user's network raises
        failure = error
    finally:
        for handle in handles:
            handle.remove()
    return Calls(reader.calls, reader.values, reader.parameters, failure, reader.across)


class _Reader(TorchFunctionMode):
    """Notes every module call and every function call on tensors."""

    def __init__(self, module: nn.Module, axis: int) -> None:
        super().__init__()
        self._axis, self.across = axis, ""
        self.calls: List[Call] = []
        self.values: List[Value] = []
        named = list(module.named_parameters())
        self.parameters = [(name, parameter.numel()) for name, parameter in named]
        self._bits = {id(parameter): 1 << index for index, (_, parameter) in enumerate(named)}
        self._open: List[int] = [-1]
        self._times: Dict[str, int] = {}
        self._made: Dict[Tuple[int, str], int] = {}
        self._batch = self._left = 0

    def begin(self, tensor: torch.Tensor) -> None:
        shape = tuple(tensor.shape)
        axis = self._axis
        self._batch = self._batch or (shape[axis] if shape else 0)
        value = Value(len(self.values), shape, given=True)
        value.batch = axis if shape[axis : axis + 1] == (self._batch,) else None
        if axis and len(shape) > 2:
            value.channel = 2
        if not tensor.is_floating_point():
            value.channel = len(shape)  # of token numbers: an embedding adds it
        value.grid = value.space = shape[2:] if len(shape) > 3 else ()
        self._keep(tensor, value)

    def entering(self, name: str) -> Any:
        def enter(module: nn.Module, arguments: Any, keywords: Any) -> None:
            number = self._times[name] = self._times.get(name, -1) + 1
            call = Call(name, number, self._open[-1], len(self.values), kind=type(module))
            call.composite = any(True for _ in module.children())
            tensors = list(tensors_in((arguments, keywords)))
            call.entered = next((mark for mark in map(_marked, tensors) if mark >= 0), -1)
            attention = getattr(module, "self_attn", module)
            if isinstance(attention, (nn.RNNBase, nn.MultiheadAttention)) and not attention.batch_first:
                source = self.values[call.entered]
                if call.entered >= 0 and len(source.shape) == 3 and source.batch == 0 and source.given:
                    self.across = self.across or name or "the network"
            self._open.append(len(self.calls))
            self.calls.append(call)

        return enter

    def leaving(self, module: nn.Module, arguments: Any, output: Any) -> None:
        call = self.calls[self._open.pop()]
        used = 0
        for value in self.values[call.start :]:
            used |= value.own
        hidden = sum(self._bits[id(p)] for p in module.parameters(recurse=False) if id(p) in self._bits) & ~used
        if isinstance(module, torch.jit.ScriptModule):
            hidden = sum(self._bits[id(p)] for p in module.parameters() if id(p) in self._bits)
        for path, tensor in _paths(output):
            if _marked(tensor) < 0:  # made where we cannot look: by a script, or a function of autograd's own
                parents = tuple(i for i in map(_marked, tensors_in(arguments)) if i >= 0)
                self._note(tensor, type(module).__name__, parents or ((call.entered,) if call.entered >= 0 else ()), 0)
            value = self.values[_marked(tensor)]
            if hidden and value.index >= call.start:
                value.parameters |= hidden
                value.own |= hidden
            call.outputs.append((path, value.index))
        call.end, call.left = len(self.values), self._left
        self._left += 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        name = getattr(func, "__name__", "")
        # Looking at a tensor is no operation; `x.T` and its like are.
        if name in ("__set__", "size", "dim", "stride", "is_floating_point", "numel", "__len__"):
            return func(*args, **(kwargs or {}))
        tensors = list(tensors_in((args, kwargs or {})))
        output = func(*args, **(kwargs or {}))
        if name == "__setitem__":
            output, result = args[0], output  # it is another value from now on
        else:
            result = output
        made = [t for t in (output if isinstance(output, (tuple, list)) else [output]) if isinstance(t, torch.Tensor)]
        if not made or name == "__get__" and made[0] is tensors[0]:
            return result
        own, parents = 0, []
        for tensor in tensors:
            own |= self._bits.get(id(tensor), 0)
            if _marked(tensor) >= 0:
                parents.append(_marked(tensor))
        if own or parents:
            for tensor in made:
                self._note(tensor, name, tuple(parents), own, args, kwargs or {})
        return result

    def _note(
        self, tensor: torch.Tensor, name: str, parents: Tuple[int, ...], own: int, args: Any = (), kwargs: Any = None
    ) -> None:
        behind = [self.values[index] for index in parents]
        value = Value(len(self.values), tuple(tensor.shape), parents, own=own, function=name, call=self._open[-1])
        value.parameters = own
        for parent in behind:
            value.parameters |= parent.parameters
            if not parent.given:
                value.own |= parent.parameters
        value.given = any(parent.given for parent in behind)
        value.number = self._made[(value.call, name)] = self._made.get((value.call, name), -1) + 1
        value.weighted = name.startswith(WEIGHTED)
        if value.given and tensor.dim():
            parts = [
                (part, self.values[_marked(part)] if _marked(part) >= 0 else None) for part in _joined(args, kwargs)
            ]
            layouts.tell(value, behind, name, args, kwargs or {}, self._batch, tensor.is_floating_point(), parts)
        self._keep(tensor, value)

    def _keep(self, tensor: torch.Tensor, value: Value) -> None:
        setattr(tensor, _MARK, value.index)
        self.values.append(value)


def _joined(args: Any, kwargs: Any) -> List[torch.Tensor]:
    """The tensors that a concatenation puts together; of any other function the first two arguments."""
    parts = (kwargs or {}).get("tensors", args[0] if args else ())
    parts = parts if isinstance(parts, (list, tuple)) else args[:2]
    return [part for part in parts if isinstance(part, torch.Tensor)]


def _marked(tensor: torch.Tensor) -> int:
    return getattr(tensor, _MARK, -1)


def tensors_in(content: Any) -> Iterator[torch.Tensor]:
    """Every tensor in arguments or outputs, also inside of tuples, lists and dicts."""
    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, (list, tuple)):
        for part in content:
            yield from tensors_in(part)
    elif isinstance(content, Mapping):
        for part in content.values():
            yield from tensors_in(part)


def _paths(output: Any, path: Tuple[Any, ...] = ()) -> Iterator[Tuple[Tuple[Any, ...], torch.Tensor]]:
    """Every tensor of a module's output with the path that leads to it."""
    if isinstance(output, torch.Tensor):
        yield path, output
    elif isinstance(output, Mapping):
        for key, part in output.items():
            yield from _paths(part, (*path, key))
    elif isinstance(output, (list, tuple)):
        for index, part in enumerate(output):
            yield from _paths(part, (*path, index))
    elif hasattr(output, "__dataclass_fields__"):
        for name in output.__dataclass_fields__:
            yield from _paths(getattr(output, name), (*path, name))


def follow(output: Any, path: Sequence[Any]) -> Any:
    """The part of a module's output that a path leads to."""
    for step in path:
        fields = hasattr(output, "__dataclass_fields__") and not isinstance(output, Mapping)
        output = getattr(output, step) if fields and isinstance(step, str) else output[step]
    return output


def _ones(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
