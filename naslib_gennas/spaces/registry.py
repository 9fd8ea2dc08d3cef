"""The registry of search spaces: `get` finds one by name."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, Callable, Dict, List, Type

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.spaces.space import SearchSpace

# Each search space's module, imported when it is first asked for: starting up stays quick.
_MODULES = {
    "nasbench201": "naslib_gennas.spaces.nasbench201",
    "nasbench101": "naslib_gennas.spaces.nasbench101",
    "nasbenchnlp": "naslib_gennas.spaces.nasbenchnlp",
    "nats-size": "naslib_gennas.spaces.natssize",
    "darts": "naslib_gennas.spaces.darts",
    "transnas-micro": "naslib_gennas.spaces.transnas",
    "transnas-macro": "naslib_gennas.spaces.transnas",
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("darts", "darts-fix", "darts-in", "darts-fix-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("amoeba", "amoeba-in", "nasnet", "nasnet-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("enas", "enas-fix", "enas-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("pnas", "pnas-fix", "pnas-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("resnet", "resnext-a", "resnext-a-in")},
    **{f"nds-{name}": "naslib_gennas.spaces.nds" for name in ("resnext-b", "resnext-b-in")},
}
_REGISTRY: Dict[str, Type[SearchSpace[Any]]] = {}

#: Another package's entry points of this group, each named as its space, are imported when it is asked for.
GROUP = "naslib_gennas.spaces"


def search_space(name: str) -> Callable[[Type[SearchSpace[Any]]], Type[SearchSpace[Any]]]:
    """Register a `SearchSpace` class under `name`."""

    def register(cls: Type[SearchSpace[Any]]) -> Type[SearchSpace[Any]]:
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return register


def names() -> List[str]:
    """Every search space that `get` knows."""
    return sorted({*_MODULES, *_REGISTRY, *_foreign()})


def _foreign() -> Dict[str, importlib.metadata.EntryPoint]:
    found: Any = importlib.metadata.entry_points()
    # Python 3.9 gives a mapping.
    entries = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, ())
    return {entry.name: entry for entry in entries}


def get(space: Any) -> SearchSpace[Any]:
    """The search space of a name; a `SearchSpace` is given back as it is.

    Raises:
        InputError: no search space has that name; the nearest one is suggested.
    """
    if isinstance(space, SearchSpace):
        return space
    if space not in _REGISTRY and space in _MODULES:
        importlib.import_module(_MODULES[space])
    elif space not in _REGISTRY and space in _foreign():
        try:
            _foreign()[space].load()
        except Exception as error:  # another package's fault, said in a line
            raise InputError(
                f"search space '{space}' of another package cannot be loaded: {type(error).__name__}: {error}"
            ) from None
    if space not in _REGISTRY:
        raise InputError(f"unknown search space '{space}'{suggest(str(space), names())}")
    return _REGISTRY[space]()
