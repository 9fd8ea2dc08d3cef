"""Search spaces of the user's own: from a function, from ConfigSpace, from a file."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from torch import nn

from naslib_gennas import user_code
from naslib_gennas.errors import InputError
from naslib_gennas.spaces import registry
from naslib_gennas.spaces.choices import Choices
from naslib_gennas.spaces.functions import FunctionSpace, Made, name_of
from naslib_gennas.spaces.space import SearchSpace


def from_function(
    function: Callable[[Any], Made],
    name: Optional[str] = None,
    *,
    inputs: Optional[Sequence[int]] = None,
    parse: Optional[Callable[[Any], Mapping[str, Any]]] = None,
    format: Optional[Callable[[Dict[str, Any]], str]] = None,
    fixed_skeleton: bool = False,
) -> SearchSpace[Choices]:
    """A search space of the networks that a function makes from choices.

    The function gets an object that answers as `optuna.Trial` does, and returns a torch module (see `Made`). An
    architecture is the JSON of its choices. Choices may depend on earlier ones.

    >>> def plain(choose):
    ...     depth, width = choose.suggest_int("depth", 1, 3), choose.suggest_categorical("width", [8, 16])
    ...     return nn.Sequential(nn.Conv2d(3, width, 3), *(nn.Conv2d(width, width, 3) for _ in range(depth)))
    >>> space = from_function(plain)
    >>> space.parse('{"depth": 2, "width": 16}')
    (('depth', 2), ('width', 16))

    Args:
        function: it is called with the choices alone; without weights wherever that is possible.
        name: of the search space; None: the function's.
        inputs: shape of one input: (channels, height, width), or (channels, length) for maps over time; None: colour
            images of the profile's resolution.
        parse: the answers that another notation stands for, a text or a mapping such as a table has, by the names of
            the choices. The JSON of the choices is understood anyway.
        format: writes that notation; ``parse(format(answers))`` are the answers.
        fixed_skeleton: all networks repeat one cell in the same places and widths, and only the cell is chosen, as in
            NAS-Bench-201: `gennas-plus` then looks at what tells cells apart. False where depth or width are chosen.

    Raises:
        InputError: the function takes no argument, makes no choices, returns no module, fails, or makes other choices
            for the same answers.
    """
    if (name or name_of(function)) in registry.names():
        raise InputError(
            f"'{name or name_of(function)}' is a search space of this package; call the function otherwise, or give "
            "from_function a name="
        )
    return FunctionSpace(function, name, inputs=inputs, parse=parse, format=format, fixed_skeleton=fixed_skeleton)


def from_configspace(
    space: Any, build: Callable[[Dict[str, Any]], Made], name: Optional[str] = None, *, fixed_skeleton: bool = False
) -> SearchSpace[Choices]:
    """The search space of a `ConfigSpace.ConfigurationSpace`, with its conditions and forbidden combinations.

    Args:
        space: of categorical, ordinal, integer and float hyperparameters and constants.
        build: makes the network of a configuration, a dict with the values of the active hyperparameters.
        name: of the search space; None: that of `space`, else of `build`.
        fixed_skeleton: as for `from_function`.

    Raises:
        InputError: as `from_function`, or a hyperparameter of another kind.
    """
    from naslib_gennas.spaces.configspace import asking

    function = asking(space, build)
    about = json.dumps(space.to_serialized_dict(), sort_keys=True, default=str)
    return FunctionSpace(
        function, name or space.name or name_of(build), code=(build, about), fixed_skeleton=fixed_skeleton
    )


def from_file(text: str) -> SearchSpace[Any]:
    """The search space that ``FILE.py:NAME`` names: a function of choices, a `SearchSpace` or a class of one.

    Raises:
        InputError: see `user_code.find` and `from_function`.
    """
    found = user_code.find(text, "search space")
    if isinstance(found, type) and issubclass(found, SearchSpace):
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        if missing:
            raise InputError(f"search space '{text}' has no {', '.join(missing)}")
        found = found()
    if isinstance(found, SearchSpace):
        if not hasattr(found, "name"):
            found.name = type(found).__name__
        return found
    if isinstance(found, nn.Module) or not callable(found):
        raise InputError(
            f"search space '{text}' is a {type(found).__name__}; it takes a function of choices or a SearchSpace"
        )
    return from_function(found)
