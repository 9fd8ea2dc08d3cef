"""Stages by name: the names of modules, and of several calls of one the number of the call."""

from __future__ import annotations

import difflib
from typing import Any, Dict, Optional, Tuple, Union

import torch
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.calls import Calls

#: The name of a module, as ``act`` or ``act#3``, or ("act", 2): its third call.
StageName = Union[str, Tuple[str, int]]


def _known(read: Calls) -> Dict[str, int]:
    """How often each module is called."""
    times: Dict[str, int] = {}
    for call in read.calls:
        if call.name:
            times[call.name] = times.get(call.name, 0) + 1
    return times


def check(module: nn.Module, names: Any) -> None:
    """Refuse names of stages that the module cannot have."""
    if names is None:
        return
    if not isinstance(names, (str, list, tuple)) or (
        names and all(isinstance(name, (int, torch.Tensor)) for name in names)
    ):
        raise InputError(
            f"stages is a {type(names).__name__}; it takes a list of names of submodules, and an input batch or its "
            "shape goes by name: inputs=..."
        )
    known = [name for name, _ in module.named_modules() if name]
    example = known[-1] if known else "conv1"
    if isinstance(names, str) or not names:
        raise InputError(f"stages is {names!r}; it takes a list of names of submodules, such as ['{example}']")
    for name in names:
        plain, _ = _split(name)
        if plain not in known:
            nearest = difflib.get_close_matches(str(plain), known, 8, 0.0) or known[:8]
            raise InputError(f"the network has no submodule '{plain}'{suggest(str(plain), nearest)}")
    if len(set(names)) < len(names):
        raise InputError("stages names a submodule twice")


def _split(name: StageName) -> Tuple[str, Optional[int]]:
    """``act#3`` or ("act", 2): the third call of `act`."""
    if isinstance(name, tuple) and len(name) == 2 and isinstance(name[1], int):
        return name
    text, mark, number = str(name).partition("#")
    if mark and not (number.isdecimal() and number.isascii()):
        return str(name), None
    return text, int(number) - 1 if mark else None


def all_computed(read: Calls, names: Any) -> bool:
    """Whether the pass came by all stages that the user names, before it ended."""
    if names is None:
        return False
    ended = {(call.name, call.number) for call in read.calls if call.outputs}
    return all((plain, number or 0) in ended for plain, number in map(_split, names))


def value(read: Calls, name: StageName) -> int:
    """The value that a stage of this name is.

    Raises:
        InputError: it is no feature map, or not told from others.
    """
    plain, number = _split(name)
    times = _known(read).get(plain, 0)
    if not times:
        raise InputError(f"stage '{plain}' is not used when the network sees its input")
    if number is None and times > 1:
        raise InputError(f"stage '{plain}' is called {times} times; say which: '{plain}#1' to '{plain}#{times}'")
    if number is not None and not 0 <= number < times:
        often = "once" if times == 1 else f"{times} times"
        raise InputError(f"stage '{plain}' is called {often}; there is no call {number + 1}")
    call = next(call for call in read.calls if (call.name, call.number) == (plain, number or 0))
    maps = [index for path, index in call.outputs if not path and read.values[index].size]
    if not maps:
        inner = [path for path, index in call.outputs if read.values[index].size > 1]
        what = "gives a tuple" if inner or len(call.outputs) > 1 else "gives no map (images, channels, height, width)"
        inside = [c.name for c in read.calls if c.name.startswith(f"{plain}.") and c.outputs and not c.outputs[0][0]]
        hint = f"; name a module inside of it, such as '{inside[-1]}'" if inner and inside else ""
        raise InputError(f"stage '{plain}' {what}{hint}")
    return maps[0]
