"""The search methods, in one table that the command and Python share: what each is, and what it takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from naslib_gennas.errors import InputError, suggest


@dataclass(frozen=True)
class Method:
    """A search method; make one with `get`.

    Attributes:
        name: what `--method` calls it.
        about: one line.
        settings: its own settings and their usual values; None: whatever is usual for the space.
        searcher: "evolution" or "random": how architectures are proposed; "" where the method finds one by itself.
        proxy: the only proxy that it scores by; None: any.
        finalists: whether its best race at full depth unless the caller says otherwise.
        refuses: what a search may be told that has no meaning for it.
    """

    name: str
    about: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    searcher: str = ""
    proxy: Optional[str] = None
    finalists: bool = True
    refuses: Tuple[str, ...] = ()


# How children are made, and what is searched among, is in `variation`.
_AGEING = {"population": 50, "tournament": 10, "children": None, "among": None}
# What a method that finds an architecture by itself has no use for.
_ALONE = ("proxy", "constraint", "finalists", "workers", "executor", "control")
METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("evolution", "regularized evolution on scores (arXiv:2108.01899, section 4.4)", _AGEING, "evolution"),
        Method("random", "random search on scores", {"among": None}, "random"),
        Method(
            "rlnas",
            "regularized evolution on the angles of a supernet trained on random labels (arXiv:2101.11834)",
            _AGEING,
            "evolution",
            proxy="rlnas",
            # One supernet scores them all; a larger one for the finalists would be another search.
            finalists=False,
        ),
        Method(
            "nasi",
            "ascent on the expected trace norm of a supernet (arXiv:2109.00817)",
            {"nu": "adaptive", "estimator": "likelihood", "price": None},
            refuses=_ALONE,
        ),
        Method(
            "te-nas",
            "pruning of a supernet by condition number and linear regions (arXiv:2102.11535)",
            {"repeats": 3},
            # What is left half-way is no architecture.
            refuses=(*_ALONE, "evaluations", "budget"),
        ),
    )
}


def get(method: Union[str, Method], **settings: Any) -> Method:
    """The method of a name, with some of its own settings changed: ``get("evolution", population=20)``.

    A setting that is None stays what it is.

    Raises:
        InputError: no such method, or a setting that it does not have.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise InputError(f"unknown search method '{method}'{suggest(method, METHODS)}")
        method = METHODS[method]
    if not isinstance(method, Method):
        raise InputError(f"search method {method!r} is none{suggest('', METHODS)}")
    settings = {name: value for name, value in settings.items() if value is not None}
    for name in settings:
        if name not in method.settings:
            has = f"it takes {', '.join(method.settings)}" if method.settings else "it has no settings"
            raise InputError(f"search method '{method.name}' does not take {name}; {has}")
    return dataclasses.replace(method, settings={**method.settings, **settings})


#: Every setting of any method: what `search` takes beside its own parameters and those of the scorer.
SETTINGS = frozenset(name for method in METHODS.values() for name in method.settings)


def chosen(method: Union[str, Method], options: Dict[str, Any]) -> Method:
    """The method with those of the options that are settings of methods; they are taken out of `options`."""
    return get(method, **{name: options.pop(name) for name in sorted(SETTINGS & set(options))})


# One worker is what a method that computes alone has anyway.
_ONE = ("workers", 1)


def refuse(method: Method, **given: Any) -> None:
    """Refuse what a method has no use for, by its name.

    Args:
        given: what the search was told; None, False and empty ones count as not said.

    Raises:
        InputError: something was said that the method cannot honour.
    """
    said = [name for name, value in given.items() if value and name in method.refuses and (name, value) != _ONE]
    if said:
        raise InputError(f"search method '{method.name}' has no use for {', '.join(said)}; leave it out")
