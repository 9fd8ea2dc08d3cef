"""Networks without weights: a function that makes one is run on torch's meta device, and what it makes is told apart.

Two networks are told to be equal only where they were made by the same calls and compute the same by the same calls.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode


class Untraceable(Exception):
    """A network of which it cannot be told what it computes."""


# What makes large tensors. The values of others (arange, linspace, tensor) may be needed, and they are small.
_FACTORIES = {
    torch.empty,
    torch.zeros,
    torch.ones,
    torch.full,
    torch.rand,
    torch.randn,
    torch.eye,
    torch.normal,
    torch.empty_strided,
    nn.Parameter,
}
# What only fills a tensor: without memory there is nothing to do.
_FILLING = {
    f"{name}_"
    for name in "zero fill ones zeros constant uniform normal trunc_normal kaiming_uniform kaiming_normal "
    "xavier_uniform xavier_normal orthogonal dirac eye sparse erfinv mul add div clamp bernoulli exponential "
    "copy".split()
}
_MOVING = {"to", "cuda", "cpu", "xpu", "mps", "pin_memory"}
_UNTOLD = {"__get__", "__set__", "_set_grad_enabled", "is_contiguous", "dim", "size", "numel", "__len__", "__repr__"}
_SPECIAL = _FILLING | _MOVING | {getattr(factory, "__name__", "") for factory in _FACTORIES}
_BUILT_IN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)
_BASE = set(vars(nn.Module())) - {"training"}
_HOOKS = [name for name in vars(nn.Module()) if name.endswith("_hooks")]


class Weightless(TorchFunctionMode):
    """Inside the block tensors have shapes and no values: no weights are made, whatever the device that is asked for.

    Args:
        told: whether to note every call, for `identity`.
    """

    def __init__(self, told: bool = False) -> None:
        super().__init__()
        self.calls: Optional[List[str]] = [] if told else None
        self.tensors = _Tensors()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[Dict[str, Any]] = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        # The common case first: networks make thousands of calls.
        if name in _SPECIAL:
            result = self._without_values(name, func, args, kwargs)
        else:
            result = func(*args, **kwargs)
        if self.calls is not None and name not in _UNTOLD:
            self._tell(name, args, kwargs, result)
        return result

    def _without_values(self, name: str, func: Any, args: Any, kwargs: Dict[str, Any]) -> Any:
        if func in _FACTORIES:
            return func(*args, **{**kwargs, "device": "meta"})
        first: Any = args[0] if args else kwargs.get("tensor")
        if isinstance(first, torch.Tensor) and first.is_meta:
            if name in _FILLING:
                return first
            if name in _MOVING:
                dtypes = [value for value in (*args[1:], *kwargs.values()) if isinstance(value, torch.dtype)]
                return first.to(dtypes[0]) if dtypes else first
        return func(*args, **kwargs)

    def _tell(self, name: str, args: Any, kwargs: Dict[str, Any], result: Any) -> None:
        if not any(isinstance(value, torch.Tensor) and value.is_meta for value in (*args, *kwargs.values(), result)):
            return
        assert self.calls is not None
        options = {key: value for key, value in kwargs.items() if key not in ("device", "pin_memory")}
        described = [_described(value, self.tensors) for value in (args, options, result)]
        self.calls.append(f"{name}{described} {torch.is_grad_enabled()}")


class _Tensors:
    """Numbers for tensors without values, in the order in which they appear; views share the number of their base."""

    def __init__(self) -> None:
        self._numbers: Dict[int, int] = {}
        self._kept: List[Any] = []  # so that no other tensor comes to have the same place in memory

    def describe(self, tensor: torch.Tensor) -> str:
        try:
            storage = tensor.untyped_storage()
        except Exception:  # a lazy parameter's, a sparse tensor's
            raise Untraceable("a tensor without storage") from None
        about = f"{tuple(tensor.shape)}{tensor.stride()}{tensor.dtype}{tensor.requires_grad}"
        if not tensor.is_meta:
            numbers = tensor.detach().cpu().contiguous().view(-1)
            return f"{hashlib.sha256(bytes(numbers.view(torch.uint8).numpy())).hexdigest()}{about}"
        place = storage._cdata
        if place not in self._numbers:
            self._numbers[place] = len(self._numbers)
            self._kept.append(storage)
        return f"%{self._numbers[place]}+{tensor.storage_offset()}{about}"


def identity(network: nn.Module, stages: Sequence[str], made: Weightless) -> str:
    """A text that is equal for networks that compute the same at equal stages, from weights that are drawn the same.

    Modules that pass their input on (`nn.Identity`) leave no trace, wherever they are.

    Args:
        network: what was made inside the block of `made`.
        stages: names of submodules that are its stages.
        made: it has noted the calls.

    Raises:
        Untraceable: it cannot be told what the network computes.
    """
    modules = {id(part): part for part in network.modules() if not _passes_on(part)}
    numbers = {place: number for number, place in enumerate(modules)}
    parts = [*(made.calls or ())]
    parts += [_module(part, made.tensors) for part in modules.values()]
    modes = {id(part): part.training for part in network.modules()}
    try:
        for training in (True, False) if _tell_modes_apart(network) else (True,):
            parts += _graph(network.train(training), stages, numbers, made.tensors)
    finally:
        for part in network.modules():
            part.training = modes[id(part)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _tell_modes_apart(network: nn.Module) -> bool:
    """Whether a module that is not torch's own may do something else in evaluation."""
    kinds = {base for part in network.modules() for base in type(part).__mro__}
    codes = [
        value.__code__
        for kind in kinds
        if kind.__module__.partition(".")[0] != "torch"
        for value in vars(kind).values()
        if isinstance(value, types.FunctionType)
    ]
    return any("training" in (*code.co_names, *code.co_consts) for code in codes)


