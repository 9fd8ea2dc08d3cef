"""The registry of search spaces: `get` finds one by name."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import Any, Callable, Dict, Iterable, List, Type

from naslib_gennas import user_code
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.extensions import entry_points, import_all
from naslib_gennas.spaces.space import SearchSpace

_REGISTRY: Dict[str, Type[SearchSpace[Any]]] = {}
# What else a search space is called, for the message about an unknown name.
_ALSO: Dict[str, str] = {}

#: Another package's entry points of this group, each named as its space, are imported when it is asked for.
GROUP = "naslib_gennas.spaces"


def search_space(name: str, also: Iterable[str] = ()) -> Callable[[Type[SearchSpace[Any]]], Type[SearchSpace[Any]]]:
    """Register a `SearchSpace` class.

    Args:
        name: what `get` finds it by.
        also: what others call it; who asks for one of these is told the name.
    """

    def register(cls: Type[SearchSpace[Any]]) -> Type[SearchSpace[Any]]:
        cls.name = name
        _REGISTRY[name] = cls
        _ALSO.update({_plain(other): name for other in (name, *also)})
        return cls

    return register


def names() -> List[str]:
    """Every search space that `get` knows."""
    import_all("naslib_gennas.spaces")
    return sorted({*_REGISTRY, *entry_points(GROUP)})


def get(space: Any, **settings: Any) -> SearchSpace[Any]:
    """The search space of a name, of ``FILE.py:NAME`` or of a function of choices; a `SearchSpace` as it is.

    Args:
        space: a name from `names`, or a search space.
        settings: what the space leaves open, such as ``get("darts", cells=14, channels=48)``.

    Raises:
        InputError: no search space has that name (the nearest one is suggested), or it has no such setting. Of what the
            user has made, see `own.from_file` and `own.from_function`.
    """
    if isinstance(space, SearchSpace):
        if settings:
            raise InputError(f"{space.name}: settings go with a name, not with a search space that is made already")
        return space
    if callable(space) or user_code.split(space)[0]:
        if settings:
            raise InputError(f"{space}: settings go with the name of a search space, not with one of your own")
        from naslib_gennas.spaces import own

        return own.from_function(space) if callable(space) else own.from_file(space)
    if not isinstance(space, str):
        raise InputError(f"{space!r} is no search space; give its name, such as 'nasbench201'")
    import_all("naslib_gennas.spaces")
    if space not in _REGISTRY and space in entry_points(GROUP):
        try:
            entry_points(GROUP)[space].load()
        except Exception as error:  # another package's fault, said in a line
            raise InputError(
                f"search space '{space}' of another package cannot be loaded: {type(error).__name__}: {error}"
            ) from None
    if space not in _REGISTRY:
        raise InputError(f"unknown search space '{space}'{_nearest(str(space))}")
    cls = _REGISTRY[space]
    possible = [] if cls.__init__ is object.__init__ else list(inspect.signature(cls).parameters)
    for setting in settings:
        if setting not in possible:
            leaves = f"it leaves open: {', '.join(possible)}" if possible else "its networks have no settings"
            raise InputError(f"{space}: unknown setting '{setting}'; {leaves}")
    return cls(**settings)


def _nearest(name: str) -> str:
    """What an unknown name may have meant: compared without case and punctuation, other names included."""
    known = {**_ALSO, **{_plain(one): one for one in names()}}
    close = difflib.get_close_matches(_plain(name), known, n=1, cutoff=0.5)
    if not close:
        return suggest(name, names())
    return f"; did you mean '{known[close[0]]}'? Known: {', '.join(names())}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
