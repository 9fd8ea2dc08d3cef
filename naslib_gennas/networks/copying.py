"""Copies of networks, as `copy.deepcopy` makes them, in a quarter of its time: a score makes several."""

from __future__ import annotations

import copy
from collections import OrderedDict
from functools import lru_cache
from typing import Any, Dict, Set, Type, TypeVar, cast

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

# What needs no copy.
_PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.memory_format, torch.device, torch.Size)
# Methods by which a class says itself how it is copied; those of the usual classes do nothing to a complete module.
_OWN_WAYS = ("__deepcopy__", "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__getnewargs_ex__")
_USUAL = (object, nn.Module, nn.modules.conv._ConvNd)


class _Special(Exception):
    """A part says itself how it is copied, or two tensors share their memory."""


def copied(network: Network) -> Network:
    """A copy of a network that shares no tensor with it: what `copy.deepcopy` gives.

    Modules and parameters that the network uses at several places are one module and one parameter in the copy, too.
    """
    try:
        return cast(Network, _module(network, {}, set()))
    except _Special:
        return copy.deepcopy(network)


def _module(module: nn.Module, memo: Dict[int, Any], storages: Set[int]) -> nn.Module:
    if id(module) in memo:
        return cast(nn.Module, memo[id(module)])
    kind = type(module)
    if _has_own_way(kind):  # type: ignore[arg-type]  # mypy takes no class for hashable here
        raise _Special
    fresh: nn.Module = object.__new__(kind)
    memo[id(module)] = fresh
    state = fresh.__dict__
    for name, value in module.__dict__.items():
        if isinstance(value, _PLAIN):
            state[name] = value
        elif name == "_modules":
            parts = ((key, None if part is None else _module(part, memo, storages)) for key, part in value.items())
            state[name] = type(value)(parts)
        elif name in ("_parameters", "_buffers"):
            state[name] = type(value)((key, _tensor(tensor, memo, storages)) for key, tensor in value.items())
        elif type(value) in (dict, OrderedDict, list, set) and not value:
            state[name] = type(value)()
        elif type(value) is tuple and all(isinstance(part, _PLAIN) for part in value):
            state[name] = value
        else:
            state[name] = copy.deepcopy(value, memo)
    return fresh


@lru_cache(maxsize=256)
def _has_own_way(kind: Type[nn.Module]) -> bool:
    bases = [vars(base) for base in kind.__mro__ if base not in _USUAL]
    return any(base.get("__slots__") or any(way in base for way in _OWN_WAYS) for base in bases)


def _tensor(tensor: Any, memo: Dict[int, Any], storages: Set[int]) -> Any:
    if tensor is None or id(tensor) in memo:
        return memo.get(id(tensor))
    kind = type(tensor)
    if kind not in (torch.Tensor, nn.Parameter) or tensor.layout is not torch.strided or not tensor.is_leaf:
        raise _Special
    memory = tensor.untyped_storage()
    place = memory.data_ptr()
    whole = memory.nbytes() == tensor.numel() * tensor.element_size()
    if not whole or place in storages or tensor.grad is not None or tensor.__dict__:
        raise _Special
    storages.add(place)
    fresh = tensor.detach().clone(memory_format=torch.preserve_format)
    if kind is nn.Parameter:
        fresh = nn.Parameter(fresh, tensor.requires_grad)
    elif tensor.requires_grad:
        fresh.requires_grad_()
    memo[id(tensor)] = fresh
    return fresh