def _passes_on(module: nn.Module) -> bool:
    return type(module) is nn.Identity and not any(getattr(module, name) for name in _HOOKS)


def _module(module: nn.Module, tensors: _Tensors) -> str:
    """A module's class and its own settings, parameters and buffers."""
    if any(getattr(module, name) for name in _HOOKS):
        raise Untraceable("a module with hooks")
    own = {key: value for key, value in vars(module).items() if key not in _BASE}
    weights = [module._parameters, module._buffers]
    tied = [getattr(value, "_backward_hooks", None) for table in weights for value in table.values()]
    if any(tied):
        raise Untraceable("a parameter with hooks")
    return f"{_class(type(module))}{_described(own, tensors)}{_described(weights, tensors)}"


def _class(kind: type) -> str:
    for base in kind.__mro__:
        if "<locals>" in base.__qualname__:
            functions = [value for value in vars(base).values() if isinstance(value, types.FunctionType)]
            if any(set(function.__code__.co_freevars) - {"__class__"} for function in functions):
                raise Untraceable("a class that encloses values")
    return f"{kind.__module__}.{kind.__qualname__}"


def _graph(network: nn.Module, stages: Sequence[str], modules: Dict[int, int], tensors: _Tensors) -> List[str]:
    """The calls of a forward pass, each with the numbers of the calls whose results it takes."""
    parameters = [*inspect.signature(type(network).forward).parameters.values()][1:]
    given = {part.name: part.default for part in parameters if part.default is not inspect.Parameter.empty}
    tracer = _Tracer(stages)
    try:
        graph = tracer.trace(network, concrete_args=given or None)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a forward does when it sees no numbers
        raise Untraceable(str(error)) from None
    numbers = {node: f"={number}" for number, node in enumerate(graph.nodes)}
    lines = []
    for node in graph.nodes:
        target: Any = node.target
        if node.op == "call_module":
            target = modules[id(network.get_submodule(target))]
        elif node.op == "get_attr":
            target = _described(_attribute(tracer.root, target), tensors)
        elif node.op in ("placeholder", "output"):
            target = ""
        elif not isinstance(target, str):
            target = _described(target, tensors)
        lines.append(f"{node.op} {target} {_described((node.args, node.kwargs), tensors, numbers)}")
    ends = [numbers[node] for node in dict.fromkeys(tracer.ends)]
    marks = [f"{name} {[numbers[node] for node in tracer.marked.get(name, [])]}" for name in stages]
    return [*lines, *ends, *marks]


class _Tracer(fx.Tracer):
    """Notes which values are outputs of modules: stages are found among them."""

    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__(param_shapes_constant=True)
        self.stages, self.marked, self.ends = set(stages), {}, []  # type: Any, Dict[str, List[Any]], List[Any]

    def call_module(self, m: nn.Module, forward: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        output = args[0] if _passes_on(m) and args else super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            name = self.path_of_module(m)
            self.ends.append(output.node)
            if name in self.stages:
                self.marked.setdefault(name, []).append(output.node)
        return output


def _attribute(root: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), root)


def _described(value: Any, tensors: _Tensors, nodes: Optional[Dict[Any, str]] = None) -> str:
    """A text that is equal for equal values only.

    Raises:
        Untraceable: it is a value of which that cannot be said.
    """
    if isinstance(value, torch.Tensor):
        return tensors.describe(value)
    if isinstance(value, fx.Node):
        return (nodes or {})[value]
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), type(...))):
        return repr(value)
    if isinstance(value, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}[{', '.join(_described(part, tensors, nodes) for part in value)}]"
    if isinstance(value, dict):
        parts = (f"{_described(key, tensors)}: {_described(part, tensors, nodes)}" for key, part in value.items())
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, slice):
        return f"slice{_described((value.start, value.stop, value.step), tensors, nodes)}"
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, nn.Module):
        raise Untraceable("a module that is no submodule")
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, functools.partial):
        return f"partial{_described((value.func, value.args, value.keywords), tensors)}"
    if isinstance(value, types.FunctionType) and "<lambda>" not in value.__qualname__:
        enclosed = [cell.cell_contents for cell in value.__closure__ or ()]
        return f"{value.__module__}.{value.__qualname__}{_described(enclosed, tensors)}"
    if isinstance(value, _BUILT_IN):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    raise Untraceable(f"a value of type {type(value).__name__}")
